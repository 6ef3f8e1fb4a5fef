//! The alerts: each asks for metrics that exist, and has a section that says what to do.

use crate::helm::full;
use crate::pages::page;
use crate::queries::{labels_of, unknown};
use crate::rendered::{alerts, default_rule, rule, text};

#[test]
fn every_expression_asks_for_what_exists() {
    for alert in alerts(&default_rule()) {
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
