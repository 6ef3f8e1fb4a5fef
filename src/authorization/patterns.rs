//! Patterns in the entries of a rule, parsed once. All are case-sensitive.

use crate::aws::identifiers::{
    Home, Malformed, ONE_PARTITION, OutputUri, Region, StreamGroupId, StreamGroupIdentifier,
};
use std::fmt;
use std::str::FromStr;

/// Why a text is no entry of a rule: what is accepted instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {accepted}")]
pub struct InvalidPattern {
    accepted: &'static str,
}

const fn invalid_pattern(accepted: &'static str) -> InvalidPattern {
    InvalidPattern { accepted }
}

/// Namespaces that a rule is for: `team-a`, `team-*` or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespacePattern {
    /// Every namespace.
    Any,
    /// Namespaces whose name begins so.
    StartingWith(Box<str>),
    /// This one.
    Named(Box<str>),
}

impl NamespacePattern {
    /// Whether the pattern covers a namespace.
    pub fn matches(&self, namespace: &str) -> bool {
        match self {
            Self::Any => true,
            Self::StartingWith(start) => namespace.starts_with(&**start),
            Self::Named(name) => namespace == &**name,
        }
    }
}

impl FromStr for NamespacePattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let refused =
            invalid_pattern("the name of a namespace such as team-a, the start of names such as team-*, or *");
        let letters = |s: &str| s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let begins = |s: &str| (1..=63).contains(&s.len()) && letters(s) && !s.starts_with('-');
        match text.strip_suffix('*') {
            Some("") => Ok(Self::Any),
            Some(start) if begins(start) => Ok(Self::StartingWith(start.into())),
            None if begins(text) && !text.ends_with('-') => Ok(Self::Named(text.into())),
            Some(_) | None => Err(refused),
        }
    }
}

impl fmt::Display for NamespacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::StartingWith(start) => write!(f, "{start}*"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// Stream groups that a rule is for: an id or `*` (in the Regions of the rule), or an ARN (in the ARN's Region).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupPattern {
    /// Every stream group of the account in the rule's Regions.
    Any,
    /// This one.
    Named(StreamGroupIdentifier),
}

impl GroupPattern {
    /// Whether the pattern covers a stream group of the operator's account, which is that of all ARNs in rules. An id
    /// and `*` match in `regions` only.
    pub fn matches(&self, region: &Region, group: &StreamGroupId, regions: &[Region]) -> bool {
        match self {
            Self::Any => regions.contains(region),
            Self::Named(StreamGroupIdentifier { id, home: None }) => id == group && regions.contains(region),
            Self::Named(StreamGroupIdentifier { id, home: Some(home) }) => id == group && home.region == *region,
        }
    }

    /// True for an ARN, which names its Region itself.
    pub fn is_arn(&self) -> bool {
        matches!(self, Self::Named(StreamGroupIdentifier { home: Some(_), .. }))
    }
}

impl FromStr for GroupPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let accepted = "the id of a stream group such as sg-1AB2C3De4, \
                        its ARN such as arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4, or *";
        text.parse().map(Self::Named).map_err(|refused: Malformed| {
            let reason = if refused.accepted == ONE_PARTITION { ONE_PARTITION } else { accepted };
            invalid_pattern(reason)
        })
    }
}

impl fmt::Display for GroupPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Named(StreamGroupIdentifier { id, home: None }) => id.fmt(f),
            Self::Named(StreamGroupIdentifier { id, home: Some(Home { region, account }) }) => {
                write!(f, "arn:aws:gameliftstreams:{region}:{account}:streamgroup/{id}")
            }
        }
    }
}

/// Destinations that a rule is for: everything below `s3://bucket/prefix/`. Ends in `/`, so `s3://b/a/` doesn't cover
/// `s3://b/a-evil/`; contains no `*`, which is literal to S3 and looks like a wildcard to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPrefix(OutputUri);

impl OutputPrefix {
    /// Whether the destination lies at or below the prefix. There are no `..` segments in either.
    pub fn matches(&self, uri: &OutputUri) -> bool {
        uri.as_str().starts_with(self.0.as_str())
    }

    /// The prefix as written in the rule.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The whole bucket of a destination.
    pub(super) fn of_bucket(uri: &OutputUri) -> Option<Self> {
        format!("s3://{}/", uri.bucket()).parse().ok()
    }

    /// The closest prefix that covers a destination: up to its last `/`, or up to the last before a `*`.
    pub(crate) fn enclosing_prefix(uri: &OutputUri) -> Option<Self> {
        let text = uri.as_str();
        let plain = text.split('*').next().unwrap_or_default();
        let end = plain.rfind('/')? + 1;
        plain.get(..end)?.parse().ok()
    }
}

impl FromStr for OutputPrefix {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let parsed = text.parse::<OutputUri>().ok().filter(|uri| !uri.is_zip() && !text.contains('*'));
        parsed.map(Self).ok_or(invalid_pattern(
            "s3://bucket/ or s3://bucket/prefix/: with / at its end, without *, without empty, . or .. segments, \
             at most 1024 characters",
        ))
    }
}

impl fmt::Display for OutputPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
