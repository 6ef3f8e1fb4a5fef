//! The fence: the permission to act, checked right before each side effect goes out.
//!
//! Owns: the end of a leader term, until which it may act. Never: extends a term that has been revoked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Until when one leader term may act. Cheap to clone, and each new term has a new one: work that was started in an
/// earlier term never gets past the check, even if this replica leads again.
#[derive(Debug, Clone)]
pub(crate) struct Fence {
    term: u64,
    base: Instant,
    /// Nanoseconds after `base`; 0 once revoked.
    until: Arc<AtomicU64>,
}

impl Fence {
    pub(super) fn new(term: u64, base: Instant, until: Instant) -> Self {
        let fence = Self { term, base, until: Arc::new(AtomicU64::new(1)) };
        fence.extend(until);
        fence
    }

    /// The number of this term, counted by this process from 1.
    #[must_use]
    pub(crate) fn term(&self) -> u64 {
        self.term
    }

    /// Whether a side effect may still go out at `now`.
    #[must_use]
    pub(crate) fn holds(&self, now: Instant) -> bool {
        now < self.until()
    }

    /// Until when side effects may go out; moves with each renewal. Not in the future once revoked.
    #[must_use]
    pub(crate) fn until(&self) -> Instant {
        self.base + Duration::from_nanos(self.until.load(Ordering::Acquire))
    }

    /// Extends the term. Returns false, and changes nothing, if it is revoked or holds for longer already.
    pub(super) fn extend(&self, until: Instant) -> bool {
        let nanos = u64::try_from(until.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX);
        let raise = |held: u64| (held != 0 && nanos > held).then_some(nanos);
        self.until.try_update(Ordering::AcqRel, Ordering::Acquire, raise).is_ok()
    }

    /// Ends the term. It never holds again.
    pub(crate) fn revoke(&self) {
        self.until.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn holds_until_its_end_and_moves_with_renewals_only_forward() {
        let start = Instant::now();
        let fence = Fence::new(1, start, start + 10 * SECOND);
        assert!(fence.holds(start) && fence.holds(start + 9 * SECOND));
        assert!(!fence.holds(start + 10 * SECOND));
        assert!(fence.extend(start + 12 * SECOND));
        assert!(!fence.extend(start + 11 * SECOND));
        assert!(fence.holds(start + 11 * SECOND));
        assert!(!fence.holds(start + 12 * SECOND));
    }

    #[test]
    fn a_revoked_term_never_holds_again_for_any_of_its_clones() {
        let start = Instant::now();
        let fence = Fence::new(1, start, start + 10 * SECOND);
        let held_by_a_reconcile = fence.clone();
        fence.revoke();
        assert!(!fence.extend(start + 100 * SECOND));
        assert!(!held_by_a_reconcile.holds(start));
        assert!(!held_by_a_reconcile.holds(start + SECOND));
    }
}
