//! The sentences of conditions: canonical, so that an unchanged situation is an unchanged status.
//!
//! No request ids, no times of day, nothing secret, nothing of other namespaces.

use super::row::{Held, Outcome, Row};
use crate::api::status::MAX_REASON;
use jiff::SignedDuration;
use std::time::Duration;

/// Longest message, in bytes. It stands in up to four conditions of each object.
const MAX_MESSAGE: usize = 512;

/// The message of a row's conditions: at most 512 bytes.
pub fn message(row: &Row) -> String {
    let mut text = full_message(row);
    text.truncate(text.floor_char_boundary(MAX_MESSAGE));
    text
}

fn full_message(row: &Row) -> String {
    match row {
        Row::Held(held) => of_held(held, MAX_MESSAGE),
        Row::Requesting => "The export is about to be requested from AWS.".to_owned(),
        Row::Pending => "AWS has promised the export. It uploads the ZIP after the session ends.".to_owned(),
        Row::Overdue => "AWS has promised the export, but shows no result long after the session must have ended. \
                         It is looked at from time to time and may still finish."
            .to_owned(),
        Row::Final(outcome) => of_outcome(outcome),
        Row::AtRest => String::new(),
    }
}

/// `room`: how long it may be, if it holds what can't be cut.
fn of_held(held: &Held, room: usize) -> String {
    match held {
        Held::WaitingForSession => {
            "The session is ACTIVATING; the export is requested as soon as it is live.".to_owned()
        }
        Held::Suspended => "spec.suspend is true; the export is not requested. Files are lost if the session ends \
                            first: set spec.suspend to false to request it."
            .to_owned(),
        Held::WaitingForOtherExport { rival } => format!(
            "{} has claimed this session or this .zip and has no answer from AWS yet.",
            other_export(rival.as_deref())
        ),
        Held::DestinationUnknown => "AWS shows a pending export of this session that this object did not request, and \
                                     does not tell its destination."
            .to_owned(),
        Held::RateLimited => "The request waits for its turn in the AWS request quota.".to_owned(),
        Held::ServiceUnavailable => {
            "AWS is throttling, can't be reached or gives no usable answer; retried until it does.".to_owned()
        }
        Held::CredentialsUnavailable { .. } => "The operator has no credentials that AWS accepts; retried every \
                                                minute. Check the IAM role of its Pods."
            .to_owned(),
        Held::AccessDenied { operation, .. } => format!(
            "IAM denies the operator's role gameliftstreams:{operation} or s3:PutObject on the destination; retried \
             every minute. Allow it in the role's policy."
        ),
        Held::DestinationForbidden { missing_rule } => forbidden(missing_rule, room),
        Held::AccountMismatch { named, ours } => {
            format!("The ARN names account {named}, but this operator works for account {ours}.")
        }
        Held::ServiceAccountNotSupported => "spec.serviceAccountName is not supported by this version; the operator's \
                                             own identity is not used for it."
            .to_owned(),
        Held::RequestRejected { detail: None } => {
            "AWS refuses the request although the session is live; retried every few minutes.".to_owned()
        }
        Held::RequestRejected { detail: Some(detail) } => format!("This version does not accept the spec: {detail}."),
        Held::ConfirmingSessionEnd => {
            "The session looks ended, or is unknown to AWS, without an export; another read must confirm it.".to_owned()
        }
    }
}

/// With the rule to add, whole, or without it.
fn forbidden(missing_rule: &str, room: usize) -> String {
    let what = "No rule of the operator's configuration covers this namespace, stream group and destination. ";
    let with_rule = format!("{what}An administrator may add to rules: {}", escaped(missing_rule));
    if with_rule.len() <= room {
        return with_rule;
    }
    format!("{what}The rule to add is too long to be shown here.")
}

fn of_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exported { output_uri: Some(_) } => "The ZIP is in S3; its URI is in status.outputUri.".to_owned(),
        Outcome::Exported { output_uri: None } => {
            "The ZIP is in S3 below spec.outputUri; AWS reported no name for it.".to_owned()
        }
        Outcome::ExportFailed { reason: Some(reason), .. } => format!("AWS says FAILED: {}", safe(reason)),
        Outcome::ExportFailed { reason: None, .. } => "AWS says FAILED and gives no reason.".to_owned(),
        Outcome::SessionEnded => "The session ended before the export was requested; its files are gone.".to_owned(),
        Outcome::SessionNotFound => {
            "AWS knows no such stream session or stream group in this Region and account.".to_owned()
        }
        Outcome::OutcomeUnknown => "AWS had promised the export, but no longer knows the session: outcome unknown, \
                                    the ZIP may still arrive."
            .to_owned(),
        Outcome::ExportConflict { rival: Some(name), .. } => {
            format!("SessionExport {name} has this session or this .zip; a second export would replace the first.")
        }
        Outcome::ExportConflict { rival: None, .. } => "This session is exported to another destination, or this .zip \
                                                        belongs to another export; a second would replace the first."
            .to_owned(),
        Outcome::GaveUp { held, bound } => {
            let deadline = format!(
                "AWS did not accept the export before the deadline ({} after creation). Last reason: ",
                format_duration(*bound)
            );
            let room = MAX_MESSAGE.saturating_sub(deadline.len());
            deadline + &of_held(held, room)
        }
    }
}

fn other_export(rival: Option<&str>) -> String {
    rival.map_or_else(|| "Another SessionExport".to_owned(), |name| format!("SessionExport {name}"))
}

/// As the configuration writes it, such as `25h`.
fn format_duration(duration: Duration) -> String {
    format!("{:#}", SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
}

/// AWS's own text made safe to show: at most 256 characters, control and bidirectional characters escaped.
pub fn safe(text: &str) -> String {
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

/// A line of YAML with what could mislead a reader escaped as YAML escapes it: it stays ready to paste.
fn escaped(yaml: &str) -> String {
    yaml.chars().fold(String::with_capacity(yaml.len()), |mut out, c| {
        match u32::from(c) {
            _ if is_plain(c) => out.push(c),
            code @ ..=0xFFFF => out.push_str(&format!("\\u{code:04X}")),
            code => out.push_str(&format!("\\U{code:08X}")),
        }
        out
    })
}

/// Not a control character, not a format character that reorders or hides text.
pub fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}
