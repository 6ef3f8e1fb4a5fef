//! Notices a loop that makes no progress, for the liveness probe.
//!
//! Owns: the signs of life of the loops. Never: ends one.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The loops of this process. Cheap to clone; all clones share one state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchdog(Arc<Mutex<Loops>>);

#[derive(Debug, Default)]
struct Loops {
    /// By a number that is never used twice, because a loop may start again before its predecessor is dropped.
    by_id: BTreeMap<u64, LoopState>,
    next: u64,
}

#[derive(Debug)]
struct LoopState {
    name: &'static str,
    last: Instant,
    longest_pause: Duration,
}

impl Watchdog {
    /// Registers a loop that has to tick at least every `longest_pause` for this process to count as alive, until the
    /// heartbeat is dropped.
    #[must_use]
    pub(crate) fn register(&self, name: &'static str, longest_pause: Duration) -> Heartbeat {
        let mut loops = self.0.lock();
        let id = loops.next;
        loops.next += 1;
        loops.by_id.insert(id, LoopState { name, last: Instant::now(), longest_pause });
        Heartbeat { watchdog: self.clone(), id }
    }

    /// Returns a sentence for each loop that is stalled at `now`.
    #[must_use]
    pub(crate) fn stalled_loops(&self, now: Instant) -> Vec<String> {
        let loops = self.0.lock();
        let stalled = loops.by_id.values().filter(|beat| now > beat.last + beat.longest_pause);
        stalled.map(|beat| format!("{} made no progress for {:?}", beat.name, now - beat.last)).collect()
    }
}

/// A loop's sign of life. Dropping it ends the watch over the loop.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    watchdog: Watchdog,
    id: u64,
}

impl Heartbeat {
    /// Records progress.
    pub(crate) fn tick(&self) {
        if let Some(beat) = self.watchdog.0.lock().by_id.get_mut(&self.id) {
            beat.last = Instant::now();
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.watchdog.0.lock().by_id.remove(&self.id);
    }
}
