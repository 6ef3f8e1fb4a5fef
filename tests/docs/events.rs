//! The pattern for Amazon EventBridge matches what it should.

use crate::markdown::block;
use serde_json::{Value, json};

/// As EventBridge matches the two kinds of alternatives that the page has: equal, and `prefix` (EventBridge User Guide,
/// "Comparison operators").
fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields.iter().all(|(key, below)| event.get(key).is_some_and(|at| matches(below, at))),
        Value::Array(alternatives) => alternatives.iter().any(|alternative| match alternative["prefix"].as_str() {
            Some(prefix) => event.as_str().is_some_and(|text| text.starts_with(prefix)),
            None => alternative == event,
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => panic!("no pattern: {pattern}"),
    }
}

/// S3's event of a new object (S3 User Guide, "EventBridge event message structure").
fn created(bucket: &str, key: &str, reason: &str) -> Value {
    json!({
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created",
        "source": "aws.s3", "account": "111122223333", "time": "2026-01-31T12:00:00Z", "region": "us-west-2",
        "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {
            "version": "0", "bucket": {"name": bucket},
            "object": {"key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "617f08299329d189"},
            "request-id": "N4N7GDK58NMKJ12R", "requester": "123456789012", "source-ip-address": "1.2.3.4",
            "reason": reason,
        },
    })
}

#[test]
fn the_pattern_matches_each_zip_below_the_prefix_and_nothing_else() {
    let pattern: Value = serde_json::from_str(&block("event-pattern").text).unwrap();
    for reason in ["PutObject", "CompleteMultipartUpload"] {
        assert!(matches(&pattern, &created("exports", "team-a/20260131-120000-a-sg-s.zip", reason)), "{reason}");
    }
    let mut deleted = created("exports", "team-a/a.zip", "DeleteObject");
    deleted["detail-type"] = json!("Object Deleted");
    for other in [
        created("exports", "team-b/a.zip", "PutObject"),
        created("exports", "team-a.zip", "PutObject"),
        created("elsewhere", "team-a/a.zip", "PutObject"),
        deleted,
    ] {
        assert!(!matches(&pattern, &other), "{other}");
    }
}
