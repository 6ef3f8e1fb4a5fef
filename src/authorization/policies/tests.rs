use super::*;
use crate::export::fixtures::identity;
use crate::policy::fixtures::policy;
use serde_json::json;

const RULE: &str = r#"namespaces: [team], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/team/"]"#;

fn policy_to(output_uri: &str, region: Option<&str>) -> Arc<Policy> {
    let template = json!({"spec": {"outputUri": output_uri}});
    policy("p", json!({"spec": {"streamGroupIdentifier": "sg-1", "region": region, "template": template}}))
}

fn is_covered(policy: &Arc<Policy>, rules: &str) -> bool {
    match identity(rules).authorize_policy(policy) {
        Ok(_) => true,
        Err(Uncovered::Forbidden { .. }) => false,
        Err(why) => panic!("{why:?}"),
    }
}

fn missing_rule(policy: &Arc<Policy>) -> String {
    let Err(Uncovered::Forbidden { missing_rule }) = identity("[]").authorize_policy(policy) else { panic!() };
    missing_rule
}

#[test]
fn a_policy_takes_a_rule_that_allows_policies_and_matches_as_a_whole() {
    let policy = policy_to("s3://bucket/team/{sessionId}.zip", None);
    let elsewhere = RULE.replace("/team/", "/other/");
    let with = |from: &str, to: &str| format!("[{{{}, policies: true}}]", RULE.replace(from, to));
    for (covered, rules) in [
        (true, with("", "")),
        (true, with("bucket/team/", "bucket/")),
        (true, format!("[{{{elsewhere}, policies: true}}, {{{RULE}, policies: true}}]")),
        (false, format!("[{{{RULE}}}]")),
        (false, format!("[{{{RULE}, exports: false}}]")),
        (false, format!("[{{{RULE}, exports: false, policies: true}}]")),
        (false, format!("[{{{RULE}}}, {{{elsewhere}, policies: true}}]")),
        (false, with("[team]", "[other]")),
        (false, with("sg-1", "sg-2")),
        (false, with("bucket/team/", "bucket/team/deeper/")),
        (false, with("bucket/team/", "bucket/te/")),
        (false, format!("[{{{RULE}, regions: [eu-central-1], policies: true}}]")),
    ] {
        assert_eq!(is_covered(&policy, &rules), covered, "{rules}");
    }
}

#[test]
fn the_rule_that_a_refusal_names_covers_the_policy() {
    for (output_uri, region, wanted) in [
        (
            "s3://bucket/team/{sessionId}.zip",
            None,
            r#"{namespaces: ["team"], streamGroups: ["sg-1"], outputPrefixes: ["s3://bucket/team/"], policies: true}"#,
        ),
        (
            "s3://bucket/team/crash-{sessionId}/",
            Some("eu-central-1"),
            r#"{namespaces: ["team"], streamGroups: ["sg-1"], outputPrefixes: ["s3://bucket/team/"], regions: ["eu-central-1"], policies: true}"#,
        ),
    ] {
        let policy = policy_to(output_uri, region);
        let rule = missing_rule(&policy);
        assert_eq!(rule, wanted);
        assert!(is_covered(&policy, &format!("[{rule}]")), "{rule}");
    }
    let long = policy_to(&format!("s3://bucket/{}/{{sessionId}}.zip", "a".repeat(MAX_PRINTED_RULE)), None);
    assert_eq!(missing_rule(&long), "a rule with policies: true (it is too long to be shown here)");
}
