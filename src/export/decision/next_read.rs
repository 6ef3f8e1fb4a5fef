//! The read that an object needs: when it is due, and which kind.

use crate::aws::model::SessionStatus;
use crate::export::decision::{Action, DecisionInput, remaining_after};
use crate::polling::request::{ReadKind, ReadRequest};
use crate::state::ownership::{ConflictingClaim, Observation, Ownership};
use std::time::Duration;
use tokio::time::Instant;

impl DecisionInput<'_> {
    /// A read at `at`, but after failed reads not before their backoff is over.
    pub(super) fn read_at(&self, at: Instant) -> Action {
        self.await_read(at, self.read_kind())
    }

    /// A read at `wait` after the last one; at once if there was none.
    pub(super) fn read_after(&self, wait: Duration) -> Action {
        self.read_at(self.next_read_at(wait))
    }

    pub(super) fn await_read(&self, at: Instant, kind: ReadKind) -> Action {
        let due = self.snapshot.attempt.read_trouble.as_ref().map_or(at, |trouble| trouble.retry_at.max(at));
        Action::AwaitRead(ReadRequest { due, kind, session_ends: self.session_ends_at(), decide_again_at: None })
    }

    /// While an export waits for quota, list scans made for other objects refresh its observation; it never causes a
    /// read itself.
    pub(super) fn refresh_read(&self) -> ReadRequest {
        let aged = self.timing.observation_max_age.mul_f64(0.5);
        let (due, session_ends) = (self.next_read_at(aged), self.session_ends_at());
        ReadRequest { due, kind: ReadKind::Fresh, session_ends, decide_again_at: None }
    }

    fn read_kind(&self) -> ReadKind {
        match (&self.snapshot.evidence, self.accepted(), self.intended()) {
            (Observation::Export { ownership: Ownership::Own, shown, source }, true, _) => {
                if self.needs_get(Ownership::Own, shown, *source) { ReadKind::Exact } else { ReadKind::Pending }
            }
            (Observation::Unread | Observation::Stale | Observation::Empty { .. }, true, _) => ReadKind::Pending,
            (Observation::Export { .. } | Observation::Missing { .. }, _, _) | (Observation::Stale, false, _) => {
                ReadKind::Exact
            }
            // A call's outcome is unknown: a Get answers without delay.
            (Observation::Unread, false, true) => ReadKind::Exact,
            (Observation::Unread, false, false) => ReadKind::First,
            (Observation::Empty { status, .. }, false, _) => self.read_kind_without_export(*status),
        }
    }

    fn read_kind_without_export(&self, status: SessionStatus) -> ReadKind {
        // A conflicting claim and a rejection also wait for time to pass, so each read must lead to a decision.
        let bides = self.snapshot.rival != ConflictingClaim::None || self.snapshot.attempt.refusals.is_some();
        if status.is_terminal() || bides {
            ReadKind::Exact
        } else if self.export.options.suspend {
            ReadKind::Live
        } else {
            ReadKind::First
        }
    }

    /// The session's latest end on the monotonic clock; `None` while it is live and its length is unknown.
    fn session_ends_at(&self) -> Option<Instant> {
        let view = self.snapshot.view.as_ref()?;
        if view.status.is_terminal() {
            return Some(self.now.mono);
        }
        view.session_length.map(|_| {
            let left = remaining_after(self.latest_end(), Duration::ZERO, self.now.wall);
            self.now.mono + left
        })
    }
}
