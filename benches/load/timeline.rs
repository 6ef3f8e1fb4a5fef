//! Which scenario runs when. Those that the quota or the clock bounds run side by side: they leave the machine idle.
//! Those that measure milliseconds or megabytes, or need the machine's whole speed, run alone.

use crate::control_plane::ControlPlane;
use crate::mode::{Mode, Scale};
use crate::objects::Destination;
use crate::output::{about, series};
use crate::report::{Bar, Report, Row, thousands};
use crate::scenarios::ending::{Bound, Ending};
use crate::scenarios::{Found, burst, crowd, discovery, memory, pending, policies, single, steady, storm};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::thread::{self, JoinHandle};
use std::time::Instant;

type Running = Pin<Box<dyn Future<Output = Found>>>;

/// A scenario: its name, and what measures it.
struct Scenario {
    name: &'static str,
    run: fn(Scale) -> Running,
}

macro_rules! scenario {
    ($name:literal, $run:expr) => {
        Scenario { name: $name, run: |scale| Box::pin($run(scale)) }
    };
}

/// Scenarios of one track run one after the other, tracks of one leg side by side, legs one after the other.
type Leg = Vec<Vec<Scenario>>;

fn legs(mode: Mode) -> Vec<Leg> {
    if mode == Mode::Quick {
        return vec![vec![
            vec![scenario!("pending", pending::pending)],
            vec![scenario!("short-lived", burst::short_lived), scenario!("ordered", burst::ordered)],
            vec![scenario!("steady", steady::steady)],
            vec![scenario!("arriving", discovery::arriving), scenario!("idle-policies", discovery::idle)],
        ]];
    }
    let bounded = vec![
        vec![scenario!("pending", pending::pending)],
        vec![scenario!("ending-zip", zips), scenario!("ending-status", statuses), scenario!("smaller", smaller)],
        vec![scenario!("ending-older", older), scenario!("storm", storm::storm), scenario!("steady", steady::steady)],
    ];
    let alone = [
        scenario!("short-lived", burst::short_lived),
        scenario!("ordered", burst::ordered),
        scenario!("crowd", crowd::crowd),
        scenario!("few", burst::few),
        scenario!("single", single::single),
        scenario!("arriving", discovery::arriving),
        scenario!("idle-policies", discovery::idle),
        scenario!("backlog", policies::backlog),
        scenario!("takeover", policies::takeover),
        scenario!("endurance", policies::endurance),
        scenario!("kept", policies::kept),
        scenario!("memory", memory::memory),
    ];
    std::iter::once(bounded).chain(alone.map(|one| vec![vec![one]])).collect()
}

async fn zips(scale: Scale) -> Found {
    let ending = Ending {
        setup: "zips",
        title: format!("{} end in 120 s, .zip, status-only summaries", thousands(scale.pending)),
        objects: scale.pending,
        to: Destination::Zip,
        complete: false,
        older: 0,
        bound: Bound::Lists,
        window: scale.end_window,
    };
    ending.run(scale).await
}

async fn statuses(scale: Scale) -> Found {
    bound_by_gets("statuses", "prefixes, status-only summaries", 0, scale).await
}

async fn older(scale: Scale) -> Found {
    bound_by_gets("older", "the same with 50,000 older ended sessions in the lists", scale.older, scale).await
}

async fn bound_by_gets(setup: &'static str, what: &str, older: usize, scale: Scale) -> Found {
    let ending = Ending {
        setup,
        title: format!("{} end, {what}", thousands(scale.bound_by_gets)),
        objects: scale.bound_by_gets,
        to: Destination::Prefix,
        complete: false,
        older,
        bound: Bound::OneGetEach,
        window: scale.window_for(scale.bound_by_gets),
    };
    ending.run(scale).await
}

/// The other points of the plots, all at a time. Their window is as long: fewer end in a second.
async fn smaller(scale: Scale) -> Found {
    let stands = ["smaller-0", "smaller-1", "smaller-2"];
    let endings = scale.smaller.iter().zip(stands).map(|(&objects, setup)| {
        let ending = Ending {
            setup,
            title: "fewer end in 120 s, complete summaries".to_owned(),
            objects,
            to: Destination::Prefix,
            complete: true,
            older: 0,
            bound: Bound::Lists,
            window: scale.end_window,
        };
        ending.run(scale.clone())
    });
    let mut found = Found::default();
    for (mut one, objects) in futures::future::join_all(endings).await.into_iter().zip(&scale.smaller) {
        // Points of the plots, and no rows of the table that have a bar.
        let named = |row: Row| Row { figure: format!("{objects}: {}", row.figure), bar: Bar::None, ..row };
        found.rows.extend(one.rows.into_iter().filter(|row| !row.figure.contains("p50")).map(named));
        found.points.append(&mut one.points);
    }
    found
}

/// Runs all scenarios, or those named. `so_far` gets a report after each leg: a run that is cut off leaves what it had.
pub(crate) fn run(mode: Mode, only: &[String], so_far: impl Fn(&Report)) -> Report {
    alone(ControlPlane::shared());
    let begun = Instant::now();
    let scale = mode.scale();
    let mut report =
        Report { about: about(mode), judge_times: mode != Mode::Quick, rows: Vec::new(), series: Vec::new() };
    let mut points = Vec::new();
    for leg in legs(mode) {
        let tracks: Vec<_> = leg.into_iter().map(|track| spawn(track, &scale, only)).collect();
        for found in tracks.into_iter().flat_map(|track| track.join().unwrap()) {
            report.rows.extend(found.rows);
            points.extend(found.points);
        }
        report.about = about(mode);
        report.about.push(("took", format!("{} s", begun.elapsed().as_secs())));
        report.series = series(points.clone());
        so_far(&report);
    }
    report
}

/// A track has a thread of its own: processes die with the thread that starts them, not before it.
fn spawn(track: Vec<Scenario>, scale: &Scale, only: &[String]) -> JoinHandle<Vec<Found>> {
    let (scale, only) = (scale.clone(), only.to_vec());
    thread::spawn(move || {
        let wanted = |one: &Scenario| only.is_empty() || only.iter().any(|name| name == one.name);
        track.into_iter().filter(wanted).map(|one| one.measured(&scale)).collect()
    })
}

fn alone<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

impl Scenario {
    /// One that breaks down is a row that says so; the others go on.
    fn measured(self, scale: &Scale) -> Found {
        println!("{} ...", self.name);
        let begun = Instant::now();
        let run = || alone((self.run)(scale.clone()));
        let found = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| self.broke_down());
        println!("{}: {} s", self.name, begun.elapsed().as_secs());
        found
    }

    fn broke_down(&self) -> Found {
        let row = Row::new(self.name, "the whole scenario", None, "").bar(Bar::AtMost(0.0));
        let row = row.counted().note("it broke down; what it said stands above the table");
        Found { rows: vec![row], points: Vec::new() }
    }
}
