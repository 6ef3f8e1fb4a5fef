//! What of AWS's answers may be known.
//!
//! Owns: the one place where a response is taken apart. Never: passes on user ids, signal blobs, environment, launch
//! arguments, or a text with a control character where AWS promises a word.

use crate::streams::identifiers::{SessionArn, StreamGroupArn, StreamSessionId, StreamSessionIdentifier};
use crate::streams::observation::{ExportFilesStatus, ExportView, SessionStatus, SessionView};
use aws_sdk_gameliftstreams::operation::get_stream_session::GetStreamSessionOutput;
use aws_sdk_gameliftstreams::types;
use std::time::{Duration, SystemTime};

/// Longest ARN or location that is passed on.
const MAX_TEXT: usize = 256;

/// The session that GetStreamSession describes, or `None` if this can't be AWS's description of `arn`: the SDK takes
/// any 200 with an empty body or a JSON object for success.
pub(super) fn session(arn: &SessionArn, output: &GetStreamSessionOutput) -> Option<SessionView> {
    let named: StreamSessionIdentifier = output.arn()?.parse().ok()?;
    if named.id != arn.session {
        return None;
    }
    Some(SessionView {
        status: session_status(output.status()?),
        status_reason: output.status_reason().and_then(|reason| text(reason.as_str())),
        application_arn: output.application_arn().and_then(text),
        location: output.location().and_then(text),
        created_at: output.created_at().and_then(|at| SystemTime::try_from(*at).ok()),
        session_length: output.session_length_seconds().and_then(seconds),
        export: output.export_files_metadata().map(export),
    })
}

/// The session that one line of ListStreamSessions describes. `None` if it lacks a name or a status, or is of another
/// group: the other lines count all the same.
pub(super) fn summary(
    group: &StreamGroupArn,
    summary: &types::StreamSessionSummary,
) -> Option<(StreamSessionId, SessionView)> {
    let named: StreamSessionIdentifier = summary.arn()?.parse().ok()?;
    if named.group.as_ref().is_some_and(|named| *named != group.group) {
        return None;
    }
    let view = SessionView {
        status: session_status(summary.status()?),
        status_reason: summary.status_reason().and_then(|reason| text(reason.as_str())),
        application_arn: summary.application_arn().and_then(text),
        location: summary.location().and_then(text),
        created_at: summary.created_at().and_then(|at| SystemTime::try_from(*at).ok()),
        session_length: None,
        export: summary.export_files_metadata().map(export),
    };
    Some((named.id, view))
}

fn seconds(seconds: i32) -> Option<Duration> {
    u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

fn text(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= MAX_TEXT && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// Metadata without a status, or with an unknown one, still shows that somebody asked for an export.
fn export(metadata: &types::ExportFilesMetadata) -> ExportView {
    ExportView {
        status: metadata.status().map_or(ExportFilesStatus::Unknown, export_status),
        reason: metadata.status_reason().map(str::to_owned),
        output_uri: metadata.output_uri().map(str::to_owned),
    }
}

fn export_status(status: &types::ExportFilesStatus) -> ExportFilesStatus {
    match status.as_str() {
        "PENDING" => ExportFilesStatus::Pending,
        "SUCCEEDED" => ExportFilesStatus::Succeeded,
        "FAILED" => ExportFilesStatus::Failed,
        _ => ExportFilesStatus::Unknown,
    }
}

fn session_status(status: &types::StreamSessionStatus) -> SessionStatus {
    match status.as_str() {
        "ACTIVATING" => SessionStatus::Activating,
        "ACTIVE" => SessionStatus::Active,
        "CONNECTED" => SessionStatus::Connected,
        "PENDING_CLIENT_RECONNECTION" => SessionStatus::PendingClientReconnection,
        "RECONNECTING" => SessionStatus::Reconnecting,
        "TERMINATING" => SessionStatus::Terminating,
        "TERMINATED" => SessionStatus::Terminated,
        "ERROR" => SessionStatus::Error,
        _ => SessionStatus::Unknown,
    }
}
