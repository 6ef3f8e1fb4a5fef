//! Kind 11: keys that are read in two ways. New objects have none; those that are stored go on.

use crate::cluster::{Cluster, HOSTILE_GROUP, prefix_of};
use serde_json::{Value, json};

/// An object whose destination only an older definition takes.
fn with_odd_key(cluster: &Cluster, name: &str) -> Value {
    let mut object = cluster.covered(name, "Older");
    object["spec"]["outputUri"] = json!(format!("{}%2e%2e/ü?#/x.zip", prefix_of(&cluster.hostile)));
    object
}

#[tokio::test]
async fn kind_11_an_export_to_a_key_of_an_older_definition_goes_on_and_no_new_one_begins() {
    let cluster = Cluster::start_alone("keys", json!({})).await;
    cluster.world.simulator.session("Older", json!({"group": HOSTILE_GROUP})).await;
    let mut older = with_odd_key(&cluster, "older");
    older["spec"]["suspend"] = json!(true);
    let lax = cluster.loosen_definition().await;
    cluster.create(&cluster.hostile, older.to_string()).await.unwrap();
    lax.restore(&cluster).await;
    cluster.shows(&cluster.hostile, "older", "Suspended").await;
    let refused = cluster.create(&cluster.hostile, with_odd_key(&cluster, "newer").to_string()).await.unwrap_err();
    assert!(refused.to_string().contains("ASCII letters, digits, spaces and"), "{refused}");
    cluster.edit(&cluster.hostile, "older", json!({"suspend": false})).await;
    cluster.shows(&cluster.hostile, "older", "ExportPending").await;
    let asked = cluster.world.simulator.accepted("Older").await;
    assert_eq!(asked, [older["spec"]["outputUri"].as_str().unwrap()]);
}
