//! Rules and objects at random, near to each other.

use super::ACCOUNT;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

pub(super) const NAMESPACES: &[&str] = &["team-a", "team-ab", "team-a-b", "team", "te", "other"];
const NAMESPACE_PATTERNS: &[&str] = &["*", "team-*", "team-a", "team-a-*", "te*", "other", "team"];
const GROUP_PATTERNS: &[&str] = &[
    "*",
    "sg-1",
    "SG-1",
    "sg-12",
    "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1",
    "arn:aws:gameliftstreams:eu-central-1:111122223333:streamgroup/sg-1",
    "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-12",
];
const PREFIXES: &[&str] = &[
    "s3://exports/",
    "s3://exports/team-a/",
    "s3://exports/team-a/deep/",
    "s3://exports.evil/",
    "s3://exports/it's (q) & $x!/_-.@=;:+ ,/",
];
/// A rule can have them, a new object can't.
const ODD_PREFIXES: &[&str] = &["s3://exports/é😀\u{2028}/", "s3://exports/it's \"q\" \\ <b> \\u0041 {{ x }} ${y}/"];
const BELOW: &[&str] = &["", "", "x.zip", "deep/", "deep/x.ZIP"];
const BESIDE: &[&str] =
    &["s3://exports/team-a-evil/", "s3://exports/team-a.zip", "s3://exports/Team-a/", "s3://other/"];
/// Those of rules and operators, and one of no rule.
pub(super) const REGIONS: &[&str] = &["us-west-2", "eu-central-1", "ap-northeast-1", "xx-made-1"];

fn rules() -> impl Strategy<Value = Value> {
    let some = |all: &[&'static str], most| subsequence(all.to_vec(), 1..=most);
    let prefixes = [PREFIXES, ODD_PREFIXES].concat();
    let regions = prop::option::weighted(0.6, some(&REGIONS[..3], 2));
    let exports = select(vec![None, Some(true), Some(false)]);
    let policies = select(vec![None, Some(true), Some(false)]);
    (some(NAMESPACE_PATTERNS, 2), some(GROUP_PATTERNS, 2), some(&prefixes, 2), regions, exports, policies).prop_map(
        |(namespaces, groups, prefixes, regions, exports, policies)| {
            let mut rule = json!({"namespaces": namespaces, "streamGroups": groups, "outputPrefixes": prefixes});
            if let Some(regions) = regions.filter(|_| groups.iter().any(|group| !group.starts_with("arn:"))) {
                rule["regions"] = json!(regions);
            }
            exports.into_iter().for_each(|exports| rule["exports"] = json!(exports));
            let policies = policies.filter(|policies| !policies || exports != Some(false));
            policies.into_iter().for_each(|policies| rule["policies"] = json!(policies));
            rule
        },
    )
}

/// Which rules, and which Region the chart is told, if any.
pub(super) fn rule_sets() -> impl Strategy<Value = Value> {
    let region = select(vec!["us-west-2", "eu-central-1", ""]);
    (prop::collection::vec(rules(), 1..6), region).prop_map(
        |(rules, region)| json!({"aws": {"region": region, "accountId": ACCOUNT}, "config": {"rules": rules}}),
    )
}

fn identifiers() -> impl Strategy<Value = (String, String)> {
    let homes =
        ["us-west-2:111122223333", "eu-central-1:111122223333", "xx-made-1:111122223333", "us-west-2:999999999999"];
    let home = select(homes.to_vec());
    let group = select(vec!["sg-1", "sg-1", "SG-1", "sg-12"]);
    (home, group, 0..3_u8, 0..4_u8).prop_map(|(home, group, group_form, session_form)| {
        let arn = format!("arn:aws:gameliftstreams:{home}");
        let group_text = if group_form == 0 { format!("{arn}:streamgroup/{group}") } else { group.to_owned() };
        let session = match session_form {
            0 => format!("{arn}:streamsession/{group}/session"),
            1 => format!("{arn}:streamsession/session"),
            _ => "session".to_owned(),
        };
        (group_text, session)
    })
}

fn uris() -> impl Strategy<Value = String> {
    let below = (select(PREFIXES), select(BELOW)).prop_map(|(prefix, end)| format!("{prefix}{end}"));
    prop_oneof![4 => below, 1 => select(BESIDE).prop_map(str::to_owned)]
}

/// Namespace and spec of a policy.
pub(super) fn policies() -> impl Strategy<Value = (&'static str, Value)> {
    let region = select(vec![None, None, None, Some("us-west-2"), Some("eu-central-1"), Some("xx-made-1")]);
    let account = select(vec![None, None, None, None, None, None, Some("mine")]);
    let below = select(vec![
        "{sessionId}.zip",
        "{year}/{month}/",
        "deep/{sessionId}.zip",
        "{namespace}/{policy}/{sessionId}.zip",
        "{streamGroupId}/{namespace}/",
    ]);
    let starts =
        [PREFIXES, &["s3://exports/{namespace}/", "s3://exports/team-{policy}/", "s3://exports/team-a{sessionId}/"]];
    (select(NAMESPACES), identifiers(), select(starts.concat()), below, region, account).prop_map(
        |(namespace, (group, _), start, below, region, account)| {
            let mut spec = json!({
                "streamGroupIdentifier": group,
                "template": {"spec": {"outputUri": format!("{start}{below}")}},
            });
            region.into_iter().for_each(|region| spec["region"] = json!(region));
            account.into_iter().for_each(|account| spec["serviceAccountName"] = json!(account));
            (namespace, spec)
        },
    )
}

/// Namespace and spec.
pub(super) fn exports() -> impl Strategy<Value = (&'static str, Value)> {
    let region = select(vec![None, None, None, Some("us-west-2"), Some("eu-central-1"), Some("xx-made-1")]);
    let account = select(vec![None, None, None, None, None, None, Some("mine")]);
    (select(NAMESPACES), identifiers(), uris(), region, account).prop_map(
        |(namespace, (group, session), uri, region, account)| {
            let mut spec = json!({
                "streamGroupIdentifier": group,
                "streamSessionIdentifier": session,
                "outputUri": uri,
            });
            region.into_iter().for_each(|region| spec["region"] = json!(region));
            account.into_iter().for_each(|account| spec["serviceAccountName"] = json!(account));
            (namespace, spec)
        },
    )
}
