//! Policies that are kept in Git.

use crate::controller::{Flux, example};
use crate::policy_world::{STALLED, world};
use crate::simulator::GROUP;
use crate::world::World;
use kube::Resource;
use kube::api::{ListParams, ObjectMeta};
use serde_json::{Value, json};
use session_export_operator::api::policy::SessionExportPolicy;

/// One manifest of a repository.
fn policy(world: &World, name: &str, output_uri: &str) -> Value {
    json!({
        "apiVersion": "sessionexport.dev/v1alpha1",
        "kind": "SessionExportPolicy",
        "metadata": {"name": name, "namespace": &world.namespace},
        "spec": {"streamGroupIdentifier": GROUP, "template": {"spec": {"outputUri": output_uri}}},
    })
}

/// The metadata of all SessionExports.
async fn exports(world: &World) -> Vec<ObjectMeta> {
    let all = world.exports().list(&ListParams::default()).await.unwrap().items;
    all.into_iter().map(|export| export.meta().clone()).collect()
}

#[tokio::test]
async fn a_policy_from_git_is_waited_for_and_what_it_makes_is_left_alone() {
    let world = world("flux-policy", json!({})).await;
    let flux = Flux::of(&world).await;
    for session in ["one", "two"] {
        world.simulator.session(session, json!({})).await;
    }
    let policies = [policy(&world, "every-session", "s3://exports/a/{sessionId}.zip")];
    let revision = flux.repository.push(&[("policies/all.yaml", &policies)]).await;
    flux.kustomization("policies", json!({"wait": true})).await;
    flux.eventually("made", async || world.policies().get_opt("every-session").await.unwrap().is_some()).await;
    let [status, reason, message] = flux.ready("policies").await;
    assert_eq!((&*status, &*reason), ("Unknown", "Progressing"), "no operator runs: {message}");
    let _operator = world.operator().await;
    flux.applied("policies", &revision).await;
    let both = async || world.simulator.exports("one").await + world.simulator.exports("two").await == 2;
    flux.eventually("both exported", both).await;

    // Applied once more, neither the policy nor its exports change: they are not of this Kustomization's inventory.
    let before =
        (world.policies().get("every-session").await.unwrap().metadata.generation, exports(&world).await.len());
    let pushed = flux.repository.push(&[("policies/all.yaml", &policies)]).await;
    flux.applied("policies", &pushed).await;
    let after = (world.policies().get("every-session").await.unwrap().metadata.generation, exports(&world).await.len());
    assert_eq!((before, after), ((Some(1), 2), (Some(1), 2)));
    let owned = |export: &ObjectMeta| {
        let owners = export.owner_references.iter().flatten();
        owners.map(|owner| &*owner.kind).eq([&*SessionExportPolicy::kind(&())])
    };
    assert!(exports(&world).await.iter().all(owned));
}

/// With the operator away: nothing on a policy asks for it.
#[tokio::test]
async fn pruning_removes_a_policy_with_its_exports_and_stops_nothing_at_aws() {
    let world = world("flux-policy-prune", json!({})).await;
    let operator = world.operator().await;
    let flux = Flux::of(&world).await;
    world.simulator.session("live", json!({})).await;
    let policies = ["stays", "goes"].map(|name| policy(&world, name, "s3://exports/a/{policy}-{sessionId}.zip"));
    flux.repository.push(&[("policies/all.yaml", &policies)]).await;
    flux.kustomization("policies", json!({})).await;
    flux.eventually("exported", async || world.simulator.exports("live").await == 1).await;
    operator.stop().await;
    let maker = exports(&world).await[0].owner_references.clone().unwrap()[0].name.clone();
    let [kept, gone] = if maker == "goes" { ["stays", "goes"] } else { ["goes", "stays"] };
    let kept_policy: Vec<_> = policies.iter().filter(|one| one["metadata"]["name"] == kept).cloned().collect();
    let revision = flux.repository.push(&[("policies/all.yaml", &kept_policy)]).await;
    flux.applied("policies", &revision).await;
    flux.eventually("pruned", async || world.policies().get_opt(gone).await.unwrap().is_none()).await;
    flux.eventually("its exports too", async || exports(&world).await.is_empty()).await;
    assert_eq!(world.simulator.truth("live").await["export"]["status"], "PENDING", "AWS has no cancel");
    flux.delete("policies").await;
    assert!(world.policies().get_opt(kept).await.unwrap().is_none());
}

/// Its time-out of half an hour is longer than a test waits; with the expressions of gitops/flux/policies.yaml it waits.
#[tokio::test]
async fn a_stalled_policy_fails_at_once_or_with_the_expressions_is_waited_for() {
    let world = world("flux-policy-stalled", json!({})).await;
    let operator = world.operator().await;
    let flux = Flux::of(&world).await;
    let forbidden = [policy(&world, "forbidden", "s3://elsewhere/a/{sessionId}.zip")];
    let patient = [policy(&world, "patient", "s3://elsewhere/b/{sessionId}.zip")];
    let files = [("fails/all.yaml", &forbidden[..]), ("waits/all.yaml", &patient[..])];
    let revision = flux.repository.push(&files).await;
    flux.kustomization("fails", json!({"wait": true})).await;
    let expressions = example("policies")["spec"]["healthCheckExprs"].take();
    flux.kustomization("waits", json!({"wait": true, "healthCheckExprs": expressions})).await;
    flux.eventually("failed", async || flux.ready("fails").await[1] == "HealthCheckFailed").await;
    let [status, _, message] = flux.ready("fails").await;
    let named = format!("SessionExportPolicy/{}/forbidden status: 'Failed'", world.namespace);
    assert!(status == "False" && message.contains(&named), "{message}");
    world.policy_shows("patient", STALLED, "DestinationForbidden").await;
    assert_eq!(flux.ready("waits").await[1], "Progressing");
    operator.stop().await;
    let rule =
        json!({"namespaces": ["*"], "streamGroups": ["*"], "outputPrefixes": ["s3://elsewhere/"], "policies": true});
    let _operator = world.start(json!({"rules": [rule]}), &[]).await;
    flux.applied("waits", &revision).await;
}
