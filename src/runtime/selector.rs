//! Label selectors, as `kubectl -l` takes them. Pure.
//!
//! Owns: their grammar, and the overlap check of shards: whether an object can match two selectors.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// A parsed label selector. If empty, every object matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<(String, Requirement)>);

/// The requirement on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Exists,
    Absent,
    In(BTreeSet<String>),
    /// Also matched by objects without the label.
    NotIn(BTreeSet<String>),
}

/// Not a label selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a label selector such as team=a,stage!=dev or stage in (prod, canary),!paused \
     (leave it empty for all objects)"
)]
pub(crate) struct Unreadable;

impl LabelSelector {
    /// Whether an object with these labels matches.
    #[must_use]
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, requirement)| match (requirement, labels.get(key)) {
            (Requirement::Exists, value) => value.is_some(),
            (Requirement::Absent, value) => value.is_none(),
            (Requirement::In(values), value) => value.is_some_and(|value| values.contains(value)),
            (Requirement::NotIn(values), value) => value.is_none_or(|value| !values.contains(value)),
        })
    }

    /// Whether there can be an object that matches both: exact, for labels are independent of each other.
    #[must_use]
    pub(crate) fn can_share_an_object(&self, other: &Self) -> bool {
        let mut labels: BTreeMap<&str, Vec<&Requirement>> = BTreeMap::new();
        for (key, requirement) in self.0.iter().chain(&other.0) {
            labels.entry(key).or_default().push(requirement);
        }
        labels.values().all(|requirements| can_be_met(requirements))
    }
}

/// Whether one label, present or absent, can meet all of these.
fn can_be_met(requirements: &[&Requirement]) -> bool {
    let refused = |value: &String| {
        requirements.iter().any(|requirement| match requirement {
            Requirement::In(values) => !values.contains(value),
            Requirement::NotIn(values) => values.contains(value),
            Requirement::Absent => true,
            Requirement::Exists => false,
        })
    };
    let absent = requirements.contains(&&Requirement::Absent);
    let present = requirements.iter().any(|r| matches!(r, Requirement::Exists | Requirement::In(_)));
    let listed = requirements.iter().find_map(|requirement| match requirement {
        Requirement::In(values) => Some(values),
        Requirement::Exists | Requirement::Absent | Requirement::NotIn(_) => None,
    });
    // Without a list there are more values than any number of them can exclude.
    !(absent && present) && listed.is_none_or(|values| !values.iter().all(refused))
}

impl FromStr for LabelSelector {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        split_requirements(text)
            .into_iter()
            .map(|part| parse_requirement(part.trim()).ok_or(Unreadable))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Splits at the commas outside parentheses.
fn split_requirements(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|c| {
        inside = c == '(' || (inside && c != ')');
        c == ',' && !inside
    })
    .collect()
}

fn parse_requirement(text: &str) -> Option<(String, Requirement)> {
    if let Some(key) = text.strip_prefix('!') {
        return Some((label_key(key)?, Requirement::Absent));
    }
    let one = |value| Some(BTreeSet::from([label_value(value)?]));
    if let Some((key, value)) = text.split_once("!=") {
        return Some((label_key(key)?, Requirement::NotIn(one(value)?)));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some((label_key(key)?, Requirement::In(one(value)?)));
    }
    let Some((head, values)) = text.split_once('(') else { return Some((label_key(text)?, Requirement::Exists)) };
    let values = values.strip_suffix(')')?.split(',').map(label_value).collect::<Option<_>>()?;
    let mut words = head.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(key), Some("in"), None) => Some((label_key(key)?, Requirement::In(values))),
        (Some(key), Some("notin"), None) => Some((label_key(key)?, Requirement::NotIn(values))),
        _ => None,
    }
}

fn label_key(text: &str) -> Option<String> {
    let key = text.trim();
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("x", key));
    let is_one = !name.is_empty() && label_value(name).is_some() && is_subdomain(prefix);
    is_one.then(|| key.to_owned())
}

fn label_value(text: &str) -> Option<String> {
    let value = text.trim();
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let outer = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    let is_one =
        value.len() <= 63 && value.bytes().all(inner) && outer(value.bytes().next()) && outer(value.bytes().last());
    is_one.then(|| value.to_owned())
}

/// An RFC 1123 subdomain.
#[must_use]
pub(crate) fn is_subdomain(text: &str) -> bool {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |l: &str| !l.is_empty() && l.bytes().all(letters) && !l.starts_with('-') && !l.ends_with('-');
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(one: &str, other: &str) -> bool {
        let [one, other] = [one, other].map(|text| text.parse::<LabelSelector>().unwrap());
        assert_eq!(one.can_share_an_object(&other), other.can_share_an_object(&one));
        one.can_share_an_object(&other)
    }

    #[test]
    fn two_selectors_share_objects_unless_one_label_keeps_them_apart() {
        for (one, other) in [
            ("", ""),
            ("", "shard=a"),
            ("shard=a", "shard==a"),
            ("shard=a", "shard in (b, a)"),
            ("shard=a", "shard=a,stage=prod"),
            ("shard=a", "stage=prod"),
            ("shard", "shard notin (a)"),
            ("shard!=a", "shard!=b"),
            ("!shard", "shard!=a"),
            ("shard in (a, b),shard!=a", "shard=b"),
        ] {
            assert!(share(one, other), "{one} / {other}");
        }
        for (one, other) in [
            ("shard=a", "shard=b"),
            ("shard=a", "shard!=a"),
            ("shard in (a, b)", "shard notin (b, a, c)"),
            ("shard in (a, b)", "shard in (c, d),stage=prod"),
            ("shard", "!shard"),
            ("shard=a", "!shard"),
            ("shard in (a, b),shard!=b", "shard=b"),
            ("shard in (a, b)", "shard!=a,shard!=b"),
        ] {
            assert!(!share(one, other), "{one} / {other}");
        }
    }
}
