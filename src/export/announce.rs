//! Tells of a transition: one canonical log line, one metric, and an Event where a person should know.

use super::message::message;
use super::request::Export;
use super::row::{Outcome, Reason, Row};
use crate::api::condition::READY;
use crate::api::{SessionExport, SessionExportStatus};
use crate::operator::events::{EventKind, EventSink, ExportEvent};
use crate::operator::metrics::Metrics;
use kube::Resource;

/// Where transitions are told.
#[derive(Clone)]
pub struct Announcer {
    /// Events.
    pub events: EventSink,
    /// Counters.
    pub metrics: Metrics,
}

impl Announcer {
    /// `object` has just been written with `row`. `request_id` is AWS's, for the log and the Event only.
    pub fn transition(&self, export: &Export, object: &SessionExport, row: &Row, request_id: Option<&str>) {
        let Some(reason) = row.reason() else { return };
        let after = object.status.clone().unwrap_or_default();
        if ready_reason(&export.status) == ready_reason(&after) {
            return;
        }
        let reason = reason.as_str();
        self.metrics.transition(reason);
        tracing::info!(
            namespace = &*export.namespace,
            name = &*export.name,
            uid = &*export.uid,
            session = after.session.as_ref().and_then(|session| session.arn.as_deref()),
            reason,
            exportStatus = after.export_status.map(tracing::field::debug),
            awsRequestId = request_id,
            "{}",
            message(row)
        );
        if let Some(kind) = worth_an_event(row, &export.status) {
            let note = match request_id {
                Some(id) => format!("{} (AWS request {id})", message(row)),
                None => message(row),
            };
            self.events.publish(ExportEvent { regarding: object.object_ref(&()), kind, reason, note });
        }
    }
}

/// At most three an export: the first time that somebody must act, the promise, the end.
fn worth_an_event(row: &Row, before: &SessionExportStatus) -> Option<EventKind> {
    match row {
        Row::Held(held) => (warns(held.reason()) && !has_warned(before)).then_some(EventKind::Warning),
        Row::Pending => before.request_time.is_none().then_some(EventKind::Normal),
        Row::Final(Outcome::Exported { .. }) => Some(EventKind::Normal),
        Row::Final(_) => Some(EventKind::Warning),
        Row::Requesting | Row::Overdue | Row::AtRest => None,
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

fn ready_reason(status: &SessionExportStatus) -> Option<&str> {
    status.conditions.iter().find(|condition| condition.type_ == READY).map(|condition| condition.reason.as_str())
}
