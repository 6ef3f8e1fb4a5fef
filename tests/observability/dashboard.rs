//! The dashboard: every panel asks for what exists.

use crate::helm::{full, objects, tmp};
use crate::promtool::promtool;
use crate::queries::{labels_of, unknown};
use serde_json::{Value, json};

/// As the sidecar finds it.
fn dashboard() -> Value {
    let objects = objects(&full());
    let map = objects.iter().find(|object| object["metadata"]["name"] == "team-exports-dashboard").unwrap();
    assert_eq!(
        (&map["kind"], &map["metadata"]["labels"]["grafana_dashboard"]),
        (&json!("ConfigMap"), &json!("exports"))
    );
    serde_json::from_str(map["data"]["session-export-operator.json"].as_str().unwrap()).unwrap()
}

/// Title, query and legend of every target.
fn targets(dashboard: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().unwrap().iter();
        targets.map(move |target| (text(&panel["title"]), text(&target["expr"]), text(&target["legendFormat"])))
    });
    targets.collect()
}

#[test]
fn every_panel_asks_for_what_exists() {
    let targets = targets(&dashboard());
    assert!(targets.len() >= 15, "{}", targets.len());
    for (title, query, legend) in &targets {
        assert_eq!(unknown(query), [""; 0], "{title}");
        for named in legend.split("{{").skip(1) {
            let label = named.split_once("}}").unwrap().0;
            assert!(labels_of(query).iter().any(|known| known == label), "{title}: {legend}");
            assert!(query.contains(&format!("{label})")) || query.contains(&format!("{label},")), "{title}: {query}");
        }
    }
}

/// As recording rules, which is how promtool reads a query.
#[test]
fn prometheus_accepts_every_query() {
    let filled_in =
        |query: &str| query.replace("$__rate_interval", "5m").replace("$namespace", "ops").replace("$job", ".+");
    let targets = targets(&dashboard());
    let rules = targets.iter().enumerate().map(|(n, (_, query, _))| {
        let query = filled_in(query);
        assert!(!query.contains('$'), "{query}");
        json!({"record": format!("panel:{n}"), "expr": query})
    });
    let file = tmp("dashboard-rules.yaml");
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules.collect::<Vec<_>>()}]});
    std::fs::write(&file, rules.to_string()).unwrap();
    let said = promtool(&["check", "rules", &file.display().to_string()], "").unwrap();
    assert!(said.contains(&format!("{} rules found", targets.len())), "{said}");
}

/// A variable that no query uses, or one that none defines.
#[test]
fn every_variable_is_defined_and_used() {
    let dashboard = dashboard();
    let defined: Vec<&str> =
        dashboard["templating"]["list"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(defined, ["datasource", "namespace", "job"]);
    for (title, query, _) in targets(&dashboard) {
        assert!(query.contains(r#"namespace="$namespace""#) && query.contains(r#"job=~"$job""#), "{title}");
    }
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.iter().all(|panel| panel["datasource"]["uid"] == "$datasource"));
}
