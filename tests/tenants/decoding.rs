//! Kind 1: one object that can't be decoded stopped the operator for the whole cluster.

use crate::cluster::{Cluster, HOSTILE_GROUP};
use serde_json::{Value, json};

/// `managedFields` with this time and so many levels below each other, as JSON text.
fn managed_fields(time: &str, depth: usize) -> String {
    let nested = "{\"f:a\":".repeat(depth) + "{}" + &"}".repeat(depth);
    format!(
        r#"[{{"manager":"x","operation":"Update","apiVersion":"sessionexport.dev/v1alpha1","time":"{time}","fieldsType":"FieldsV1","fieldsV1":{nested}}}]"#
    )
}

/// An object's text with these `managedFields`.
fn with_managed_fields(object: &Value, fields: &str) -> String {
    object.to_string().replacen("\"metadata\":{", &format!("\"metadata\":{{\"managedFields\":{fields},"), 1)
}

#[tokio::test]
async fn kind_1_metadata_that_no_type_can_hold_is_no_matter() {
    let mut cluster = Cluster::start("metadata", json!({})).await;
    let mut undisturbed = cluster.undisturbed().await;
    for (name, time, depth) in [("time", "9999-12-31T12:00:00Z", 1), ("deep", "2026-01-31T12:00:00Z", 400)] {
        cluster.world.simulator.session(name, json!({"group": HOSTILE_GROUP})).await;
        let text = with_managed_fields(&cluster.covered(name, name), &managed_fields(time, depth));
        cluster.create(&cluster.hostile, text).await.unwrap();
        let stored = cluster.stored(&cluster.hostile, name).await;
        assert!(stored.contains(time) && stored.matches("f:a").count() >= depth, "the API server took it: {stored}");
        // It is an export like any other.
        cluster.shows(&cluster.hostile, name, "ExportPending").await;
    }
    assert_eq!(cluster.metric("sessionexport_unreadable_objects").await, 0.0);
    cluster.victims_are_unharmed(&mut undisturbed).await;
}

/// Statuses that none of the definition's types holds, and one word of a newer version, which does no harm.
fn statuses() -> Vec<(&'static str, Value)> {
    let condition =
        json!({"type": "Ready", "status": "True", "reason": "X", "message": "", "lastTransitionTime": "never"});
    vec![
        ("offset", json!({"startTime": "2026-01-31T12:00:00+26:00"})),
        ("offset-minutes", json!({"requestTime": "2026-01-31T12:00:00+23:60"})),
        ("offset-both", json!({"requestAttemptTime": "2026-01-31T12:00:00+99:99"})),
        ("year", json!({"completionTime": "9999-12-31T23:59:59Z"})),
        ("number-for-time", json!({"startTime": 7})),
        ("text-for-session", json!({"session": "ABC"})),
        ("text-for-conditions", json!({"conditions": "Ready"})),
        ("time-of-condition", json!({"conditions": [condition]})),
        ("huge-generation", json!({"observedGeneration": 1e300})),
    ]
}

#[tokio::test]
async fn kind_1_what_an_older_definition_let_in_is_left_alone_and_stops_no_other() {
    let mut cluster = Cluster::start_alone("status", json!({})).await;
    let mut undisturbed = cluster.undisturbed().await;
    let lax = cluster.loosen_definition().await;
    for (name, status) in statuses() {
        cluster.create(&cluster.hostile, cluster.covered(name, name).to_string()).await.unwrap();
        cluster.write_status(&cluster.hostile, name, status.clone()).await.unwrap();
    }
    let mut wrong = cluster.covered("spec", "spec");
    wrong["spec"]["outputUri"] = json!({"bucket": "b"});
    cluster.create(&cluster.hostile, wrong.to_string()).await.unwrap();
    let newer = json!({"exportStatus": "PAUSED", "progress": 7});
    cluster.create(&cluster.hostile, cluster.covered("newer", "newer").to_string()).await.unwrap();
    cluster.write_status(&cluster.hostile, "newer", newer).await.unwrap();
    lax.restore(&cluster).await;

    let unreadable = statuses().len() + 1;
    cluster
        .world
        .eventually("all are seen", async || {
            cluster.metric("sessionexport_unreadable_objects").await == unreadable as f64
        })
        .await;
    assert!(cluster.operator().log().contains("can't be decoded"));
    cluster.victims_are_unharmed(&mut undisturbed).await;
    assert_eq!(cluster.metric("sessionexport_unreadable_objects").await, unreadable as f64);
    // Nothing is written to it, and it is decided again when it changes.
    assert!(cluster.stored(&cluster.hostile, "offset").await.contains("+26:00"));
    cluster.write_status(&cluster.hostile, "offset", json!({"startTime": null})).await.unwrap();
    cluster.shows(&cluster.hostile, "offset", "SessionNotFound").await;
    assert_eq!(cluster.metric("sessionexport_unreadable_objects").await, (unreadable - 1) as f64);
}
