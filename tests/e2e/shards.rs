//! Several operators side by side, each with objects and a lease of its own.

use crate::operator::Operator;
use crate::world::{World, condition};
use serde_json::json;

const EXPORT: &str = "ExportStreamSessionFiles";

/// The operator of one shard: its lease, and what it works on.
async fn shard(world: &World, lease: &str, selector: &str) -> Operator {
    world.permit_lease(lease).await;
    let timing = json!({"leaseDuration": "4s", "leaseRenewDeadline": "2500ms", "leaseRetry": "300ms"});
    world.start(json!({"lease": {"name": lease}, "watch": {"labelSelector": selector}, "timing": timing}), &[]).await
}

/// An export of one session that belongs to a shard.
async fn export(world: &World, shard: &str, session: &str, uri: &str) {
    let name = format!("{session}-{shard}");
    world.export(&name, session, uri).await;
    world.patch(&name, json!({"metadata": {"labels": {"shard": shard}}})).await;
}

#[tokio::test]
async fn shards_lead_side_by_side_and_each_works_on_its_own() {
    let world = World::new("shards-two").await;
    let operators = [shard(&world, "shard-a", "shard=a").await, shard(&world, "shard-b", "shard=b").await];
    for operator in &operators {
        operator.ready("leading").await;
    }
    let scope = world.lease_annotation("shard-a", "sessionexport.dev/scope").await;
    assert_eq!(scope, json!({"labelSelector": "shard=a", "namespaces": [&world.namespace]}).to_string());
    for name in ["a", "b"] {
        world.simulator.session(name, json!({})).await;
        export(&world, name, name, "s3://exports/a/").await;
        world.reason(&format!("{name}-{name}"), "ExportPending").await;
        world.simulator.end(name).await;
        world.finished(&format!("{name}-{name}")).await;
        assert_eq!(world.simulator.exports(name).await, 1);
    }
    for (number, name) in [(0, "a-a"), (1, "b-b")] {
        let writes: Vec<_> = world.changes_by(number).await;
        let exports: Vec<_> = writes.iter().filter(|change| change.contains("sessionexports")).collect();
        assert!(exports.iter().all(|change| change.ends_with(name)), "{exports:?}");
    }
}

#[tokio::test]
async fn an_operator_with_an_overlapping_scope_waits_and_names_the_other() {
    let world = World::new("shards-overlap").await;
    let first = shard(&world, "shard-a", "shard in (a, b)").await;
    first.ready("leading").await;
    let second = shard(&world, "shard-b", "shard=b").await;
    second.unready("the operator of the lease shard-a works on").await;
    let said = second.get("/readyz").await.1;
    assert!(said.contains("shard in (a, b)") && said.contains("shard=b"), "{said}");
    world.simulator.session("one", json!({})).await;
    export(&world, "b", "one", "s3://exports/a/").await;
    world.reason("one-b", "ExportPending").await;
    assert!(!world.changes_by(1).await.iter().any(|change| change.contains("leases")), "it takes no lease");
    // A dead holder blocks no other once its lease has expired.
    first.crash();
    second.ready("leading").await;
    world.simulator.end("one").await;
    world.finished("one-b").await;
}

/// The operator that reads the other's export first gives way without a call.
#[tokio::test]
async fn across_shards_the_later_one_gives_way_to_what_aws_shows() {
    let world = World::new("shards-later").await;
    let operators = [shard(&world, "shard-a", "shard=a").await, shard(&world, "shard-b", "shard=b").await];
    for operator in &operators {
        operator.ready("leading").await;
    }
    world.simulator.session("one", json!({})).await;
    export(&world, "a", "one", "s3://exports/a/").await;
    world.reason("one-a", "ExportPending").await;
    export(&world, "b", "one", "s3://exports/b/").await;
    world.reason("one-b", "ExportConflict").await;
    assert_eq!(world.simulator.destinations("one").await, ["s3://exports/a/"]);
    world.simulator.end("one").await;
    assert_eq!(condition(&world.finished("one-a").await, "Ready").unwrap().1, "Exported");
}

/// Both call: AWS's evidence, read again after the consistency window, shows which one has lost.
#[tokio::test]
async fn across_shards_of_two_that_call_at_once_aws_decides() {
    let world = World::new("shards-race").await;
    let operators = [shard(&world, "shard-a", "shard=a").await, shard(&world, "shard-b", "shard=b").await];
    for operator in &operators {
        operator.ready("leading").await;
    }
    world.simulator.session("one", json!({})).await;
    let slow = json!({"operation": EXPORT, "session": "one", "first": 2, "action": {"type": "latency", "ms": 800}});
    world.simulator.fault(slow).await;
    for name in ["a", "b"] {
        export(&world, name, "one", &format!("s3://exports/{name}/")).await;
    }
    world.eventually("both have called", || async { world.simulator.exports("one").await == 2 }).await;
    let lost = || async {
        let statuses = [world.status("one-a").await, world.status("one-b").await];
        statuses.iter().any(|status| condition(status, "Ready").is_some_and(|(_, reason)| reason == "ExportConflict"))
    };
    // While the session is live, or never.
    world.eventually("one has lost", lost).await;
    world.simulator.end("one").await;
    let mut ends = Vec::new();
    for name in ["one-a", "one-b"] {
        ends.push(condition(&world.finished(name).await, "Ready").unwrap().1);
    }
    ends.sort();
    assert_eq!(ends, ["ExportConflict", "Exported"]);
    assert_eq!(world.simulator.exports("one").await, 2, "nobody calls again");
}
