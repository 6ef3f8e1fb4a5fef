//! The decision: (object, snapshot, now) -> the row to record and the next action.
//!
//! Pure and synchronous: no IO, no clock, no environment. The stages are in order of precedence; the first one that
//! returns `Some` decides.

pub(crate) mod existing_export;
pub(crate) mod hold;
pub(crate) mod next_read;
pub(crate) mod request;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;

use crate::api::request::Export;
use crate::authorization::Uncovered;
use crate::config::Timing;
use crate::export::status::row::{Held, Outcome, Row};
use crate::polling::request::ReadRequest;
use crate::state::{Claim, HeldState, Snapshot};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

/// One moment on both clocks: ages are measured on the monotonic clock, dates on the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// This process's monotonic clock.
    pub mono: Instant,
    /// The wall clock.
    pub wall: Timestamp,
}

/// The inputs of the decision beside the object itself, which the rules cover.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    /// True if the rules allow a new request; otherwise only an earlier request is followed to its end.
    pub may_request: bool,
    /// The state of session, claims and retries.
    pub snapshot: Snapshot,
    /// True if the reconcile holds a quota permit for ExportStreamSessionFiles.
    pub has_permit: bool,
    /// Poll interval of a pending export at the present load.
    pub poll_interval: Duration,
}

/// The row to record and the action to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The row that the status should show, written before the action; `None` leaves the status as it is.
    pub row: Option<Row>,
    /// The next action, once the row is recorded.
    pub action: Action,
    /// The held row that the object is in, whether the status shows it already or not.
    pub held: Option<HeldState>,
}

/// The next action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing, unless the object changes.
    Done,
    /// Nothing before this moment, unless the object changes or is requeued.
    WaitUntil(Instant),
    /// Subscribe to the read. The poller makes it when it is due, and requeues the object if it changes the decision.
    AwaitRead(ReadRequest),
    /// Reserve quota for the call.
    ReserveCall {
        /// When to decide again at the latest.
        deadline: Instant,
        /// Keeps the observation fresh meanwhile.
        refresh: ReadRequest,
    },
    /// Call ExportStreamSessionFiles; the claim is acquired with the decision.
    Call,
    /// Delete the object: its TTL has expired.
    Delete,
}

impl Action {
    /// The same action, but decide again at `at` at the latest. A call and a deletion lead to another decision anyway.
    fn or_decide_at(self, at: Instant) -> Self {
        match self {
            Self::Done => Self::WaitUntil(at),
            Self::WaitUntil(then) => Self::WaitUntil(then.min(at)),
            Self::AwaitRead(read) => {
                let again = read.decide_again_at.map_or(at, |then| then.min(at));
                Self::AwaitRead(ReadRequest { decide_again_at: Some(again), ..read })
            }
            Self::ReserveCall { deadline, refresh } => Self::ReserveCall { deadline: deadline.min(at), refresh },
            Self::Call | Self::Delete => self,
        }
    }

    /// The action's name, for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::WaitUntil(_) => "WaitUntil",
            Self::AwaitRead(_) => "AwaitRead",
            Self::ReserveCall { .. } => "ReserveCall",
            Self::Call => "Call",
            Self::Delete => "Delete",
        }
    }

    /// The read that the object subscribes to.
    pub(crate) fn read(&self) -> Option<&ReadRequest> {
        match self {
            Self::AwaitRead(read) | Self::ReserveCall { refresh: read, .. } => Some(read),
            Self::Done | Self::WaitUntil(_) | Self::Call | Self::Delete => None,
        }
    }

    /// When to decide again if nothing changes before; `None` if only a change or a read leads to a decision.
    pub(crate) fn decide_again_at(&self) -> Option<Instant> {
        match self {
            Self::WaitUntil(at) | Self::ReserveCall { deadline: at, .. } => Some(*at),
            Self::AwaitRead(read) => read.decide_again_at,
            Self::Done | Self::Call | Self::Delete => None,
        }
    }

    /// True if the object waits for quota: for a read that is due, or for the call.
    pub(crate) fn awaits_quota(&self, now: Instant) -> bool {
        match self {
            Self::AwaitRead(read) => read.due <= now,
            Self::ReserveCall { .. } => true,
            Self::Done | Self::WaitUntil(_) | Self::Call | Self::Delete => false,
        }
    }
}

/// The result of a check.
struct CheckResult {
    row: Option<Row>,
    action: Action,
}

impl CheckResult {
    fn held_result(held: Held, action: Action) -> Self {
        Self { row: Some(Row::Held(held)), action }
    }

    fn final_result(outcome: Outcome) -> Self {
        Self { row: Some(Row::Final(outcome)), action: Action::Done }
    }
}

/// How long a finished object is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    /// Without limit: no TTL is set.
    Keep,
    /// Until its TTL expires at this moment.
    Until(Instant),
    /// No longer: its TTL has expired.
    Delete,
}

/// What to do with an object that no rule covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// The object has finished.
    Finished(Retention),
    /// The status claims an earlier request, truly or not: the status is left unchanged.
    StatusUnchanged(Held),
    /// Nothing has been requested: the status shows why.
    Shown {
        /// A held row, or `GaveUp` after the acceptance bound.
        row: Row,
        /// When the acceptance bound is reached; `None` if it has passed or does not apply.
        again: Option<Instant>,
    },
}

/// Decides what to do with an object that no rule covers. It causes no reads, claims or entries in the state.
pub(crate) fn decide_uncovered(export: &Export, why: &Uncovered, now: Now, timing: &Timing) -> Withheld {
    if let Some(retention) = retention(export, now) {
        return Withheld::Finished(retention);
    }
    let held = held_because(why);
    if export.requested() {
        return Withheld::StatusUnchanged(held);
    }
    let bound = timing.acceptance_bound;
    match remaining_after(export.created, bound, now.wall) {
        _ if export.options.suspend => Withheld::Shown { row: Row::Held(held), again: None },
        Duration::ZERO => {
            let gave_up = Outcome::GaveUp { held: Box::new(held), bound };
            Withheld::Shown { row: Row::Final(gave_up), again: None }
        }
        left => Withheld::Shown { row: Row::Held(held), again: Some(now.mono + left) },
    }
}

fn held_because(why: &Uncovered) -> Held {
    match why {
        Uncovered::Malformed { detail } => Held::SpecRejected { problem: detail.clone() },
        Uncovered::ServiceAccount => Held::ServiceAccountNotSupported,
        Uncovered::OtherAccount { named } => Held::AccountMismatch { named: named.to_string() },
        Uncovered::Forbidden { missing_rule } => {
            Held::DestinationForbidden { missing_rule: Some(missing_rule.clone()) }
        }
        Uncovered::Retired => Held::DestinationForbidden { missing_rule: None },
    }
}

/// Returns how long a finished object is kept; `None` if it has not finished.
fn retention(export: &Export, now: Now) -> Option<Retention> {
    let completed = export.status.completion_time.as_ref()?.0;
    Some(match export.options.ttl.map(|ttl| remaining_after(completed, ttl, now.wall)) {
        None => Retention::Keep,
        Some(Duration::ZERO) => Retention::Delete,
        Some(left) => Retention::Until(now.mono + left),
    })
}

/// Decides what to record and do for one object that the rules cover.
pub(crate) fn decide(export: &Export, observed: &Observed, now: Now, timing: &Timing) -> Decision {
    let input = DecisionInput { export, observed, snapshot: &observed.snapshot, now, timing };
    let result = input
        .check_finished()
        .or_else(|| input.check_existing_export())
        .or_else(|| input.check_session_over())
        .or_else(|| input.check_readable())
        .or_else(|| input.check_suspended())
        .or_else(|| input.check_activating())
        .or_else(|| input.check_conflicting_export())
        .or_else(|| input.check_stale_read())
        .unwrap_or_else(|| input.request_export());
    input.finalize(result)
}

struct DecisionInput<'a> {
    /// Spec and recorded status.
    export: &'a Export,
    /// Everything else the caller passed in.
    observed: &'a Observed,
    /// `observed.snapshot`.
    snapshot: &'a Snapshot,
    /// The moment of the decision.
    now: Now,
    /// Configured intervals and bounds.
    timing: &'a Timing,
}

impl DecisionInput<'_> {
    fn accepted(&self) -> bool {
        self.export.accepted() || self.snapshot.claim == Claim::Accepted
    }

    fn intended(&self) -> bool {
        self.export.intended() || self.snapshot.claim != Claim::None
    }

    /// True if the last read began `span` or more after `since`, the begin of the first read that showed the same.
    fn read_again_after(&self, since: Option<Instant>, span: Duration) -> bool {
        since.zip(self.snapshot.read_at).is_some_and(|(first, last)| last.duration_since(first) >= span)
    }

    /// When a read is due that follows the last one after `wait`; at once if there was none.
    fn next_read_at(&self, wait: Duration) -> Instant {
        self.snapshot.read_at.map_or(self.now.mono, |at| at + wait)
    }

    fn check_finished(&self) -> Option<CheckResult> {
        let action = match retention(self.export, self.now)? {
            Retention::Keep => Action::Done,
            Retention::Until(at) => Action::WaitUntil(at),
            Retention::Delete => Action::Delete,
        };
        Some(CheckResult { row: Some(Row::Unchanged), action })
    }
}

/// The time from `now` until `from + span`; zero once that has passed.
fn remaining_after(from: Timestamp, span: Duration, now: Timestamp) -> Duration {
    Duration::try_from(saturating_add(from, span).duration_since(now)).unwrap_or_default()
}

fn saturating_add(from: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    from.checked_add(span).unwrap_or(Timestamp::MAX)
}
