//! What the chart renders: snapshots, and that every value makes a difference.

use crate::control_plane::{CRD, POLICY_CRD};
use crate::helm::{CHART, full, helm, objects, only, template, text, values};
use serde_json::{Value, json};
use session_export_operator::config::Config;
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
fn a_copy_of_the_defaults_is_in_the_chart() {
    let [copy, original] = ["files/values.yaml", "values.yaml"].map(|file| Path::new(CHART).join(file));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::copy(&original, &copy).unwrap();
    }
    let [copy, original] = [copy, original].map(|path| std::fs::read_to_string(path).unwrap());
    assert!(copy == original, "files/values.yaml is old: see the head of tests/chart/main.rs for how to regenerate");
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
    const FREE: [&str; 16] = [
        "/commonLabels",
        "/commonAnnotations",
        "/deploymentAnnotations",
        "/crds/annotations",
        "/dnsConfig",
        "/serviceAccount/annotations",
        "/resources",
        "/affinity",
        "/nodeSelector",
        "/podSecurityContext",
        "/securityContext",
        "/podLabels",
        "/podAnnotations",
        "/grafanaDashboard/annotations",
        "/config/timing",
        "/config/rules",
    ];
    match values.as_object() {
        Some(map) if !FREE.contains(&path) && !path.ends_with("/labels") => {
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
        // A refusal that names the value is a difference, too.
        let refused = |why: String| why.contains(&path[1..].replace('/', "."));
        let differs = without.map_or_else(refused, |text| text != rendered_full)
            || template(&changed(&defaults, &path, other), &[]).is_ok_and(|text| text != rendered_default);
        assert!(differs, "{path} makes no difference");
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
    assert_ne!(first, checksum(json!({"config": {"timing": {"shutdownGracePeriod": "1s"}}})));
    assert_ne!(first, checksum(json!({"aws": {"region": "us-west-2"}})));
}

fn definitions(values: &Value) -> Vec<Value> {
    objects(values).into_iter().filter(|object| object["kind"] == "CustomResourceDefinition").collect()
}

#[test]
fn the_crds_are_the_committed_ones_and_stay() {
    let committed = [CRD, POLICY_CRD].map(|text| serde_yaml::from_str::<Value>(text).unwrap());
    for (keep, annotations) in [(true, json!({"helm.sh/resource-policy": "keep"})), (false, Value::Null)] {
        let mut rendered = definitions(&json!({"crds": {"keep": keep}}));
        for definition in &mut rendered {
            assert_eq!(definition["metadata"]["annotations"], annotations);
            let metadata = definition["metadata"].as_object_mut().unwrap();
            metadata.remove("annotations");
            metadata.remove("labels");
        }
        assert!(rendered == committed, "the chart's copy is old: run `make crds`");
    }
    assert_eq!(definitions(&json!({"crds": {"enabled": false}})), Vec::<Value>::new());
}

#[test]
fn without_policies_their_definition_is_not_installed() {
    let left = definitions(&json!({"policies": {"enabled": false}}));
    let names: Vec<&Value> = left.iter().map(|definition| &definition["metadata"]["name"]).collect();
    assert_eq!(names, ["sessionexports.sessionexport.dev"]);
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
