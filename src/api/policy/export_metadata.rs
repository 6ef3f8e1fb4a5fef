//! Labels and annotations of the SessionExports that a policy makes.
//!
//! Owns: which keys and values a template may have. Keys by which Kubernetes, Helm, Flux, Argo CD and this operator
//! recognise objects of theirs are refused: with one, a template would make objects that such a tool prunes or
//! adopts.
//! Never: finalizers or owner references; the definition has neither.

use crate::api::policy::{MAX_ANNOTATION_VALUE, MAX_LABEL_VALUE, MAX_TEMPLATE_METADATA, POLICY_LABEL};
use crate::aws::identifiers::Malformed;
use std::collections::BTreeMap;

/// Longest prefix of a key, in characters: a DNS subdomain.
pub(super) const MAX_KEY_PREFIX: usize = 253;
/// Longest name of a key, without its prefix, in characters.
const MAX_KEY_NAME: usize = 63;

/// What is accepted as a key.
const KEY: &str = "with keys that are names of at most 63 letters, digits, -, _ and ., after an optional DNS name and \
                   a slash";
/// What is accepted instead of a key of another owner.
pub(super) const OWN_KEYS: &str = "without keys of sessionexport.dev/, kubernetes.io/ and k8s.io/ (and domains below \
    these two), meta.helm.sh/, domains below toolkit.fluxcd.io/, and argocd.argoproj.io/: but app.kubernetes.io/ is \
    accepted except for instance and managed-by, and argocd.argoproj.io/ignore-resource-updates is, too";

/// The labels and annotations of `spec.template.metadata`, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportMetadata {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl ExportMetadata {
    /// Parses both maps.
    ///
    /// # Errors
    /// If there are too many, or a key or value is refused.
    pub fn parse(labels: &BTreeMap<String, String>, annotations: &BTreeMap<String, String>) -> Result<Self, Malformed> {
        let refused = |what| move |accepted| Malformed { what, accepted };
        check_map(labels, is_label_value, LABEL_VALUE).map_err(refused("template.metadata.labels"))?;
        check_map(annotations, is_annotation_value, ANNOTATION_VALUE)
            .map_err(refused("template.metadata.annotations"))?;
        Ok(Self { labels: labels.clone(), annotations: annotations.clone() })
    }

    /// All labels of an export that the policy of this name makes: the template's, and the policy's own.
    pub fn labels_of(&self, policy: &str) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert(POLICY_LABEL.to_owned(), policy.to_owned());
        labels
    }

    /// The annotations of an export that the policy makes.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }
}

const LABEL_VALUE: &str =
    "with values of at most 63 letters, digits, -, _ and ., which begin and end with a letter or digit, or are empty";
const ANNOTATION_VALUE: &str = "with values of at most 256 characters";
const COUNT: &str = "at most 8 entries";

fn check_map(
    map: &BTreeMap<String, String>,
    is_value: fn(&str) -> bool,
    value: &'static str,
) -> Result<(), &'static str> {
    let ensure = |is_met: bool, accepted| if is_met { Ok(()) } else { Err(accepted) };
    ensure(map.len() <= MAX_TEMPLATE_METADATA, COUNT)?;
    ensure(map.keys().all(|key| is_key(key)), KEY)?;
    ensure(!map.keys().any(|key| is_reserved_key(key)), OWN_KEYS)?;
    ensure(map.values().all(|text| is_value(text)), value)
}

/// A qualified name, as Kubernetes has it.
fn is_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    (1..=MAX_KEY_NAME).contains(&name.len()) && is_qualified(name) && prefix.is_none_or(is_dns_subdomain)
}

/// Letters, digits, `-`, `_` and `.`; the first and last are letters or digits. Empty is accepted.
fn is_qualified(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let is_outer = |b: Option<u8>| b.is_none_or(|b| b.is_ascii_alphanumeric());
    text.bytes().all(is_inner) && is_outer(text.bytes().next()) && is_outer(text.bytes().last())
}

fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= MAX_KEY_PREFIX && text.split('.').all(is_dns_label_of_any_length)
}

/// A DNS label of at most 63 characters.
pub(super) fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_label_of_any_length(text)
}

/// Kubernetes bounds a DNS subdomain as a whole, and not its labels.
fn is_dns_label_of_any_length(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_label_value(text: &str) -> bool {
    text.len() <= MAX_LABEL_VALUE && is_qualified(text)
}

fn is_annotation_value(text: &str) -> bool {
    text.chars().count() <= MAX_ANNOTATION_VALUE
}

/// A key by which another program recognises its objects, or this one.
fn is_reserved_key(key: &str) -> bool {
    let Some((prefix, name)) = key.split_once('/') else { return false };
    let is_below = |domain: &str| prefix.strip_suffix(domain).is_some_and(|host| host.ends_with('.'));
    match prefix {
        "app.kubernetes.io" => matches!(name, "instance" | "managed-by"),
        "argocd.argoproj.io" => name != "ignore-resource-updates",
        "sessionexport.dev" | "meta.helm.sh" | "kubernetes.io" | "k8s.io" => true,
        _ => ["kubernetes.io", "k8s.io", "toolkit.fluxcd.io"].into_iter().any(is_below),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn refusal(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Option<String> {
        ExportMetadata::parse(&map(labels), &map(annotations)).err().map(|refused| refused.to_string())
    }

    #[test]
    fn keys_of_other_programs_are_refused_but_for_the_exceptions() {
        for reserved in [
            "sessionexport.dev/policy",
            "kubernetes.io/x",
            "batch.kubernetes.io/job-name",
            "k8s.io/x",
            "node.k8s.io/x",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/managed-by",
            "x.app.kubernetes.io/name",
            "meta.helm.sh/release-name",
            "kustomize.toolkit.fluxcd.io/name",
            "argocd.argoproj.io/tracking-id",
            "argocd.argoproj.io/instance",
        ] {
            let labels = refusal(&[(reserved, "x")], &[]);
            assert!(labels.is_some_and(|text| text.contains("without keys of sessionexport.dev/")), "{reserved}");
            assert!(refusal(&[], &[(reserved, "x")]).is_some(), "{reserved}");
        }
        for fine in [
            "team",
            "example.com/team",
            "app.kubernetes.io/name",
            "app.kubernetes.io/part-of",
            "argocd.argoproj.io/ignore-resource-updates",
            "notkubernetes.io/x",
            "kubernetes.io.example.com/x",
            "toolkit.fluxcd.io/x",
            "kubernetes.io",
        ] {
            assert_eq!(refusal(&[(fine, "x")], &[(fine, "x")]), None, "{fine}");
        }
    }

    #[test]
    fn keys_are_qualified_names() {
        let long = |n| "a".repeat(n);
        for bad in ["", "/a", "a/", "a/b/c", "-a", "a-", "A.example.com/x", "a..b/c", "a b", "é", "a_b.c/d"] {
            assert!(refusal(&[(bad, "x")], &[]).is_some_and(|text| text.contains("names of at most 63")), "{bad}");
        }
        assert_eq!(refusal(&[(&long(63), "")], &[(&format!("{}/{}", long(253), long(63)), "")]), None);
        assert!(refusal(&[(&long(64), "")], &[]).is_some());
        assert!(refusal(&[], &[(&format!("{}/a", long(254)), "")]).is_some());
    }

    #[test]
    fn values_and_counts_are_bounded() {
        assert_eq!(refusal(&[("a", "")], &[("a", &"é\n".repeat(128))]), None);
        assert_eq!(refusal(&[("a", &"x".repeat(63))], &[]), None);
        for bad in ["x".repeat(64), "a b".to_owned(), "-a".to_owned(), "a.".to_owned(), "é".to_owned()] {
            assert!(refusal(&[("a", &bad)], &[]).is_some_and(|text| text.contains("labels must be with values")));
        }
        assert!(refusal(&[], &[("a", &"é".repeat(257))]).is_some_and(|text| text.contains("256")));
        let many: Vec<String> = (0..9).map(|n| format!("key-{n}")).collect();
        let entries: Vec<_> = many.iter().map(|key| (key.as_str(), "x")).collect();
        assert_eq!(refusal(&entries[..8], &entries[..8]), None);
        assert!(refusal(&entries, &[]).is_some_and(|text| text.contains("at most 8")));
    }

    #[test]
    fn an_export_has_the_labels_of_the_template_and_the_name_of_its_policy() {
        let metadata = ExportMetadata::parse(&map(&[("team", "a")]), &map(&[("note", "kept")])).unwrap();
        assert_eq!(metadata.labels_of("every"), map(&[("sessionexport.dev/policy", "every"), ("team", "a")]));
        assert_eq!(*metadata.annotations(), map(&[("note", "kept")]));
    }
}
