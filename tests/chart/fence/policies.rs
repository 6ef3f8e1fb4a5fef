//! The fence of policies and the operator give the same verdict; edits are judged where they change the destination.

use super::drawn::{NAMESPACES, policies, rule_sets};
use super::{ACCOUNT, Verdict, nothing_in_a_policy_is_doubtful, operators};
use crate::control_plane::ControlPlane;
use crate::helm::objects;
use crate::server::apply;
use futures::{StreamExt, stream};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use session_export_operator::api::policy::SessionExportPolicy;
use session_export_operator::api::policy::request::Policy;
use session_export_operator::authorization::{OperatorIdentity, Uncovered};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const SETS: usize = 16;
const OBJECTS: usize = 100;

fn object(namespace: &str, spec: &Value, labels: &Value) -> SessionExportPolicy {
    let object = json!({
        "apiVersion": "sessionexport.dev/v1alpha1",
        "kind": "SessionExportPolicy",
        "metadata": {"name": "a", "namespace": namespace, "labels": labels},
        "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

/// The most that one of the operators allows. `None`: nothing that the CRD accepts.
fn judged_by_operators(identities: &[OperatorIdentity], object: &SessionExportPolicy) -> Option<Verdict> {
    let mut stored = object.clone();
    stored.metadata.uid = Some("uid".to_owned());
    stored.metadata.creation_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    let policy = Arc::new(Policy::read(stored).unwrap());
    let verdicts: Vec<Verdict> = identities
        .iter()
        .map(|identity| match identity.authorize_policy(&policy) {
            Ok(_) | Err(Uncovered::ServiceAccount) => Some(Verdict::Admitted),
            Err(Uncovered::OtherAccount { .. }) => Some(Verdict::OtherAccount),
            Err(Uncovered::Forbidden { .. } | Uncovered::Retired) => Some(Verdict::Forbidden),
            Err(Uncovered::Malformed { .. }) => None,
        })
        .collect::<Option<_>>()?;
    verdicts.iter().find(|verdict| **verdict == Verdict::Admitted).or(verdicts.first()).copied()
}

async fn judged_by_server(client: &kube::Client, object: &SessionExportPolicy, dry_run: bool) -> Verdict {
    let api: Api<SessionExportPolicy> = Api::namespaced(client.clone(), object.metadata.namespace.as_deref().unwrap());
    match api.create(&PostParams { dry_run, ..PostParams::default() }, object).await {
        Ok(_) => Verdict::Admitted,
        Err(kube::Error::Api(status)) => verdict_of(&status),
        Err(other) => panic!("{other:?}"),
    }
}

fn verdict_of(status: &kube::core::Status) -> Verdict {
    assert_eq!(status.code, 403, "{}", status.message);
    let says = |words: &str| status.message.contains(words);
    match (
        says("names account 999999999999, which this operator does not serve."),
        says("No rule of the operator's configuration that allows policies"),
    ) {
        (true, false) if !says(ACCOUNT) => Verdict::OtherAccount,
        (false, true) => Verdict::Forbidden,
        _ => panic!("{}", status.message),
    }
}

/// Installs the policies' fence of a rendered release, and waits until it refuses a policy that no rule covers.
async fn install(control: &ControlPlane, rendered: &[Value], labels: &Value) {
    let is_one = |object: &&Value| {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        kind.starts_with("ValidatingAdmissionPolicy") && name.ends_with("-policies")
    };
    let fence: Vec<Value> = rendered.iter().filter(is_one).cloned().collect();
    assert_eq!(fence.len(), 2);
    apply(control, &format!("{}.yaml", labels["fence"].as_str().unwrap()), &fence, &[]).unwrap();
    let nowhere = json!({
        "streamGroupIdentifier": "sg-1",
        "template": {"spec": {"outputUri": "s3://covered-by-no-rule/{sessionId}.zip"}},
    });
    let (client, begun) = (control.client().await, Instant::now());
    while judged_by_server(&client, &object("other", &nowhere, labels), true).await == Verdict::Admitted {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is refused");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn admission_and_operator_give_policies_the_same_verdict() {
    let control = ControlPlane::shared().await;
    for namespace in NAMESPACES {
        control.namespace(namespace).await;
    }
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; 3];
    let client = &control.client().await;
    for n in 0..SETS {
        let mut values = rule_sets().new_tree(&mut runner).unwrap().current();
        let (name, labels) = (format!("policy-fence-{n}"), json!({"fence": format!("policy-{n}")}));
        values["fullnameOverride"] = json!(name);
        values["policies"] = json!({"enabled": true});
        values["watch"] = json!({"labelSelector": format!("fence=policy-{n}")});
        let rendered = objects(&values);
        install(control, &rendered, &labels).await;
        let operators = operators(&rendered);
        let candidates: Vec<_> = (0..OBJECTS)
            .filter_map(|_| {
                let (namespace, spec) = policies().new_tree(&mut runner).unwrap().current();
                let object = object(namespace, &spec, &labels);
                let ours = judged_by_operators(&operators, &object)?;
                Some((object, ours))
            })
            .collect();
        let judged = stream::iter(&candidates)
            .map(|(object, ours)| async move { (object, *ours, judged_by_server(client, object, true).await) });
        for (object, ours, servers) in judged.buffer_unordered(16).collect::<Vec<_>>().await {
            assert_eq!(ours, servers, "{object:?} by {operators:?}");
            counts[ours as usize] += 1;
        }
        nothing_in_a_policy_is_doubtful(client, &format!("{name}-policies")).await;
    }
    println!("admitted, other account, forbidden: {counts:?}");
    assert!(counts.iter().all(|count| *count >= 50), "the comparison is empty: {counts:?}");
}

#[tokio::test]
async fn an_edit_is_judged_where_it_changes_the_destination() {
    let control = ControlPlane::shared().await;
    for namespace in ["other", "policy-edit"] {
        control.namespace(namespace).await;
    }
    let labels = json!({"fence": "policy-edit"});
    let rules = json!([{
        "namespaces": ["policy-edit"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"], "policies": true,
    }]);
    let values = json!({
        "fullnameOverride": "policy-edit",
        "aws": {"accountId": ACCOUNT, "region": "us-west-2"},
        "config": {"rules": rules},
        "policies": {"enabled": true},
        "watch": {"labelSelector": "fence=policy-edit"},
    });
    install(control, &objects(&values), &labels).await;
    let client = control.client().await;
    let spec = |uri: &str| json!({"streamGroupIdentifier": "sg-1", "template": {"spec": {"outputUri": uri}}});
    let allowed = object("policy-edit", &spec("s3://exports/{sessionId}.zip"), &labels);
    assert_eq!(judged_by_server(&client, &allowed, false).await, Verdict::Admitted);
    let api: Api<SessionExportPolicy> = Api::namespaced(client, "policy-edit");
    for (patch, admitted) in [
        (json!({"spec": {"suspend": true}}), true),
        (json!({"spec": spec("s3://exports/deeper/{sessionId}.zip")}), true),
        (json!({"spec": {"template": {"spec": {"outputUri": "s3://elsewhere/{sessionId}.zip"}}}}), false),
        (json!({"spec": {"template": {"spec": {"outputUri": "s3://exports/x/{sessionId}.zip"}}}}), true),
    ] {
        let patched = api.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await;
        match patched {
            Ok(_) => assert!(admitted, "{patch}"),
            Err(kube::Error::Api(status)) => assert!(!admitted && verdict_of(&status) == Verdict::Forbidden, "{patch}"),
            Err(other) => panic!("{other:?}"),
        }
    }
}
