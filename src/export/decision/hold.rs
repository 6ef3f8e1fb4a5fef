//! The last stage, for every row: delay of held rows, acceptance deadline, and when to decide again.

use crate::api::condition::ready_reason;
use crate::export::decision::{Action, CheckResult, Decision, DecisionInput, remaining_after};
use crate::export::status::row::{Held, Outcome, Row};
use crate::state::ownership::Observation;
use crate::state::{HeldState, RetryState};
use tokio::time::Instant;

impl DecisionInput<'_> {
    /// Turns a check's result into the decision: applies hold delay, quota wait and deadline.
    pub(super) fn finalize(&self, result: CheckResult) -> Decision {
        let CheckResult { row, action } = result;
        match row {
            Some(Row::Held(held)) => self.apply_hold_delay(held, action),
            Some(Row::Pending) => {
                Decision { row: Some(Row::Pending), action: self.wake_for_overdue(action), held: None }
            }
            Some(row @ (Row::Requesting | Row::Overdue | Row::Final(_) | Row::Unchanged)) => {
                Decision { row: Some(row), action, held: None }
            }
            None => self.apply_quota_wait(action),
        }
    }

    /// Shows RateLimited once an export that nothing else holds has waited long enough for quota.
    fn apply_quota_wait(&self, action: Action) -> Decision {
        let waits = action.awaits_quota(self.now.mono) && !self.accepted();
        match self.snapshot.attempt.tells_at.filter(|_| waits) {
            Some(tells_at) if tells_at <= self.now.mono => self.apply_deadline(Held::RateLimited, action),
            _ => Decision { row: None, action, held: self.held_while_shown() },
        }
    }

    /// The held row, if the status shows it: a decision without a row leaves it there.
    fn held_while_shown(&self) -> Option<HeldState> {
        let recorded = ready_reason(&self.export.status.conditions);
        self.snapshot.attempt.held.clone().filter(|held| recorded == Some(held.reason.as_str()))
    }

    /// A pending export must be decided again when it becomes overdue.
    fn wake_for_overdue(&self, action: Action) -> Action {
        let left = remaining_after(self.latest_end(), self.timing.overdue_after, self.now.wall);
        if left.is_zero() { action } else { action.or_decide_at(self.now.mono + left) }
    }

    fn apply_hold_delay(&self, mut held: Held, action: Action) -> Decision {
        let delay = self.timing.held_status_delay;
        let (reason, operation) = (held.reason(), held.operation());
        let cause = held.cause_mut().map(|cause| cause.clone()).unwrap_or_default();
        let state = match self.snapshot.attempt.held.clone() {
            Some(before) if (before.reason, before.operation) == (reason, operation) => {
                before.with_cause(cause, self.failed_at(), delay)
            }
            Some(_) | None => HeldState::new(reason, operation, cause, self.now.mono),
        };
        let shows_at = if held.shows_at_once() { state.since } else { state.since + delay };
        if self.now.mono < shows_at {
            return Decision { row: None, action: action.or_decide_at(shows_at), held: Some(state) };
        }
        if let Some(cause) = held.cause_mut() {
            *cause = state.shown.clone();
        }
        Decision { held: Some(state), ..self.apply_deadline(held, self.wake_for_stalled(action)) }
    }

    /// When the last failure was. Without failures, the last read was of no use.
    fn failed_at(&self) -> Instant {
        let RetryState { read_trouble, call_trouble, refusals, .. } = &self.snapshot.attempt;
        let troubles = [read_trouble, call_trouble].into_iter().flatten().map(|trouble| trouble.failed_at);
        let failures = troubles.chain(refusals.as_ref().map(|refusals| refusals.failed_at));
        failures.max().or(self.snapshot.read_at).unwrap_or(self.now.mono)
    }

    /// Shows the held row, or `GaveUp` once the acceptance bound has passed, unless the export is suspended, its call
    /// was intended, or AWS shows or has shown an export whose owner is unclear.
    fn apply_deadline(&self, held: Held, action: Action) -> Decision {
        let bound = self.timing.acceptance_bound;
        let over = remaining_after(self.export.created, bound, self.now.wall).is_zero();
        let unclear = self.snapshot.evidence == Observation::Stale;
        if over && !(self.is_exempt_from_deadline() || held == Held::DestinationUnknown || unclear) {
            let gave_up = Outcome::GaveUp { held: Box::new(held), bound };
            return Decision { row: Some(Row::Final(gave_up)), action: Action::Done, held: None };
        }
        Decision { row: Some(Row::Held(held)), action, held: None }
    }

    fn is_exempt_from_deadline(&self) -> bool {
        self.intended() || self.export.options.suspend
    }

    /// A held row must be decided again when it becomes Stalled or reaches the acceptance bound.
    fn wake_for_stalled(&self, action: Action) -> Action {
        let bound = self.now.mono + remaining_after(self.export.created, self.timing.acceptance_bound, self.now.wall);
        let bound = Some(bound).filter(|_| !self.is_exempt_from_deadline());
        let troubles = [&self.snapshot.attempt.read_trouble, &self.snapshot.attempt.call_trouble];
        let stalls = troubles.into_iter().flatten().map(|trouble| trouble.since + self.timing.denial_stalled_after);
        let changes = stalls.chain(bound).filter(|at| *at > self.now.mono);
        changes.fold(action, Action::or_decide_at)
    }
}
