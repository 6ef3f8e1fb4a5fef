//! Kind 6: memory grew with the size of other tenants' objects.

use crate::cluster::{Cluster, HOSTILE_GROUP};
use futures::{StreamExt, stream};
use serde_json::json;

/// Labels are bounded by etcd alone: 1.5 MiB an object. A hundred in `make test-all`, twelve otherwise.
#[tokio::test]
async fn kind_6_objects_of_0_9_mb_cost_little_memory_where_lists_are_not_streamed() {
    let mut cluster = Cluster::start_alone_with_flags("memory", "--feature-gates=WatchList=false").await;
    let objects: u32 = if crate::all_cases() { 100 } else { 12 };
    let undisturbed = cluster.undisturbed().await;
    cluster.world.simulator.session("Large", json!({"group": HOSTILE_GROUP})).await;
    let creations = (0..objects).map(|n| {
        let mut object = cluster.covered(&format!("large-{n}"), "Large");
        // Few long ones: the API server, whose time this is, takes it for each label.
        for k in 0..5200 {
            let key = format!("{}/{k}-{}", "p".repeat(50), "k".repeat(50));
            object["metadata"]["labels"][key] = json!("v".repeat(63));
        }
        object["spec"]["suspend"] = json!(true);
        let text = object.to_string();
        assert!(text.len() > 900_000, "{}", text.len());
        cluster.create(&cluster.hostile, text)
    });
    let created: Vec<_> = stream::iter(creations).buffer_unordered(2).collect().await;
    assert!(created.iter().all(Result::is_ok), "{:?}", created.iter().find(|created| created.is_err()));
    // The API server is busy with such objects until each has its status.
    cluster.until_metric(r#"sessionexport_exports{phase="Waiting",reason="Suspended"}"#, objects).await;
    assert!(cluster.victim_is_unharmed(&undisturbed).await, "kind 6\n{}", cluster.world.logs());
    // The first list takes time in proportion to its bytes, most of it in the API server.
    cluster.restart().await;
    cluster.operator().ready("leading").await;
    assert!(cluster.victim_is_unharmed(&undisturbed).await, "kind 6, after a restart\n{}", cluster.world.logs());
    assert!(cluster.operator().log().contains("can't stream lists"), "it lists");
    let peak = cluster.operator().peak_memory();
    println!("peak: {peak} MiB");
    assert!(peak <= 192, "{peak} MiB");
}

/// docs/sizing.md says what an object costs at most.
const DOCUMENTED_KIB: u64 = 10;
/// What a burst of creations takes beside the objects, for connections and answers under way.
const BURST_KIB: u64 = 16 * 1024;

#[tokio::test]
async fn kind_6_objects_with_the_longest_destinations_cost_what_is_documented() {
    let cluster = Cluster::start_alone("longest", json!({})).await;
    let objects: u32 = if crate::all_cases() { 3000 } else { 1500 };
    let before = cluster.operator().resident_kib();
    let creations = (0..objects).map(|n| {
        let mut object = cluster.covered(&format!("long-{n}"), &format!("none-{n}"));
        object["spec"]["outputUri"] = json!(format!("s3://elsewhere/{}{n:04}.zip", "a".repeat(1001)));
        cluster.create(&cluster.hostile, object.to_string())
    });
    let created: Vec<_> = stream::iter(creations).buffer_unordered(8).collect().await;
    assert!(created.iter().all(Result::is_ok), "{:?}", created.iter().find(|created| created.is_err()));
    cluster.until_metric(r#"sessionexport_exports{phase="Waiting",reason="DestinationForbidden"}"#, objects).await;
    let more = cluster.operator().resident_kib().saturating_sub(before);
    println!("{more} KiB for {objects} objects");
    assert!(more <= u64::from(objects) * DOCUMENTED_KIB + BURST_KIB, "{more} KiB for {objects} objects");
}
