//! NOTES.txt: what to do next, with the values at hand.

use crate::control_plane::ControlPlane;
use crate::helm::{CHART, config_text, full, helm, objects, parse, text};
use serde_json::{Value, json};
use session_export_operator::config::Config;
use std::path::Path;

/// Helm 3 wants to see a cluster that serves every kind, also for a dry run, and none of the objects.
async fn notes(values: &Value) -> String {
    let mut values = values.clone();
    for key in ["crds", "serviceMonitor", "podMonitor", "prometheusRule"] {
        values[key] = json!({"enabled": false});
    }
    let kubeconfig = ControlPlane::shared().await.kubeconfig().display().to_string();
    let arguments =
        ["install", "exports", CHART, "--namespace", "ops", "--dry-run=client", "--kubeconfig", &kubeconfig];
    let output = helm(&arguments, &values);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let all = text(&output.stdout);
    all.split_once("\nNOTES:\n").unwrap().1.to_owned()
}

/// The lines that the notes print may be pasted: with them there is a rule.
#[tokio::test]
async fn the_notes_say_the_very_lines_that_are_missing() {
    let given = json!({"watch": {"namespaces": ["team-q"]}});
    let notes = notes(&given).await;
    let (_, after) = notes.split_once("into your values:\n").unwrap();
    let (lines, _) = after.split_once("\nand run\n").unwrap();
    let mut values: Value = serde_yaml::from_str(lines).unwrap();
    values["watch"] = given["watch"].clone();
    let config = Config::parse(&config_text(&objects(&values)), Path::new("config.yaml")).unwrap();
    assert_eq!(config.rules.as_slice().len(), 1);
    assert!(lines.contains("team-q"), "{lines}");
    assert!(notes.contains("create-pod-identity-association"), "{notes}");
}

/// The object that the notes print is one that the rules allow.
#[tokio::test]
async fn the_notes_print_an_export_that_works() {
    let notes = notes(&full()).await;
    let (_, after) = notes.split_once("<<'END'\n").unwrap();
    let (manifest, _) = after.split_once("\n  END").unwrap();
    let object = parse(manifest).remove(0);
    assert_eq!(object["spec"]["streamGroupIdentifier"], "sg-1AB2C3De4");
    assert_eq!(object["spec"]["outputUri"], "s3://exports/team-a/");
    assert!(!notes.contains("NOTHING MAY BE EXPORTED") && !notes.contains("create-pod-identity"), "{notes}");
}
