//! Many at once: readings come from lists, and lists that lag, lie, fail or are denied only delay.

use crate::operator::Operator;
use crate::simulator::merge;
use crate::world::World;
use futures::future::join_all;
use serde_json::{Value, json};
use session_export_operator::api::ExportStatus;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

const GETS: &str = "GetStreamSession";
const LISTS: &str = "ListStreamSessions";
const CALLS: &str = "ExportStreamSessionFiles";

/// Of the tests with a fleet, two at a time: they keep a small machine busy, and a busy API server times out.
pub(crate) static TURNS: Semaphore = Semaphore::const_new(2);

/// A fleet of sessions and an object for each, named alike.
struct Fleet<'a> {
    world: &'a World,
    names: Vec<String>,
    _turn: SemaphorePermit<'static>,
}

impl<'a> Fleet<'a> {
    /// `uri` may hold `NAME`.
    async fn new(world: &'a World, count: usize, uri: &str, session: Value) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let names: Vec<String> = (0..count).map(|n| format!("f{n:03}")).collect();
        let mut seed = json!({"ids": &names});
        merge(&mut seed, session);
        world.simulator.ask("POST", "sessions", seed).await;
        for some in names.chunks(10) {
            join_all(some.iter().map(|name| async {
                world.export(name, name, &uri.replace("NAME", name)).await;
            }))
            .await;
        }
        Self { world, names, _turn: turn }
    }

    async fn all_pending(&self) {
        for name in &self.names {
            self.world.reason(name, "ExportPending").await;
        }
    }

    async fn end(&self) {
        for some in self.names.chunks(20) {
            join_all(some.iter().map(|name| self.world.simulator.end(name))).await;
        }
    }

    async fn all_succeeded(&self) {
        for name in &self.names {
            let done = self.world.finished(name).await;
            assert_eq!(done.export_status, Some(ExportStatus::Succeeded), "{name}: {done:?}");
        }
    }

    /// One call for each, three writes for each, one destination for each.
    async fn is_as_if_alone(&self) {
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.world.simulator.calls(CALLS, "").await {
            *calls.entry(call["session"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let writes = self.world.status_writes_by_name();
        for name in &self.names {
            assert_eq!((calls.get(name), writes.get(name)), (Some(&1), Some(&3)), "calls and writes of {name}");
        }
    }

    async fn count(&self, operation: &str) -> usize {
        self.world.simulator.calls(operation, "").await.len()
    }
}

/// A hundred wait for their turn to call for longer than these tests would have it shown; and where a call is given up
/// early, as a busy machine makes it, Gets do instead of lists.
async fn world(name: &str) -> World {
    let timing = json!({"heldStatusDelay": "30s", "callTimeout": "4s", "consistencyWindow": "5s"});
    World::with(name, &[], json!({"timing": timing})).await
}

async fn reconciles(operator: &Operator) -> u64 {
    let (_, text) = operator.get("/metrics").await;
    let line = text.lines().find(|line| line.starts_with("sessionexport_reconciles_total")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits until no object has been reconciled for three seconds. Returns how often they were.
async fn until_quiet(world: &World, operator: &Operator) -> u64 {
    let passes = AtomicU64::new(0);
    let quiet = || async {
        let before = reconciles(operator).await;
        sleep(3).await;
        passes.store(reconciles(operator).await, Ordering::Relaxed);
        before > 0 && before == passes.load(Ordering::Relaxed)
    };
    world.eventually("nothing is left to do", quiet).await;
    passes.into_inner()
}

async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test]
async fn a_hundred_of_one_group_cost_pages_and_no_get_each_from_the_first_read_to_the_end() {
    let world = world("lists").await;
    let fleet = Fleet::new(&world, 100, "s3://exports/a/", json!({})).await;
    let operator = world.operator().await;
    fleet.all_pending().await;
    let first = fleet.count(GETS).await;
    assert!(first <= 30, "{first} Gets for 100 first reads");
    // Lists may not show at once what has just been asked for.
    let passes = until_quiet(&world, &operator).await;

    let (gets, lists) = (fleet.count(GETS).await, fleet.count(LISTS).await);
    let writes = world.status_writes_by_name();
    sleep(5).await;
    assert_eq!(fleet.count(GETS).await, gets, "no Get while merely pending");
    assert!(fleet.count(LISTS).await > lists, "somebody looks");
    assert_eq!((reconciles(&operator).await, world.status_writes_by_name()), (passes, writes));

    fleet.end().await;
    fleet.all_succeeded().await;
    let ended = fleet.count(GETS).await - gets;
    assert!(ended <= 40, "{ended} Gets for 100 that ended together");
    fleet.is_as_if_alone().await;
}

/// The operator starts after them: so they come at once, however slow the machine.
#[tokio::test]
async fn twenty_at_once_cost_two_lists_and_three_gets_at_most() {
    let world = world("lists-twenty").await;
    let fleet = Fleet::new(&world, 20, "s3://exports/a/", json!({})).await;
    for name in &fleet.names[10..] {
        world.simulator.change(name, json!({"status": "CONNECTED"})).await;
    }
    let _operator = world.operator().await;
    world.eventually("all are requested", || async { fleet.count(CALLS).await == 20 }).await;
    let lists = fleet.count(LISTS).await;
    let mut gets = 0;
    for name in &fleet.names {
        let called = world.simulator.calls(CALLS, name).await[0]["ms"].as_f64();
        // Later ones poll the accepted export.
        gets += world.simulator.calls(GETS, name).await.iter().filter(|get| get["ms"].as_f64() < called).count();
    }
    assert!(gets <= 3 && lists <= 2, "{gets} Gets and {lists} Lists for 20 first reads");
    fleet.end().await;
    fleet.all_succeeded().await;
    fleet.is_as_if_alone().await;
}

#[tokio::test]
async fn status_alone_is_enough_for_a_zip_and_a_prefix_costs_one_get_each() {
    for (name, uri, most) in [("zip", "s3://exports/NAME.zip", 40), ("prefix", "s3://exports/a/", 85)] {
        let world = world(&format!("lists-{name}")).await;
        world.simulator.behave(json!({"defaults": {"listMetadata": "statusOnly"}})).await;
        let fleet = Fleet::new(&world, 60, uri, json!({})).await;
        let _operator = world.operator().await;
        fleet.all_pending().await;
        sleep(4).await;
        let before = fleet.count(GETS).await;
        fleet.end().await;
        fleet.all_succeeded().await;
        let gets = fleet.count(GETS).await - before;
        assert!(gets <= most, "{gets} Gets for 60 to {uri}");
        fleet.is_as_if_alone().await;
    }
}

#[tokio::test]
async fn a_new_leader_sweeps_what_is_pending_without_a_get_each() {
    let world = world("lists-restart").await;
    let fleet = Fleet::new(&world, 80, "s3://exports/a/", json!({})).await;
    let operator = world.operator().await;
    fleet.all_pending().await;
    operator.stop().await;
    let before = fleet.count(GETS).await;
    let operator = world.operator().await;
    until_quiet(&world, &operator).await;
    assert_eq!(fleet.count(GETS).await, before);
    fleet.end().await;
    fleet.all_succeeded().await;
    fleet.is_as_if_alone().await;
}

#[tokio::test]
async fn many_activating_are_requested_once_they_are_active() {
    let world = world("lists-activating").await;
    let fleet = Fleet::new(&world, 60, "s3://exports/a/", json!({"status": "ACTIVATING"})).await;
    let _operator = world.operator().await;
    for name in &fleet.names {
        world.reason(name, "WaitingForSession").await;
    }
    sleep(3).await;
    let gets = fleet.count(GETS).await;
    sleep(3).await;
    assert_eq!(fleet.count(GETS).await, gets, "no Get while all are activating");
    assert_eq!(fleet.count(CALLS).await, 0, "too early");
    for name in &fleet.names {
        world.simulator.change(name, json!({"status": "ACTIVE"})).await;
    }
    fleet.all_pending().await;
    assert_eq!(fleet.count(CALLS).await, 60);
    fleet.end().await;
    fleet.all_succeeded().await;
}

#[tokio::test]
async fn an_identity_that_may_not_list_goes_on_with_gets_and_lists_once_it_may() {
    let world = world("lists-denied").await;
    world.simulator.fault(json!({"operation": LISTS, "action": {"type": "accessDenied"}})).await;
    let fleet = Fleet::new(&world, 40, "s3://exports/a/", json!({})).await;
    let _operator = world.operator().await;
    fleet.all_pending().await;
    sleep(4).await;
    // One at a time, after 0.5, 1, 2, 2, ... seconds.
    let denied = fleet.count(LISTS).await;
    assert!((1..=16).contains(&denied), "{denied} lists while denied");
    world.simulator.no_faults().await;
    let allowed = || async { fleet.count(LISTS).await > denied + 5 };
    world.eventually("lists are read again", allowed).await;
    fleet.end().await;
    fleet.all_succeeded().await;
    fleet.is_as_if_alone().await;
}

#[tokio::test]
async fn pages_full_of_other_peoples_exports_are_left_for_gets() {
    let world = world("lists-others").await;
    let others = json!({"count": 4000, "prefix": "other", "export": {
        "status": "PENDING", "outputUri": "s3://exports/other/", "frozen": true,
    }});
    world.simulator.ask("POST", "sessions", others).await;
    let fleet = Fleet::new(&world, 25, "s3://exports/a/", json!({})).await;
    let _operator = world.operator().await;
    fleet.all_pending().await;
    sleep(6).await;
    let lists = fleet.count(LISTS).await;
    assert!(lists <= 80, "{lists} pages for 25 among 4,025");
    fleet.end().await;
    fleet.all_succeeded().await;
    fleet.is_as_if_alone().await;
}

#[tokio::test]
async fn lists_that_lag_break_off_or_show_unknown_sessions_only_delay() {
    let world = world("lists-faulty").await;
    world.simulator.behave(json!({"defaults": {"listLagMs": 1000, "listFilterLagMs": 700}})).await;
    let rules = json!([
        {"operation": LISTS, "every": 5, "action": {"type": "brokenJson"}},
        {"operation": LISTS, "every": 7, "action": {"type": "throttle"}},
        {"operation": LISTS, "every": 11, "action": {"type": "html503"}},
        {"operation": LISTS, "session": "f00*", "action": {"type": "unknownEnum", "field": "export"}},
        {"operation": LISTS, "session": "f01*", "action": {"type": "unknownEnum", "field": "session"}},
    ]);
    world.simulator.fault(rules).await;
    let fleet = Fleet::new(&world, 60, "s3://exports/a/", json!({})).await;
    let _operator = world.operator().await;
    fleet.all_pending().await;
    sleep(5).await;
    for name in &fleet.names {
        assert_eq!(world.status(name).await.completion_time, None, "{name} ended while its session lives");
    }
    fleet.end().await;
    fleet.all_succeeded().await;
    fleet.is_as_if_alone().await;
}
