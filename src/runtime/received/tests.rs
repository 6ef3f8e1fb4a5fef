use super::*;
use crate::api::SessionExport;
use kube::core::{ObjectList, WatchEvent};
use serde_json::{Value, json};

const VERSION: &str = "7";

fn object(metadata: Value, status: Value) -> Value {
    let mut object = json!({
        "apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExport",
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": VERSION, "generation": 3,
            "creationTimestamp": "2026-01-31T12:00:00Z"},
        "spec": {"streamGroupIdentifier": "sg-1", "streamSessionIdentifier": "s-1", "outputUri": "s3://b/p/"},
        "status": status,
    });
    for (key, value) in metadata.as_object().unwrap() {
        object["metadata"][key] = value.clone();
    }
    object
}

/// The text of an object with something in `fieldsV1` that serde_json could not even build a `Value` of.
fn nested(depth: usize) -> String {
    let managed = json!([{"manager": "x", "fieldsV1": "HERE"}]);
    let text = object(json!({"managedFields": managed}), json!(null)).to_string();
    text.replace("\"HERE\"", &format!("{}{}", "{\"f:a\":".repeat(depth), "1".to_owned() + &"}".repeat(depth)))
}

fn received(text: &str) -> Received<SessionExport> {
    serde_json::from_str(text).unwrap()
}

fn names(received: &Received<SessionExport>) -> [&str; 4] {
    let ObjectMeta { name, namespace, uid, resource_version, .. } = received.identity();
    [name, namespace, uid, resource_version].map(|text| text.as_deref().unwrap())
}

#[test]
fn metadata_that_nothing_reads_may_be_anything() {
    let odd = [
        object(json!({"managedFields": [{"time": "9999-12-31T12:00:00Z"}]}), json!(null)).to_string(),
        object(json!({"managedFields": 7, "labels": [], "annotations": "x", "finalizers": {}}), json!(null))
            .to_string(),
        object(json!({"deletionTimestamp": "soon", "ownerReferences": [null]}), json!(null)).to_string(),
        nested(127),
        nested(100_000),
    ];
    for text in odd {
        let received = received(&text);
        assert_eq!(names(&received), ["a", "n", "u", VERSION]);
        let object = received.decode().unwrap();
        assert_eq!((object.metadata.generation, object.metadata.managed_fields), (Some(3), None));
    }
}

#[test]
fn the_controller_is_read_and_no_other_owner_and_a_deletion_whatever_its_time() {
    let owner = |controller: bool, uid: &str| json!({"apiVersion": "v1", "kind": "K", "name": "n", "uid": uid, "controller": controller});
    for (metadata, uid, deleted) in [
        (json!({"ownerReferences": [owner(false, "a"), owner(true, "b")]}), Some("b"), false),
        (json!({"ownerReferences": [owner(false, "a")], "deletionTimestamp": "2026-01-31T12:00:00Z"}), None, true),
        (json!({"ownerReferences": null, "deletionTimestamp": null}), None, false),
        (json!({"ownerReferences": "x", "deletionTimestamp": "soon"}), None, true),
    ] {
        let read = received(&object(metadata.clone(), json!(null)).to_string()).decode().unwrap().metadata;
        let owners: Vec<_> = read.owner_references.into_iter().flatten().map(|owner| owner.uid).collect();
        assert_eq!(
            (owners.first().map(String::as_str), read.deletion_timestamp.is_some()),
            (uid, deleted),
            "{metadata}"
        );
    }
}

#[test]
fn what_the_types_can_not_hold_makes_one_object_unreadable() {
    let status = |status| object(json!({}), status);
    let mut wrong_spec = object(json!({}), json!(null));
    wrong_spec["spec"]["outputUri"] = json!({"bucket": "b"});
    let mut no_spec = object(json!({}), json!(null));
    no_spec.as_object_mut().unwrap().remove("spec");
    let cases = [
        status(json!({"startTime": "2026-01-31T12:00:00+26:00"})),
        status(json!({"requestTime": "2026-01-31T12:00:00+99:99"})),
        status(json!({"completionTime": 1_769_860_800})),
        status(json!({"observedGeneration": 1e300})),
        status(json!({"conditions": {"Ready": true}})),
        status(json!("PENDING")),
        object(json!({"creationTimestamp": "9999-12-31T12:00:00Z"}), json!(null)),
        object(json!({"generation": "three"}), json!(null)),
        wrong_spec,
        no_spec,
    ];
    for case in cases {
        let received = received(&case.to_string());
        assert_eq!(names(&received), ["a", "n", "u", VERSION], "{case}");
        let unreadable = received.decode().unwrap_err().to_string();
        assert!(unreadable.len() <= MAX_ERROR, "{unreadable}");
    }
}

#[test]
fn an_error_is_cut_between_characters() {
    let text = object(json!({}), json!({"startTime": "\u{e9}".repeat(1000)})).to_string();
    assert!(received(&text).decode().unwrap_err().to_string().len() <= MAX_ERROR);
}

#[test]
fn one_object_breaks_neither_the_list_nor_the_watch_that_it_is_in() {
    let good = object(json!({}), json!(null)).to_string();
    let bad = object(json!({}), json!({"startTime": "never"})).to_string();
    let items = [good.clone(), nested(1000), bad.clone(), "7".to_owned()].join(",");
    let list = format!(r#"{{"kind":"List","apiVersion":"v1","metadata":{{"resourceVersion":"9"}},"items":[{items}]}}"#);
    let list: ObjectList<Received<SessionExport>> = serde_json::from_str(&list).unwrap();
    let decoded: Vec<bool> = list.items.into_iter().map(|received| received.decode().is_ok()).collect();
    assert_eq!(decoded, [true, true, false, false]);

    for (text, readable) in [(good, true), (nested(1000), true), (bad, false)] {
        let event = format!(r#"{{"type":"MODIFIED","object":{text}}}"#);
        let event: WatchEvent<Received<SessionExport>> = serde_json::from_str(&event).unwrap();
        let WatchEvent::Modified(received) = event else { panic!("{event:?}") };
        assert_eq!(received.decode().is_ok(), readable);
    }
}
