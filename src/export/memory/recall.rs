//! The decision's view of memory: evidence, rivals, ages.

use super::session::Session;
use super::{Attempt, Claim, Known, Memory};
use crate::export::evidence::{Evidence, Rival, whose};
use crate::export::request::Uid;
use crate::streams::observation::SessionView;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// What memory holds of one object at one moment: the decision's view of the world.
#[derive(Debug, Clone, Default)]
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
    /// Another object has intended a call for the same session and destination: it may be on its way.
    pub twin_intended: bool,
    /// Ages and counts.
    pub attempt: Attempt,
}
impl Memory {
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
            twin_intended: self.twins(uid, known, session).any(Known::intended),
            attempt: Attempt::clone(&known.attempt),
        })
    }

    pub(super) fn evidence(&self, uid: &Uid) -> Evidence {
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
                let others = session.members.iter().filter(|other| *other != uid).filter_map(|o| self.known(o));
                Evidence::Export { whose: whose(known, export, others), shown: export.clone(), source: reading.source }
            }
            None if session.export_seen => Evidence::Stale,
            None => Evidence::Empty { status: view.status, ended_since: session.marks.ended_since },
        }
    }

    fn known(&self, uid: &Uid) -> Option<&Known> {
        self.known.get(uid).map(Box::as_ref)
    }

    /// The others with the same destination.
    fn twins<'a>(&'a self, uid: &Uid, known: &Known, session: &'a Session) -> impl Iterator<Item = &'a Known> {
        let others = session.members.iter().filter(move |other| *other != uid);
        others.filter_map(|other| self.known(other)).filter(move |other| other.target == known.target)
    }

    fn rival(&self, uid: &Uid, known: &Known, session: &Session, now: Instant) -> Rival {
        let zip = (known.target.arn.account.clone(), known.target.uri.clone());
        let same_zip = self.zips.get(&zip).into_iter().flat_map(|uids| uids.iter());
        let others: BTreeSet<&Uid> = session.members.iter().chain(same_zip).filter(|other| *other != uid).collect();
        let new_leader = now < self.began + self.timing.consistency_window;
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
