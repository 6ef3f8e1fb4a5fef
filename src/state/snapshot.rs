//! The decision's view of the state: observation, conflicting claims, ages.

use crate::api::request::Uid;
use crate::authorization::Target;
use crate::aws::identifiers::SessionArn;
use crate::aws::model::SessionView;
use crate::state::ownership::{ConflictingClaim, Observation, ownership};
use crate::state::session::Session;
use crate::state::{Claim, ExportState, Peers, RetryState, SessionState, Standing, Zip};
use tokio::time::Instant;

/// A copy of what the state holds for one object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// What AWS shows, for this object.
    pub evidence: Observation,
    /// Begin of the last read.
    pub read_at: Option<Instant>,
    /// The session as last read.
    pub view: Option<SessionView>,
    /// When this process last called ExportStreamSessionFiles for the session.
    pub last_call: Option<Instant>,
    /// This object's claim.
    pub claim: Claim,
    /// Another object's claim on the same session or `.zip`.
    pub rival: ConflictingClaim,
    /// True if the last read began within a new leader's pause and another unfinished object shares the session or
    /// `.zip`: the read may not show the previous leader's call yet.
    pub read_in_pause: bool,
    /// True if another object has intended a call for the same session and destination: it may be in flight.
    pub twin_intended: bool,
    /// Failures, rejections and waits.
    pub attempt: RetryState,
}

impl SessionState {
    /// Copies the state of one object; `None` if it is unknown.
    pub(crate) fn snapshot(&self, uid: &Uid, now: Instant) -> Option<Snapshot> {
        let known = self.known.get(uid)?;
        let session = self.sessions.get(&known.target.arn)?;
        Some(Snapshot {
            evidence: self.observation(uid),
            read_at: session.reading.as_ref().map(|reading| reading.begun),
            view: session.reading.as_ref().and_then(|reading| reading.found.clone()),
            last_call: session.marks.last_call,
            claim: known.standing.claim,
            rival: self.conflicting_claim(uid, known, session, now),
            read_in_pause: self.read_in_pause(session) && self.shares(uid, known, session),
            twin_intended: session.peers.beside(uid, |uri| uri.cmp(&known.target.uri), Standing::intended).is_some(),
            attempt: RetryState::clone(&known.attempt),
        })
    }

    pub(super) fn observation(&self, uid: &Uid) -> Observation {
        let Some(known) = self.known.get(uid) else { return Observation::Unread };
        let Some(session) = self.sessions.get(&known.target.arn) else { return Observation::Unread };
        let Some(reading) = session.reading.as_ref().filter(|reading| session.is_after_last_call(reading.begun)) else {
            return Observation::Unread;
        };
        let Some(view) = reading.found.as_ref() else {
            return session
                .marks
                .missing
                .map_or(Observation::Unread, |(since, reads)| Observation::Missing { since, reads });
        };
        match &view.export {
            Some(export) => {
                let ownership = ownership(uid, known, export, &session.peers);
                Observation::Export { ownership, shown: export.clone(), source: reading.source }
            }
            None if session.export_seen => Observation::Stale,
            None => Observation::Empty { status: view.status, ended_since: session.marks.ended_since },
        }
    }

    fn pause_ends(&self) -> Instant {
        self.began + self.timing.consistency_window
    }

    fn read_in_pause(&self, session: &Session) -> bool {
        session.reading.as_ref().is_some_and(|reading| reading.begun < self.pause_ends())
    }

    fn shares(&self, uid: &Uid, known: &ExportState, session: &Session) -> bool {
        let beside = |zip: &Peers<SessionArn>| zip.other(uid, Standing::unfinished).is_some();
        session.peers.other(uid, Standing::unfinished).is_some() || self.zip_peers(known).is_some_and(beside)
    }

    /// The objects with the same `.zip`; `None` if the destination is a prefix.
    fn zip_peers(&self, known: &ExportState) -> Option<&Peers<SessionArn>> {
        self.zips.get(&Zip::of(&known.target)?)
    }

    fn conflicting_claim(&self, uid: &Uid, known: &ExportState, session: &Session, now: Instant) -> ConflictingClaim {
        let Target { arn, uri } = &*known.target;
        let zip = self.zip_peers(known);
        let name = |other: &Uid| {
            let other = self.known.get(other).filter(|other| other.namespace == known.namespace);
            other.map(|other| other.name.to_string())
        };
        let is_accepted = |standing: Standing| standing.holds() && standing.accepted();
        let accepted = session.peers.elsewhere(uri, is_accepted).or_else(|| zip?.elsewhere(arn, is_accepted));
        if let Some(other) = accepted {
            return ConflictingClaim::Accepted { name: name(other) };
        }
        let new_leader = now < self.pause_ends();
        let holds = |standing: Standing| standing.holds() || (new_leader && standing.unfinished());
        let undecided = session.peers.other(uid, holds).or_else(|| zip?.other(uid, holds));
        undecided.map_or(ConflictingClaim::None, |other| ConflictingClaim::Undecided { name: name(other) })
    }
}
