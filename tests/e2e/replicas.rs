//! Two replicas: one leads, the other takes over, and a leader of yesterday does nothing any more.

use crate::operator::Operator;
use crate::oracle::{History, end_state, exported};
use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;

const EXPORT: &str = "ExportStreamSessionFiles";

/// A lease that runs out within the patience of a test.
fn short_lease() -> Value {
    json!({"timing": {
        "leaseDuration": "4s", "leaseRenewDeadline": "2500ms", "leaseRetry": "300ms", "callTimeout": "1500ms",
    }})
}

/// Two replicas, the first of which leads.
async fn pair(world: &World) -> (Operator, Operator) {
    let first = world.start(json!({}), &[]).await;
    first.ready("leading").await;
    let second = world.start(json!({}), &[]).await;
    second.ready("standing by").await;
    (first, second)
}

async fn in_flight(world: &World, count: usize) {
    for n in 0..count {
        let name = format!("f{n}");
        world.simulator.session(&name, json!({})).await;
        world.export(&name, &name, "s3://exports/a/").await;
    }
    for n in 0..count {
        world.reason(&format!("f{n}"), "ExportPending").await;
    }
}

async fn all_finish(world: &World, count: usize) {
    for n in 0..count {
        world.simulator.end(&format!("f{n}")).await;
    }
    for n in 0..count {
        let name = format!("f{n}");
        assert_eq!(end_state(&world.finished(&name).await), exported("s3://exports/a/"), "{}", world.logs());
        assert_eq!(world.simulator.exports(&name).await, 1, "one call for {name}");
        assert_eq!(world.status_writes(&name), 3, "three writes for {name}");
    }
}

async fn holder(world: &World) -> String {
    world.lease().await.holder_identity.unwrap_or_default()
}

#[tokio::test]
async fn of_two_replicas_one_leads_and_both_are_ready() {
    let world = World::new("replicas-two").await;
    let (first, second) = pair(&world).await;
    assert_eq!(holder(&world).await, "operator-0");
    in_flight(&world, 2).await;
    all_finish(&world, 2).await;
    first.ready("leading").await;
    second.ready("standing by").await;
    assert_eq!(world.changes_by(1).await, Vec::<String>::new(), "the standby changes nothing");
}

#[tokio::test]
async fn sigterm_hands_over_at_once_and_in_good_order() {
    let world = World::new("replicas-sigterm").await;
    let history = History::of(&world);
    let (mut first, second) = pair(&world).await;
    in_flight(&world, 3).await;
    // One more in the middle of its call, longer than the process may linger.
    world.simulator.session("f3", json!({})).await;
    let slow = json!({"operation": EXPORT, "first": 1, "action": {"type": "latency", "ms": 1000, "afterEffect": true}});
    world.simulator.fault(slow).await;
    world.export("f3", "f3", "s3://exports/a/").await;
    world.eventually("a call is under way", || async { world.simulator.faults_applied().await == 1 }).await;
    first.signal("TERM");
    let status = first.ended(Duration::from_secs(20)).await.expect("it ends");
    assert_eq!(status.code(), Some(0), "{}", first.log());
    assert!(first.log().contains("lease released"), "{}", first.log());
    second.ready("leading").await;
    assert_eq!(holder(&world).await, "operator-1");
    world.reason("f3", "ExportPending").await;
    all_finish(&world, 4).await;
    history.check(&world).await;
}

#[tokio::test]
async fn sigkill_hands_over_when_the_lease_has_run_out() {
    let world = World::with("replicas-sigkill", &[], short_lease()).await;
    let history = History::of(&world);
    let (first, second) = pair(&world).await;
    in_flight(&world, 3).await;
    first.crash();
    world.simulator.session("meanwhile", json!({})).await;
    world.export("meanwhile", "meanwhile", "s3://exports/a/").await;
    second.ready("leading").await;
    assert_eq!(holder(&world).await, "operator-1");
    world.reason("meanwhile", "ExportPending").await;
    all_finish(&world, 3).await;
    history.check(&world).await;
}

/// The old leader sleeps in the middle of a call, beyond its lease, and wakes up with the answer in its hands.
#[tokio::test]
async fn a_leader_that_slept_beyond_its_lease_does_nothing_more() {
    let world = World::with("replicas-sleeper", &[], short_lease()).await;
    let history = History::of(&world);
    let (first, second) = pair(&world).await;
    world.simulator.session("f0", json!({})).await;
    world.simulator.session("f1", json!({})).await;
    let slow = |session: &str| {
        json!({
            "operation": EXPORT, "session": session, "first": 1,
            "action": {"type": "latency", "ms": 1000, "afterEffect": true},
        })
    };
    world.simulator.fault(slow("f0")).await;
    world.export("f0", "f0", "s3://exports/a/").await;
    world.eventually("a call is under way", || async { world.simulator.faults_applied().await == 1 }).await;
    first.signal("STOP");
    let before = world.changes_by(0).await;
    world.export("f1", "f1", "s3://exports/a/").await;
    second.ready("leading").await;
    assert_eq!(holder(&world).await, "operator-1");
    world.reason("f0", "ExportPending").await;
    world.reason("f1", "ExportPending").await;
    first.signal("CONT");
    first.ready("standing by").await;
    all_finish(&world, 2).await;
    let woken = world.changes_by(0).await;
    let since: Vec<_> = woken[before.len()..].iter().filter(|change| !change.contains("leases")).collect();
    assert_eq!(since, Vec::<&String>::new(), "nothing was changed after the lease had run out\n{}", world.logs());
    assert_eq!(holder(&world).await, "operator-1", "and the lease was not taken back");
    history.check(&world).await;
}
