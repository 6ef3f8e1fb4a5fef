//! values.schema.json: closed, complete, and of one mind with the operator.

use crate::helm::{template, values};
use serde_json::{Value, json};
use session_export_operator::config::{Config, Timing};
use std::path::Path;

#[test]
fn the_schema_knows_every_value_and_no_other() {
    let schema = values("charts/session-export-operator/values.schema.json");
    let mut known: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    // Of the chart that depends on this one.
    known.retain(|key| key != "enabled");
    let mut given: Vec<String> =
        values("charts/session-export-operator/values.yaml").as_object().unwrap().keys().cloned().collect();
    known.sort();
    given.sort();
    assert_eq!(known, given);
}

#[test]
fn the_schema_closes_every_map_whose_keys_are_not_the_users() {
    fn open<'a>(schema: &'a Value, path: String, found: &mut Vec<String>) {
        if schema.get("properties").is_some() && schema.get("additionalProperties") != Some(&json!(false)) {
            found.push(path.clone());
        }
        let children: Vec<(String, &'a Value)> = match schema {
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(list) => list.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        children.into_iter().for_each(|(key, value)| open(value, format!("{path}/{key}"), found));
    }
    let mut found = Vec::new();
    open(&values("charts/session-export-operator/values.schema.json"), String::new(), &mut found);
    // Volumes have dozens of kinds, objects any: the API server judges them. Globals are of other charts, too.
    assert_eq!(
        found,
        [
            "/properties/extraObjects/items",
            "/properties/extraVolumes/items",
            "/properties/global",
            "/properties/global/properties/imagePullSecrets/items"
        ]
    );
}

#[test]
fn the_schema_has_every_key_of_the_operators_timing() {
    let schema = values("charts/session-export-operator/values.schema.json");
    let known = schema["properties"]["config"]["properties"]["timing"]["properties"].as_object().unwrap();
    let real = serde_json::to_value(Timing::default()).unwrap();
    assert_eq!(known.keys().collect::<std::collections::BTreeSet<_>>(), real.as_object().unwrap().keys().collect());
}

/// Entries of a rule and other texts that look almost right, by where they go.
fn near_misses() -> Vec<(&'static str, Value)> {
    let of = |pointer: &'static str, texts: Vec<String>| texts.into_iter().map(move |text| (pointer, json!(text)));
    let words = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let names = words(&["", "*", "a", "a*", "*a", "a**", "-a", "a-", "a-*", "-*", "A", "a_b", "0", "a.b", "team a"]);
    let lengths = ["", "*", "-*"].map(|end| format!("{}{end}", "a".repeat(63)));
    let arn = "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/";
    let groups = ["sg-1", "", "*", "sg_1", "sg-1/", "sg*", "s\u{e9}"].map(str::to_owned);
    let arns = [arn.to_owned(), format!("{arn}a"), format!("{arn}a/b"), arn.replace("aws", "aws-cn") + "a"];
    let long = [format!("{arn}{}", "a".repeat(69)), format!("{arn}{}", "a".repeat(70)), "a".repeat(129)];
    let keys =
        ["", "a/", "a", "a//", "/", "*/", "./", "../", "a/../", "a./", ".../", "\u{e9} /", "\u{85}/", "\n/", "a/x.zip"];
    let buckets = [
        "ab",
        "abc",
        "a.b",
        "a..b",
        "a.-b",
        "a-.b",
        "-ab",
        "Abc",
        "192.168.0.1",
        "1.2.3",
        "1.2.3.4.5",
        "123",
        "a_b",
        "Legacy_Bucket",
        "a b",
        "abc\n",
    ];
    let lengths_of_buckets = [255, 256].map(|length| format!("s3://{}/", "a".repeat(length)));
    let uris = keys.iter().map(|key| format!("s3://bucket/{key}"));
    let uris = uris
        .chain(buckets.iter().map(|bucket| format!("s3://{bucket}/")))
        .chain(["s3:/b/".to_owned()])
        .chain(lengths_of_buckets);
    let selectors = words(&[
        "",
        " ",
        "a",
        "!a",
        "! a",
        "a=b",
        "a==b",
        "a = b",
        "a!=b",
        "a=",
        "a in (b)",
        "a in(b)",
        "a in ()",
        "a notin (b,c)",
        "a in (b",
        "a in b",
        "in (b)",
        "a b",
        ",",
        "a,",
        "x.io/a",
        "X/a",
        "x/y/a",
        "-a",
        "a=-b",
        "a in (b), c",
        "a=b=c",
        "a in (b) c",
        "!a=b",
        "a>1",
        "a in (b,,c)",
    ]);
    let regions = words(&[
        "us-west-2",
        "us-gov-west-1",
        "us-isob-east-1",
        "eu-isoe-west-1",
        "cn-north-1",
        "eusc-de-east-1",
        "xx-made-1",
        "us-west-22",
        "us-west",
        "west-2",
        "us-west-222",
        "us--west-2",
        "us-west2-2",
        "USA-west-2",
        "us-west-2\n",
        "us-\u{e9}st-1",
        "*",
    ]);
    let lengths_of_regions = [27, 28].map(|length| format!("us-{}-1", "a".repeat(length)));
    let regions = [regions, lengths_of_regions.to_vec()].concat();
    of("/config/rules/0/namespaces/0", names)
        .chain(of("/config/rules/0/namespaces/0", lengths.to_vec()))
        .chain(of("/config/rules/0/streamGroups/0", [groups.to_vec(), arns.to_vec(), long.to_vec()].concat()))
        .chain(of("/config/rules/0/outputPrefixes/0", uris.collect()))
        .chain(of("/watch/labelSelector", selectors))
        .chain(of("/watch/namespaces/0", words(&["a", "", "A", "a-", "*", "a.b"])))
        .chain(of("/config/lease/name", words(&["a", "A", "a.b", "a..b", "-a"])))
        .chain(of("/aws/region", regions.clone()))
        .chain(of("/config/rules/0/regions/0", regions))
        .chain([json!([]), json!(null), json!("us-west-2")].map(|value| ("/config/rules/0/regions", value)))
        .chain([json!(false), json!(null), json!("false"), json!(1)].map(|value| ("/config/rules/0/exports", value)))
        // Beside ARNs only, regions mean nothing.
        .chain(
            [json!([arn.to_owned() + "a"]), json!([arn.to_owned() + "a", "*"])]
                .map(|v| ("/config/rules/0/streamGroups", v)),
        )
        .collect()
}

/// The operator's words for the same configuration.
fn parses(values: &Value) -> bool {
    let mut config = values["config"].clone();
    config["aws"] = values["aws"].clone();
    config["watch"] = values["watch"].clone();
    Config::parse(&config.to_string(), Path::new("config.yaml")).is_ok()
}

#[test]
fn it_accepts_what_the_operator_can_parse_and_nothing_else() {
    let rule = json!({
        "namespaces": ["a"], "streamGroups": ["sg-1"], "outputPrefixes": ["s3://bucket/"],
        "regions": ["us-west-2"], "exports": true,
    });
    let base = json!({
        "aws": {"accountId": "111122223333", "region": "us-west-2"},
        "watch": {"namespaces": ["a"], "labelSelector": ""},
        "config": {"rules": [rule], "lease": {"name": "a"}},
    });
    let mut wrong = Vec::new();
    let mut accepted = 0;
    for (pointer, text) in near_misses() {
        let mut values = base.clone();
        *values.pointer_mut(pointer).unwrap() = text.clone();
        let (chart, operator) = (template(&values, &[]), parses(&values));
        accepted += usize::from(operator);
        if chart.is_ok() != operator {
            wrong.push(format!("{pointer} {text}: operator {operator}, chart {:?}", chart.err()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(accepted >= 35, "only {accepted} were accepted: the comparison is empty");
}
