//! The monitors and alerts that the chart renders, judged by an API server with the Prometheus operator's definitions.

use crate::control_plane::ControlPlane;
use crate::helm::{full, objects, text, tmp};
use serde_json::json;
use std::process::Command;

const KINDS: [&str; 3] = ["podmonitors", "prometheusrules", "servicemonitors"];

fn kubectl(control: &ControlPlane, arguments: &[&str]) {
    let output = control.kubectl(arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Serves the kinds of the Prometheus operator that the chart can render.
fn install_definitions(control: &ControlPlane) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/prometheus-operator-crds.sh");
    let output = Command::new(script).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    for kind in KINDS {
        let crd = format!("{}/monitoring.coreos.com_{kind}.yaml", text(&output.stdout).trim());
        kubectl(control, &["apply", "--server-side", "-f", &crd]);
        let name = format!("crd/{kind}.monitoring.coreos.com");
        kubectl(control, &["wait", "--for=condition=Established", "--timeout=60s", &name]);
    }
}

#[tokio::test]
async fn every_monitor_and_rule_is_accepted() {
    let control = ControlPlane::shared().await;
    for namespace in ["exports", "monitoring", "monitoring-2"] {
        control.namespace(namespace).await;
    }
    install_definitions(control);
    let mut objects = objects(&full());
    objects.retain(|object| object["apiVersion"] == "monitoring.coreos.com/v1");
    let kinds: Vec<String> = objects.iter().map(|o| o["kind"].as_str().unwrap().to_lowercase() + "s").collect();
    assert!(KINDS.iter().all(|kind| kinds.iter().any(|rendered| rendered == kind)), "{kinds:?}");
    let file = tmp("monitoring.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()).unwrap();
    kubectl(control, &["apply", "--server-side", "--dry-run=server", "-f", file.to_str().unwrap()]);
}
