//! What is judged, and in which words.

use super::{ACCOUNT, create, install, nowhere, object};
use crate::control_plane::ControlPlane;
use crate::helm::{named, objects};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;

fn team_a_only(name: &str, namespaces: &[&str]) -> Value {
    json!({
        "fullnameOverride": name,
        "aws": {"accountId": ACCOUNT},
        "watch": {"namespaces": namespaces},
        "config": {"rules": [
            {"namespaces": ["scope-a"], "streamGroups": ["sg-1"], "outputPrefixes": ["s3://exports/a/"]},
            {"namespaces": ["scope-*"], "streamGroups": ["sg-2", "sg-3"], "outputPrefixes": ["s3://exports/shared/"]},
            {"namespaces": ["secret"], "streamGroups": ["*"], "outputPrefixes": ["s3://secret/"]},
        ]},
    })
}

#[tokio::test]
async fn a_refusal_says_what_is_allowed_there_and_nothing_of_elsewhere() {
    let control = ControlPlane::shared().await;
    let namespaces = ["scope-a", "scope-none"];
    for namespace in [&namespaces[..], &["scope-b"]].concat() {
        control.namespace(namespace).await;
    }
    let client = control.client().await;
    let before = object("scope-a", &nowhere(), &json!({}));
    create(&client, &before, false).await.unwrap();
    let probes = namespaces.map(|namespace| {
        let mut probe = object(namespace, &nowhere(), &json!({}));
        probe.metadata.name = Some("probe".to_owned());
        probe
    });
    let mut values = team_a_only("scope", &namespaces);
    values["config"]["rules"][1]["namespaces"] = json!(["scope-a"]);
    install(control, "scope", &objects(&values), &probes).await;

    let refused = create(&client, &probes[0], true).await.unwrap_err().message;
    let expected = "denied request: No rule of the operator's configuration covers this namespace, stream group (sg-1) \
                    and destination. Allowed in namespace scope-a: stream group sg-1 to s3://exports/a/; stream group \
                    sg-2 or sg-3 to s3://exports/shared/.";
    assert!(refused.ends_with(expected), "{refused}");
    let refused = create(&client, &probes[1], true).await.unwrap_err().message;
    let expected = "Nothing is allowed in namespace scope-none yet: an administrator may add a rule to config.rules.";
    assert!(refused.ends_with(expected), "{refused}");

    // Outside of the watched namespaces nothing is judged.
    let mut elsewhere = probes[0].clone();
    elsewhere.metadata.namespace = Some("scope-b".to_owned());
    create(&client, &elsewhere, true).await.unwrap();
    // What was there before the rules can be edited still.
    let exports: Api<SessionExport> = Api::namespaced(client, "scope-a");
    let suspend = Patch::Merge(json!({"spec": {"suspend": true}}));
    let edited = exports.patch("export", &PatchParams::default(), &suspend).await.unwrap();
    assert!(edited.spec.suspend);
}

/// A Region decides as much as the group does, so the refusal names both. It doesn't name the account of an ARN.
#[tokio::test]
async fn a_refusal_names_the_regions_and_no_account() {
    let known = refusals_by("scope-known", "us-west-2").await;
    let expected = "stream group (sg-1 in ap-south-1) and destination. Allowed in namespace scope-known: stream group sg-1 \
                    (us-west-2) or sg-3 (eu-west-1) to s3://exports/a/; stream group * (eu-west-1, us-east-1) to \
                    s3://exports/a/.";
    assert!(known[0].ends_with(expected), "{known:?}");
    assert!(known[1].contains("stream group (sg-1 in us-west-2) and destination."), "{known:?}");

    // The operator's Region is not known there: it may be the one that the first object names.
    let unknown = refusals_by("scope-unknown", "").await;
    let expected = "stream group (sg-1) and destination. Allowed in namespace scope-unknown: stream group sg-1 or sg-3 \
                    (eu-west-1) to s3://exports/a/; stream group * (eu-west-1, us-east-1) to s3://exports/a/.";
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(unknown[0].ends_with(expected), "{unknown:?}");
    assert!(!known.concat().contains(ACCOUNT) && !unknown.concat().contains(ACCOUNT));
}

/// What rules with Regions refuse of: another Region, and another destination.
async fn refusals_by(name: &str, region: &str) -> Vec<String> {
    let control = ControlPlane::shared().await;
    let client = control.namespace(name).await.into_client();
    let arn = format!("arn:aws:gameliftstreams:eu-west-1:{ACCOUNT}:streamgroup/sg-3");
    let prefixes = json!(["s3://exports/a/"]);
    let values = json!({
        "fullnameOverride": name,
        "aws": {"accountId": ACCOUNT, "region": region},
        "watch": {"namespaces": [name]},
        "config": {"rules": [
            {"namespaces": ["scope-*"], "streamGroups": ["sg-1", arn], "outputPrefixes": prefixes},
            {"namespaces": ["scope-*"], "streamGroups": ["*"], "outputPrefixes": prefixes, "regions": ["eu-west-1", "us-east-1"]},
            {"namespaces": ["scope-*"], "streamGroups": ["sg-9"], "outputPrefixes": prefixes, "exports": false},
        ]},
    });
    let nowhere = object(name, &nowhere(), &json!({}));
    install(control, name, &objects(&values), std::slice::from_ref(&nowhere)).await;
    let allowed = |region: Option<&str>| {
        let mut allowed = nowhere.clone();
        allowed.spec.output_uri = "s3://exports/a/".to_owned();
        allowed.spec.region = region.map(str::to_owned);
        allowed
    };
    for fine in [None, Some("us-east-1")] {
        create(&client, &allowed(fine), true).await.unwrap();
    }
    let mut refusals = Vec::new();
    for object in [allowed(Some("ap-south-1")), nowhere] {
        refusals.extend(create(&client, &object, true).await.err().map(|status| status.message));
    }
    refusals
}

/// As the API server reads the text that the operator gives it.
#[test]
fn the_label_selector_means_the_same_to_both() {
    let expressions = |selector: &str| {
        let rendered = objects(&json!({"watch": {"labelSelector": selector}}));
        named(&rendered, "ValidatingAdmissionPolicyBinding", "-destinations")["spec"]["matchResources"]["objectSelector"].clone()
    };
    let one = |key: &str, operator: &str| json!({"key": key, "operator": operator});
    let with = |key: &str, operator: &str, values: &[&str]| json!({"key": key, "operator": operator, "values": values});
    for (selector, expected) in [
        ("a", vec![one("a", "Exists")]),
        (" ! example.com/a ", vec![one("example.com/a", "DoesNotExist")]),
        ("a=b", vec![with("a", "In", &["b"])]),
        ("a == b", vec![with("a", "In", &["b"])]),
        ("a=", vec![with("a", "In", &[""])]),
        ("a != b", vec![with("a", "NotIn", &["b"])]),
        ("a in (b)", vec![with("a", "In", &["b"])]),
        ("a  notin  ( b ,c )", vec![with("a", "NotIn", &["b", "c"])]),
        ("a in ()", vec![with("a", "In", &[""])]),
        (
            "in in (in,notin) , !in,notin=in",
            vec![with("in", "In", &["in", "notin"]), one("in", "DoesNotExist"), with("notin", "In", &["in"])],
        ),
    ] {
        assert_eq!(expressions(selector), json!({"matchExpressions": expected}), "{selector}");
    }
    assert_eq!(expressions(""), Value::Null);
}
