//! The retry state of an object: failures, rejections, waits.

#[cfg(test)]
mod tests;

use crate::api::Reason;
use crate::aws::failure::{CallFailure, FailureCategory, FailureClass, FailureDetail};
use crate::aws::operation::Operation;
use crate::config::Timing;
use crate::runtime::backoff::ExponentialBackoff;
use std::ops::{Deref, DerefMut};
use std::time::Duration;
use tokio::time::Instant;

/// Consecutive failures of the same category, of reads or of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailureStreak {
    /// The last failure's class.
    pub class: FailureClass,
    /// AWS's name of the operation that failed.
    pub operation: Operation,
    /// The last failure's cause.
    pub detail: FailureDetail,
    /// Time of the first failure.
    pub since: Instant,
    /// Time of the last failure.
    pub failed_at: Instant,
    /// Number of failures after the first.
    pub tries: u32,
    /// Earliest next try.
    pub retry_at: Instant,
}

/// The held row that an object is in, whether its status shows it already or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldState {
    /// The row's reason.
    pub reason: Reason,
    /// The operation that the row names.
    pub operation: Option<Operation>,
    /// Since when it is held for this reason.
    pub since: Instant,
    /// The cause that the row shows.
    pub shown: FailureDetail,
    /// The cause of the last failure.
    pub last: FailureDetail,
    /// Since when all failures have had the cause `last`.
    pub last_since: Instant,
}

impl HeldState {
    /// The state of a row that is held from now on.
    pub(crate) fn new(reason: Reason, operation: Option<Operation>, cause: FailureDetail, now: Instant) -> Self {
        Self { reason, operation, since: now, shown: cause.clone(), last: cause, last_since: now }
    }

    /// The state after another decision for the same row, whose last failure was at `failed_at`. Another cause is shown
    /// once failures have had it for `delay`: causes that alternate, or texts that differ each time, are not written
    /// again and again.
    #[must_use]
    pub(crate) fn with_cause(self, cause: FailureDetail, failed_at: Instant, delay: Duration) -> Self {
        let last_since = if self.last == cause { self.last_since } else { failed_at };
        let shown = if failed_at.duration_since(last_since) >= delay { cause.clone() } else { self.shown };
        Self { shown, last: cause, last_since, ..self }
    }
}

/// Calls that AWS rejected although the session looked live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejections {
    /// Number of rejections.
    pub count: u32,
    /// The last rejection's cause.
    pub detail: FailureDetail,
    /// Time of the last rejection.
    pub failed_at: Instant,
    /// Earliest next try.
    pub retry_at: Instant,
}

/// Failures, rejections and waits of one object, which its status doesn't record.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RetryState {
    /// Failing reads of the session.
    pub read_trouble: Option<FailureStreak>,
    /// Failing calls.
    pub call_trouble: Option<FailureStreak>,
    /// Rejected calls.
    pub refusals: Option<Rejections>,
    /// Begin of the first read after the last call that showed a foreign export.
    pub foreign_since: Option<Instant>,
    /// The present held row.
    pub held: Option<HeldState>,
    /// Since when it has waited for a quota slot.
    pub waiting_since: Option<Instant>,
    /// When RateLimited may be written; set once the wait has lasted.
    pub tells_at: Option<Instant>,
    /// True if AWS refused the last call of this process.
    pub refused_last: bool,
    /// AWS's id of the accepted call, for the log and the Event.
    pub request_id: Option<String>,
}

/// A [`RetryState`] that is allocated only while it differs from the default, which is rare.
#[derive(Debug, Clone, Default)]
pub(crate) struct LazyRetryState(Option<Box<RetryState>>);

impl LazyRetryState {
    /// Frees the allocation if the state equals the default.
    pub(super) fn drop_if_default(&mut self) {
        if self.0.as_deref() == Some(&RetryState::EMPTY) {
            self.0 = None;
        }
    }
}

impl From<RetryState> for LazyRetryState {
    fn from(attempt: RetryState) -> Self {
        Self(Some(Box::new(attempt)))
    }
}

impl Deref for LazyRetryState {
    type Target = RetryState;

    fn deref(&self) -> &RetryState {
        self.0.as_deref().unwrap_or(&RetryState::EMPTY)
    }
}

impl DerefMut for LazyRetryState {
    fn deref_mut(&mut self) -> &mut RetryState {
        self.0.get_or_insert_default()
    }
}

impl RetryState {
    const EMPTY: Self = Self {
        read_trouble: None,
        call_trouble: None,
        refusals: None,
        foreign_since: None,
        held: None,
        waiting_since: None,
        tells_at: None,
        refused_last: false,
        request_id: None,
    };
}

/// The backoff of failed reads. A rejected read is retried as often as a rejected call.
pub(super) fn read_backoff(timing: &Timing, class: FailureClass) -> ExponentialBackoff {
    match class.category() {
        FailureCategory::Request => ExponentialBackoff {
            first: timing.rejected_window / timing.rejected_tries.max(1),
            longest: timing.rejected_retry,
        },
        FailureCategory::Service | FailureCategory::Credentials | FailureCategory::Denied => {
            call_backoff(timing, class)
        }
    }
}

/// The backoff of failed calls.
pub(super) fn call_backoff(timing: &Timing, class: FailureClass) -> ExponentialBackoff {
    match class {
        FailureClass::AccessDenied | FailureClass::Credentials => timing.denied_backoff(),
        FailureClass::Throttled
        | FailureClass::Unavailable
        | FailureClass::Unreachable
        | FailureClass::NotFound
        | FailureClass::Rejected => timing.retry_backoff(),
    }
}

pub(super) fn extend_streak(
    last: Option<FailureStreak>,
    failure: &CallFailure,
    backoff: ExponentialBackoff,
    now: Instant,
) -> FailureStreak {
    let CallFailure { class, operation, .. } = *failure;
    let detail = failure.detail.clone();
    let (since, tries) = match last {
        Some(last) if last.class.category() == class.category() => (last.since, last.tries + 1),
        Some(_) | None => (now, 0),
    };
    FailureStreak { class, operation, detail, since, failed_at: now, tries, retry_at: now + backoff.delay_after(tries) }
}

pub(super) fn count_rejection(
    last: Option<Rejections>,
    detail: FailureDetail,
    timing: &Timing,
    now: Instant,
) -> Rejections {
    // Rejections count together only if each follows the last one's retry time within `rejected_window`.
    let recent = |refusals: &Rejections| {
        refusals.count >= timing.rejected_tries || now <= refusals.retry_at + timing.rejected_window
    };
    let count = last.filter(recent).map_or(1, |last| last.count + 1);
    let wait = if count < timing.rejected_tries {
        timing.rejected_window / timing.rejected_tries.max(1)
    } else {
        timing.rejected_retry
    };
    Rejections { count, detail, failed_at: now, retry_at: now + wait }
}
