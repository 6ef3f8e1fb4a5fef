//! Tells of a transition: one canonical log line, one metric, and an Event where a person should know.

use super::message::message;
use super::request::Export;
use super::row::{Held, Outcome, Row};
use super::status::READY;
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
        Row::Held(held) => (warns(held) && !has_warned(before)).then_some(EventKind::Warning),
        Row::Pending => before.request_time.is_none().then_some(EventKind::Normal),
        Row::Final(Outcome::Exported { .. }) => Some(EventKind::Normal),
        Row::Final(_) => Some(EventKind::Warning),
        Row::Requesting | Row::Overdue | Row::AtRest => None,
    }
}

fn warns(held: &Held) -> bool {
    match held {
        Held::CredentialsUnavailable { .. }
        | Held::AccessDenied { .. }
        | Held::DestinationForbidden { .. }
        | Held::AccountMismatch { .. }
        | Held::ServiceAccountNotSupported
        | Held::RequestRejected { .. } => true,
        Held::WaitingForSession
        | Held::Suspended
        | Held::WaitingForOtherExport { .. }
        | Held::DestinationUnknown
        | Held::RateLimited
        | Held::ServiceUnavailable
        | Held::ConfirmingSessionEnd => false,
    }
}

/// True if the recorded row is one that has been warned of.
fn has_warned(before: &SessionExportStatus) -> bool {
    const WARNED: [&str; 6] = [
        "CredentialsUnavailable",
        "AccessDenied",
        "DestinationForbidden",
        "AccountMismatch",
        "ServiceAccountNotSupported",
        "RequestRejected",
    ];
    ready_reason(before).is_some_and(|reason| WARNED.contains(&reason))
}

fn ready_reason(status: &SessionExportStatus) -> Option<&str> {
    status.conditions.iter().find(|condition| condition.type_ == READY).map(|condition| condition.reason.as_str())
}
