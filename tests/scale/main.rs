//! What must hold at a thousand objects, whatever AWS does. Judged by counts, order and ratios in the simulator's
//! journal and by the statuses, never by how long it took.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]
#![allow(dead_code, reason = "the harness is shared with the end-to-end tests")]

mod activating;
mod backend;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod hole;
mod lagging;
mod nonsense;
#[path = "../e2e/operator.rs"]
mod operator;
#[path = "../e2e/oracle.rs"]
mod oracle;
#[path = "../e2e/simulator.rs"]
mod simulator;
mod storm;
#[path = "../e2e/world.rs"]
mod world;

use crate::simulator::{GROUP, merge};
use crate::world::World;
use futures::{StreamExt, stream};
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use session_export_operator::api::{SessionExport, SessionExportStatus};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

pub(crate) const EXPORT: &str = "ExportStreamSessionFiles";
pub(crate) const GET: &str = "GetStreamSession";
pub(crate) const LIST: &str = "ListStreamSessions";
pub(crate) const PREFIX: &str = "s3://exports/a/";

/// Of these tests, one at a time: each keeps a small machine busy, and a busy API server times out.
static TURNS: Semaphore = Semaphore::const_new(1);
/// Requests of ours at a time.
const AT_ONCE: usize = 32;
/// As long as something goes on, these tests wait; they give up when nothing has for so long.
const STANDSTILL: Duration = Duration::from_secs(60);

/// What the simulator lets through, and the operator's shares of it: where the quota is not the point, a thousand calls
/// need not take a minute.
fn shares(per_second: u32) -> Value {
    json!({"export": per_second, "get": per_second, "list": per_second, "allowAboveDefault": true})
}

async fn allow(world: &World, per_second: u32) {
    let limits = json!({"enabled": true, "perSecond": per_second, "operations": {}});
    world.simulator.ask("PUT", "quota", limits).await;
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n:03}")).collect()
}

/// Makes a session for each name; `more` is what they have in common.
async fn sessions(world: &World, names: &[String], more: Value) {
    let mut seed = json!({"ids": names});
    merge(&mut seed, more);
    world.simulator.ask("POST", "sessions", seed).await;
}

/// Does the same for all, some at a time.
async fn each<F: Future<Output = ()>>(names: &[String], one: impl Fn(String) -> F) {
    stream::iter(names.iter().cloned()).map(one).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// Creates an object for each session, named alike, in a namespace.
async fn exports(world: &World, namespace: &str, names: &[String], more: Value) {
    let api: Api<SessionExport> = Api::namespaced(world.client.clone(), namespace);
    each(names, |name| {
        let mut object = json!({
            "apiVersion": "sessionexport.dev/v1alpha1",
            "kind": "SessionExport",
            "metadata": {"name": name},
            "spec": {"streamGroupIdentifier": GROUP, "streamSessionIdentifier": name, "outputUri": PREFIX},
        });
        merge(&mut object["spec"], more.clone());
        let (api, object) = (api.clone(), serde_json::from_value(object).unwrap());
        async move {
            api.create(&PostParams::default(), &object).await.unwrap();
        }
    })
    .await;
}

/// The statuses of all objects in some namespaces, by name.
async fn statuses(world: &World, namespaces: &[String]) -> BTreeMap<String, SessionExportStatus> {
    let mut all = BTreeMap::new();
    for namespace in namespaces {
        let api: Api<SessionExport> = Api::namespaced(world.client.clone(), namespace);
        let objects = api.list(&ListParams::default()).await.unwrap().items;
        all.extend(objects.into_iter().map(|one| (one.metadata.name.unwrap(), one.status.unwrap_or_default())));
    }
    all
}

/// Waits until all these objects are as wanted.
async fn all(world: &World, names: &[String], what: &str, wanted: impl Fn(&SessionExportStatus) -> bool) {
    all_in(world, std::slice::from_ref(&world.namespace), names, what, wanted).await;
}

/// The same of objects in other namespaces.
async fn all_in(
    world: &World,
    namespaces: &[String],
    names: &[String],
    what: &str,
    wanted: impl Fn(&SessionExportStatus) -> bool,
) {
    let (mut most, mut give_up) = (0, Instant::now() + STANDSTILL);
    loop {
        let statuses = statuses(world, namespaces).await;
        let (done, rest): (Vec<_>, Vec<_>) = names.iter().partition(|name| statuses.get(*name).is_some_and(&wanted));
        if rest.is_empty() {
            return;
        }
        if done.len() > most {
            (most, give_up) = (done.len(), Instant::now() + STANDSTILL);
        }
        if Instant::now() >= give_up {
            let one = serde_json::to_string(&statuses.get(rest[0])).unwrap();
            let journal = journal(world).await;
            let seen: Vec<_> = journal.iter().filter(|line| shows(line, rest[0])).map(short).collect();
            let now = now(world).await;
            panic!("{what}: {} are not, at {now} ms; {}: {one}\n{}", rest.len(), rest[0], seen.join("\n"));
        }
        sleep(Duration::from_millis(1500)).await;
    }
}

/// Whether it is about this session, or lists it.
fn shows(line: &Value, name: &str) -> bool {
    of(line) == name || line["sessions"].as_array().is_some_and(|all| all.iter().any(|one| one == name))
}

/// Without the other sessions of a page.
fn short(line: &Value) -> String {
    let mut line = line.clone();
    line["sessions"] = Value::Null;
    line.to_string()
}

/// The reason of Ready.
fn reason(status: &SessionExportStatus) -> &str {
    status.conditions.iter().find(|condition| condition.type_ == "Ready").map_or("", |condition| &condition.reason)
}

fn is(wanted: &'static str) -> impl Fn(&SessionExportStatus) -> bool {
    move |status| reason(status) == wanted
}

/// Everything that the simulator has written down, in order.
async fn journal(world: &World) -> Vec<Value> {
    world.simulator.ask("GET", "journal", Value::Null).await["records"].as_array().unwrap().clone()
}

/// The simulator's clock.
async fn now(world: &World) -> f64 {
    world.simulator.ask("GET", "time", Value::Null).await["sinceStartMs"].as_f64().unwrap()
}

/// When it came, by the simulator's clock.
fn ms(record: &Value) -> f64 {
    record["ms"].as_f64().unwrap()
}

fn of(record: &Value) -> &str {
    record["session"].as_str().unwrap_or_default()
}

fn is_throttled(call: &Value) -> bool {
    call["error"] == "ThrottlingException"
}

/// The calls of one operation, in the order of their arrival.
fn calls<'a>(journal: &'a [Value], operation: &str) -> Vec<&'a Value> {
    let mut calls: Vec<_> =
        journal.iter().filter(|line| line["kind"] == "call" && line["operation"] == operation).collect();
    calls.sort_by(|a, b| ms(a).total_cmp(&ms(b)));
    calls
}

/// How often each session was called for, refusals included.
fn by_session<'a>(calls: &[&'a Value]) -> BTreeMap<&'a str, usize> {
    calls.iter().fold(BTreeMap::new(), |mut counts, call| {
        *counts.entry(of(call)).or_default() += 1;
        counts
    })
}
