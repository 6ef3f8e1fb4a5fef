//! A backup that is restored: the objects without their statuses, or with them.

use crate::oracle::end_state;
use crate::status::{DONE, LOST, PENDING, STALLED};
use crate::status_policy::{make_admin, request_as};
use crate::world::World;
use kube::api::PostParams;
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;

/// What restores: bound to cluster-admin in the whole cluster, as such tools are.
const TOOL: &str = "restore-tool";

const NAMES: [&str; 4] = ["done", "accepted", "unanswered", "ended"];

/// What a backup holds of an object: what its owner wrote, and its status.
struct Saved {
    manifest: SessionExport,
    status: Value,
}

/// One export of each kind, saved, and deleted with all that the operator remembered.
async fn lost(world: &World) -> Vec<Saved> {
    make_admin(world, TOOL, "clusterrolebinding");
    let operator = world.operator().await;
    for name in NAMES {
        world.simulator.session(name, json!({})).await;
    }
    world
        .simulator
        .fault(json!({"operation": "ExportStreamSessionFiles", "session": "unanswered",
        "action": {"type": "resetBefore"}}))
        .await;
    world.simulator.end("ended").await;
    for name in NAMES {
        world.export(name, name, &format!("s3://exports/{name}/")).await;
    }
    world.shows("done", PENDING, "ExportPending").await;
    world.simulator.end("done").await;
    world.shows("done", DONE, "Exported").await;
    world.shows("accepted", PENDING, "ExportPending").await;
    world.shows("ended", LOST, "SessionEnded").await;
    world.until("unanswered", "called for", |status| status.request_attempt_time.is_some()).await;
    operator.stop().await;
    let mut saved = Vec::new();
    for name in NAMES {
        let stored = world.exports().get(name).await.unwrap();
        let mut manifest = SessionExport::new(name, stored.spec.clone());
        // An object that is created keeps no status, whatever its manifest holds.
        manifest.status = stored.status.clone();
        saved.push(Saved { manifest, status: serde_json::to_value(&stored.status).unwrap() });
        world.delete(name).await;
    }
    world.simulator.no_faults().await;
    world.free_lease().await;
    saved
}

async fn create(world: &World, saved: &Saved) {
    let created = world.exports().create(&PostParams::default(), &saved.manifest).await.unwrap();
    assert_eq!(created.status.and_then(|status| status.export_status), None, "a manifest brings no status");
}

async fn write_status(world: &World, saved: &Saved) {
    let name = saved.manifest.metadata.name.as_deref().unwrap();
    let path = format!("/{name}/status");
    request_as(world, TOOL, "PATCH", &path, &json!({"status": saved.status})).await.unwrap();
}

/// How often AWS has been asked so far.
async fn calls(world: &World, operation: &str, session: &str) -> usize {
    world.simulator.calls(operation, session).await.len()
}

/// Every object comes to the end that it would have come to.
async fn all_end_well(world: &World) {
    for session in ["accepted", "unanswered"] {
        world.shows(session, PENDING, "ExportPending").await;
        world.simulator.end(session).await;
    }
    for name in ["done", "accepted", "unanswered"] {
        world.shows(name, DONE, "Exported").await;
        assert_eq!(world.simulator.accepted(name).await.len(), 1, "one export");
    }
    world.shows("ended", LOST, "SessionEnded").await;
    assert_eq!((world.simulator.exports("done").await, world.simulator.exports("accepted").await), (1, 1));
    assert_eq!(world.simulator.exports("ended").await, 0);
}

#[tokio::test]
async fn without_statuses_each_object_costs_a_read_and_adopts_what_aws_has_accepted() {
    let world = World::new("restore-without").await;
    let saved = lost(&world).await;
    // Longer than a status takes to write on a busy machine.
    let timing =
        json!({"activatingPollInterval": "10s", "pendingPollIntervalMin": "10s", "pendingPollIntervalMax": "20s"});
    let reads = calls(&world, "GetStreamSession", "done").await;
    for object in &saved {
        create(&world, object).await;
    }
    let _operator = world.start(json!({"timing": timing}), &[]).await;
    let done = world.shows("done", DONE, "Exported").await;
    assert_eq!(calls(&world, "GetStreamSession", "done").await, reads + 1);
    let (before, after) = (&saved[0].status, serde_json::to_value(done.status.unwrap()).unwrap());
    assert_eq!(before["outputUri"], after["outputUri"]);
    assert!(after["requestAttemptTime"].is_null(), "this one never asked");
    all_end_well(&world).await;
}

#[tokio::test]
async fn with_statuses_finished_exports_are_left_alone_and_the_others_go_on() {
    let world = World::new("restore-with").await;
    let saved = lost(&world).await;
    let reads = [calls(&world, "GetStreamSession", "done").await, calls(&world, "GetStreamSession", "ended").await];
    for object in &saved {
        create(&world, object).await;
        write_status(&world, object).await;
    }
    let _operator = world.operator().await;
    all_end_well(&world).await;
    let after = [calls(&world, "GetStreamSession", "done").await, calls(&world, "GetStreamSession", "ended").await];
    assert_eq!(after, reads, "what has finished isn't read again");
    for (object, name) in saved.iter().zip(NAMES).filter(|(_, name)| ["done", "ended"].contains(name)) {
        let status = serde_json::to_value(world.status(name).await).unwrap();
        assert_eq!(status, object.status, "{name}");
    }
}

#[tokio::test]
async fn statuses_that_come_while_the_operator_is_at_work_end_the_same() {
    let world = World::new("restore-live").await;
    let saved = lost(&world).await;
    let operator = world.operator().await;
    for object in &saved {
        create(&world, object).await;
        // At once, and once the operator has written one of its own.
        write_status(&world, object).await;
    }
    operator.ready("leading").await;
    world.shows("accepted", PENDING, "ExportPending").await;
    write_status(&world, &saved[1]).await;
    all_end_well(&world).await;
    assert_eq!(end_state(&world.status("done").await)["exportStatus"], "SUCCEEDED");
}

#[tokio::test]
async fn a_status_that_is_restored_where_no_rule_covers_it_is_left_as_it_stands() {
    let world = World::new("restore-elsewhere").await;
    let saved = lost(&world).await;
    for object in &saved {
        create(&world, object).await;
        write_status(&world, object).await;
    }
    let reads = calls(&world, "GetStreamSession", "").await;
    let rules =
        json!({"rules": [{"namespaces": ["elsewhere"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"]}]});
    let operator = world.start(rules, &[]).await;
    operator.ready("leading").await;
    world.simulator.session("fresh", json!({})).await;
    world.export("fresh", "fresh", "s3://exports/fresh/").await;
    world.shows("fresh", STALLED, "DestinationForbidden").await;
    for (object, name) in saved.iter().zip(NAMES) {
        assert_eq!(serde_json::to_value(world.status(name).await).unwrap(), object.status, "{name}");
    }
    assert_eq!(calls(&world, "GetStreamSession", "").await, reads);
}
