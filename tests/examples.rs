//! The manifests and configurations in `examples/`, those of the demo and those in the README are what they claim to be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Container, Namespace, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use session_export_operator::api::{GROUP, KIND, SessionExport, VERSION};
use session_export_operator::authority::rules::Verdict;
use session_export_operator::config::{Config, Lease, Quota, Timing, Watch};
use session_export_operator::streams::identifiers::{
    OutputUri, SessionArn, StreamGroupIdentifier, StreamSessionIdentifier,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn examples() -> PathBuf {
    root().join("examples")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The manifests of one folder, by file name.
fn manifests_in(folder: &str) -> BTreeMap<String, SessionExport> {
    let files = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let other = |path: &PathBuf| path.is_dir() || path.ends_with("config.yaml") || path.ends_with("install.yaml");
    let parse = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let object = manifest(&name, &std::fs::read_to_string(&path).unwrap());
        (name, object)
    };
    files.filter(|path| !other(path)).map(parse).collect()
}

/// A SessionExport that holds no field which the API doesn't know.
fn manifest(name: &str, text: &str) -> SessionExport {
    let object: SessionExport = serde_yaml::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
    let written: Value = serde_yaml::from_str(text).unwrap();
    assert_eq!(written["apiVersion"], format!("{GROUP}/{VERSION}"), "{name}");
    assert_eq!(written["kind"], KIND, "{name}");
    let known = serde_json::to_value(&object.spec).unwrap();
    for (key, value) in written["spec"].as_object().unwrap() {
        assert_eq!(known.get(key), Some(value), "{name}: spec.{key}");
    }
    object
}

fn manifests() -> BTreeMap<String, SessionExport> {
    manifests_in("examples")
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

fn verdict(file: &str, object: &SessionExport, config: &Config) -> Verdict {
    let uri: OutputUri = object.spec.output_uri.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
    let namespace = object.metadata.namespace.clone().unwrap_or_else(|| panic!("{file} has no namespace"));
    config.rules.judge(&namespace, &session_of(object, config), &uri)
}

#[test]
fn the_example_rules_allow_every_manifest() {
    let config = config();
    for (file, object) in manifests() {
        assert_eq!(verdict(&file, &object, &config), Verdict::Allowed, "{file}");
    }
}

#[test]
fn the_demos_rules_forbid_what_they_are_to_forbid_and_nothing_else() {
    let config = Config::load(&root().join("tools/demo/config.yaml")).unwrap();
    let mut all = manifests();
    all.extend(manifests_in("examples/demo"));
    let refused = all.remove("refused.yaml").unwrap();
    assert!(refused.spec.output_uri.parse::<OutputUri>().is_err());
    let forbidden: Vec<String> = all
        .iter()
        .filter(|(file, object)| verdict(file, object, &config) != Verdict::Allowed)
        .map(|(file, _)| file.clone())
        .collect();
    assert_eq!(forbidden, ["not-allowed.yaml"]);
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

/// The objects of examples/install.yaml of one kind.
fn installed<K: DeserializeOwned>(kind: &str) -> Vec<K> {
    let text = read("examples/install.yaml");
    let documents = serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap());
    let wanted = documents.filter(|object| object["kind"] == kind);
    wanted.map(|object| serde_json::from_value(object).unwrap_or_else(|e| panic!("{kind}: {e}"))).collect()
}

fn operators_container() -> Container {
    let mut deployments: Vec<Deployment> = installed("Deployment");
    let mut pod = deployments.remove(0).spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.service_account_name.as_deref(), Some("session-export-operator"));
    pod.containers.remove(0)
}

#[test]
fn the_installation_is_made_of_objects_that_kubernetes_knows() {
    let kinds = [
        installed::<Namespace>("Namespace").len(),
        installed::<ServiceAccount>("ServiceAccount").len(),
        installed::<ClusterRole>("ClusterRole").len(),
        installed::<ClusterRoleBinding>("ClusterRoleBinding").len(),
        installed::<Role>("Role").len(),
        installed::<RoleBinding>("RoleBinding").len(),
        installed::<ConfigMap>("ConfigMap").len(),
        installed::<Deployment>("Deployment").len(),
        installed::<NetworkPolicy>("NetworkPolicy").len(),
    ];
    assert_eq!(kinds, [1; 9]);
    assert_eq!(serde_yaml::Deserializer::from_str(&read("examples/install.yaml")).count(), kinds.len());
}

#[test]
fn the_installed_network_policy_lets_through_what_the_charts_does() {
    let installed: Vec<NetworkPolicy> = installed("NetworkPolicy");
    let text = read("tests/chart/snapshots/default.yaml");
    let documents = serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap());
    let charts = documents.into_iter().find(|object| object["kind"] == "NetworkPolicy").unwrap();
    let ours = serde_json::to_value(installed[0].spec.clone().unwrap()).unwrap();
    for direction in ["ingress", "egress"] {
        assert_eq!(ours[direction], charts["spec"][direction], "{direction}");
    }
}

#[test]
fn the_installed_configuration_is_one() {
    let maps: Vec<ConfigMap> = installed("ConfigMap");
    let files = maps[0].data.clone().unwrap();
    let config = Config::parse(&files["config.yaml"], Path::new("config.yaml")).unwrap();
    assert_eq!(config.rules.as_slice().len(), 1);
}

#[test]
fn the_installed_operator_gets_the_arguments_and_the_environment_that_it_needs() {
    let container = operators_container();
    assert_eq!(container.args.unwrap(), ["run", "--config", "/etc/session-export-operator/config.yaml"]);
    let environment = container.env.unwrap();
    let entry = |name: &str| environment.iter().find(|entry| entry.name == name).unwrap().clone();
    let source = entry("POD_UUID").value_from.unwrap().field_ref.unwrap();
    assert_eq!(source.field_path, "metadata.uid");
    assert_eq!(entry("AWS_EC2_METADATA_DISABLED").value.as_deref(), Some("true"));
    let ports = container.ports.unwrap();
    let ports: Vec<_> = ports.iter().map(|port| (port.name.as_deref().unwrap(), port.container_port)).collect();
    assert_eq!(ports, [("metrics", 8080), ("health", 8081)]);
}

/// The blocks of one language in the README.
fn readme_blocks(language: &str) -> Vec<String> {
    let text = read("README.md");
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned());
    blocks.collect()
}

#[test]
fn what_the_readme_shows_in_yaml_is_a_manifest_or_a_configuration() {
    let (manifests, configurations): (Vec<_>, Vec<_>) =
        readme_blocks("yaml").into_iter().partition(|block| block.contains("kind: SessionExport"));
    assert!(!manifests.is_empty() && !configurations.is_empty());
    for text in manifests {
        let uri = manifest("README.md", &text).spec.output_uri;
        uri.parse::<OutputUri>().unwrap_or_else(|e| panic!("{uri}: {e}"));
    }
    for text in configurations {
        Config::parse(&text, Path::new("README.md")).unwrap_or_else(|e| panic!("{e:?}:\n{text}"));
    }
}

#[test]
fn the_policy_in_the_readme_is_json() {
    for text in readme_blocks("json") {
        serde_json::from_str::<Value>(&text).unwrap_or_else(|e| panic!("{e}:\n{text}"));
    }
}
