//! What is scraped from the real operator: the figures that the alerts are made of.

use crate::operator::Operator;
use crate::world::World;
use serde_json::json;

async fn values(operator: &Operator, series: &str) -> Vec<f64> {
    let (status, text) = operator.get("/metrics").await;
    assert_eq!(status, 200);
    let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("sessionexport_{series} ")));
    lines.map(|value| value.parse().unwrap()).collect()
}

async fn becomes(world: &World, operator: &Operator, series: &str, wanted: &[f64]) {
    world.eventually(&format!("{series} {wanted:?}"), async || values(operator, series).await == wanted).await;
}

#[tokio::test]
async fn an_unaccepted_export_shows_until_its_session_must_end_and_no_longer() {
    let world = World::new("measured").await;
    let operator = world.operator().await;
    world.simulator.fault(json!({"operation": "ExportStreamSessionFiles", "action": {"type": "accessDenied"}})).await;
    world.simulator.session("short", json!({"sessionLengthSeconds": 700})).await;
    world.simulator.session("long", json!({"sessionLengthSeconds": 7000})).await;
    for name in ["short", "long"] {
        world.export(name, name, "s3://exports/a/").await;
    }
    becomes(&world, &operator, r#"exports{phase="Waiting",reason="AccessDenied"}"#, &[2.0]).await;
    let within = |step: &str| format!("unaccepted_exports{{reason=\"AccessDenied\",within=\"{step}\"}}");
    for (step, count) in [("5m", 0.0), ("15m", 1.0), ("1h", 1.0), ("4h", 2.0), ("any", 2.0)] {
        becomes(&world, &operator, &within(step), &[count]).await;
    }
    let remaining = values(&operator, r#"unaccepted_remaining_seconds{reason="AccessDenied"}"#).await;
    assert!(remaining.len() == 1 && remaining[0] <= 700.0 && remaining[0] > 300.0, "{remaining:?}");

    world.delete("long").await;
    becomes(&world, &operator, &within("any"), &[1.0]).await;
    world.simulator.no_faults().await;
    world.reason("short", "ExportPending").await;
    becomes(&world, &operator, &within("any"), &[0.0]).await;
    becomes(&world, &operator, r#"unaccepted_remaining_seconds{reason="AccessDenied"}"#, &[]).await;
    becomes(&world, &operator, r#"exports{phase="Pending",reason="ExportPending"}"#, &[1.0]).await;
    assert_eq!(values(&operator, "acceptance_duration_seconds_count").await, [1.0]);
    assert_eq!(values(&operator, "leader").await, [1.0]);
    let quota = values(&operator, r#"quota_share_configured{operation="ExportStreamSessionFiles"}"#).await;
    assert_eq!(quota, [18.0]);
}

#[tokio::test]
async fn a_standby_counts_no_exports() {
    let world = World::new("measured-standby").await;
    let leader = world.operator().await;
    let standby = world.start(json!({}), &[]).await;
    standby.ready("standing by").await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    let pending = r#"exports{phase="Pending",reason="ExportPending"}"#;
    becomes(&world, &leader, pending, &[1.0]).await;
    assert_eq!(values(&standby, pending).await, [0.0]);
    assert_eq!((values(&leader, "leader").await, values(&standby, "leader").await), (vec![1.0], vec![0.0]));
    leader.stop().await;
    becomes(&world, &standby, pending, &[1.0]).await;
}
