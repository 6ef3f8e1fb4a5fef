//! The texts of the configuration that are no types of their own: names, label selectors, durations.

use crate::operator::selector::{Selector, is_subdomain};
use crate::typed::{self, Parsed};
use serde::{Deserialize, Deserializer};
use std::str::FromStr;

/// Why a text is refused: what would have been accepted.
type Refusal = String;

fn letters(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len()) && letters(text) && !text.starts_with('-') && !text.ends_with('-')
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
    Ok(typed::optional(d)?.map(|Namespace(name)| name))
}

pub(super) fn object_name<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    typed::text(d).map(|ObjectName(name)| name)
}

pub(super) fn label_selector<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(typed::optional(d)?.map(|LabelSelector(text)| text).unwrap_or_default())
}

/// A label selector, as `kubectl -l` takes it.
struct LabelSelector(String);

impl FromStr for LabelSelector {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let read = text.parse::<Selector>().map_err(|unreadable| unreadable.to_string());
        read.map(|_| Self(text.trim().to_owned()))
    }
}

/// Durations as texts with a unit. A bare number is refused: nobody would know of what.
pub(super) mod duration {
    use super::{Deserializer, FromStr, Refusal, typed};
    use jiff::SignedDuration;
    use serde::Serializer;
    use std::time::Duration;

    const SHORTEST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_secs(744 * 3600);

    struct Wait(Duration);

    impl FromStr for Wait {
        type Err = Refusal;

        fn from_str(text: &str) -> Result<Self, Refusal> {
            let parsed = text.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
            if let Some(wait) = parsed.filter(|wait| (SHORTEST..=LONGEST).contains(wait)) {
                return Ok(Self(wait));
            }
            let hint = if text.parse::<f64>().is_ok() { "; a number alone has no unit" } else { "" };
            Err(format!("must be a duration from 1ms to 744h with its unit, such as 30s, 2m or 25h{hint}"))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        typed::text(d).map(|Wait(wait)| wait)
    }

    pub(crate) fn serialize<S: Serializer>(wait: &Duration, s: S) -> Result<S::Ok, S::Error> {
        let wait = SignedDuration::try_from(*wait).map_err(serde::ser::Error::custom)?;
        s.collect_str(&format_args!("{wait:#}"))
    }
}
