//! What this process remembers of sessions and objects: readings, claims, ages and counts.
//!
//! Pure data: the clock is an argument, nothing here does IO. It is rebuilt from statuses and reads by every new
//! leader, and lives behind one lock, so that a claim is checked and taken in one step.

use super::evidence::{Evidence, Rival, Whose, whose};
use super::request::{Export, Uid};
use super::row::Reason;
use crate::api::ExportStatus;
use crate::config::Timing;
use crate::streams::identifiers::{AccountId, OutputUri, SessionArn};
use crate::streams::observation::{FailureClass, FailureFamily, Reading, SessionView};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What an object asks for, named in full.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The session.
    pub arn: SessionArn,
    /// The destination.
    pub uri: OutputUri,
}

/// An object's hold on its session and, for a `.zip`, on its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Claim {
    /// Never intended.
    #[default]
    None,
    /// Intended, and AWS may have accepted: holds.
    Unanswered,
    /// Intended, but AWS refused, or two reads a settle window apart show that nothing came of it: free again.
    Refused,
    /// AWS has promised the export: holds.
    Accepted,
}

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
#[derive(Debug, Clone, Default)]
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
    /// AWS refused the last call of this process.
    pub refused_last: bool,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) claim: Claim,
    /// The claim before it was last taken: what an untouched one goes back to.
    before: Claim,
    /// A call, of this process or an earlier one, went out and its outcome is unknown.
    unanswered: bool,
    pub(super) finished: bool,
    pub(super) failed: bool,
    pub(super) deleted: bool,
    pub(super) attempt: Attempt,
}

impl Known {
    /// Holds its session (or, if it lives, its `.zip`) against others.
    pub(super) fn holds(&self) -> bool {
        !self.failed && matches!(self.claim, Claim::Unanswered | Claim::Accepted)
    }

    pub(super) fn intended(&self) -> bool {
        self.claim != Claim::None
    }
}

#[derive(Debug, Default)]
struct Session {
    members: BTreeSet<Uid>,
    reading: Option<Reading>,
    export_seen: bool,
    marks: Marks,
}

/// How long what has been going on, as far as reads begun after the last call tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Marks {
    last_call: Option<Instant>,
    empty_since: Option<Instant>,
    ended_since: Option<Instant>,
    missing: Option<(Instant, u32)>,
}

/// How things stood before a call went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeforeCall {
    unanswered: bool,
    marks: Marks,
    begun: Instant,
}

impl Session {
    fn counts(&self, begun: Instant) -> bool {
        self.marks.last_call.is_none_or(|call| begun > call)
    }
}

/// Everything that one leadership remembers.
#[derive(Debug)]
pub struct Memory {
    timing: Timing,
    began: Instant,
    known: HashMap<Uid, Known>,
    sessions: HashMap<SessionArn, Session>,
    zips: HashMap<(AccountId, OutputUri), BTreeSet<Uid>>,
    deleted: VecDeque<(Instant, Uid)>,
}

/// What memory holds of one object at one moment: the decision's view of the world.
#[derive(Debug, Clone)]
pub struct Recollection {
    /// What AWS says.
    pub evidence: Evidence,
    /// When the read behind the evidence began.
    pub read_at: Option<Instant>,
    /// The session as last read.
    pub view: Option<SessionView>,
    /// When this process last called for the session.
    pub last_call: Option<Instant>,
    /// This object's claim.
    pub claim: Claim,
    /// Others on the same session or `.zip`.
    pub rival: Rival,
    /// Ages and counts.
    pub attempt: Attempt,
}

impl Memory {
    /// Empty, as a new leader starts.
    pub fn new(timing: Timing, now: Instant) -> Self {
        Self {
            timing,
            began: now,
            known: HashMap::new(),
            sessions: HashMap::new(),
            zips: HashMap::new(),
            deleted: VecDeque::new(),
        }
    }

    /// Takes in an object as it is stored. What the process remembers outlives a status cleared by hand.
    pub fn learn(&mut self, export: &Export, target: &Target) {
        let known = self.known.entry(export.uid.clone()).or_insert_with(|| Known {
            namespace: export.namespace.clone(),
            name: export.name.clone(),
            target: target.clone(),
            claim: Claim::None,
            before: Claim::None,
            unanswered: false,
            finished: false,
            failed: false,
            deleted: false,
            attempt: Attempt::default(),
        });
        // One that left the watch (a label edited) and came back.
        known.deleted = false;
        known.finished = export.finished();
        let failed = export.finished() && export.status.export_status == Some(ExportStatus::Failed);
        // AWS's FAILED is for ever, also when the status is cleared by hand; ours is not.
        known.failed = failed || (known.failed && known.claim == Claim::Accepted);
        if export.accepted() {
            known.claim = Claim::Accepted;
        } else if export.intended() && known.claim == Claim::None {
            known.claim = Claim::Unanswered;
            known.unanswered = true;
        }
        if known.finished {
            known.attempt = Attempt::default();
        }
        let seen = known.claim == Claim::Accepted && !known.finished;
        let session = self.sessions.entry(target.arn.clone()).or_default();
        session.members.insert(export.uid.clone());
        session.export_seen |= seen;
        if target.uri.is_zip() {
            let zip = (target.arn.account.clone(), target.uri.clone());
            self.zips.entry(zip).or_default().insert(export.uid.clone());
        }
    }

    /// An object is gone. Its claim on the session stays until AWS shows what became of it; its `.zip` is free.
    pub fn forget(&mut self, uid: &Uid, now: Instant) {
        let Some(known) = self.known.get_mut(uid) else { return };
        known.deleted = true;
        let zip = (known.target.arn.account.clone(), known.target.uri.clone());
        if let Some(others) = self.zips.get_mut(&zip) {
            others.remove(uid);
            if others.is_empty() {
                self.zips.remove(&zip);
            }
        }
        if known.finished || !known.holds() {
            self.remove(uid);
        } else {
            self.deleted.push_back((now, uid.clone()));
        }
        self.drop_oldest_deleted(now);
    }

    /// A session lasts a day at most: what was deleted longer ago can't matter any more.
    fn drop_oldest_deleted(&mut self, now: Instant) {
        let bound = self.timing.acceptance_bound + self.timing.overdue_after;
        while self.deleted.front().is_some_and(|(at, _)| now.duration_since(*at) > bound) {
            if let Some((_, uid)) = self.deleted.pop_front()
                && self.known.get(&uid).is_some_and(|known| known.deleted)
            {
                self.remove(&uid);
            }
        }
    }

    fn remove(&mut self, uid: &Uid) {
        let Some(known) = self.known.remove(uid) else { return };
        if let Some(session) = self.sessions.get_mut(&known.target.arn) {
            session.members.remove(uid);
            if session.members.is_empty() {
                self.sessions.remove(&known.target.arn);
            }
        }
    }

    /// The living, unfinished objects of a session: all are served by one read.
    pub fn sharers(&self, arn: &SessionArn) -> Vec<(Arc<str>, Arc<str>)> {
        let Some(session) = self.sessions.get(arn) else { return Vec::new() };
        let living = session.members.iter().filter_map(|uid| self.known.get(uid)).filter(|k| !k.deleted && !k.finished);
        living.map(|known| (known.namespace.clone(), known.name.clone())).collect()
    }

    /// How many objects are read again and again.
    pub fn unfinished(&self) -> usize {
        self.known.values().filter(|known| !known.finished && !known.deleted).count()
    }

    /// Takes in what AWS said of a session. An older read never undoes what a newer one showed.
    pub fn read(&mut self, arn: &SessionArn, reading: Reading) {
        let Some(session) = self.sessions.get_mut(arn) else { return };
        if session.reading.as_ref().is_some_and(|last| last.begun >= reading.begun) {
            if reading.found.as_ref().is_some_and(|view| view.export.is_some()) {
                session.saw_export();
            }
            return;
        }
        let counts = session.counts(reading.begun);
        let begun = reading.begun;
        match reading.found.as_ref() {
            None if counts => {
                let (since, reads) = session.marks.missing.unwrap_or((begun, 0));
                session.marks.missing = Some((since, reads + 1));
            }
            None => {}
            Some(view) => session.note(view, begun, counts),
        }
        let empty = !session.export_seen && reading.found.is_some();
        let empty_since = session.marks.empty_since.filter(|_| empty);
        let settled = empty_since.is_some_and(|since| begun.duration_since(since) >= self.timing.settle_window);
        session.reading = Some(reading);
        if settled {
            self.release_unanswered(arn);
        }
        self.note_foreign(arn, begun, counts);
        self.clear_read_trouble(arn);
    }

    /// Two empty reads a settle window apart: nothing came of any call so far.
    fn release_unanswered(&mut self, arn: &SessionArn) {
        for uid in self.members(arn) {
            let Some(known) = self.known.get_mut(&uid) else { continue };
            if known.claim == Claim::Unanswered {
                known.claim = Claim::Refused;
                known.unanswered = false;
            }
            if known.deleted && known.claim != Claim::Accepted {
                self.remove(&uid);
            }
        }
    }

    fn note_foreign(&mut self, arn: &SessionArn, begun: Instant, counts: bool) {
        for uid in self.members(arn) {
            let foreign = matches!(self.evidence(&uid), Evidence::Export { whose: Whose::Anothers, .. });
            let Some(known) = self.known.get_mut(&uid) else { continue };
            known.attempt.foreign_since = match (foreign, counts) {
                (true, true) => known.attempt.foreign_since.or(Some(begun)),
                (true, false) => known.attempt.foreign_since,
                (false, _) => None,
            };
        }
    }

    fn clear_read_trouble(&mut self, arn: &SessionArn) {
        for uid in self.members(arn) {
            if let Some(known) = self.known.get_mut(&uid) {
                known.attempt.read_trouble = None;
            }
        }
    }

    fn members(&self, arn: &SessionArn) -> Vec<Uid> {
        self.sessions.get(arn).map(|session| session.members.iter().cloned().collect()).unwrap_or_default()
    }

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
            if known.claim != Claim::Unanswered {
                known.before = known.claim;
            }
            known.claim = Claim::Unanswered;
        }
    }

    /// Gives an untouched claim back: the intent is not on record, and nothing was sent.
    pub fn unclaim(&mut self, uid: &Uid) {
        if let Some(known) = self.known.get_mut(uid)
            && known.claim == Claim::Unanswered
            && !known.unanswered
        {
            known.claim = known.before;
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
        }
        session.marks = Marks { last_call: Some(now), ..Marks::default() };
        for member in &session.members {
            if let Some(known) = self.known.get_mut(member) {
                known.attempt.foreign_since = None;
            }
        }
        Some(begun)
    }

    /// AWS answered 200.
    pub fn call_accepted(&mut self, uid: &Uid) {
        let Some(known) = self.known.get_mut(uid) else { return };
        known.claim = Claim::Accepted;
        known.unanswered = false;
        known.attempt = Attempt::default();
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
        }
    }

    /// Remembers since when the object has waited for a turn.
    pub fn wait(&mut self, uid: &Uid, since: Option<Instant>) {
        if let Some(known) = self.known.get_mut(uid) {
            known.attempt.waiting_since = since;
        }
    }

    /// Everything the decision may know of one object.
    pub fn recall(&self, uid: &Uid, now: Instant) -> Option<Recollection> {
        let known = self.known.get(uid)?;
        let session = self.sessions.get(&known.target.arn)?;
        Some(Recollection {
            evidence: self.evidence(uid),
            read_at: session.reading.as_ref().map(|reading| reading.begun),
            view: session.reading.as_ref().and_then(|reading| reading.found.clone()),
            last_call: session.marks.last_call,
            claim: known.claim,
            rival: self.rival(uid, known, session, now),
            attempt: known.attempt.clone(),
        })
    }

    fn evidence(&self, uid: &Uid) -> Evidence {
        let Some(known) = self.known.get(uid) else { return Evidence::Unread };
        let Some(session) = self.sessions.get(&known.target.arn) else { return Evidence::Unread };
        let Some(reading) = session.reading.as_ref().filter(|reading| session.counts(reading.begun)) else {
            return Evidence::Unread;
        };
        let Some(view) = reading.found.as_ref() else {
            return session.marks.missing.map_or(Evidence::Unread, |(since, reads)| Evidence::Missing { since, reads });
        };
        match &view.export {
            Some(export) => {
                let others = session.members.iter().filter(|other| *other != uid).filter_map(|o| self.known.get(o));
                Evidence::Export { whose: whose(known, export, others), shown: export.clone(), source: reading.source }
            }
            None if session.export_seen => Evidence::Stale,
            None => Evidence::Empty { status: view.status, ended_since: session.marks.ended_since },
        }
    }

    fn rival(&self, uid: &Uid, known: &Known, session: &Session, now: Instant) -> Rival {
        let zip = (known.target.arn.account.clone(), known.target.uri.clone());
        let same_zip = self.zips.get(&zip).into_iter().flatten();
        let others: BTreeSet<&Uid> = session.members.iter().chain(same_zip).filter(|other| *other != uid).collect();
        let new_leader = now < self.began + self.timing.settle_window;
        let mut worst = Rival::None;
        for other in others.into_iter().filter_map(|other| self.known.get(other)) {
            let name = (other.namespace == known.namespace).then(|| other.name.to_string());
            let conflicting = other.claim == Claim::Accepted && other.target != known.target;
            if other.holds() && conflicting {
                return Rival::Accepted { name };
            }
            if other.holds() || (new_leader && !other.finished && !other.deleted) {
                worst = Rival::Undecided { name };
            }
        }
        worst
    }
}

impl Session {
    fn saw_export(&mut self) {
        self.export_seen = true;
        self.marks.empty_since = None;
        self.marks.ended_since = None;
    }

    fn note(&mut self, view: &SessionView, begun: Instant, counts: bool) {
        let marks = &mut self.marks;
        marks.missing = None;
        if view.export.is_some() {
            self.saw_export();
        } else if counts && !self.export_seen {
            marks.empty_since.get_or_insert(begun);
            if view.status.is_over() {
                marks.ended_since.get_or_insert(begun);
            } else {
                marks.ended_since = None;
            }
        }
    }
}

/// How long to wait after a failure: doubles from the first to the longest.
struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// A read that AWS rejects is tried as often as a rejected call.
    fn of_read(timing: &Timing, class: FailureClass) -> Self {
        match class.family() {
            FailureFamily::Request => {
                Self { first: timing.rejected_window / timing.rejected_tries.max(1), longest: timing.rejected_retry }
            }
            FailureFamily::Service | FailureFamily::Credentials | FailureFamily::Denied => Self::of(timing, class),
        }
    }

    fn of(timing: &Timing, class: FailureClass) -> Self {
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

    fn after(&self, tries: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(self.longest)
    }
}

fn worse(last: Option<Trouble>, class: FailureClass, operation: &'static str, wait: Backoff, now: Instant) -> Trouble {
    let (since, tries) = match last {
        Some(last) if last.class.family() == class.family() => (last.since, last.tries + 1),
        _ => (now, 0),
    };
    Trouble { class, operation, since, tries, retry_at: now + wait.after(tries) }
}

fn one_more(last: Option<Refusals>, timing: &Timing, now: Instant) -> Refusals {
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
