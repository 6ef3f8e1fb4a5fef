//! Kind 15: answers of AWS, or of what stands between, that never end: memory stays as it is, others go on, and so does
//! the object itself once answers have an end again.

use crate::cluster::share_machine;
use crate::simulator::GROUP;
use crate::status::{HELD, PENDING};
use crate::world::World;
use futures::future::join_all;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use session_export_operator::api::SessionExport;

const EXPORT: &str = "ExportStreamSessionFiles";
const GET: &str = "GetStreamSession";
const LIST: &str = "ListStreamSessions";
const OTHER: &str = "e2e-endless-other";
/// Group whose answers never end. So many sessions are read by lists, too.
const VICTIMS: &str = "sg-victims";
const COUNT: usize = 60;

/// MiB that the operator may ever have had, in a debug build. Measured: 47, of which 33 are there before the first
/// answer without an end; without bounds 2,778. What is left covers 60 answers of 1 MiB at once, on a slow machine.
const MOST_MEMORY: u64 = 128;

/// A world whose operator works for its own namespace and these others.
async fn world(name: &str, others: &[&str]) -> World {
    let own = format!("e2e-{name}");
    let namespaces: Vec<&str> = others.iter().copied().chain([&*own]).collect();
    let changes = json!({
        "rules": [{"namespaces": ["*"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"]}],
        "watch": {"namespaces": namespaces},
        "timing": {"heldStatusDelay": "500ms"},
    });
    let world = World::with(name, &[], changes).await;
    world.simulator.ask("POST", "groups", json!({"id": VICTIMS})).await;
    world
}

async fn create_export(exports: &Api<SessionExport>, name: &str) {
    let spec = json!({"streamGroupIdentifier": GROUP, "streamSessionIdentifier": name, "outputUri": "s3://exports/b/"});
    let object = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
    exports.create(&PostParams::default(), &object).await.unwrap();
}

async fn create_victims(world: &World, names: &[String]) {
    world.simulator.ask("POST", "sessions", json!({"ids": names, "group": VICTIMS})).await;
    let group = json!({"streamGroupIdentifier": VICTIMS});
    join_all(names.iter().map(|name| world.export_with(name, name, "s3://exports/a/", group.clone()))).await;
}

/// Calls of an operation whose answer has had no end.
async fn endless(world: &World, operation: &str) -> usize {
    let calls = world.simulator.calls(operation, "").await;
    calls.iter().filter(|call| call["faults"] == json!(["endlessBody"])).count()
}

#[tokio::test]
async fn kind_15_answers_without_an_end_take_no_memory_and_nothing_from_others() {
    let _share = share_machine().await;
    let world = world("endless", &[OTHER]).await;
    let others = world.also_in(OTHER).await;
    let operator = world.operator().await;
    let before = operator.peak_memory();
    world.simulator.fault(json!({"group": VICTIMS, "action": {"type": "endlessBody"}})).await;
    let names: Vec<String> = (0..COUNT).map(|n| format!("victim-{n:02}")).collect();
    create_victims(&world, &names).await;
    for name in &names {
        world.shows(name, HELD, "ServiceUnavailable").await;
    }
    for operation in [GET, LIST] {
        let what = format!("{operation} has no end");
        world.eventually(&what, || async { endless(&world, operation).await >= COUNT / 10 }).await;
    }
    for n in 0..5 {
        let name = format!("other-{n}");
        world.simulator.session(&name, json!({})).await;
        create_export(&others, &name).await;
        world.eventually(&name, || async { world.simulator.accepted(&name).await.len() == 1 }).await;
    }
    assert_eq!(world.simulator.all_calls_of("Export").await, 5, "no export without a read");
    let peak = operator.peak_memory();
    let (gets, lists) = (endless(&world, GET).await, endless(&world, LIST).await);
    println!("{before} MiB before, {peak} MiB at the most, with {gets} Gets and {lists} pages without an end");
    assert!(peak <= MOST_MEMORY, "{peak} MiB");

    world.simulator.no_faults().await;
    for name in &names {
        world.shows(name, PENDING, "ExportPending").await;
        assert_eq!(world.simulator.promises(name).await, 1, "{name}");
    }
}

/// AWS has done what was asked, and only its answer has no end: a read finds that out, and no call is made again.
#[tokio::test]
async fn kind_15_an_export_whose_answer_has_no_end_counts_as_unanswered() {
    let _share = share_machine().await;
    let world = world("endless-calls", &[]).await;
    let operator = world.operator().await;
    world.simulator.fault(json!({"operation": EXPORT, "group": VICTIMS, "action": {"type": "endlessBody"}})).await;
    let names: Vec<String> = (0..COUNT).map(|n| format!("victim-{n:02}")).collect();
    create_victims(&world, &names).await;
    for name in &names {
        world.shows(name, PENDING, "ExportPending").await;
    }
    assert_eq!(endless(&world, EXPORT).await, COUNT);
    for name in &names {
        assert_eq!((world.simulator.exports(name).await, world.simulator.promises(name).await), (1, 1), "{name}");
    }
    let peak = operator.peak_memory();
    println!("{peak} MiB at the most, with {COUNT} calls without an end");
    assert!(peak <= MOST_MEMORY, "{peak} MiB");
}
