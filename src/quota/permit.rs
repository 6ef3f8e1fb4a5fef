//! A granted reservation, in its holder's hands.
//!
//! Owns: waiting for the token, for at most about one interval, and releasing the reservation when it is dropped.
//! Never: sends anything.

use crate::quota::bucket::TakeResult;
use crate::quota::scheduler::{Bucket, Shared};
use std::fmt;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// A granted reservation. Dropping it releases the reservation to the next holder.
pub(crate) struct Permit {
    shared: Arc<Shared>,
    bucket: Bucket,
    uid: Arc<str>,
    number: u64,
}

/// No token came in time: the reservation is back at the head of its namespace, and will be granted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the quota was used up; the reservation is back at the head of its namespace")]
pub(crate) struct Requeued;

impl Permit {
    pub(super) fn new(shared: Arc<Shared>, bucket: Bucket, uid: Arc<str>, number: u64) -> Self {
        Self { shared, bucket, uid, number }
    }

    /// The holder that it was granted to.
    pub(crate) const fn uid(&self) -> &Arc<str> {
        &self.uid
    }

    /// Takes the token, to be called last before the send. Waits for it for at most one interval (at least 100 ms,
    /// at most 500 ms).
    ///
    /// Returns when the token was taken: an argument of [`crate::quota::scheduler::QuotaScheduler::on_throttled`] if
    /// AWS throttles the call. The token is spent then, whether or not the call is made.
    pub(crate) async fn acquire(self) -> Result<Instant, Requeued> {
        let now = Instant::now();
        let patience = {
            let mut buckets = self.shared.buckets.lock();
            let quota_bucket = buckets.get_mut(&self.bucket).ok_or(Requeued)?;
            quota_bucket.start_sending(&self.uid, self.number, now)
        };
        loop {
            match self.take_slot(now + patience)? {
                Ok(taken) => return Ok(taken),
                Err(at) => sleep_until(at).await,
            }
        }
    }

    /// Returns when the token was taken, or when to try again.
    fn take_slot(&self, until: Instant) -> Result<Result<Instant, Instant>, Requeued> {
        let now = Instant::now();
        let mut buckets = self.shared.buckets.lock();
        let quota_bucket = buckets.get_mut(&self.bucket).ok_or(Requeued)?;
        match quota_bucket.take_slot(&self.uid, self.number, until, now) {
            TakeResult::Taken => Ok(Ok(now)),
            TakeResult::At(at) => Ok(Err(at)),
            TakeResult::Requeued => Err(Requeued),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(quota_bucket) = self.shared.buckets.lock().get_mut(&self.bucket) {
            quota_bucket.release_slot(&self.uid, self.number);
        }
        self.shared.changed.notify_one();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("uid", &self.uid)
            .field("operation", &self.bucket.operation)
            .finish_non_exhaustive()
    }
}
