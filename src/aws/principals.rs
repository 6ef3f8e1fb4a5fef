//! Replacement of the operator's principal in AWS's texts.
//!
//! Owns: what in a text is a principal, and what is shown in its place. Never: truncates or escapes a text.
//! [`crate::export::status::message()`] does that afterwards: the first half of a truncated principal would not be
//! found.

#[cfg(test)]
pub(crate) mod tests;

use std::ops::Range;

/// All calls are made as the operator's role.
const SHOWN: &str = "the operator's role";
/// Prefixes of principals' unique ids and of access key ids (IAM User Guide, "Unique identifiers").
const ID_PREFIXES: [&str; 8] = ["ABIA", "ACCA", "AGPA", "AIDA", "AIPA", "AKIA", "AROA", "ASIA"];
/// Shortest unique id. AWS's have at least 16 characters (IAM API Reference, `RoleId`), those in examples fewer.
const MIN_ID: usize = 11;

/// The text with "the operator's role" in place of each principal: an ARN of IAM or STS other than a policy's, a
/// unique id with or without a session name, an access key id.
pub(crate) fn replace_principals(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(Range { start, end }) = next_principal(rest) {
        shown.push_str(&rest[..start]);
        shown.push_str(SHOWN);
        rest = &rest[end..];
    }
    shown + rest
}

fn next_principal(text: &str) -> Option<Range<usize>> {
    text.char_indices().find_map(|(start, _)| {
        let (before, rest) = text.split_at(start);
        let length = arn_length(rest).or_else(|| id_length(before, rest))?;
        Some(start..start + length)
    })
}

/// Length of the ARN that `text` begins with, even if its end is missing; `None` if it is not a principal's
/// (`arn:PARTITION:iam|sts:REGION:ACCOUNT:RESOURCE`).
fn arn_length(text: &str) -> Option<usize> {
    let rest = text.get(4..).filter(|_| text[..4].eq_ignore_ascii_case("arn:"))?;
    let (partition, rest) = rest.split_once(':')?;
    let (service, rest) = rest.split_once(':')?;
    let is_partition = partition.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_service = ["iam", "sts"].iter().any(|name| service.eq_ignore_ascii_case(name));
    let is_policy = rest.splitn(3, ':').nth(2).is_some_and(|resource| resource.starts_with("policy/"));
    if !is_partition || !is_service || is_policy {
        return None;
    }
    let named = leading_part(rest, |c| !ends_arn(c)).trim_end_matches(['.', ',', ':']);
    (!named.is_empty()).then(|| text.len() - rest.len() + named.len())
}

/// True for characters that no IAM name or path contains, and those that AWS puts around an ARN.
fn ends_arn(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "\"'`<>()[]{}|\\;".contains(c)
}

/// Length of the unique id that `rest` begins with, and of the session name behind it; `None` without one.
fn id_length(before: &str, rest: &str) -> Option<usize> {
    let is_inside_a_word = before.ends_with(|c: char| c.is_ascii_alphanumeric());
    if is_inside_a_word || !ID_PREFIXES.contains(&rest.get(..4)?) {
        return None;
    }
    let id = leading_part(rest, |c| c.is_ascii_alphanumeric());
    let is_id = leading_part(id, |c| c.is_ascii_uppercase() || c.is_ascii_digit()).len() >= MIN_ID;
    let session = rest[id.len()..].strip_prefix(':').map_or("", |name| leading_part(name, is_in_session_name));
    let session = session.trim_end_matches(['.', ',']);
    let session_length = if session.is_empty() { 0 } else { 1 + session.len() };
    is_id.then(|| id.len() + session_length)
}

/// True for the characters of `RoleSessionName` (STS API Reference).
fn is_in_session_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// The longest prefix of a text in which `holds` is true for every character.
fn leading_part(text: &str, holds: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !holds(c)).unwrap_or(text.len())]
}
