//! The API server itself killed and stopped: a test binary, and so a control plane, of its own, because no other
//! test could run meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]
#![allow(dead_code, reason = "the harness is shared with the end-to-end tests")]

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../e2e/operator.rs"]
mod operator;
#[path = "../e2e/oracle.rs"]
mod oracle;
#[path = "../e2e/simulator.rs"]
mod simulator;
#[path = "../e2e/world.rs"]
mod world;

use oracle::{History, end_state, exported};
use serde_json::json;
use std::process::Command;
use std::time::Duration;
use world::World;

const EXPORT: &str = "ExportStreamSessionFiles";

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

async fn undisturbed(world: &World, history: &History, name: &str) {
    assert_eq!(end_state(&world.finished(name).await), exported("s3://exports/a/"), "{}", world.logs());
    assert_eq!(world.simulator.exports(name).await, 1, "one call for {name}");
    // Not from the audit log: what was applied after its client had gone stands there as timed out.
    assert!(history.writes(world, name).await <= 3, "three writes for {name}");
}

/// One after the other: they would disturb each other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn without_its_definition_the_operator_says_so_and_waits() {
    let _alone = ALONE.lock().await;
    let world = World::new("no-definition").await;
    world.control().remove_crd().await;
    let operator = world.start(json!({}), &[]).await;
    operator.unready("install the CRD").await;
    world.control().install_crd().await.unwrap();
    operator.ready("leading").await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    world.reason("one", "ExportPending").await;
}

#[tokio::test]
async fn an_api_server_that_dies_or_stands_still_costs_time_and_nothing_else() {
    let _alone = ALONE.lock().await;
    let timing = json!({
        "callTimeout": "5s", "consistencyWindow": "6s", "leaseDuration": "15s", "leaseRenewDeadline": "10s",
    });
    let world = World::with("outage", &[], json!({"timing": timing})).await;
    let history = History::of(&world);
    let operator = world.operator().await;
    operator.ready("leading").await;
    killed_while_a_call_is_under_way(&world, &history).await;
    standing_still_for_longer_than_the_lease(&world, &history, &operator).await;
    history.check(&world).await;
}

async fn killed_while_a_call_is_under_way(world: &World, history: &History) {
    for name in ["k-pending", "k-calling", "k-ending"] {
        world.simulator.session(name, json!({})).await;
    }
    for name in ["k-pending", "k-ending"] {
        world.export(name, name, "s3://exports/a/").await;
        world.reason(name, "ExportPending").await;
    }
    let slow = json!({"operation": EXPORT, "session": "k-calling", "first": 1, "action": {"type": "latency", "ms": 1000, "afterEffect": true}});
    world.simulator.fault(slow).await;
    world.export("k-calling", "k-calling", "s3://exports/a/").await;
    world.eventually("a call is under way", || async { world.simulator.faults_applied().await == 1 }).await;
    world.simulator.end("k-ending").await;
    world.control().restart_api_server().await;
    world.reason("k-calling", "ExportPending").await;
    for name in ["k-pending", "k-calling"] {
        world.simulator.end(name).await;
    }
    for name in ["k-pending", "k-calling", "k-ending"] {
        undisturbed(world, history, name).await;
    }
}

async fn standing_still_for_longer_than_the_lease(world: &World, history: &History, operator: &operator::Operator) {
    for name in ["s-pending", "s-calling"] {
        world.simulator.session(name, json!({})).await;
    }
    world.export("s-pending", "s-pending", "s3://exports/a/").await;
    world.reason("s-pending", "ExportPending").await;
    world.simulator.no_faults().await;
    let slow = json!({"operation": EXPORT, "session": "s-calling", "first": 1, "action": {"type": "latency", "ms": 2000, "afterEffect": true}});
    world.simulator.fault(slow).await;
    world.export("s-calling", "s-calling", "s3://exports/a/").await;
    world.eventually("a call is under way", || async { world.simulator.faults_applied().await == 1 }).await;
    let terms = |log: String| log.matches("no longer leading").count();
    let before = terms(operator.log());
    let api_server = world.control().pid("kube-apiserver");
    signal(api_server, "STOP");
    world.simulator.end("s-pending").await;
    let mut waits = 0;
    while terms(operator.log()) == before {
        waits += 1;
        assert!(waits < 1200, "the lease never ran out\n{}", operator.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!operator.log().contains("panicked"));
    signal(api_server, "CONT");
    world.reason("s-calling", "ExportPending").await;
    world.simulator.end("s-calling").await;
    for name in ["s-pending", "s-calling"] {
        undisturbed(world, history, name).await;
    }
}
