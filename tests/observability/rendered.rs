//! The alerts and the dashboard, as the chart renders them.

use crate::helm::{full, objects, only};
use serde_json::{Value, json};

/// The PrometheusRule that these values render.
pub(crate) fn rule(values: &Value) -> Value {
    only(&objects(values), "PrometheusRule").clone()
}

/// The PrometheusRule with the chart's defaults.
pub(crate) fn default_rule() -> Value {
    rule(&json!({"prometheusRule": {"enabled": true}}))
}

/// The alerts of a PrometheusRule.
pub(crate) fn alerts(rule: &Value) -> Vec<Value> {
    let groups = rule["spec"]["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The dashboard, found by the label that Grafana's sidecar looks for.
pub(crate) fn dashboard() -> Value {
    let objects = objects(&full());
    let map = objects.iter().find(|object| object["metadata"]["name"] == "team-exports-dashboard").unwrap();
    assert_eq!(
        (&map["kind"], &map["metadata"]["labels"]["grafana_dashboard"]),
        (&json!("ConfigMap"), &json!("exports"))
    );
    serde_json::from_str(map["data"]["session-export-operator.json"].as_str().unwrap()).unwrap()
}

/// Title, query and legend of every target of the dashboard.
pub(crate) fn targets(dashboard: &Value) -> Vec<(String, String, String)> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().unwrap().iter();
        targets.map(move |target| {
            (
                text(&panel["title"]).to_owned(),
                text(&target["expr"]).to_owned(),
                text(&target["legendFormat"]).to_owned(),
            )
        })
    });
    targets.collect()
}

/// A text of a JSON document.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
