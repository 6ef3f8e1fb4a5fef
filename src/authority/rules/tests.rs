use super::*;
use crate::property;
use proptest::prelude::*;

fn arn(region: &str, group: &str) -> SessionArn {
    SessionArn {
        region: region.parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        group: group.parse().unwrap(),
        session: "ABC123def4567".parse().unwrap(),
    }
}

fn uri(text: &str) -> OutputUri {
    text.parse().unwrap()
}

fn rules(yaml: &str) -> Rules {
    serde_yaml::from_str(yaml).unwrap()
}

fn allows(rules: &Rules, namespace: &str, group: &str, to: &str) -> bool {
    rules.judge(namespace, &arn("us-west-2", group), &uri(to)) == Verdict::Allowed
}

const ONE: &str = r#"[{namespaces: [team-a], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/a/"]}]"#;

#[test]
fn nothing_is_allowed_without_rules() {
    assert!(!allows(&Rules::default(), "team-a", "sg-1", "s3://bucket/a/"));
}

#[test]
fn a_rule_matches_as_a_whole() {
    let two = rules(
        r#"[{namespaces: [team-a], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/a/"]},
            {namespaces: [team-b], streamGroups: [sg-2], outputPrefixes: ["s3://bucket/b/"]}]"#,
    );
    for namespace in ["team-a", "team-b"] {
        for group in ["sg-1", "sg-2"] {
            for to in ["s3://bucket/a/", "s3://bucket/b/"] {
                let whole = (namespace, group, to) == ("team-a", "sg-1", "s3://bucket/a/")
                    || (namespace, group, to) == ("team-b", "sg-2", "s3://bucket/b/");
                assert_eq!(allows(&two, namespace, group, to), whole, "{namespace} {group} {to}");
            }
        }
    }
}

#[test]
fn a_prefix_covers_what_lies_below_it_and_nothing_else() {
    let rules = rules(ONE);
    for (to, expected) in [
        ("s3://bucket/a/", true),
        ("s3://bucket/a/deep/er/", true),
        ("s3://bucket/a/x.zip", true),
        ("s3://bucket/a-evil/", false),
        ("s3://bucket/a.zip", false),
        ("s3://bucket/A/", false),
        ("s3://bucket/", false),
        ("s3://bucket-evil/a/", false),
        ("s3://bucket.evil/a/", false),
    ] {
        assert_eq!(allows(&rules, "team-a", "sg-1", to), expected, "{to}");
    }
}

#[test]
fn namespaces_are_names_starts_or_all() {
    for (pattern, namespace, expected) in [
        ("team-a", "team-a", true),
        ("team-a", "team-ab", false),
        ("team-*", "team-", true),
        ("team-*", "team-a", true),
        ("team-*", "team", false),
        ("team-*", "my-team-a", false),
        ("*", "kube-system", true),
    ] {
        assert_eq!(pattern.parse::<NamespacePattern>().unwrap().covers(namespace), expected, "{pattern} {namespace}");
    }
}

#[test]
fn groups_are_ids_in_any_region_or_arns() {
    let of =
        |pattern: &str, region: &str, group: &str| pattern.parse::<GroupPattern>().unwrap().covers(&arn(region, group));
    let in_west = "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1";
    let of_others = "arn:aws:gameliftstreams:us-west-2:999999999999:streamgroup/sg-1";
    assert!(of("sg-1", "us-west-2", "sg-1") && of("sg-1", "eu-central-1", "sg-1"));
    assert!(!of("sg-1", "us-west-2", "SG-1") && !of("sg-1", "us-west-2", "sg-10"));
    assert!(of(in_west, "us-west-2", "sg-1"));
    assert!(!of(in_west, "eu-central-1", "sg-1") && !of(in_west, "us-west-2", "sg-2"));
    assert!(!of(of_others, "us-west-2", "sg-1"));
    assert!(of("*", "us-west-2", "sg-9"));
}

#[test]
fn entries_of_other_shapes_are_refused_with_what_is_accepted() {
    for text in ["", "**", "*-a", "te*m", "Team", "-a", "a-", "a.b", "a b", "-*", &"a".repeat(64)] {
        let refused = text.parse::<NamespacePattern>().unwrap_err().to_string();
        assert!(refused.contains("team-*"), "{text}: {refused}");
    }
    for text in ["", "sg-*", "sg 1", "arn:aws:gameliftstreams:*:111122223333:streamgroup/sg-1", "../x"] {
        let refused = text.parse::<GroupPattern>().unwrap_err().to_string();
        assert!(refused.contains("sg-1AB2C3De4"), "{text}: {refused}");
    }
    for text in
        ["", "*", "s3://*/", "s3://bucket/a*/", "s3://bucket/a", "s3://bucket/a.zip", "s3://bucket", "s3://b/../"]
    {
        let refused = text.parse::<OutputPrefix>().unwrap_err().to_string();
        assert!(refused.contains("s3://bucket/prefix/"), "{text}: {refused}");
    }
}

#[test]
fn empty_lists_and_unknown_keys_are_refused() {
    for yaml in [
        r#"[{namespaces: [], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/a/"]}]"#,
        r#"[{namespaces: [a], streamGroups: [], outputPrefixes: ["s3://bucket/a/"]}]"#,
        r#"[{namespaces: [a], streamGroups: [sg-1], outputPrefixes: []}]"#,
        r#"[{namespaces: [a], streamGroups: [sg-1]}]"#,
        r#"[{namespaces: [a], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/a/"], regions: [x]}]"#,
    ] {
        assert!(serde_yaml::from_str::<Rules>(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn the_missing_rule_is_ready_to_paste() {
    let verdict = Rules::default().judge("team-a", &arn("us-west-2", "sg-1"), &uri("s3://bucket/a/x.zip"));
    let missing_rule =
        r#"{namespaces: ["team-a"], streamGroups: ["sg-1"], outputPrefixes: ["s3://bucket/a/"]}"#.to_owned();
    assert_eq!(verdict, Verdict::Forbidden { missing_rule });
}

fn namespaces() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]{1,3}", "(team-)?[a-c]", Just("true".to_owned()), Just("0123".to_owned())]
}

/// Keys with whatever S3 allows: quotes, wildcards, letters that YAML takes for line breaks, emoji.
fn uris() -> impl Strategy<Value = OutputUri> {
    let letter = prop_oneof![
        4 => prop::char::range('a', 'c'),
        1 => prop::sample::select(vec!['"', '\'', '\\', '*', ':', '#', '{', ' ', '.', '%', '\u{2028}', '\u{feff}', '\u{202e}', '\u{e000}', '\u{fffe}', '😀', 'é']),
    ];
    let segment = prop::collection::vec(letter, 1..4).prop_map(String::from_iter);
    let key = (prop::collection::vec(segment, 0..4), prop::bool::ANY);
    ("[ab]{3}", key).prop_filter_map("no destination", |(bucket, (segments, zip))| {
        let end = if zip { ".zip" } else { "/" };
        let end = if segments.is_empty() { "" } else { end };
        format!("s3://{bucket}/{}{end}", segments.join("/")).parse().ok()
    })
}

fn requests() -> impl Strategy<Value = (String, SessionArn, OutputUri)> {
    (namespaces(), "[a-b1]{1,3}", uris()).prop_map(|(namespace, group, uri)| (namespace, arn("us-west-2", &group), uri))
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    #[test]
    fn the_printed_rule_allows_the_request_and_is_plain_text((namespace, session, uri) in requests()) {
        let Verdict::Forbidden { missing_rule } = Rules::default().judge(&namespace, &session, &uri) else {
            panic!("allowed without rules")
        };
        prop_assert!(missing_rule.chars().all(|c| (' '..='~').contains(&c)), "{missing_rule}");
        for yaml in [format!("[{missing_rule}]"), format!("- {missing_rule}\n")] {
            prop_assert_eq!(rules(&yaml).judge(&namespace, &session, &uri), Verdict::Allowed);
        }
    }

    #[test]
    fn the_printed_rule_allows_no_other_namespace_and_no_other_group(
        (namespace, session, uri) in requests(), other in namespaces(), group in "[a-b1]{1,3}"
    ) {
        let rule = Rules::from_iter([Rule::for_request(&namespace, &session.group, &uri)]);
        let verdict = rule.judge(&other, &arn("us-west-2", &group), &uri);
        let same = other == namespace && group == session.group.as_str();
        prop_assert_eq!(verdict == Verdict::Allowed, same);
    }

    #[test]
    fn a_further_rule_never_forbids(asked in requests(), present in requests(), added in requests()) {
        let of = |(n, s, u): &(String, SessionArn, OutputUri)| Rule::for_request(n, &s.group, u);
        let before = Rules::from_iter([of(&present)]);
        let after = Rules::from_iter([of(&present), of(&added)]);
        if before.judge(&asked.0, &asked.1, &asked.2) == Verdict::Allowed {
            prop_assert_eq!(after.judge(&asked.0, &asked.1, &asked.2), Verdict::Allowed);
        }
    }

    #[test]
    fn what_is_covered_has_the_same_bucket_and_whole_segments(covering in uris(), asked in uris()) {
        let Some(prefix) = OutputPrefix::around(&covering) else { panic!("{covering} has no prefix") };
        if prefix.covers(&asked) {
            prop_assert_eq!(covering.bucket(), asked.bucket());
            prop_assert!(prefix.to_string().ends_with('/'));
            prop_assert!(!asked.as_str().contains("/../"));
        }
    }
}
