//! The scope of an operator: which objects it works on, and whether that overlaps with another operator's. Pure.

use crate::runtime::selector::LabelSelector;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The objects that an operator works on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scope {
    /// Namespaces; all if empty.
    pub namespaces: Vec<String>,
    /// Label selector, as `kubectl -l` takes it; all objects if empty.
    pub label_selector: String,
}

impl Scope {
    /// The value of the Lease's annotation: JSON with sorted namespaces.
    #[must_use]
    pub(crate) fn to_annotation(&self) -> String {
        let mut sorted = self.clone();
        sorted.namespaces.sort();
        serde_json::json!(sorted).to_string()
    }

    /// Parses an annotation; returns `None` if this version doesn't understand it.
    #[must_use]
    pub(crate) fn from_annotation(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether there can be an object in both. A selector that can't be read covers everything.
    #[must_use]
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let [ours, theirs] = [&self.namespaces, &other.namespaces];
        let namespace = ours.is_empty() || theirs.is_empty() || ours.iter().any(|name| theirs.contains(name));
        let selector = |scope: &Self| scope.label_selector.parse::<LabelSelector>().unwrap_or_default();
        namespace && selector(self).can_share_an_object(&selector(other))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespaces.as_slice() {
            [] => f.write_str("all namespaces")?,
            some => write!(f, "namespaces {}", some.join(", "))?,
        }
        match self.label_selector.as_str() {
            "" => Ok(()),
            selector => write!(f, " with labels {selector}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(namespaces: &[&str], label_selector: &str) -> Scope {
        let namespaces = namespaces.iter().map(ToString::to_string).collect();
        Scope { namespaces, label_selector: label_selector.to_owned() }
    }

    #[test]
    fn scopes_overlap_where_one_object_can_lie_in_both() {
        for (one, other, overlap) in [
            (scope(&[], ""), scope(&[], ""), true),
            (scope(&["a", "b"], ""), scope(&["b", "a"], ""), true),
            (scope(&["a", "b"], ""), scope(&["b", "c"], ""), true),
            (scope(&["a"], ""), scope(&[], ""), true),
            (scope(&["a"], ""), scope(&["b"], ""), false),
            (scope(&[], "shard=1"), scope(&[], ""), true),
            (scope(&["a"], "shard=1"), scope(&[], "shard=2"), false),
            (scope(&["a"], "shard=1"), scope(&["b"], "shard=1"), false),
            (scope(&["a"], "shard=1"), scope(&["a"], "stage=prod"), true),
            (scope(&["a"], "not a selector"), scope(&["a"], "shard=1"), true),
        ] {
            assert_eq!((one.overlaps(&other), other.overlaps(&one)), (overlap, overlap), "{one} / {other}");
        }
    }

    #[test]
    fn an_annotation_reads_back_and_does_not_depend_on_the_order() {
        let written = scope(&["b", "a"], "shard in (1, 2)").to_annotation();
        assert_eq!(written, r#"{"labelSelector":"shard in (1, 2)","namespaces":["a","b"]}"#);
        assert_eq!(Scope::from_annotation(&written), Some(scope(&["a", "b"], "shard in (1, 2)")));
        assert_eq!(Scope::from_annotation("another version's"), None);
    }
}
