//! The stages for a session without a visible export: the checks before the call, and the request itself.

use crate::aws::failure::{FailureCategory, FailureDetail};
use crate::aws::model::SessionStatus;
use crate::export::decision::{Action, CheckResult, DecisionInput};
use crate::export::status::row::{Held, Outcome, Row};
use crate::state::FailureStreak;
use crate::state::ownership::{ConflictingClaim, Observation};
use tokio::time::Instant;

/// AWS answers, but nothing follows from what it shows.
const UNUSABLE_READ: Held = Held::ServiceUnavailable { detail: FailureDetail::Unknown };

impl DecisionInput<'_> {
    /// Reads first if no usable read exists; after failed reads, waits for their backoff.
    pub(super) fn check_readable(&self) -> Option<CheckResult> {
        if let Some(trouble) = &self.snapshot.attempt.read_trouble {
            // Until a read succeeds, earlier reads are too old to act on, and the row must not flicker.
            let row = if self.accepted() {
                self.pending_row_if_unrecorded()
            } else {
                self.held_row_for(trouble).map(Row::Held)
            };
            return Some(CheckResult { row, action: self.read_at(trouble.retry_at) });
        }
        if self.snapshot.evidence != Observation::Unread {
            return None;
        }
        if self.accepted() {
            let read = self.snapshot.last_call.map_or(self.now.mono, |asked| asked + self.observed.poll_interval);
            return Some(CheckResult { row: self.pending_row_if_unrecorded(), action: self.read_at(read) });
        }
        let call = self.snapshot.attempt.call_trouble.as_ref();
        let service = call.filter(|trouble| trouble.class.category() == FailureCategory::Service);
        let at = service.map_or(self.now.mono, |trouble| trouble.retry_at);
        Some(CheckResult { row: self.held_row_for_call(), action: self.read_at(at) })
    }

    /// The held row of a failing call; `None` without call failures.
    pub(super) fn held_row_for_call(&self) -> Option<Row> {
        self.snapshot.attempt.call_trouble.as_ref().and_then(|trouble| self.held_row_for(trouble)).map(Row::Held)
    }

    /// Returns the row of a failure; `None` for a rejected request with fewer than `rejected_tries` tries.
    pub(super) fn held_row_for(&self, trouble: &FailureStreak) -> Option<Held> {
        let stalled = self.now.mono.duration_since(trouble.since) >= self.timing.denial_stalled_after;
        let detail = trouble.detail.clone();
        match trouble.class.category() {
            FailureCategory::Service => Some(Held::ServiceUnavailable { detail }),
            FailureCategory::Credentials => Some(Held::CredentialsUnavailable { stalled, detail }),
            FailureCategory::Denied => Some(Held::AccessDenied { stalled, operation: trouble.operation, detail }),
            FailureCategory::Request => {
                (trouble.tries + 1 >= self.timing.rejected_tries).then_some(Held::RequestRejected { detail })
            }
        }
    }

    pub(super) fn check_suspended(&self) -> Option<CheckResult> {
        if self.accepted() {
            return Some(self.keep_polling());
        }
        self.export
            .options
            .suspend
            .then(|| CheckResult::held_result(Held::Suspended, self.read_after(self.observed.poll_interval)))
    }

    pub(super) fn check_activating(&self) -> Option<CheckResult> {
        let Observation::Empty { status, .. } = self.snapshot.evidence else { return None };
        let read = self.read_after(self.timing.activating_poll_interval);
        match status {
            SessionStatus::Activating => Some(CheckResult::held_result(Held::WaitingForSession, read)),
            SessionStatus::Unknown => {
                Some(CheckResult::held_result(UNUSABLE_READ, self.read_after(self.observed.poll_interval)))
            }
            SessionStatus::Active
            | SessionStatus::Connected
            | SessionStatus::PendingClientReconnection
            | SessionStatus::Reconnecting
            | SessionStatus::Terminating
            | SessionStatus::Terminated
            | SessionStatus::Error => None,
        }
    }

    pub(super) fn check_conflicting_export(&self) -> Option<CheckResult> {
        match &self.snapshot.rival {
            ConflictingClaim::None => None,
            ConflictingClaim::Undecided { name } => Some(CheckResult::held_result(
                Held::WaitingForOtherExport { rival: name.clone() },
                self.conflict_poll(),
            )),
            ConflictingClaim::Accepted { name } => {
                Some(CheckResult::final_result(Outcome::ExportConflict { shown: None, rival: name.clone() }))
            }
        }
    }

    /// Polls at the interval of a pending export, but decides again within a consistency window: a new leader's pause
    /// may be over by then.
    pub(super) fn conflict_poll(&self) -> Action {
        let read = self.next_read_at(self.observed.poll_interval);
        let wake = self.now.mono + self.timing.consistency_window;
        if self.now.mono < read { Action::WaitUntil(read.min(wake)) } else { self.read_at(read) }
    }

    /// An export was seen before and this read does not show it: the read is not usable.
    pub(super) fn check_stale_read(&self) -> Option<CheckResult> {
        let stale = self.snapshot.evidence == Observation::Stale;
        stale.then(|| CheckResult::held_result(UNUSABLE_READ, self.read_after(self.observed.poll_interval)))
    }

    /// The session is live without an export and nothing conflicts: request it, once quota is reserved.
    pub(super) fn request_export(&self) -> CheckResult {
        if !self.observed.may_request {
            // The status stays as it is until a read decides.
            return CheckResult { row: None, action: self.read_after(self.observed.poll_interval) };
        }
        if let Some(result) = self.call_backoff() {
            return result;
        }
        let held = self.held_row_for_call();
        let too_old = |at: Instant| self.now.mono.duration_since(at) > self.timing.observation_max_age;
        if self.snapshot.read_in_pause || self.snapshot.read_at.is_none_or(too_old) {
            return CheckResult { row: held, action: self.read_at(self.now.mono) };
        }
        if !self.observed.has_permit {
            let deadline = self.now.mono + self.timing.held_status_delay;
            let action = Action::ReserveCall { deadline, refresh: self.refresh_read() };
            return CheckResult { row: held, action };
        }
        let row = if self.export.intended() { held } else { Some(Row::Requesting) };
        CheckResult { row, action: Action::Call }
    }

    /// Returns the wait after a failed or rejected call; `None` if a call may be made now.
    pub(super) fn call_backoff(&self) -> Option<CheckResult> {
        let attempt = &self.snapshot.attempt;
        if let Some(trouble) = attempt.call_trouble.as_ref().filter(|trouble| self.now.mono < trouble.retry_at) {
            return Some(CheckResult { row: self.held_row_for_call(), action: Action::WaitUntil(trouble.retry_at) });
        }
        let refusals = attempt.refusals.as_ref().filter(|refusals| self.now.mono < refusals.retry_at)?;
        let rejected = || Held::RequestRejected { detail: refusals.detail.clone() };
        let held = (refusals.count >= self.timing.rejected_tries).then(rejected);
        let read = self.next_read_at(self.observed.poll_interval);
        let action = if refusals.retry_at < read { Action::WaitUntil(refusals.retry_at) } else { self.read_at(read) };
        Some(CheckResult { row: held.map(Row::Held), action })
    }
}
