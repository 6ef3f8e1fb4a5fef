//! Many sessions end: how soon the statuses say so, and what it costs.

use super::{Found, Plot, Point};
use crate::journal::{EXPORT, GET, LIST};
use crate::mode::{Mode, Scale};
use crate::objects::{Destination, Outcomes, Planned, adopt, outcomes, plan, seed, seed_pending};
use crate::oracle::quantile::quantile;
use crate::report::{Bar, Row};
use crate::setup::{GET_SHARE, Setup};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Of ten objects, which namespace has which: the first has six of them.
const SHARED_OUT: [usize; 10] = [0, 1, 0, 2, 0, 3, 0, 4, 0, 0];
const NAMESPACES: usize = 5;
const LATEST: f64 = 45.0;
const MOST_REQUESTS: f64 = 1_000.0;

/// One way for them to end.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) setup: &'static str,
    pub(crate) title: String,
    pub(crate) objects: usize,
    pub(crate) to: Destination,
    /// Whether the lists show where an export went, or only how it stands.
    pub(crate) complete: bool,
    /// Ended sessions with exports of their own, that are in the lists already.
    pub(crate) older: usize,
    pub(crate) bound: Bound,
    pub(crate) window: Duration,
}

/// What decides how soon all can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Lists tell everything.
    Lists,
    /// Each needs a Get.
    OneGetEach,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Seconds from the service's SUCCEEDED to the status, by namespace.
    delays: BTreeMap<String, Vec<f64>>,
    /// Of these, seconds until an answer of AWS showed it.
    until_read: Vec<f64>,
    requests: BTreeMap<&'static str, usize>,
    outcomes: Outcomes,
}

impl Ending {
    /// From nothing to the end.
    pub(crate) async fn run(self, scale: Scale) -> Found {
        let shown = if self.complete { json!({"listMetadata": "full"}) } else { json!({"listMetadata": "statusOnly"}) };
        let setup = Setup::new(self.setup, NAMESPACES, scale.groups, shown).await;
        seed_older(&setup, self.older).await;
        let planned = plan(&setup, self.objects, self.to, |n| SHARED_OUT[n / setup.groups.len() % 10]);
        seed_pending(&setup, &planned).await;
        adopt(&setup, &planned).await;
        let operator = setup.operator().await;
        // Not in the middle of its first sweep, whose limit is these pages at its share.
        sleep(Duration::from_secs_f64(5.0 + 2.0 * self.objects as f64 / 1000.0)).await;
        let ended = self.end(&setup, &planned).await;
        operator.stop().await;
        self.judge(&ended, scale.mode)
    }

    /// Ends them all, evenly over the window, and waits until the statuses say so.
    pub(crate) async fn end(&self, setup: &Setup, planned: &[Planned]) -> Ended {
        let since = setup.now().await;
        let mut audit = setup.audit();
        let begun = Instant::now();
        let each = stream::iter(planned.iter().enumerate()).map(|(n, one)| async move {
            sleep_until(begun + self.window.mul_f64(n as f64 / planned.len() as f64)).await;
            setup.world.simulator.end(&one.session).await;
        });
        each.buffer_unordered(32).collect::<Vec<()>>().await;
        let patience = Instant::now() + Duration::from_secs_f64(60.0 + 2.0 * self.gets());
        let mut written: HashMap<String, f64> = HashMap::new();
        while written.len() < planned.len() && Instant::now() < patience {
            sleep(Duration::from_millis(500)).await;
            let news = audit.news();
            written.extend(news.iter().filter(|r| r.is_status_write()).map(|r| (r.name().to_owned(), r.answered())));
        }
        observe(setup, planned, since, &written).await
    }

    /// Seconds that one Get for each takes at our share.
    fn gets(&self) -> f64 {
        self.objects as f64 / GET_SHARE
    }

    pub(crate) fn judge(&self, ended: &Ended, mode: Mode) -> Found {
        let all: Vec<f64> = ended.delays.values().flatten().copied().collect();
        let (p50, p99) = (quantile(&all, 0.5), quantile(&all, 0.99));
        let requests: usize = ended.requests.values().sum();
        let unfinished = self.objects - ended.outcomes.succeeded.min(self.objects);
        let row = |figure: &str, value| Row::new(&self.title, figure, value, "s");
        let read = [0.5, 0.99].map(|share| quantile(&ended.until_read, share).unwrap_or_default());
        let slowest = row("end -> status, p99", p99);
        let slowest = slowest.note(format!("until an answer showed it: p50 {:.1} s, p99 {:.1} s", read[0], read[1]));
        let counted = Row::new(&self.title, "requests in all", Some(requests as f64), "").counted();
        let mut found = Found::default();
        found.rows.push(row("end -> status, p50", p50));
        found.rows.push(match self.bound {
            Bound::Lists => slowest.bar(Bar::AtMost(LATEST)),
            Bound::OneGetEach => slowest.limit(self.gets()).bar(Bar::RatioAtMost(1.1)),
        });
        let judged = self.bound == Bound::Lists && mode != Mode::Quick;
        let bar = if judged { Bar::AtMost(MOST_REQUESTS) } else { Bar::None };
        found.rows.push(counted.bar(bar).note(format!("{:?}", ended.requests)));
        let outcome = Row::count(&self.title, "exports without their result", unfinished, 0.0);
        found.rows.push(outcome.note(format!("{:?}", ended.outcomes)));
        if self.bound == Bound::OneGetEach && self.older == 0 {
            self.fairness(ended, &mut found);
        } else if self.bound == Bound::Lists && self.complete {
            let x = self.objects as f64;
            found.point(Plot::Requests, "requests to AWS", x, requests as f64);
            p50.into_iter().for_each(|y| found.point(Plot::Detection, "p50", x, y));
            p99.into_iter().for_each(|y| found.point(Plot::Detection, "p99", x, y));
        }
        found
    }

    /// In turns, a namespace with few is through after as many rounds as it has objects, however many another has.
    fn fairness(&self, ended: &Ended, found: &mut Found) {
        let few = ended.delays.iter().filter(|(_, delays)| delays.len() < self.objects / 2);
        let slowest = few.filter_map(|(_, delays)| Some((quantile(delays, 0.99)?, delays.len())));
        let worst = slowest.max_by(|a, b| a.0.total_cmp(&b.0));
        let limit = worst.map_or(0.0, |(_, count)| (count * NAMESPACES) as f64 / GET_SHARE);
        let row = Row::new(&self.title, "the same of the smallest namespaces, worst", worst.map(|w| w.0), "s");
        found.rows.push(row.limit(limit).bar(Bar::RatioAtMost(1.1)).note("limit: their turns, round-robin"));
        for (n, delays) in ended.delays.values().enumerate() {
            for (series, share) in [("p50", 0.5), ("p99", 0.99)] {
                let name = format!("{} ({})", (b'A' + n as u8) as char, delays.len());
                let y = quantile(delays, share).unwrap_or_default();
                found.points.push(Point { plot: Plot::Waits, series, name, x: n as f64, y });
            }
        }
    }
}

async fn seed_older(setup: &Setup, count: usize) {
    for (n, group) in setup.groups.iter().enumerate() {
        let here = count / setup.groups.len() + usize::from(n < count % setup.groups.len());
        let export = json!({"status": "SUCCEEDED", "outputUri": "s3://exports/older/x.zip"});
        let older = json!({"count": here, "prefix": "old", "group": group, "status": "TERMINATED", "export": export});
        if here > 0 {
            setup.world.simulator.ask("POST", "sessions", older).await;
        }
    }
}

async fn observe(setup: &Setup, planned: &[Planned], since: f64, written: &HashMap<String, f64>) -> Ended {
    let journal = setup.journal(since);
    let done = journal.succeeded();
    let read = journal.first_read(setup.key(), |session| done.get(session).copied());
    let until_read = read.iter().map(|(session, at)| (at - done[session]) / 1000.0).collect();
    let mut delays: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for one in planned {
        let of = delays.entry(one.namespace.clone()).or_default();
        if let (Some(done), Some(written)) = (done.get(one.session.as_str()), written.get(&one.session)) {
            of.push((written - setup.wall - done) / 1000.0);
        }
    }
    let last = written.values().copied().max_by(f64::total_cmp).unwrap_or(f64::MAX) - setup.wall;
    let count = |operation| journal.calls(operation, setup.key()).iter().filter(|call| call.ms <= last).count();
    let requests = [EXPORT, GET, LIST].map(|operation| (operation, count(operation))).into();
    Ended { delays, until_read, requests, outcomes: outcomes(setup).await }
}

/// Makes sessions that live and have no export, with what `more` says otherwise.
pub(crate) async fn seed_live(setup: &Setup, planned: &[Planned], more: Value) {
    let mut live = json!({"status": "CONNECTED"});
    crate::simulator::merge(&mut live, more);
    seed(setup, planned, live).await;
}
