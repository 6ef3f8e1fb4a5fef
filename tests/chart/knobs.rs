//! What single values do.

use crate::helm::{NAMESPACE, objects, only, template, values};
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;
use session_export_operator::api::policy::SessionExportPolicy;
use std::collections::BTreeSet;

fn pod_spec(values: &Value) -> Value {
    only(&objects(values), "Deployment")["spec"]["template"]["spec"].clone()
}

#[test]
fn the_network_and_the_names_of_a_pod_are_as_given() {
    let given = json!({
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.53"], "options": [{"name": "ndots", "value": "1"}]},
        "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["proxy.example.com"]}],
        "hostNetwork": true,
    });
    let pod = pod_spec(&given);
    for (key, value) in given.as_object().unwrap() {
        assert_eq!(pod[key], *value, "{key}");
        assert!(pod_spec(&json!({})).get(key).is_none(), "{key}");
    }
    let on_the_node = pod_spec(&json!({"hostNetwork": true}));
    assert_eq!(on_the_node["dnsPolicy"], "ClusterFirstWithHostNet", "names of Services resolve");
}

#[test]
fn the_security_contexts_can_be_replaced_key_by_key_and_removed() {
    let (pod, container) = (pod_spec(&json!({})), |pod: &Value| pod["containers"][0]["securityContext"].clone());
    let of_openshift = json!({"podSecurityContext": {"runAsUser": null, "runAsGroup": null, "fsGroup": null}});
    let mut expected = pod["securityContext"].clone();
    for key in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert!(expected.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    assert_eq!(pod_spec(&of_openshift)["securityContext"], expected);
    for (key, value) in pod["securityContext"].as_object().unwrap() {
        let without = pod_spec(&json!({"podSecurityContext": {key: null}}));
        assert!(without["securityContext"].get(key).is_none(), "{key}");
        let other = if value.is_number() { json!(70000) } else { json!({"type": "Unconfined"}) };
        let other = if value.is_boolean() { json!(false) } else { other };
        let replaced = pod_spec(&json!({"podSecurityContext": {key: other}}));
        assert_eq!(replaced["securityContext"][key], other, "{key}");
    }
    for key in container(&pod).as_object().unwrap().keys() {
        assert!(container(&pod_spec(&json!({"securityContext": {key: null}}))).get(key).is_none(), "{key}");
    }
    let added = container(&pod_spec(&json!({"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}}})));
    assert_eq!(added["capabilities"], json!({"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}));
}

#[test]
fn pods_run_on_linux_and_on_the_nodes_that_are_named() {
    assert_eq!(pod_spec(&json!({}))["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    let named = pod_spec(&json!({"nodeSelector": {"kubernetes.io/arch": "arm64"}}));
    assert_eq!(named["nodeSelector"], json!({"kubernetes.io/arch": "arm64", "kubernetes.io/os": "linux"}));
    assert_eq!(pod_spec(&json!({"nodeSelector": {"kubernetes.io/os": null}})).get("nodeSelector"), None);
}

#[test]
fn names_are_resolved_at_the_given_ports() {
    let objects = objects(&json!({"networkPolicy": {"dnsPorts": [53, 5353]}}));
    let ports = &only(&objects, "NetworkPolicy")["spec"]["egress"][0]["ports"];
    let found: Vec<_> = ports.as_array().unwrap().iter().map(|port| (&port["protocol"], &port["port"])).collect();
    let expected =
        [("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353)].map(|(name, port)| (json!(name), json!(port)));
    assert_eq!(found, expected.iter().map(|(name, port)| (name, port)).collect::<Vec<_>>());
}

#[test]
fn the_globals_say_where_the_image_comes_from() {
    let image = |repository: &str, registry: &str| {
        let given = json!({"image": {"repository": repository, "tag": "1"}, "global": {"imageRegistry": registry}});
        pod_spec(&given)["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    for (repository, expected) in [
        ("operator", "mirror.example.com/operator:1"),
        ("streaming/operator", "mirror.example.com/streaming/operator:1"),
        ("registry.example.com/streaming/operator", "mirror.example.com/streaming/operator:1"),
        ("registry:5000/operator", "mirror.example.com/operator:1"),
        ("localhost/operator", "mirror.example.com/operator:1"),
        ("localhosts/operator", "mirror.example.com/localhosts/operator:1"),
    ] {
        assert_eq!(image(repository, "mirror.example.com"), expected);
        assert_eq!(image(repository, "mirror.example.com/"), expected);
        assert_eq!(image(repository, ""), format!("{repository}:1"));
    }
    assert_eq!(image("a.b/c", "mirror.example.com:5000/cache"), "mirror.example.com:5000/cache/c:1");
}

#[test]
fn secrets_for_the_image_are_the_global_ones_and_the_charts_each_once() {
    let secrets = |global: Value, own: Value| {
        let given = json!({"global": {"imagePullSecrets": global}, "imagePullSecrets": own});
        pod_spec(&given)["imagePullSecrets"].clone()
    };
    let (a, b) = (json!({"name": "a"}), json!({"name": "b"}));
    assert_eq!(secrets(json!(["a", {"name": "b"}]), json!([{"name": "a"}])), json!([a, b]));
    assert_eq!(secrets(json!([]), json!([{"name": "b"}])), json!([b]));
    assert_eq!(secrets(json!([]), json!([])), Value::Null);
}

#[test]
fn every_object_that_has_a_namespace_is_in_the_given_one() {
    let all = json!({
        "namespaceOverride": "elsewhere", "watch": {"namespaces": ["team-a"]}, "serviceMonitor": {"enabled": true},
        "podMonitor": {"enabled": true}, "prometheusRule": {"enabled": true}, "grafanaDashboard": {"enabled": true},
    });
    let text = template(&all, &[]).unwrap();
    for line in text.lines().filter(|line| line.contains(NAMESPACE)) {
        assert!(!line.contains(&format!("\"{NAMESPACE}\"")), "{line}");
    }
    let objects = objects(&all);
    let namespaces = objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str());
    let (there, other): (Vec<_>, Vec<_>) = namespaces.partition(|namespace| *namespace == "elsewhere");
    assert_eq!((there.len(), other), (12, vec!["team-a"; 2]));
    assert!(text.contains(r#"namespace="elsewhere",job=~"(elsewhere/)?exports-session-export-operator|"#));
}

#[test]
fn annotations_reach_what_they_are_for() {
    let given = json!({
        "commonAnnotations": {"all": "all", "both": "all"}, "deploymentAnnotations": {"both": "deployment"},
        "crds": {"annotations": {"both": "crd"}}, "serviceAccount": {"annotations": {"both": "account"}},
    });
    let objects = objects(&given);
    for object in &objects {
        let annotations = &object["metadata"]["annotations"];
        let both = match object["kind"].as_str().unwrap() {
            "Deployment" => "deployment",
            "CustomResourceDefinition" => "crd",
            "ServiceAccount" => "account",
            _ => "all",
        };
        assert_eq!((&annotations["all"], &annotations["both"]), (&json!("all"), &json!(both)), "{object}");
    }
    for definition in objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
        assert_eq!(definition["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
    let pod = &only(&objects, "Deployment")["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(pod.get("all"), None);
}

#[test]
fn a_monitor_elsewhere_finds_the_operator_and_its_alerts_find_the_series() {
    let relabelings = json!([{"targetLabel": "cluster", "replacement": "games"}]);
    let metric_relabelings =
        json!([{"action": "drop", "sourceLabels": ["__name__"], "regex": "sessionexport_list_.*"}]);
    let monitor = json!({
        "enabled": true, "namespace": "monitoring", "relabelings": relabelings, "metricRelabelings": metric_relabelings,
    });
    let given = json!({"serviceMonitor": monitor, "podMonitor": monitor, "prometheusRule": {"enabled": true}});
    let objects = objects(&given);
    for (kind, endpoints) in [("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")] {
        let monitor = only(&objects, kind);
        assert_eq!(monitor["metadata"]["namespace"], "monitoring");
        assert_eq!(monitor["spec"]["namespaceSelector"], json!({"matchNames": [NAMESPACE]}));
        let endpoint = &monitor["spec"][endpoints][0];
        assert_eq!((&endpoint["relabelings"], &endpoint["metricRelabelings"]), (&relabelings, &metric_relabelings));
    }
    assert_eq!(only(&objects, "Service")["metadata"]["namespace"], NAMESPACE);
    // The job of a PodMonitor is its own namespace and name, that of a ServiceMonitor the name of the Service.
    let name = "exports-session-export-operator";
    let series = format!(r#"namespace="ops",job=~"(monitoring/)?{name}|{name}-metrics""#);
    assert!(only(&objects, "PrometheusRule").to_string().contains(&series.replace('"', "\\\"")));
}

fn alerts_by_default() -> Vec<(String, Value)> {
    let alerts = values("charts/session-export-operator/values.yaml")["prometheusRule"]["alerts"].clone();
    alerts.as_object().unwrap().clone().into_iter().collect()
}

fn rendered_alerts(given: &Value) -> Vec<Value> {
    let rule = objects(&json!({"prometheusRule": {"enabled": true, "alerts": given}}));
    only(&rule, "PrometheusRule")["spec"]["groups"][0]["rules"].as_array().unwrap().clone()
}

#[test]
fn each_alert_is_switched_labelled_and_delayed_by_itself() {
    let all = rendered_alerts(&json!({}));
    assert_eq!(all.len(), alerts_by_default().len());
    for (name, default) in alerts_by_default() {
        let is_it = |alert: &&Value| alert["alert"] == name;
        let before = all.iter().find(is_it).unwrap();
        assert_eq!(before["labels"], json!({"severity": default["severity"]}));
        assert_eq!(before.get("for").unwrap_or(&json!("")), &default["for"]);

        let without = rendered_alerts(&json!({&name: {"enabled": false}}));
        assert_eq!(without, all.iter().filter(|alert| !is_it(alert)).cloned().collect::<Vec<_>>(), "{name}");
        let options = json!({"severity": "page", "for": "1h30m", "labels": {"team": "streaming"}});
        let changed = rendered_alerts(&json!({&name: options}));
        for (one, other) in changed.iter().zip(&all) {
            if is_it(&one) {
                assert_eq!(
                    (&one["labels"], &one["for"]),
                    (&json!({"severity": "page", "team": "streaming"}), &json!("1h30m"))
                );
                assert_eq!(one["expr"], other["expr"]);
            } else {
                assert_eq!(one, other);
            }
        }
        assert!(rendered_alerts(&json!({&name: {"for": ""}})).iter().find(is_it).unwrap().get("for").is_none());
    }
}

#[test]
fn without_any_alert_there_is_no_rule() {
    let off: serde_json::Map<String, Value> =
        alerts_by_default().into_iter().map(|(name, _)| (name, json!({"enabled": false}))).collect();
    assert!(
        !template(&json!({"prometheusRule": {"enabled": true, "alerts": off}}), &[])
            .unwrap()
            .contains("PrometheusRule")
    );
}

/// What Artifact Hub shows of the chart.
#[test]
fn the_annotations_of_the_chart_name_what_it_installs() {
    let annotations = values("charts/session-export-operator/Chart.yaml")["annotations"].clone();
    let read = |key: &str| -> Vec<Value> { serde_yaml::from_str(annotations[key].as_str().unwrap()).unwrap() };
    let described = read("artifacthub.io/crds");
    let described: BTreeSet<_> =
        described.iter().map(|one| ["name", "kind", "version"].map(|key| one[key].as_str())).collect();
    let objects = objects(&json!({}));
    let installed = objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition");
    let installed = installed.map(|definition| {
        let spec = &definition["spec"];
        [&definition["metadata"]["name"], &spec["names"]["kind"], &spec["versions"][0]["name"]].map(Value::as_str)
    });
    assert_eq!(described, installed.collect());
    let examples = read("artifacthub.io/crdsExamples");
    let export: SessionExport = serde_json::from_value(examples[0].clone()).unwrap();
    let policy: SessionExportPolicy = serde_json::from_value(examples[1].clone()).unwrap();
    assert!(export.spec.output_uri.ends_with('/') && policy.spec.template.spec.output_uri.ends_with(".zip"));
}
