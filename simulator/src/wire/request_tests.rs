use serde_json::{Value, json};

use super::*;

fn start() -> Value {
    json!({
        "Protocol": "WebRTC",
        "SignalRequest": "offer",
        "ApplicationIdentifier": "a-9ZY8X7Wv6",
    })
}

fn error_of(change: Value) -> Option<ApiError> {
    let mut body = start();
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    Start::read("sg-1", body.to_string().as_bytes()).err()
}

#[test]
fn start_accepts_the_limits_themselves() {
    for change in [
        json!({}),
        json!({"ConnectionTimeoutSeconds": 1}),
        json!({"ConnectionTimeoutSeconds": 3600}),
        json!({"SessionLengthSeconds": 86400}),
        json!({"Locations": ["us-west-2"]}),
        json!({"AdditionalLaunchArgs": vec!["x"; 100]}),
        json!({"DisplayConfiguration": {"Resolution": {"Width": 320, "Height": 4096}}}),
        json!({"Description": null}),
    ] {
        assert!(error_of(change.clone()).is_none(), "{change}");
    }
}

#[test]
fn start_refuses_what_is_beyond_them() {
    for (change, member) in [
        (json!({"Protocol": null}), "protocol"),
        (json!({"Protocol": "webrtc"}), "protocol"),
        (json!({"SignalRequest": ""}), "signalRequest"),
        (json!({"ApplicationIdentifier": "a b"}), "applicationIdentifier"),
        (json!({"ClientToken": "short"}), "clientToken"),
        (json!({"Description": ""}), "description"),
        (json!({"UserId": "a b"}), "userId"),
        (json!({"ConnectionTimeoutSeconds": 0}), "connectionTimeoutSeconds"),
        (json!({"ConnectionTimeoutSeconds": 3601}), "connectionTimeoutSeconds"),
        (json!({"SessionLengthSeconds": 86401}), "sessionLengthSeconds"),
        (json!({"Locations": []}), "locations"),
        (json!({"Locations": ["us-west-2", "x_y"]}), "locations.2.member"),
        (json!({"AdditionalLaunchArgs": vec!["x"; 101]}), "additionalLaunchArgs"),
        (json!({"AdditionalEnvironmentVariables": {"9": "x"}}), "additionalEnvironmentVariables.key"),
        (json!({"RoleArn": "arn:aws:iam::1:role/GameLiftStreams-x"}), "roleArn"),
        (json!({"DisplayConfiguration": {"Resolution": {"Width": 319, "Height": 320}}}), "width"),
        (json!({"DisplayConfiguration": {"Resolution": {"Width": 320}}}), "height"),
    ] {
        let error = error_of(change.clone()).unwrap_or_else(|| panic!("{change} was accepted"));
        assert_eq!(error.code, "ValidationException");
        assert!(error.message.contains(member), "{change}: {}", error.message);
    }
}

#[test]
fn secrets_are_not_echoed() {
    let error = error_of(json!({"RoleArn": "arn:aws:iam::1:role/secret-name"})).unwrap();
    assert!(!error.message.contains("secret-name"), "{}", error.message);
}

#[test]
fn bodies_that_are_not_the_model_are_serialization_errors() {
    for body in ["{", "[]", r#"{"OutputUri": 5}"#, "\"x\""] {
        let error = Export::read("sg-1", "s", body.as_bytes()).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (400, "SerializationException"), "{body}");
    }
    let error = Export::read("sg-1", "s", b"").unwrap_err();
    assert_eq!(
        error.message,
        "1 validation error detected: Value null at 'outputUri' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn list_queries() {
    let list =
        List::read(Some("sg-1"), "Status=ACTIVE&ExportFilesStatus=PENDING&MaxResults=100&NextToken=a%2Fb").unwrap();
    assert_eq!(list.status, Some(Status::Active));
    assert_eq!(list.export_status, Some(ExportStatus::Pending));
    assert_eq!((list.max_results, list.next_token.as_deref()), (100, Some("a/b")));
    assert_eq!(List::read(None, "").unwrap().max_results, 25);
    for query in ["Status=active", "ExportFilesStatus=DONE", "MaxResults=0", "MaxResults=101"] {
        assert_eq!(List::read(None, query).unwrap_err().code, "ValidationException", "{query}");
    }
    assert_eq!(List::read(None, "MaxResults=x").unwrap_err().code, "SerializationException");
}
