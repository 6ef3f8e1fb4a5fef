//! Schedules calls to AWS within the request quota. Reserving never blocks.
//!
//! Owns: the queues and limiters of all buckets, and the pacer that grants reservations as the quota allows.
//! Never: makes a call, interprets a uid, holds its lock across an await.
//!
//! A requester reserves and returns. Once the reservation is granted, it receives its [`Permit`] on a channel: export
//! calls have one, reads another. The token itself is taken last, by [`Permit::acquire`], just before the send.
//! Reservations are fair between namespaces; within one the most urgent goes first.

#[cfg(test)]
mod tests;

pub(crate) use super::permit::Permit;
pub(crate) use super::priority::{ClientState, Priority, PriorityClass};

use crate::aws::identifiers::{AccountId, Region};
use crate::aws::operation::Operation;
use crate::config::QuotaConfig;
use crate::quota::bucket::{Grant, QuotaBucket};
use crate::quota::fair_queue::FairQueue;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

/// Reservations for lists of discovery scans count under the namespace of a policy, behind this prefix that no real
/// namespace can have. Together they have a share of the List quota.
pub(crate) const DISCOVERY_PREFIX: &str = "/discovery/";
/// Reservations for all other lists count under this one.
pub(crate) const LISTS_NAMESPACE: &str = "/lists";
/// Idle buckets are dropped once there are this many buckets.
const MAX_IDLE_BUCKETS: usize = 256;
/// The pacer runs at least this often.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// What AWS counts the quota by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bucket {
    /// The AWS account.
    pub account: AccountId,
    /// The Region; each has its own quota.
    pub region: Region,
    /// The operation; each has its own quota.
    pub operation: Operation,
}

/// The holder of a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Requester {
    /// The object, an opaque id.
    pub uid: Arc<str>,
    /// Reservations are fair between these.
    pub namespace: Arc<str>,
}

/// The result of [`QuotaScheduler::reserve`].
#[derive(Debug)]
pub(crate) enum Reservation {
    /// The call may be made with this permit.
    Granted(Permit),
    /// Queued; the permit is sent on the channel once the reservation is granted.
    Waiting {
        /// When the holder first requested it.
        since: Instant,
    },
}

/// Figures of one bucket, for metrics.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BucketStats {
    /// The bucket.
    pub bucket: Bucket,
    /// Requests per second that are allowed now.
    pub share_in_force: f64,
    /// Requests that could be sent now.
    pub tokens: f64,
    /// Queued holders.
    pub waiting: usize,
}

/// All reservations of one leader term. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct QuotaScheduler {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Configured shares, requests per second.
    shares: QuotaConfig,
    /// When the scheduler was created; new buckets are empty at this instant.
    begun: Instant,
    /// State of each bucket in use.
    pub(super) buckets: Mutex<HashMap<Bucket, QuotaBucket>>,
    /// Notifies the pacer.
    pub(super) changed: Notify,
    /// Sends the permits of granted export calls.
    export_permits: mpsc::UnboundedSender<Permit>,
    /// Sends the permits of granted reads.
    read_permits: mpsc::UnboundedSender<Permit>,
}

/// Receives the permits of reservations that were not granted at once. It holds no more than these, so it needs no
/// bound.
pub(crate) type PermitReceiver = mpsc::UnboundedReceiver<Permit>;

impl QuotaScheduler {
    /// Without reservations; returns the receivers of the permits for export calls and for reads, too. All buckets are
    /// empty at `begun`: see [`crate::quota::limiter::GcraLimiter::new`].
    pub(crate) fn new(shares: QuotaConfig, begun: Instant) -> (Self, PermitReceiver, PermitReceiver) {
        let (export_permits, exports) = mpsc::unbounded_channel();
        let (read_permits, reads) = mpsc::unbounded_channel();
        let (buckets, changed) = (Mutex::default(), Notify::new());
        let shared = Shared { shares, begun, buckets, changed, export_permits, read_permits };
        (Self { shared: Arc::new(shared) }, exports, reads)
    }

    /// Requests a reservation. Repeating it updates the priority and keeps its age. An idle bucket grants at once.
    ///
    /// A holder has one reservation per bucket: while its [`Permit`] is in use, the result is [`Reservation::Waiting`].
    pub(crate) fn reserve(&self, bucket: &Bucket, holder: Requester, urgency: Priority, now: Instant) -> Reservation {
        let uid = holder.uid.clone();
        let mut granted = Vec::new();
        let since = {
            let mut buckets = self.shared.buckets.lock();
            if !buckets.contains_key(bucket) {
                if buckets.len() >= MAX_IDLE_BUCKETS {
                    buckets.retain(|_, quota_bucket| !quota_bucket.is_idle(now));
                }
                buckets.insert(bucket.clone(), self.shared.new_bucket(bucket.operation));
            }
            buckets.get_mut(bucket).map(|quota_bucket| quota_bucket.reserve(holder, urgency, now, &mut granted))
        };
        let own = granted.iter().position(|grant| grant.uid == uid).map(|at| granted.remove(at));
        granted.into_iter().for_each(|grant| self.shared.send_permit(bucket, grant));
        self.shared.changed.notify_one();
        match own {
            Some(grant) => Reservation::Granted(Permit::new(self.shared.clone(), bucket.clone(), uid, grant.number)),
            None => Reservation::Waiting { since: since.unwrap_or(now) },
        }
    }

    /// Cancels the object's queued and granted reservations in all buckets: it is deleted, suspended, finished, or
    /// needs no call any more.
    pub(crate) fn cancel(&self, uid: &str) {
        self.shared.buckets.lock().values_mut().for_each(|quota_bucket| quota_bucket.cancel(uid));
        self.shared.changed.notify_one();
    }

    /// Cancels them in one bucket.
    pub(crate) fn cancel_in(&self, bucket: &Bucket, uid: &str) {
        if let Some(quota_bucket) = self.shared.buckets.lock().get_mut(bucket) {
            quota_bucket.cancel(uid);
        }
        self.shared.changed.notify_one();
    }

    /// AWS throttled a call whose token was taken at `begun` (what [`Permit::acquire`] returned).
    pub(crate) fn on_throttled(&self, bucket: &Bucket, begun: Instant, now: Instant) {
        if let Some(quota_bucket) = self.shared.buckets.lock().get_mut(bucket) {
            quota_bucket.rate_limiter().on_throttled(begun, now);
        }
    }

    /// Figures of all buckets.
    pub(crate) fn bucket_stats(&self, now: Instant) -> Vec<BucketStats> {
        let mut buckets = self.shared.buckets.lock();
        let load = |(bucket, quota_bucket): (&Bucket, &mut QuotaBucket)| BucketStats {
            bucket: bucket.clone(),
            share_in_force: quota_bucket.rate_limiter().current_rate(now),
            tokens: quota_bucket.rate_limiter().available_tokens(now),
            waiting: quota_bucket.queue_length(),
        };
        buckets.iter_mut().map(load).collect()
    }

    /// The pacer: grants queued reservations as the quota allows, until it is dropped.
    pub(crate) async fn run(self) {
        loop {
            let next = self.shared.dispatch(Instant::now());
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.shared.changed.notified() => {}
            }
        }
    }
}

impl Shared {
    fn new_bucket(&self, operation: Operation) -> QuotaBucket {
        let queue = match operation {
            Operation::List => FairQueue::with_reserved(DISCOVERY_PREFIX, self.shares.discovery_share),
            Operation::Export | Operation::Get => FairQueue::default(),
        };
        QuotaBucket::new(self.shares.share_of(operation), queue, self.begun)
    }

    /// Grants what is due in all buckets, and returns when to run again.
    fn dispatch(self: &Arc<Self>, now: Instant) -> Instant {
        let mut next = now + MAX_SLEEP;
        let mut granted = Vec::new();
        for (bucket, quota_bucket) in &mut *self.buckets.lock() {
            let mut grants = Vec::new();
            next = quota_bucket.grant_due(now, &mut grants).map_or(next, |at| next.min(at));
            granted.extend(grants.into_iter().map(|grant| (bucket.clone(), grant)));
        }
        granted.into_iter().for_each(|(bucket, grant)| self.send_permit(&bucket, grant));
        next
    }

    /// Sends a permit to its requester. Not under the lock, which a permit takes when it is dropped.
    fn send_permit(self: &Arc<Self>, bucket: &Bucket, Grant { uid, number }: Grant) {
        let requester = match bucket.operation {
            Operation::Export => &self.export_permits,
            Operation::Get | Operation::List => &self.read_permits,
        };
        // A receiver is dropped only when the leader term ends.
        drop(requester.send(Permit::new(self.clone(), bucket.clone(), uid, number)));
    }
}
