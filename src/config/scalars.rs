//! Scalars of the configuration without a type of their own: names, label selectors, durations.

use crate::de;
use crate::de::Parsed;
use crate::runtime::selector::{LabelSelector, is_subdomain};
use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serializer};
use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

/// Why a text is refused: what is accepted instead.
type Refusal = String;

fn has_label_characters(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && has_label_characters(text) && !text.starts_with('-') && !text.ends_with('-')
}

/// The name of a namespace (RFC 1123 label).
struct Namespace(String);

impl FromStr for Namespace {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = || {
            "must be the name of a namespace: 1 to 63 lower-case letters, digits and hyphens, such as team-a \
             (leave the list empty for all namespaces)"
        };
        if is_label(text) { Ok(Self(text.to_owned())) } else { Err(refused().to_owned()) }
    }
}

/// The name of an object (RFC 1123 subdomain).
struct ObjectName(String);

impl FromStr for ObjectName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if is_subdomain(text) {
            return Ok(Self(text.to_owned()));
        }
        Err("must be the name of an object: lower-case letters, digits, hyphens and dots, \
             such as session-export-operator"
            .to_owned())
    }
}

pub(super) fn namespaces<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let names = Option::<Vec<Parsed<Namespace>>>::deserialize(d)?.unwrap_or_default();
    Ok(names.into_iter().map(|Parsed(Namespace(name))| name).collect())
}

pub(super) fn optional_namespace<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(de::parse_optional(d)?.map(|Namespace(name)| name))
}

pub(super) fn object_name<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    de::parse_str(d).map(|ObjectName(name)| name)
}

pub(super) fn label_selector<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(de::parse_optional(d)?.map(|SelectorText(text)| text).unwrap_or_default())
}

/// A label selector, as `kubectl -l` takes it.
struct SelectorText(String);

impl FromStr for SelectorText {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let read = text.parse::<LabelSelector>().map_err(|unreadable| unreadable.to_string());
        read.map(|_| Self(text.trim().to_owned()))
    }
}

const MIN_DURATION: Duration = Duration::from_millis(1);
const MAX_DURATION: Duration = Duration::from_secs(744 * 3600);

/// A duration as text with a unit. A bare number is refused, because its unit would be ambiguous. For
/// `#[serde(with = "ConfigDuration")]`, which schemars reads, too.
pub(super) struct ConfigDuration(Duration);

impl FromStr for ConfigDuration {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let parsed = text.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
        if let Some(duration) = parsed.filter(|duration| (MIN_DURATION..=MAX_DURATION).contains(duration)) {
            return Ok(Self(duration));
        }
        let hint = if text.parse::<f64>().is_ok() { "; a number alone has no unit" } else { "" };
        Err(format!("must be a duration from 1ms to 744h with its unit, such as 30s, 2m or 25h{hint}"))
    }
}

impl ConfigDuration {
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        de::parse_str(d).map(|Self(duration)| duration)
    }

    pub(super) fn serialize<S: Serializer>(duration: &Duration, s: S) -> Result<S::Ok, S::Error> {
        let duration = SignedDuration::try_from(*duration).map_err(serde::ser::Error::custom)?;
        s.collect_str(&format_args!("{duration:#}"))
    }
}

/// In the reference of the configuration: a text with the format `duration`.
impl JsonSchema for ConfigDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "duration"})
    }
}
