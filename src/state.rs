//! The state of sessions and exports in this process: reads, claims, ages and counts.
//!
//! Owns: that data, behind one lock, so that checking and acquiring a claim are atomic. Every new leader rebuilds it
//! from statuses and reads. Never: does IO or reads a clock (the time is an argument).

pub(crate) mod claim;
pub(crate) mod first_reading;
pub(crate) mod ownership;
pub(crate) mod peers;
pub(crate) mod retry;
pub(crate) mod session;
pub(crate) mod snapshot;
pub(crate) mod status_write_pacer;
#[cfg(test)]
mod tests;

pub(super) use peers::{Peers, Standing};
pub(crate) use retry::{FailureStreak, HeldState, RetryState};
pub(crate) use session::CallRollback;
pub(crate) use snapshot::Snapshot;

use crate::api::ExportStatus;
use crate::api::request::Uid;
use crate::authorization::{Covered, Target};
use crate::aws::failure::FailureCategory;
use crate::aws::identifiers::{AccountId, OutputUri, SessionArn};
use crate::aws::model::{ReadSource, SessionRead};
use crate::config::Timing;
use crate::state::first_reading::FirstReadings;
use crate::state::ownership::{Observation, Ownership};
use parking_lot::{Mutex, MutexGuard};
use retry::LazyRetryState;
use session::Session;
use status_write_pacer::StatusWritePacer;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::time::Instant;

/// An object's claim on its session and, for a `.zip`, on its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Claim {
    /// No call has been intended.
    #[default]
    None,
    /// Its first call is about to be sent: the claim holds.
    Taken,
    /// A call of this process or an earlier one may have been accepted: the claim holds.
    Unanswered {
        /// A call is about to be sent or under way: empty reads don't release the claim.
        calling: bool,
    },
    /// Intended, but AWS refused it, or reads a consistency window apart show no export: the claim is free.
    Refused,
    /// AWS has accepted the export: the claim holds.
    Accepted,
}

impl Claim {
    /// True if AWS's answer is still to come.
    pub(crate) const fn is_open(self) -> bool {
        match self {
            Self::Taken | Self::Unanswered { .. } => true,
            Self::None | Self::Refused | Self::Accepted => false,
        }
    }
}

/// A `.zip` destination in an account: the key under which its objects are indexed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Zip(AccountId, OutputUri);

impl Zip {
    fn of(target: &Target) -> Option<Self> {
        target.uri.is_zip().then(|| Self(target.arn.account.clone(), target.uri.clone()))
    }
}

#[derive(Debug, Clone)]
pub(super) struct ExportState {
    /// The object's namespace. Messages name the object only within it.
    pub(super) namespace: Arc<str>,
    /// The object's name, for requeues and messages.
    pub(super) name: Arc<str>,
    /// Session and destination.
    pub(super) target: Arc<Target>,
    /// Claim and life cycle: its sort key among the objects of its session and `.zip`.
    pub(super) standing: Standing,
    /// Failures, rejections and waits.
    pub(super) attempt: LazyRetryState,
}

impl ExportState {
    fn new(covered: &Covered) -> Self {
        Self {
            namespace: covered.namespace.clone(),
            name: covered.name.clone(),
            target: covered.target().clone(),
            standing: Standing::default(),
            attempt: LazyRetryState::default(),
        }
    }

    /// Updates the state from the status. A status cleared by hand does not erase what is in the state.
    fn upsert_object(&mut self, covered: &Covered) {
        let Standing { claim, finished, failed, deleted } = &mut self.standing;
        // The object left the watch (an edited label) and came back.
        *deleted = false;
        if *finished && !covered.finished() && *claim != Claim::Accepted {
            // Cleared by hand after an end without acceptance: the export starts over, without its old intent. It was
            // kept until now because it casts doubt on other objects' ownership of an export without a URI.
            *claim = Claim::None;
        }
        *finished = covered.finished();
        let has_failed = covered.finished() && covered.status.export_status == Some(ExportStatus::Failed);
        // A FAILED of AWS stays when the status is cleared by hand; a FAILED that the operator set does not.
        *failed = has_failed || (*failed && *claim == Claim::Accepted);
        if covered.accepted() {
            *claim = Claim::Accepted;
        } else if covered.intended() && *claim == Claim::None {
            *claim = Claim::Unanswered { calling: false };
        }
        if *finished {
            self.attempt = LazyRetryState::default();
        }
    }
}

/// The state of one leader term.
#[derive(Debug, Clone)]
pub(crate) struct SessionState {
    /// Configured intervals and bounds.
    timing: Timing,
    /// Begin of the leader term.
    began: Instant,
    /// The objects. Boxed, so that free slots of the map cost little.
    known: HashMap<Uid, Box<ExportState>>,
    /// The sessions of these objects.
    sessions: HashMap<SessionArn, Box<Session>>,
    /// What lists have just shown of sessions without an unfinished object.
    first_readings: FirstReadings,
    /// The undeleted objects of each `.zip`.
    zips: HashMap<Zip, Peers<SessionArn>>,
    /// Deleted objects whose claims still hold, oldest first, with the time of deletion.
    deleted: VecDeque<(Instant, Uid)>,
    /// Paces RateLimited status writes.
    slots: StatusWritePacer,
}

/// The [`SessionState`] of one leader term behind a lock that is never held across IO. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SharedState(Arc<Mutex<SessionState>>);

impl SharedState {
    pub(crate) fn new(state: SessionState) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// Locks the state. After a panic of another holder the data stays usable.
    pub(crate) fn lock(&self) -> MutexGuard<'_, SessionState> {
        self.0.lock()
    }
}

impl SessionState {
    /// The empty state of a new leader.
    pub(crate) fn new(timing: Timing, now: Instant) -> Self {
        Self {
            first_readings: FirstReadings::new(timing.observation_max_age, now),
            timing,
            began: now,
            known: HashMap::new(),
            sessions: HashMap::new(),
            zips: HashMap::new(),
            deleted: VecDeque::new(),
            slots: StatusWritePacer::new(now),
        }
    }

    /// Adds or updates a stored object. A new one starts with what a list has just shown of its session.
    pub(crate) fn upsert_object(&mut self, covered: &Covered, now: Instant) {
        let uid = &covered.uid;
        let is_new = !self.known.contains_key(uid);
        if is_new {
            self.insert_object(uid, Box::new(ExportState::new(covered)));
        }
        self.change_object(uid, |known| known.upsert_object(covered));
        let Some(known) = self.known.get(uid) else { return };
        let seen = known.standing.accepted() && !known.standing.finished;
        if let Some(session) = self.sessions.get_mut(&known.target.arn) {
            session.export_seen |= seen;
        }
        if is_new {
            self.apply_first_reading(uid, now);
        }
    }

    /// Applies it unless a call of the object has an unknown outcome: a Get answers that, a list may lag.
    fn apply_first_reading(&mut self, uid: &Uid, now: Instant) {
        let Some(known) = self.known.get(uid) else { return };
        let (standing, arn) = (known.standing, known.target.arn.clone());
        let Some(reading) = self.first_readings.take_read(&arn, now) else { return };
        if !standing.finished && !standing.claim.is_open() {
            self.apply_read(&arn, reading);
        }
    }

    /// True if the state holds an intent or an acceptance of the object.
    pub(crate) fn has_requested(&self, uid: &str) -> bool {
        self.known.get(uid).is_some_and(|known| known.standing.intended())
    }

    fn insert_object(&mut self, uid: &Uid, known: Box<ExportState>) {
        let Target { arn, uri } = &*known.target;
        self.sessions.entry(arn.clone()).or_default().peers.insert(known.standing, uri, uid);
        if let Some(zip) = Zip::of(&known.target) {
            self.zips.entry(zip).or_default().insert(known.standing, arn, uid);
        }
        self.known.insert(uid.clone(), known);
    }

    /// Changes an object, and moves it among its peers if its standing changed: the index of its `.zip` holds it unless
    /// it is deleted. Returns `None` if the object is unknown.
    fn change_object<T>(&mut self, uid: &Uid, change: impl FnOnce(&mut ExportState) -> T) -> Option<T> {
        let known = self.known.get_mut(uid)?;
        let before = known.standing;
        let changed = change(known);
        let (after, Target { arn, uri }) = (known.standing, &*known.target);
        if before == after {
            return Some(changed);
        }
        if let Some(session) = self.sessions.get_mut(arn) {
            session.peers.remove(before, uri, uid);
            session.peers.insert(after, uri, uid);
        }
        if let Some(zip) = Zip::of(&known.target) {
            let peers = self.zips.entry(zip.clone()).or_default();
            peers.remove(before, arn, uid);
            if !after.deleted {
                peers.insert(after, arn, uid);
            }
            if peers.is_empty() {
                self.zips.remove(&zip);
            }
        }
        Some(changed)
    }

    /// Marks an object as deleted. A claim that holds keeps its session until AWS shows the result; its `.zip` is free.
    pub(crate) fn mark_deleted(&mut self, uid: &Uid, now: Instant) {
        self.change_object(uid, |known| known.standing.deleted = true);
        let Some(known) = self.known.get(uid) else { return };
        if known.standing.finished || !known.standing.holds() {
            self.remove_object(uid);
        } else {
            self.deleted.push_back((now, uid.clone()));
        }
        self.drop_oldest_deleted(now);
    }

    /// Drops objects deleted so long ago that their sessions, of a day at most, have ended.
    fn drop_oldest_deleted(&mut self, now: Instant) {
        let bound = self.timing.acceptance_bound + self.timing.overdue_after;
        while self.deleted.front().is_some_and(|(at, _)| now.duration_since(*at) > bound) {
            if let Some((_, uid)) = self.deleted.pop_front()
                && self.known.get(&uid).is_some_and(|known| known.standing.deleted)
            {
                self.remove_object(&uid);
            }
        }
    }

    fn remove_object(&mut self, uid: &Uid) {
        let Some(known) = self.known.remove(uid) else { return };
        if let Some(session) = self.sessions.get_mut(&known.target.arn) {
            session.peers.remove(known.standing, &known.target.uri, uid);
            if session.peers.is_empty() {
                self.sessions.remove(&known.target.arn);
            }
        }
    }

    /// The undeleted, unfinished objects of a session: one read serves all of them.
    pub(crate) fn objects_of_session(&self, arn: &SessionArn) -> Vec<Uid> {
        let unfinished = |uid: &Uid| self.known.get(uid).is_some_and(|known| known.standing.unfinished());
        self.members_of(arn).into_iter().filter(unfinished).collect()
    }

    /// True if an object of another namespace holds a claim on the session.
    pub(crate) fn is_claimed_in_other_namespace(&self, arn: &SessionArn, namespace: &str) -> bool {
        self.members_of(arn)
            .iter()
            .filter_map(|uid| self.known.get(uid))
            .any(|known| known.standing.holds() && &*known.namespace != namespace)
    }

    /// Namespace, name and target of an object.
    pub(crate) fn object_ref_and_target(&self, uid: &str) -> Option<(Arc<str>, Arc<str>, &Target)> {
        self.known.get(uid).map(|known| (known.namespace.clone(), known.name.clone(), &*known.target))
    }

    /// Lets denied reads and calls be retried now, because the object has a quota slot. Returns its namespace and name;
    /// `None` if the object is unknown.
    pub(crate) fn clear_denied_backoff(&mut self, uid: &str, now: Instant) -> Option<(Arc<str>, Arc<str>)> {
        let known = self.known.get_mut(uid)?;
        let RetryState { read_trouble, call_trouble, .. } = &mut *known.attempt;
        for trouble in [read_trouble, call_trouble].into_iter().flatten() {
            match trouble.class.category() {
                FailureCategory::Credentials | FailureCategory::Denied => trouble.retry_at = now,
                FailureCategory::Service | FailureCategory::Request => {}
            }
        }
        known.attempt.drop_if_default();
        Some((known.namespace.clone(), known.name.clone()))
    }

    /// Applies a read of a session. An older read never undoes a newer one; a list doesn't erase what it leaves out.
    /// Returns true if the objects of the session must be reconciled.
    pub(crate) fn apply_read(&mut self, arn: &SessionArn, reading: SessionRead) -> bool {
        let listed = reading.source == ReadSource::List;
        let troubled = self.has_failing_reads(arn);
        let session = self.sessions.get_mut(arn).filter(|session| !listed || session.is_in_use());
        let Some(session) = session else {
            if listed {
                self.first_readings.store_read(arn, reading);
            }
            return false;
        };
        let older = session.reading.as_ref().is_some_and(|last| last.begun >= reading.begun);
        if older || (listed && session.is_less_complete(&reading)) {
            if reading.found.as_ref().is_some_and(|view| view.export.is_some()) {
                session.mark_export_seen();
            }
            if troubled && !older {
                self.clear_read_trouble(arn);
            }
            return troubled && !older;
        }
        let reading = session.with_known_facts(reading);
        let news = troubled || session.changes_decision(&reading);
        let counts = session.is_after_last_call(reading.begun);
        let begun = reading.begun;
        match reading.found.as_ref() {
            None if counts => {
                let (since, reads) = session.marks.missing.unwrap_or((begun, 0));
                session.marks.missing = Some((since, reads + 1));
            }
            None => {}
            Some(view) => session.record_view(view, begun, counts),
        }
        let empty = !session.export_seen && reading.found.is_some();
        let empty_since = session.marks.empty_since.filter(|_| empty);
        let settled = empty_since.is_some_and(|since| begun.duration_since(since) >= self.timing.consistency_window);
        session.store(reading);
        let freed = settled && self.release_unanswered(arn);
        self.note_foreign(arn, begun, counts);
        self.clear_read_trouble(arn);
        news || freed
    }

    fn has_failing_reads(&self, arn: &SessionArn) -> bool {
        let mut members = self.sessions.get(arn).into_iter().flat_map(|session| session.peers.uids());
        members.any(|uid| self.known.get(uid).is_some_and(|known| known.attempt.read_trouble.is_some()))
    }

    /// Releases unanswered claims after empty reads a consistency window apart: no call so far led to an export.
    /// Returns true if a claim was freed.
    fn release_unanswered(&mut self, arn: &SessionArn) -> bool {
        let mut freed = false;
        for uid in self.members_of(arn) {
            let Some(deleted) = self.change_object(&uid, |known| {
                let Standing { claim, deleted, .. } = &mut known.standing;
                if *claim == (Claim::Unanswered { calling: false }) || (*deleted && claim.is_open()) {
                    *claim = Claim::Refused;
                    freed = true;
                }
                known.standing.deleted && !known.standing.accepted()
            }) else {
                continue;
            };
            if deleted {
                self.remove_object(&uid);
                freed = true;
            }
        }
        freed
    }

    fn note_foreign(&mut self, arn: &SessionArn, begun: Instant, counts: bool) {
        for uid in self.members_of(arn) {
            let foreign = matches!(self.observation(&uid), Observation::Export { ownership: Ownership::Foreign, .. });
            let Some(known) = self.known.get_mut(&uid) else { continue };
            known.attempt.foreign_since = match (foreign, counts) {
                (true, true) => known.attempt.foreign_since.or(Some(begun)),
                (true, false) => known.attempt.foreign_since,
                (false, _) => None,
            };
            known.attempt.drop_if_default();
        }
    }

    fn clear_read_trouble(&mut self, arn: &SessionArn) {
        for uid in self.members_of(arn) {
            if let Some(known) = self.known.get_mut(&uid) {
                known.attempt.read_trouble = None;
                known.attempt.drop_if_default();
            }
        }
    }

    fn members_of(&self, arn: &SessionArn) -> Vec<Uid> {
        self.sessions.get(arn).map(|session| session.peers.uids().cloned().collect()).unwrap_or_default()
    }
}
