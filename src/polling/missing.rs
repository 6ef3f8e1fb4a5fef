//! Gets for sessions that are missing from a complete scan: a few at once for each namespace, and hardly any while Gets
//! find what the lists left out. Pure.

use crate::aws::identifiers::StreamSessionId;
use crate::polling::interval::{MAX_GETS_AT_ONCE, MIN_FALSE_MISSING};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The missing sessions of one scan group.
#[derive(Debug, Default)]
pub(super) struct MissingSessions {
    /// Reservations are fair between namespaces: a Get that waits here must not wait for those of another namespace.
    namespaces: HashMap<Arc<str>, MissingQueue>,
    /// Gets that found a missing session since one last confirmed that a session had ended.
    false_in_a_row: u32,
}

#[derive(Debug, Default)]
struct MissingQueue {
    /// Sessions without a Get so far; some of them may have been listed meanwhile.
    waiting: VecDeque<StreamSessionId>,
    /// Gets that are due or in flight.
    confirming: usize,
}

impl MissingSessions {
    /// How many Gets are still to be made.
    pub(super) fn len(&self) -> usize {
        self.namespaces.values().map(|queue| queue.waiting.len() + queue.confirming).sum()
    }

    #[cfg(test)]
    pub(super) fn confirming(&self) -> usize {
        self.namespaces.values().map(|queue| queue.confirming).sum()
    }

    /// How often the lists have been distrusted since a Get last agreed with them.
    pub(super) const fn distrust_level(&self) -> u32 {
        self.false_in_a_row / MIN_FALSE_MISSING
    }

    pub(super) fn enqueue_session(&mut self, session: StreamSessionId, namespace: Arc<str>) {
        self.namespaces.entry(namespace).or_default().waiting.push_back(session);
    }

    /// Takes the sessions to read now, of those that are still queued.
    pub(super) fn take_due(&mut self, is_queued: impl Fn(&StreamSessionId) -> bool) -> Vec<StreamSessionId> {
        let at_once = if self.distrust_level() > 0 { 1 } else { MAX_GETS_AT_ONCE };
        let mut due = Vec::new();
        for queue in self.namespaces.values_mut() {
            while queue.confirming < at_once
                && let Some(session) = queue.waiting.pop_front()
            {
                if is_queued(&session) && !due.contains(&session) {
                    queue.confirming += 1;
                    due.push(session);
                }
            }
        }
        // A namespace without a Get now has no session left.
        self.namespaces.retain(|_, queue| queue.confirming > 0);
        due
    }

    /// A session of this namespace whose Get was due or in flight has been read, or needs it no more.
    pub(super) fn finish_get(&mut self, namespace: &str) {
        if let Some(queue) = self.namespaces.get_mut(namespace) {
            queue.confirming -= 1;
        }
    }

    /// A missing session has ended: the lists were right.
    pub(super) const fn record_true_missing(&mut self) {
        self.false_in_a_row = 0;
    }

    /// A Get found a missing session. Returns the sessions whose Gets are dropped if these are `optional`: a list that
    /// leaves out sessions must not cost a Get for each.
    pub(super) fn record_false_missing(&mut self, optional: bool) -> Vec<StreamSessionId> {
        self.false_in_a_row = self.false_in_a_row.saturating_add(1);
        if !optional || self.distrust_level() == 0 {
            return Vec::new();
        }
        self.namespaces.values_mut().flat_map(|queue| queue.waiting.drain(..)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(count: usize) -> MissingSessions {
        let mut missing = MissingSessions::default();
        (0..count).for_each(|n| missing.enqueue_session(format!("s{n}").parse().unwrap(), "team".into()));
        missing
    }

    #[test]
    fn a_namespace_without_missing_sessions_is_forgotten() {
        let mut missing = missing(2);
        assert_eq!((missing.take_due(|_| true).len(), missing.len()), (2, 2));
        (0..2).for_each(|_| missing.finish_get("team"));
        assert_eq!((missing.take_due(|_| true).len(), missing.namespaces.len()), (0, 0));
    }

    #[test]
    fn lists_that_leave_out_sessions_are_distrusted_until_a_get_agrees_with_them() {
        let mut missing = missing(MAX_GETS_AT_ONCE + 5);
        assert_eq!(missing.take_due(|_| true).len(), MAX_GETS_AT_ONCE);
        for n in 1..MIN_FALSE_MISSING {
            assert_eq!((missing.record_false_missing(true).len(), missing.distrust_level()), (0, 0), "{n}");
        }
        assert_eq!((missing.record_false_missing(false).len(), missing.distrust_level()), (0, 1), "never dropped");
        assert_eq!((missing.record_false_missing(true).len(), missing.len()), (5, MAX_GETS_AT_ONCE));
        missing.record_true_missing();
        assert_eq!(missing.distrust_level(), 0);
    }
}
