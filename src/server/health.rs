//! The state that the probes report about this process.
//!
//! Owns: the readiness state. Never: talks to the API server, or serves the probes (`server` does).

use crate::metrics::Metrics;
use crate::runtime::watchdog::Watchdog;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// Whether this replica is ready, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadyState {
    /// Preflight checks have not finished.
    Starting,
    /// The API server can't be reached, the lease can't be read or written, or another operator's scope overlaps: the
    /// reason in a sentence.
    Blocked(String),
    /// A permission or the CRD is missing: named in a sentence.
    MissingPermission(String),
    /// Leads, but has not seen all objects yet.
    ListIncomplete,
    /// Leads, but no list of objects has been complete for two periods; with the class of the last error.
    Stalled(&'static str),
    /// Leads, and has seen all objects.
    Leading,
    /// Another replica leads.
    Standby,
    /// Shutting down: starts no new work.
    ShuttingDown,
}

impl ReadyState {
    /// Whether the probe passes.
    #[must_use]
    pub(crate) fn is_ready(&self) -> bool {
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

/// The state behind the probes. Cheap to clone; all clones share one state.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    ready: Arc<Mutex<ReadyState>>,
    watchdog: Watchdog,
    metrics: Metrics,
}

impl Health {
    /// Not ready, with no loop to watch yet.
    #[must_use]
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { ready: Arc::new(Mutex::new(ReadyState::Starting)), watchdog: Watchdog::default(), metrics }
    }

    /// Sets the state that the probe reports, and logs a change.
    pub(crate) fn set_ready(&self, state: ReadyState) {
        self.metrics.set_ready(state.is_ready());
        let mut ready = self.ready.lock();
        if *ready != state {
            tracing::info!(ready = state.is_ready(), %state, "readiness");
            *ready = state;
        }
    }

    /// The state that the probe reports.
    #[must_use]
    pub(crate) fn ready(&self) -> ReadyState {
        self.ready.lock().clone()
    }

    /// The watchdog of this process's loops.
    #[must_use]
    pub(crate) fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }
}
