//! Exports that go through.

use crate::world::{World, conditions};
use serde_json::{Value, json};
use session_export_operator::api::ExportStatus;

#[tokio::test]
async fn a_live_session_is_exported_with_three_status_writes_and_one_call() {
    let world = World::new("happy").await;
    let _operator = world.operator().await;
    world.simulator.session("live1", json!({})).await;
    world.export("one", "live1", "s3://exports/a/").await;
    let pending = world.reason("one", "ExportPending").await.status.unwrap();
    assert_eq!(conditions(&pending), "Accepted=True Ready=False Reconciling=True Succeeded=Unknown");
    assert_eq!(pending.export_status, Some(ExportStatus::Pending));
    world.simulator.end("live1").await;
    let done = world.finished("one").await;
    assert_eq!(conditions(&done), "Accepted=True Ready=True Succeeded=True");
    assert_eq!(done.export_status, Some(ExportStatus::Succeeded));
    assert!(done.output_uri.unwrap().starts_with("s3://exports/a/"));
    assert_eq!(world.status_writes("one"), 3);
    assert_eq!(world.simulator.exports("live1").await, 1);
}

#[tokio::test]
async fn each_decision_and_planned_read_is_logged_at_debug_level_only() {
    let world = World::new("logged").await;
    let logged = async |level: &str, name: &str| {
        let operator = world.start(json!({}), &[("RUST_LOG", level)]).await;
        operator.ready("").await;
        world.simulator.session(name, json!({})).await;
        world.export(name, name, "s3://exports/a/").await;
        world.reason(name, "ExportPending").await;
        world.simulator.end(name).await;
        world.finished(name).await;
        let log = operator.log();
        world.crash(operator).await;
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let is_planned = |line: &&Value| line["message"].as_str().is_some_and(|text| text.starts_with("planned a "));
    let log = logged("debug", "one").await;
    let decided = log.iter().filter(|line| line["message"] == "decided" && line["name"] == "one");
    let mut actions: Vec<_> = decided.clone().map(|line| line["action"].as_str().unwrap()).collect();
    actions.dedup();
    assert_eq!(actions, ["AwaitRead", "ReserveCall", "Call", "AwaitRead", "Done"], "{log:#?}");
    assert!(decided.clone().any(|line| line["reason"] == "ExportPending" && line["readInSeconds"].is_number()));
    assert!(log.iter().any(|line| is_planned(&line)), "{log:#?}");
    let log = logged("info", "two").await;
    assert!(log.iter().all(|line| line["message"] != "decided" && !is_planned(&line)), "{log:#?}");
}
