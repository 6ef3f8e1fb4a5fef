use super::*;
use crate::property;
use proptest::prelude::*;

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

/// The operator's own Region.
fn home() -> Region {
    region("us-west-2")
}

/// An owned [`RequestedExport`].
#[derive(Debug, Clone)]
struct Request {
    namespace: String,
    region: Region,
    group: StreamGroupId,
    uri: OutputUri,
}

impl Request {
    fn new(namespace: &str, group: &str, to: &str) -> Self {
        Self { namespace: namespace.to_owned(), region: home(), group: group.parse().unwrap(), uri: uri(to) }
    }

    fn requested(&self) -> RequestedExport<'_> {
        let Self { namespace, region, group, uri } = self;
        RequestedExport { namespace, region, group, uri }
    }

    fn missing_rule(&self) -> String {
        print_missing_rule(self.requested(), &home())
    }

    fn is_allowed_by(&self, rules: &Rules) -> bool {
        rules.coverage_of(self.requested(), &home()).is_some_and(|coverage| coverage.exports)
    }
}

fn uri(text: &str) -> OutputUri {
    text.parse().unwrap()
}

fn rules(yaml: &str) -> Rules {
    serde_yaml::from_str(yaml).unwrap()
}

fn allows(rules: &Rules, namespace: &str, group: &str, to: &str) -> bool {
    Request::new(namespace, group, to).is_allowed_by(rules)
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
        assert_eq!(pattern.parse::<NamespacePattern>().unwrap().matches(namespace), expected, "{pattern} {namespace}");
    }
}

#[test]
fn groups_are_ids_in_the_regions_of_the_rule_or_arns() {
    let west = [home()];
    let of = |pattern: &str, at: &str, group: &str, regions: &[Region]| {
        pattern.parse::<GroupPattern>().unwrap().matches(&region(at), &group.parse().unwrap(), regions)
    };
    let in_west = "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1";
    assert!(of("sg-1", "us-west-2", "sg-1", &west) && !of("sg-1", "eu-central-1", "sg-1", &west));
    assert!(of("sg-1", "eu-central-1", "sg-1", &[home(), region("eu-central-1")]));
    assert!(!of("sg-1", "us-west-2", "SG-1", &west) && !of("sg-1", "us-west-2", "sg-10", &west));
    assert!(of(in_west, "us-west-2", "sg-1", &west) && of(in_west, "us-west-2", "sg-1", &[region("eu-central-1")]));
    assert!(
        !of(in_west, "eu-central-1", "sg-1", &[region("eu-central-1")]) && !of(in_west, "us-west-2", "sg-2", &west)
    );
    assert!(of("*", "us-west-2", "sg-9", &west) && !of("*", "eu-central-1", "sg-9", &west));
    for (pattern, is_arn) in [("*", false), ("sg-1", false), (in_west, true)] {
        assert_eq!(pattern.parse::<GroupPattern>().unwrap().is_arn(), is_arn, "{pattern}");
    }
}

#[test]
fn a_rule_holds_in_the_operators_region_or_in_its_own() {
    let with = |regions: &str| {
        rules(&format!(
            r#"[{{namespaces: [team-a], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/a/"]{regions}}}]"#
        ))
    };
    for (regions, allowed) in [
        ("", vec!["us-west-2"]),
        (", regions: [eu-central-1]", vec!["eu-central-1"]),
        (", regions: [eu-central-1, us-west-2]", vec!["us-west-2", "eu-central-1"]),
    ] {
        for requested in ["us-west-2", "eu-central-1", "xx-made-1"] {
            let request = Request { region: region(requested), ..Request::new("team-a", "sg-1", "s3://bucket/a/") };
            assert_eq!(request.is_allowed_by(&with(regions)), allowed.contains(&requested), "{regions} {requested}");
        }
    }
}

#[test]
fn of_the_rules_that_match_one_that_allows_exports_counts_and_then_the_longest_prefix() {
    let rules = rules(
        r#"[{namespaces: ["*"], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/", "s3://bucket/a/"]},
            {namespaces: [team-a], streamGroups: ["*"], outputPrefixes: ["s3://bucket/a/b/"], exports: false}]"#,
    );
    for (to, expected) in [
        ("s3://bucket/x.zip", Some((true, "s3://bucket/"))),
        ("s3://bucket/a/b/x.zip", Some((true, "s3://bucket/a/"))),
        ("s3://other/x.zip", None),
    ] {
        let request = Request::new("team-a", "sg-1", to);
        let coverage = rules.coverage_of(request.requested(), &home());
        assert_eq!(coverage.map(|coverage| (coverage.exports, coverage.prefix.as_str())), expected, "{to}");
    }
    let retired = Request::new("team-a", "sg-2", "s3://bucket/a/b/");
    let coverage = rules.coverage_of(retired.requested(), &home()).unwrap();
    assert_eq!((coverage.exports, coverage.prefix.as_str()), (false, "s3://bucket/a/b/"));
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
        r#"[{namespaces: [a], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/a/"], regions: []}]"#,
        r#"[{namespaces: [a], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/a/"], regions: [x]}]"#,
        r#"[{namespaces: [a], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/a/"], exports: sometimes}]"#,
        r#"[{namespaces: [a], streamGroups: [sg-1], outputPrefixes: ["s3://bucket/a/"], region: us-west-2}]"#,
    ] {
        assert!(serde_yaml::from_str::<Rules>(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn the_missing_rule_is_ready_to_paste() {
    let request = Request::new("team-a", "sg-1", "s3://bucket/a/x.zip");
    let rule = r#"{namespaces: ["team-a"], streamGroups: ["sg-1"], outputPrefixes: ["s3://bucket/a/"]}"#;
    assert_eq!(request.missing_rule(), rule);
    let elsewhere = Request { region: region("eu-central-1"), ..request };
    assert_eq!(elsewhere.missing_rule(), rule.replace('}', r#", regions: ["eu-central-1"]}"#));
}

fn namespaces() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]{1,3}", "(team-)?[a-c]", Just("true".to_owned()), Just("0123".to_owned())]
}

/// Keys with characters that S3 allows: quotes, wildcards, characters that YAML takes for line breaks, emoji.
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

fn requests() -> impl Strategy<Value = Request> {
    let regions = prop::sample::select(vec!["us-west-2", "eu-central-1"]);
    (namespaces(), "[a-b1]{1,3}", uris(), regions).prop_map(|(namespace, group, uri, at)| Request {
        namespace,
        region: region(at),
        group: group.parse().unwrap(),
        uri,
    })
}

fn rule_for(request: &Request) -> Rule {
    Rule::narrowest_rule_for(request.requested(), &home())
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    #[test]
    fn the_printed_rule_allows_the_request_and_is_plain_text(request in requests()) {
        let missing_rule = request.missing_rule();
        prop_assert!(missing_rule.chars().all(|c| (' '..='~').contains(&c)), "{missing_rule}");
        for yaml in [format!("[{missing_rule}]"), format!("- {missing_rule}\n")] {
            prop_assert!(request.is_allowed_by(&rules(&yaml)));
        }
    }

    #[test]
    fn the_printed_rule_allows_no_other_namespace_group_or_region(request in requests(), other in requests()) {
        let rule = Rules::from_iter([rule_for(&request)]);
        let requested = Request { uri: request.uri.clone(), ..other };
        let same = requested.namespace == request.namespace && requested.group == request.group && requested.region == request.region;
        prop_assert_eq!(requested.is_allowed_by(&rule), same);
    }

    #[test]
    fn a_further_rule_never_forbids(requested in requests(), present in requests(), added in requests()) {
        let before = Rules::from_iter([rule_for(&present)]);
        let after = Rules::from_iter([rule_for(&present), rule_for(&added)]);
        prop_assert!(!requested.is_allowed_by(&before) || requested.is_allowed_by(&after));
    }

    #[test]
    fn a_rule_reads_back_as_it_is_printed(request in requests(), exports in any::<bool>()) {
        let rule = Rule { exports, ..rule_for(&request) };
        prop_assert_eq!(rules(&format!("- {rule}\n")), Rules::from_iter([rule]));
    }

    #[test]
    fn what_is_covered_has_the_same_bucket_and_whole_segments(covering in uris(), requested in uris()) {
        let Some(prefix) = OutputPrefix::enclosing_prefix(&covering) else { panic!("{covering} has no prefix") };
        if prefix.matches(&requested) {
            prop_assert_eq!(covering.bucket(), requested.bucket());
            prop_assert!(prefix.to_string().ends_with('/'));
            prop_assert!(!requested.as_str().contains("/../"));
        }
    }
}

#[test]
fn the_rule_for_a_long_destination_covers_the_whole_bucket_and_says_so() {
    let request = Request::new("team-a", "sg-1", &format!("s3://bucket/{}/", "a".repeat(MAX_PRINTED_RULE)));
    let rule = request.missing_rule();
    assert!(rule.len() <= MAX_PRINTED_RULE && rule.ends_with("# wider than needed: the whole bucket"), "{rule}");
    let added = rules(&format!("- {rule}"));
    assert!(request.is_allowed_by(&added), "{rule}");
    let [rule] = added.as_slice() else { panic!() };
    assert_eq!(rule.output_prefixes, ["s3://bucket/".parse().unwrap()]);
}
