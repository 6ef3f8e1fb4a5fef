//! Exports that are kept in Git.

use crate::controller::{Flux, example};
use crate::simulator::{GROUP, merge};
use crate::world::World;
use serde_json::{Value, json};

/// One manifest of a repository.
fn export(world: &World, name: &str, more: Value) -> Value {
    let mut object = json!({
        "apiVersion": "sessionexport.dev/v1alpha1",
        "kind": "SessionExport",
        "metadata": {"name": name, "namespace": &world.namespace},
        "spec": {
            "streamGroupIdentifier": GROUP,
            "streamSessionIdentifier": name,
            "outputUri": format!("s3://exports/{name}/"),
        },
    });
    merge(&mut object["spec"], more);
    object
}

/// The reason of an export that Flux is about to make.
async fn reason(flux: &Flux<'_>, world: &World, name: &str, reason: &str) {
    flux.eventually("made", async || world.exports().get_opt(name).await.unwrap().is_some()).await;
    world.reason(name, reason).await;
}

async fn gone(flux: &Flux<'_>, world: &World, name: &str) {
    flux.eventually("deleted", async || world.exports().get_opt(name).await.unwrap().is_none()).await;
}

#[tokio::test]
async fn a_kustomization_is_ready_when_its_exports_are_done() {
    let world = World::new("flux-done").await;
    let _operator = world.operator().await;
    let flux = Flux::of(&world).await;
    for session in ["one", "two"] {
        world.simulator.session(session, json!({})).await;
    }
    let exports = ["one", "two"].map(|name| export(&world, name, json!({})));
    let revision = flux.repository.push(&[("exports/all.yaml", &exports)]).await;
    flux.kustomization("exports", json!({"wait": true})).await;
    for name in ["one", "two"] {
        reason(&flux, &world, name, "ExportPending").await;
    }
    world.simulator.end("one").await;
    world.reason("one", "Exported").await;
    let [status, reason, message] = flux.ready("exports").await;
    assert_eq!((&*status, &*reason), ("Unknown", "Progressing"), "it waits for the other: {message}");
    world.simulator.end("two").await;
    flux.applied("exports", &revision).await;
    for name in ["one", "two"] {
        assert_eq!((world.simulator.exports(name).await, world.status_writes(name)), (1, 3), "{name}");
    }
}

#[tokio::test]
async fn a_kustomization_that_need_not_wait_for_the_end_is_ready_at_acceptance() {
    let world = World::new("flux-accepted").await;
    let _operator = world.operator().await;
    let flux = Flux::of(&world).await;
    world.simulator.session("live", json!({})).await;
    let exports = [export(&world, "live", json!({"readyWhen": "Accepted"}))];
    let revision = flux.repository.push(&[("exports/all.yaml", &exports)]).await;
    flux.kustomization("exports", json!({"wait": true})).await;
    flux.applied("exports", &revision).await;
    assert_eq!(world.status("live").await.completion_time, None);
}

/// Its time-out of half an hour is longer than a test waits.
#[tokio::test]
async fn a_kustomization_fails_at_once_when_one_export_is_stalled() {
    let world = World::new("flux-stalled").await;
    let _operator = world.operator().await;
    let flux = Flux::of(&world).await;
    world.simulator.session("live", json!({})).await;
    let forbidden = json!({"outputUri": "s3://elsewhere/a/"});
    let exports = [export(&world, "live", json!({})), export(&world, "forbidden", forbidden)];
    flux.repository.push(&[("exports/all.yaml", &exports)]).await;
    flux.kustomization("exports", json!({"wait": true})).await;
    flux.eventually("failed", async || flux.ready("exports").await[1] == "HealthCheckFailed").await;
    let [status, _, message] = flux.ready("exports").await;
    assert_eq!(status, "False");
    let named = format!("SessionExport/{}/forbidden status: 'Failed'", world.namespace);
    assert!(message.contains(&named), "{message}");
    world.reason("live", "ExportPending").await;
}

/// The expressions of gitops/flux/exports.yaml: what is Stalled may recover.
#[tokio::test]
async fn with_the_health_check_expressions_it_waits_until_a_stalled_export_recovers() {
    let expressions = example("exports")["spec"]["healthCheckExprs"].take();
    let world = World::new("flux-patient").await;
    let operator = world.operator().await;
    let flux = Flux::of(&world).await;
    world.simulator.session("live", json!({})).await;
    let exports = [export(&world, "live", json!({"outputUri": "s3://elsewhere/a/", "readyWhen": "Accepted"}))];
    let revision = flux.repository.push(&[("exports/all.yaml", &exports)]).await;
    flux.kustomization("exports", json!({"wait": true, "healthCheckExprs": expressions})).await;
    reason(&flux, &world, "live", "DestinationForbidden").await;
    operator.stop().await;
    assert_eq!(flux.ready("exports").await[1], "Progressing");
    let rules = json!([{"namespaces": ["*"], "streamGroups": ["*"], "outputPrefixes": ["s3://elsewhere/"]}]);
    let _operator = world.start(json!({"rules": rules}), &[]).await;
    flux.applied("exports", &revision).await;
}

#[tokio::test]
async fn what_a_time_to_live_deletes_and_flux_makes_again_costs_one_read_and_no_second_export() {
    let world = World::new("flux-ttl").await;
    let _operator = world.operator().await;
    let flux = Flux::of(&world).await;
    world.simulator.session("live", json!({})).await;
    let exports = [export(&world, "live", json!({"ttlSecondsAfterFinished": 5}))];
    let revision = flux.repository.push(&[("exports/all.yaml", &exports)]).await;
    flux.kustomization("exports", json!({})).await;
    flux.applied("exports", &revision).await;
    world.reason("live", "ExportPending").await;
    let first = world.exports().get("live").await.unwrap().metadata.uid;
    world.simulator.end("live").await;
    gone(&flux, &world, "live").await;
    let reads = world.simulator.calls("GetStreamSession", "live").await.len();

    flux.reconcile("exports").await;
    let again = world.reason("live", "Exported").await.metadata.uid;
    assert_ne!(first, again);
    gone(&flux, &world, "live").await;
    assert_eq!(world.simulator.calls("GetStreamSession", "live").await.len(), reads + 1);
    assert_eq!((world.simulator.exports("live").await, world.simulator.accepted("live").await.len()), (1, 1));
}

/// With the operator away: nothing on an object asks for it.
#[tokio::test]
async fn pruning_removes_an_export_without_hanging_and_stops_nothing() {
    let world = World::new("flux-prune").await;
    let operator = world.operator().await;
    let flux = Flux::of(&world).await;
    for session in ["stays", "goes"] {
        world.simulator.session(session, json!({})).await;
    }
    let exports = ["stays", "goes"].map(|name| export(&world, name, json!({})));
    let revision = flux.repository.push(&[("exports/all.yaml", &exports)]).await;
    flux.kustomization("exports", json!({})).await;
    flux.applied("exports", &revision).await;
    for name in ["stays", "goes"] {
        reason(&flux, &world, name, "ExportPending").await;
    }
    operator.stop().await;
    let revision = flux.repository.push(&[("exports/all.yaml", &exports[..1])]).await;
    flux.applied("exports", &revision).await;
    gone(&flux, &world, "goes").await;
    assert!(world.exports().get_opt("stays").await.unwrap().is_some());
    flux.delete("exports").await;
    gone(&flux, &world, "stays").await;
    for name in ["stays", "goes"] {
        assert_eq!(world.simulator.truth(name).await["export"]["status"], "PENDING", "AWS has no cancel");
    }
}
