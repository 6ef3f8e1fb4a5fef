//! Forged statuses: what a user with write access to the status can put into it.

use crate::api::condition::Condition;
use crate::api::condition::{ACCEPTED, SUCCEEDED};
use crate::api::{ExportStatus, SessionExportStatus, SessionStatusView};
use crate::export::fixtures::arn;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A status field and its forged value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Forgery {
    /// The whole status is emptied.
    Cleared,
    ExportStatus(ExportStatus),
    ExportStatusReason,
    OutputUri(&'static str),
    /// The ARN of a session, by its id.
    Session(&'static str),
    StartTime,
    RequestAttemptTime,
    RequestTime,
    CompletionTime,
    ObservedGeneration,
    Conditions,
}

impl Forgery {
    pub(crate) fn write(self, status: &mut SessionExportStatus, now: Timestamp) {
        let time = Time(now);
        match self {
            Self::Cleared => *status = SessionExportStatus::default(),
            Self::ExportStatus(word) => status.export_status = Some(word),
            Self::ExportStatusReason => status.export_status_reason = Some("forged".to_owned()),
            Self::OutputUri(uri) => status.output_uri = Some(uri.to_owned()),
            Self::Session(session) => {
                let arn = Some(arn(session).to_string());
                status.session = Some(SessionStatusView { arn, ..SessionStatusView::default() });
            }
            Self::StartTime => status.start_time = Some(time),
            Self::RequestAttemptTime => status.request_attempt_time = Some(time),
            Self::RequestTime => status.request_time = Some(time),
            Self::CompletionTime => status.completion_time = Some(time),
            Self::ObservedGeneration => status.observed_generation = Some(7),
            Self::Conditions => status.conditions = [ACCEPTED, SUCCEEDED].map(|type_| holds(type_, &time)).into(),
        }
    }
}

fn holds(type_: &'static str, time: &Time) -> Condition {
    Condition {
        type_: type_.into(),
        status: "True".into(),
        reason: "Exported".into(),
        message: "forged".into(),
        observed_generation: None,
        last_transition_time: time.clone(),
    }
}
