//! Claims and calls: taken, begun, answered.

use super::attempt::{Backoff, one_more, worse};
use super::session::Marks;
use super::{Attempt, BeforeCall, Claim, Memory, Trouble};
use crate::export::request::Uid;
use crate::export::row::Reason;
use crate::streams::observation::{FailureClass, FailureFamily};
use tokio::time::Instant;

impl Memory {
    /// A read failed.
    pub fn read_failed(&mut self, uid: &Uid, class: FailureClass, operation: &'static str, now: Instant) {
        let wait = Backoff::of_read(&self.timing, class);
        if let Some(known) = self.known.get_mut(uid) {
            known.attempt.read_trouble = Some(worse(known.attempt.read_trouble, class, operation, wait, now));
        }
    }

    /// Takes the claim: from here until it is answered, the session and the `.zip` are this object's.
    pub fn claim(&mut self, uid: &Uid) {
        if let Some(known) = self.known.get_mut(uid)
            && known.claim != Claim::Accepted
        {
            known.claim = Claim::Unanswered;
            known.taken = true;
        }
    }

    /// Gives a claim back of which nothing was sent. `recorded`: its intent stands in the status.
    pub fn unclaim(&mut self, uid: &Uid, recorded: bool) {
        let Some(known) = self.known.get_mut(uid) else { return };
        known.taken = false;
        if known.claim == Claim::Unanswered && !known.unanswered {
            known.claim = if recorded { Claim::Refused } else { Claim::None };
        }
    }

    /// The call is about to be sent: from here until it is answered, nobody knows its outcome, and no earlier
    /// read counts. Returns how things stood, for [`Memory::call_failed`].
    pub fn call_begun(&mut self, uid: &Uid, now: Instant) -> Option<BeforeCall> {
        let known = self.known.get_mut(uid)?;
        let session = self.sessions.get_mut(&known.target.arn)?;
        let begun = BeforeCall { unanswered: known.unanswered, marks: session.marks, begun: now };
        known.unanswered = true;
        if known.claim != Claim::Accepted {
            known.claim = Claim::Unanswered;
            known.taken = true;
        }
        session.marks = Marks { last_call: Some(now), ..Marks::default() };
        for member in session.members.iter() {
            if let Some(known) = self.known.get_mut(member) {
                known.attempt.foreign_since = None;
                known.attempt.tidy();
            }
        }
        Some(begun)
    }

    /// AWS answered 200.
    pub fn call_accepted(&mut self, uid: &Uid, request_id: String) {
        let Some(known) = self.known.get_mut(uid) else { return };
        known.claim = Claim::Accepted;
        known.unanswered = false;
        known.taken = false;
        known.attempt = Attempt { request_id: Some(request_id), ..Attempt::default() }.into();
        if let Some(session) = self.sessions.get_mut(&known.target.arn) {
            session.export_seen = true;
        }
    }

    /// The call failed. A refusal frees the claim, unless an earlier call is unanswered.
    pub fn call_failed(
        &mut self,
        uid: &Uid,
        before: &BeforeCall,
        class: FailureClass,
        operation: &'static str,
        now: Instant,
    ) {
        let wait = Backoff::of(&self.timing, class);
        let timing = &self.timing;
        let Some(known) = self.known.get_mut(uid) else { return };
        known.taken = false;
        known.attempt.refused_last = class.is_refusal();
        if class.is_refusal() {
            known.unanswered = before.unanswered;
            if known.claim == Claim::Unanswered && !before.unanswered {
                known.claim = Claim::Refused;
            }
        }
        // Refused for reasons of its own, not for the session's state: what was read before still counts.
        if class.is_refusal()
            && class.family() != FailureFamily::Request
            && let Some(session) = self.sessions.get_mut(&known.target.arn)
            && session.marks.last_call == Some(before.begun)
        {
            session.marks = before.marks;
        }
        match class {
            FailureClass::Rejected | FailureClass::NotFound => {
                known.attempt.call_trouble = None;
                known.attempt.refusals = Some(one_more(known.attempt.refusals, timing, now));
            }
            FailureClass::Throttled
            | FailureClass::Unavailable
            | FailureClass::Unreachable
            | FailureClass::Credentials
            | FailureClass::AccessDenied => {
                known.attempt.call_trouble = Some(worse(known.attempt.call_trouble, class, operation, wait, now));
            }
        }
        if known.deleted && !known.holds() {
            self.remove(uid);
        }
    }

    /// Others are denied the same: this object waits with them without a try of its own.
    pub fn held_by_gate(&mut self, uid: &Uid, reads: bool, trouble: Trouble) {
        if let Some(known) = self.known.get_mut(uid) {
            let slot = if reads { &mut known.attempt.read_trouble } else { &mut known.attempt.call_trouble };
            *slot = Some(trouble);
        }
    }

    /// Remembers which held row the object is in; an unchanged one keeps its age.
    pub fn hold(&mut self, uid: &Uid, held: Option<Reason>, now: Instant) {
        if let Some(known) = self.known.get_mut(uid) {
            known.attempt.held = held.map(|reason| match known.attempt.held {
                Some((same, since)) if same == reason => (same, since),
                _ => (reason, now),
            });
            known.attempt.tidy();
        }
    }

    /// Remembers since when the object has waited for a turn. Returns when to look at it again: when that may be told.
    pub fn waits(&mut self, uid: &Uid, since: Instant, now: Instant) -> Instant {
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
            None => *attempt.tells_at.insert(self.slots.book(now)),
        }
    }

    /// It has its turn, or needs none any more.
    pub fn waits_no_more(&mut self, uid: &Uid) {
        if let Some(known) = self.known.get_mut(uid) {
            (known.attempt.waiting_since, known.attempt.tells_at) = (None, None);
            known.attempt.tidy();
        }
    }
}
