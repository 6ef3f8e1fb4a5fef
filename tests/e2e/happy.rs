//! Exports that go through.

use crate::world::{World, conditions};
use serde_json::json;
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
