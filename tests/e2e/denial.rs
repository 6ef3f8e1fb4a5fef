//! What is denied to one is not asked by all.

use crate::world::{World, conditions};
use serde_json::json;

#[tokio::test]
async fn one_object_at_a_time_probes_what_is_denied_and_a_success_releases_all() {
    let world = World::new("denial").await;
    let _operator = world.operator().await;
    world.simulator.fault(json!({"operation": "ExportStreamSessionFiles", "action": {"type": "accessDenied"}})).await;
    let names: Vec<String> = (0..8).map(|n| format!("denied{n}")).collect();
    for name in &names {
        world.simulator.session(name, json!({})).await;
        world.export(name, name, "s3://exports/denied/").await;
    }
    for name in &names {
        let status = world.reason(name, "AccessDenied").await.status.unwrap();
        assert!(conditions(&status).starts_with("Accepted=False Ready=False"), "{}", conditions(&status));
    }
    world.until("denied7", "Stalled", |status| conditions(status).contains("Stalled=True")).await;
    let probes = world.simulator.calls("ExportStreamSessionFiles", "").await.len();
    // One at a time, after 0.5, 1, 2, 2, ... seconds; some were on their way when the first denial came.
    assert!(probes < 3 * names.len(), "{probes} calls while denied");
    world.simulator.no_faults().await;
    for name in &names {
        world.reason(name, "ExportPending").await;
    }
}
