//! Ten thousand exports that AWS has accepted: a start, sweeps, five minutes in which nothing happens, and the end.

use super::ending::{Bound, Ending};
use super::{Found, Plot};
use crate::audit::{Request, counted};
use crate::mode::Scale;
use crate::objects::{Destination, adopt, plan, seed_pending};
use crate::oracle::quantile::quantile;
use crate::oracle::sweep::{complete, rounds, sweeps};
use crate::report::{Bar, Row, thousands};
use crate::run::Running;
use crate::setup::{LIST_SHARE, PAGE, Setup};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

const NAMESPACES: usize = 4;
const FILTER: &str = "ExportFilesStatus=PENDING";
const MOST_MEMORY: f64 = 80.0;

pub(crate) async fn pending(scale: Scale) -> Found {
    let setup = Setup::new("pending", NAMESPACES, scale.groups, json!({"listMetadata": "full"})).await;
    let planned = plan(&setup, scale.pending, Destination::Prefix, |n| n / scale.groups % NAMESPACES);
    seed_pending(&setup, &planned).await;
    adopt(&setup, &planned).await;
    let mut found = Found::default();
    let operator = started(&setup, &scale, &mut found).await;
    idle(&setup, &operator, &scale, &mut found).await;
    let memory = operator.memory();
    let row =
        Row::new(&pending_title(&scale), "resident set, peak", Some(memory.peak), "MiB").bar(Bar::AtMost(MOST_MEMORY));
    found.rows.push(row.note(format!("{:.1} MiB at the end", memory.resident)));
    let ending = Ending {
        setup: "",
        title: format!("{} end in {} s, complete summaries", thousands(scale.pending), scale.end_window.as_secs()),
        objects: scale.pending,
        to: Destination::Prefix,
        complete: true,
        older: 0,
        bound: Bound::Lists,
        window: scale.end_window,
    };
    let used = operator.cpu_seconds();
    let ended = ending.end(&setup, &planned).await;
    let used = 1000.0 * (operator.cpu_seconds() - used) / planned.len() as f64;
    operator.stop().await;
    let mut more = ending.judge(&ended, scale.mode);
    found.rows.push(Row::new(&ending.title, "processor time per export that ends", Some(used), "ms"));
    found.rows.append(&mut more.rows);
    found.points.append(&mut more.points);
    found
}

fn pending_title(scale: &Scale) -> String {
    format!("{} PENDING in {} groups", thousands(scale.pending), scale.groups)
}

/// Pages of all lists of PENDING exports, at our share, in seconds.
fn sweep_limit(scale: &Scale) -> f64 {
    (pages_each(scale) * scale.groups) as f64 / LIST_SHARE
}

/// Of one group's list.
fn pages_each(scale: &Scale) -> usize {
    scale.pending.div_ceil(scale.groups).div_ceil(PAGE)
}

async fn started(setup: &Setup, scale: &Scale, found: &mut Found) -> Running {
    let title = &format!("start with {} PENDING", thousands(scale.pending));
    let since = setup.now().await;
    let operator = setup.operator().await;
    let ready = setup.now().await;
    let limit = sweep_limit(scale);
    sleep(Duration::from_secs_f64(10.0 + 3.0 * limit)).await;
    let journal = setup.journal(since);
    let pages = journal.pages(setup.key(), FILTER);
    let swept = complete(&rounds(&pages, pages_each(scale)), scale.groups, since);
    let first = swept.map(|took| ((since + took - ready) / 1000.0).max(0.0));
    let gets = journal.calls(crate::journal::GET, setup.key()).len();
    let row = |figure: &str, value| Row::new(title, figure, value, "s");
    let row = row("from ready until the first sweep is complete", first).limit(limit).bar(Bar::RatioAtMost(1.25));
    found.rows.push(row.note(format!("{} pages listed meanwhile", pages.len())));
    let most = (scale.pending as f64 / 100.0).ceil();
    found.rows.push(Row::count(title, "GetStreamSession calls meanwhile", gets, most));
    operator
}

async fn idle(setup: &Setup, operator: &Running, scale: &Scale, found: &mut Found) {
    let title = &format!("the same, nothing happening, {} s", scale.idle.as_secs());
    let reconciles = || operator.metric("sessionexport_reconciles_total");
    let since = setup.now().await;
    let mut audit = setup.audit();
    let (before, used) = (reconciles().await, operator.cpu_seconds());
    sleep(scale.idle).await;
    let used = (operator.cpu_seconds() - used) * 60.0 / scale.idle.as_secs_f64();
    let reconciled = (reconciles().await - before) as usize;
    let news = audit.news();
    let writes = news.iter().filter(|request| request.is_status_write()).count();
    let extra: Vec<&Request> = news.iter().filter(|request| request.is_extra()).collect();
    found.rows.push(Row::count(title, "reconciles", reconciled, 0.0));
    found.rows.push(Row::count(title, "status writes", writes, 0.0));
    let beyond = Row::count(title, "API-server requests beyond watch and lease", extra.len(), 0.0);
    found.rows.push(beyond.note(counted(&extra)));
    found.rows.push(Row::new(title, "processor time a minute", Some(used), "s"));
    swept(setup, since, scale, &mut found.rows);
    found.point(Plot::Memory, "after 5 minutes", scale.pending as f64, operator.memory().resident);
}

/// How long a sweep takes, and how old what is known of any session can be.
fn swept(setup: &Setup, since: f64, scale: &Scale, rows: &mut Vec<Row>) {
    let journal = setup.journal(since);
    let pages = journal.pages(setup.key(), FILTER);
    let all = sweeps(&rounds(&pages, pages_each(scale)), scale.groups);
    let times: Vec<f64> = all.iter().map(|sweep| (sweep.end - sweep.begin) / 1000.0).collect();
    let ages: Vec<f64> = all.windows(2).map(|two| (two[1].begin - two[0].begin) / 1000.0).collect();
    let range = quantile(&times, 0.0).zip(quantile(&times, 1.0));
    let range = range.map_or("none was complete".to_owned(), |(least, most)| format!("from {least:.1} to {most:.1} s"));
    let row = |figure: &str, values: &[f64]| Row::new(&pending_title(scale), figure, quantile(values, 0.5), "s");
    let note = format!("{} pages in {} s; {range}", pages.len(), scale.idle.as_secs());
    let sweep = row("time of a full sweep, median", &times).limit(sweep_limit(scale));
    rows.push(sweep.bar(Bar::RatioAtMost(1.25)).note(note));
    rows.push(row("from one sweep to the next, median", &ages).note("so old is what is known of a session, at most"));
}
