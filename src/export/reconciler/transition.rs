//! Records a status transition: one canonical log line, one metric, and an Event where an administrator should know.

use crate::api::condition::STALLED;
use crate::api::condition::ready_reason;
use crate::api::request::Export;
use crate::api::{ExportStatus, Reason, SessionExportStatus};
use crate::export::inventory::ExportInventory;
use crate::export::status::message::{event_note, message};
use crate::export::status::row::{Held, Outcome, Row};
use crate::metrics::Metrics;
use crate::runtime::events::{EventKind, EventOrder, EventRecorder, ExportEvent};
use parking_lot::Mutex;
use std::sync::Arc;

/// Longest AWS failure reason that is logged, in bytes. AWS allows 1,024 characters.
const MAX_LOGGED_REASON: usize = 4096;

/// The outputs for transitions.
#[derive(Clone)]
pub(crate) struct TransitionRecorder {
    /// The Event queue.
    pub events: EventRecorder,
    /// The counters.
    pub metrics: Metrics,
    /// Knows which objects have had their Warning.
    pub inventory: Arc<Mutex<ExportInventory>>,
}

impl TransitionRecorder {
    /// Records that the status `after` has just been written with `row`. `request_id` is AWS's, for the log and the Event
    /// only.
    pub(crate) fn record(&self, export: &Export, after: &SessionExportStatus, row: &Row, request_id: Option<&str>) {
        let Some(reason) = row.reason() else { return };
        if visible_state(&export.status) == visible_state(after) {
            return;
        }
        let reason = reason.as_str();
        self.metrics.record_transition(reason);
        if let (None, Some(accepted)) = (&export.status.request_time, &after.request_time) {
            self.metrics.record_acceptance(accepted.0.duration_since(export.created).try_into().unwrap_or_default());
        }
        tracing::info!(
            namespace = &*export.namespace,
            name = &*export.name,
            uid = &*export.uid,
            session = after.session.as_ref().and_then(|session| session.arn.as_deref()),
            reason,
            exportStatus = after.export_status.and_then(aws_word),
            awsRequestId = request_id,
            awsReason = original_reason(row),
            "{}",
            message(row)
        );
        if let Some((kind, chapter)) = self.event_for(row, export) {
            let note = event_note(row, request_id);
            self.events.publish(ExportEvent { regarding: export.object_ref(), kind, chapter, reason, note });
        }
    }

    /// Warns, once in a leader term, that no rule covers an object whose status claims a request.
    pub(crate) fn warn_uncovered(&self, export: &Export, held: &Held) {
        if !self.inventory.lock().warn_once(&export.uid) {
            return;
        }
        let (kind, chapter, reason) = (EventKind::Warning, EventOrder::Trouble, held.reason().as_str());
        let note = format!("{} Until then its status is not changed.", message(&Row::Held(held.clone())));
        tracing::warn!(namespace = &*export.namespace, name = &*export.name, uid = &*export.uid, reason, "{note}");
        self.events.publish(ExportEvent { regarding: export.object_ref(), kind, chapter, reason, note });
    }

    /// At most three Events for an export: the first row in which an administrator must act, the acceptance, the end.
    fn event_for(&self, row: &Row, export: &Export) -> Option<(EventKind, EventOrder)> {
        let before = &export.status;
        match row {
            Row::Held(held) if needs_warning(held.reason()) => (self.inventory.lock().warn_once(&export.uid)
                && !has_shown_warning(before))
            .then_some((EventKind::Warning, EventOrder::Trouble)),
            Row::Pending => before.request_time.is_none().then_some((EventKind::Normal, EventOrder::Acceptance)),
            Row::Final(Outcome::Exported { .. }) => Some((EventKind::Normal, EventOrder::End)),
            Row::Final(_) => Some((EventKind::Warning, EventOrder::End)),
            Row::Held(_) | Row::Requesting | Row::Overdue | Row::Unchanged => None,
        }
    }
}

/// AWS's unchanged failure reason, for the log only: it may name the operator's role.
fn original_reason(row: &Row) -> Option<&str> {
    match row {
        Row::Final(Outcome::ExportFailed { reason, .. }) => {
            reason.as_deref().map(|reason| &reason[..reason.floor_char_boundary(MAX_LOGGED_REASON)])
        }
        Row::Final(_) | Row::Held(_) | Row::Requesting | Row::Pending | Row::Overdue | Row::Unchanged => None,
    }
}

/// AWS's enum value, as the status shows it.
const fn aws_word(status: ExportStatus) -> Option<&'static str> {
    match status {
        ExportStatus::Pending => Some("PENDING"),
        ExportStatus::Succeeded => Some("SUCCEEDED"),
        ExportStatus::Failed => Some("FAILED"),
        ExportStatus::Unrecognized => None,
    }
}

/// True for the rows in which an administrator or the object's owner must act.
fn needs_warning(reason: Reason) -> bool {
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

/// True if the recorded row is one that causes a Warning.
fn has_shown_warning(before: &SessionExportStatus) -> bool {
    let recorded = ready_reason(&before.conditions);
    Reason::ALL.into_iter().any(|reason| needs_warning(reason) && recorded == Some(reason.as_str()))
}

/// What makes a write a transition: the reason, Stalled, and finished. The reason alone is not enough: `GaveUp` keeps
/// the reason that held the export, and a denial that lasts becomes Stalled under the same reason.
fn visible_state(status: &SessionExportStatus) -> (Option<&str>, bool, bool) {
    let stalled = status.conditions.iter().any(|condition| condition.type_ == STALLED);
    (ready_reason(&status.conditions), stalled, status.completion_time.is_some())
}
