//! Conversion of a row of the condition table to a status, and of two statuses to a patch. Pure.

pub(crate) mod message;
pub(crate) mod row;
#[cfg(test)]
mod tests;

use crate::api::condition::{ACCEPTED, ALL, Condition, READY, RECONCILING, STALLED, SUCCEEDED};
use crate::api::request::Export;
use crate::api::{ExportStatus, ReadyWhen, Reason, SessionExportStatus, SessionStatusView};
use crate::aws::identifiers::{MAX_OUTPUT_URI, SessionArn};
use crate::aws::model::SessionView;
use crate::export::status::message::{is_plain, message, printable_text, share_message, shown_aws_text};
use crate::export::status::row::{Held, Outcome, Row};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::borrow::Cow;

/// A condition's status, or `AsBefore`: keep the recorded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConditionValue {
    True,
    False,
    Unknown,
    AsBefore,
}

impl ConditionValue {
    fn of(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// One line of the condition table.
struct ConditionSet {
    accepted: ConditionValue,
    succeeded: ConditionValue,
    ready: ConditionValue,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Reconciling,
    Stalled,
    Done,
}

fn condition_set(row: &Row, ready_when: ReadyWhen) -> ConditionSet {
    let early = ready_when == ReadyWhen::Accepted;
    let accepted = |progress| ConditionSet {
        accepted: ConditionValue::True,
        succeeded: ConditionValue::Unknown,
        ready: ConditionValue::of(early),
        progress: if early { Progress::Done } else { progress },
    };
    match row {
        Row::Held(held) => ConditionSet {
            accepted: if matches!(held, Held::ServiceUnavailable { .. }) {
                ConditionValue::AsBefore
            } else {
                ConditionValue::False
            },
            succeeded: ConditionValue::Unknown,
            ready: ConditionValue::False,
            progress: if held.is_stalled() { Progress::Stalled } else { Progress::Reconciling },
        },
        Row::Requesting => ConditionSet {
            accepted: ConditionValue::Unknown,
            succeeded: ConditionValue::Unknown,
            ready: ConditionValue::False,
            progress: Progress::Reconciling,
        },
        Row::Pending => accepted(Progress::Reconciling),
        Row::Overdue => accepted(Progress::Stalled),
        Row::Final(outcome) => of_outcome(outcome),
        Row::Unchanged => ConditionSet {
            accepted: ConditionValue::AsBefore,
            succeeded: ConditionValue::AsBefore,
            ready: ConditionValue::AsBefore,
            progress: Progress::Done,
        },
    }
}

fn of_outcome(outcome: &Outcome) -> ConditionSet {
    let failed = |accepted| ConditionSet {
        accepted,
        succeeded: ConditionValue::False,
        ready: ConditionValue::False,
        progress: Progress::Stalled,
    };
    match outcome {
        Outcome::Exported { .. } => ConditionSet {
            accepted: ConditionValue::True,
            succeeded: ConditionValue::True,
            ready: ConditionValue::True,
            progress: Progress::Done,
        },
        Outcome::ExportFailed { .. } | Outcome::Unknown => failed(ConditionValue::True),
        Outcome::SessionEnded | Outcome::SessionNotFound | Outcome::GaveUp { .. } => failed(ConditionValue::False),
        Outcome::ExportConflict { shown: Some(_), .. } => failed(ConditionValue::True),
        Outcome::ExportConflict { shown: None, .. } => failed(ConditionValue::AsBefore),
    }
}

/// Builds the status that shows `row` from the recorded one: other controllers' conditions and set-once fields stay.
/// `arn` is the session, `None` for an object that no rule covers.
pub(crate) fn build_status(
    export: &Export,
    row: &Row,
    arn: Option<&SessionArn>,
    view: Option<&SessionView>,
    now: Timestamp,
) -> SessionExportStatus {
    let mut status = export.status.clone();
    status.observed_generation = Some(export.generation);
    if *row == Row::Unchanged {
        for condition in status.conditions.iter_mut().filter(|c| is_ours(&c.type_)) {
            condition.observed_generation = Some(export.generation);
        }
        return status;
    }
    let row = keep_overdue(row, &status.conditions);
    let now = whole_seconds(now);
    status.start_time.get_or_insert_with(|| now.clone());
    record_row(&mut status, row, &now);
    set_conditions(&mut status.conditions, row, export, &now);
    if let Some(arn) = arn.filter(|_| status != export.status) {
        status.session = Some(session_view(arn, view, export.status.session.as_ref()));
    }
    status
}

/// Sets the fields of a row other than its conditions.
fn record_row(status: &mut SessionExportStatus, row: &Row, now: &Time) {
    match row {
        Row::Unchanged => {}
        Row::Held(_) => clear_outcome(status),
        Row::Requesting => {
            clear_outcome(status);
            status.request_attempt_time.get_or_insert_with(|| now.clone());
        }
        Row::Pending | Row::Overdue => {
            status.export_status = Some(ExportStatus::Pending);
            status.request_time.get_or_insert_with(|| now.clone());
        }
        Row::Final(outcome) => {
            status.completion_time.get_or_insert_with(|| now.clone());
            record_outcome(status, outcome, now, message(row));
        }
    }
}

/// Clears fields that a half-cleared status may still have: AWS shows no export.
fn clear_outcome(status: &mut SessionExportStatus) {
    status.export_status = None;
    status.export_status_reason = None;
    status.output_uri = None;
}

fn record_outcome(status: &mut SessionExportStatus, outcome: &Outcome, now: &Time, explained: String) {
    status.export_status_reason = Some(explained);
    status.export_status = Some(match outcome {
        Outcome::Exported { output_uri } => {
            status.request_time.get_or_insert_with(|| now.clone());
            status.output_uri = output_uri.clone();
            status.export_status_reason = None;
            ExportStatus::Succeeded
        }
        Outcome::ExportFailed { reason, output_uri } => {
            status.request_time.get_or_insert_with(|| now.clone());
            status.output_uri = output_uri.clone();
            if let Some(reason) = reason {
                status.export_status_reason = Some(shown_aws_text(reason));
            }
            ExportStatus::Failed
        }
        Outcome::Unknown => {
            status.request_time.get_or_insert_with(|| now.clone());
            ExportStatus::Pending
        }
        Outcome::ExportConflict { shown: Some(shown), .. } => {
            status.request_time.get_or_insert_with(|| now.clone());
            *shown
        }
        Outcome::SessionEnded
        | Outcome::SessionNotFound
        | Outcome::ExportConflict { shown: None, .. }
        | Outcome::GaveUp { .. } => ExportStatus::Failed,
    });
    status.export_status_reason = status.export_status_reason.take().map(|reason| printable_text(&reason));
}

/// Returns a URI that AWS reported; `None` if it is too long for a status or not printable.
pub(super) fn uri_if_printable(uri: &str) -> Option<String> {
    (uri.chars().count() <= MAX_OUTPUT_URI && uri.chars().all(is_plain)).then(|| uri.to_owned())
}

fn session_view(arn: &SessionArn, view: Option<&SessionView>, before: Option<&SessionStatusView>) -> SessionStatusView {
    let before = before.cloned().unwrap_or_default();
    let arn = Some(arn.to_string());
    let Some(view) = view else { return SessionStatusView { arn, ..before } };
    let logs = view.log_file_location_uri.as_deref().and_then(uri_if_printable);
    SessionStatusView {
        arn,
        status: view.status.as_str().map(str::to_owned),
        status_reason: view.status_reason.as_deref().map(shown_aws_text),
        application_arn: view.application_arn.as_deref().map(shown_aws_text),
        location: view.location.as_deref().map(shown_aws_text),
        log_file_location_uri: logs.or(before.log_file_location_uri),
    }
}

fn is_ours(type_: &str) -> bool {
    ALL.contains(&type_)
}

fn set_conditions(conditions: &mut Vec<Condition>, row: &Row, export: &Export, now: &Time) {
    let ConditionSet { accepted, succeeded, ready, progress } = condition_set(row, export.options.ready_when);
    let reason = row.reason().map_or("", Reason::as_str);
    let progress = keep_stalled(progress, conditions, reason);
    let message = share_message(message(row));
    let entry = ConditionWriter { reason, message, generation: export.generation, now };
    entry.set_condition(conditions, ACCEPTED, accepted);
    entry.set_condition(conditions, SUCCEEDED, succeeded);
    entry.set_condition(conditions, READY, ready);
    entry.set_while(conditions, RECONCILING, progress == Progress::Reconciling);
    entry.set_while(conditions, STALLED, progress == Progress::Stalled);
}

/// Keeps a reason Stalled once it has been: after a restart its age is unknown, but nothing has improved.
fn keep_stalled(progress: Progress, conditions: &[Condition], reason: &str) -> Progress {
    let stalled = conditions.iter().any(|c| c.type_ == STALLED && c.status == "True" && c.reason == reason);
    if progress == Progress::Reconciling && stalled { Progress::Stalled } else { progress }
}

/// Once UploadOverdue is recorded it stays until the export finishes, even if a list omits the creation time or a new
/// leader hasn't read the session yet.
fn keep_overdue<'a>(row: &'a Row, conditions: &[Condition]) -> &'a Row {
    let overdue = Reason::UploadOverdue.as_str();
    let shown = conditions.iter().any(|c| c.type_ == SUCCEEDED && c.status == "Unknown" && c.reason == overdue);
    if *row == Row::Pending && shown { &Row::Overdue } else { row }
}

struct ConditionWriter<'a> {
    reason: &'static str,
    message: Cow<'static, str>,
    generation: i64,
    now: &'a Time,
}

impl ConditionWriter<'_> {
    fn set_condition(&self, conditions: &mut Vec<Condition>, type_: &'static str, mark: ConditionValue) {
        let before = conditions.iter_mut().find(|condition| condition.type_ == type_);
        let status = match (mark, &before) {
            (ConditionValue::True, _) => "True",
            (ConditionValue::False, _) => "False",
            (ConditionValue::Unknown, _) => "Unknown",
            (ConditionValue::AsBefore, Some(before)) if before.status == "True" => "True",
            (ConditionValue::AsBefore, Some(before)) if before.status == "Unknown" => "Unknown",
            (ConditionValue::AsBefore, _) => "False",
        };
        match before {
            Some(condition) => self.update_condition(condition, status),
            None => conditions.push(self.new_condition(type_, status)),
        }
    }

    fn update_condition(&self, condition: &mut Condition, status: &'static str) {
        condition.observed_generation = Some(self.generation);
        // Accepted keeps the reason of the acceptance; later results are in the other conditions.
        if condition.type_ == ACCEPTED && condition.status == "True" && status == "True" {
            return;
        }
        if condition.status != status {
            condition.status = status.into();
            condition.last_transition_time = self.now.clone();
        }
        condition.reason = self.reason.into();
        condition.message = self.message.clone();
    }

    fn set_while(&self, conditions: &mut Vec<Condition>, type_: &'static str, present: bool) {
        if present {
            self.set_condition(conditions, type_, ConditionValue::True);
        } else {
            conditions.retain(|condition| condition.type_ != type_);
        }
    }

    fn new_condition(&self, type_: &'static str, status: &'static str) -> Condition {
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: self.reason.into(),
            message: self.message.clone(),
            observed_generation: Some(self.generation),
            last_transition_time: self.now.clone(),
        }
    }
}

/// Statuses hold whole seconds, so a time that is compared with one is truncated.
pub(crate) fn whole_seconds(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}
