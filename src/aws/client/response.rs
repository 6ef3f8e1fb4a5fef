//! Extracts from AWS's answers the fields that may leave the client.
//!
//! Owns: the only code that takes a response apart. Never: passes on user ids, signal blobs, environment, launch
//! arguments, or a text with a control character where AWS documents an enum value or identifier.

#[cfg(test)]
mod tests;

use crate::aws::identifiers::{Home, SessionArn, StreamGroupArn, StreamSessionId, StreamSessionIdentifier};
use crate::aws::model::{ExportFilesStatus, ExportView, SessionStatus, SessionView};
use aws_sdk_gameliftstreams::operation::get_stream_session::GetStreamSessionOutput;
use aws_sdk_gameliftstreams::types;
use std::time::{Duration, SystemTime};

/// Longest ARN or location that is passed on.
const MAX_TEXT: usize = 256;

/// The session that GetStreamSession describes, or `None` if this can't be AWS's description of `arn`: the SDK takes
/// any 200 with an empty body or a JSON object for success.
pub(super) fn session_from_get(arn: &SessionArn, output: &GetStreamSessionOutput) -> Option<SessionView> {
    let named: StreamSessionIdentifier = output.arn()?.parse().ok()?;
    if named.id != arn.session || !is_in(&named, &arn.stream_group()) {
        return None;
    }
    Some(SessionView {
        status: session_status(output.status()?),
        status_reason: output.status_reason().and_then(|reason| plain_text(reason.as_str())),
        application_arn: output.application_arn().and_then(plain_text),
        location: output.location().and_then(plain_text),
        created_at: output.created_at().and_then(|at| SystemTime::try_from(*at).ok()),
        session_length: output.session_length_seconds().and_then(positive_seconds),
        log_file_location_uri: output.log_file_location_uri().map(str::to_owned),
        export: output.export_files_metadata().map(export_view),
    })
}

/// The session that one item of ListStreamSessions describes; `None` if it lacks a name or a status, or is of another
/// group, Region or account. The other items of the page still count.
pub(super) fn session_from_summary(
    group: &StreamGroupArn,
    summary: &types::StreamSessionSummary,
) -> Option<(StreamSessionId, SessionView)> {
    let named: StreamSessionIdentifier = summary.arn()?.parse().ok()?;
    if !is_in(&named, group) {
        return None;
    }
    let view = SessionView {
        status: session_status(summary.status()?),
        status_reason: summary.status_reason().and_then(|reason| plain_text(reason.as_str())),
        application_arn: summary.application_arn().and_then(plain_text),
        location: summary.location().and_then(plain_text),
        created_at: summary.created_at().and_then(|at| SystemTime::try_from(*at).ok()),
        session_length: None,
        log_file_location_uri: None,
        export: summary.export_files_metadata().map(export_view),
    };
    Some((named.id, view))
}

/// Whether the group, Region and account that an answer's ARN names are those of `group`. ARNs of the older form name
/// no group.
fn is_in(named: &StreamSessionIdentifier, group: &StreamGroupArn) -> bool {
    let StreamSessionIdentifier { id: _, group: named_group, home } = named;
    let at_home = |Home { region, account }: &Home| *region == group.region && *account == group.account;
    named_group.as_ref().is_none_or(|named| *named == group.group) && home.as_ref().is_none_or(at_home)
}

fn positive_seconds(seconds: i32) -> Option<Duration> {
    u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

fn plain_text(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= MAX_TEXT && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// Metadata without a status, or with an unknown one, still shows that an export was requested.
fn export_view(metadata: &types::ExportFilesMetadata) -> ExportView {
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
