//! The rows of SessionExportPolicy: what is tried, and what must come of it.

use super::rows::Expected::{Fine, Malformed, Refused};
use super::rows::{KEY_CHARACTERS, Row};
use serde_json::{Value, json};

const WEST: &str = "arn:aws:gameliftstreams:us-west-2:111122223333";
const EAST: &str = "arn:aws:gameliftstreams:us-east-1:111122223333";

/// Stream group, Region, ServiceAccount and selector.
pub(crate) fn sources() -> Vec<Row> {
    const GROUP: &[&str] = &["spec.streamGroupIdentifier", "Invalid value", "such as sg-1AB2C3De4"];
    const REGION: &[&str] = &["spec.region", "must be an AWS Region, such as us-west-2"];
    const ACCOUNT: &[&str] = &["spec.serviceAccountName", "must be the name of a ServiceAccount"];
    const APPLICATIONS: &[&str] =
        &["spec.selector.applicationIdentifiers", "such as a-9ZY8X7Wv6", "application/a-9ZY8X7Wv6"];
    const OTHER_PARTITION: &[&str] = &["spec.selector.applicationIdentifiers", "must be in AWS's partition aws"];
    const OTHER_HOME: &[&str] = &[
        "spec.selector.applicationIdentifiers",
        "must be of the Region and account of streamGroupIdentifier, us-west-2, account 111122223333",
    ];
    const LOCATIONS: &[&str] = &["spec.selector.locations", "such as us-east-1"];
    let group = |value: Value| json!({ "streamGroupIdentifier": value });
    let applications = |value: Value| json!({"selector": {"applicationIdentifiers": value}});
    let locations = |value: Value| json!({"selector": {"locations": value}});
    let many = |count: usize| Value::from_iter((0..count).map(|n| format!("a-{n}")));
    let in_group = |applications: Value| {
        json!({"streamGroupIdentifier": format!("{WEST}:streamgroup/sg-1AB2C3De4"),
                                                "selector": {"applicationIdentifiers": applications}})
    };
    vec![
        (json!({}), Fine),
        (group(json!(format!("{WEST}:streamgroup/sg-1AB2C3De4"))), Fine),
        (group(json!("a".repeat(128))), Fine),
        (group(json!("a".repeat(129))), Malformed(&["spec.streamGroupIdentifier", "Too long", "128"])),
        (group(json!("../sg-1")), Malformed(GROUP)),
        (group(json!("sg-{year}")), Malformed(GROUP)),
        (group(json!(null)), Malformed(&["spec.streamGroupIdentifier", "Required value"])),
        (
            group(json!("arn:aws-cn:gameliftstreams:cn-north-1:111122223333:streamgroup/sg-1")),
            Malformed(&["spec.streamGroupIdentifier", "must be in AWS's partition aws"]),
        ),
        (json!({"region": "us-west-2"}), Fine),
        (json!({"region": "mars"}), Malformed(REGION)),
        (json!({"region": "us-gov-west-1"}), Malformed(&["spec.region", "must be in AWS's partition aws"])),
        (
            json!({"region": "us-east-1", "streamGroupIdentifier": format!("{WEST}:streamgroup/sg-1AB2C3De4")}),
            Malformed(&["spec.region", "us-east-1 is not the Region of the ARN in streamGroupIdentifier, us-west-2"]),
        ),
        (json!({"serviceAccountName": "exports"}), Fine),
        (json!({"serviceAccountName": "Exports"}), Refused(ACCOUNT)),
        (json!({"serviceAccountName": ""}), Refused(ACCOUNT)),
        (json!({"selector": {}}), Fine),
        (json!({"selector": null}), Fine),
        (applications(json!(["a-9ZY8X7Wv6"])), Fine),
        (applications(json!(["a-1", "A-1", format!("{WEST}:application/a-1")])), Fine),
        (applications(many(32)), Fine),
        (applications(many(33)), Refused(&["spec.selector.applicationIdentifiers", "Too many", "32"])),
        (applications(json!([])), Refused(&["spec.selector.applicationIdentifiers", "at least 1 item"])),
        (applications(json!(["a-1", "a-1"])), Refused(&["spec.selector.applicationIdentifiers", "Duplicate value"])),
        (applications(json!([""])), Malformed(APPLICATIONS)),
        (applications(json!(["a-1", "a/b"])), Malformed(APPLICATIONS)),
        (applications(json!([format!("{WEST}:streamgroup/sg-1")])), Malformed(APPLICATIONS)),
        (
            applications(json!(["a".repeat(129)])),
            Malformed(&["spec.selector.applicationIdentifiers", "Too long", "128"]),
        ),
        (applications(json!("a-1")), Malformed(&["spec.selector.applicationIdentifiers", "must be of type array"])),
        (applications(json!([null])), Malformed(&["spec.selector.applicationIdentifiers", "must be of type string"])),
        (
            applications(json!(["arn:aws:gameliftstreams:us-gov-west-1:111122223333:application/a"])),
            Malformed(OTHER_PARTITION),
        ),
        (in_group(json!(["a-1", format!("{WEST}:application/a-1")])), Fine),
        (in_group(json!(["a-1", format!("{EAST}:application/a-1")])), Malformed(OTHER_HOME)),
        (in_group(json!(["arn:aws:gameliftstreams:us-west-2:999999999999:application/a-1"])), Malformed(OTHER_HOME)),
        (
            json!({"region": "us-east-1", "selector": {"applicationIdentifiers": [format!("{EAST}:application/a")]}}),
            Fine,
        ),
        (
            json!({"region": "us-west-2", "selector": {"applicationIdentifiers": [format!("{EAST}:application/a")]}}),
            Malformed(&["spec.selector.applicationIdentifiers", "must be of the Region us-west-2"]),
        ),
        (locations(json!(["us-east-1", "eu-west-1"])), Fine),
        (locations(json!(["x".repeat(20)])), Fine),
        (locations(json!(["x".repeat(21)])), Malformed(&["spec.selector.locations", "Too long", "20"])),
        (locations(json!([])), Refused(&["spec.selector.locations", "at least 1 item"])),
        (locations(json!(["us-east-1", "us-east-1"])), Refused(&["spec.selector.locations", "Duplicate value"])),
        (locations(json!([""])), Malformed(LOCATIONS)),
        (locations(json!(["us_east_1"])), Malformed(LOCATIONS)),
        (locations(json!(["us-east-1\n"])), Malformed(LOCATIONS)),
        (locations(many(33)), Refused(&["spec.selector.locations", "Too many", "32"])),
    ]
}

/// Numbers and switches.
pub(crate) fn amounts() -> Vec<Row> {
    const PERCENT: &[&str] = &["spec.samplePercent", "from 1 to 100", "set suspend to true"];
    const SUCCESSFUL: &[&str] = &["spec.successfulExportsHistoryLimit", "from 0 (keep none) to 10000"];
    const FAILED: &[&str] = &["spec.failedExportsHistoryLimit", "from 0 (keep none) to 10000"];
    const TTL: &[&str] = &["spec.template.spec.ttlSecondsAfterFinished", "31536000 (a year)"];
    let percent = |value: Value| json!({ "samplePercent": value });
    let template = |field: &str, value: Value| json!({"template": {"spec": {field: value}}});
    let ttl = |value: Value| template("ttlSecondsAfterFinished", value);
    vec![
        (json!({"suspend": true}), Fine),
        (json!({"suspend": null}), Fine),
        (json!({"suspend": "yes"}), Malformed(&["spec.suspend", "must be of type boolean"])),
        (percent(json!(1)), Fine),
        (percent(json!(100)), Fine),
        (percent(json!(null)), Fine),
        (percent(json!(0)), Malformed(PERCENT)),
        (percent(json!(101)), Malformed(PERCENT)),
        (percent(json!(-1)), Malformed(PERCENT)),
        (percent(json!(i64::MAX)), Malformed(PERCENT)),
        (percent(json!(0.5)), Malformed(&["spec.samplePercent", "must be of type int64"])),
        (percent(json!("10%")), Malformed(&["spec.samplePercent", "must be of type integer"])),
        (json!({"successfulExportsHistoryLimit": 0, "failedExportsHistoryLimit": 10_000}), Fine),
        (json!({"successfulExportsHistoryLimit": -1}), Malformed(SUCCESSFUL)),
        (json!({"successfulExportsHistoryLimit": 10_001}), Malformed(SUCCESSFUL)),
        (json!({"failedExportsHistoryLimit": -1}), Malformed(FAILED)),
        (json!({"failedExportsHistoryLimit": 10_001}), Malformed(FAILED)),
        (ttl(json!(0)), Fine),
        (ttl(json!(31_536_000)), Fine),
        (ttl(json!(null)), Fine),
        (ttl(json!(-1)), Malformed(TTL)),
        (ttl(json!(31_536_001)), Malformed(TTL)),
        (template("readyWhen", json!("Accepted")), Fine),
        (template("readyWhen", json!(null)), Fine),
        (
            template("readyWhen", json!("accepted")),
            Refused(&["spec.template.spec.readyWhen", "Unsupported value", "\"Accepted\", \"Exported\""]),
        ),
        (json!({"template": null}), Malformed(&["spec.template", "Required value"])),
        (json!({"template": {"spec": null}}), Malformed(&["spec.template.spec", "Required value"])),
        (template("outputUri", json!(null)), Malformed(&["spec.template.spec.outputUri", "Required value"])),
    ]
}

/// Labels and annotations of the template.
pub(crate) fn metadata() -> Vec<Row> {
    const LABEL_KEYS: &[&str] =
        &["spec.template.metadata.labels", "keys that are names of at most 63", "example.com/team"];
    const KEYS: &[&str] = &["spec.template.metadata.annotations", "keys that are names of at most 63"];
    const RESERVED_LABEL: &[&str] =
        &["spec.template.metadata.labels", "without keys of sessionexport.dev/", "except for instance and managed-by"];
    const RESERVED: &[&str] = &["spec.template.metadata.annotations", "without keys of sessionexport.dev/"];
    const VALUES: &[&str] = &["spec.template.metadata.labels", "begin and end with a letter or digit"];
    let labels = |value: Value| json!({"template": {"metadata": {"labels": value}}});
    let annotations = |value: Value| json!({"template": {"metadata": {"annotations": value}}});
    let many = |count: usize| Value::from_iter((0..count).map(|n| (format!("key-{n}"), json!("x"))));
    let long_key = |prefix: usize, name: usize| format!("{}/{}", "a".repeat(prefix), "b".repeat(name));
    let mut rows = vec![
        (json!({"template": {"metadata": {}}}), Fine),
        (labels(json!({})), Fine),
        (labels(json!({"team": "a", "example.com/team": "", "a_B.c": "x".repeat(63)})), Fine),
        (labels(many(8)), Fine),
        (labels(many(9)), Malformed(&["spec.template.metadata.labels", "Too many", "8"])),
        (annotations(many(8)), Fine),
        (annotations(many(9)), Malformed(&["spec.template.metadata.annotations", "Too many", "8"])),
        (labels(json!({"team": "x".repeat(64)})), Malformed(&["spec.template.metadata.labels", "Too long", "63"])),
        (annotations(json!({"note": "é".repeat(256)})), Fine),
        (
            annotations(json!({"note": "é".repeat(257)})),
            Malformed(&["spec.template.metadata.annotations", "Too long", "256"]),
        ),
        (labels(json!({"team": "a b"})), Malformed(VALUES)),
        (labels(json!({"team": "-a"})), Malformed(VALUES)),
        (labels(json!({"team": "a\n"})), Malformed(VALUES)),
        (labels(json!({"team": 7})), Malformed(&["spec.template.metadata.labels", "must be of type string"])),
        (labels(json!({"": "a"})), Malformed(LABEL_KEYS)),
        (labels(json!({"a b": "a"})), Malformed(LABEL_KEYS)),
        (labels(json!({"/a": "a"})), Malformed(LABEL_KEYS)),
        (labels(json!({"a/": "a"})), Malformed(LABEL_KEYS)),
        (labels(json!({"a/b/c": "a"})), Malformed(LABEL_KEYS)),
        (labels(json!({"Example.com/team": "a"})), Malformed(LABEL_KEYS)),
        (annotations(json!({"Kubernetes.io/x": "a"})), Malformed(KEYS)),
        (annotations(json!({long_key(253, 63): "a"})), Fine),
        (annotations(json!({long_key(254, 1): "a"})), Malformed(KEYS)),
        (annotations(json!({long_key(1, 64): "a"})), Malformed(KEYS)),
    ];
    for fine in [
        "app.kubernetes.io/name",
        "app.kubernetes.io/component",
        "argocd.argoproj.io/ignore-resource-updates",
        "notkubernetes.io/x",
        "k8s.io.example.com/x",
        "kubernetes.io",
    ] {
        rows.push((labels(json!({fine: "a"})), Fine));
        rows.push((annotations(json!({fine: "a"})), Fine));
    }
    for reserved in [
        "sessionexport.dev/policy",
        "sessionexport.dev/x",
        "kubernetes.io/x",
        "batch.kubernetes.io/job-name",
        "x.app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        "k8s.io/x",
        "node.k8s.io/x",
        "meta.helm.sh/release-name",
        "kustomize.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/name",
        "argocd.argoproj.io/instance",
        "argocd.argoproj.io/tracking-id",
    ] {
        rows.push((labels(json!({reserved: "a"})), Malformed(RESERVED_LABEL)));
        rows.push((annotations(json!({"note": "b", reserved: "a"})), Malformed(RESERVED)));
    }
    rows
}

/// Destinations with placeholders.
pub(crate) fn templates() -> Vec<Row> {
    const FIELD: &str = "spec.template.spec.outputUri";
    const BUCKET: &[&str] = &[FIELD, "must begin with s3://BUCKET/", "s3://exports/{sessionId}.zip"];
    const IN_BUCKET: &[&str] = &[FIELD, "must have no placeholder in the bucket"];
    const BRACES: &[&str] = &[FIELD, "must have no brace that is alone", "such as {sessionId}"];
    const UNKNOWN: &[&str] = &[
        FIELD,
        "must have no other placeholders than {sessionId}, {streamGroupId}, {applicationId}, {location}, {year}, {month}, \
         {day}, {hour}, {namespace}, {policy}",
    ];
    const SESSION: &[&str] = &[FIELD, "must have {sessionId} if it ends in .zip or .ZIP", "overwrite the ZIP"];
    const ENDING: &[&str] = &[FIELD, "must end in the name of a .zip or .ZIP with {sessionId}, or in /"];
    const SEGMENT: &[&str] = &[FIELD, "no empty, . or .. segment"];
    const CHARACTERS: &[&str] = &[FIELD, KEY_CHARACTERS];
    const LENGTH: &[&str] = &[FIELD, "must be shorter", "longest values", "1024 characters"];
    let to = |uri: &str| json!({"template": {"spec": {"outputUri": uri}}});
    let filled = |filling: usize, ending: &str| to(&format!("s3://exports/{}{ending}", "a".repeat(filling)));
    let mut rows = vec![
        (to("s3://exports/"), Fine),
        (to("s3://exports/team-a/{applicationId}/{year}/{month}/{day}/{sessionId}.zip"), Fine),
        (to("s3://exports/{sessionId}.ZIP"), Fine),
        (to("s3://exports/{sessionId}/x.zip"), Fine),
        (to("s3://exports/{sessionId}{sessionId}/.{policy}./"), Fine),
        (to("s3://exports/{streamGroupId}/{location}/{hour}/{namespace}/{policy}/"), Fine),
        (to("s3://exports/it's (1) & $x!/_-.*@=;:+ ,/{sessionId}.zip"), Fine),
        (to("s3://Legacy_Bucket/{day}/"), Fine),
        (to("s3://{namespace}/{sessionId}.zip"), Malformed(IN_BUCKET)),
        (to("s3://exports-{location}/{sessionId}.zip"), Malformed(IN_BUCKET)),
        (to("s3://{namespace}"), Malformed(IN_BUCKET)),
        (to("https://exports/{sessionId}.zip"), Malformed(BUCKET)),
        (to("{sessionId}.zip"), Malformed(BUCKET)),
        (to("s3://ab/{sessionId}.zip"), Malformed(BUCKET)),
        (to("s3://192.168.0.1/{sessionId}.zip"), Malformed(BUCKET)),
        (to(""), Malformed(BUCKET)),
        (to("s3://exports/{sessionID}/"), Malformed(UNKNOWN)),
        (to("s3://exports/{SessionId}.zip"), Malformed(UNKNOWN)),
        (to("s3://exports/{session_id}/"), Malformed(UNKNOWN)),
        (to("s3://exports/{minute}/"), Malformed(UNKNOWN)),
        (to("s3://exports/{region}/{sessionId}.zip"), Malformed(UNKNOWN)),
        (to("s3://exports/{ day }/"), Malformed(UNKNOWN)),
        (to("s3://exports/{}/"), Malformed(UNKNOWN)),
        (to("s3://exports/{day/month}/"), Malformed(UNKNOWN)),
        (to("s3://exports/{/"), Malformed(BRACES)),
        (to("s3://exports/}/"), Malformed(BRACES)),
        (to("s3://exports/}{/"), Malformed(BRACES)),
        (to("s3://exports/{{sessionId}}.zip"), Malformed(BRACES)),
        (to("s3://exports/{sessionId}}.zip"), Malformed(BRACES)),
        (to("s3://exports/{sessionId.zip"), Malformed(BRACES)),
        (to("s3://exports/${day/"), Malformed(BRACES)),
        (to("s3://exports/all.zip"), Malformed(SESSION)),
        (to("s3://exports/{year}-{month}-{day}.ZIP"), Malformed(SESSION)),
        (to("s3://exports/{streamGroupId}/{applicationId}.zip"), Malformed(SESSION)),
        (to("s3://exports/{sessionId}"), Malformed(ENDING)),
        (to("s3://exports/{sessionId}.Zip"), Malformed(ENDING)),
        (to("s3://exports/{sessionId}/.zip"), Malformed(ENDING)),
        (to("s3://exports//{sessionId}.zip"), Malformed(SEGMENT)),
        (to("s3://exports/../{sessionId}.zip"), Malformed(SEGMENT)),
        (to("s3://exports/{day}/./"), Malformed(SEGMENT)),
        (to("s3://exports/ü/{sessionId}.zip"), Malformed(CHARACTERS)),
        (to("s3://exports/%2e/{sessionId}.zip"), Malformed(CHARACTERS)),
        (to("s3://exports/a\n{sessionId}.zip"), Malformed(CHARACTERS)),
        (filled(1010, "/"), Fine),
        (filled(1011, "/"), Malformed(&[FIELD, "Too long", "1024"])),
        // A placeholder that is longer than its values takes room in the text alone.
        (filled(1003, "{month}/"), Fine),
        (filled(1004, "{month}/"), Malformed(&[FIELD, "Too long", "1024"])),
        (filled(937, "{sessionId}.zip"), Fine),
        (filled(938, "{sessionId}.zip"), Malformed(LENGTH)),
        (filled(0, &format!("{}{{sessionId}}.zip", "{namespace}/".repeat(14))), Fine),
        (filled(0, &format!("{}{{sessionId}}.zip", "{namespace}/".repeat(15))), Malformed(LENGTH)),
    ];
    for (placeholder, longest) in
        [("{streamGroupId}", 70), ("{applicationId}", 70), ("{location}", 20), ("{namespace}", 63), ("{policy}", 63)]
    {
        let ending = format!("{placeholder}/");
        rows.push((filled(1010 - longest, &ending), Fine));
        rows.push((filled(1011 - longest, &ending), Malformed(LENGTH)));
    }
    rows
}

/// A merge patch of the spec, the field that shows when it is refused, and its words; nothing: it is accepted.
pub(crate) fn changes() -> Vec<(Value, Value, &'static [&'static str])> {
    const GROUP: &[&str] = &["spec.streamGroupIdentifier", "is immutable", "create another SessionExportPolicy"];
    const REGION: &[&str] = &["spec.region", "is immutable", "create another SessionExportPolicy"];
    const NO_REGION: &[&str] = &["spec.region", "is immutable", "neither added nor removed"];
    const ACCOUNT: &[&str] = &["spec.serviceAccountName", "is immutable", "create another SessionExportPolicy"];
    const NO_ACCOUNT: &[&str] = &["spec.serviceAccountName", "is immutable", "neither added nor removed"];
    let full = json!({"region": "us-west-2", "serviceAccountName": "exports", "suspend": true, "samplePercent": 10,
                      "selector": {"applicationIdentifiers": ["a-1"], "locations": ["us-east-1"]},
                      "template": {"metadata": {"labels": {"team": "a"}}}});
    vec![
        (json!({}), json!({"streamGroupIdentifier": "sg-2"}), GROUP),
        (json!({}), json!({"streamGroupIdentifier": format!("{WEST}:streamgroup/sg-1AB2C3De4")}), GROUP),
        (json!({}), json!({"region": "us-west-2"}), NO_REGION),
        (json!({}), json!({"serviceAccountName": "exports"}), NO_ACCOUNT),
        (json!({}), json!({"suspend": true, "samplePercent": 1, "failedExportsHistoryLimit": 0}), &[]),
        (json!({}), json!({"successfulExportsHistoryLimit": 10_000}), &[]),
        (json!({}), json!({"selector": {"locations": ["us-east-1"]}}), &[]),
        (json!({}), json!({"selector": {"locations": []}}), &["spec.selector.locations", "at least 1 item"]),
        (json!({}), json!({"template": {"spec": {"outputUri": "s3://exports/team-a/{day}/{sessionId}.zip"}}}), &[]),
        (
            json!({}),
            json!({"template": {"spec": {"outputUri": "s3://exports/team-a/{days}/"}}}),
            &["spec.template.spec.outputUri", "no other placeholders"],
        ),
        (json!({}), json!({"template": {"spec": {"readyWhen": "Accepted", "ttlSecondsAfterFinished": 60}}}), &[]),
        (json!({}), json!({"template": {"metadata": {"labels": {"team": "b"}}}}), &[]),
        (json!({}), json!({"samplePercent": 0}), &["spec.samplePercent", "from 1 to 100"]),
        (full.clone(), json!({"region": "us-east-1"}), REGION),
        (full.clone(), json!({"region": null}), NO_REGION),
        (full.clone(), json!({"serviceAccountName": "other"}), ACCOUNT),
        (full.clone(), json!({"serviceAccountName": null}), NO_ACCOUNT),
        (full.clone(), json!({"selector": null, "suspend": null, "samplePercent": null}), &[]),
        (full, json!({"template": {"metadata": null}}), &[]),
    ]
}
