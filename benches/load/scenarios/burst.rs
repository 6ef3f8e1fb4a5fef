//! A thousand at once, of sessions that won't live for ever.

use super::Found;
use super::ending::seed_live;
use crate::audit::Request;
use crate::journal::{EXPORT, GET, Journal, LIST};
use crate::objects::{Created, Destination, Planned, create_all, outcomes, plan};
use crate::oracle::ideal::saved;
use crate::oracle::order::{Chosen, inversions};
use crate::oracle::quantile::quantile;
use crate::oracle::rate::{peak, rate};
use crate::report::{Bar, Row, thousands};
use crate::scale::Scale;
use crate::stand::{EXPORT_SHARE, Stand};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const NAMESPACES: usize = 4;
/// Each session of the first scenario lives so long from its object's creation on.
const LIFE: u64 = 60;
/// Later than any session of either ends.
const OVER: Duration = Duration::from_secs(120);
/// As long as a session can be: then a Get, which tells the length, makes none look nearer its end than the lists do, and
/// the oldest goes first whichever of the two has shown it.
const LENGTH: u64 = 86_400;
/// A session without a client lives so long after it lost it.
const TIMEOUT: u64 = 1_000;
/// An object that has just been created may take so long, in milliseconds, until the watch has told of it: what AWS shows
/// of its session meanwhile is read for nobody.
const TOLD: f64 = 500.0;
/// A prime, so that the order of creation has nothing to do with that of the ends.
const SHUFFLE: usize = 7919;

/// All with the same time left.
pub(crate) async fn short_lived(scale: Scale) -> Found {
    let title = &format!("{} at once, each session lives {LIFE} s more", thousands(scale.burst));
    let stand = Stand::new("short", NAMESPACES, scale.groups, Value::Null).await;
    let planned = plan(&stand, scale.burst, Destination::Prefix, |n| n / scale.groups % NAMESPACES);
    let operator = stand.operator().await;
    let mut created = HashMap::new();
    // A session's last minute begins when its object is about to be created.
    for chunk in planned.chunks(scale.groups * 5) {
        seed_live(&stand, chunk, json!({"sessionLengthSeconds": LIFE})).await;
        created.extend(create_all(&stand, chunk).await);
    }
    let journal = accepted(&stand, planned.len()).await;
    operator.stop().await;
    let calls = journal.first_accepted(stand.key());
    let wait =
        |one: &Planned| Some((calls.get(one.session.as_str())? + stand.wall - created[&one.session].sent) / 1000.0);
    let waits: Vec<f64> = planned.iter().filter_map(wait).collect();
    let mut found = Found::default();
    found.rows.push(Row::count(title, "exports lost", planned.len() - waits.len(), 0.0));
    let row = Row::new(title, "create -> accepted, p99", quantile(&waits, 0.99), "s");
    let least = scale.burst as f64 / EXPORT_SHARE;
    found.rows.push(row.limit(least).bar(Bar::AtMost(58.0)).note("limit: as many calls at our share"));
    found.rows.push(reads(title, &journal, &stand, planned.len()));
    found
}

/// Reads until the last export was accepted, against one Get each. No count in the bench's sense: how many objects are
/// there for a list to serve at a time depends on how fast the machine makes them.
fn reads(title: &str, journal: &Journal, stand: &Stand, exports: usize) -> Row {
    let last = journal.first_accepted(stand.key()).into_values().max_by(f64::total_cmp).unwrap_or(f64::MAX);
    let count = |operation| journal.calls(operation, stand.key()).iter().filter(|call| call.ms <= last).count();
    let (gets, lists) = (count(GET), count(LIST));
    let row =
        Row::new(title, "reads per export, against one Get each", Some((gets + lists) as f64 / exports as f64), "");
    row.limit(1.0).bar(Bar::RatioAtMost(0.5)).note(format!("{gets} Gets, {lists} pages"))
}

/// Waits until so many have been accepted, or no session is left.
async fn accepted(stand: &Stand, wanted: usize) -> Journal {
    let until = Instant::now() + OVER;
    loop {
        let journal = stand.journal(0.0);
        if journal.first_accepted(stand.key()).len() >= wanted || Instant::now() > until {
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
    let stand = Stand::new("ordered", NAMESPACES, scale.groups, Value::Null).await;
    let planned = plan(&stand, scale.burst, Destination::Prefix, |n| n / scale.groups % NAMESPACES);
    let operator = stand.operator().await;
    let mut audit = stand.audit();
    let ends = seed_fates(&stand, &planned).await;
    let begun = stand.now().await;
    let created = create_all(&stand, &planned).await;
    let journal = accepted(&stand, planned.len()).await;
    sleep(Duration::from_millis(500)).await;
    operator.stop().await;
    let writes = audit.news();
    let left_out = planned.len() - journal.first_accepted(stand.key()).len();
    let ideal = planned.len() - saved(&ends, begun, EXPORT_SHARE);
    let chosen = chosen(&stand, &planned, &created, (&journal, &writes));
    let wrong = inversions(&chosen, scale.slack);
    let outcomes = outcomes(&stand).await;
    judge(&stand, &journal, (chosen.len(), wrong), (left_out, ideal), &format!("{outcomes:?}"))
}

/// Makes the sessions; when each ends, on the simulator's clock.
async fn seed_fates(stand: &Stand, planned: &[Planned]) -> Vec<f64> {
    let mut alike: BTreeMap<(bool, u64), Vec<Planned>> = BTreeMap::new();
    for (n, one) in planned.iter().enumerate() {
        let fate = Fate::of(n, planned.len());
        alike.entry((fate.disconnected, fate.left)).or_default().push(one.clone());
    }
    let mut ends = Vec::new();
    for ((disconnected, left), sessions) in alike {
        seed_live(stand, &sessions, Fate { disconnected, left }.seed()).await;
        ends.extend(sessions.iter().map(|_| left as f64 * 1000.0));
    }
    let now = stand.now().await;
    ends.iter().map(|left| now + left).collect()
}

/// What the order is judged by. The intent is the last status that was written before the call.
fn chosen(
    stand: &Stand,
    planned: &[Planned],
    created: &HashMap<String, Created>,
    (journal, writes): (&Journal, &[Request]),
) -> Vec<Chosen> {
    let told = |session: &str| created.get(session).map(|created| created.answered - stand.wall + TOLD);
    let read = journal.first_read(stand.key(), told);
    let called: HashMap<&str, f64> =
        journal.calls(EXPORT, stand.key()).iter().rev().map(|call| (call.session.as_str(), call.ms)).collect();
    let mut decided: HashMap<&str, f64> = HashMap::new();
    for write in writes.iter().filter(|write| write.is_status_write()) {
        let at = write.received() - stand.wall;
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
    stand: &Stand,
    journal: &Journal,
    (chosen, wrong): (usize, usize),
    (lost, ideal): (usize, usize),
    outcomes: &str,
) -> Found {
    let title = &format!("{} at once, with different time left", thousands(chosen));
    let at: Vec<f64> = journal.calls(EXPORT, stand.key()).iter().map(|call| call.ms).collect();
    let mut found = Found::default();
    let row = Row::new(title, "Export calls per second", rate(&at), "/s").limit(EXPORT_SHARE);
    let most = peak(&at, 1000.0);
    found.rows.push(row.bar(Bar::RatioAtLeast(0.95)).note(format!("at most {most} in any second")));
    let row = Row::count(title, "inversions of the ideal order beyond those in flight", wrong, 0.0);
    found.rows.push(row.note(format!("of {chosen} exports whose turn is known")));
    let beyond = Row::count(title, "exports lost that an ideal scheduler saves", lost.saturating_sub(ideal), 0.0);
    found.rows.push(beyond.note(format!("lost {lost}, the ideal {ideal}; {outcomes}")));
    found.rows.push(reads(title, journal, stand, chosen.max(1)));
    found
}
