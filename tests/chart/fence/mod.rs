//! The destination fence: the rendered ValidatingAdmissionPolicy and the operator give the same verdict.

mod drawn;
mod limits;
mod scope;

use crate::control_plane::ControlPlane;
use crate::helm::{config_text, objects, template};
use crate::server::apply;
use drawn::{NAMESPACES, exports, rule_sets};
use futures::{StreamExt, stream};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::Api;
use kube::api::PostParams;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use session_export_operator::api::{SessionExport, SessionExportSpec};
use session_export_operator::authority::OperatorIdentity;
use session_export_operator::config::Config;
use session_export_operator::export::decide::Authority;
use session_export_operator::export::request::Export;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const ACCOUNT: &str = "111122223333";
/// Each has the same meaning for the objects of set N.
const SELECTORS: &[&str] =
    &["fence=N", "fence==N,!paused", " fence in (N, x) ,owner!=me", "marked,fence in (N),marked notin (no)"];
const SETS: usize = 36;
const OBJECTS: usize = 60;
/// A destination that no rule here covers.
const NOWHERE: &str = "s3://covered-by-no-rule/";
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Admitted,
    OtherAccount,
    Forbidden,
}

/// The operator, from the very configuration that the chart rendered beside the policy.
fn operator(rendered: &[Value]) -> OperatorIdentity {
    let config = Config::parse(&config_text(rendered), Path::new("config.yaml")).unwrap();
    OperatorIdentity { region: config.aws.region.unwrap(), account: config.aws.account_id, rules: config.rules }
}

fn object(namespace: &str, spec: &Value, labels: &Value) -> SessionExport {
    let spec: SessionExportSpec = serde_json::from_value(spec.clone()).unwrap();
    let mut object = SessionExport::new("export", spec);
    object.metadata.namespace = Some(namespace.to_owned());
    object.metadata.labels = Some(serde_json::from_value(labels.clone()).unwrap());
    object
}

/// `None`: nothing that the CRD accepts.
fn judged_by_operator(identity: &OperatorIdentity, object: &SessionExport) -> Option<Verdict> {
    let mut stored = object.clone();
    stored.metadata.uid = Some("uid".to_owned());
    stored.metadata.creation_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    match identity.judge(&Export::read(&stored).unwrap()).0 {
        Authority::Allowed | Authority::ServiceAccount => Some(Verdict::Admitted),
        Authority::OtherAccount { .. } => Some(Verdict::OtherAccount),
        Authority::Forbidden { .. } => Some(Verdict::Forbidden),
        Authority::Malformed { .. } => None,
    }
}

async fn create(client: &kube::Client, object: &SessionExport, dry_run: bool) -> Result<(), kube::core::Status> {
    let api: Api<SessionExport> = Api::namespaced(client.clone(), object.metadata.namespace.as_deref().unwrap());
    match api.create(&PostParams { dry_run, ..PostParams::default() }, object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(*status),
        Err(other) => panic!("{other:?}"),
    }
}

async fn judged_by_server(client: &kube::Client, object: &SessionExport) -> Verdict {
    let Err(status) = create(client, object, true).await else { return Verdict::Admitted };
    assert_eq!(status.code, 403, "{}", status.message);
    let says = |words: &str| status.message.contains(words);
    match (says("this operator works for account 111122223333."), says("No rule of the operator's configuration")) {
        (true, false) => Verdict::OtherAccount,
        (false, true) => Verdict::Forbidden,
        _ => panic!("{}", status.message),
    }
}

/// Installs the policies of rendered releases, and waits until each refuses its probe.
async fn install(control: &ControlPlane, name: &str, rendered: &[Value], probes: &[SessionExport]) {
    let is_policy = |object: &&Value| object["kind"].as_str().unwrap().starts_with("ValidatingAdmissionPolicy");
    let policies: Vec<Value> = rendered.iter().filter(is_policy).cloned().collect();
    apply(control, &format!("{name}.yaml"), &policies, &[]).unwrap();
    let client = control.client().await;
    let begun = Instant::now();
    for probe in probes {
        while create(&client, probe, true).await.is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(60), "no policy refuses {probe:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn nowhere() -> Value {
    json!({"streamGroupIdentifier": "sg-1", "streamSessionIdentifier": "session", "outputUri": NOWHERE})
}

struct Set {
    labels: Value,
    rendered: Vec<Value>,
    identity: OperatorIdentity,
}

fn set(number: usize, mut values: Value) -> Set {
    let selector = SELECTORS[number % SELECTORS.len()].replace('N', &format!("set-{number}"));
    values["fullnameOverride"] = json!(format!("fence-{number}"));
    values["watch"] = json!({"labelSelector": selector});
    let rendered = objects(&values);
    let identity = operator(&rendered);
    Set { labels: json!({"fence": format!("set-{number}"), "marked": "yes"}), rendered, identity }
}

#[tokio::test]
async fn admission_and_operator_give_the_same_verdict() {
    let control = ControlPlane::shared().await;
    for namespace in NAMESPACES {
        control.namespace(namespace).await;
    }
    let mut runner = TestRunner::deterministic();
    let mut drawn =
        |count| (0..count).map(|_| rule_sets().new_tree(&mut runner).unwrap().current()).collect::<Vec<_>>();
    let sets: Vec<Set> = drawn(SETS).into_iter().enumerate().map(|(n, values)| set(n, values)).collect();
    let probes: Vec<_> = sets.iter().map(|set| object("other", &nowhere(), &set.labels)).collect();
    let rendered: Vec<Value> = sets.iter().flat_map(|set| set.rendered.clone()).collect();
    install(control, "fence", &rendered, &probes).await;

    let candidates: Vec<(usize, SessionExport, Verdict)> = sets
        .iter()
        .enumerate()
        .flat_map(|(n, _)| std::iter::repeat_n(n, OBJECTS))
        .filter_map(|n| {
            let (namespace, spec) = exports().new_tree(&mut runner).unwrap().current();
            let object = object(namespace, &spec, &sets[n].labels);
            let verdict = judged_by_operator(&sets[n].identity, &object)?;
            Some((n, object, verdict))
        })
        .collect();
    let client = &control.client().await;
    let judged = stream::iter(&candidates)
        .map(|(n, object, ours)| async move { (n, object, ours, judged_by_server(client, object).await) });
    let judged: Vec<_> = judged.buffer_unordered(16).collect().await;
    for (n, object, ours, servers) in &judged {
        assert_eq!(**ours, *servers, "{object:?} by {:?}", sets[**n].identity.rules);
    }
    let count = |verdict| judged.iter().filter(|(_, _, ours, _)| **ours == verdict).count();
    let counts = [count(Verdict::Admitted), count(Verdict::OtherAccount), count(Verdict::Forbidden)];
    println!("admitted, other account, forbidden: {counts:?}");
    assert!(counts.iter().all(|count| *count >= 150), "the comparison is empty: {counts:?}");
    nothing_was_doubtful_to_the_type_checker(client).await;
}

/// The API server checks expressions against the CRD's schema, and writes its doubts into the status.
async fn nothing_was_doubtful_to_the_type_checker(client: &kube::Client) {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let begun = Instant::now();
    let checking = loop {
        let status = policies.get("fence-0-destinations").await.unwrap().status;
        if let Some(checking) = status.and_then(|status| status.type_checking) {
            break checking;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the type checker never came");
        sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(checking.expression_warnings, None);
}

#[test]
fn without_the_policy_there_is_none() {
    let text = template(&json!({"admissionPolicy": {"enabled": false}}), &[]).unwrap();
    assert!(!text.contains("ValidatingAdmissionPolicy"));
}
