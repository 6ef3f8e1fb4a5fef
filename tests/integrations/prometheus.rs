//! promtool's verdict on the metrics, the alerts and the dashboard's queries.

use crate::catalogue::leader_metrics;
use crate::helm::{self, full, tmp};
use crate::rendered::{alerts, dashboard, default_rule, rule, targets, text};
use serde_json::{Value, json};
use session_export_operator::metrics::TextFormat;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Its unit tests of the rules as they are rendered by default.
const TESTS: &str = include_str!("alerts.yaml");

/// A Prometheus that is installed wins, as in `tools/promtool.sh`, which gets one where there is none.
static PROMTOOL: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/promtool.sh");
    let output = Command::new(script).output().unwrap();
    assert!(output.status.success(), "there is no promtool to judge alerts with: {}", helm::text(&output.stderr));
    PathBuf::from(helm::text(&output.stdout).trim())
});

/// Runs it; the error is what it said.
fn promtool(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(&*PROMTOOL);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = helm::text(&output.stdout) + &helm::text(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(said) }
}

#[test]
fn the_metrics_are_named_as_prometheus_wants_it() {
    let said = promtool(&["check", "metrics"], &leader_metrics().encode_as(TextFormat::Prometheus).unwrap())
        .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(said, "");
    // It does look.
    let bare = promtool(&["check", "metrics"], "# TYPE a_milliseconds counter\na_milliseconds 1\n").unwrap_err();
    assert!(bare.contains("_total"), "{bare}");
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
    for (name, rule) in [("rules-default", default_rule()), ("rules-full", rule(&full()))] {
        let said = promtool(&["check", "rules", "--lint-fatal", &rules_file(name, &rule)], "").unwrap();
        assert!(said.contains(&format!("{} rules found", alerts(&rule).len())), "{said}");
    }
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let tests = std::path::Path::new(&rules_file("rules-tested", &default_rule())).with_file_name("tests.yaml");
    std::fs::write(&tests, TESTS).unwrap();
    promtool(&["test", "rules", &tests.display().to_string()], "").unwrap_or_else(|why| panic!("{why}"));

    let cases: Value = serde_yaml::from_str(TESTS).unwrap();
    let cases = cases["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap());
    let (fires, silent): (Vec<&Value>, Vec<&Value>) =
        cases.partition(|case| case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty()));
    let names = |cases: Vec<&Value>| cases.into_iter().map(|case| text(&case["alertname"]).to_owned()).collect();
    let all: BTreeSet<String> = alerts(&default_rule()).iter().map(|alert| text(&alert["alert"]).to_owned()).collect();
    assert_eq!(all, names(fires), "each fires in a test");
    assert_eq!(all, names(silent), "each keeps silent in a test");
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
