//! Kinds 8, 10 and 11: invented Regions, denials of one prefix, and what messages tell.

use crate::cluster::{Cluster, HOSTILE_GROUP, prefix_of};
use crate::simulator::{ACCOUNT, GROUP, REGION};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn kind_8_invented_regions_get_no_quota_and_no_call() {
    let mut cluster = Cluster::start("regions", json!({})).await;
    let mut undisturbed = cluster.undisturbed().await;
    let regions = (1..=40).map(|n| format!("xx-made-{n}")).chain(["eu-central-1".to_owned()]);
    for (n, region) in regions.enumerate() {
        let name = format!("elsewhere-{n}");
        let mut object = cluster.covered(&name, "none");
        object["spec"]["region"] = json!(region);
        cluster.create(&cluster.hostile, object.to_string()).await.unwrap();
        let message = cluster.shows(&cluster.hostile, &name, "DestinationForbidden").await;
        assert!(message.contains(&format!(r#"regions: ["{region}"]"#)), "kind 8: {message}");
    }
    for operation in ["GetStreamSession", "ListStreamSessions", "ExportStreamSessionFiles"] {
        let calls = cluster.world.simulator.calls(operation, "").await;
        let elsewhere: Vec<_> = calls.iter().filter(|call| call["region"] != REGION).collect();
        assert!(elsewhere.is_empty(), "kind 8: {elsewhere:?}");
    }
    cluster.victims_are_unharmed(&mut undisturbed).await;
}

#[tokio::test]
async fn kind_10_a_denial_of_one_prefix_does_not_hold_another_in_the_same_bucket() {
    let held = Duration::from_secs(60);
    let shared = json!({"rules": [
        {"namespaces": ["hostile-denied", "victim-denied"], "streamGroups": [GROUP],
            "outputPrefixes": [prefix_of("hostile-denied"), prefix_of("victim-denied")]},
    ], "timing": {"deniedRetryMin": format!("{}s", held.as_secs()), "deniedRetryMax": format!("{}s", held.as_secs())}});
    let cluster = Cluster::start("denied", shared).await;
    cluster.world.simulator.session("Denied", json!({})).await;
    let denied =
        json!({"operation": "ExportStreamSessionFiles", "session": "Denied", "action": {"type": "accessDenied"}});
    cluster.world.simulator.fault(denied).await;
    cluster.create(&cluster.hostile, cluster.for_victims_session("denied", "Denied").to_string()).await.unwrap();
    cluster.shows(&cluster.hostile, "denied", "AccessDenied").await;
    cluster.world.simulator.session("Beside", json!({})).await;
    let took = tokio::time::timeout(held / 2, cluster.accepted_after("Beside")).await;
    assert!(took.is_ok(), "kind 10: held like the denied one");
}

#[tokio::test]
async fn kind_11_no_message_names_the_operators_account() {
    let cluster = Cluster::start("account", json!({})).await;
    let mut object = cluster.covered("other", "none");
    object["spec"]["streamGroupIdentifier"] =
        json!(format!("arn:aws:gameliftstreams:us-west-2:999999999999:streamgroup/{HOSTILE_GROUP}"));
    cluster.create(&cluster.hostile, object.to_string()).await.unwrap();
    let message = cluster.shows(&cluster.hostile, "other", "AccountMismatch").await;
    let stored = cluster.stored(&cluster.hostile, "other").await;
    assert!(message.contains("999999999999") && !stored.contains(ACCOUNT), "kind 11: {stored}");
}
