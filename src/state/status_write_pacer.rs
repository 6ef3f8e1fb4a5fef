//! Pacing of RateLimited status writes.
//!
//! Owns: the limit of 20/s, so that thousands of waits that begin at once don't delay the intent writes of exports that
//! have a quota slot. An export that gets its slot first never writes RateLimited. Never: holds the waiting objects.

use std::time::Duration;
use tokio::time::Instant;

/// Interval between two writes.
const WRITE_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub(super) struct StatusWritePacer {
    free: Instant,
}

impl StatusWritePacer {
    /// A pacer whose next write may happen now.
    pub(super) const fn new(now: Instant) -> Self {
        Self { free: now }
    }

    /// Reserves the next free write time.
    pub(super) fn reserve_slot(&mut self, now: Instant) -> Instant {
        let slot = self.free.max(now);
        self.free = slot + WRITE_INTERVAL;
        slot
    }
}
