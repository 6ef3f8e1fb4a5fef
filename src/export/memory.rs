//! What this process remembers of sessions and objects: readings, claims, ages and counts.
//!
//! Pure data: the clock is an argument, nothing here does IO. It is rebuilt from statuses and reads by every new
//! leader, and lives behind one lock, so that a claim is checked and taken in one step.

mod attempt;
mod calls;
mod recall;
mod session;
mod slots;

pub use attempt::{Attempt, Refusals, Trouble};
pub use recall::Recollection;
pub use session::BeforeCall;

use super::evidence::{Evidence, Whose};
use super::request::{Export, Uid};
use super::uids::Uids;
use crate::api::ExportStatus;
use crate::config::Timing;
use crate::streams::identifiers::{AccountId, OutputUri, SessionArn};
use crate::streams::observation::{FailureFamily, Reading, Source};
use attempt::Story;
use session::Session;
use slots::Slots;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
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
    /// Intended, but AWS refused, or two reads a consistency window apart show that nothing came of it: free again.
    Refused,
    /// AWS has promised the export: holds.
    Accepted,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) claim: Claim,
    /// About to call, or calling: an old quiet must not take the claim away meanwhile.
    taken: bool,
    /// A call, of this process or an earlier one, went out and its outcome is unknown.
    unanswered: bool,
    pub(super) finished: bool,
    pub(super) failed: bool,
    pub(super) deleted: bool,
    pub(super) attempt: Story,
}

impl Known {
    fn new(export: &Export, target: &Target) -> Self {
        Self {
            namespace: export.namespace.clone(),
            name: export.name.clone(),
            target: target.clone(),
            claim: Claim::None,
            taken: false,
            unanswered: false,
            finished: false,
            failed: false,
            deleted: false,
            attempt: Story::default(),
        }
    }

    /// Holds its session (or, if it lives, its `.zip`) against others.
    pub(super) fn holds(&self) -> bool {
        !self.failed && matches!(self.claim, Claim::Unanswered | Claim::Accepted)
    }

    pub(super) fn intended(&self) -> bool {
        self.claim != Claim::None
    }
}

/// Everything that one leadership remembers.
#[derive(Debug)]
pub struct Memory {
    timing: Timing,
    began: Instant,
    // Boxed: the free half of such a map should not cost as much as the other.
    known: HashMap<Uid, Box<Known>>,
    sessions: HashMap<SessionArn, Box<Session>>,
    zips: HashMap<(AccountId, OutputUri), Uids>,
    deleted: VecDeque<(Instant, Uid)>,
    slots: Slots,
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
            slots: Slots::new(now),
        }
    }

    /// Takes in an object as it is stored. What the process remembers outlives a status cleared by hand.
    pub fn learn(&mut self, export: &Export, target: &Target) {
        let known = self.known.entry(export.uid.clone()).or_insert_with(|| Box::new(Known::new(export, target)));
        // One that left the watch (a label edited) and came back.
        known.deleted = false;
        if known.finished && !export.finished() && known.claim != Claim::Accepted {
            // Cleared by hand after an end without acceptance: it begins anew, and its old intent lends no weight. Not
            // before: until its rivals have ended as well, that intent is a reason to doubt theirs.
            known.claim = Claim::None;
            known.unanswered = false;
        }
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
            known.attempt = Story::default();
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
    pub fn sharers(&self, arn: &SessionArn) -> Vec<Uid> {
        let living = |uid: &Uid| self.known.get(uid).is_some_and(|known| !known.deleted && !known.finished);
        self.members(arn).into_iter().filter(living).collect()
    }

    /// Namespace, name and target of an object.
    pub fn place(&self, uid: &str) -> Option<(Arc<str>, Arc<str>, &Target)> {
        self.known.get(uid).map(|known| (known.namespace.clone(), known.name.clone(), &known.target))
    }

    /// An object's turn has come: what was denied may be tried again. Returns its namespace and name.
    pub fn called(&mut self, uid: &str, now: Instant) -> Option<(Arc<str>, Arc<str>)> {
        let known = self.known.get_mut(uid)?;
        let Attempt { read_trouble, call_trouble, .. } = &mut *known.attempt;
        for trouble in [read_trouble, call_trouble].into_iter().flatten() {
            match trouble.class.family() {
                FailureFamily::Credentials | FailureFamily::Denied => trouble.retry_at = now,
                FailureFamily::Service | FailureFamily::Request => {}
            }
        }
        known.attempt.tidy();
        Some((known.namespace.clone(), known.name.clone()))
    }

    /// Takes in what AWS said of a session. An older read never undoes what a newer one showed, nor does a list take
    /// away what it merely leaves out. True if it tells anything new, so that the objects of the session must be
    /// looked at.
    pub fn read(&mut self, arn: &SessionArn, reading: Reading) -> bool {
        let listed = reading.source == Source::List;
        let troubled = self.troubled(arn);
        let Some(session) = self.sessions.get_mut(arn) else { return false };
        if listed && session.members.iter().all(|uid| self.known.get(uid).is_none_or(|known| known.finished)) {
            return false;
        }
        let older = session.reading.as_ref().is_some_and(|last| last.begun >= reading.begun);
        if older || (listed && session.says_less(&reading)) {
            if reading.found.as_ref().is_some_and(|view| view.export.is_some()) {
                session.saw_export();
            }
            if troubled && !older {
                self.clear_read_trouble(arn);
            }
            return troubled && !older;
        }
        let reading = session.with_known_facts(reading);
        let news = troubled || session.is_news(&reading);
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
        let settled = empty_since.is_some_and(|since| begun.duration_since(since) >= self.timing.consistency_window);
        session.keep(reading);
        let freed = settled && self.release_unanswered(arn);
        self.note_foreign(arn, begun, counts);
        self.clear_read_trouble(arn);
        news || freed
    }

    fn troubled(&self, arn: &SessionArn) -> bool {
        let mut members = self.sessions.get(arn).into_iter().flat_map(|session| session.members.iter());
        members.any(|uid| self.known.get(uid).is_some_and(|known| known.attempt.read_trouble.is_some()))
    }

    /// Two empty reads a consistency window apart: nothing came of any call so far. True if that frees anything.
    fn release_unanswered(&mut self, arn: &SessionArn) -> bool {
        let mut freed = false;
        for uid in self.members(arn) {
            let Some(known) = self.known.get_mut(&uid) else { continue };
            if known.claim == Claim::Unanswered && (known.deleted || !known.taken) {
                known.claim = Claim::Refused;
                known.unanswered = false;
                freed = true;
            }
            if known.deleted && known.claim != Claim::Accepted {
                self.remove(&uid);
                freed = true;
            }
        }
        freed
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
            known.attempt.tidy();
        }
    }

    fn clear_read_trouble(&mut self, arn: &SessionArn) {
        for uid in self.members(arn) {
            if let Some(known) = self.known.get_mut(&uid) {
                known.attempt.read_trouble = None;
                known.attempt.tidy();
            }
        }
    }

    fn members(&self, arn: &SessionArn) -> Vec<Uid> {
        self.sessions.get(arn).map(|session| session.members.iter().cloned().collect()).unwrap_or_default()
    }
}
