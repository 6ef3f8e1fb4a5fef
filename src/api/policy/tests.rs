use super::request::{Policy, Selection, SessionFacts};
use super::{POLICY_KIND, POLICY_LABEL, PolicyReason, SessionExportPolicy, output_template::Placeholder};
use crate::api::{GROUP, ReadyWhen, VERSION};
use crate::aws::identifiers::SessionArn;
use crate::aws::model::{SessionStatus, SessionView};
use kube::Resource;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

const HOME: &str = "arn:aws:gameliftstreams:us-west-2:111122223333:";

fn stored(changes: &Value) -> SessionExportPolicy {
    let mut object = json!({
        "apiVersion": "sessionexport.dev/v1alpha1",
        "kind": "SessionExportPolicy",
        "metadata": {"name": "every-session", "namespace": "team-a", "uid": "u1", "generation": 3,
                     "resourceVersion": "7", "creationTimestamp": "2026-01-31T12:00:00Z"},
        "spec": {"streamGroupIdentifier": "sg-1AB2C3De4",
                 "template": {"spec": {"outputUri": "s3://exports/{namespace}/{policy}/{sessionId}.zip"}}},
    });
    merge(&mut object, changes);
    serde_json::from_value(object).unwrap()
}

fn merge(target: &mut Value, changes: &Value) {
    match changes.as_object() {
        Some(fields) if target.is_object() => {
            fields.iter().for_each(|(key, value)| merge(&mut target[key], value));
        }
        Some(_) | None => *target = changes.clone(),
    }
}

fn policy(spec: &Value) -> Policy {
    Policy::read(stored(&json!({ "spec": spec }))).unwrap()
}

fn arn(session: &str) -> SessionArn {
    SessionArn {
        region: "us-west-2".parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        group: "sg-1AB2C3De4".parse().unwrap(),
        session: session.parse().unwrap(),
    }
}

fn facts(application: Option<&str>, location: Option<&str>) -> SessionFacts {
    SessionFacts {
        arn: arn("ABC123def4567"),
        application: application.map(|text| text.parse().unwrap()),
        location: location.map(|text| text.parse().unwrap()),
        created: None,
    }
}

#[test]
fn the_constants_name_the_derived_resource() {
    assert_eq!(SessionExportPolicy::group(&()), GROUP);
    assert_eq!(SessionExportPolicy::version(&()), VERSION);
    assert_eq!(SessionExportPolicy::kind(&()), POLICY_KIND);
    assert_eq!(SessionExportPolicy::plural(&()), "sessionexportpolicies");
    assert!(POLICY_LABEL.starts_with(GROUP));
}

#[test]
fn every_reason_has_a_word_of_its_own() {
    let words: BTreeSet<&str> = PolicyReason::ALL.into_iter().map(PolicyReason::as_str).collect();
    assert_eq!(words.len(), PolicyReason::ALL.len());
}

#[test]
fn what_is_left_out_has_its_default() {
    let policy = policy(&json!({}));
    let request = policy.request.unwrap();
    assert_eq!((&*policy.namespace, &*policy.name, policy.generation), ("team-a", "every-session", 3));
    assert_eq!((&*policy.uid, &*policy.resource_version, policy.is_terminating), ("u1", "7", false));
    assert_eq!((request.suspend, request.sample_percent), (false, 100));
    assert_eq!((request.successful_limit, request.failed_limit), (1000, 1000));
    assert_eq!((request.template.ready_when, request.template.ttl_seconds), (ReadyWhen::Exported, 3600));
    assert_eq!((request.region, request.service_account), (None, None));
    assert!(request.selector.applications.is_empty() && request.selector.locations.is_empty());
}

#[test]
fn an_object_without_what_every_stored_object_has_is_none() {
    for field in ["uid", "namespace", "name", "creationTimestamp"] {
        assert!(Policy::read(stored(&json!({"metadata": {field: null}}))).is_none(), "{field}");
    }
    let terminating = Policy::read(stored(&json!({"metadata": {"deletionTimestamp": "2026-02-01T00:00:00Z"}})));
    assert!(terminating.unwrap().is_terminating);
}

#[test]
fn words_and_fields_of_a_newer_version_can_be_read() {
    let newer = json!({
        "spec": {"priority": 7, "template": {"spec": {"readyWhen": "Uploaded"}}},
        "status": {"sessions": {"live": -1, "idle": 3}, "exports": {}, "lastExport": {}, "progress": 7},
    });
    let policy = Policy::read(stored(&newer)).unwrap();
    assert_eq!(policy.request.unwrap().template.ready_when, ReadyWhen::Exported);
    assert_eq!(policy.status.sessions.unwrap().live, -1);
}

#[test]
fn what_a_laxer_definition_took_is_an_error_that_names_the_field() {
    let group = format!("{HOME}streamgroup/sg-1AB2C3De4");
    let elsewhere = "arn:aws:gameliftstreams:us-east-1:111122223333:application/a-1";
    for (spec, field) in [
        (json!({"streamGroupIdentifier": "../sg"}), "streamGroupIdentifier"),
        (json!({"region": "mars"}), "region"),
        (json!({"streamGroupIdentifier": group, "region": "us-east-1"}), "region"),
        (json!({"selector": {"applicationIdentifiers": ["a/b"]}}), "applicationIdentifiers"),
        (json!({"selector": {"locations": [""]}}), "locations"),
        (
            json!({"streamGroupIdentifier": group, "selector": {"applicationIdentifiers": [elsewhere]}}),
            "selector.applicationIdentifiers",
        ),
        (
            json!({"region": "us-west-2", "selector": {"applicationIdentifiers": ["a-1", elsewhere]}}),
            "selector.applicationIdentifiers",
        ),
        (json!({"samplePercent": 0}), "samplePercent"),
        (json!({"samplePercent": 101}), "samplePercent"),
        (json!({"successfulExportsHistoryLimit": 10_001}), "successfulExportsHistoryLimit"),
        (json!({"failedExportsHistoryLimit": 10_001}), "failedExportsHistoryLimit"),
        (
            json!({"template": {"spec": {"ttlSecondsAfterFinished": 31_536_001}}}),
            "template.spec.ttlSecondsAfterFinished",
        ),
        (json!({"template": {"spec": {"outputUri": "s3://exports/{x}/"}}}), "template.spec.outputUri"),
        (json!({"template": {"metadata": {"labels": {"sessionexport.dev/policy": "b"}}}}), "template.metadata.labels"),
    ] {
        let refused = policy(&spec).request.unwrap_err().to_string();
        assert!(refused.starts_with(&format!("{field} must be ")), "{spec}: {refused}");
    }
    let long = "a".repeat(64);
    for name in ["a.b", &long] {
        let object = stored(&json!({"metadata": {"name": name}}));
        assert_eq!(Policy::read(object).unwrap().request.unwrap_err().what, "metadata.name");
    }
}

#[test]
fn a_session_must_match_each_list_that_is_given() {
    let arn = format!("{HOME}application/a-2");
    let both = json!({"selector": {"applicationIdentifiers": ["a-1", arn], "locations": ["us-east-1", "eu-west-1"]}});
    let applications = json!({"selector": {"applicationIdentifiers": ["a-1"]}});
    let unknown = Selection::Unknown;
    for (spec, application, location, expected) in [
        (&both, Some("a-1"), Some("us-east-1"), Selection::Selected),
        (&both, Some("a-2"), Some("eu-west-1"), Selection::Selected),
        (&both, Some("A-1"), Some("us-east-1"), Selection::NotSelected),
        (&both, Some("a-3"), None, Selection::NotSelected),
        (&both, None, Some("us-west-1"), Selection::NotSelected),
        (&both, None, Some("us-east-1"), unknown(Placeholder::ApplicationId)),
        (&both, Some("a-1"), None, unknown(Placeholder::Location)),
        (&both, None, None, unknown(Placeholder::ApplicationId)),
        (&applications, Some("a-1"), None, Selection::Selected),
        (&json!({"selector": {}}), None, None, Selection::Selected),
        (&json!({}), None, None, Selection::Selected),
    ] {
        let request = policy(spec).request.unwrap();
        assert_eq!(request.select(&facts(application, location)), expected, "{spec} {application:?} {location:?}");
    }
}

#[test]
fn an_application_of_another_account_or_region_selects_nothing_and_is_found() {
    for elsewhere in [
        "arn:aws:gameliftstreams:us-east-1:111122223333:application/a-1",
        "arn:aws:gameliftstreams:us-west-2:999999999999:application/a-1",
    ] {
        let request = policy(&json!({"selector": {"applicationIdentifiers": [elsewhere]}})).request.unwrap();
        assert_eq!(request.select(&facts(Some("a-1"), None)), Selection::NotSelected);
        let group = request.group_arn(&"us-west-2".parse().unwrap(), &"111122223333".parse().unwrap());
        assert_eq!(request.application_of_other_account_or_region(&group).unwrap().id.as_str(), "a-1");
    }
}

#[test]
fn what_is_not_in_the_sample_is_not_selected() {
    let request = policy(&json!({"samplePercent": 80, "selector": {"locations": ["us-east-1"]}})).request.unwrap();
    // 80 of 100 by the hash: the first that is left out.
    assert_eq!(request.select(&facts(None, None)), Selection::NotSelected);
    let request = policy(&json!({"samplePercent": 81})).request.unwrap();
    assert_eq!(request.select(&facts(None, None)), Selection::Selected);
}

#[test]
fn region_and_account_are_those_of_the_spec_and_the_groups_arn() {
    let default = "eu-west-1".parse().unwrap();
    let region = |spec: &Value| policy(spec).request.unwrap().region_or(&default).to_string();
    let group = format!("{HOME}streamgroup/sg-1AB2C3De4");
    assert_eq!(region(&json!({})), "eu-west-1");
    assert_eq!(region(&json!({"region": "us-west-2"})), "us-west-2");
    assert_eq!(region(&json!({"streamGroupIdentifier": group})), "us-west-2");
    // An application may be taken out later, and the Region must not change with it.
    let application = format!("{HOME}application/a-1");
    assert_eq!(region(&json!({"selector": {"applicationIdentifiers": [application]}})), "eu-west-1");
    let request = policy(&json!({"streamGroupIdentifier": group})).request.unwrap();
    assert_eq!(request.named_account().unwrap().as_str(), "111122223333");
}

#[test]
fn facts_are_what_an_answer_shows() {
    let view = SessionView {
        status: SessionStatus::Active,
        status_reason: None,
        application_arn: Some(format!("{HOME}application/a-1")),
        location: Some("us-east-1".to_owned()),
        created_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60)),
        session_length: None,
        log_file_location_uri: None,
        export: None,
    };
    let read = SessionFacts::from_view(arn("A"), &view);
    assert_eq!(read.application.unwrap().as_str(), "a-1");
    assert_eq!(read.location.unwrap().as_str(), "us-east-1");
    assert_eq!(read.created.unwrap().as_second(), 60);
    let odd = SessionView {
        application_arn: Some("..".to_owned()),
        location: Some("a/b".to_owned()),
        created_at: None,
        ..view
    };
    let read = SessionFacts::from_view(arn("A"), &odd);
    assert_eq!((read.application, read.location, read.created), (None, None, None));
}

#[test]
fn an_export_is_what_the_template_says_and_belongs_to_its_policy() {
    let policy = policy(&json!({
        "region": "us-west-2",
        "template": {
            "metadata": {"labels": {"team": "a"}, "annotations": {"note": "kept"}},
            "spec": {"readyWhen": "Accepted", "ttlSecondsAfterFinished": 60},
        },
    }));
    let request = policy.request.as_ref().unwrap();
    let facts = facts(None, None);
    let uri = policy.destination_of(&request.template, &facts).unwrap();
    let export = serde_json::to_value(policy.export_of(request, &facts.arn, &uri)).unwrap();
    let expected = json!({
        "apiVersion": "sessionexport.dev/v1alpha1",
        "kind": "SessionExport",
        "metadata": {
            "name": "every-session-abc123def4567-326db8ae",
            "namespace": "team-a",
            "labels": {"sessionexport.dev/policy": "every-session", "team": "a"},
            "annotations": {"note": "kept"},
            "ownerReferences": [{"apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExportPolicy",
                                 "name": "every-session", "uid": "u1", "controller": true}],
        },
        "spec": {
            "streamGroupIdentifier": format!("{HOME}streamgroup/sg-1AB2C3De4"),
            "streamSessionIdentifier": "ABC123def4567",
            "outputUri": "s3://exports/team-a/every-session/ABC123def4567.zip",
            "region": "us-west-2",
            "readyWhen": "Accepted",
            "suspend": false,
            "ttlSecondsAfterFinished": 60,
        },
    });
    assert_eq!(export, expected);
    assert_eq!(policy.static_prefix(request), "s3://exports/team-a/every-session/");
}

#[test]
fn the_older_policy_comes_first_and_then_the_smaller_uid() {
    let at = |uid: &str, created: &str| {
        Policy::read(stored(&json!({"metadata": {"uid": uid, "creationTimestamp": created}}))).unwrap().precedence()
    };
    let (old, new) = ("2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z");
    assert!(at("z", old) < at("a", new) && at("a", old) < at("b", old));
}
