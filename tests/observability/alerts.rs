//! The alerts: each fires when it should and only then, and has a section that says what to do.

use crate::helm::{full, objects, only, tmp};
use crate::pages::page;
use crate::promtool::promtool;
use crate::queries::{labels_of, unknown};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// promtool's unit tests of the rules as they are rendered by default.
const TESTS: &str = include_str!("alerts.yaml");

fn rule(values: &Value) -> Value {
    only(&objects(values), "PrometheusRule").clone()
}

fn by_default() -> Value {
    rule(&json!({"prometheusRule": {"enabled": true}}))
}

fn alerts(rule: &Value) -> Vec<Value> {
    let groups = rule["spec"]["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The rules as Prometheus reads them, in a folder of their own.
fn rules_file(name: &str, rule: &Value) -> String {
    let folder = tmp(name);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("rules.yaml");
    std::fs::write(&path, serde_yaml::to_string(&rule["spec"]).unwrap()).unwrap();
    path.display().to_string()
}

#[test]
fn prometheus_accepts_the_rules() {
    for (name, rule) in [("rules-default", by_default()), ("rules-full", rule(&full()))] {
        let said = promtool(&["check", "rules", "--lint-fatal", &rules_file(name, &rule)], "").unwrap();
        assert!(said.contains(&format!("{} rules found", alerts(&rule).len())), "{said}");
    }
}

#[test]
fn every_expression_asks_for_what_exists() {
    for alert in alerts(&by_default()) {
        let expression = text(&alert["expr"]);
        assert_eq!(unknown(expression), [""; 0], "{expression}");
        let summary = text(&alert["annotations"]["summary"]);
        for named in summary.split("$labels.").skip(1) {
            let label = named.split([' ', '}', ')']).next().unwrap();
            assert!(labels_of(expression).iter().any(|known| known == label), "{summary}");
            let groups = expression.split("by (").skip(1).map(|rest| rest.split_once(')').unwrap().0);
            assert!(groups.into_iter().all(|by| by.contains(label)), "{label} is gone from {expression}");
        }
    }
}

#[test]
fn the_selector_is_in_every_part_of_every_expression() {
    for alert in alerts(&rule(&full())) {
        let expression = text(&alert["expr"]);
        let given = r#"{cluster="games",job="exports""#;
        assert_eq!(expression.matches("sessionexport_").count(), expression.matches(given).count(), "{expression}");
    }
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let tests = std::path::Path::new(&rules_file("rules-tested", &by_default())).with_file_name("tests.yaml");
    std::fs::write(&tests, TESTS).unwrap();
    promtool(&["test", "rules", &tests.display().to_string()], "").unwrap_or_else(|why| panic!("{why}"));

    let cases: Value = serde_yaml::from_str(TESTS).unwrap();
    let cases = cases["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap());
    let (fires, silent): (Vec<&Value>, Vec<&Value>) =
        cases.partition(|case| case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty()));
    let names = |cases: Vec<&Value>| cases.into_iter().map(|case| text(&case["alertname"]).to_owned()).collect();
    let all: BTreeSet<String> = alerts(&by_default()).iter().map(|alert| text(&alert["alert"]).to_owned()).collect();
    assert_eq!(all, names(fires), "each fires in a test");
    assert_eq!(all, names(silent), "each keeps silent in a test");
}

/// The anchor is what a Markdown viewer makes of the heading.
#[test]
fn every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() {
    let runbook = page("docs/runbook.md");
    let sections: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## SessionExport")).collect();
    let alerts = alerts(&rule(&full()));
    let names: Vec<&str> = alerts.iter().map(|alert| text(&alert["alert"])).collect();
    assert_eq!(sections.iter().map(|rest| format!("SessionExport{rest}")).collect::<Vec<_>>(), names);
    for alert in &alerts {
        let url = text(&alert["annotations"]["runbook_url"]);
        let (base, anchor) = url.split_once('#').unwrap();
        assert_eq!(base, "https://runbooks.example.com/session-export-operator");
        assert_eq!(anchor, text(&alert["alert"]).to_lowercase());
        let heading = format!("## {}\n", text(&alert["alert"]));
        let section = runbook.split_once(&heading).unwrap().1.split("\n## ").next().unwrap();
        for part in ["**Means:**", "**Look:**", "**Do:**"] {
            assert!(section.contains(part), "{heading} lacks {part}");
        }
    }
}
