//! The messages of conditions: the same row always has the same text, so that it causes no status write.
//!
//! Never: request ids, times of day, secrets, names from other namespaces.

#[cfg(test)]
mod tests;

use crate::api::status::MAX_REASON;
use crate::aws::failure::FailureDetail;
use crate::aws::operation::Operation;
use crate::aws::principals::replace_principals;
use crate::export::status::row::{Held, Outcome, Row};
use jiff::SignedDuration;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

/// Longest message, in bytes. Up to four conditions of each object repeat it.
const MAX_MESSAGE: usize = 512;

/// The message of a row's conditions: at most 512 bytes.
pub(crate) fn message(row: &Row) -> String {
    let mut text = untruncated_message(row);
    text.truncate(text.floor_char_boundary(MAX_MESSAGE));
    text
}

/// Borrows a message without values of its own, which most objects show; any other stays owned.
pub(crate) fn share_message(text: String) -> Cow<'static, str> {
    match COMMON_MESSAGES.get(text.as_str()) {
        Some(shared) => Cow::Borrowed(shared),
        None => Cow::Owned(text),
    }
}

static COMMON_MESSAGES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let detail = || FailureDetail::Unknown;
    let denied = |operation: Operation| Held::AccessDenied { stalled: false, operation, detail: detail() };
    let held = [
        Held::WaitingForSession,
        Held::Suspended,
        Held::WaitingForOtherExport { rival: None },
        Held::RateLimited,
        Held::ServiceUnavailable { detail: detail() },
        Held::CredentialsUnavailable { stalled: false, detail: detail() },
        Held::ConfirmingSessionEnd,
        Held::RequestRejected { detail: detail() },
        Held::DestinationForbidden { missing_rule: None },
    ];
    let rows = held.into_iter().chain(Operation::ALL.map(denied)).map(Row::Held);
    let rows = rows.chain([Row::Requesting, Row::Pending, Row::Overdue]);
    rows.map(|row| &*message(&row).leak()).collect()
});

/// The note of a row's Event: its message, and AWS's request id if there is one.
pub(crate) fn event_note(row: &Row, request_id: Option<&str>) -> String {
    match request_id {
        Some(id) => format!("{} (AWS request {})", message(row), replace_principals(id)),
        None => message(row),
    }
}

fn untruncated_message(row: &Row) -> String {
    match row {
        Row::Held(held) => held_message(held, MAX_MESSAGE),
        Row::Requesting => "The export is about to be requested from AWS.".to_owned(),
        Row::Pending => "AWS has accepted the export. It uploads the ZIP after the session ends.".to_owned(),
        Row::Overdue => "AWS has accepted the export, but shows no result long after the session must have ended. \
                         The operator keeps reading it: the export may still finish."
            .to_owned(),
        Row::Final(outcome) => outcome_message(outcome),
        Row::Unchanged => String::new(),
    }
}

/// `room` is the longest message, in bytes, for a text that can't be truncated.
fn held_message(held: &Held, room: usize) -> String {
    match held {
        Held::WaitingForSession => {
            "The session is ACTIVATING. The export is requested as soon as the session is live.".to_owned()
        }
        Held::Suspended => {
            "spec.suspend is true, so the export is not requested. Set it to false before the session ends, \
                            or the files are lost."
                .to_owned()
        }
        Held::WaitingForOtherExport { rival } => format!(
            "{} exports this session, or to this .zip, and AWS has not answered its request yet.",
            rival_name(rival.as_deref())
        ),
        Held::DestinationUnknown => {
            "AWS shows a pending export of this session that this object did not request. AWS does \
                                     not show its destination."
                .to_owned()
        }
        Held::RateLimited => "The request is queued: the AWS request quota is in use by other requests.".to_owned(),
        Held::ServiceUnavailable { detail: FailureDetail::Unknown } => {
            "AWS shows nothing that the operator can use. The operator retries.".to_owned()
        }
        Held::ServiceUnavailable { detail } => {
            with_detail("AWS can't be reached, or does not serve the request now. The operator retries.", detail)
        }
        Held::CredentialsUnavailable { detail, .. } => with_detail(
            "The operator has no credentials that AWS accepts. It retries every minute. Check the IAM role of its \
             Pods.",
            detail,
        ),
        // S3 is asked for the destination by the export call only.
        Held::AccessDenied { operation: Operation::Export, detail, .. } => with_detail(
            "IAM denies the operator's role gameliftstreams:ExportStreamSessionFiles, or s3:PutObject on the \
             destination. The operator retries every minute. Allow both in the role's policy.",
            detail,
        ),
        Held::AccessDenied { operation: operation @ (Operation::Get | Operation::List), detail, .. } => with_detail(
            &format!(
                "IAM denies the operator's role gameliftstreams:{operation}. The operator retries every minute. Allow \
                 it in the role's policy."
            ),
            detail,
        ),
        Held::DestinationForbidden { missing_rule: Some(missing_rule) } => forbidden_message(missing_rule, room),
        Held::DestinationForbidden { missing_rule: None } => {
            "The rule of the operator's configuration that covers this \
                                                             namespace, stream group and destination allows no new \
                                                             exports (exports: false)."
                .to_owned()
        }
        Held::AccountMismatch { named } => {
            format!("The ARN names account {named}, which this operator does not serve.")
        }
        Held::ServiceAccountNotSupported => {
            "This version does not support spec.serviceAccountName. It does not use the \
                                             operator's own identity instead."
                .to_owned()
        }
        Held::RequestRejected { detail } => with_detail(
            "AWS rejects the request although the session is live. The operator retries every few minutes.",
            detail,
        ),
        Held::SpecRejected { problem } => format!("This version does not accept the spec: {problem}."),
        Held::ConfirmingSessionEnd => {
            "AWS shows the session as ended, or not at all, without an export. The operator reads it again to confirm."
                .to_owned()
        }
    }
}

/// The message with the cause behind it.
fn with_detail(what: &str, detail: &FailureDetail) -> String {
    match detail {
        FailureDetail::Unknown => what.to_owned(),
        FailureDetail::Answer(answer) if answer.text.is_empty() => format!("{what} AWS says {}.", answer.code),
        FailureDetail::Answer(answer) => {
            let text = printable_text(&answer.text);
            format!("{what} AWS says {}: {}.", answer.code, text.trim_end_matches('.'))
        }
        FailureDetail::ForeignAnswer(http) => {
            format!(
                "{what} The answer has HTTP status {http} and can't be understood: a proxy may have made or changed it."
            )
        }
        FailureDetail::Connection(cause) => format!("{what} Cause: {cause}."),
        FailureDetail::CredentialsSource(cause) => format!("{what} Cause, at the source of its credentials: {cause}."),
    }
}

/// The message with the whole rule to add, or without it if it doesn't fit in `room` bytes.
fn forbidden_message(missing_rule: &str, room: usize) -> String {
    let what = "No rule of the operator's configuration covers this namespace, stream group and destination. ";
    let with_rule = format!("{what}An administrator may add to rules: {}", escape_yaml(missing_rule));
    if with_rule.len() <= room {
        return with_rule;
    }
    format!("{what}The rule to add is too long to be shown here.")
}

fn outcome_message(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exported { output_uri: Some(_) } => "The ZIP is in S3. Its URI is in status.outputUri.".to_owned(),
        Outcome::Exported { output_uri: None } => {
            "The ZIP is in S3 below spec.outputUri. AWS reported no name for it.".to_owned()
        }
        Outcome::ExportFailed { reason: Some(reason), .. } => format!("AWS says FAILED: {}", shown_aws_text(reason)),
        Outcome::ExportFailed { reason: None, .. } => "AWS says FAILED and gives no reason.".to_owned(),
        Outcome::SessionEnded => "The session ended before the export was requested. Its files are lost.".to_owned(),
        Outcome::SessionNotFound => {
            "AWS knows no such stream session or stream group in this Region and account.".to_owned()
        }
        Outcome::Unknown => "AWS accepted the export, but no longer knows the session. The outcome is unknown: \
                             the ZIP may still arrive."
            .to_owned(),
        Outcome::ExportConflict { rival: Some(name), .. } => {
            format!("SessionExport {name} exports this session, or to this .zip. A second export would replace the first.")
        }
        Outcome::ExportConflict { rival: None, .. } => "This session is exported to another destination, or this .zip \
                                                        belongs to another export. A second export would replace the first."
            .to_owned(),
        Outcome::GaveUp { held, bound } => {
            let deadline = format!(
                "AWS did not accept the export before the deadline ({} after creation). Last reason: ",
                format_duration(*bound)
            );
            let room = MAX_MESSAGE.saturating_sub(deadline.len());
            deadline + &held_message(held, room)
        }
    }
}

fn rival_name(rival: Option<&str>) -> String {
    rival.map_or_else(|| "Another SessionExport".to_owned(), |name| format!("SessionExport {name}"))
}

/// The duration in the configuration's format, such as `25h`.
fn format_duration(duration: Duration) -> String {
    format!("{:#}", SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
}

/// AWS's own text for statuses and Events: without principals, made printable.
pub(crate) fn shown_aws_text(text: &str) -> String {
    printable_text(&replace_principals(text))
}

/// At most 256 characters of a text, with control and bidirectional characters escaped.
pub(crate) fn printable_text(text: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    for c in text.chars() {
        let piece: String = if is_plain(c) { c.to_string() } else { c.escape_unicode().collect() };
        length += piece.chars().count();
        if length > MAX_REASON {
            break;
        }
        out.push_str(&piece);
    }
    out
}

/// A line of YAML in which control and bidirectional characters are escaped as in YAML, so that it can be pasted.
fn escape_yaml(yaml: &str) -> String {
    yaml.chars().fold(String::with_capacity(yaml.len()), |mut out, c| {
        match u32::from(c) {
            _ if is_plain(c) => out.push(c),
            code @ ..=0xFFFF => out.push_str(&format!("\\u{code:04X}")),
            code => out.push_str(&format!("\\U{code:08X}")),
        }
        out
    })
}

/// True unless `c` is a control character, or a format character that reorders or hides text.
pub(crate) fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}
