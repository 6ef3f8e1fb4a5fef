//! The retry state of an object: failures, rejections, waits.

use crate::api::Reason;
use crate::aws::model::{CallFailure, FailureCategory, FailureClass, FailureDetail};
use crate::aws::operation::Operation;
use crate::config::Timing;
use crate::runtime::backoff::ExponentialBackoff;
use std::ops::{Deref, DerefMut};
use tokio::time::Instant;

/// Consecutive failures of the same category, of reads or of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailureStreak {
    /// The last failure's class.
    pub class: FailureClass,
    /// AWS's name of the operation that failed.
    pub operation: Operation,
    /// What the status shows of the cause.
    pub detail: ShownDetail,
    /// Time of the first failure.
    pub since: Instant,
    /// Number of failures after the first.
    pub tries: u32,
    /// Earliest next try.
    pub retry_at: Instant,
}

/// What a status shows of the cause of failures in a row. Another cause is shown once it has been met twice in a row:
/// causes that alternate, or texts that differ each time, are not written again and again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShownDetail {
    shown: FailureDetail,
    /// That of the last failure.
    last: FailureDetail,
}

impl ShownDetail {
    /// The first failure's detail.
    pub(crate) fn new(detail: FailureDetail) -> Self {
        Self { shown: detail.clone(), last: detail }
    }

    /// What the status shows.
    pub(crate) fn shown(&self) -> &FailureDetail {
        &self.shown
    }

    fn after(self, detail: FailureDetail) -> Self {
        let shown = if detail == self.last { detail.clone() } else { self.shown };
        Self { shown, last: detail }
    }
}

/// Calls that AWS rejected although the session looked live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejections {
    /// Number of rejections.
    pub count: u32,
    /// What the status shows of the cause.
    pub detail: ShownDetail,
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
    /// The reason of the present held row, and since when it is held.
    pub held: Option<(Reason, Instant)>,
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
    let (since, tries, detail) = match last {
        Some(last) if last.class.category() == class.category() => {
            (last.since, last.tries + 1, last.detail.after(detail))
        }
        Some(_) | None => (now, 0, ShownDetail::new(detail)),
    };
    FailureStreak { class, operation, detail, since, tries, retry_at: now + backoff.delay_after(tries) }
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
    let (count, detail) = match last.filter(recent) {
        Some(last) => (last.count + 1, last.detail.after(detail)),
        None => (1, ShownDetail::new(detail)),
    };
    let wait = if count < timing.rejected_tries {
        timing.rejected_window / timing.rejected_tries.max(1)
    } else {
        timing.rejected_retry
    };
    Rejections { count, detail, retry_at: now + wait }
}
