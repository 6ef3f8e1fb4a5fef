//! A thousand at once, of sessions that won't live indefinitely.

use super::Found;
use super::ending::seed_live;
use crate::audit::Request;
use crate::journal::{EXPORT, GET, Journal, LIST, Line};
use crate::mode::Scale;
use crate::objects::{Created, Destination, Planned, create_all, outcomes, plan};
use crate::oracle::ideal::saved;
use crate::oracle::order::{Chosen, inversions};
use crate::oracle::quantile::quantile;
use crate::oracle::rate::{peak, rate};
use crate::report::{Bar, Row, thousands};
use crate::setup::{EXPORT_SHARE, Setup};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const NAMESPACES: usize = 4;
/// Each session of the first scenario lives so long from its object's creation on.
const LIFE: u64 = 60;
/// Later than any session of either ends.
const OVER: Duration = Duration::from_secs(120);
/// As long as a session can be: then a Get, which tells the length, makes none look nearer its end than the lists do,
/// and the oldest goes first whichever of the two has shown it.
const LENGTH: u64 = 86_400;
/// A session without a client lives so long after it lost it.
const TIMEOUT: u64 = 1_000;
/// An object that has just been created may take so long, in milliseconds, until the watch has told of it: what AWS
/// shows of its session meanwhile is of no use.
const TOLD: f64 = 500.0;
/// A prime, so that the order of creation has nothing to do with that of the ends.
const SHUFFLE: usize = 7919;

/// All with the same time left.
pub(crate) async fn short_lived(scale: Scale) -> Found {
    let title = &format!("{} at once, each session lives {LIFE} s more", thousands(scale.burst));
    let setup = Setup::new("short", NAMESPACES, scale.groups, Value::Null).await;
    let planned = plan(&setup, scale.burst, Destination::Prefix, |n| n / scale.groups % NAMESPACES);
    let operator = setup.operator().await;
    let mut created = HashMap::new();
    // A session's last minute begins when its object is about to be created.
    for chunk in planned.chunks(scale.groups * 5) {
        seed_live(&setup, chunk, json!({"sessionLengthSeconds": LIFE})).await;
        created.extend(create_all(&setup, chunk).await);
    }
    let journal = accepted(&setup, planned.len()).await;
    operator.stop().await;
    let calls = journal.first_accepted(setup.key());
    let wait =
        |one: &Planned| Some((calls.get(one.session.as_str())? + setup.wall - created[&one.session].sent) / 1000.0);
    let waits: Vec<f64> = planned.iter().filter_map(wait).collect();
    let mut found = Found::default();
    found.rows.push(Row::count(title, "exports lost", planned.len() - waits.len(), 0.0));
    let row = Row::new(title, "create -> accepted, p99", quantile(&waits, 0.99), "s");
    let least = scale.burst as f64 / EXPORT_SHARE;
    found.rows.push(row.limit(least).bar(Bar::AtMost(58.0)).note("limit: as many calls at our share"));
    found.rows.push(reads(title, &journal, &setup, planned.len()));
    found
}

/// Exports of one namespace that are created at once, several times, each time in a group of their own.
const AT_ONCE: usize = 20;
const TIMES: usize = 5;
/// So many calls the limiter lets through at once after a pause: one, and its tolerance.
const UNPACED: f64 = 1.8;

/// A few at once: lists read them.
pub(crate) async fn few(_: Scale) -> Found {
    let title = &format!("{AT_ONCE} at once in one group");
    let setup = Setup::new("few", 1, TIMES + 1, Value::Null).await;
    let planned = plan(&setup, AT_ONCE * (TIMES + 1), Destination::Prefix, |_| 0);
    let operator = setup.operator().await;
    let (mut took, mut reads) = (Vec::new(), Vec::new());
    for (n, group) in setup.groups.iter().enumerate() {
        let (begun, of_group) = (setup.now().await, planned.iter().filter(|one| one.group == *group).cloned());
        let of_group: Vec<Planned> = of_group.collect();
        for (sessions, status) in of_group.chunks(AT_ONCE / 2).zip(["ACTIVE", "CONNECTED"]) {
            seed_live(&setup, sessions, json!({"status": status})).await;
        }
        let created = create_all(&setup, &of_group).await;
        accepted(&setup, AT_ONCE * (n + 1)).await;
        let journal = setup.journal(begun);
        let first = created.values().map(|created| created.sent).min_by(f64::total_cmp);
        let last = journal.calls(EXPORT, setup.key()).iter().map(|call| call.ms).max_by(f64::total_cmp);
        // The first time, the API server sees the type for the first time.
        if n > 0 {
            took.extend(first.zip(last).map(|(first, last)| (last + setup.wall - first) / 1000.0));
            // The group's polls of accepted exports among them.
            let of_group = |call: &&&Line| call.group == *group && last.is_some_and(|last| call.ms <= last);
            let count = |operation| journal.calls(operation, setup.key()).iter().filter(of_group).count();
            reads.push(format!("{} Gets, {} pages", count(GET), count(LIST)));
        }
        // The debt of this time's calls is paid off by then.
        sleep(Duration::from_secs(3)).await;
    }
    operator.stop().await;
    let row = Row::new(title, "first creation -> last Export call, median", quantile(&took, 0.5), "s");
    let slowest = quantile(&took, 1.0).unwrap_or_default();
    let note = format!("of {TIMES}, the slowest {slowest:.2} s; {}", reads.join("; "));
    let row = row.limit((AT_ONCE as f64 - UNPACED) / EXPORT_SHARE).bar(Bar::RatioAtMost(1.3)).note(note);
    Found { rows: vec![row], points: Vec::new() }
}

/// Reads until the last export was accepted, against one Get each. No count in the bench's sense: how many objects are
/// there for a list to serve at a time depends on how fast the machine makes them.
fn reads(title: &str, journal: &Journal, setup: &Setup, exports: usize) -> Row {
    let last = journal.first_accepted(setup.key()).into_values().max_by(f64::total_cmp).unwrap_or(f64::MAX);
    let count = |operation| journal.calls(operation, setup.key()).iter().filter(|call| call.ms <= last).count();
    let (gets, lists) = (count(GET), count(LIST));
    let row =
        Row::new(title, "reads per export, against one Get each", Some((gets + lists) as f64 / exports as f64), "");
    row.limit(1.0).bar(Bar::RatioAtMost(0.5)).note(format!("{gets} Gets, {lists} pages"))
}

/// Waits until so many have been accepted, or no session is left.
async fn accepted(setup: &Setup, wanted: usize) -> Journal {
    let until = Instant::now() + OVER;
    loop {
        let journal = setup.journal(0.0);
        if journal.first_accepted(setup.key()).len() >= wanted || Instant::now() > until {
            return journal;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Its place in the ideal order decides all of it.
#[derive(Debug, Clone, Copy)]
struct Fate {
    disconnected: bool,
    /// Seconds that the session has left when it is seeded.
    left: u64,
}

impl Fate {
    /// A quarter has no client and goes first; each has a quarter more time than its place in the order needs.
    fn of(n: usize, all: usize) -> Self {
        let place = n * SHUFFLE % all;
        Self { disconnected: place < all / 4, left: 25 + (1.25 * place as f64 / EXPORT_SHARE) as u64 }
    }

    /// As the lists show it: how old it is.
    fn age(self) -> u64 {
        if self.disconnected { TIMEOUT - self.left } else { LENGTH - self.left }
    }

    fn seed(self) -> Value {
        let age = self.age();
        match self.disconnected {
            // Without a client it ends a timeout after it lost it, which was at its creation.
            true => json!({"status": "PENDING_CLIENT_RECONNECTION", "held": false, "ageSeconds": age,
                           "connectionTimeoutSeconds": TIMEOUT, "sessionLengthSeconds": LENGTH}),
            false => json!({"status": "CONNECTED", "ageSeconds": age, "sessionLengthSeconds": LENGTH}),
        }
    }
}

/// With different times left.
pub(crate) async fn ordered(scale: Scale) -> Found {
    let setup = Setup::new("ordered", NAMESPACES, scale.groups, Value::Null).await;
    let planned = plan(&setup, scale.burst, Destination::Prefix, |n| n / scale.groups % NAMESPACES);
    let operator = setup.operator().await;
    let mut audit = setup.audit();
    let ends = seed_fates(&setup, &planned).await;
    let begun = setup.now().await;
    let created = create_all(&setup, &planned).await;
    let journal = accepted(&setup, planned.len()).await;
    sleep(Duration::from_millis(500)).await;
    operator.stop().await;
    let writes = audit.news();
    let left_out = planned.len() - journal.first_accepted(setup.key()).len();
    let ideal = planned.len() - saved(&ends, begun, EXPORT_SHARE);
    let chosen = chosen(&setup, &planned, &created, (&journal, &writes));
    let wrong = inversions(&chosen, scale.slack);
    let outcomes = outcomes(&setup).await;
    judge(&setup, &journal, (chosen.len(), wrong), (left_out, ideal), &format!("{outcomes:?}"))
}

/// Makes the sessions; when each ends, on the simulator's clock.
async fn seed_fates(setup: &Setup, planned: &[Planned]) -> Vec<f64> {
    let mut alike: BTreeMap<(bool, u64), Vec<Planned>> = BTreeMap::new();
    for (n, one) in planned.iter().enumerate() {
        let fate = Fate::of(n, planned.len());
        alike.entry((fate.disconnected, fate.left)).or_default().push(one.clone());
    }
    let mut ends = Vec::new();
    for ((disconnected, left), sessions) in alike {
        seed_live(setup, &sessions, Fate { disconnected, left }.seed()).await;
        ends.extend(sessions.iter().map(|_| left as f64 * 1000.0));
    }
    let now = setup.now().await;
    ends.iter().map(|left| now + left).collect()
}

/// What the order is judged by. The intent is the last status that was written before the call.
fn chosen(
    setup: &Setup,
    planned: &[Planned],
    created: &HashMap<String, Created>,
    (journal, writes): (&Journal, &[Request]),
) -> Vec<Chosen> {
    let told = |session: &str| created.get(session).map(|created| created.answered - setup.wall + TOLD);
    let read = journal.first_read(setup.key(), told);
    let called: HashMap<&str, f64> =
        journal.calls(EXPORT, setup.key()).iter().rev().map(|call| (call.session.as_str(), call.ms)).collect();
    let mut decided: HashMap<&str, f64> = HashMap::new();
    for write in writes.iter().filter(|write| write.is_status_write()) {
        let at = write.received() - setup.wall;
        if called.get(write.name()).is_some_and(|&call| at <= call) {
            decided.insert(write.name(), at);
        }
    }
    let one = |(n, one): (usize, &Planned)| {
        let fate = Fate::of(n, planned.len());
        let decided = *decided.get(one.session.as_str())?;
        Some(Chosen {
            namespace: one.namespace.clone(),
            disconnected: fate.disconnected,
            created: -(fate.age() as f64),
            read: read.get(one.session.as_str()).copied().unwrap_or(decided),
            decided,
        })
    };
    planned.iter().enumerate().filter_map(one).collect()
}

fn judge(
    setup: &Setup,
    journal: &Journal,
    (chosen, wrong): (usize, usize),
    (lost, ideal): (usize, usize),
    outcomes: &str,
) -> Found {
    let title = &format!("{} at once, with different time left", thousands(chosen));
    let at: Vec<f64> = journal.calls(EXPORT, setup.key()).iter().map(|call| call.ms).collect();
    let mut found = Found::default();
    let row = Row::new(title, "Export calls per second", rate(&at), "/s").limit(EXPORT_SHARE);
    let most = peak(&at, 1000.0);
    found.rows.push(row.bar(Bar::RatioAtLeast(0.95)).note(format!("at most {most} in any second")));
    let row = Row::count(title, "inversions of the ideal order beyond those in flight", wrong, 0.0);
    found.rows.push(row.note(format!("of {chosen} exports whose turn is known")));
    let beyond = Row::count(title, "exports lost that an ideal scheduler saves", lost.saturating_sub(ideal), 0.0);
    found.rows.push(beyond.note(format!("lost {lost}, the ideal {ideal}; {outcomes}")));
    found.rows.push(reads(title, journal, setup, chosen.max(1)));
    found
}
