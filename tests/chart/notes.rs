//! NOTES.txt: what to do next, with the values at hand.

use crate::control_plane::ControlPlane;
use crate::helm::{CHART, config_text, full, helm, objects, parse, text};
use crate::server::apply;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;
use session_export_operator::config::Config;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Helm 3 wants to see a cluster that serves every kind, also for a dry run, and none of the objects.
async fn notes(values: &Value) -> String {
    let mut values = values.clone();
    for key in ["crds", "serviceMonitor", "podMonitor", "prometheusRule"] {
        values[key] = json!({"enabled": false});
    }
    let kubeconfig = ControlPlane::shared().await.kubeconfig().display().to_string();
    let arguments =
        ["install", "exports", CHART, "--namespace", "ops", "--dry-run=client", "--kubeconfig", &kubeconfig];
    let output = helm(&arguments, &values);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let all = text(&output.stdout);
    all.split_once("\nNOTES:\n").unwrap().1.to_owned()
}

/// The lines that the notes print may be pasted: with them there is a rule.
#[tokio::test]
async fn the_notes_say_the_very_lines_that_are_missing() {
    let given = json!({"watch": {"namespaces": ["team-q"]}});
    let notes = notes(&given).await;
    let (_, after) = notes.split_once("into your values:\n").unwrap();
    let (lines, _) = after.split_once("\nand run\n").unwrap();
    let mut values: Value = serde_yaml::from_str(lines).unwrap();
    values["watch"] = given["watch"].clone();
    let config = Config::parse(&config_text(&objects(&values)), Path::new("config.yaml")).unwrap();
    assert_eq!(config.rules.as_slice().len(), 1);
    assert!(lines.contains("team-q"), "{lines}");
    assert!(notes.contains("create-pod-identity-association"), "{notes}");
}

/// The spec of the object that the notes print.
fn printed_spec(notes: &str) -> Value {
    let (_, after) = notes.split_once("<<'END'\n").unwrap();
    let (manifest, _) = after.split_once("\n  END").unwrap();
    parse(manifest).remove(0)["spec"].clone()
}

/// The object that the notes print is one that the rules allow.
#[tokio::test]
async fn the_notes_print_an_export_that_works() {
    let notes = notes(&full()).await;
    let spec = printed_spec(&notes);
    assert_eq!(spec["streamGroupIdentifier"], "sg-1AB2C3De4");
    assert_eq!(spec["outputUri"], "s3://exports/team-a/");
    assert_eq!(spec.get("region"), None);
    assert!(!notes.contains("NOTHING M") && !notes.contains("create-pod-identity"), "{notes}");
}

/// Each state of the values that somebody should know of.
#[tokio::test]
async fn the_notes_have_a_sentence_for_each_state() {
    let by_default = notes(&json!({})).await;
    for (values, sentence, shown_by_default) in [
        (json!({"aws": {"region": "us-west-2"}}), "aws.region is not set: the Pods take AWS_REGION", true),
        (json!({"replicaCount": 0}), "replicaCount is 0: nothing runs", false),
        (json!({"replicaCount": 1}), "One replica only", false),
        (json!({"hostNetwork": true}), "hostNetwork is true: each replica", false),
        (json!({"rbac": {"create": false}}), "rbac.create is false: the operator stays not ready", false),
        (json!({"admissionPolicy": {"enabled": false}}), "admissionPolicy.enabled is false", false),
        (json!({"statusPolicy": {"enabled": false}}), "statusPolicy.enabled is false", false),
        (json!({"namespaceOverride": "elsewhere"}), "is installed in namespace elsewhere.", false),
        (json!({"namespaceOverride": "elsewhere"}), "--namespace elsewhere \\", false),
    ] {
        assert_eq!(by_default.contains(sentence), shown_by_default, "{sentence}");
        assert_eq!(notes(&values).await.contains(sentence), !shown_by_default, "{values}: {sentence}");
    }
    assert!(by_default.contains("NOTHING MAY BE EXPORTED YET: there is no rule."), "{by_default}");
    // Helm looks for the release where it was installed.
    let elsewhere = notes(&json!({"namespaceOverride": "elsewhere"})).await;
    assert!(elsewhere.contains("CHART -n ops -f YOUR_VALUES"), "{elsewhere}");
}

/// The ResourceQuota that the notes print.
fn printed_quota(notes: &str) -> Option<Value> {
    let (_, after) = notes.split_once("for each\nnamespace:\n\n")?;
    Some(parse(after.split_once("\n\n").map_or(after, |(manifest, _)| manifest)).remove(0))
}

#[tokio::test]
async fn the_notes_say_who_may_create_exports_and_print_the_quota_that_bounds_their_number() {
    let rbac = |create: bool, edit: bool, admin: bool| json!({"rbac": {"create": create, "aggregateToEdit": edit, "aggregateToAdmin": admin}});
    for (values, who) in [
        (json!({}), Some("Users with edit or admin in a namespace may create SessionExports there")),
        (rbac(true, true, false), Some("Users with edit or admin in a namespace")),
        (rbac(true, false, true), Some("Users with admin in a namespace")),
        (rbac(true, false, false), None),
        (rbac(false, true, true), None),
    ] {
        let notes = notes(&values).await;
        assert!(who.is_none_or(|who| notes.contains(who)), "{notes}");
        assert_eq!((notes.contains("Users with"), printed_quota(&notes).is_some()), (who.is_some(), who.is_some()));
    }
}

#[tokio::test]
async fn the_quota_that_the_notes_print_refuses_the_next_export() {
    let control = ControlPlane::shared().await;
    let exports = control.namespace("quota").await;
    let mut quota = printed_quota(&notes(&json!({"watch": {"namespaces": ["quota"]}})).await).unwrap();
    assert_eq!(quota["metadata"]["namespace"], "quota");
    let most = quota["spec"]["hard"].as_object_mut().unwrap().values_mut().next().unwrap();
    *most = json!("2");
    counted_quota(control, &quota).await;
    let create = async |name: &str| {
        let spec =
            json!({"streamGroupIdentifier": "sg-1", "streamSessionIdentifier": "s", "outputUri": "s3://bucket/"});
        let object = SessionExport::new(name, serde_json::from_value(spec).unwrap());
        exports.create(&PostParams::default(), &object).await.map_err(|error| error.to_string())
    };
    create("first").await.unwrap();
    create("second").await.unwrap();
    let refused = create("third").await.unwrap_err();
    assert!(refused.contains("exceeded quota: sessionexports"), "{refused}");
}

/// Installs a quota whose usage is counted. The controller manager looks for new kinds every 30 s; a quota of a kind
/// that it doesn't know yet stands uncounted for 5 minutes, and so is made again.
async fn counted_quota(control: &ControlPlane, quota: &Value) {
    let quotas: Api<ResourceQuota> = Api::namespaced(control.client().await, "quota");
    let begun = Instant::now();
    loop {
        apply(control, "quota.yaml", std::slice::from_ref(quota), &[]).unwrap();
        sleep(Duration::from_secs(3)).await;
        let status = quotas.get("sessionexports").await.unwrap().status.unwrap_or_default();
        if status.used.is_some_and(|used| !used.is_empty()) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "the quota is never counted");
        quotas.delete("sessionexports", &DeleteParams::default()).await.unwrap();
    }
}

#[tokio::test]
async fn the_export_that_the_notes_print_is_of_a_rule_that_is_not_retired_and_in_its_region() {
    let rule = |group: &str, exports: bool| {
        json!({
            "namespaces": ["a"], "streamGroups": [group], "outputPrefixes": ["s3://bucket/"],
            "regions": ["eu-central-1"], "exports": exports,
        })
    };
    let values =
        |rules: Value| json!({"aws": {"accountId": "111122223333", "region": "us-west-2"}, "config": {"rules": rules}});
    let spec = printed_spec(&notes(&values(json!([rule("sg-1", false), rule("sg-2", true)]))).await);
    assert_eq!((&spec["streamGroupIdentifier"], &spec["region"]), (&json!("sg-2"), &json!("eu-central-1")));
    let retired = notes(&values(json!([rule("sg-1", false)]))).await;
    assert!(retired.contains("NOTHING MORE IS EXPORTED: every rule has exports: false."), "{retired}");
}
