//! Nothing shows yet: what must pass before AWS is asked, and the asking.

use super::{Authority, Next, Scene, Verdict};
use crate::export::evidence::{Evidence, Rival};
use crate::export::memory::Trouble;
use crate::export::row::{Held, Outcome, Row};
use crate::streams::observation::{FailureFamily, SessionStatus};
use std::time::Duration;
use tokio::time::Instant;

impl Scene<'_> {
    /// Nothing read that counts: read, unless that is what fails.
    pub(super) fn unread(&self) -> Option<Verdict> {
        if let Some(trouble) = &self.seen.attempt.read_trouble {
            // Until a read succeeds: what was read before is too old to go on with, and the row must not flicker.
            let row = if self.accepted() { self.promised() } else { self.held_by(trouble).map(Row::Held) };
            return Some(Verdict { row, next: Next::LookAt(trouble.retry_at) });
        }
        if self.seen.evidence != Evidence::Unread {
            return None;
        }
        if self.accepted() {
            let look = self.seen.last_call.map_or(self.now.mono, |asked| asked + self.observed.pace);
            return Some(Verdict { row: self.promised(), next: Next::LookAt(look) });
        }
        let call = self.seen.attempt.call_trouble;
        let service = call.filter(|trouble| trouble.class.family() == FailureFamily::Service);
        let at = service.map_or(self.now.mono, |trouble| trouble.retry_at);
        Some(Verdict { row: self.call_held(), next: Next::LookAt(at) })
    }

    /// What the trouble with the call looks like, for as long as no call has succeeded.
    pub(super) fn call_held(&self) -> Option<Row> {
        self.seen.attempt.call_trouble.and_then(|trouble| self.held_by(&trouble)).map(Row::Held)
    }

    /// The row of a failure; `None` for a rejected request that has not had its tries.
    pub(super) fn held_by(&self, trouble: &Trouble) -> Option<Held> {
        let stalled = self.now.mono.duration_since(trouble.since) >= self.timing.denial_stalled_after;
        match trouble.class.family() {
            FailureFamily::Service => Some(Held::ServiceUnavailable),
            FailureFamily::Credentials => Some(Held::CredentialsUnavailable { stalled }),
            FailureFamily::Denied => Some(Held::AccessDenied { stalled, operation: trouble.operation }),
            FailureFamily::Request => {
                (trouble.tries + 1 >= self.timing.rejected_tries).then_some(Held::RequestRejected { detail: None })
            }
        }
    }

    pub(super) fn suspended(&self) -> Option<Verdict> {
        if self.accepted() {
            return Some(self.pending());
        }
        self.export.options.suspend.then(|| Verdict::held(Held::Suspended, self.look_in(self.observed.pace)))
    }

    pub(super) fn not_yet_live(&self) -> Option<Verdict> {
        let Evidence::Empty { status, .. } = self.seen.evidence else { return None };
        let look = self.look_in(self.timing.activating_poll_interval);
        match status {
            SessionStatus::Activating => Some(Verdict::held(Held::WaitingForSession, look)),
            SessionStatus::Unknown => Some(Verdict::held(Held::ServiceUnavailable, self.look_in(self.observed.pace))),
            SessionStatus::Active
            | SessionStatus::Connected
            | SessionStatus::PendingClientReconnection
            | SessionStatus::Reconnecting
            | SessionStatus::Terminating
            | SessionStatus::Terminated
            | SessionStatus::Error => None,
        }
    }

    pub(super) fn rivalled(&self) -> Option<Verdict> {
        match &self.seen.rival {
            Rival::None => None,
            Rival::Undecided { name } => {
                Some(Verdict::held(Held::WaitingForOtherExport { rival: name.clone() }, self.rival_look()))
            }
            Rival::Accepted { name } => {
                Some(Verdict::ended(Outcome::ExportConflict { shown: None, rival: name.clone() }))
            }
        }
    }

    /// Reads at the pace of a pending one, but a new leader's pause may be over sooner.
    pub(super) fn rival_look(&self) -> Next {
        let look = self.seen.read_at.map_or(self.now.mono, |at| at + self.observed.pace);
        let wake = self.now.mono + self.timing.consistency_window;
        if self.now.mono < look { Next::Wait(look.min(wake)) } else { Next::LookAt(look) }
    }

    /// An export was seen before, and this read does not show it: no usable answer.
    pub(super) fn stale(&self) -> Option<Verdict> {
        let stale = self.seen.evidence == Evidence::Stale;
        stale.then(|| Verdict::held(Held::ServiceUnavailable, self.look_in(self.observed.pace)))
    }

    /// The session is live, nothing shows and nothing stands in the way: ask, once it is our turn.
    pub(super) fn request(&self) -> Verdict {
        if let Authority::Forbidden { missing_rule } = &self.observed.authority {
            let held = Held::DestinationForbidden { missing_rule: missing_rule.clone() };
            return Verdict::held(held, self.look_in(self.observed.pace));
        }
        if let Some(verdict) = self.refused() {
            return verdict;
        }
        let held = self.call_held();
        let too_old = |at: Instant| self.now.mono.duration_since(at) > self.timing.observation_max_age;
        if self.seen.read_at.is_none_or(too_old) {
            return Verdict { row: held, next: Next::LookAt(self.now.mono) };
        }
        if !self.observed.turn {
            return Verdict { row: held, next: Next::AskTurn };
        }
        let row = if self.export.intended() { held } else { Some(Row::Requesting) };
        Verdict { row, next: Next::Call }
    }

    /// Waits after calls that AWS refused or could not serve.
    pub(super) fn refused(&self) -> Option<Verdict> {
        let attempt = &self.seen.attempt;
        if let Some(trouble) = attempt.call_trouble.filter(|trouble| self.now.mono < trouble.retry_at) {
            return Some(Verdict { row: self.call_held(), next: Next::Wait(trouble.retry_at) });
        }
        let refusals = attempt.refusals.filter(|refusals| self.now.mono < refusals.retry_at)?;
        let held = (refusals.count >= self.timing.rejected_tries).then_some(Held::RequestRejected { detail: None });
        let look = self.seen.read_at.map_or(self.now.mono, |at| at + self.observed.pace);
        let next = if refusals.retry_at < look { Next::Wait(refusals.retry_at) } else { Next::LookAt(look) };
        Some(Verdict { row: held.map(Row::Held), next })
    }

    pub(super) fn look_in(&self, wait: Duration) -> Next {
        Next::LookAt(self.seen.read_at.map_or(self.now.mono, |at| at + wait))
    }
}
