//! The decision: (object, what is known, now) -> what to record and what to do next.
//!
//! Pure and synchronous: no IO, no clock, no environment. The stages stand in the order of precedence; the first
//! that has something to say ends the matter.

mod asking;
mod aws;
mod settle;
mod sight;

use super::memory::{Claim, Recollection};
use super::request::Export;
use super::row::{Held, Outcome, Reason, Row};
use crate::config::Timing;
use crate::streams::identifiers::AccountId;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

/// One moment on both clocks: ages are measured on the monotonic one, dates on the other.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// This process's monotonic clock.
    pub mono: Instant,
    /// The wall clock.
    pub wall: Timestamp,
}

/// What may be done for an object, with whose authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// The rules cover it.
    Allowed,
    /// The spec is not what this version accepts (the cluster's CRD is laxer).
    Malformed {
        /// Field, and what it accepts.
        detail: String,
    },
    /// `spec.serviceAccountName`: not supported, and never replaced by the operator's own identity.
    ServiceAccount,
    /// An ARN of another account.
    OtherAccount {
        /// The account that the ARN names.
        named: AccountId,
        /// The account that the operator works for.
        ours: AccountId,
    },
    /// No rule covers it.
    Forbidden {
        /// The rule that would.
        missing_rule: String,
    },
}

/// Everything the decision is given beside the object.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Authority, by the administrator's rules.
    pub authority: Authority,
    /// What the process knows of session, claims and attempts.
    pub recollection: Recollection,
    /// True if a turn to call ExportStreamSessionFiles is in hand.
    pub turn: bool,
    /// How often an export that is merely pending is looked at, at the present load.
    pub pace: Duration,
}

/// What to record and do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The row that the status should show; `None` leaves it as it is. It is recorded before the step is taken.
    pub row: Option<Row>,
    /// The next step, once the row is on record.
    pub step: Step,
    /// The held row that the object is in, whether it shows already or not.
    pub held: Option<Reason>,
    /// The reading that it waits for, now or later.
    pub look: Option<Look>,
}

/// A reading that would move an object on. Whoever reads for many brings it; until then the object needs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When it is due.
    pub at: Instant,
    /// What kind of reading will do.
    pub sight: Sight,
    /// When the session must have ended, as far as that is known; a moment in the past if it has.
    pub ends: Option<Instant>,
    /// When to decide again though no reading has brought news.
    pub again: Option<Instant>,
}

/// What kind of reading an object waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// One that tells everything: GetStreamSession.
    Exact,
    /// Any that shows the session live. An export depends on it.
    First,
    /// The same, without hurry.
    Live,
    /// Any that shows the session live, and only from a list: it has its turn to wait for and would keep fresh what is
    /// known of it.
    Fresh,
    /// Any that shows the promised export.
    Pending,
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing, unless the object changes.
    Rest,
    /// Nothing before this moment, unless a reading brings news.
    Wait(Instant),
    /// Nothing but the reading that is due ([`Decision::look`]).
    Read,
    /// Ask for a turn to call; look again at the latest at this moment.
    AskTurn(Instant),
    /// Call ExportStreamSessionFiles, with the claim taken.
    Call,
    /// Delete the object: its time to live is over.
    Delete,
}

/// What a stage says.
struct Verdict {
    row: Option<Row>,
    next: Next,
}

/// When a stage wants to look again. Becomes a [`Step`] once trouble with reading is taken into account.
enum Next {
    Rest,
    Wait(Instant),
    LookAt(Instant),
    AskTurn,
    Call,
    Delete,
}

impl Verdict {
    fn held(held: Held, next: Next) -> Self {
        Self { row: Some(Row::Held(held)), next }
    }

    fn ended(outcome: Outcome) -> Self {
        Self { row: Some(Row::Final(outcome)), next: Next::Rest }
    }
}

/// Decides what to record and do for one object.
pub fn decide(export: &Export, observed: &Observed, now: Now, timing: &Timing) -> Decision {
    let scene = Scene { export, observed, seen: &observed.recollection, now, timing };
    let verdict = scene
        .finished()
        .or_else(|| scene.barred())
        .or_else(|| scene.exported())
        .or_else(|| scene.ended())
        .or_else(|| scene.unread())
        .or_else(|| scene.suspended())
        .or_else(|| scene.not_yet_live())
        .or_else(|| scene.rivalled())
        .or_else(|| scene.stale())
        .unwrap_or_else(|| scene.request());
    scene.settle(verdict)
}

struct Scene<'a> {
    export: &'a Export,
    observed: &'a Observed,
    seen: &'a Recollection,
    now: Now,
    timing: &'a Timing,
}

impl Scene<'_> {
    fn accepted(&self) -> bool {
        self.export.accepted() || self.seen.claim == Claim::Accepted
    }

    fn intended(&self) -> bool {
        self.export.intended() || self.seen.claim != Claim::None
    }

    fn finished(&self) -> Option<Verdict> {
        let completed = self.export.status.completion_time.as_ref()?.0;
        let next = match self.export.options.ttl {
            None => Next::Rest,
            Some(ttl) => {
                let left = remaining(completed, ttl, self.now.wall);
                if left.is_zero() { Next::Delete } else { Next::Wait(self.now.mono + left) }
            }
        };
        Some(Verdict { row: Some(Row::AtRest), next })
    }

    /// Objects that get nothing from the operator's own identity. What AWS has promised is left as it is recorded.
    fn barred(&self) -> Option<Verdict> {
        let held = match &self.observed.authority {
            Authority::Allowed => return None,
            Authority::Forbidden { .. } if self.intended() || self.accepted() => return None,
            Authority::Forbidden { missing_rule } => Held::DestinationForbidden { missing_rule: missing_rule.clone() },
            Authority::Malformed { detail } => Held::RequestRejected { detail: Some(detail.clone()) },
            Authority::ServiceAccount => Held::ServiceAccountNotSupported,
            Authority::OtherAccount { named, ours } => {
                Held::AccountMismatch { named: named.to_string(), ours: ours.to_string() }
            }
        };
        let row = (!self.accepted()).then_some(Row::Held(held));
        Some(Verdict { row, next: Next::Rest })
    }
}

/// What is left of `span` after `from`; zero once it is over, never negative.
fn remaining(from: Timestamp, span: Duration, now: Timestamp) -> Duration {
    Duration::try_from(later(from, span).duration_since(now)).unwrap_or_default()
}

fn later(from: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    from.checked_add(span).unwrap_or(Timestamp::MAX)
}
