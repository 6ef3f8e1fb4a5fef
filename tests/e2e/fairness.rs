//! Hundreds of one namespace wait, then one of another comes: whatever the crowd waits for, the one does not wait with
//! it.

use crate::latency::arrival;
use crate::simulator::GROUP;
use crate::world::World;
use futures::future::join_all;
use jiff::Timestamp;
use kube::api::PostParams;
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;
use std::collections::BTreeSet;

const EXPORT: &str = "ExportStreamSessionFiles";
const GET: &str = "GetStreamSession";
const CROWD: usize = 400;

/// So little is granted each second that nearly all of the crowd waits to the end: pages for first readings, 100
/// sessions each, take longer than the one may wait.
fn changes(other: &str) -> Value {
    json!({
        "quota": {"export": 2, "get": 10, "list": 0.4},
        "timing": {"heldStatusDelay": "1s", "consistencyWindow": "10s", "callTimeout": "4s"},
        "rules": [{"namespaces": ["*"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"]}],
        "watch": {"namespaces": ["e2e-crowd", other]},
    })
}

fn one() -> SessionExport {
    let spec =
        json!({"streamGroupIdentifier": GROUP, "streamSessionIdentifier": "one", "outputUri": "s3://exports/b/"});
    let object = json!({"metadata": {"name": "one"}, "spec": spec});
    serde_json::from_value(object).unwrap()
}

/// When the API server received the last status write of an object before its call: the intent, which is written as soon
/// as the call is granted.
fn intended(world: &World, name: &str, called: f64) -> f64 {
    let lines = world.audited();
    let written = lines.iter().filter(|line| {
        let object = &line["objectRef"];
        line["verb"] == "patch" && object["subresource"] == "status" && object["name"] == name
    });
    written.map(received).filter(|at| *at < called).fold(0.0, f64::max)
}

/// When the API server received a request, in milliseconds.
pub(crate) fn received(line: &Value) -> f64 {
    let at: Timestamp = line["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap();
    at.as_microsecond() as f64 / 1e3
}

/// Status writes per second for exports that have no call yet, from the first second to the last, from the audit log.
fn waits_written_per_second(world: &World, called: &BTreeSet<String>) -> f64 {
    let name = |line: &Value| line["objectRef"]["name"].as_str().unwrap_or_default().to_owned();
    let lines = world.audited();
    let written =
        lines.iter().filter(|line| line["objectRef"]["subresource"] == "status" && !called.contains(&name(line)));
    let mut times: Vec<f64> = written.map(received).collect();
    times.sort_by(f64::total_cmp);
    (times.len() - 1) as f64 * 1e3 / (times[times.len() - 1] - times[0])
}

#[tokio::test]
async fn one_of_another_namespace_waits_for_no_crowd_and_the_waits_of_the_crowd_are_written_one_by_one() {
    let other = "e2e-crowd-other";
    let world = World::with("crowd", &[], changes(other)).await;
    let exports = world.also_in(other).await;
    let names: Vec<String> = (0..CROWD).map(|n| format!("c{n:03}")).collect();
    world.simulator.ask("POST", "sessions", json!({"ids": &names})).await;
    for some in names.chunks(20) {
        join_all(some.iter().map(|name| world.export(name, name, "s3://exports/a/"))).await;
    }
    let _operator = world.operator().await;
    let calls = || async { world.simulator.calls(EXPORT, "").await.len() };
    world.eventually("some of the crowd are called for", || async { calls().await >= 4 }).await;

    world.simulator.session("one", json!({})).await;
    exports.create(&PostParams::default(), &one()).await.unwrap();
    world.eventually("the one is called for", || async { world.simulator.exports("one").await == 1 }).await;
    let read = arrival(&world.simulator.calls(GET, "one").await[0]);
    let called = arrival(&world.simulator.calls(EXPORT, "one").await[0]);
    let granted = intended(&world, "one", called);
    let calls = world.simulator.calls(EXPORT, "").await;
    let meanwhile = calls.iter().filter(|call| (read..granted).contains(&arrival(call))).count();
    // At the next turn but one; the rest is for a busy machine, on which a grant takes time to become a request.
    assert!(meanwhile <= 4, "it has waited for {meanwhile} calls of the crowd");
    let gets = world.simulator.calls(GET, "").await.len();
    // The objects that came while they were few, and the one of the other namespace.
    assert!(gets <= CROWD / 8, "{gets} Gets: the crowd is read by lists");

    world.eventually("many are told", || async { world.status_writes_by_name().len() >= 100 }).await;
    let called = world.simulator.calls(EXPORT, "").await;
    let called: BTreeSet<String> = called.iter().map(|call| call["session"].as_str().unwrap().to_owned()).collect();
    let written = waits_written_per_second(&world, &called);
    assert!(written <= 30.0, "{written} statuses a second that only tell of a wait");
    println!("{meanwhile} calls of the crowd meanwhile; {gets} Gets; {written} written a second");
}
