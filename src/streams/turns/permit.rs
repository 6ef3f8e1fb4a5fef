//! A turn in hand.
//!
//! Owns: waiting for the token, for at most about one interval, and giving the turn back when it is dropped.
//! Never: sends anything.

use super::lane::Token;
use super::{Bucket, Shared};
use std::fmt;
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// A granted turn. Dropping it gives the turn to the next.
pub struct Permit {
    shared: Arc<Shared>,
    bucket: Bucket,
    uid: Arc<str>,
    number: u64,
}

/// No token came in time: the turn is back at the head of its namespace, and will be granted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the quota was used up; the turn is back at the head of its namespace")]
pub struct PutBack;

impl Permit {
    pub(super) fn new(shared: Arc<Shared>, bucket: Bucket, uid: Arc<str>, number: u64) -> Self {
        Self { shared, bucket, uid, number }
    }

    /// Takes the token, to be called last before the send. Waits for it for at most one interval (at least 100 ms,
    /// at most 500 ms).
    ///
    /// Returns when the token was taken, which [`super::Turns::throttled`] wants back if AWS throttles the call.
    /// The token is spent then, whether or not the call is made.
    pub async fn ready(self) -> Result<Instant, PutBack> {
        let now = Instant::now();
        let patience = {
            let mut lanes = self.shared.lock();
            let lane = lanes.get_mut(&self.bucket).ok_or(PutBack)?;
            lane.ready(&self.uid, self.number, now)
        };
        loop {
            match self.take(now + patience)? {
                Ok(taken) => return Ok(taken),
                Err(at) => sleep_until(at).await,
            }
        }
    }

    /// The time at which the token was taken, or the time to try again.
    fn take(&self, until: Instant) -> Result<Result<Instant, Instant>, PutBack> {
        let now = Instant::now();
        let mut lanes = self.shared.lock();
        let lane = lanes.get_mut(&self.bucket).ok_or(PutBack)?;
        match lane.take(&self.uid, self.number, until, now) {
            Token::Taken => Ok(Ok(now)),
            Token::At(at) => Ok(Err(at)),
            Token::PutBack => Err(PutBack),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(lane) = self.shared.lock().get_mut(&self.bucket) {
            lane.release(&self.uid, self.number);
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
