//! Ten thousand of one team wait, then one of another comes.

use super::Found;
use super::ending::seed_live;
use crate::journal::EXPORT;
use crate::mode::Scale;
use crate::objects::{Destination, Planned, create, create_all, plan};
use crate::oracle::quantile::quantile;
use crate::oracle::rate::rate;
use crate::report::{Bar, Row, thousands};
use crate::setup::{EXPORT_SHARE, Setup};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Teams with a single export each, one after the other: one wait could be luck.
const OTHERS: usize = 5;
/// So that the last of them come after the crowd has waited for so long that it is told.
const BETWEEN: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn crowd(scale: Scale) -> Found {
    let setup = Setup::new("crowd", 1 + OTHERS, scale.groups, Value::Null).await;
    let crowd = plan(&setup, scale.crowd, Destination::Prefix, |_| 0);
    seed_live(&setup, &crowd, json!({})).await;
    let operator = setup.operator().await;
    let mut audit = setup.audit();
    create_all(&setup, &crowd).await;
    sleep(Duration::from_secs(5)).await;
    let mut turns = Vec::new();
    for n in 1..=OTHERS {
        turns.push(one_other(&setup, n).await);
        sleep(BETWEEN).await;
    }
    let passes = operator.metric("sessionexport_reconciles_total").await;
    operator.stop().await;
    let journal = setup.journal(0.0);
    let calls: Vec<f64> = journal.calls(EXPORT, setup.key()).iter().map(|call| call.ms + setup.wall).collect();
    let meanwhile = |turn: &Turn| calls.iter().filter(|at| turn.created < **at && **at < turn.called).count();
    let writes = audit.news().iter().filter(|request| request.is_status_write()).count();
    let title = &format!("{} of one team waiting, then 1 of another", thousands(scale.crowd));
    let note = format!(
        "each {} s; {} of the crowd still waited; {writes} status writes for {} calls, {passes} passes",
        each(&turns, |turn| format!("{:.2}", turn.waited())),
        scale.crowd - calls.len().min(scale.crowd),
        calls.len(),
    );
    let row = Row::new(title, "the one waits, longest of 5", longest(&turns, Turn::waited), "s");
    let others =
        Row::new(title, "calls of the crowd meanwhile, most of 5", longest(&turns, |one| meanwhile(one) as f64), "");
    let note_others = format!("each {}", each(&turns, |turn| meanwhile(turn).to_string()));
    let others = others.counted().limit(EXPORT_SHARE).bar(Bar::RatioAtMost(1.0)).note(note_others);
    let rate = Row::new(title, "Export calls per second", rate(&calls), "/s").limit(EXPORT_SHARE);
    Found { rows: vec![row.bar(Bar::AtMost(1.0)).note(note), others, rate], points: Vec::new() }
}

/// When one was created and called for, in milliseconds of the wall clock.
#[derive(Debug, Clone, Copy)]
struct Turn {
    created: f64,
    called: f64,
}

impl Turn {
    /// In seconds.
    fn waited(&self) -> f64 {
        (self.called - self.created) / 1000.0
    }
}

/// `None` if one never got its turn.
fn longest(turns: &[Option<Turn>], of: impl Fn(&Turn) -> f64) -> Option<f64> {
    let all: Option<Vec<f64>> = turns.iter().map(|turn| turn.as_ref().map(&of)).collect();
    quantile(&all?, 1.0)
}

fn each(turns: &[Option<Turn>], say: impl Fn(&Turn) -> String) -> String {
    turns.iter().map(|turn| turn.as_ref().map_or("never".to_owned(), &say)).collect::<Vec<_>>().join(", ")
}

async fn one_other(setup: &Setup, n: usize) -> Option<Turn> {
    let other = Planned {
        namespace: setup.namespaces[n].clone(),
        session: format!("other{n}"),
        group: setup.groups[n % setup.groups.len()].clone(),
        uri: "s3://exports/other/".to_owned(),
    };
    seed_live(setup, std::slice::from_ref(&other), json!({})).await;
    let created = create(setup, &other).await.sent;
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
        let calls = setup.world.simulator.calls(EXPORT, &other.session).await;
        if let Some(call) = calls.first() {
            return Some(Turn { created, called: call["ms"].as_f64().unwrap() + setup.wall });
        }
    }
    None
}
