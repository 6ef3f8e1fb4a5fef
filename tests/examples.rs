//! The manifests and the configuration in `examples/` are what they claim to be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

use session_export_operator::api::{GROUP, KIND, SessionExport, VERSION};
use session_export_operator::authority::rules::Verdict;
use session_export_operator::config::{Config, Lease, Quota, Timing, Watch};
use session_export_operator::streams::identifiers::{
    OutputUri, SessionArn, StreamGroupIdentifier, StreamSessionIdentifier,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn manifests() -> BTreeMap<String, SessionExport> {
    let files = std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path());
    let manifests = files.filter(|path| !path.ends_with("config.yaml"));
    let parse = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let object = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        (path.file_name().unwrap().to_str().unwrap().to_owned(), object)
    };
    manifests.map(parse).collect()
}

fn config() -> Config {
    Config::load(&examples().join("config.yaml")).unwrap()
}

fn session_of(object: &SessionExport, config: &Config) -> SessionArn {
    let spec = &object.spec;
    let group: StreamGroupIdentifier = spec.stream_group_identifier.parse().unwrap();
    let session: StreamSessionIdentifier = spec.stream_session_identifier.parse().unwrap();
    SessionArn {
        region: config.aws.region.clone().unwrap(),
        account: config.aws.account_id.clone().unwrap(),
        group: group.id,
        session: session.id,
    }
}

#[test]
fn there_is_one_for_each_way_to_use_it() {
    let names: Vec<String> = manifests().into_keys().collect();
    let expected = [
        "export-by-arn.yaml",
        "export-zip.yaml",
        "export.yaml",
        "ready-when-accepted.yaml",
        "suspended.yaml",
        "ttl.yaml",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_example_rules_allow_every_manifest() {
    let config = config();
    for (file, object) in manifests() {
        let uri: OutputUri = object.spec.output_uri.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
        let namespace = object.metadata.namespace.clone().unwrap_or_else(|| panic!("{file} has no namespace"));
        let verdict = config.rules.judge(&namespace, &session_of(&object, &config), &uri);
        assert_eq!(verdict, Verdict::Allowed, "{file}");
    }
}

#[test]
fn manifests_hold_no_field_that_the_api_doesnt_know() {
    for (file, object) in manifests() {
        let text = std::fs::read_to_string(examples().join(&file)).unwrap();
        let written: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(written["apiVersion"], format!("{GROUP}/{VERSION}"), "{file}");
        assert_eq!(written["kind"], KIND, "{file}");
        let known = serde_json::to_value(&object.spec).unwrap();
        for (key, value) in written["spec"].as_object().unwrap() {
            assert_eq!(known.get(key), Some(value), "{file}: spec.{key}");
        }
    }
}

#[test]
fn the_example_configuration_holds_the_defaults() {
    let Config { aws: _, rules: _, quota, watch, lease, timing } = config();
    assert_eq!(quota, Quota::default());
    assert_eq!(watch, Watch::default());
    assert_eq!(lease.name, Lease::default().name);
    assert_eq!(timing, Timing::default());
}

#[test]
fn the_example_configuration_names_every_key() {
    let text = std::fs::read_to_string(examples().join("config.yaml")).unwrap();
    let written: serde_yaml::Mapping = serde_yaml::from_str(&text).unwrap();
    let keys = |section: &str| -> Vec<String> {
        written[section].as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect()
    };
    let serde_yaml::Value::Mapping(timing) = serde_yaml::to_value(Timing::default()).unwrap() else { panic!() };
    let timing: Vec<String> = timing.keys().map(|key| key.as_str().unwrap().to_owned()).collect();
    assert_eq!(keys("timing"), timing);
    assert_eq!(keys("aws"), ["region", "accountId"]);
    assert_eq!(keys("quota"), ["export", "get", "list", "allowAboveDefault"]);
    assert_eq!(keys("watch"), ["namespaces", "labelSelector"]);
    assert_eq!(keys("lease"), ["namespace", "name"]);
    let sections: Vec<&str> = written.keys().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(sections, ["aws", "rules", "quota", "watch", "lease", "timing"]);
}
