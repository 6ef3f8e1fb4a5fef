use super::*;
use std::time::Duration;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("config.yaml")).map_err(|e| e.to_string())
}

#[test]
fn nothing_said_means_the_defaults_and_no_rules() {
    for text in ["", "# only\n  # comments\n", "---\n", "{}", "aws:\nrules:\nquota:\nwatch:\nlease:\ntiming:\n"] {
        let config = parse(text).unwrap();
        assert!(config.rules.as_slice().is_empty(), "{text}");
        assert_eq!(config.timing, Timing::default());
        let allow_above_default = false;
        let quota = QuotaConfig { export: 18.0, get: 10.0, list: 10.0, discovery_share: 0.65, allow_above_default };
        assert_eq!(config.quota, quota);
        assert_eq!(config.lease, Lease { namespace: None, name: "session-export-operator".to_owned() });
        assert_eq!(config.watch, Watch::default());
    }
}

#[test]
fn every_section_is_read() {
    let config = parse(
        r#"
aws: {region: us-west-2, accountId: 111122223333}
rules: [{namespaces: [team-a], streamGroups: ["*"], outputPrefixes: ["s3://exports/a/"]}]
quota: {export: 40, get: 0.5, discoveryShare: 0.5, allowAboveDefault: true}
watch: {namespaces: [team-a, team-b], labelSelector: "team in (a,b),!paused, x=y"}
lease: {namespace: operators, name: exports.second}
timing: {consistencyWindow: 5500ms, acceptanceBound: 1h 30m, notFoundReads: 5}
"#,
    )
    .unwrap();
    assert_eq!(config.aws.account_id.unwrap().as_str(), "111122223333");
    assert_eq!(config.aws.region.unwrap().as_str(), "us-west-2");
    assert_eq!(config.rules.as_slice().len(), 1);
    let quota = QuotaConfig { export: 40.0, get: 0.5, list: 10.0, discovery_share: 0.5, allow_above_default: true };
    assert_eq!(config.quota, quota);
    assert_eq!(config.watch.namespaces, ["team-a", "team-b"]);
    assert_eq!(config.watch.label_selector, "team in (a,b),!paused, x=y");
    assert_eq!(config.lease, Lease { namespace: Some("operators".to_owned()), name: "exports.second".to_owned() });
    assert_eq!(config.timing.consistency_window, Duration::from_millis(5500));
    assert_eq!(config.timing.acceptance_bound, Duration::from_secs(5400));
    assert_eq!(config.timing.not_found_reads, 5);
}

/// Text, location, and what the message must contain: the field, what is accepted.
const REFUSED: &[(&str, &str, &[&str])] = &[
    ("aws: {zone: x}", "1:7", &["aws", "unknown field `zone`", "`region` or `accountId`"]),
    ("\nclocks: {}", "2:1", &["unknown field `clocks`", "`timing`"]),
    ("aws:\n  region: us_west", "2:11", &["aws.region", "us-west-2"]),
    ("aws:\n  accountId: 12345", "2:14", &["aws.accountId", "12 digits"]),
    ("aws: {region: us-gov-west-1}", "1:15", &["aws.region", "in AWS's partition aws", "us-gov-"]),
    ("aws: {region: eusc-de-east-1}", "1:15", &["aws.region", "in AWS's partition aws", "eusc-"]),
    ("rules:\n- regions: [us-west-2, cn-north-1]\n", "2:24", &["rules[0].regions[1]", "in AWS's partition aws", "cn-"]),
    (
        "rules:\n- streamGroups: ['arn:aws-cn:gameliftstreams:cn-north-1:111122223333:streamgroup/sg-1']\n",
        "2:18",
        &["rules[0].streamGroups[0]", "in AWS's partition aws"],
    ),
    ("aws: {region: us-west-2, region: us-west-2}", "1:6", &["aws", "duplicate field"]),
    (
        "rules: [{namespaces: [a], streamGroups: [sg-1], outputPrefixes: ['s3://b-b/']}]",
        "1:1",
        &["aws.accountId", "required"],
    ),
    ("aws: {accountId: '111122223333'}\nrules:\n- namespaces: [Team]\n", "3:16", &["rules[0].namespaces[0]", "team-*"]),
    ("rules:\n- namespaces: []\n", "2:15", &["rules[0].namespaces", "at least one"]),
    ("rules:\n- namespaces: [a]\n  streamGroups: [sg-*]\n", "3:18", &["rules[0].streamGroups[0]", "sg-1AB2C3De4"]),
    (
        "aws: {accountId: 111122223333}\nrules:\n- namespaces: [a]\n  streamGroups: [sg-1, 'arn:aws:gameliftstreams:us-west-2:999999999999:streamgroup/sg-1']\n  outputPrefixes: ['s3://b-b/']",
        "4:24",
        &["rules[0].streamGroups[1]", "another account", "111122223333"],
    ),
    (
        "rules:\n- namespaces: [a]\n  streamGroups: [a]\n  outputPrefixes: [s3://b-b/x]\n",
        "4:20",
        &["rules[0].outputPrefixes[0]", "s3://bucket/prefix/"],
    ),
    ("rules:\n- namespaces: [a]\n", "2:3", &["rules[0]", "missing field `streamGroups`"]),
    (
        "rules:\n- namespaces: [a]\n  streamGroups: [a]\n  region: [us-west-2]\n",
        "4:3",
        &["rules[0]", "unknown field `region`", "`regions`", "`exports`"],
    ),
    ("rules:\n- namespaces: [a]\n  export: false\n", "3:3", &["rules[0]", "unknown field `export`", "`exports`"]),
    ("rules:\n- regions: []\n", "2:12", &["rules[0].regions", "at least one"]),
    ("rules:\n- regions:\n  exports: true\n", "2:11", &["rules[0].regions", "at least one"]),
    ("rules:\n- regions: us-west-2\n", "2:12", &["rules[0].regions", "at least one"]),
    ("rules:\n- regions: [us-west-2, us_west]\n", "2:24", &["rules[0].regions[1]", "us-west-2"]),
    ("rules:\n- regions: ['*']\n", "2:13", &["rules[0].regions[0]", "us-west-2"]),
    ("rules:\n- exports: 'false'\n", "2:12", &["rules[0].exports", "expected a boolean"]),
    ("rules:\n- exports:\n", "2:11", &["rules[0].exports", "expected a boolean"]),
    ("rules:\n- policies: 'true'\n", "2:13", &["rules[0].policies", "expected a boolean"]),
    (
        "aws: {accountId: 111122223333}\nrules:\n- namespaces: [a]\n  streamGroups: [sg-1]\n  outputPrefixes: ['s3://b-b/']\n  exports: false\n  policies: true",
        "7:13",
        &["rules[0].policies", "exports: false"],
    ),
    ("policies: {maxWaitingExports: 0}", "1:31", &["policies.maxWaitingExports", "from 1 to 10000"]),
    ("policies: {enable: true}", "1:12", &["policies", "unknown field `enable`", "`enabled`"]),
    (
        "aws: {accountId: 111122223333}\nrules:\n- namespaces: [a]\n  streamGroups: ['arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1']\n  outputPrefixes: ['s3://b-b/']\n  regions: [eu-central-1]",
        "6:12",
        &["rules[0].regions", "ARNs only", "leave it out"],
    ),
    ("rules: {}", "1:8", &["rules", "expected a sequence"]),
    ("quota:\n  export: 21", "2:11", &["quota.export", "from 0.01 to 20", "allowAboveDefault"]),
    ("quota: {allowAboveDefault: true, get: 10001}", "1:39", &["quota.get", "10000"]),
    ("quota: {list: 0}", "1:15", &["quota.list", "0.01"]),
    ("quota: {list: -1}", "1:15", &["quota.list", "0.01"]),
    ("quota: {list: .nan}", "1:15", &["quota.list", "0.01"]),
    ("quota: {list: .inf, allowAboveDefault: true}", "1:15", &["quota.list", "10000"]),
    ("quota: {list: ten}", "1:15", &["quota.list", "expected f64"]),
    ("watch: {namespaces: [team_a]}", "1:22", &["watch.namespaces[0]", "lower-case letters"]),
    ("watch: {namespaces: [a, b, a]}", "1:28", &["watch.namespaces[2]", "twice"]),
    ("watch: {namespaces: ['*']}", "1:22", &["watch.namespaces[0]", "all namespaces"]),
    ("watch: {labelSelector: 'team in a'}", "1:24", &["watch.labelSelector", "team=a"]),
    ("watch: {labelSelector: 'a=b=c'}", "1:24", &["watch.labelSelector", "team=a"]),
    ("watch: {labelSelector: 'a,,b'}", "1:24", &["watch.labelSelector", "team=a"]),
    ("lease: {name: My_Lease}", "1:15", &["lease.name", "lower-case letters"]),
    ("lease: {namespace: a.b}", "1:20", &["lease.namespace", "1 to 63"]),
    ("timing: {consistencyWindow: 30}", "1:29", &["timing.consistencyWindow", "30s, 2m or 25h", "no unit"]),
    ("timing: {consistencyWindow: soon}", "1:29", &["timing.consistencyWindow", "30s, 2m or 25h"]),
    ("timing: {consistencyWindow: -30s}", "1:29", &["timing.consistencyWindow", "1ms"]),
    ("timing: {consistencyWindow: 0s}", "1:29", &["timing.consistencyWindow", "1ms"]),
    ("timing: {overdueAfter: 745h}", "1:24", &["timing.overdueAfter", "744h"]),
    ("timing: {consistencyWindow: 4s}", "1:29", &["timing.consistencyWindow", "longer than timing.callTimeout"]),
    ("timing: {callTimeout: 6s}", "1:23", &["timing.callTimeout", "outlives the lease"]),
    ("timing: {leaseDuration: 1500ms}", "1:25", &["timing.leaseDuration", "whole seconds"]),
    ("timing: {leaseDuration: 10s}", "1:9", &["timing.leaseRenewDeadline", "shorter than timing.leaseDuration (10s)"]),
    ("timing: {leaseRetry: 10s}", "1:22", &["timing.leaseRetry", "shorter than timing.leaseRenewDeadline"]),
    ("timing: {retryMax: 999ms}", "1:20", &["timing.retryMax", "timing.retryMin (1s)"]),
    ("timing: {deniedRetryMin: 2m}", "1:9", &["timing.deniedRetryMax", "timing.deniedRetryMin (120s)"]),
    ("timing: {pendingPollIntervalMax: 1s}", "1:34", &["timing.pendingPollIntervalMax"]),
    ("timing: {discoveryInterval: 61s}", "1:9", &["timing.reconnectScanInterval", "timing.discoveryInterval (61s)"]),
    ("quota: {discoveryShare: 1}", "1:25", &["quota.discoveryShare", "from 0.05 to 0.95"]),
    ("quota: {discoveryShare: 0}", "1:25", &["quota.discoveryShare", "from 0.05 to 0.95"]),
    ("timing: {notFoundReads: 0}", "1:25", &["timing.notFoundReads", "from 1 to 100"]),
    ("timing: {rejectedTries: 101}", "1:25", &["timing.rejectedTries", "from 1 to 100"]),
    ("timing: {rejectedTries: -1}", "1:25", &["timing.rejectedTries", "u32"]),
    (
        "timing: {consistencywindow: 30s}",
        "1:10",
        &["timing", "unknown field `consistencywindow`", "`consistencyWindow`"],
    ),
    ("aws: {", "2:1", &["did not find expected node content"]),
    ("aws: [x]", "1:6", &["aws", "a mapping with the keys region and accountId"]),
    ("- a", "1:1", &["a mapping with the keys aws, rules"]),
    ("{}\n---\n{}", "1:1", &["more than one document"]),
];

#[test]
fn what_is_no_good_is_refused_with_place_field_and_what_is_accepted() {
    let mut wrong = Vec::new();
    for (text, place, fragments) in REFUSED {
        let message = parse(text).map(|_| ()).expect_err(text);
        let lacking = fragments.iter().filter(|fragment| !message.contains(**fragment)).collect::<Vec<_>>();
        let placed = message.starts_with(&format!("config.yaml:{place}: ")) && !message.contains('\n');
        if !placed || !lacking.is_empty() {
            wrong.push(format!("{text:?}\n  expected at {place}, lacks {lacking:?}\n  {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_rule_exports_in_the_operators_region_unless_it_says_otherwise() {
    let rule = |more: &str| {
        let text = format!(
            "aws: {{accountId: 111122223333}}\nrules:\n- namespaces: [a]\n  streamGroups: ['*']\n  outputPrefixes: ['s3://b-b/']\n{more}"
        );
        let rule = parse(&text).unwrap().rules.as_slice()[0].clone();
        (rule.regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), rule.exports)
    };
    assert_eq!(rule(""), (String::new(), true));
    assert_eq!(rule("  regions: [eu-central-1, us-west-2]"), ("eu-central-1 us-west-2".to_owned(), true));
    assert_eq!(rule("  exports: false"), (String::new(), false));
    assert_eq!(rule("  exports: true"), (String::new(), true));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nowhere/config.yaml")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/config.yaml"));
}

#[test]
fn label_selectors_are_what_kubectl_takes() {
    for fine in ["a", "!a", "a=b", "a==b", "a!=b", "a=", "example.com/a=B_c.d", "a in (b)", "a notin (b, c),d", "  "] {
        assert!(parse(&format!("watch: {{labelSelector: {fine:?}}}")).is_ok(), "{fine}");
    }
    for bad in ["=b", "a in", "a in ()x", "a in (b", "a b", "a=-b", "a/b/c", "A/ b", "a among (b)", ",", "a=b,"] {
        assert!(parse(&format!("watch: {{labelSelector: {bad:?}}}")).is_err(), "{bad}");
    }
}

#[test]
fn the_shortest_timing_that_tests_use_is_allowed() {
    parse("timing: {leaseDuration: 3s, leaseRenewDeadline: 2s, leaseRetry: 200ms, callTimeout: 1s, consistencyWindow: 1100ms, retryMin: 1ms}").unwrap();
}
