//! `OutputUriTemplate`: the destination of every export of a policy, with placeholders.
//!
//! Owns: the placeholders, and their expansion. A template of this type expands to an `OutputUri` for each session
//! whose values are known. Each value is made of ASCII letters, digits and hyphens, so a placeholder adds neither a
//! slash nor a dot segment.
//! Never: expands a placeholder to nothing, or a name that it doesn't know to anything.

use crate::aws::identifiers::{
    ApplicationId, Location, MAX_LOCATION, MAX_OUTPUT_URI, Malformed, OutputUri, StreamGroupId, StreamSessionId,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest id that the length of a destination is checked with, in characters. AWS's ids have about 13; a longer one
/// than this is refused at the expansion if its destination is too long.
pub const MAX_EXPANDED_ID: usize = 70;
/// Longest namespace and name of a policy: both are DNS labels.
const MAX_DNS_LABEL: usize = 63;
/// The field, in messages.
const FIELD: &str = "template.spec.outputUri";

/// What stands in braces in an `outputUri`, and is replaced by a value of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Placeholder {
    /// The session's id.
    SessionId,
    /// The stream group's id.
    StreamGroupId,
    /// The id of the application that is streamed.
    ApplicationId,
    /// The location that hosts the session.
    Location,
    /// Year of the session's `CreatedAt` in UTC: four digits.
    Year,
    /// Month of the session's `CreatedAt` in UTC: two digits.
    Month,
    /// Day of the session's `CreatedAt` in UTC: two digits.
    Day,
    /// Hour of the session's `CreatedAt` in UTC: two digits, 00 to 23.
    Hour,
    /// The policy's namespace.
    Namespace,
    /// The policy's name.
    Policy,
}

impl Placeholder {
    /// Every placeholder, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::SessionId,
        Self::StreamGroupId,
        Self::ApplicationId,
        Self::Location,
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Namespace,
        Self::Policy,
    ];

    /// The name between the braces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionId => "sessionId",
            Self::StreamGroupId => "streamGroupId",
            Self::ApplicationId => "applicationId",
            Self::Location => "location",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Namespace => "namespace",
            Self::Policy => "policy",
        }
    }

    /// The longest value that the length of a destination is checked with, in characters.
    pub const fn max_length(self) -> usize {
        match self {
            Self::SessionId | Self::StreamGroupId | Self::ApplicationId => MAX_EXPANDED_ID,
            Self::Location => MAX_LOCATION,
            Self::Year => 4,
            Self::Month | Self::Day | Self::Hour => 2,
            Self::Namespace | Self::Policy => MAX_DNS_LABEL,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|placeholder| placeholder.as_str() == name)
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.as_str())
    }
}

/// What the placeholders stand for, for one session. `None`: AWS's answer lacks it.
#[derive(Debug, Clone, Copy)]
pub struct PlaceholderValues<'a> {
    /// The policy's namespace.
    pub namespace: &'a str,
    /// The policy's name.
    pub policy: &'a str,
    /// The stream group.
    pub group: &'a StreamGroupId,
    /// The stream session.
    pub session: &'a StreamSessionId,
    /// The application that is streamed.
    pub application: Option<&'a ApplicationId>,
    /// The location that hosts the session.
    pub location: Option<&'a Location>,
    /// `CreatedAt` of the session.
    pub created: Option<Timestamp>,
}

impl PlaceholderValues<'_> {
    /// The value of one placeholder: ASCII letters, digits and hyphens, and at least one of them.
    fn value_of(&self, placeholder: Placeholder) -> Option<String> {
        let own = |text: &str| Some(text.to_owned());
        let value = match placeholder {
            Placeholder::SessionId => own(self.session.as_str()),
            Placeholder::StreamGroupId => own(self.group.as_str()),
            Placeholder::ApplicationId => own(self.application?.as_str()),
            Placeholder::Location => own(self.location?.as_str()),
            Placeholder::Year => self.format_time("%Y"),
            Placeholder::Month => self.format_time("%m"),
            Placeholder::Day => self.format_time("%d"),
            Placeholder::Hour => self.format_time("%H"),
            Placeholder::Namespace => own(self.namespace),
            Placeholder::Policy => own(self.policy),
        };
        value.filter(|text| is_plain_value(text))
    }

    /// A part of `CreatedAt` in UTC. A time before 1970 is none of AWS's.
    fn format_time(&self, format: &str) -> Option<String> {
        let created = self.created.filter(|created| *created >= Timestamp::UNIX_EPOCH)?;
        Some(created.to_zoned(TimeZone::UTC).strftime(format).to_string())
    }
}

fn is_plain_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Why a template has no destination for a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// AWS's answer lacks the value. One GetStreamSession may show it, if it was a list that lacked it.
    #[error("AWS does not show the value of {0}")]
    MissingValue(Placeholder),
    /// The values make it too long.
    #[error("the destination would be longer than {MAX_OUTPUT_URI} characters")]
    TooLong,
}

/// `template.spec.outputUri` of a policy, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OutputUriTemplate {
    text: Arc<str>,
    parts: Arc<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Text(Box<str>),
    Placeholder(Placeholder),
}

impl OutputUriTemplate {
    /// The template as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True if it names an object (`.zip` or `.ZIP`), false for a prefix, below which AWS names the object.
    pub fn is_zip(&self) -> bool {
        !self.text.ends_with('/')
    }

    /// Whether it has this placeholder.
    pub fn has_placeholder(&self, wanted: Placeholder) -> bool {
        self.parts.contains(&Part::Placeholder(wanted))
    }

    /// Whether the application must be known.
    pub fn needs_application(&self) -> bool {
        self.has_placeholder(Placeholder::ApplicationId)
    }

    /// Whether the location must be known.
    pub fn needs_location(&self) -> bool {
        self.has_placeholder(Placeholder::Location)
    }

    /// Whether the time of the session's creation must be known.
    pub fn needs_creation_time(&self) -> bool {
        [Placeholder::Year, Placeholder::Month, Placeholder::Day, Placeholder::Hour]
            .into_iter()
            .any(|part_of_time| self.has_placeholder(part_of_time))
    }

    /// The destination of one session.
    ///
    /// # Errors
    /// If a value is missing, or the destination would be too long.
    pub fn expand(&self, values: &PlaceholderValues<'_>) -> Result<OutputUri, ExpandError> {
        let mut text = String::new();
        for part in self.parts.iter() {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Placeholder(placeholder) => {
                    let value = values.value_of(*placeholder).ok_or(ExpandError::MissingValue(*placeholder))?;
                    text.push_str(&value);
                }
            }
        }
        // The template was checked with a plain value for each placeholder; longer values can't break anything else.
        text.parse().map_err(|_: Malformed| ExpandError::TooLong)
    }

    /// What every destination begins with: the text up to the first placeholder other than `{namespace}`, `{policy}` and
    /// `{streamGroupId}`, which are filled in. All destinations are below a prefix that ends in `/` if this begins with
    /// it.
    pub fn static_prefix(&self, namespace: &str, policy: &str, group: &StreamGroupId) -> String {
        let mut prefix = String::new();
        for part in self.parts.iter() {
            match part {
                Part::Text(fixed) => prefix.push_str(fixed),
                Part::Placeholder(Placeholder::Namespace) => prefix.push_str(namespace),
                Part::Placeholder(Placeholder::Policy) => prefix.push_str(policy),
                Part::Placeholder(Placeholder::StreamGroupId) => prefix.push_str(group.as_str()),
                Part::Placeholder(
                    Placeholder::SessionId
                    | Placeholder::ApplicationId
                    | Placeholder::Location
                    | Placeholder::Year
                    | Placeholder::Month
                    | Placeholder::Day
                    | Placeholder::Hour,
                ) => break,
            }
        }
        prefix
    }

    /// Length with the longest values, in characters (all are ASCII, so in bytes, too).
    fn max_length(&self) -> usize {
        let of_part = |part: &Part| match part {
            Part::Text(fixed) => fixed.len(),
            Part::Placeholder(placeholder) => placeholder.max_length(),
        };
        self.parts.iter().map(of_part).sum()
    }

    /// With an `x` for each placeholder.
    fn with_plain_values(&self) -> String {
        let of_part = |part: &Part| match part {
            Part::Text(fixed) => fixed.clone(),
            Part::Placeholder(_) => "x".into(),
        };
        self.parts.iter().map(of_part).collect()
    }
}

impl fmt::Display for OutputUriTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for OutputUriTemplate {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let refused = |accepted| Malformed { what: FIELD, accepted };
        let parts = split_parts(text).map_err(refused)?;
        let template = Self { text: text.into(), parts: parts.into() };
        template.validate().map_err(refused)?;
        Ok(template)
    }
}

/// Splits a text at its placeholders. The error says what is accepted.
fn split_parts(text: &str) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((fixed, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or(BRACES)?;
        push_text(&mut parts, fixed)?;
        if name.contains('{') {
            return Err(BRACES);
        }
        parts.push(Part::Placeholder(Placeholder::from_name(name).ok_or(KNOWN_NAMES)?));
        rest = behind;
    }
    push_text(&mut parts, rest)?;
    Ok(parts)
}

fn push_text(parts: &mut Vec<Part>, fixed: &str) -> Result<(), &'static str> {
    if fixed.contains('}') {
        return Err(BRACES);
    }
    if !fixed.is_empty() {
        parts.push(Part::Text(fixed.into()));
    }
    Ok(())
}

const BRACES: &str = "without a brace that is alone: { and } enclose the name of a placeholder, such as {sessionId}";
const KNOWN_NAMES: &str = "a destination with no other placeholders than {sessionId}, {streamGroupId}, \
    {applicationId}, {location}, {year}, {month}, {day}, {hour}, {namespace} and {policy}";
const BUCKET: &str = "a destination whose bucket has no placeholder";
const SESSION_IN_ZIP: &str =
    "with {sessionId} if it ends in .zip or .ZIP, or else sessions would overwrite each other's ZIP";
const LENGTH: &str = "shorter: with the longest values of its placeholders (ids 70, location 20, namespace and policy 63 \
    characters) it could exceed the 1024 characters that AWS accepts";
const GRAMMAR: &str = "s3://bucket/prefix/ or s3://bucket/name.zip, of ASCII letters, digits, spaces and \
    ! - _ . * ' ( ) / & $ @ = ; : + , without empty, . or .. segments; such as s3://exports/{sessionId}.zip";

impl OutputUriTemplate {
    /// The rules of the definition; the error says what is accepted.
    fn validate(&self) -> Result<(), &'static str> {
        let ensure = |is_met: bool, accepted| if is_met { Ok(()) } else { Err(accepted) };
        ensure(!self.has_placeholder_in_bucket(), BUCKET)?;
        ensure(self.has_plain_characters(), GRAMMAR)?;
        ensure(self.text.len() <= MAX_OUTPUT_URI && self.max_length() <= MAX_OUTPUT_URI, LENGTH)?;
        ensure(self.with_plain_values().parse::<OutputUri>().is_ok(), GRAMMAR)?;
        ensure(!self.is_zip() || self.has_placeholder(Placeholder::SessionId), SESSION_IN_ZIP)
    }

    fn has_placeholder_in_bucket(&self) -> bool {
        let bucket = self.text.strip_prefix("s3://").and_then(|rest| rest.split('/').next());
        bucket.is_some_and(|bucket| bucket.contains('{'))
    }

    /// S3's characters of the definition's rule for `outputUri`; braces are those of placeholders.
    fn has_plain_characters(&self) -> bool {
        self.text.chars().all(|c| c.is_ascii_alphanumeric() || "!_.*'()/&$@=;:+ ,-{}".contains(c))
    }
}

#[cfg(test)]
mod tests;
