//! Labels and annotations of users that the chart sets too: each key is there once, and what selects still selects.

use crate::control_plane::ControlPlane;
use crate::helm::{full, named, only, parse_strictly, template, tmp};
use serde_json::{Value, json};
use std::fs;

/// Keys that the chart writes itself.
const OURS: [&str; 10] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/component",
    "helm.sh/chart",
    "sessionexport.dev/metrics-service",
    "checksum/config",
    "kubectl.kubernetes.io/default-container",
    "helm.sh/resource-policy",
];
const LABELS: [&str; 6] = [
    "/commonLabels",
    "/podLabels",
    "/serviceMonitor/labels",
    "/podMonitor/labels",
    "/prometheusRule/labels",
    "/grafanaDashboard/labels",
];
const ANNOTATIONS: [&str; 6] = [
    "/commonAnnotations",
    "/deploymentAnnotations",
    "/crds/annotations",
    "/podAnnotations",
    "/serviceAccount/annotations",
    "/grafanaDashboard/annotations",
];
/// All maps.
const EVERYWHERE: usize = (1 << (LABELS.len() + ANNOTATIONS.len())) - 1;

/// All keys of ours, given by the user, in some of the maps: those whose bit is set.
fn colliding_values(maps: usize) -> Value {
    let mut values = full();
    let all: Value =
        OURS.iter().map(|key| ((*key).to_owned(), json!("users"))).collect::<serde_json::Map<_, _>>().into();
    for (n, pointer) in LABELS.iter().chain(&ANNOTATIONS).enumerate() {
        if maps & (1 << n) != 0 {
            *values.pointer_mut(pointer).unwrap() = all.clone();
        }
    }
    values
}

fn contains_labels(labels: &Value, selector: &Value) -> bool {
    selector.as_object().is_some_and(|map| !map.is_empty() && map.iter().all(|(key, value)| labels[key] == *value))
}

/// Everything of the chart that selects something of the chart.
fn assert_selected(objects: &[Value], what: &str) {
    let deployment = only(objects, "Deployment");
    let pod = &deployment["spec"]["template"]["metadata"]["labels"];
    let service = only(objects, "Service");
    let spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"].as_array().unwrap();
    let mut pairs = vec![
        (pod, &deployment["spec"]["selector"]["matchLabels"]),
        (pod, &service["spec"]["selector"]),
        (pod, &only(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]),
        (pod, &only(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]),
        (pod, &only(objects, "PodMonitor")["spec"]["selector"]["matchLabels"]),
        (&service["metadata"]["labels"], &only(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"]),
    ];
    pairs.extend(spread.iter().map(|one| (pod, &one["labelSelector"]["matchLabels"])));
    for (labels, selector) in pairs {
        assert!(contains_labels(labels, selector), "{what}: {selector} does not select {labels}");
    }
}

fn read_strictly(values: &Value) -> Vec<Value> {
    let manifests = template(values, &[]).unwrap();
    parse_strictly(&manifests).unwrap_or_else(|why| panic!("{why}\nwith {values}"))
}

#[test]
fn each_key_is_there_once_and_selectors_select() {
    for maps in (0..LABELS.len() + ANNOTATIONS.len()).map(|n| 1 << n).chain([0, EVERYWHERE]) {
        assert_selected(&read_strictly(&colliding_values(maps)), &format!("{maps:b}"));
    }
}

#[test]
fn ours_win_where_something_depends_on_them() {
    let objects = read_strictly(&colliding_values(EVERYWHERE));
    for object in objects.iter().filter(|object| object["metadata"]["labels"].is_object()) {
        let labels = &object["metadata"]["labels"];
        assert_eq!(
            (&labels["app.kubernetes.io/instance"], &labels["app.kubernetes.io/managed-by"]),
            (&json!("exports"), &json!("Helm"))
        );
        assert_eq!(labels["app.kubernetes.io/component"], "users");
    }
    let annotations = &only(&objects, "Deployment")["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["checksum/config"].as_str().unwrap().len(), 64);
    // The Pod may have other containers, by a webhook.
    assert_eq!(annotations["kubectl.kubernetes.io/default-container"], "users");
}

#[test]
fn a_label_for_one_kind_of_object_wins_over_one_for_all() {
    let values = json!({
        "commonLabels": {"release": "all", "empty": "all"},
        "podLabels": {"release": "pod", "empty": ""},
        "serviceMonitor": {"enabled": true, "labels": {"release": "monitor", "empty": ""}},
    });
    let objects = read_strictly(&values);
    let labels = |value: &Value| (value["labels"]["release"].clone(), value["labels"]["empty"].clone());
    let deployment = only(&objects, "Deployment");
    assert_eq!(labels(&deployment["metadata"]), (json!("all"), json!("all")));
    assert_eq!(labels(&deployment["spec"]["template"]["metadata"]), (json!("pod"), json!("")));
    assert_eq!(labels(&only(&objects, "ServiceMonitor")["metadata"]), (json!("monitor"), json!("")));
}

/// A ClusterRole with such a label would hand the operator's rights to every user with `view` or `edit`.
#[test]
fn a_common_label_never_aggregates_the_operators_rights() {
    for to in ["view", "edit", "admin", "anything"] {
        let key = format!("rbac.authorization.k8s.io/aggregate-to-{to}");
        let refused = template(&json!({"commonLabels": {&key: "true"}}), &[]).unwrap_err();
        assert!(refused.contains(&format!("commonLabels.{key}: would add")), "{refused}");
    }
}

/// What Kustomize and Flux's post-renderers make of the manifests.
#[tokio::test]
async fn selectors_select_after_kustomize_has_labelled_everything() {
    let control = ControlPlane::shared().await;
    let pairs = json!({
        "app.kubernetes.io/component": "streaming", "app.kubernetes.io/part-of": "games", "team": "2024",
    });
    let annotated = json!({"commonAnnotations": {"example.com/owner": "on"}});
    for (n, transformers) in [
        json!({"labels": [{"pairs": pairs}]}),
        json!({"labels": [{"pairs": pairs, "includeTemplates": true}]}),
        json!({"labels": [{"pairs": pairs, "includeSelectors": true}]}),
        // As Argo CD labels what it tracks.
        json!({"labels": [{"pairs": {"app.kubernetes.io/instance": "application"}}]}),
        annotated,
    ]
    .into_iter()
    .enumerate()
    {
        for maps in [0, 1, EVERYWHERE] {
            let folder = tmp(&format!("kustomize-{n}-{maps}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("all.yaml"), template(&colliding_values(maps), &[]).unwrap()).unwrap();
            let mut kustomization = transformers.clone();
            kustomization["resources"] = json!(["all.yaml"]);
            fs::write(folder.join("kustomization.yaml"), kustomization.to_string()).unwrap();
            let output = control.kubectl(&["kustomize", folder.to_str().unwrap()]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let objects = parse_strictly(std::str::from_utf8(&output.stdout).unwrap()).unwrap();
            assert_selected(&objects, &transformers.to_string());
            assert!(named(&objects, "ConfigMap", "team-exports")["data"]["config.yaml"].is_string());
        }
    }
}
