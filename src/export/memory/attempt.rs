//! What an object has tried and met: failures, refusals, ages.

use crate::config::Timing;
use crate::export::row::Reason;
use crate::streams::observation::{FailureClass, FailureFamily};
use std::ops::{Deref, DerefMut};
use std::time::Duration;
use tokio::time::Instant;

/// A failure that lasts, of reads or of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// The last failure's class.
    pub class: FailureClass,
    /// AWS's name of the operation that failed.
    pub operation: &'static str,
    /// When this class of failure began.
    pub since: Instant,
    /// Failures since then.
    pub tries: u32,
    /// Not before this again.
    pub retry_at: Instant,
}

/// Calls that AWS refused although the session looked live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusals {
    /// How many.
    pub count: u32,
    /// Not before this again.
    pub retry_at: Instant,
}

/// What the process knows of one object beyond its status.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attempt {
    /// Trouble with reading the session.
    pub read_trouble: Option<Trouble>,
    /// Trouble with the call.
    pub call_trouble: Option<Trouble>,
    /// Refusals of a live session.
    pub refusals: Option<Refusals>,
    /// Begin of the first read after the last call that showed another's export.
    pub foreign_since: Option<Instant>,
    /// The held row it is in, and since when.
    pub held: Option<(Reason, Instant)>,
    /// Since when it has waited for a turn.
    pub waiting_since: Option<Instant>,
    /// From when on that may be told, once it has lasted.
    pub tells_at: Option<Instant>,
    /// AWS refused the last call of this process.
    pub refused_last: bool,
    /// AWS's id of the accepted call, for the log and the Event.
    pub request_id: Option<String>,
}

/// An attempt that takes no room while there is nothing to tell, as with nearly all objects.
#[derive(Debug, Default)]
pub(in crate::export) struct Story(Option<Box<Attempt>>);

impl Story {
    /// Gives the room back if nothing is left to tell.
    pub(super) fn tidy(&mut self) {
        if self.0.as_deref() == Some(&Attempt::NOTHING) {
            self.0 = None;
        }
    }
}

impl From<Attempt> for Story {
    fn from(attempt: Attempt) -> Self {
        Self(Some(Box::new(attempt)))
    }
}

impl Deref for Story {
    type Target = Attempt;

    fn deref(&self) -> &Attempt {
        self.0.as_deref().unwrap_or(&Attempt::NOTHING)
    }
}

impl DerefMut for Story {
    fn deref_mut(&mut self) -> &mut Attempt {
        self.0.get_or_insert_default()
    }
}

impl Attempt {
    const NOTHING: Self = Self {
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

/// How long to wait after a failure: doubles from the first to the longest.
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// A read that AWS rejects is tried as often as a rejected call.
    pub(super) fn of_read(timing: &Timing, class: FailureClass) -> Self {
        match class.family() {
            FailureFamily::Request => {
                Self { first: timing.rejected_window / timing.rejected_tries.max(1), longest: timing.rejected_retry }
            }
            FailureFamily::Service | FailureFamily::Credentials | FailureFamily::Denied => Self::of(timing, class),
        }
    }

    pub(super) fn of(timing: &Timing, class: FailureClass) -> Self {
        match class {
            FailureClass::AccessDenied | FailureClass::Credentials => {
                Self { first: timing.denied_retry_min, longest: timing.denied_retry_max }
            }
            FailureClass::Throttled
            | FailureClass::Unavailable
            | FailureClass::Unreachable
            | FailureClass::NotFound
            | FailureClass::Rejected => Self { first: timing.retry_min, longest: timing.retry_max },
        }
    }

    pub(super) fn after(&self, tries: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(self.longest)
    }
}

pub(super) fn worse(
    last: Option<Trouble>,
    class: FailureClass,
    operation: &'static str,
    wait: Backoff,
    now: Instant,
) -> Trouble {
    let (since, tries) = match last {
        Some(last) if last.class.family() == class.family() => (last.since, last.tries + 1),
        _ => (now, 0),
    };
    Trouble { class, operation, since, tries, retry_at: now + wait.after(tries) }
}

pub(super) fn one_more(last: Option<Refusals>, timing: &Timing, now: Instant) -> Refusals {
    // Tries long ago don't add up: it takes so many within a minute or so.
    let recent = |refusals: &Refusals| {
        refusals.count >= timing.rejected_tries || now <= refusals.retry_at + timing.rejected_window
    };
    let count = last.filter(recent).map_or(0, |refusals| refusals.count) + 1;
    let wait = if count < timing.rejected_tries {
        timing.rejected_window / timing.rejected_tries.max(1)
    } else {
        timing.rejected_retry
    };
    Refusals { count, retry_at: now + wait }
}
