//! Tells of a transition: one canonical log line, one metric, and an Event where a person should know.

use super::message::message;
use super::request::{Export, Uid};
use super::row::{Outcome, Reason, Row};
use super::status::ready_reason;
use crate::api::condition::STALLED;
use crate::api::{ExportStatus, SessionExport, SessionExportStatus};
use crate::operator::events::{Chapter, EventKind, EventSink, ExportEvent};
use crate::operator::metrics::Metrics;
use kube::Resource;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where transitions are told.
#[derive(Clone)]
pub struct Announcer {
    /// Events.
    pub events: EventSink,
    /// Counters.
    pub metrics: Metrics,
    /// Who has been told that somebody must act. A status remembers only the last row.
    pub warned: Warned,
}

/// The objects of this term that have had their Event that somebody must act.
#[derive(Debug, Clone, Default)]
pub struct Warned(Arc<Mutex<HashSet<Uid>>>);

impl Warned {
    /// True the first time.
    fn first(&self, uid: &Uid) -> bool {
        self.lock().insert(uid.clone())
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Uid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Announcer {
    /// `object` has just been written with `row`. `request_id` is AWS's, for the log and the Event only.
    pub fn transition(&self, export: &Export, object: &SessionExport, row: &Row, request_id: Option<&str>) {
        let Some(reason) = row.reason() else { return };
        let after = object.status.clone().unwrap_or_default();
        if row_of(&export.status) == row_of(&after) {
            return;
        }
        let reason = reason.as_str();
        self.metrics.transition(reason);
        if let (None, Some(accepted)) = (&export.status.request_time, &after.request_time) {
            self.metrics.accepted(accepted.0.duration_since(export.created).try_into().unwrap_or_default());
        }
        tracing::info!(
            namespace = &*export.namespace,
            name = &*export.name,
            uid = &*export.uid,
            session = after.session.as_ref().and_then(|session| session.arn.as_deref()),
            reason,
            exportStatus = after.export_status.and_then(word),
            awsRequestId = request_id,
            "{}",
            message(row)
        );
        if let Some((kind, chapter)) = self.worth_an_event(row, export) {
            let note = match request_id {
                Some(id) => format!("{} (AWS request {id})", message(row)),
                None => message(row),
            };
            self.events.publish(ExportEvent { regarding: object.object_ref(&()), kind, chapter, reason, note });
        }
    }

    /// At most three an export: the first time that somebody must act, the promise, the end.
    fn worth_an_event(&self, row: &Row, export: &Export) -> Option<(EventKind, Chapter)> {
        let before = &export.status;
        match row {
            Row::Held(held) if warns(held.reason()) => (self.warned.first(&export.uid) && !has_warned(before))
                .then_some((EventKind::Warning, Chapter::Trouble)),
            Row::Pending => before.request_time.is_none().then_some((EventKind::Normal, Chapter::Promise)),
            Row::Final(Outcome::Exported { .. }) => Some((EventKind::Normal, Chapter::End)),
            Row::Final(_) => Some((EventKind::Warning, Chapter::End)),
            Row::Held(_) | Row::Requesting | Row::Overdue | Row::AtRest => None,
        }
    }
}

/// AWS's word, as the status has it.
const fn word(status: ExportStatus) -> Option<&'static str> {
    match status {
        ExportStatus::Pending => Some("PENDING"),
        ExportStatus::Succeeded => Some("SUCCEEDED"),
        ExportStatus::Failed => Some("FAILED"),
        ExportStatus::Unrecognized => None,
    }
}

/// Rows in which somebody must act.
fn warns(reason: Reason) -> bool {
    match reason {
        Reason::CredentialsUnavailable
        | Reason::AccessDenied
        | Reason::DestinationForbidden
        | Reason::AccountMismatch
        | Reason::ServiceAccountNotSupported
        | Reason::RequestRejected => true,
        Reason::WaitingForSession
        | Reason::Suspended
        | Reason::WaitingForOtherExport
        | Reason::DestinationUnknown
        | Reason::RateLimited
        | Reason::Requesting
        | Reason::ServiceUnavailable
        | Reason::ConfirmingSessionEnd
        | Reason::ExportPending
        | Reason::UploadOverdue
        | Reason::Exported
        | Reason::ExportFailed
        | Reason::SessionEnded
        | Reason::SessionNotFound
        | Reason::ExportConflict => false,
    }
}

/// True if the recorded row is one that has been warned of.
fn has_warned(before: &SessionExportStatus) -> bool {
    let recorded = ready_reason(before);
    Reason::ALL.into_iter().any(|reason| warns(reason) && recorded == Some(reason.as_str()))
}

/// What tells a row from the last one: why, whether somebody must act, and whether it is over. The bound keeps the
/// reason that held the export, and a denial that lasts becomes Stalled under the same one.
fn row_of(status: &SessionExportStatus) -> (Option<&str>, bool, bool) {
    let stalled = status.conditions.iter().any(|condition| condition.type_ == STALLED);
    (ready_reason(status), stalled, status.completion_time.is_some())
}
