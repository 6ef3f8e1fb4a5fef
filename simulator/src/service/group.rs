//! A stream group, and which of its sessions are in which status.
//!
//! Owns: the numbers of the group's sessions, by status and by the status of their export, as they are now.
//! Never: what a session was before, which reads that lag show.

use std::collections::{BTreeSet, HashMap};

use crate::service::session::{ExportStatus, Session, Status};

/// A stream group.
#[derive(Debug, Default)]
pub struct Group {
    /// The applications it can run; none named means any.
    pub applications: Vec<String>,
    /// All sessions, in the order of their creation.
    sessions: BTreeSet<u64>,
    /// The same by status: an ended session stays listed, so that most of a group's sessions are of no interest to a list
    /// of live ones.
    by_status: HashMap<Status, BTreeSet<u64>>,
    /// Those with an export.
    by_export: HashMap<ExportStatus, BTreeSet<u64>>,
}

static NONE: BTreeSet<u64> = BTreeSet::new();

impl Group {
    /// Its sessions, in the order of their creation.
    #[must_use]
    pub fn sessions(&self) -> &BTreeSet<u64> {
        &self.sessions
    }

    /// Sessions among which are all of this status and this status of their export; of the two, the fewer.
    #[must_use]
    pub fn sessions_in(&self, status: Option<Status>, export: Option<ExportStatus>) -> &BTreeSet<u64> {
        let by_status = status.map(|status| self.by_status.get(&status).unwrap_or(&NONE));
        let by_export = export.map(|status| self.by_export.get(&status).unwrap_or(&NONE));
        by_status.into_iter().chain(by_export).min_by_key(|sessions| sessions.len()).unwrap_or(&self.sessions)
    }

    pub(super) fn add(&mut self, session: &Session) {
        self.sessions.insert(session.seq);
        self.by_status.entry(session.status()).or_default().insert(session.seq);
        self.move_export(session.seq, None, session.export_status());
    }

    pub(super) fn remove(&mut self, session: &Session) {
        self.sessions.remove(&session.seq);
        if let Some(sessions) = self.by_status.get_mut(&session.status()) {
            sessions.remove(&session.seq);
        }
        self.move_export(session.seq, session.export_status(), None);
    }

    pub(super) fn move_status(&mut self, seq: u64, from: Status, to: Status) {
        if let Some(sessions) = self.by_status.get_mut(&from) {
            sessions.remove(&seq);
        }
        self.by_status.entry(to).or_default().insert(seq);
    }

    pub(super) fn move_export(&mut self, seq: u64, from: Option<ExportStatus>, to: Option<ExportStatus>) {
        if let Some(sessions) = from.and_then(|from| self.by_export.get_mut(&from)) {
            sessions.remove(&seq);
        }
        if let Some(to) = to {
            self.by_export.entry(to).or_default().insert(seq);
        }
    }
}
