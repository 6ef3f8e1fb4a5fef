//! The installation and its rules, kept in Git.

use crate::control_plane::ControlPlane;
use crate::controller::{Flux, define, example};
use crate::helm::{parse, template};
use crate::operator::Operator;
use crate::simulator::{ACCESS_KEY_ID, ACCOUNT, REGION, SECRET_ACCESS_KEY};
use crate::world::World;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Of the release.
const RELEASE: &str = "from-git";

/// The chart, as `helm template` renders it into the repository, with one rule.
fn rendered(world: &World, prefix: &str) -> Vec<Value> {
    let rule = json!({"namespaces": [&world.namespace], "streamGroups": ["*"], "outputPrefixes": [prefix]});
    let values = json!({
        "fullnameOverride": RELEASE,
        "aws": {"region": REGION, "accountId": ACCOUNT, "endpointUrl": &world.simulator.aws},
        "watch": {"namespaces": [&world.namespace]},
        "config": {"rules": [rule]},
        // A forbidden export must come as far as the operator.
        "admissionPolicy": {"enabled": false},
        "extraArgs": ["--listen=127.0.0.1:0", "--health-listen=127.0.0.1:0"],
    });
    parse(&template(&values, &["--namespace", &world.namespace]).unwrap())
}

/// The Pod's container as Flux has applied it, as a process: there is no node to run it.
async fn operator(world: &World) -> Operator {
    let deployments: Api<Deployment> = world.namespaced();
    let deployment = serde_json::to_value(deployments.get(RELEASE).await.unwrap()).unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("flux").join(&world.namespace);
    let maps: Api<ConfigMap> = world.namespaced();
    let config = maps.get(RELEASE).await.unwrap().data.unwrap()["config.yaml"].clone();
    let file = folder.join("config.yaml");
    std::fs::write(&file, config).unwrap();
    let mounted = container["volumeMounts"][0]["mountPath"].as_str().unwrap().to_owned() + "/config.yaml";
    let arguments = container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    let arguments: Vec<_> = arguments.map(|one| one.replace(&mounted, file.to_str().unwrap())).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut environment = BTreeMap::from([
        ("KUBECONFIG", world.kubeconfig_of(RELEASE).await.display().to_string()),
        ("POD_UUID", "11111111-2222-3333-4444-555555555555".to_owned()),
        // What the Pod would have from its role.
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
    ]);
    for variable in container["env"].as_array().unwrap() {
        if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) {
            environment.insert(name, value.to_owned());
        }
    }
    Operator::start(&folder.join("operator.log"), &arguments, &environment)
}

/// The example's lines that keep the definition, and with it every object, when the Kustomization goes.
fn kept() -> Value {
    example("operator-rendered")["spec"]["patches"].take()
}

async fn applied_by_flux(world: &World) -> bool {
    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let definition = definitions.get("sessionexports.sessionexport.dev").await.unwrap();
    let managers = definition.metadata.managed_fields.unwrap_or_default();
    managers.iter().any(|one| one.manager.as_deref() == Some("kustomize-controller"))
}

async fn checksum(world: &World) -> Option<String> {
    let deployments: Api<Deployment> = world.namespaced();
    let template = deployments.get(RELEASE).await.unwrap().spec.unwrap().template;
    template.metadata?.annotations?.remove("checksum/config")
}

#[tokio::test]
async fn the_operator_and_its_rules_come_from_git() {
    let world = World::new("flux-install").await;
    let flux = Flux::of(&world).await;
    world.simulator.session("live", json!({})).await;
    let revision = flux.repository.push(&[("operator/all.yaml", &rendered(&world, "s3://exports/a/"))]).await;
    // Its Pods have no node here: waited for is the definition, not the Deployment.
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "name": "sessionexports.sessionexport.dev",
    });
    flux.kustomization("operator", json!({"healthChecks": [definition], "patches": kept()})).await;
    flux.applied("operator", &revision).await;
    assert!(applied_by_flux(&world).await, "the definition too");
    let before = checksum(&world).await;

    let first = operator(&world).await;
    first.ready("leading").await;
    world.export("live", "live", "s3://exports/b/").await;
    world.reason("live", "DestinationForbidden").await;
    first.stop().await;

    // The rule comes by a commit; the changed checksum is what restarts the Pods.
    let revision = flux.repository.push(&[("operator/all.yaml", &rendered(&world, "s3://exports/b/"))]).await;
    flux.applied("operator", &revision).await;
    assert!(before.is_some() && before != checksum(&world).await);
    let second = operator(&world).await;
    second.ready("leading").await;
    world.reason("live", "ExportPending").await;
    world.simulator.end("live").await;
    world.finished("live").await;
    assert_eq!(world.simulator.exports("live").await, 1);

    // Deleting the installation deletes neither the definition nor, with it, any object.
    second.stop().await;
    flux.delete("operator").await;
    let deployments: Api<Deployment> = world.namespaced();
    assert!(deployments.get_opt(RELEASE).await.unwrap().is_none());
    assert!(world.exports().get_opt("live").await.unwrap().is_some());
}

/// HelmRelease apart, whose definition is not at hand: gitops/examples_test.go reads it with Flux's types.
#[tokio::test]
async fn the_api_server_takes_the_examples() {
    let control = ControlPlane::shared().await;
    define(control).await;
    control.namespace("flux-system").await;
    let mut taken = Vec::new();
    for file in ["exports", "operator", "operator-rendered", "policies"] {
        let text = std::fs::read_to_string(format!("{}/gitops/flux/{file}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for object in parse(&text).into_iter().filter(|object| object["kind"] != "HelmRelease") {
            let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("flux-{file}.json"));
            std::fs::write(&path, object.to_string()).unwrap();
            let arguments = ["create", "--dry-run=server", "--validate=strict", "-f", path.to_str().unwrap()];
            let output = control.kubectl(&arguments);
            assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
            taken.push(object["kind"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(taken, ["Kustomization", "GitRepository", "Kustomization", "Kustomization"]);
}
