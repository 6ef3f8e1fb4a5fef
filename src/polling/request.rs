//! The read that an export waits for.

use tokio::time::Instant;

/// A read that an object waits for. The poller makes it and requeues the object if it changes the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadRequest {
    /// When the read is due.
    pub due: Instant,
    /// Which read is sufficient.
    pub kind: ReadKind,
    /// When the session ends at the latest, if known; in the past if it has ended.
    pub session_ends: Option<Instant>,
    /// When to reconcile again even if no read changes the decision.
    pub decide_again_at: Option<Instant>,
}

impl ReadRequest {
    /// True for a read that an export depends on and that is due.
    pub(crate) fn is_first(&self, now: Instant) -> bool {
        self.kind == ReadKind::First && self.due <= now
    }
}

/// Which read is sufficient for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadKind {
    /// GetStreamSession, which returns every field.
    Exact,
    /// Any read that shows the session live. An export depends on it.
    First,
    /// Any read that shows the session live; not urgent.
    Live,
    /// A list scan that shows the session live: refreshes the observation while the export waits for quota. Never
    /// triggers a Get.
    Fresh,
    /// Any read that shows the accepted export.
    Pending,
}
