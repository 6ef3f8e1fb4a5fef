//! The kinds of faults that are known and not mended yet, each with the input that shows it.
//!
//! Each test asserts how it should be, and is marked to fail by the name of its kind. One that passes fails the suite:
//! take its mark away then. Kinds 12 and 13 are documentation and workflows, and have no input.

use crate::cluster::{Cluster, HOSTILE_GROUP, prefix_of};
use crate::helm::{objects, tmp};
use crate::simulator::{ACCOUNT, GROUP};
use futures::{FutureExt, StreamExt, stream};
use serde_json::{Value, json};
use std::time::Duration;

/// What an operator writes for an export that AWS has accepted.
fn accepted() -> Value {
    json!({"exportStatus": "PENDING", "requestAttemptTime": "2026-01-31T12:00:00Z", "requestTime": "2026-01-31T12:00:01Z"})
}

/// An object of the hostile tenant for a session of the victim's.
fn for_victims_session(cluster: &Cluster, name: &str, session: &str) -> Value {
    let uri = format!("{}{name}.zip", prefix_of(&cluster.hostile));
    let spec = json!({"streamGroupIdentifier": GROUP, "streamSessionIdentifier": session, "outputUri": uri});
    cluster.object(&cluster.hostile, name, spec)
}

#[tokio::test]
#[should_panic(expected = "kind 3")]
async fn kind_3_a_forged_status_does_not_fail_anothers_export() {
    let cluster = Cluster::start("forged", json!({})).await;
    cluster.world.simulator.session("Forged", json!({})).await;
    let suspended = {
        let mut object = for_victims_session(&cluster, "forger", "Forged");
        object["spec"]["suspend"] = json!(true);
        object
    };
    cluster.create(&cluster.hostile, suspended.to_string()).await.unwrap();
    cluster.shows(&cluster.hostile, "forger", "DestinationForbidden").await;
    cluster.write_status(&cluster.hostile, "forger", accepted()).await.unwrap();
    // Seen by the operator before the victim comes.
    cluster.victim_accepted_after().await;
    let accepted = std::panic::AssertUnwindSafe(cluster.accepted_after("Forged")).catch_unwind().await;
    assert!(accepted.is_ok(), "kind 3: a forged claim fails the victim's export");
}

#[tokio::test]
#[should_panic(expected = "kind 4")]
async fn kind_4_a_forbidden_object_shows_nothing_of_anothers_session() {
    let cluster = Cluster::start("shown", json!({})).await;
    cluster.world.simulator.session("Secret", json!({})).await;
    cluster.accepted_after("Secret").await;
    cluster.create(&cluster.hostile, for_victims_session(&cluster, "spy", "Secret").to_string()).await.unwrap();
    cluster.shows(&cluster.hostile, "spy", "DestinationForbidden").await;
    let session = cluster.status(&cluster.hostile, "spy").await.session.unwrap_or_default();
    assert!(
        session.status.is_none() && session.application_arn.is_none() && session.location.is_none(),
        "kind 4: {session:?}"
    );
}

#[tokio::test]
#[should_panic(expected = "kind 5")]
async fn kind_5_a_forbidden_object_on_the_same_session_delays_nobody_after_a_restart() {
    let window = Duration::from_secs(25);
    let mut cluster = Cluster::start("delayed", json!({"timing": {"consistencyWindow": "25s"}})).await;
    let bound = cluster.bound().await;
    assert!(bound < window / 2, "{bound:?}");
    cluster.world.simulator.session("Shared", json!({})).await;
    cluster.create(&cluster.hostile, for_victims_session(&cluster, "squatter", "Shared").to_string()).await.unwrap();
    cluster.shows(&cluster.hostile, "squatter", "DestinationForbidden").await;
    cluster.restart().await;
    let took = cluster.accepted_after("Shared").await;
    assert!(took <= bound, "kind 5: {took:?} of {bound:?}");
}

#[tokio::test]
#[should_panic(expected = "kind 8")]
async fn kind_8_an_invented_region_gets_no_quota_and_no_call() {
    let cluster = Cluster::start("regions", json!({})).await;
    let mut object = cluster.covered("elsewhere", "none");
    object["spec"]["region"] = json!("xx-made-1");
    cluster.create(&cluster.hostile, object.to_string()).await.unwrap();
    let calls = async || cluster.world.simulator.calls("GetStreamSession", "none").await.len();
    let reason = async || {
        let status = cluster.status(&cluster.hostile, "elsewhere").await;
        status.conditions.into_iter().find(|shown| shown.type_ == "Ready").map(|shown| shown.reason)
    };
    let decided = "it is read in that Region, or has a reason";
    cluster.world.eventually(decided, async || calls().await > 0 || reason().await.is_some()).await;
    assert_eq!((calls().await, reason().await.as_deref()), (0, Some("DestinationForbidden")), "kind 8");
}

#[tokio::test]
#[should_panic(expected = "kind 10")]
async fn kind_10_a_denial_of_one_prefix_does_not_hold_another_in_the_same_bucket() {
    let shared = json!({"rules": [
        {"namespaces": ["hostile-denied", "victim-denied"], "streamGroups": [GROUP],
            "outputPrefixes": [prefix_of("hostile-denied"), prefix_of("victim-denied")]},
    ], "timing": {"deniedRetryMin": "60s", "deniedRetryMax": "60s"}});
    let cluster = Cluster::start("denied", shared).await;
    let bound = cluster.bound().await;
    cluster.world.simulator.session("Denied", json!({})).await;
    let denied =
        json!({"operation": "ExportStreamSessionFiles", "session": "Denied", "action": {"type": "accessDenied"}});
    cluster.world.simulator.fault(denied).await;
    cluster.create(&cluster.hostile, for_victims_session(&cluster, "denied", "Denied").to_string()).await.unwrap();
    cluster.shows(&cluster.hostile, "denied", "AccessDenied").await;
    cluster.world.simulator.session("Beside", json!({})).await;
    let took = tokio::time::timeout(bound, cluster.accepted_after("Beside")).await;
    assert!(took.is_ok(), "kind 10: not accepted within {bound:?}");
}

#[tokio::test]
#[should_panic(expected = "kind 11")]
async fn kind_11_no_message_names_the_operators_account() {
    let cluster = Cluster::start("account", json!({})).await;
    let mut object = cluster.covered("other", "none");
    object["spec"]["streamGroupIdentifier"] =
        json!(format!("arn:aws:gameliftstreams:us-west-2:999999999999:streamgroup/{HOSTILE_GROUP}"));
    cluster.create(&cluster.hostile, object.to_string()).await.unwrap();
    let message = cluster.shows(&cluster.hostile, "other", "AccountMismatch").await;
    assert!(!message.contains(ACCOUNT), "kind 11: {message}");
}

/// Processor time that a process has used so far, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test]
#[should_panic(expected = "kind 7")]
async fn kind_7_forbidden_objects_of_one_session_cost_no_more_at_each_read_the_more_there_are() {
    let cluster = Cluster::start_alone("crowded").await;
    cluster.world.simulator.session("Crowded", json!({})).await;
    cluster.accepted_after("Crowded").await;
    let pid = cluster.operator().pid();
    // Reads that show a change: each is news for all objects of the session.
    let per_read = async || {
        let used = ticks(pid);
        for status in ["CONNECTED", "ACTIVE"] {
            cluster.world.simulator.change("Crowded", json!({"status": status})).await;
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
        (ticks(pid) - used) / 2
    };
    let alone = per_read().await;
    let creations = (0..800).map(|n| {
        let object = for_victims_session(&cluster, &format!("crowd-{n}"), "Crowded");
        cluster.create(&cluster.hostile, object.to_string())
    });
    let created: Vec<_> = stream::iter(creations).buffer_unordered(8).collect().await;
    assert!(created.iter().all(Result::is_ok));
    cluster.until_metric(r#"sessionexport_exports{phase="Waiting",reason="DestinationForbidden"}"#, 800).await;
    let crowded = per_read().await;
    println!("{alone} ticks a read alone, {crowded} with 800 others");
    assert!(crowded <= 3 * alone + 3, "kind 7: {crowded} ticks a read instead of {alone}");
}

#[tokio::test]
#[should_panic(expected = "kind 9")]
async fn kind_9_a_label_that_comes_later_is_judged_as_a_creation_is() {
    let cluster = Cluster::start("labelled", json!({})).await;
    let values = json!({
        "fullnameOverride": "labelled", "aws": {"accountId": ACCOUNT}, "watch": {"labelSelector": "shard=labelled"},
        "config": {"rules": []},
    });
    let policies: Vec<Value> = objects(&values)
        .into_iter()
        .filter(|object| object["kind"].as_str().unwrap().starts_with("ValidatingAdmissionPolicy"))
        .collect();
    let file = tmp("labelled.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": policies}).to_string()).unwrap();
    let kubectl = |arguments: &[&str]| cluster.world.control().kubectl(arguments).status.success();
    assert!(kubectl(&["apply", "-f", file.to_str().unwrap()]));
    let mut judged = cluster.covered("judged", "none");
    judged["metadata"]["labels"]["shard"] = json!("labelled");
    cluster
        .world
        .eventually("the policy is served", async || {
            let refused = cluster.create(&cluster.hostile, judged.to_string()).await.is_err();
            kubectl(&["delete", "sessionexport", "judged", "--ignore-not-found", "--namespace", &cluster.hostile]);
            refused
        })
        .await;
    cluster.create(&cluster.hostile, cluster.covered("later", "none").to_string()).await.unwrap();
    let labelled = kubectl(&["label", "sessionexport", "later", "shard=labelled", "--namespace", &cluster.hostile]);
    assert!(!labelled, "kind 9: the label was accepted");
}

/// Requests that a web page could make a browser send.
#[tokio::test]
#[should_panic(expected = "kind 14")]
async fn kind_14_a_web_page_can_not_drive_the_simulator() {
    let cluster = Cluster::start("simulator", json!({})).await;
    let url = format!("{}/_simulator/faults", cluster.world.simulator.aws);
    let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = http::Request::get(url).header("host", "evil.example").header("origin", "https://evil.example");
    let answer = http.request(request.body(http_body_util::Empty::<hyper::body::Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 403, "kind 14");
}
