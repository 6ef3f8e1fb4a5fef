//! What kind of reading an object waits for.

use super::{Look, Scene, Sight, remaining};
use crate::export::evidence::{Evidence, Rival, Whose};
use crate::export::row::Row;
use crate::streams::observation::SessionStatus;
use tokio::time::Instant;

impl Scene<'_> {
    /// The look that is due at this moment.
    pub(super) fn look(&self, at: Instant, row: Option<&Row>, again: Option<Instant>) -> Look {
        Look { at, sight: self.sight(row), ends: self.ends(), again }
    }

    /// Who waits for its turn to call keeps its observation fresh, if that comes with what others need anyway.
    pub(super) fn keep_fresh(&self) -> Look {
        let aged = self.timing.observation_max_age.mul_f64(0.5);
        let at = self.seen.read_at.map_or(self.now.mono, |at| at + aged);
        Look { at, sight: Sight::Fresh, ends: self.ends(), again: None }
    }

    fn sight(&self, row: Option<&Row>) -> Sight {
        match (&self.seen.evidence, self.accepted(), self.intended()) {
            // An hourly look at what should have ended long ago.
            (_, true, _) if row == Some(&Row::Overdue) => Sight::Exact,
            (Evidence::Export { whose: Whose::Ours, shown, source }, true, _) => {
                if self.must_be_read_in_full(Whose::Ours, shown, *source) { Sight::Exact } else { Sight::Pending }
            }
            (Evidence::Unread | Evidence::Stale | Evidence::Empty { .. }, true, _) => Sight::Pending,
            (Evidence::Export { .. } | Evidence::Missing { .. }, _, _) | (Evidence::Stale, false, _) => Sight::Exact,
            // What came of the call must be told without delay.
            (Evidence::Unread, false, true) => Sight::Exact,
            (Evidence::Unread, false, false) => Sight::First,
            (Evidence::Empty { status, .. }, false, _) => self.sight_of_empty(*status),
        }
    }

    fn sight_of_empty(&self, status: SessionStatus) -> Sight {
        // Whoever waits for time to pass as well must decide again after each reading.
        let bides = self.seen.rival != Rival::None || self.seen.attempt.refusals.is_some();
        if status.is_over() || bides {
            Sight::Exact
        } else if self.export.options.suspend {
            Sight::Live
        } else {
            Sight::First
        }
    }

    /// The session's latest end on this process's clock, if its length is known or it has ended.
    fn ends(&self) -> Option<Instant> {
        let view = self.seen.view.as_ref()?;
        if view.status.is_over() {
            return Some(self.now.mono);
        }
        view.session_length.map(|_| {
            let left = remaining(self.latest_end(), std::time::Duration::ZERO, self.now.wall);
            self.now.mono + left
        })
    }
}
