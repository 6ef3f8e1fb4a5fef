//! A row of the condition table as a status, and the difference between two statuses as a patch. Pure.

use super::message::{is_plain, message, safe};
use super::request::Export;
use super::row::{Held, Outcome, Reason, Row};
use crate::api::condition::{ACCEPTED, ALL, READY, RECONCILING, STALLED, SUCCEEDED};
use crate::api::{ExportStatus, ReadyWhen, SessionExportStatus, SessionStatusView};
use crate::streams::identifiers::{MAX_OUTPUT_URI, SessionArn};
use crate::streams::observation::SessionView;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Map, Value};

/// The reason that a status gives, as tools and people read it.
pub fn ready_reason(status: &SessionExportStatus) -> Option<&str> {
    status.conditions.iter().find(|condition| condition.type_ == READY).map(|condition| condition.reason.as_str())
}

/// A condition's status, or "leave it as it was".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    True,
    False,
    Unknown,
    AsBefore,
}

impl Mark {
    fn of(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// One line of the condition table.
struct Columns {
    accepted: Mark,
    succeeded: Mark,
    ready: Mark,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Reconciling,
    Stalled,
    Done,
}

fn columns(row: &Row, ready_when: ReadyWhen) -> Columns {
    let early = ready_when == ReadyWhen::Accepted;
    let promised = |progress| Columns {
        accepted: Mark::True,
        succeeded: Mark::Unknown,
        ready: Mark::of(early),
        progress: if early { Progress::Done } else { progress },
    };
    match row {
        Row::Held(held) => Columns {
            accepted: if *held == Held::ServiceUnavailable { Mark::AsBefore } else { Mark::False },
            succeeded: Mark::Unknown,
            ready: Mark::False,
            progress: if held.is_stalled() { Progress::Stalled } else { Progress::Reconciling },
        },
        Row::Requesting => Columns {
            accepted: Mark::Unknown,
            succeeded: Mark::Unknown,
            ready: Mark::False,
            progress: Progress::Reconciling,
        },
        Row::Pending => promised(Progress::Reconciling),
        Row::Overdue => promised(Progress::Stalled),
        Row::Final(outcome) => of_outcome(outcome),
        Row::AtRest => Columns {
            accepted: Mark::AsBefore,
            succeeded: Mark::AsBefore,
            ready: Mark::AsBefore,
            progress: Progress::Done,
        },
    }
}

fn of_outcome(outcome: &Outcome) -> Columns {
    let failed =
        |accepted| Columns { accepted, succeeded: Mark::False, ready: Mark::False, progress: Progress::Stalled };
    match outcome {
        Outcome::Exported { .. } => {
            Columns { accepted: Mark::True, succeeded: Mark::True, ready: Mark::True, progress: Progress::Done }
        }
        Outcome::ExportFailed { .. } | Outcome::OutcomeUnknown => failed(Mark::True),
        Outcome::SessionEnded | Outcome::SessionNotFound | Outcome::GaveUp { .. } => failed(Mark::False),
        Outcome::ExportConflict { shown: Some(_), .. } => failed(Mark::True),
        Outcome::ExportConflict { shown: None, .. } => failed(Mark::AsBefore),
    }
}

/// The status that shows `row`, built on what is recorded: conditions of others and what is set once stay.
pub fn compose(
    export: &Export,
    row: &Row,
    arn: Option<&SessionArn>,
    view: Option<&SessionView>,
    now: Timestamp,
) -> SessionExportStatus {
    let mut status = export.status.clone();
    status.observed_generation = Some(export.generation);
    if *row == Row::AtRest {
        for condition in status.conditions.iter_mut().filter(|c| is_ours(&c.type_)) {
            condition.observed_generation = Some(export.generation);
        }
        return status;
    }
    let row = still_overdue(row, &status.conditions);
    let now = whole_seconds(now);
    status.start_time.get_or_insert_with(|| now.clone());
    record(&mut status, row, &now);
    set_conditions(&mut status.conditions, row, export, &now);
    if status != export.status {
        status.session = Some(session(arn, view, export.status.session.as_ref()));
    }
    status
}

/// The facts of a row, beside its conditions.
fn record(status: &mut SessionExportStatus, row: &Row, now: &Time) {
    match row {
        Row::AtRest => {}
        Row::Held(_) => nothing_yet(status),
        Row::Requesting => {
            nothing_yet(status);
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

/// AWS has said nothing of it. Leftovers of a half-cleared status go.
fn nothing_yet(status: &mut SessionExportStatus) {
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
                status.export_status_reason = Some(safe(reason));
            }
            ExportStatus::Failed
        }
        Outcome::OutcomeUnknown => {
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
    status.export_status_reason = status.export_status_reason.take().map(|reason| safe(&reason));
}

/// A URI that AWS reported, if a status may hold it as it is.
pub(super) fn showable(uri: &str) -> Option<String> {
    (uri.chars().count() <= MAX_OUTPUT_URI && uri.chars().all(is_plain)).then(|| uri.to_owned())
}

fn session(
    arn: Option<&SessionArn>,
    view: Option<&SessionView>,
    before: Option<&SessionStatusView>,
) -> SessionStatusView {
    let before = before.cloned().unwrap_or_default();
    let arn = arn.map(SessionArn::to_string).or(before.arn);
    let Some(view) = view else { return SessionStatusView { arn, ..before } };
    SessionStatusView {
        arn,
        status: view.status.as_str().map(str::to_owned),
        status_reason: view.status_reason.as_deref().map(safe),
        application_arn: view.application_arn.as_deref().map(safe),
        location: view.location.as_deref().map(safe),
    }
}

fn is_ours(type_: &str) -> bool {
    ALL.contains(&type_)
}

fn set_conditions(conditions: &mut Vec<Condition>, row: &Row, export: &Export, now: &Time) {
    let Columns { accepted, succeeded, ready, progress } = columns(row, export.options.ready_when);
    let reason = row.reason().map_or("", Reason::as_str);
    let progress = unless_stalled_before(progress, conditions, reason);
    let entry = Entry { reason, message: &message(row), generation: export.generation, now };
    entry.set(conditions, ACCEPTED, accepted);
    entry.set(conditions, SUCCEEDED, succeeded);
    entry.set(conditions, READY, ready);
    entry.set_while(conditions, RECONCILING, progress == Progress::Reconciling);
    entry.set_while(conditions, STALLED, progress == Progress::Stalled);
}

/// A reason that has shown as Stalled stays so: after a restart its age is not known, but nothing has got better.
fn unless_stalled_before(progress: Progress, conditions: &[Condition], reason: &str) -> Progress {
    let stalled = conditions.iter().any(|c| c.type_ == STALLED && c.status == "True" && c.reason == reason);
    if progress == Progress::Reconciling && stalled { Progress::Stalled } else { progress }
}

/// Overdue stays overdue until the end: what a read leaves out, or a new leader has not read, makes it no younger.
fn still_overdue<'a>(row: &'a Row, conditions: &[Condition]) -> &'a Row {
    let overdue = Reason::UploadOverdue.as_str();
    let shown = conditions.iter().any(|c| c.type_ == SUCCEEDED && c.status == "Unknown" && c.reason == overdue);
    if *row == Row::Pending && shown { &Row::Overdue } else { row }
}

struct Entry<'a> {
    reason: &'a str,
    message: &'a str,
    generation: i64,
    now: &'a Time,
}

impl Entry<'_> {
    fn set(&self, conditions: &mut Vec<Condition>, type_: &str, mark: Mark) {
        let before = conditions.iter_mut().find(|condition| condition.type_ == type_);
        let status = match (mark, &before) {
            (Mark::True, _) => "True",
            (Mark::False, _) => "False",
            (Mark::Unknown, _) => "Unknown",
            (Mark::AsBefore, Some(before)) if before.status == "True" => "True",
            (Mark::AsBefore, Some(before)) if before.status == "Unknown" => "Unknown",
            (Mark::AsBefore, _) => "False",
        };
        match before {
            Some(condition) => self.update(condition, status),
            None => conditions.push(self.condition(type_, status)),
        }
    }

    fn update(&self, condition: &mut Condition, status: &str) {
        condition.observed_generation = Some(self.generation);
        // Accepted says why AWS's promise holds, not what became of it.
        if condition.type_ == ACCEPTED && condition.status == "True" && status == "True" {
            return;
        }
        if condition.status != status {
            status.clone_into(&mut condition.status);
            condition.last_transition_time = self.now.clone();
        }
        self.reason.clone_into(&mut condition.reason);
        self.message.clone_into(&mut condition.message);
    }

    fn set_while(&self, conditions: &mut Vec<Condition>, type_: &str, present: bool) {
        if present {
            self.set(conditions, type_, Mark::True);
        } else {
            conditions.retain(|condition| condition.type_ != type_);
        }
    }

    fn condition(&self, type_: &str, status: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: self.reason.to_owned(),
            message: self.message.to_owned(),
            observed_generation: Some(self.generation),
            last_transition_time: self.now.clone(),
        }
    }
}

/// Statuses hold whole seconds; so must what is compared with them.
fn whole_seconds(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// The JSON merge patch that turns one status into the other. Empty if nothing changed; fields that this version
/// does not know are never named in it, and so stay as they are.
///
/// # Errors
/// If a status can't be written as JSON.
pub fn difference(before: &SessionExportStatus, after: &SessionExportStatus) -> serde_json::Result<Map<String, Value>> {
    Ok(match (serde_json::to_value(before)?, serde_json::to_value(after)?) {
        (Value::Object(before), Value::Object(after)) => changed(&before, after),
        _ => Map::new(),
    })
}

fn changed(before: &Map<String, Value>, after: Map<String, Value>) -> Map<String, Value> {
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let mut patch: Map<String, Value> = gone.collect();
    for (key, value) in after {
        match (before.get(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let inner = changed(old, new);
                if !inner.is_empty() {
                    patch.insert(key, Value::Object(inner));
                }
            }
            (old, new) if old == Some(&new) => {}
            (_, new) => {
                patch.insert(key, new);
            }
        }
    }
    patch
}
