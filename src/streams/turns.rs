//! Whose turn it is to call AWS. Turns are asked for, never waited for.
//!
//! Owns: the queues and limiters of all buckets, and the pacer that grants turns as the quota allows. A reconcile
//! asks and returns; when its turn is granted, the holder's uid goes out on a channel, the shell re-queues the
//! object, and the next ask gets a [`Permit`]. The token itself is taken last, by [`Permit::ready`], just before the
//! send. Never: makes a call, knows what an object is, holds its lock across an await.
//!
//! Turns are fair between namespaces; within one the most urgent goes first.

mod lane;
mod permit;
mod queue;
#[cfg(test)]
mod tests;
mod urgency;

pub use permit::{Permit, PutBack};
pub use urgency::{ClientState, Purpose, Urgency};

use self::lane::{Asked, Lane};
use super::identifiers::{AccountId, Region};
use super::operation::Operation;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

/// Buckets beyond this number are forgotten when they are idle.
const MAX_IDLE_LANES: usize = 256;
/// The pacer looks at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What AWS counts requests by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The account whose allowance it is.
    pub account: AccountId,
    /// Each Region counts for itself.
    pub region: Region,
    /// Each operation counts for itself.
    pub operation: Operation,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The object, an opaque id. It comes back on the channel when its turn is granted.
    pub uid: Arc<str>,
    /// Turns are fair between these.
    pub namespace: Arc<str>,
}

/// Our share of each operation, requests per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// ExportStreamSessionFiles.
    pub export: f64,
    /// GetStreamSession.
    pub get: f64,
    /// ListStreamSessions.
    pub list: f64,
}

impl Shares {
    /// The share of one operation.
    pub const fn of(&self, operation: Operation) -> f64 {
        match operation {
            Operation::Export => self.export,
            Operation::Get => self.get,
            Operation::List => self.list,
        }
    }
}

/// The answer to [`Turns::ask`].
#[derive(Debug)]
pub enum Turn {
    /// Go on, with this.
    Granted(Permit),
    /// Return; the uid will come on the channel.
    Waiting {
        /// When the holder first asked for this turn.
        since: Instant,
    },
}

/// How a bucket fares, for metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// Which bucket.
    pub bucket: Bucket,
    /// Requests per second that are allowed now.
    pub share_in_force: f64,
    /// Requests that could be sent now.
    pub tokens: f64,
    /// Holders that wait.
    pub waiting: usize,
}

/// All turns of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Turns {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    shares: Shares,
    begun: Instant,
    lanes: Mutex<HashMap<Bucket, Lane>>,
    changed: Notify,
    granted: mpsc::UnboundedSender<Arc<str>>,
}

impl Turns {
    /// No turns yet, and the channel on which the uids of granted holders come. It holds no more than what is
    /// outstanding, so it needs no bound. All buckets are empty at `begun`: see [`super::quota::Limiter::new`].
    pub fn new(shares: Shares, begun: Instant) -> (Self, mpsc::UnboundedReceiver<Arc<str>>) {
        let (granted, grants) = mpsc::unbounded_channel();
        let shared = Shared { shares, begun, lanes: Mutex::default(), changed: Notify::new(), granted };
        (Self { shared: Arc::new(shared) }, grants)
    }

    /// Asks for a turn, once or again (which updates the urgency and keeps the place). An idle bucket grants at once.
    ///
    /// A granted turn that isn't asked for within 3 s is given to another; its holder has to ask anew. A holder has
    /// one turn per bucket: while its [`Permit`] is in use it is told to wait.
    pub fn ask(&self, bucket: &Bucket, holder: Holder, urgency: Urgency, now: Instant) -> Turn {
        let uid = holder.uid.clone();
        let mut told = Vec::new();
        let asked = {
            let mut lanes = self.shared.lock();
            if !lanes.contains_key(bucket) {
                if lanes.len() >= MAX_IDLE_LANES {
                    lanes.retain(|_, lane| !lane.is_idle(now));
                }
                lanes.insert(bucket.clone(), Lane::new(self.shared.shares.of(bucket.operation), self.shared.begun));
            }
            lanes.get_mut(bucket).map(|lane| lane.ask(holder, urgency, now, &mut told))
        };
        self.shared.tell(told);
        self.shared.changed.notify_one();
        match asked {
            Some(Asked::Granted { number }) => {
                Turn::Granted(Permit::new(self.shared.clone(), bucket.clone(), uid, number))
            }
            Some(Asked::Waiting { since }) => Turn::Waiting { since },
            None => Turn::Waiting { since: now },
        }
    }

    /// Gives back whatever the object waits for or was granted, in all buckets: it is deleted, suspended, finished,
    /// or doesn't need the turn any more.
    pub fn withdraw(&self, uid: &str) {
        self.shared.lock().values_mut().for_each(|lane| lane.withdraw(uid));
        self.shared.changed.notify_one();
    }

    /// The same for one bucket only.
    pub fn withdraw_from(&self, bucket: &Bucket, uid: &str) {
        if let Some(lane) = self.shared.lock().get_mut(bucket) {
            lane.withdraw(uid);
        }
        self.shared.changed.notify_one();
    }

    /// AWS throttled a call whose token was taken at `begun` (what [`Permit::ready`] returned).
    pub fn throttled(&self, bucket: &Bucket, begun: Instant, now: Instant) {
        if let Some(lane) = self.shared.lock().get_mut(bucket) {
            lane.limiter().throttled(begun, now);
        }
    }

    /// How all buckets fare.
    pub fn load(&self, now: Instant) -> Vec<Load> {
        let mut lanes = self.shared.lock();
        let load = |(bucket, lane): (&Bucket, &mut Lane)| Load {
            bucket: bucket.clone(),
            share_in_force: lane.limiter().share_in_force(now),
            tokens: lane.limiter().tokens(now),
            waiting: lane.waiting(),
        };
        lanes.iter_mut().map(load).collect()
    }

    /// The pacer: grants turns as the quota allows, until it is dropped. Must run for turns to be granted.
    pub async fn run(self) {
        loop {
            let next = self.shared.grant_all(Instant::now());
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.shared.changed.notified() => {}
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<Bucket, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants what is due in all buckets, and returns when to look again.
    fn grant_all(&self, now: Instant) -> Instant {
        let mut told = Vec::new();
        let next = self.lock().values_mut().filter_map(|lane| lane.grant(now, &mut told)).min();
        self.tell(told);
        next.unwrap_or(now + LONGEST_SLEEP)
    }

    /// Tells those who were granted a turn.
    fn tell(&self, told: Vec<Arc<str>>) {
        for uid in told {
            if self.granted.send(uid).is_err() {
                // The shell is gone: the process is shutting down.
                break;
            }
        }
    }
}
