//! AWS's error texts as a status may show them.
//!
//! Owns: what is left out, so that the same error has the same text whichever Pod met it and however often: principals,
//! request ids, times, signed or encoded blobs. Never: escapes a text; [`crate::export::status::message()`] does.

use crate::aws::principals::replace_principals;
use jiff::Timestamp;

/// Longest text that is kept, in bytes.
pub(super) const MAX_TEXT: usize = 1024;
/// Of a longer text only the beginning is looked at, in bytes.
const MAX_SCANNED: usize = 16 * 1024;
/// Shortest run of letters and digits that counts as a blob. AWS's encoded messages, signatures and extended request
/// ids are longer; names that people give have hyphens, dots or slashes.
const MIN_BLOB: usize = 32;
/// Shown for what is left out.
const LEFT_OUT: &str = "...";

/// The text without principals and without what differs from call to call: at most [`MAX_TEXT`] bytes.
pub(crate) fn redact_text(text: &str) -> String {
    let scanned = &text[..text.floor_char_boundary(MAX_SCANNED)];
    let mut redacted = replace_changing_parts(&replace_principals(scanned));
    redacted.truncate(redacted.floor_char_boundary(MAX_TEXT));
    redacted
}

fn replace_changing_parts(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut before, mut last) = (String::new(), String::new());
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(is_separator).unwrap_or(rest.len());
        let (token, after) = rest.split_at(length);
        let bare = token.trim_end_matches(['.', ':']);
        match changing_part(&before, &last, bare) {
            Some(start) => {
                shown.push_str(&bare[..start]);
                shown.push_str(LEFT_OUT);
                shown.push_str(&token[bare.len()..]);
            }
            None => shown.push_str(token),
        }
        if !token.is_empty() {
            before = std::mem::replace(&mut last, bare.to_ascii_lowercase());
        }
        let separators = after.find(|c| !is_separator(c)).unwrap_or(after.len());
        shown.push_str(&after[..separators]);
        rest = &after[separators..];
    }
    shown
}

/// Where in a token the part begins that differs from call to call; `None` if there is none.
fn changing_part(before: &str, last: &str, token: &str) -> Option<usize> {
    if token.is_empty() {
        return None;
    }
    let is_after_label = is_request_id_label(last) || (last == "id" && before.ends_with("request"));
    if is_after_label || is_uuid(token) || is_time(token) || is_blob(token) {
        return Some(0);
    }
    let (label, value) = token.split_once(['=', ':'])?;
    (!value.is_empty() && is_request_id_label(&label.to_ascii_lowercase())).then(|| token.len() - value.len())
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || "\"'`<>()[]{}|\\;,".contains(c)
}

fn is_request_id_label(word: &str) -> bool {
    ["requestid", "request-id", "request_id", "amzn-requestid", "id-2"].iter().any(|label| word.ends_with(label))
}

fn is_uuid(token: &str) -> bool {
    let groups: Vec<_> = token.split('-').collect();
    let is_hex = |group: &&str| group.bytes().all(|b| b.is_ascii_hexdigit());
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(is_hex)
}

/// True for times as AWS writes them: `20261130T201500Z` in signatures, else ISO 8601.
fn is_time(token: &str) -> bool {
    let shape: String = token.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "00000000T000000Z" || token.parse::<Timestamp>().is_ok()
}

fn is_blob(token: &str) -> bool {
    token.len() >= MIN_BLOB
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
        && token.bytes().any(|b| b.is_ascii_digit())
        && token.bytes().any(|b| b.is_ascii_alphabetic())
        && !token.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    const UUID: &str = "0b2d7f4e-5e0f-4f7c-9d5c-2c7a1c0e9f11";

    #[test]
    fn what_differs_from_call_to_call_is_left_out() {
        for (text, shown) in [
            (format!("Internal failure, request {UUID}."), "Internal failure, request ...."),
            (
                "Access Denied (Service: S3, Status Code: 403, Request ID: 4442587FB7D0A2F9, Extended Request ID: \
                 vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo6QBU0Wo=)"
                    .to_owned(),
                "Access Denied (Service: S3, Status Code: 403, Request ID: ..., Extended Request ID: ...)",
            ),
            ("x-amzn-requestid=abc; RequestId: abc".to_owned(), "x-amzn-requestid=...; RequestId: ..."),
            (
                "Signature expired: 20261130T201500Z is now earlier than 20261130T202000Z (20261130T202500Z - 5 min.)"
                    .to_owned(),
                "Signature expired: ... is now earlier than ... (... - 5 min.)",
            ),
            ("Throttled until 2026-11-30T20:15:00.123Z".to_owned(), "Throttled until ..."),
            (
                format!("Encoded authorization failure message: {}", "Ab1".repeat(100)),
                "Encoded authorization failure message: ...",
            ),
            (
                "User: arn:aws:sts::111122223333:assumed-role/exporter/pod-7f is not authorized".to_owned(),
                "User: the operator's role is not authorized",
            ),
        ] {
            assert_eq!(redact_text(&text), shown);
        }
    }

    #[test]
    fn what_tells_the_cause_is_kept() {
        for text in [
            "1 validation error detected: Value 's3://Bucket' at 'outputUri' failed to satisfy constraint",
            "The bucket s3://team-a-exports-of-the-year-2026/crash-dumps/of/a/rather/long/prefix1/ does not exist",
            "on resource: arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4 because no policy",
            "Stream session ABC123def4567 of group sg-1AB2C3De4 has ended. Status: TERMINATED",
            "Rate exceeded",
            "The id is wrong; the request is not",
            "",
        ] {
            assert_eq!(redact_text(text), text);
        }
    }

    proptest! {
        #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
        #[test]
        fn any_text_is_bounded_and_redacted_once(text in any::<String>(), copies in 1_usize..200) {
            let once = redact_text(&text.repeat(copies));
            prop_assert!(once.len() <= MAX_TEXT);
            prop_assert_eq!(redact_text(&once), once);
        }

        #[test]
        fn two_calls_give_the_same_text(words in "[a-z .]{0,40}", one in "[0-9a-f]{8}", other in "[0-9a-f]{8}") {
            let text = |id: &str| redact_text(&format!("{words} id {id}-5e0f-4f7c-9d5c-2c7a1c0e9f11 {words}"));
            prop_assert_eq!(text(&one), text(&other));
        }
    }
}
