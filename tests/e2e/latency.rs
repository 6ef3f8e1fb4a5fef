//! A hundred at once: what it costs, and how long it takes. Times are printed, never asserted.

use crate::lists::TURNS;
use crate::world::World;
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use session_export_operator::api::SessionExportStatus;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const COUNT: usize = 100;

/// When the watch showed what, by name: milliseconds of this machine's wall clock.
type Seen = Arc<Mutex<BTreeMap<String, f64>>>;

#[tokio::test]
async fn a_hundred_at_once_cost_one_call_and_three_writes_each() {
    let _turn = TURNS.acquire().await.unwrap();
    let world = World::with("hundred", &[], default_timing()).await;
    let _operator = world.operator().await;
    let names: Vec<_> = (0..COUNT).map(|n| format!("h{n:03}")).collect();
    world.simulator.ask("POST", "sessions", json!({"ids": &names})).await;
    let finished = watch_the_end(&world);
    let created: BTreeMap<_, _> = join_all(names.iter().map(|name| async {
        let begun = now();
        world.export(name, name, "s3://exports/a/").await;
        (name.clone(), begun)
    }))
    .await
    .into_iter()
    .collect();
    for name in &names {
        world.reason(name, "ExportPending").await;
    }
    for name in &names {
        world.simulator.end(name).await;
    }
    for name in &names {
        let done = world.finished(name).await;
        assert_eq!(done.export_status.map(|status| format!("{status:?}")), Some("Succeeded".to_owned()));
    }
    let writes = world.status_writes_by_name();
    assert!(names.iter().all(|name| writes.get(name) == Some(&3)), "three writes each: {writes:?}");
    let calls = world.simulator.calls("ExportStreamSessionFiles", "").await;
    assert_eq!(calls.len(), COUNT, "one call each");
    let all_seen = || async { finished.lock().unwrap().len() == COUNT };
    world.eventually("the watch shows all ends", all_seen).await;
    let finished = finished.lock().unwrap().clone();
    report(&world, &created, &calls, &finished).await;
}

/// The waits that matter here, as they are by default.
fn default_timing() -> Value {
    json!({"timing": {
        "callTimeout": "4s", "consistencyWindow": "30s", "heldStatusDelay": "30s", "pendingPollIntervalMin": "2s", "pendingPollIntervalMax": "1m",
    }})
}

fn watch_the_end(world: &World) -> Seen {
    use futures::StreamExt;
    use kube_runtime::watcher::{self, Event};
    let seen = Seen::default();
    let into = seen.clone();
    let mut events = watcher::watcher(world.exports(), watcher::Config::default()).boxed();
    tokio::spawn(async move {
        let over = |status: Option<&SessionExportStatus>| status.is_some_and(|status| status.completion_time.is_some());
        while let Some(event) = events.next().await {
            if let Ok(Event::Apply(object) | Event::InitApply(object)) = event
                && over(object.status.as_ref())
            {
                into.lock().unwrap().entry(object.metadata.name.unwrap()).or_insert_with(now);
            }
        }
    });
    seen
}

/// This machine's wall clock, in milliseconds.
pub(crate) fn now() -> f64 {
    Timestamp::now().as_microsecond() as f64 / 1000.0
}

/// When a call arrived.
pub(crate) fn arrival(call: &Value) -> f64 {
    written(call) - call["durationMs"].as_f64().unwrap()
}

/// When a record was written down.
fn written(record: &Value) -> f64 {
    record["time"].as_str().unwrap().parse::<Timestamp>().unwrap().as_microsecond() as f64 / 1000.0
}

async fn report(world: &World, created: &BTreeMap<String, f64>, calls: &[Value], finished: &BTreeMap<String, f64>) {
    let to_call = calls.iter().map(|call| arrival(call) - created[call["session"].as_str().unwrap()]);
    let exports = world.simulator.ask("GET", "journal?kind=export", Value::Null).await;
    let succeeded = exports["records"].as_array().unwrap().iter().filter(|record| record["to"] == "SUCCEEDED");
    let to_status = succeeded.map(|record| finished[record["session"].as_str().unwrap()] - written(record));
    print_quantiles("create -> Export call", to_call.collect());
    print_quantiles("service-side SUCCEEDED -> status", to_status.collect());
    let counts = world.simulator.ask("GET", "counts", Value::Null).await;
    for (operation, count) in counts.as_object().unwrap() {
        let total = count["total"].as_f64().unwrap();
        println!("{operation}: {} per export, at most {} in one second", total / COUNT as f64, count["peakPerSecond"]);
    }
    let changes = world.audited().into_iter().filter(|line| line["verb"] != "get" && line["verb"] != "watch");
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for line in changes {
        let object = &line["objectRef"];
        let kind = [&line["verb"], &object["resource"], &object["subresource"]].map(|it| it.as_str().unwrap_or(""));
        *kinds.entry(kind.join(" ")).or_default() += 1;
    }
    println!("requests to the API server, {COUNT} exports: {kinds:?}");
}

fn print_quantiles(what: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    println!("{what}: p50 {:.0} ms, p99 {:.0} ms, of {}", at(0.5), at(0.99), values.len());
}
