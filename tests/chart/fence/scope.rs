//! What is judged, and in which words.

use super::{ACCOUNT, create, install, nowhere, object};
use crate::control_plane::ControlPlane;
use crate::helm::{objects, only};
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

/// As the API server reads the text that the operator gives it.
#[test]
fn the_label_selector_means_the_same_to_both() {
    let expressions = |selector: &str| {
        let rendered = objects(&json!({"watch": {"labelSelector": selector}}));
        only(&rendered, "ValidatingAdmissionPolicyBinding")["spec"]["matchResources"]["objectSelector"].clone()
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
