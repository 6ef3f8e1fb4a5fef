//! The transitions of claims, calls, held rows and quota waits.

use crate::api::request::Uid;
use crate::aws::failure::{CallFailure, FailureCategory, FailureClass};
use crate::state::retry::{call_backoff, count_rejection, extend_streak, read_backoff};
use crate::state::session::ReadHistory;
use crate::state::{CallRollback, Claim, FailureStreak, HeldState, RetryState, SessionState};
use tokio::time::Instant;

impl Claim {
    /// A call is about to be sent.
    const fn before_call(self) -> Self {
        match self {
            Self::None | Self::Taken | Self::Refused => Self::Taken,
            Self::Unanswered { .. } => Self::Unanswered { calling: true },
            Self::Accepted => Self::Accepted,
        }
    }

    /// No call was sent. `recorded` is true if the status records the intent.
    const fn without_call(self, recorded: bool) -> Self {
        match self {
            Self::Taken if recorded => Self::Refused,
            Self::Taken => Self::None,
            Self::Unanswered { .. } => Self::Unanswered { calling: false },
            Self::None | Self::Refused | Self::Accepted => self,
        }
    }

    /// The call has been sent.
    const fn during_call(self) -> Self {
        match self {
            Self::None | Self::Taken | Self::Unanswered { .. } | Self::Refused => Self::Unanswered { calling: true },
            Self::Accepted => Self::Accepted,
        }
    }

    /// The call has failed. `refused` is true if AWS has certainly accepted neither it nor an earlier one.
    const fn after_failed_call(self, refused: bool) -> Self {
        match self {
            Self::Taken | Self::Unanswered { .. } if refused => Self::Refused,
            Self::Taken | Self::Unanswered { .. } => Self::Unanswered { calling: false },
            Self::None | Self::Refused | Self::Accepted => self,
        }
    }
}

impl SessionState {
    /// Records a failed read.
    pub(crate) fn read_failed(&mut self, uid: &Uid, failure: &CallFailure, now: Instant) {
        let backoff = read_backoff(&self.timing, failure.class);
        if let Some(known) = self.known.get_mut(uid) {
            let last = known.attempt.read_trouble.take();
            known.attempt.read_trouble = Some(extend_streak(last, failure, backoff, now));
        }
    }

    /// Acquires the claim on the session and the `.zip`, until the call is answered.
    pub(crate) fn acquire_claim(&mut self, uid: &Uid) {
        self.change_claim(uid, Claim::before_call);
    }

    /// Releases a claim for which no call was sent. `recorded` is true if the status records the intent.
    pub(crate) fn release_claim(&mut self, uid: &Uid, recorded: bool) {
        self.change_claim(uid, |claim| claim.without_call(recorded));
    }

    /// Changes the claim of an object. Returns the old one; `None` if the object is unknown.
    fn change_claim(&mut self, uid: &Uid, change: impl FnOnce(Claim) -> Claim) -> Option<Claim> {
        self.change_object(uid, |known| {
            let claim = &mut known.standing.claim;
            std::mem::replace(claim, change(*claim))
        })
    }

    /// Records that the call is about to be sent: until the answer its outcome is unknown, and no earlier read counts.
    /// Returns the state before, for [`SessionState::call_failed`]; `None` if the object is unknown.
    pub(crate) fn call_begun(&mut self, uid: &Uid, now: Instant) -> Option<CallRollback> {
        let before = self.change_claim(uid, Claim::during_call)?;
        let unanswered = matches!(before, Claim::Unanswered { .. });
        let session = self.sessions.get_mut(&self.known.get(uid)?.target.arn)?;
        let begun = CallRollback { unanswered, marks: session.marks, begun: now };
        session.marks = ReadHistory { last_call: Some(now), ..ReadHistory::default() };
        for member in session.peers.uids() {
            if let Some(known) = self.known.get_mut(member) {
                known.attempt.foreign_since = None;
                known.attempt.drop_if_default();
            }
        }
        Some(begun)
    }

    /// Records that AWS accepted the call (200).
    pub(crate) fn call_accepted(&mut self, uid: &Uid, request_id: String) {
        self.change_object(uid, |known| {
            known.standing.claim = Claim::Accepted;
            known.attempt = RetryState { request_id: Some(request_id), ..RetryState::default() }.into();
        });
        if let Some(known) = self.known.get(uid)
            && let Some(session) = self.sessions.get_mut(&known.target.arn)
        {
            session.export_seen = true;
        }
    }

    /// Records a failed call. A refusal frees the claim, unless an earlier call is unanswered.
    pub(crate) fn call_failed(&mut self, uid: &Uid, before: &CallRollback, failure: &CallFailure, now: Instant) {
        let class = failure.class;
        let backoff = call_backoff(&self.timing, class);
        self.change_object(uid, |known| {
            known.attempt.refused_last = class.is_refusal();
            let claim = &mut known.standing.claim;
            *claim = claim.after_failed_call(class.is_refusal() && !before.unanswered);
        });
        let Some(known) = self.known.get_mut(uid) else { return };
        if let Some(session) = self.sessions.get_mut(&known.target.arn)
            && session.marks.last_call == Some(before.begun)
        {
            if !class.is_refusal() {
                // A read that began while the call was under way may have been answered before the call took effect.
                session.marks = ReadHistory { last_call: Some(now), ..ReadHistory::default() };
            } else if class.category() != FailureCategory::Request {
                // The refusal has nothing to do with the session's state: earlier reads count again.
                session.marks = before.marks;
            }
        }
        match class {
            FailureClass::Rejected | FailureClass::NotFound => {
                known.attempt.call_trouble = None;
                let last = known.attempt.refusals.take();
                known.attempt.refusals = Some(count_rejection(last, failure.detail.clone(), &self.timing, now));
            }
            FailureClass::Throttled
            | FailureClass::Unavailable
            | FailureClass::Unreachable
            | FailureClass::Credentials
            | FailureClass::AccessDenied => {
                let last = known.attempt.call_trouble.take();
                known.attempt.call_trouble = Some(extend_streak(last, failure, backoff, now));
            }
        }
        if known.standing.deleted && !known.standing.holds() {
            self.remove_object(uid);
        }
    }

    /// Records a denial of the same operation to other objects: this object waits without a try of its own. What AWS
    /// said to this object itself stays shown.
    pub(crate) fn set_denied(&mut self, uid: &Uid, reads: bool, mut trouble: FailureStreak) {
        if let Some(known) = self.known.get_mut(uid) {
            let slot = if reads { &mut known.attempt.read_trouble } else { &mut known.attempt.call_trouble };
            if let Some(own) = slot.take().filter(|own| own.class == trouble.class) {
                trouble.detail = own.detail;
            }
            *slot = Some(trouble);
        }
    }

    /// Records the held row that the object is in.
    pub(crate) fn set_held(&mut self, uid: &Uid, held: Option<HeldState>) {
        if let Some(known) = self.known.get_mut(uid) {
            known.attempt.held = held;
            known.attempt.drop_if_default();
        }
    }

    /// Records since when the object has waited for a quota slot. Returns when to reconcile it again: when RateLimited
    /// may be written.
    pub(crate) fn start_quota_wait(&mut self, uid: &Uid, since: Instant, now: Instant) -> Instant {
        let again = now + self.timing.held_status_delay;
        let Some(known) = self.known.get_mut(uid) else { return again };
        let attempt = &mut *known.attempt;
        if attempt.waiting_since.replace(since) != Some(since) {
            attempt.tells_at = None;
        }
        match attempt.tells_at {
            Some(tells_at) if now < tells_at => tells_at,
            Some(_) => again,
            None if now < since + self.timing.held_status_delay => since + self.timing.held_status_delay,
            None => *attempt.tells_at.insert(self.slots.reserve_slot(now)),
        }
    }

    /// Ends the quota wait: the slot is granted or no longer needed.
    pub(crate) fn end_quota_wait(&mut self, uid: &Uid) {
        if let Some(known) = self.known.get_mut(uid) {
            (known.attempt.waiting_since, known.attempt.tells_at) = (None, None);
            known.attempt.drop_if_default();
        }
    }
}
