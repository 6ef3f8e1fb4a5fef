//! Access to the ports: probes the health port, scrapes the metrics port, and the NetworkPolicy between.

use crate::helm::{full, objects, only};
use serde_json::{Value, json};

fn container(objects: &[Value]) -> &Value {
    &only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
}

/// The rule of the NetworkPolicy that lets through a port, given by its name.
fn ingress_to(objects: &[Value], port: &str) -> Value {
    let rules = only(objects, "NetworkPolicy")["spec"]["ingress"].as_array().unwrap();
    let mut found = rules.iter().filter(|rule| rule["ports"] == json!([{"protocol": "TCP", "port": port}]));
    let rule = found.next().unwrap_or_else(|| panic!("no rule for the port {port}: {rules:?}"));
    assert!(found.next().is_none() && rules.len() == 2, "{rules:?}");
    rule.clone()
}

#[test]
fn probes_go_to_the_health_port_and_scrapes_to_the_metrics_port() {
    let objects = objects(&full());
    let container = container(&objects);
    let ports = json!([
        {"name": "metrics", "containerPort": 8080, "protocol": "TCP"},
        {"name": "health", "containerPort": 8081, "protocol": "TCP"},
    ]);
    // The operator's own defaults, see tests/cli.rs.
    assert_eq!(container["ports"], ports);
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "health", "{probe}");
    }
    let service = json!([{"name": "metrics", "port": 8080, "targetPort": "metrics", "protocol": "TCP"}]);
    assert_eq!(only(&objects, "Service")["spec"]["ports"], service);
    assert_eq!(only(&objects, "ServiceMonitor")["spec"]["endpoints"][0]["port"], "metrics");
    assert_eq!(only(&objects, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["port"], "metrics");
}

#[test]
fn by_default_both_ports_are_reached_from_anywhere() {
    let objects = objects(&json!({}));
    for port in ["health", "metrics"] {
        assert!(ingress_to(&objects, port).get("from").is_none(), "{port}");
    }
}

#[test]
fn metrics_from_narrows_the_metrics_port_and_no_other() {
    let peers = json!([
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
    ]);
    let objects = objects(&json!({"networkPolicy": {"metricsFrom": peers}}));
    assert_eq!(ingress_to(&objects, "metrics")["from"], peers);
    assert!(ingress_to(&objects, "health").get("from").is_none(), "the kubelet's address can't be known");
}
