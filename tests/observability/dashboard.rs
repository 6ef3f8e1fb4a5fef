//! The dashboard: every panel asks for what exists.

use crate::queries::{labels_of, unknown};
use crate::rendered::{dashboard, targets};

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
