//! Sessions that nobody names: policies export them.

use super::{Found, Plot};
use crate::journal::{EXPORT, GET, Journal, LIST, Line};
use crate::mode::{Mode, Scale};
use crate::oracle::quantile::quantile;
use crate::oracle::rate::peak;
use crate::report::{Bar, Row};
use crate::setup::{EXPORT_SHARE, GET_SHARE, LIST_SHARE, Setup};
use crate::simulator::merge;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use session_export_operator::api::policy::SessionExportPolicy;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A session that lives as long is never missed.
const LIVES_LONG_ENOUGH: f64 = 15_000.0;
/// Beyond the share in a second: the limiter's tolerance, and requests that were granted before and arrive together.
const TOLERANCE: f64 = 3.0;
const PATIENCE: Duration = Duration::from_secs(180);

/// Sessions that arrive, in one group and in many.
pub(crate) async fn arriving(scale: Scale) -> Found {
    let mut found = Found::default();
    let many = |groups| (groups, scale.arrivals_per_second, (5.0, 10.0));
    let (cases, lives) = match scale.mode {
        // Long enough for a busy machine.
        Mode::Quick => (vec![many(scale.groups)], [40, 50]),
        Mode::Usual | Mode::Full => (vec![(1, 2.0, (3.0, 3.0)), many(5), many(scale.groups)], [20, 120]),
    };
    for (groups, per_second, bars) in cases {
        let setup = Setup::with_policies(&format!("arriving-{groups}"), groups).await;
        let operator = setup.operator().await;
        create_policies(&setup).await;
        until_scanned(&setup, groups).await;
        let id = arrive(&setup, per_second, scale.arrivals, lives).await;
        sleep(scale.arrivals).await;
        let sessions = until_ended(&setup, &id).await;
        operator.stop().await;
        let title = format!("{per_second} sessions/s arrive in {groups} groups, nobody names them");
        let waits = waits(&sessions);
        for (series, share) in [("p50", 0.5), ("p99", 0.99)] {
            if let Some(delay) = quantile(&waits, share) {
                found.point(Plot::Discovery, series, groups as f64, delay);
            }
        }
        found.rows.extend(judge(&title, &sessions, &setup.journal(0.0), &setup, bars));
    }
    found
}

/// What an idle group costs.
pub(crate) async fn idle(scale: Scale) -> Found {
    let mut found = Found::default();
    for groups in scale.idle_groups.iter().copied() {
        let setup = Setup::with_policies(&format!("idle-{groups}"), groups).await;
        let operator = setup.operator().await;
        create_policies(&setup).await;
        until_scanned(&setup, groups).await;
        let (begun, span) = (setup.now().await, scale.idle.min(Duration::from_secs(120)));
        sleep(span).await;
        operator.stop().await;
        let journal = setup.journal(begun);
        let lists = journal.calls(LIST, setup.key()).len() as f64 / span.as_secs_f64();
        // ACTIVE and CONNECTED every two seconds, and the two reconnecting lists once a minute.
        let least = (groups as f64 * (1.0 + 2.0 / 60.0)).min(LIST_SHARE);
        let row = Row::new(&format!("{groups} idle groups with a policy"), "List requests per second", Some(lists), "");
        found.rows.push(row.limit(least).bar(Bar::RatioAtMost(1.25)).counted());
    }
    found
}

/// Begins to start sessions in all groups, which end when their client leaves. Returns the id of the plan.
pub(super) async fn arrive(setup: &Setup, per_second: f64, long: Duration, lives: [u64; 2]) -> String {
    let plan = json!({
        "perSecond": per_second, "forSeconds": long.as_secs(), "lifetimeSeconds": lives,
        "groups": &setup.groups, "endsOnDisconnect": true,
    });
    setup.world.simulator.ask("POST", "arrivals", plan).await["id"].to_string()
}

async fn create_policies(setup: &Setup) {
    create_policies_with(setup, json!({})).await;
}

/// One for each group; `more` of its spec.
pub(super) async fn create_policies_with(setup: &Setup, more: Value) -> Vec<SessionExportPolicy> {
    let policies: Api<SessionExportPolicy> = Api::namespaced(setup.world.client.clone(), &setup.namespaces[0]);
    let mut created = Vec::new();
    for (n, group) in setup.groups.iter().enumerate() {
        let mut policy = json!({
            "apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExportPolicy",
            "metadata": {"name": format!("p{n}")},
            "spec": {
                "streamGroupIdentifier": group,
                "template": {"spec": {"outputUri": "s3://exports/{policy}/{sessionId}.zip"}},
            },
        });
        merge(&mut policy["spec"], more.clone());
        let policy = serde_json::from_value(policy).unwrap();
        created.push(policies.create(&PostParams::default(), &policy).await.unwrap());
    }
    created
}

/// Waits until each group has been listed.
pub(super) async fn until_scanned(setup: &Setup, groups: usize) {
    let until = Instant::now() + PATIENCE;
    let listed = || {
        let journal = setup.journal(0.0);
        journal.calls(LIST, setup.key()).into_iter().map(|call| call.group.clone()).collect::<HashSet<_>>().len()
    };
    while listed() < groups && Instant::now() < until {
        sleep(Duration::from_millis(500)).await;
    }
}

/// Waits until all sessions have come and gone. Returns them as the simulator tells.
pub(super) async fn until_ended(setup: &Setup, id: &str) -> Vec<Value> {
    let until = Instant::now() + PATIENCE;
    loop {
        let shown = setup.world.simulator.ask("GET", &format!("arrivals/{id}"), Value::Null).await;
        if (shown["running"] == false && shown["live"] == 0) || Instant::now() > until {
            return shown["sessions"].as_array().unwrap().clone();
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Seconds from ACTIVE until AWS had accepted the export, of those that were accepted.
fn waits(sessions: &[Value]) -> Vec<f64> {
    sessions.iter().filter_map(|one| Some(one["acceptedAfterMs"].as_f64()? / 1000.0)).collect()
}

fn judge(title: &str, sessions: &[Value], journal: &Journal, setup: &Setup, (p50, p99): (f64, f64)) -> Vec<Row> {
    let lived = |session: &Value| {
        session["endedAtMs"].as_f64().unwrap_or(f64::MAX) - session["activeAtMs"].as_f64().unwrap_or(f64::MAX)
    };
    let missed = sessions.iter().filter(|one| lived(one) >= LIVES_LONG_ENOUGH && one["acceptedAfterMs"].is_null());
    let waits = waits(sessions);
    let accepted = journal.first_accepted(setup.key());
    let early = |call: &&&Line| accepted.get(call.session.as_str()).is_none_or(|at| call.ms < *at);
    let (exports, gets) = (journal.calls(EXPORT, setup.key()), journal.calls(GET, setup.key()));
    let lists = journal.calls(LIST, setup.key());
    let mut calls: HashMap<&str, usize> = HashMap::new();
    exports.iter().for_each(|call| *calls.entry(&call.session).or_default() += 1);
    let throttled = journal.lines.iter().filter(|line| line.error == "ThrottlingException").count();
    let above = |calls: &[&Line], share: f64| {
        peak(&calls.iter().map(|call| call.ms).collect::<Vec<_>>(), 1000.0) as f64 - share - TOLERANCE
    };
    let most = [(&exports, EXPORT_SHARE), (&gets, GET_SHARE), (&lists, LIST_SHARE)];
    let most = most.map(|(calls, share)| above(calls, share)).into_iter().fold(f64::MIN, f64::max);
    let note = format!("of {}; {} Gets, {} pages", sessions.len(), gets.len(), lists.len());
    vec![
        Row::count(title, "sessions of 15 s and more without an export", missed.count(), 0.0).note(note),
        Row::count(title, "Export calls for one session, max", calls.values().copied().max().unwrap_or(0), 1.0),
        Row::count(title, "Gets before the call", gets.iter().filter(early).count(), 0.0),
        Row::count(title, "requests that AWS throttled", throttled, 0.0),
        // A busy machine delays requests, which then arrive together.
        Row::new(title, "requests in a second above a share", Some(most.max(0.0)), "").bar(Bar::AtMost(0.0)),
        Row::new(title, "ACTIVE -> accepted, p50", quantile(&waits, 0.5), "s").bar(Bar::AtMost(p50)),
        Row::new(title, "ACTIVE -> accepted, p99", quantile(&waits, 0.99), "s").bar(Bar::AtMost(p99)),
    ]
}
