//! The ConfigMap: the operator reads in it what the values say.

use crate::helm::{config_text, full, objects, values};
use serde_json::{Value, json};
use session_export_operator::config::Config;
use std::path::Path;

#[test]
fn the_defaults_are_the_operators() {
    let text = config_text(&objects(&json!({})));
    let config = Config::parse(&text, Path::new("config.yaml")).unwrap();
    let own = Config::default();
    assert_eq!((config.quota, config.watch, config.timing), (own.quota, own.watch, own.timing));
    assert!(config.rules.as_slice().is_empty());
    assert_eq!(config.lease.namespace.as_deref(), Some("ops"));
}

#[test]
fn the_configuration_says_what_the_values_say() {
    let text = config_text(&objects(&full()));
    let config = Config::parse(&text, Path::new("config.yaml")).unwrap();
    assert_eq!(config.aws.region.unwrap().as_str(), "us-west-2");
    assert_eq!(config.aws.account_id.unwrap().as_str(), "111122223333");
    let rules: Vec<String> = config.rules.as_slice().iter().map(ToString::to_string).collect();
    let expected = [
        r#"{namespaces: ["team-a"], streamGroups: ["sg-1AB2C3De4"], outputPrefixes: ["s3://exports/team-a/", "s3://exports/it's \"quoted\" \\ <\u00e9>/"]}"#,
        r#"{namespaces: ["team-*"], streamGroups: ["arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-5FG6H7Ij8", "*"], outputPrefixes: ["s3://exports/shared/"], regions: ["us-west-2", "eu-central-1"]}"#,
        r#"{namespaces: ["team-b"], streamGroups: ["sg-9JK0L1Mn2"], outputPrefixes: ["s3://exports/team-b/"], exports: false}"#,
    ];
    assert_eq!(rules, expected);
    let quota = config.quota;
    assert_eq!((quota.export, quota.get, quota.list, quota.allow_above_default), (19.5, 12.0, 25.0, true));
    assert_eq!(quota.discovery_share, 0.5);
    assert_eq!(config.watch.namespaces, ["team-a", "team-b"]);
    assert_eq!(config.watch.label_selector, full()["watch"]["labelSelector"].as_str().unwrap());
    assert_eq!((config.lease.namespace.as_deref(), config.lease.name.as_str()), (Some("leases"), "exports-leader"));
    assert_eq!((config.timing.consistency_window.as_secs(), config.timing.not_found_reads), (45, 4));
}

#[test]
fn the_committed_example_of_a_configuration_can_be_given_as_values() {
    let example = values("examples/config.yaml");
    let part = |key: &str| example[key].clone();
    let values = json!({
        "aws": part("aws"),
        "watch": part("watch"),
        "config": {
            "rules": part("rules"),
            "quota": part("quota"),
            "lease": {"name": example["lease"]["name"]},
            "timing": part("timing"),
        },
    });
    let config: Value = serde_yaml::from_str(&config_text(&objects(&values))).unwrap();
    for key in ["aws", "rules", "watch", "timing", "quota"] {
        assert_eq!(config[key], example[key], "{key}");
    }
}
