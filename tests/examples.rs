//! The manifests and configurations in `examples/` and those of the demo are what they claim to be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Container, Namespace, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use session_export_operator::api::policy::request::PolicyRequest;
use session_export_operator::api::policy::{POLICY_KIND, SessionExportPolicy, SessionExportPolicySpec};
use session_export_operator::api::{GROUP, KIND, SessionExport, VERSION};
use session_export_operator::authorization::rules::RequestedExport;
use session_export_operator::aws::identifiers::{OutputUri, StreamGroupIdentifier};
use session_export_operator::config::{Config, Lease, Policies, QuotaConfig, Timing, Watch};
use std::collections::{BTreeMap, BTreeSet};
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
    let others = ["config.yaml", "install.yaml", POLICY];
    let other = |path: &PathBuf| path.is_dir() || others.iter().any(|name| path.ends_with(name));
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

/// The example of a SessionExportPolicy.
const POLICY: &str = "policy.yaml";

fn manifests() -> BTreeMap<String, SessionExport> {
    manifests_in("examples")
}

fn config() -> Config {
    Config::load(&examples().join("config.yaml")).unwrap()
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

/// Paths of all fields that aren't objects. An entry of a list belongs to its list.
fn leaves_of(value: &Value, path: &str) -> BTreeSet<String> {
    let Some(fields) = value.as_object() else { return BTreeSet::from([path.to_owned()]) };
    fields.iter().flat_map(|(key, field)| leaves_of(field, &format!("{path}.{key}"))).collect()
}

#[test]
fn the_example_of_a_policy_is_one_with_the_defaults_and_the_rules_cover_it() {
    let text = read("examples/policy.yaml");
    let written: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!((&written["apiVersion"], &written["kind"]), (&json!("sessionexport.dev/v1alpha1"), &json!(POLICY_KIND)));
    let object: SessionExportPolicy = serde_yaml::from_str(&text).unwrap();
    assert_eq!(serde_json::to_value(&object.spec).unwrap(), written["spec"], "a field is unknown, or lacks");
    let least = json!({"streamGroupIdentifier": "sg-1AB2C3De4", "template": {"spec": {"outputUri": "s3://exports/"}}});
    let defaults: SessionExportPolicySpec = serde_json::from_value(least).unwrap();
    let (defaults, own) = (serde_json::to_value(defaults).unwrap(), &written["spec"]);
    assert!(leaves_of(&defaults, "").is_subset(&leaves_of(own, "")), "it has every field with a default");
    for field in ["suspend", "samplePercent", "successfulExportsHistoryLimit", "failedExportsHistoryLimit"] {
        assert_eq!(own[field], defaults[field], "{field}");
    }
    let request = PolicyRequest::parse(&object.spec).unwrap();
    let (namespace, name) = (object.metadata.namespace.unwrap(), object.metadata.name.unwrap());
    let prefix = request.template.output_uri.static_prefix(&namespace, &name, &request.group.id);
    let config = config();
    let home = config.aws.region.clone().unwrap();
    let uri: OutputUri = prefix.parse().unwrap();
    let asked = RequestedExport { namespace: &namespace, region: &home, group: &request.group.id, uri: &uri };
    assert!(config.rules.coverage_of(asked, &home).is_some_and(|coverage| coverage.exports));
}

fn is_covered(file: &str, object: &SessionExport, config: &Config) -> bool {
    let uri: OutputUri = object.spec.output_uri.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
    let namespace = object.metadata.namespace.clone().unwrap_or_else(|| panic!("{file} has no namespace"));
    let group: StreamGroupIdentifier = object.spec.stream_group_identifier.parse().unwrap();
    let home = config.aws.region.clone().unwrap();
    let asked = RequestedExport { namespace: &namespace, region: &home, group: &group.id, uri: &uri };
    config.rules.coverage_of(asked, &home).is_some_and(|coverage| coverage.exports)
}

#[test]
fn the_example_rules_allow_every_manifest() {
    let config = config();
    for (file, object) in manifests() {
        assert!(is_covered(&file, &object, &config), "{file}");
    }
}

#[test]
fn the_demos_rules_forbid_what_they_are_to_forbid_and_nothing_else() {
    let config = Config::load(&root().join("tools/demo/config.yaml")).unwrap();
    let mut all = manifests();
    all.extend(manifests_in("examples/demo"));
    let refused = all.remove("refused.yaml").unwrap();
    assert!(refused.spec.output_uri.parse::<OutputUri>().is_err());
    let forbidden: Vec<String> =
        all.iter().filter(|(file, object)| !is_covered(file, object, &config)).map(|(file, _)| file.clone()).collect();
    assert_eq!(forbidden, ["not-allowed.yaml"]);
}

#[test]
fn the_example_configuration_holds_the_defaults() {
    let Config { aws: _, rules: _, quota, watch, policies, lease, timing } = config();
    assert_eq!(quota, QuotaConfig::default());
    assert_eq!(watch, Watch::default());
    assert_eq!(policies, Policies::default());
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
    assert_eq!(keys("quota"), ["export", "get", "list", "discoveryShare", "allowAboveDefault"]);
    assert_eq!(keys("watch"), ["namespaces", "labelSelector"]);
    assert_eq!(keys("policies"), ["enabled", "maxWaitingExports"]);
    assert_eq!(keys("lease"), ["namespace", "name"]);
    let rules = written["rules"].as_sequence().unwrap().iter().flat_map(|rule| rule.as_mapping().unwrap().keys());
    let of_rules: BTreeSet<&str> = rules.map(|key| key.as_str().unwrap()).collect();
    let expected = ["namespaces", "streamGroups", "outputPrefixes", "regions", "exports", "policies"];
    assert_eq!(of_rules, BTreeSet::from(expected));
    let sections: Vec<&str> = written.keys().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(sections, ["aws", "rules", "quota", "watch", "policies", "lease", "timing"]);
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
        installed::<ValidatingAdmissionPolicy>("ValidatingAdmissionPolicy").len(),
        installed::<ValidatingAdmissionPolicyBinding>("ValidatingAdmissionPolicyBinding").len(),
    ];
    assert_eq!(kinds, [1; 11]);
    assert_eq!(serde_yaml::Deserializer::from_str(&read("examples/install.yaml")).count(), kinds.len());
}

/// What the chart renders by default: the object of a kind whose name ends so.
fn of_the_chart(kind: &str, ending: &str) -> Value {
    let text = read("tests/chart/snapshots/default.yaml");
    let mut documents = serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap());
    let is_it =
        |object: &Value| object["kind"] == kind && object["metadata"]["name"].as_str().unwrap().ends_with(ending);
    documents.find(is_it).unwrap()
}

#[test]
fn the_installed_network_policy_lets_through_what_the_charts_does() {
    let installed: Vec<NetworkPolicy> = installed("NetworkPolicy");
    let charts = of_the_chart("NetworkPolicy", "");
    let ours = serde_json::to_value(installed[0].spec.clone().unwrap()).unwrap();
    for direction in ["ingress", "egress"] {
        assert_eq!(ours[direction], charts["spec"][direction], "{direction}");
    }
}

#[test]
fn the_installed_rights_are_those_of_the_chart() {
    for (kind, ending) in [("ClusterRole", "-operator"), ("Role", "-lease")] {
        let ours: Vec<Value> = installed(kind);
        // The Lease has the name of the release.
        let text = of_the_chart(kind, ending)["rules"].to_string();
        let charts: Value = serde_json::from_str(&text.replace("exports-session", "session")).unwrap();
        assert_eq!(ours[0]["rules"], charts, "{kind}");
    }
}

#[test]
fn the_installed_status_policy_is_the_charts() {
    let ours: Vec<Value> = installed("ValidatingAdmissionPolicy");
    assert_eq!(ours[0]["spec"], of_the_chart("ValidatingAdmissionPolicy", "-status")["spec"]);
    let bindings: Vec<Value> = installed("ValidatingAdmissionPolicyBinding");
    let mut charts = of_the_chart("ValidatingAdmissionPolicyBinding", "-status")["spec"].clone();
    charts["policyName"] = ours[0]["metadata"]["name"].clone();
    assert_eq!(bindings[0]["spec"], charts);
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
