//! The administrator's rules for the operator's own identity: closed by default. Pure.

use super::patterns::{GroupPattern, NamespacePattern, OutputPrefix};
use crate::streams::identifiers::{OutputUri, SessionArn, StreamGroupId, StreamGroupIdentifier};
use crate::typed;
use serde::Deserialize;
use std::fmt;

/// What may be exported where with the operator's own identity. Empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Rules(Vec<Rule>);

/// One rule: these namespaces may export sessions of these stream groups to below these prefixes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[serde(expecting = "a mapping with the keys namespaces, streamGroups and outputPrefixes")]
pub struct Rule {
    /// `team-a`, `team-*` or `*`.
    #[serde(deserialize_with = "typed::filled")]
    pub namespaces: Vec<NamespacePattern>,
    /// An id (in any Region), an ARN, or `*`.
    #[serde(deserialize_with = "typed::filled")]
    pub stream_groups: Vec<GroupPattern>,
    /// `s3://bucket/prefix/`.
    #[serde(deserialize_with = "typed::filled")]
    pub output_prefixes: Vec<OutputPrefix>,
}

/// A rule to add beyond this, in bytes, is printed for the whole bucket: messages are of at most 512.
const MAX_PRINTED_RULE: usize = 380;

/// What the rules say of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// One rule covers namespace, stream group and destination.
    Allowed,
    /// None does. Holds the very rule that an administrator would have to add, as YAML on one line.
    Forbidden {
        /// `{namespaces: ["team-a"], streamGroups: ["sg-1AB2C3De4"], outputPrefixes: ["s3://bucket/prefix/"]}`:
        /// printable ASCII only, and an entry of `rules` as it stands. For a long destination it is one for the whole
        /// bucket, and a comment says so.
        missing_rule: String,
    },
}

impl Rules {
    /// Judges one request. A rule matches as a whole: its namespaces with its groups and its prefixes.
    pub fn judge(&self, namespace: &str, session: &SessionArn, uri: &OutputUri) -> Verdict {
        if self.0.iter().any(|rule| rule.covers(namespace, session, uri)) {
            return Verdict::Allowed;
        }
        Verdict::Forbidden { missing_rule: print_missing_rule(namespace, &session.group, uri) }
    }

    /// The rules, in the order of the file.
    pub fn as_slice(&self) -> &[Rule] {
        &self.0
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl Rule {
    fn covers(&self, namespace: &str, session: &SessionArn, uri: &OutputUri) -> bool {
        let Self { namespaces, stream_groups, output_prefixes } = self;
        namespaces.iter().any(|pattern| pattern.covers(namespace))
            && stream_groups.iter().any(|pattern| pattern.covers(session))
            && output_prefixes.iter().any(|prefix| prefix.covers(uri))
    }

    /// The narrowest rule that covers a request and those beside it.
    pub fn for_request(namespace: &str, group: &StreamGroupId, uri: &OutputUri) -> Self {
        let group = StreamGroupIdentifier { id: group.clone(), home: None };
        Self {
            namespaces: vec![NamespacePattern::Named(namespace.into())],
            stream_groups: vec![GroupPattern::Named(group)],
            output_prefixes: OutputPrefix::around(uri).into_iter().collect(),
        }
    }
}

/// The rule that an administrator would have to add for a request, as YAML on one line.
pub(super) fn print_missing_rule(namespace: &str, group: &StreamGroupId, uri: &OutputUri) -> String {
    let narrowest = Rule::for_request(namespace, group, uri);
    let text = narrowest.to_string();
    if text.len() <= MAX_PRINTED_RULE {
        return text;
    }
    let output_prefixes = OutputPrefix::of_bucket(uri).into_iter().collect();
    format!("{} # wider than needed: the whole bucket", Rule { output_prefixes, ..narrowest })
}

/// YAML on one line, ready to paste.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespaces, stream_groups, output_prefixes } = self;
        let (namespaces, groups, prefixes) = (quoted(namespaces), quoted(stream_groups), quoted(output_prefixes));
        write!(f, "{{namespaces: [{namespaces}], streamGroups: [{groups}], outputPrefixes: [{prefixes}]}}")
    }
}

fn quoted(entries: &[impl fmt::Display]) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| in_quotes(&entry.to_string())).collect();
    entries.join(", ")
}

/// A YAML scalar in double quotes. All but printable ASCII is escaped: it may be hostile, and YAML takes some of it for
/// line breaks. Quoted always, for some names are numbers or booleans to YAML.
fn in_quotes(text: &str) -> String {
    let escaped = text.chars().map(|c| match (c, u32::from(c)) {
        ('"' | '\\', _) => format!("\\{c}"),
        (' '..='~', _) => c.to_string(),
        (_, code @ ..=0xffff) => format!("\\u{code:04x}"),
        (_, code) => format!("\\U{code:08x}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

#[cfg(test)]
mod tests;
