//! Kinds 5 and 7: objects that no rule covers don't count where others wait, and many objects of one session cost no
//! more each than few do.

use crate::cluster::{Cluster, HOSTILE_GROUP};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn kind_5_a_forbidden_object_on_the_same_session_delays_no_other_after_a_restart() {
    let window = Duration::from_secs(25);
    let mut cluster = Cluster::start("delayed", json!({"timing": {"consistencyWindow": "25s"}})).await;
    cluster.world.simulator.session("Shared", json!({})).await;
    cluster.create(&cluster.hostile, cluster.for_victims_session("squatter", "Shared").to_string()).await.unwrap();
    cluster.shows(&cluster.hostile, "squatter", "DestinationForbidden").await;
    cluster.restart().await;
    let took = cluster.accepted_after("Shared").await;
    assert!(took < window / 2, "kind 5: {took:?} of {window:?}");
}

/// Long enough for a read that shows a change, and what comes of it.
const READ: Duration = Duration::from_secs(4);

/// Processor time that a process has used so far, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Processor time for a read of a session that shows a change, which is news for all of its objects: the smallest of
/// four, because a relist of all objects may begin in one and end in the next.
async fn per_read(cluster: &Cluster, session: &str) -> u64 {
    let pid = cluster.operator().pid();
    let mut smallest = u64::MAX;
    for status in ["CONNECTED", "ACTIVE", "CONNECTED", "ACTIVE"] {
        let used = ticks(pid);
        cluster.world.simulator.change(session, json!({"status": status})).await;
        tokio::time::sleep(READ).await;
        smallest = smallest.min(ticks(pid) - used);
    }
    smallest
}

/// Waits until the operator has done what the creations asked of it, the writes of statuses and Events too: it uses no
/// more processor time than `most` in as long as a read is measured.
async fn until_at_rest(cluster: &Cluster, most: u64) {
    let pid = cluster.operator().pid();
    for _ in 0..60 {
        let used = ticks(pid);
        tokio::time::sleep(READ).await;
        if ticks(pid) - used <= most {
            return;
        }
    }
    panic!("the operator never comes to rest\n{}", cluster.world.logs());
}

async fn create_all(cluster: &Cluster, objects: Vec<Value>) {
    let creations = objects.into_iter().map(|object| cluster.create(&cluster.hostile, object.to_string()));
    let created: Vec<_> = stream::iter(creations).buffer_unordered(8).collect().await;
    assert!(created.iter().all(Result::is_ok), "{created:?}");
}

#[tokio::test]
async fn kind_7_forbidden_objects_of_one_session_cost_no_more_at_each_read_the_more_there_are() {
    let cluster = Cluster::start_alone("crowded", json!({})).await;
    cluster.world.simulator.session("Crowded", json!({})).await;
    cluster.accepted_after("Crowded").await;
    let alone = per_read(&cluster, "Crowded").await;
    let crowd = (0..2000).map(|n| cluster.for_victims_session(&format!("crowd-{n}"), "Crowded"));
    create_all(&cluster, crowd.collect()).await;
    cluster.until_metric(r#"sessionexport_exports{phase="Waiting",reason="DestinationForbidden"}"#, 2000).await;
    until_at_rest(&cluster, alone).await;
    let crowded = per_read(&cluster, "Crowded").await;
    println!("{alone} ticks a read alone, {crowded} with 2,000 others");
    assert!(crowded <= 3 * alone + 3, "kind 7: {crowded} ticks a read instead of {alone}");
}

/// Its own rule covers them: they are served by one read, each at the price of one.
#[tokio::test]
async fn kind_7_two_thousand_covered_objects_of_one_session_cost_each_what_few_do() {
    let cluster = Cluster::start_alone("many", json!({})).await;
    let reason = r#"sessionexport_exports{phase="Waiting",reason="Suspended"}"#;
    let mut costs = Vec::new();
    for (session, from, to) in [("Few", 0, 250), ("Many", 250, 2250)] {
        cluster.world.simulator.session(session, json!({"group": HOSTILE_GROUP})).await;
        let pid = cluster.operator().pid();
        let used = ticks(pid);
        let suspended = (from..to).map(|n| {
            let mut object = cluster.covered(&format!("many-{n}"), session);
            object["spec"]["suspend"] = json!(true);
            object
        });
        create_all(&cluster, suspended.collect()).await;
        cluster.until_metric(reason, to).await;
        per_read(&cluster, session).await;
        costs.push((ticks(pid) - used, u64::from(to - from)));
    }
    let [(few, count), (many, counts)] = costs[..] else { unreachable!() };
    println!("{few} ticks for {count} objects of one session, {many} for {counts}");
    assert!(many <= 3 * few * counts / count + 10, "kind 7: {many} ticks for {counts}, {few} for {count}");
    let undisturbed = cluster.undisturbed().await;
    assert!(cluster.victim_is_unharmed(&undisturbed).await, "kind 7\n{}", cluster.world.logs());
}
