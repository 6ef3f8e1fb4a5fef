//! The administrator's rules for the operator's own identity: closed by default. Pure.

#[cfg(test)]
mod tests;

use crate::authorization::patterns::{GroupPattern, NamespacePattern, OutputPrefix};
use crate::aws::identifiers::{OutputUri, Region, StreamGroupId, StreamGroupIdentifier};
use crate::de;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;

/// Which namespace may export what to where with the operator's role; nothing if empty.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Rules(Vec<Rule>);

/// A rule allows these namespaces to export sessions of these stream groups to destinations below these prefixes. It
/// matches as a whole.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[serde(expecting = "a mapping with the keys namespaces, streamGroups, outputPrefixes, regions, exports and policies")]
pub struct Rule {
    /// Names such as `team-a`, starts of names such as `team-*`, or `*` for all.
    #[serde(deserialize_with = "de::non_empty_vec")]
    #[schemars(with = "Vec<String>")]
    pub namespaces: Vec<NamespacePattern>,
    /// Ids, ARNs, or `*` for all. An id and `*` match in `regions`, an ARN matches in its own Region. The stream group is
    /// the boundary between tenants: whoever may use a group may export every session of it.
    #[serde(deserialize_with = "de::non_empty_vec")]
    #[schemars(with = "Vec<String>")]
    pub stream_groups: Vec<GroupPattern>,
    /// Prefixes such as `s3://exports/team-a/`. Each ends in `/`, covers what lies below it, and has no wildcards.
    #[serde(deserialize_with = "de::non_empty_vec")]
    #[schemars(with = "Vec<String>")]
    pub output_prefixes: Vec<OutputPrefix>,
    /// The Regions in which the ids and `*` of `streamGroups` match. Absent: the operator's own (`aws.region`).
    #[serde(default, deserialize_with = "de::non_empty_vec")]
    #[schemars(with = "Vec<String>")]
    pub regions: Vec<Region>,
    /// Whether exports may be requested. False retires the rule: exports requested under it are followed to their end,
    /// and nothing more is requested, not even the same export again. Retire a rule before you delete it.
    #[serde(default = "exports_by_default")]
    pub exports: bool,
    /// Whether a SessionExportPolicy may use the rule, too: it exports every session of a stream group. Not together with
    /// `exports: false`.
    #[serde(default)]
    pub policies: bool,
}

const fn exports_by_default() -> bool {
    true
}

/// A missing rule longer than this, in bytes, is printed for the whole bucket: messages have at most 512.
pub(super) const MAX_PRINTED_RULE: usize = 380;

/// The parts of a request that rules match.
#[derive(Debug, Clone, Copy)]
pub struct RequestedExport<'a> {
    /// The object's namespace.
    pub namespace: &'a str,
    /// The Region of the stream group.
    pub region: &'a Region,
    /// The stream group, of the operator's account.
    pub group: &'a StreamGroupId,
    /// The destination.
    pub uri: &'a OutputUri,
}

/// The parts of a policy that rules match.
#[derive(Debug, Clone, Copy)]
pub struct RequestedPolicy<'a> {
    /// The policy's namespace.
    pub namespace: &'a str,
    /// The Region of the stream group.
    pub region: &'a Region,
    /// The stream group, of the operator's account.
    pub group: &'a StreamGroupId,
    /// What each destination begins with.
    pub destinations: &'a str,
}

/// What the rules allow for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage<'a> {
    /// Whether the export may be requested; if not, only a request made earlier is followed to its end.
    pub exports: bool,
    /// The longest prefix among the matching rules with this `exports`.
    pub prefix: &'a OutputPrefix,
}

impl Rules {
    /// Returns what the rules allow for one request; `None` if nothing. A rule matches as a whole: its namespaces with
    /// its groups and its prefixes. `home` is the operator's own Region.
    pub fn coverage_of(&self, requested: RequestedExport<'_>, home: &Region) -> Option<Coverage<'_>> {
        let RequestedExport { namespace, region, group, uri: _ } = requested;
        let matching = self.0.iter().filter(|rule| rule.matches_group(namespace, (region, group), home));
        let covering = matching.flat_map(|rule| {
            let prefixes = rule.output_prefixes.iter().filter(|prefix| prefix.matches(requested.uri));
            prefixes.map(|prefix| Coverage { exports: rule.exports, prefix })
        });
        covering.max_by_key(|coverage| (coverage.exports, coverage.prefix.as_str().len()))
    }

    /// Whether a policy may export all sessions of a group to destinations that begin so. A rule matches as a whole.
    pub fn allow_policy(&self, requested: RequestedPolicy<'_>, home: &Region) -> bool {
        let RequestedPolicy { namespace, region, group, destinations } = requested;
        let mut allowing = self.0.iter().filter(|rule| rule.policies && rule.exports);
        allowing.any(|rule| {
            rule.matches_group(namespace, (region, group), home)
                && rule.output_prefixes.iter().any(|prefix| destinations.starts_with(prefix.as_str()))
        })
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
    fn matches_group(&self, namespace: &str, (region, group): (&Region, &StreamGroupId), home: &Region) -> bool {
        let regions = if self.regions.is_empty() { std::slice::from_ref(home) } else { &self.regions };
        self.namespaces.iter().any(|pattern| pattern.matches(namespace))
            && self.stream_groups.iter().any(|pattern| pattern.matches(region, group, regions))
    }

    /// The narrowest rule that allows a policy; `None` if its destinations begin with no prefix that a rule can have.
    pub fn narrowest_rule_for_policy(requested: RequestedPolicy<'_>, home: &Region) -> Option<Self> {
        let RequestedPolicy { namespace, region, group, destinations } = requested;
        let end = destinations.rfind('/')? + 1;
        Some(Self {
            namespaces: vec![NamespacePattern::Named(namespace.into())],
            stream_groups: vec![GroupPattern::Named(StreamGroupIdentifier { id: group.clone(), home: None })],
            output_prefixes: vec![destinations.get(..end)?.parse().ok()?],
            regions: Some(region).filter(|region| *region != home).cloned().into_iter().collect(),
            exports: true,
            policies: true,
        })
    }

    /// The narrowest rule that covers a request and others with the same prefix.
    pub fn narrowest_rule_for(requested: RequestedExport<'_>, home: &Region) -> Self {
        let group = StreamGroupIdentifier { id: requested.group.clone(), home: None };
        Self {
            namespaces: vec![NamespacePattern::Named(requested.namespace.into())],
            stream_groups: vec![GroupPattern::Named(group)],
            output_prefixes: OutputPrefix::enclosing_prefix(requested.uri).into_iter().collect(),
            regions: Some(requested.region).filter(|region| *region != home).cloned().into_iter().collect(),
            exports: true,
            policies: false,
        }
    }
}

/// The rule that an administrator would have to add for a request, as YAML on one line:
/// `{namespaces: ["team-a"], streamGroups: ["sg-1AB2C3De4"], outputPrefixes: ["s3://bucket/prefix/"]}`, with `regions`
/// where the request is for another Region than the operator's. Printable ASCII only, and a valid entry of `rules`. For
/// a long destination it covers the whole bucket, and a YAML comment says so.
pub(crate) fn print_missing_rule(requested: RequestedExport<'_>, home: &Region) -> String {
    let narrowest = Rule::narrowest_rule_for(requested, home);
    let text = narrowest.to_string();
    if text.len() <= MAX_PRINTED_RULE {
        return text;
    }
    let output_prefixes = OutputPrefix::of_bucket(requested.uri).into_iter().collect();
    format!("{} # wider than needed: the whole bucket", Rule { output_prefixes, ..narrowest })
}

/// YAML on one line, ready to paste.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespaces, stream_groups, output_prefixes, regions, exports, policies } = self;
        let (namespaces, groups, prefixes) =
            (quote_entries(namespaces), quote_entries(stream_groups), quote_entries(output_prefixes));
        write!(f, "{{namespaces: [{namespaces}], streamGroups: [{groups}], outputPrefixes: [{prefixes}]")?;
        if !regions.is_empty() {
            write!(f, ", regions: [{}]", quote_entries(regions))?;
        }
        if !exports {
            f.write_str(", exports: false")?;
        }
        f.write_str(if *policies { ", policies: true}" } else { "}" })
    }
}

fn quote_entries(entries: &[impl fmt::Display]) -> String {
    let entries: Vec<String> = entries.iter().map(|entry| in_quotes(&entry.to_string())).collect();
    entries.join(", ")
}

/// A YAML scalar in double quotes. All but printable ASCII is escaped: it may be hostile, and YAML takes some of it for
/// line breaks. Always quoted, because some names are numbers or booleans to YAML.
fn in_quotes(text: &str) -> String {
    let escaped = text.chars().map(|c| match (c, u32::from(c)) {
        ('"' | '\\', _) => format!("\\{c}"),
        (' '..='~', _) => c.to_string(),
        (_, code @ ..=0xffff) => format!("\\u{code:04x}"),
        (_, code) => format!("\\U{code:08x}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
