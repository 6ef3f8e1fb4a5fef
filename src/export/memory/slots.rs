//! When statuses are written that only tell that an object waits for a turn.
//!
//! Owns: their pace. Thousands begin to wait at once; written at once, their statuses would stand before the intents
//! of those whose turn has come. Whoever has been called before its slot comes is never told of. Never: knows who waits.

use std::time::Duration;
use tokio::time::Instant;

/// From one to the next.
const PACE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Slots {
    free: Instant,
}

impl Slots {
    /// All free.
    pub(super) const fn new(now: Instant) -> Self {
        Self { free: now }
    }

    /// Takes the next that is free.
    pub(super) fn book(&mut self, now: Instant) -> Instant {
        let slot = self.free.max(now);
        self.free = slot + PACE;
        slot
    }
}
