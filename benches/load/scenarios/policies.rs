//! Policies over time: a group that is full when its policy is created, leaders that are killed, ten minutes of
//! sessions, and a hundred thousand exports that are kept.

use super::discovery::{arrive, create_policies_with, until_ended, until_scanned};
use super::{Found, Plot};
use crate::journal::Journal;
use crate::mode::Scale;
use crate::objects::{create_like, outcomes, wall};
use crate::report::{Bar, Row, thousands};
use crate::run::Running;
use crate::setup::{EXPORT_SHARE, Setup};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;
use session_export_operator::api::policy::SessionExportPolicy;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(180);

/// Live sessions of a group whose policy is created afterwards. It is edited when half of them have been called for.
pub(crate) async fn backlog(scale: Scale) -> Found {
    let title = &format!("{} live in one group when the policy is created", thousands(scale.backlog));
    let setup = Setup::with_policies("backlog", 1).await;
    let operator = setup.operator().await;
    let mut audit = setup.audit();
    let ids: Vec<String> = (0..scale.backlog).map(|n| format!("s{n:06}")).collect();
    for some in ids.chunks(1000) {
        setup.world.simulator.ask("POST", "sessions", json!({"ids": some, "group": &setup.groups[0]})).await;
    }
    let begun = setup.now().await;
    create_policies_with(&setup, json!({})).await;
    let least = scale.backlog as f64 / EXPORT_SHARE;
    until_accepted(&setup, scale.backlog / 2, least).await;
    edit_policy(&setup).await;
    until_accepted(&setup, scale.backlog, least).await;
    operator.stop().await;
    let journal = setup.journal(begun);
    let accepted = accepted_times(&journal, &setup);
    let last = accepted.last().map(|at| (at - begun) / 1000.0);
    let steady = accepted.len().saturating_sub(scale.backlog / 10);
    let rate = (steady > 0).then(|| steady as f64 * 1000.0 / (accepted[steady - 1] - accepted[0]));
    let creations = audit.news();
    let creations: Vec<_> = creations.iter().filter(|one| one.what() == "create sessionexports").collect();
    let created: Vec<f64> = creations.iter().filter(|one| one.has_succeeded()).map(|one| one.answered()).collect();
    let note = format!("{} objects made with {} requests", created.len(), creations.len());
    let mut found = Found::default();
    found.rows = vec![
        Row::count(title, "sessions without an export", scale.backlog - accepted.len(), 0.0),
        Row::count(title, "exports of one session, max", most_exports(&journal), 1.0),
        Row::count(title, "made and not accepted at a time, max", most_waiting(created, &accepted, setup.wall), 100.0)
            .note(note),
        Row::new(title, "Export calls per second until a tenth is left", rate, "")
            .limit(EXPORT_SHARE)
            .bar(Bar::RatioAtLeast(0.95)),
        Row::new(title, "policy created -> all accepted", last, "s").limit(least).bar(Bar::RatioAtMost(620.0 / 556.0)),
    ];
    found
}

/// What exists already is not touched.
async fn edit_policy(setup: &Setup) {
    let policies: Api<SessionExportPolicy> = Api::namespaced(setup.world.client.clone(), &setup.namespaces[0]);
    let edit = json!({"spec": {"template": {"metadata": {"labels": {"edited": "yes"}}}}});
    policies.patch("p0", &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
}

/// Waits until so many are accepted, or three times as long as the quota takes for all.
async fn until_accepted(setup: &Setup, count: usize, least: f64) {
    let until = Instant::now() + PATIENCE + Duration::from_secs_f64(3.0 * least);
    while setup.journal(0.0).first_accepted(setup.key()).len() < count && Instant::now() < until {
        // A long journal is long to read.
        sleep(Duration::from_secs(10)).await;
    }
}

/// When AWS accepted each export, in order, by the simulator's clock.
fn accepted_times(journal: &Journal, setup: &Setup) -> Vec<f64> {
    let mut all: Vec<f64> = journal.first_accepted(setup.key()).into_values().collect();
    all.sort_by(f64::total_cmp);
    all
}

fn most_exports(journal: &Journal) -> usize {
    let mut made: HashMap<&str, usize> = HashMap::new();
    let begun = journal.lines.iter().filter(|line| line.kind == "export" && line.to == "PENDING");
    begun.for_each(|line| *made.entry(&line.session).or_default() += 1);
    made.into_values().max().unwrap_or(0)
}

/// The most objects at a time that were made, and whose export was not accepted yet.
fn most_waiting(mut created: Vec<f64>, accepted: &[f64], wall: f64) -> usize {
    created.sort_by(f64::total_cmp);
    let waiting = |(n, at): (usize, &f64)| (n + 1).saturating_sub(accepted.partition_point(|one| one + wall <= *at));
    created.iter().enumerate().map(waiting).max().unwrap_or(0)
}

/// Sessions arrive, and leaders are killed one after the other: with the rate, how long a session has to live beside a
/// leader that has just taken over, in seconds.
const RATES: [(f64, f64); 2] = [(3.0, 15.0), (10.0, 45.0)];

pub(crate) async fn takeover(scale: Scale) -> Found {
    let mut found = Found::default();
    for (per_second, long_enough) in RATES {
        let title = &format!("{per_second} sessions/s in {} groups, the leader is killed", scale.groups);
        let setup = Setup::with_policies(&format!("takeover-{per_second}"), scale.groups).await;
        let mut operator = setup.operator().await;
        create_policies_with(&setup, json!({})).await;
        until_scanned(&setup, scale.groups).await;
        let id = arrive(&setup, per_second, scale.takeover, [60, 120]).await;
        let (until, mut led, mut terms) = (Instant::now() + scale.takeover, setup.now().await, Vec::new());
        // Each time after another while, and so at another point of what it does.
        let mut lives = (0_u64..).map(|n| Duration::from_millis(20_000 + 1_370 * n));
        while Instant::now() < until {
            sleep(lives.next().unwrap_or_default()).await;
            terms.push((led, setup.now().await));
            operator.kill();
            operator = setup.operator().await;
            led = setup.now().await;
        }
        let sessions = until_ended(&setup, &id).await;
        terms.push((led, setup.now().await));
        operator.stop().await;
        let journal = setup.journal(0.0);
        let missed = sessions.iter().filter(|one| {
            one["acceptedAfterMs"].is_null() && longest_beside_a_leader(one, &terms) >= long_enough * 1000.0
        });
        let note = format!("of {}; {} leaders", sessions.len(), terms.len());
        let figure = format!("sessions of {long_enough} s beside one leader without an export");
        found.rows.push(Row::count(title, &figure, missed.count(), 0.0).note(note));
        found.rows.push(Row::count(title, "exports of one session, max", most_exports(&journal), 1.0));
    }
    found
}

/// Milliseconds that a session lived while one leader led.
fn longest_beside_a_leader(session: &Value, terms: &[(f64, f64)]) -> f64 {
    let at = |key: &str, or: f64| session[key].as_f64().unwrap_or(or);
    let (begun, ended) = (at("activeAtMs", f64::MAX), at("endedAtMs", f64::MAX));
    terms.iter().map(|(from, to)| ended.min(*to) - begun.max(*from)).fold(0.0, f64::max)
}

/// Arrivals a second; with a life of 90 s on average and a minute's TTL there are about 1,200 objects at a time.
const EVEN_RATE: f64 = 7.0;

/// Ten minutes of real time.
pub(crate) async fn endurance(scale: Scale) -> Found {
    let title = &format!("{EVEN_RATE} sessions/s for {} minutes, each export kept for one", scale.endurance);
    let setup = Setup::with_policies("endurance", scale.groups).await;
    let operator = setup.operator().await;
    create_policies_with(&setup, json!({"template": {"spec": {"ttlSecondsAfterFinished": 60}}})).await;
    until_scanned(&setup, scale.groups).await;
    let minutes = scale.endurance;
    let id = arrive(&setup, EVEN_RATE, Duration::from_secs(60 * minutes), [60, 120]).await;
    let mut found = Found::default();
    let (mut memory, mut objects) = (Vec::new(), 0);
    for minute in 1..=minutes {
        memory.push(mean_resident(&operator).await);
        objects = objects.max(exports(&setup).list_metadata(&ListParams::default()).await.unwrap().items.len());
        found.point(Plot::Arrivals, "resident set", minute as f64, memory[memory.len() - 1]);
    }
    let sessions = until_ended(&setup, &id).await;
    let until = Instant::now() + PATIENCE;
    let left = || async { outcomes(&setup).await.sum() };
    while left().await > 0 && Instant::now() < until {
        sleep(Duration::from_secs(2)).await;
    }
    let left = left().await;
    operator.stop().await;
    let (middle, end) = (memory[memory.len() / 2 - 1], memory[memory.len() - 1]);
    let missed = sessions.iter().filter(|one| one["acceptedAfterMs"].is_null()).count();
    let row = Row::new(title, "memory at the end, against the middle", Some(end), "MiB").limit(middle);
    found.rows.push(row.bar(Bar::RatioAtMost(1.1)));
    found.rows.push(Row::count(title, "objects at a time, max", objects, 1_500.0));
    found.rows.push(Row::count(title, "objects left over", left, 0.0));
    found
        .rows
        .push(Row::count(title, "sessions without an export", missed, 0.0).note(format!("of {}", sessions.len())));
    found
}

/// Over a minute.
async fn mean_resident(operator: &Running) -> f64 {
    let mut sum = 0.0;
    for _ in 0..12 {
        sleep(Duration::from_secs(5)).await;
        sum += operator.memory().resident;
    }
    sum / 12.0
}

fn exports(setup: &Setup) -> Api<SessionExport> {
    Api::namespaced(setup.world.client.clone(), &setup.namespaces[0])
}

/// Of each policy, as many as it may keep.
const KEPT_OF_EACH: usize = 10_000;

/// Finished exports that policies keep: what they cost while nothing happens.
pub(crate) async fn kept(scale: Scale) -> Found {
    let groups = scale.kept.div_ceil(KEPT_OF_EACH);
    let title = &format!("{} finished exports of {groups} policies, kept", thousands(scale.kept));
    let setup = Setup::with_policies("kept", groups).await;
    let limits = json!({
        "successfulExportsHistoryLimit": KEPT_OF_EACH, "template": {"spec": {"ttlSecondsAfterFinished": 86_400}},
    });
    let policies = create_policies_with(&setup, limits).await;
    let operator = setup.operator().await;
    let first = first_finished(&setup).await;
    operator.stop().await;
    // The first policy has one already.
    create_like(&setup, &first, policies.iter().cycle().skip(1).take(scale.kept - 1)).await;
    let operator = setup.operator().await;
    let (ready, mut audit) = (operator.ready_after, setup.audit());
    // The counts of the policies are written meanwhile.
    sleep(Duration::from_secs(45)).await;
    audit.news();
    let (used, begun) = (operator.cpu_seconds(), wall());
    sleep(Duration::from_secs(60)).await;
    let per_minute = (operator.cpu_seconds() - used) * 60_000.0 / (wall() - begun);
    let writes = audit.news().iter().filter(|one| ["patch", "delete", "create"].contains(&&*one.verb)).count();
    let memory = operator.memory();
    operator.stop().await;
    let left = outcomes(&setup).await.succeeded;
    let mut found = Found::default();
    found.point(Plot::Memory, "finished and kept, peak", scale.kept as f64, memory.peak);
    found.rows = vec![
        Row::count(title, "objects lost", scale.kept - left, 0.0),
        Row::count(title, "writes in a quiet minute", writes, 0.0),
        Row::new(title, "until ready", Some(ready), "s"),
        Row::new(title, "resident set, peak", Some(memory.peak), "MiB")
            .note(format!("{:.1} MiB then", memory.resident)),
        Row::new(title, "processor time of a quiet minute", Some(per_minute), "s"),
    ];
    found
}

/// The first export of the first policy, when it has succeeded.
async fn first_finished(setup: &Setup) -> SessionExport {
    setup.world.simulator.ask("POST", "sessions", json!({"ids": ["s000000"], "group": &setup.groups[0]})).await;
    let until = Instant::now() + PATIENCE;
    let mut ended = false;
    loop {
        let all = exports(setup).list(&ListParams::default()).await.unwrap().items;
        let status = all.first().and_then(|export| export.status.clone()).unwrap_or_default();
        if status.completion_time.is_some() {
            return all.into_iter().next().unwrap();
        }
        if status.request_time.is_some() && !ended {
            setup.world.simulator.end("s000000").await;
            ended = true;
        }
        assert!(Instant::now() < until, "it never succeeds: {}", setup.world.logs());
        sleep(Duration::from_millis(200)).await;
    }
}
