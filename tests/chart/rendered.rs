//! What the chart renders: snapshots, and that every value makes a difference.

use crate::control_plane::CRD;
use crate::helm::{CHART, config_text, full, helm, objects, only, parse, template, text, values};
use serde_json::{Value, json};
use session_export_operator::config::{Config, Timing};
use std::path::Path;

/// Without the CRD, which has a test of its own.
fn without_crd(manifests: &str) -> String {
    let documents = manifests.split("---\n").filter(|document| !document.contains("/templates/crd.yaml\n"));
    documents.collect::<Vec<_>>().join("---\n")
}

fn assert_snapshot(name: &str, values: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/chart/snapshots/{name}.yaml"));
    let rendered = without_crd(&template(values, &[]).unwrap());
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(rendered == committed, "{name}: see the head of tests/chart/main.rs for how to regenerate:\n{rendered}");
}

#[test]
fn rendered_defaults_are_as_committed() {
    assert_snapshot("default", &json!({}));
}

#[test]
fn rendered_full_values_are_as_committed() {
    assert_snapshot("full", &full());
}

#[test]
fn it_passes_the_strict_lint() {
    for values in [json!({}), full()] {
        let output = helm(&["lint", "--strict", CHART], &values);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

/// Where the values' own structure ends: scalars, lists, and maps whose keys are the user's.
fn leaves(values: &Value, path: &str, found: &mut Vec<String>) {
    const FREE: [&str; 11] = [
        "/commonLabels",
        "/serviceAccount/annotations",
        "/resources",
        "/affinity",
        "/nodeSelector",
        "/podLabels",
        "/podAnnotations",
        "/serviceMonitor/labels",
        "/podMonitor/labels",
        "/config/timing",
        "/config/rules",
    ];
    match values.as_object() {
        Some(map) if !FREE.contains(&path) => {
            map.iter().for_each(|(key, value)| leaves(value, &format!("{path}/{key}"), found));
        }
        Some(_) | None => found.push(path.to_owned()),
    }
}

fn leaves_of(values: &Value) -> Vec<String> {
    let mut found = Vec::new();
    leaves(values, "", &mut found);
    found.sort();
    found
}

fn changed(base: &Value, path: &str, to: &Value) -> Value {
    let mut values = base.clone();
    *values.pointer_mut(path).unwrap() = to.clone();
    values
}

#[test]
fn every_value_makes_a_difference() {
    let (defaults, full) = (values("charts/session-export-operator/values.yaml"), full());
    assert_eq!(leaves_of(&defaults), leaves_of(&full), "full.yaml holds every value");
    let (rendered_default, rendered_full) = (template(&defaults, &[]).unwrap(), template(&full, &[]).unwrap());
    for path in leaves_of(&full) {
        let (default, other) = (defaults.pointer(&path).unwrap(), full.pointer(&path).unwrap());
        // A switch that is on in both.
        let default = if default == other { json!(false) } else { default.clone() };
        let without = template(&changed(&full, &path, &default), &[]);
        let with = template(&changed(&defaults, &path, other), &[]);
        let differs =
            without.is_ok_and(|text| text != rendered_full) || with.is_ok_and(|text| text != rendered_default);
        assert!(differs, "{path} makes no difference");
    }
}

#[test]
fn the_schema_knows_every_value_and_no_other() {
    let schema = values("charts/session-export-operator/values.schema.json");
    let mut known: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    known.retain(|key| key != "global");
    let mut given: Vec<String> =
        values("charts/session-export-operator/values.yaml").as_object().unwrap().keys().cloned().collect();
    known.sort();
    given.sort();
    assert_eq!(known, given);
}

#[test]
fn the_schema_closes_every_map_whose_keys_are_not_the_users() {
    fn open<'a>(schema: &'a Value, path: String, found: &mut Vec<String>) {
        if schema.get("properties").is_some() && schema.get("additionalProperties") != Some(&json!(false)) {
            found.push(path.clone());
        }
        let children: Vec<(String, &'a Value)> = match schema {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(list) => list.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        children.into_iter().for_each(|(key, value)| open(value, format!("{path}/{key}"), found));
    }
    let mut found = Vec::new();
    open(&values("charts/session-export-operator/values.schema.json"), String::new(), &mut found);
    // Volumes have dozens of kinds, objects any: the API server judges them.
    assert_eq!(found, ["/properties/extraObjects/items", "/properties/extraVolumes/items"]);
}

#[test]
fn the_schema_has_every_key_of_the_operators_timing() {
    let schema = values("charts/session-export-operator/values.schema.json");
    let known = schema["properties"]["config"]["properties"]["timing"]["properties"].as_object().unwrap();
    let real = serde_json::to_value(Timing::default()).unwrap();
    assert_eq!(known.keys().collect::<std::collections::BTreeSet<_>>(), real.as_object().unwrap().keys().collect());
}

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
        r#"{namespaces: ["team-*"], streamGroups: ["arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-5FG6H7Ij8", "*"], outputPrefixes: ["s3://exports/shared/"]}"#,
    ];
    assert_eq!(rules, expected);
    let quota = config.quota;
    assert_eq!((quota.export, quota.get, quota.list, quota.allow_above_default), (19.5, 12.0, 25.0, true));
    assert_eq!(config.watch.namespaces, ["team-a", "team-b"]);
    assert_eq!(config.watch.label_selector, full()["watch"]["labelSelector"].as_str().unwrap());
    assert_eq!((config.lease.namespace.as_deref(), config.lease.name.as_str()), (Some("ops"), "exports-leader"));
    assert_eq!((config.timing.settle_window.as_secs(), config.timing.not_found_reads), (45, 4));
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

#[test]
fn another_configuration_is_another_pod() {
    let checksum = |values: Value| {
        let objects = objects(&values);
        only(&objects, "Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/config"].clone()
    };
    let first = checksum(json!({}));
    assert_eq!(first, checksum(json!({"replicaCount": 5})));
    assert_ne!(first, checksum(json!({"config": {"timing": {"drain": "1s"}}})));
    assert_ne!(first, checksum(json!({"aws": {"region": "us-west-2"}})));
}

#[test]
fn the_crd_is_the_committed_one_and_stays() {
    let committed: Value = serde_yaml::from_str(CRD).unwrap();
    for (keep, annotations) in [(true, json!({"helm.sh/resource-policy": "keep"})), (false, Value::Null)] {
        let objects = objects(&json!({"crds": {"keep": keep}}));
        let mut rendered = only(&objects, "CustomResourceDefinition").clone();
        assert_eq!(rendered["metadata"]["annotations"], annotations);
        let metadata = rendered["metadata"].as_object_mut().unwrap();
        metadata.remove("annotations");
        metadata.remove("labels");
        assert_eq!(rendered, committed, "the chart's copy is old: run `make crds`");
    }
    assert!(!template(&json!({"crds": {"enabled": false}}), &[]).unwrap().contains("CustomResourceDefinition"));
}

#[test]
fn versions_agree() {
    let chart = values("charts/session-export-operator/Chart.yaml");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((chart["version"].as_str(), chart["appVersion"].as_str()), (Some(version), Some(version)));
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config.yaml")).unwrap();
    Config::parse(&example, Path::new("examples/config.yaml")).unwrap();
}

#[test]
fn an_older_cluster_is_refused() {
    let refused = template(&json!({}), &["--kube-version", "1.32.9"]).unwrap_err();
    assert!(refused.contains("requires kubeVersion: >=1.33.0-0"), "{refused}");
    assert!(template(&json!({}), &["--kube-version", "1.33.0-eks-1234567"]).is_ok());
}

fn notes(values: &Value) -> String {
    let arguments = ["install", "exports", CHART, "--namespace", "ops", "--dry-run=client"];
    let output = helm(&arguments, values);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let all = text(&output.stdout);
    all.split_once("\nNOTES:\n").unwrap().1.to_owned()
}

/// The lines that the notes print may be pasted: with them there is a rule.
#[test]
fn the_notes_say_the_very_lines_that_are_missing() {
    let given = json!({"watch": {"namespaces": ["team-q"]}});
    let notes = notes(&given);
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
#[test]
fn the_notes_print_an_export_that_works() {
    let notes = notes(&full());
    let (_, after) = notes.split_once("<<'END'\n").unwrap();
    let (manifest, _) = after.split_once("\n  END").unwrap();
    let object = parse(manifest).remove(0);
    assert_eq!(object["spec"]["streamGroupIdentifier"], "sg-1AB2C3De4");
    assert_eq!(object["spec"]["outputUri"], "s3://exports/team-a/");
    assert!(!notes.contains("NOTHING MAY BE EXPORTED") && !notes.contains("create-pod-identity"), "{notes}");
}
