//! What the probes report about this process.
//!
//! Owns the state of readiness and the signs of life of the loops. It never touches the API server, and serves nothing
//! itself: that is `server`.

use super::metrics::Metrics;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Whether this replica can do its part, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadyState {
    /// Nothing is known yet.
    Starting,
    /// The API server could not be asked, or does not let us do what we need: the sentence that says so.
    Blocked(String),
    /// A permission or the CRD is missing: the sentence that names it.
    MissingPermission(String),
    /// Leads, but has not seen all objects yet.
    ListIncomplete,
    /// Leads, but no list of objects has been complete for two periods; with the class of the last error.
    Stalled(&'static str),
    /// Leads, and has seen all objects.
    Leading,
    /// Another replica leads.
    Standby,
    /// Takes nothing new.
    ShuttingDown,
}

impl ReadyState {
    /// Whether the probe passes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Leading | Self::Standby => true,
            Self::Starting
            | Self::Blocked(_)
            | Self::MissingPermission(_)
            | Self::ListIncomplete
            | Self::Stalled(_)
            | Self::ShuttingDown => false,
        }
    }
}

impl fmt::Display for ReadyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Blocked(why) => write!(f, "blocked: {why}"),
            Self::MissingPermission(what) => write!(f, "missing permission: {what}"),
            Self::ListIncomplete => f.write_str("leading, the list of objects is not complete yet"),
            Self::Stalled(kind) => {
                write!(f, "leading, but no list of objects has been complete for two periods ({kind})")
            }
            Self::Leading => f.write_str("leading"),
            Self::Standby => f.write_str("standing by"),
            Self::ShuttingDown => f.write_str("shutting down"),
        }
    }
}

/// What the probes tell. Cheap to clone; all clones share one state.
#[derive(Debug, Clone)]
pub struct Health {
    inner: Arc<Mutex<Inner>>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Inner {
    ready: ReadyState,
    /// By a number that is never used twice, for a loop may start anew before its predecessor is dropped.
    loops: BTreeMap<u64, Heartbeat>,
    next: u64,
}

#[derive(Debug)]
struct Heartbeat {
    name: &'static str,
    last: Instant,
    longest_pause: Duration,
}

impl Health {
    /// Not ready, with no loop to watch yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        let inner = Inner { ready: ReadyState::Starting, loops: BTreeMap::new(), next: 0 };
        Self { inner: Arc::new(Mutex::new(inner)), metrics }
    }

    /// Says from now on that this replica is in `state`.
    pub fn set_ready(&self, state: ReadyState) {
        self.metrics.ready(state.is_ready());
        let mut inner = self.lock();
        if inner.ready != state {
            tracing::info!(ready = state.is_ready(), %state, "readiness");
            inner.ready = state;
        }
    }

    /// The state that the probe reports.
    #[must_use]
    pub fn ready(&self) -> ReadyState {
        self.lock().ready.clone()
    }

    /// A loop that has to tick at least every `longest_pause` for this process to count as alive, until the pulse is
    /// dropped.
    #[must_use]
    pub fn pulse(&self, name: &'static str, longest_pause: Duration) -> Pulse {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        inner.loops.insert(id, Heartbeat { name, last: Instant::now(), longest_pause });
        Pulse { health: self.clone(), id }
    }

    /// The loops that stand still at `now`, in a sentence each.
    pub(super) fn stuck(&self, now: Instant) -> Vec<String> {
        let inner = self.lock();
        let stuck = inner.loops.values().filter(|beat| now > beat.last + beat.longest_pause);
        stuck.map(|beat| format!("{} made no progress for {:?}", beat.name, now - beat.last)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A loop's sign of life. Dropping it ends the watch over the loop.
#[derive(Debug)]
pub struct Pulse {
    health: Health,
    id: u64,
}

impl Pulse {
    /// The loop has made progress.
    pub fn tick(&self) {
        if let Some(beat) = self.health.lock().loops.get_mut(&self.id) {
            beat.last = Instant::now();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.health.lock().loops.remove(&self.id);
    }
}
