//! Exports: asked for while a session lives, uploaded when it is over.

use std::sync::Arc;

use crate::behaviour::{Behaviour, SecondExport};
use crate::clock::Millis;
use crate::export::destination;
use crate::identity::Scope;
use crate::service::session::{ActiveTime, Export, ExportStatus};
use crate::service::world::{World, gone};
use crate::wire::error::ApiError;

/// An upload that is due.
#[derive(Debug, Clone)]
pub struct Job {
    /// The session's number.
    pub seq: u64,
    /// The session's id.
    pub session: String,
    /// The account and Region.
    pub scope: Arc<Scope>,
    /// The group's id.
    pub group: Arc<str>,
    /// When it was active.
    pub active: Option<ActiveTime>,
    /// The object's URI.
    pub object: String,
    /// Whose authority to use.
    pub access_key_id: Option<String>,
    /// How this session behaves.
    pub behaviour: Behaviour,
}

/// How an upload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The object is there.
    Stored,
    /// S3 refused, or could not be reached.
    Refused(String),
    /// It was refused, without any answer.
    Stuck,
}

impl World {
    /// Asks for the export of a session, as ExportStreamSessionFiles does.
    pub fn export(&mut self, id: &str, uri: &str, access_key_id: &str, now: Millis) -> Result<(), ApiError> {
        let rule = self.switches.of(id).second_export;
        let session = self.by_id(id).ok_or_else(gone)?;
        if !session.status().is_live() {
            return Err(ApiError::validation(format!(
                "Stream session {id} is in {} status. Files can be exported in ACTIVE, CONNECTED, \
                 PENDING_CLIENT_RECONNECTION and RECONNECTING status only.",
                session.status().word()
            )));
        }
        if let Some(earlier) = session.export.current()
            && !supersedes(rule, earlier, id, uri)?
        {
            return Ok(());
        }
        let export = Export {
            status: ExportStatus::Pending,
            given: Some(uri.to_owned()),
            object: Some(destination::object_uri(uri, session)),
            reason: None,
            access_key_id: Some(access_key_id.to_owned()),
            frozen: false,
        };
        let seq = session.seq;
        self.set_export(seq, now, Some(export));
        Ok(())
    }

    pub(super) fn begin_upload(&mut self, seq: u64) -> Option<Job> {
        let session = self.sessions.get_mut(&seq)?;
        let export = session.pending_export()?.clone();
        session.uploading = true;
        Some(Job {
            seq,
            session: session.id.clone(),
            scope: session.scope.clone(),
            group: session.group.clone(),
            active: session.active_time(),
            object: export.object.clone()?,
            access_key_id: export.access_key_id.clone(),
            behaviour: self.switches.of(&session.id),
        })
    }

    /// The session ended in ERROR, and its files with it.
    pub(super) fn fail_export(&mut self, seq: u64, at: Millis) {
        let pending = self.sessions.get(&seq).and_then(|session| session.pending_export());
        let Some(export) = pending.map(|export| (**export).clone()) else { return };
        let reason = Some("The stream session ended in ERROR status.".to_owned());
        self.set_export(seq, at, Some(Export { status: ExportStatus::Failed, reason, ..export }));
    }

    /// Records how an upload ended.
    pub fn finish_upload(&mut self, seq: u64, outcome: Outcome, now: Millis) {
        let Some(session) = self.sessions.get_mut(&seq) else { return };
        let Some(export) = session.pending_export() else {
            session.uploading = false;
            return self.plan(seq);
        };
        let mut export = (**export).clone();
        match outcome {
            Outcome::Stuck => return,
            Outcome::Stored => export.status = ExportStatus::Succeeded,
            Outcome::Refused(reason) => {
                export.status = ExportStatus::Failed;
                export.reason = Some(reason.chars().take(1024).collect());
            }
        }
        session.uploading = false;
        self.set_export(seq, now, Some(export));
    }
}

/// Whether a second request takes the place of the first.
fn supersedes(rule: SecondExport, earlier: &Export, id: &str, uri: &str) -> Result<bool, ApiError> {
    if earlier.given.as_deref() == Some(uri) && earlier.status == ExportStatus::Pending {
        return Ok(false);
    }
    match rule {
        SecondExport::Replace => Ok(true),
        SecondExport::Ignore => Ok(false),
        SecondExport::Refuse => {
            let message = format!("An export of stream session {id} has already been requested.");
            Err(ApiError::validation(message))
        }
    }
}
