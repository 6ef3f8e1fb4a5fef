//! The decision: (object, what is known, now) -> what to record and what to do next.
//!
//! Pure and synchronous: no IO, no clock, no environment. The stages stand in the order of precedence; the first
//! that has something to say ends the matter.

use super::evidence::{Evidence, Rival, Whose};
use super::memory::{Claim, Recollection, Trouble};
use super::request::Export;
use super::row::{Held, Outcome, Reason, Row};
use super::status::showable;
use crate::api::ExportStatus;
use crate::config::Timing;
use crate::streams::identifiers::{AccountId, OutputUri};
use crate::streams::observation::{ExportFilesStatus, ExportView, FailureFamily, SessionStatus, Source};
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
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing, unless the object changes.
    Rest,
    /// Nothing before this moment.
    Wait(Instant),
    /// Read the session.
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

    /// AWS shows an export.
    fn exported(&self) -> Option<Verdict> {
        let Evidence::Export { whose, shown, source } = &self.seen.evidence else { return None };
        if *source == Source::List && self.left_out(*whose, shown) {
            let row = self.accepted().then(|| self.promised()).flatten();
            return Some(Verdict { row, next: Next::LookAt(self.now.mono) });
        }
        Some(match whose {
            Whose::Ours => self.ours(shown),
            Whose::Anothers => self.anothers(shown),
            Whose::Rivals => self.conflict(shown),
            Whose::Unstated => match shown.status {
                ExportFilesStatus::Pending | ExportFilesStatus::Unknown => {
                    Verdict::held(Held::DestinationUnknown, self.look_in(self.observed.pace))
                }
                ExportFilesStatus::Succeeded | ExportFilesStatus::Failed => self.conflict(shown),
            },
        })
    }

    /// True if a list has left out what the matter turns on: a Get must tell.
    fn left_out(&self, whose: Whose, shown: &ExportView) -> bool {
        match (whose, shown.status) {
            (Whose::Anothers, _) | (Whose::Ours, ExportFilesStatus::Pending | ExportFilesStatus::Unknown) => false,
            (Whose::Unstated | Whose::Rivals, _) => true,
            (Whose::Ours, ExportFilesStatus::Succeeded) => shown.output_uri.is_none() && self.zip().is_none(),
            (Whose::Ours, ExportFilesStatus::Failed) => shown.reason.is_none(),
        }
    }

    /// The fixed key that is asked for, if it is one.
    fn zip(&self) -> Option<&OutputUri> {
        self.export.request.as_ref().ok().map(|request| &request.uri).filter(|uri| uri.is_zip())
    }

    fn ours(&self, shown: &ExportView) -> Verdict {
        let reported = shown.output_uri.as_deref().and_then(showable);
        match shown.status {
            ExportFilesStatus::Pending | ExportFilesStatus::Unknown => self.pending(),
            ExportFilesStatus::Succeeded => {
                let output_uri = reported.or_else(|| self.zip().map(OutputUri::to_string));
                Verdict::ended(Outcome::Exported { output_uri })
            }
            ExportFilesStatus::Failed => {
                let reason = shown.reason.clone().filter(|reason| !reason.trim().is_empty());
                Verdict::ended(Outcome::ExportFailed { reason, output_uri: reported })
            }
        }
    }

    /// Promised; nothing to do but to look from time to time.
    fn pending(&self) -> Verdict {
        let latest_end = self.latest_end();
        let overdue = remaining(latest_end, self.timing.overdue_after, self.now.wall).is_zero();
        let (row, every) =
            if overdue { (Row::Overdue, self.timing.overdue_look) } else { (Row::Pending, self.observed.pace) };
        Verdict { row: Some(row), next: self.look_in(every) }
    }

    /// Promised, and nothing new to tell: written only where the promise itself is not on record.
    fn promised(&self) -> Option<Row> {
        (!self.export.accepted()).then_some(Row::Pending)
    }

    /// The latest moment at which the session can end: its length after its creation, a day at most.
    fn latest_end(&self) -> Timestamp {
        const LONGEST_SESSION: Duration = Duration::from_secs(86_400);
        let view = self.seen.view.as_ref();
        let created = view
            .and_then(|view| view.created_at)
            .and_then(|at| Timestamp::try_from(at).ok())
            .or(self.export.status.request_time.as_ref().map(|time| time.0))
            .unwrap_or(self.now.wall);
        let length = view.and_then(|view| view.session_length).unwrap_or(LONGEST_SESSION);
        later(created, length)
    }

    /// Another destination. After an intent a lagging read may show what our own call has just replaced.
    fn anothers(&self, shown: &ExportView) -> Verdict {
        let settle = self.timing.settle_window;
        let confirmed = match (self.seen.attempt.foreign_since, self.seen.read_at) {
            (Some(first), Some(last)) => last.duration_since(first) >= settle,
            _ => false,
        };
        if confirmed || !(self.intended() || self.accepted()) {
            return self.conflict(shown);
        }
        let again = self.seen.attempt.foreign_since.map_or(self.now.mono, |first| first + settle);
        let row = self.accepted().then(|| self.promised()).flatten();
        Verdict { row, next: Next::LookAt(again) }
    }

    fn conflict(&self, shown: &ExportView) -> Verdict {
        let shown = self.accepted().then_some(match shown.status {
            ExportFilesStatus::Pending | ExportFilesStatus::Unknown => ExportStatus::Pending,
            ExportFilesStatus::Succeeded => ExportStatus::Succeeded,
            ExportFilesStatus::Failed => ExportStatus::Failed,
        });
        Verdict::ended(Outcome::ExportConflict { shown, rival: None })
    }

    /// No export, and none can be asked for any more; or AWS doesn't know the session.
    fn ended(&self) -> Option<Verdict> {
        match self.seen.evidence {
            Evidence::Missing { since, reads } => Some(self.missing(since, reads)),
            Evidence::Empty { status, ended_since } if status.is_over() => Some(self.over(ended_since)),
            Evidence::Stale if self.accepted() => Some(self.pending()),
            Evidence::Stale | Evidence::Unread | Evidence::Export { .. } | Evidence::Empty { .. } => None,
        }
    }

    fn over(&self, ended_since: Option<Instant>) -> Verdict {
        let settle = self.timing.settle_window;
        let confirmed = match (ended_since, self.seen.read_at) {
            (Some(first), Some(last)) => last.duration_since(first) >= settle,
            _ => false,
        };
        if self.accepted() {
            return self.pending();
        }
        if confirmed {
            return Verdict::ended(Outcome::SessionEnded);
        }
        let again = ended_since.map_or(self.now.mono, |first| first + settle);
        Verdict::held(Held::ConfirmingSessionEnd, Next::LookAt(again))
    }

    fn missing(&self, since: Instant, reads: u32) -> Verdict {
        let window = self.timing.not_found_window;
        let lasted = self.seen.read_at.is_some_and(|last| last.duration_since(since) >= window);
        if lasted && reads >= self.timing.not_found_reads {
            let outcome = if self.accepted() { Outcome::OutcomeUnknown } else { Outcome::SessionNotFound };
            return Verdict::ended(outcome);
        }
        let gap = window / self.timing.not_found_reads.saturating_sub(1).max(1);
        let row = if self.accepted() { self.promised() } else { Some(Row::Held(Held::ConfirmingSessionEnd)) };
        Verdict { row, next: self.look_in(gap) }
    }

    /// Nothing read that counts: read, unless that is what fails.
    fn unread(&self) -> Option<Verdict> {
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
    fn call_held(&self) -> Option<Row> {
        self.seen.attempt.call_trouble.and_then(|trouble| self.held_by(&trouble)).map(Row::Held)
    }

    /// The row of a failure; `None` for a rejected request that has not had its tries.
    fn held_by(&self, trouble: &Trouble) -> Option<Held> {
        let stalled = self.now.mono.duration_since(trouble.since) >= self.timing.denial_grace;
        match trouble.class.family() {
            FailureFamily::Service => Some(Held::ServiceUnavailable),
            FailureFamily::Credentials => Some(Held::CredentialsUnavailable { stalled }),
            FailureFamily::Denied => Some(Held::AccessDenied { stalled, operation: trouble.operation }),
            FailureFamily::Request => {
                (trouble.tries + 1 >= self.timing.rejected_tries).then_some(Held::RequestRejected { detail: None })
            }
        }
    }

    fn suspended(&self) -> Option<Verdict> {
        if self.accepted() {
            return Some(self.pending());
        }
        self.export.options.suspend.then(|| Verdict::held(Held::Suspended, self.look_in(self.observed.pace)))
    }

    fn not_yet_live(&self) -> Option<Verdict> {
        let Evidence::Empty { status, .. } = self.seen.evidence else { return None };
        let look = self.look_in(self.timing.activating_look);
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

    fn rivalled(&self) -> Option<Verdict> {
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
    fn rival_look(&self) -> Next {
        match self.look_in(self.observed.pace) {
            Next::LookAt(at) if at > self.now.mono => Next::Wait(at.min(self.now.mono + self.timing.settle_window)),
            next => next,
        }
    }

    /// An export was seen before, and this read does not show it: no usable answer.
    fn stale(&self) -> Option<Verdict> {
        let stale = self.seen.evidence == Evidence::Stale;
        stale.then(|| Verdict::held(Held::ServiceUnavailable, self.look_in(self.observed.pace)))
    }

    /// The session is live, nothing shows and nothing stands in the way: ask, once it is our turn.
    fn request(&self) -> Verdict {
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
    fn refused(&self) -> Option<Verdict> {
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

    fn look_in(&self, wait: Duration) -> Next {
        Next::LookAt(self.seen.read_at.map_or(self.now.mono, |at| at + wait))
    }
}

impl Scene<'_> {
    /// Applies what holds for every row: held ones show late, and not for ever.
    fn settle(&self, verdict: Verdict) -> Decision {
        let Verdict { row, next } = verdict;
        match row {
            Some(Row::Held(held)) => self.settle_held(held, next),
            row @ (None | Some(Row::Requesting | Row::Pending | Row::Overdue | Row::Final(_) | Row::AtRest)) => {
                self.settle_waiting(row, next)
            }
        }
    }

    /// Nothing holds it but, perhaps, the quota.
    fn settle_waiting(&self, row: Option<Row>, next: Next) -> Decision {
        let step = self.step(next);
        let waits = matches!(step, Step::Read | Step::AskTurn(_)) && row.is_none() && !self.accepted();
        let shows = |since: Instant| self.now.mono.duration_since(since) >= self.timing.held_after;
        match self.seen.attempt.waiting_since.filter(|_| waits) {
            Some(since) if shows(since) => {
                let row = self.bounded(Held::RateLimited);
                Decision {
                    step: if matches!(row, Row::Final(_)) { Step::Rest } else { step },
                    row: Some(row),
                    held: None,
                }
            }
            _ => Decision { row, step, held: None },
        }
    }

    fn settle_held(&self, held: Held, next: Next) -> Decision {
        let reason = held.reason();
        let since = match self.seen.attempt.held {
            Some((same, since)) if same == reason => since,
            _ => self.now.mono,
        };
        let shows_at = if held.shows_at_once() { since } else { since + self.timing.held_after };
        if self.now.mono < shows_at {
            let step = self.earlier(self.step(next), shows_at);
            return Decision { row: None, step, held: Some(reason) };
        }
        let row = self.bounded(held);
        let step = match row {
            Row::Final(_) => Step::Rest,
            Row::Held(_) | Row::Requesting | Row::Pending | Row::Overdue | Row::AtRest => {
                self.watchful(self.step(next))
            }
        };
        Decision { row: Some(row), step, held: Some(reason) }
    }

    /// The last of all rules: never accepted for longer than any session lives.
    fn bounded(&self, held: Held) -> Row {
        let over = remaining(self.export.created, self.timing.acceptance_bound, self.now.wall).is_zero();
        let exempt = self.unbounded() || held == Held::DestinationUnknown || self.seen.evidence == Evidence::Stale;
        if over && !exempt { Row::Final(Outcome::GaveUp(Box::new(held))) } else { Row::Held(held) }
    }

    fn unbounded(&self) -> bool {
        self.intended() || self.export.options.suspend
    }

    /// A held row that turns Stalled, or ends at the bound, must be looked at by then.
    fn watchful(&self, step: Step) -> Step {
        let bound = self.now.mono + remaining(self.export.created, self.timing.acceptance_bound, self.now.wall);
        let step = if self.unbounded() { step } else { self.earlier(step, bound) };
        let troubles = [self.seen.attempt.read_trouble, self.seen.attempt.call_trouble];
        let stalls = troubles.into_iter().flatten().map(|trouble| trouble.since + self.timing.denial_grace);
        stalls.filter(|at| *at > self.now.mono).fold(step, |step, at| self.earlier(step, at))
    }

    fn earlier(&self, step: Step, at: Instant) -> Step {
        match step {
            Step::Rest => Step::Wait(at),
            Step::Wait(then) => Step::Wait(then.min(at)),
            Step::AskTurn(then) => Step::AskTurn(then.min(at)),
            Step::Read | Step::Call | Step::Delete => step,
        }
    }

    fn step(&self, next: Next) -> Step {
        let now = self.now.mono;
        match next {
            Next::Rest => Step::Rest,
            Next::Wait(at) => Step::Wait(at),
            Next::LookAt(at) => {
                let at = self.seen.attempt.read_trouble.map_or(at, |trouble| at.max(trouble.retry_at));
                if at <= now { Step::Read } else { Step::Wait(at) }
            }
            Next::AskTurn => Step::AskTurn(now + self.timing.held_after),
            Next::Call => Step::Call,
            Next::Delete => Step::Delete,
        }
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
