//! The destination fence: the rendered ValidatingAdmissionPolicy and the operator give the same verdict.

mod drawn;
mod labelled;
mod limits;
mod policies;
mod scope;

use crate::control_plane::ControlPlane;
use crate::helm::{config_text, objects, template};
use crate::server::apply;
use drawn::{NAMESPACES, REGIONS, exports, rule_sets};
use futures::{StreamExt, stream};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::Api;
use kube::api::PostParams;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use session_export_operator::api::request::Export;
use session_export_operator::api::{SessionExport, SessionExportSpec};
use session_export_operator::authorization::rules::Rule;
use session_export_operator::authorization::{Authorization, OperatorIdentity, Uncovered};
use session_export_operator::config::Config;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const ACCOUNT: &str = "111122223333";
/// Each has the same meaning for the objects of set N.
const SELECTORS: &[&str] =
    &["fence=N", "fence==N,!paused", " fence in (N, x) ,owner!=me", "marked,fence in (N),marked notin (no)"];
const SETS: usize = 48;
const OBJECTS: usize = 100;
/// A destination that no rule here covers.
const NOWHERE: &str = "s3://covered-by-no-rule/";
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Admitted,
    OtherAccount,
    Forbidden,
}

/// The operator, from the very configuration that the chart rendered beside the policy. Where that tells no Region, the
/// operator gets it from its environment: one operator for each Region.
fn operators(rendered: &[Value]) -> Vec<OperatorIdentity> {
    let config = Config::parse(&config_text(rendered), Path::new("config.yaml")).unwrap();
    let regions = match config.aws.region {
        Some(region) => vec![region],
        None => REGIONS.iter().map(|region| region.parse().unwrap()).collect(),
    };
    let identity =
        |region| OperatorIdentity { region, account: config.aws.account_id.clone(), rules: config.rules.clone() };
    regions.into_iter().map(identity).collect()
}

fn object(namespace: &str, spec: &Value, labels: &Value) -> SessionExport {
    let spec: SessionExportSpec = serde_json::from_value(spec.clone()).unwrap();
    let mut object = SessionExport::new("export", spec);
    object.metadata.namespace = Some(namespace.to_owned());
    object.metadata.labels = Some(serde_json::from_value(labels.clone()).unwrap());
    object
}

/// The most that one of the operators allows. `None`: nothing that the CRD accepts.
fn judged_by_operators(identities: &[OperatorIdentity], object: &SessionExport) -> Option<Verdict> {
    let verdicts: Vec<Verdict> =
        identities.iter().map(|identity| judged_by_operator(identity, object)).collect::<Option<_>>()?;
    verdicts.iter().find(|verdict| **verdict == Verdict::Admitted).or(verdicts.first()).copied()
}

fn judged_by_operator(identity: &OperatorIdentity, object: &SessionExport) -> Option<Verdict> {
    let mut stored = object.clone();
    stored.metadata.uid = Some("uid".to_owned());
    stored.metadata.creation_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    match identity.authorize(Arc::new(Export::read(stored).unwrap()), false) {
        Authorization::Covered(_) | Authorization::Uncovered(_, Uncovered::ServiceAccount) => Some(Verdict::Admitted),
        Authorization::Uncovered(_, Uncovered::OtherAccount { .. }) => Some(Verdict::OtherAccount),
        Authorization::Uncovered(_, Uncovered::Forbidden { .. } | Uncovered::Retired) => Some(Verdict::Forbidden),
        Authorization::Uncovered(_, Uncovered::Malformed { .. }) => None,
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
    match (
        says("names account 999999999999, which this operator does not serve."),
        says("No rule of the operator's configuration"),
    ) {
        (true, false) if !says(ACCOUNT) => Verdict::OtherAccount,
        (false, true) => Verdict::Forbidden,
        _ => panic!("{}", status.message),
    }
}

/// Installs the destination policies of rendered releases, and waits until each refuses its probe.
async fn install(control: &ControlPlane, name: &str, rendered: &[Value], probes: &[SessionExport]) {
    let is_policy = |object: &&Value| {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        kind.starts_with("ValidatingAdmissionPolicy") && name.ends_with("-destinations")
    };
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
    operators: Vec<OperatorIdentity>,
}

fn set(number: usize, mut values: Value) -> Set {
    let selector = SELECTORS[number % SELECTORS.len()].replace('N', &format!("set-{number}"));
    values["fullnameOverride"] = json!(format!("fence-{number}"));
    values["watch"] = json!({"labelSelector": selector});
    let rendered = objects(&values);
    let operators = operators(&rendered);
    Set { labels: json!({"fence": format!("set-{number}"), "marked": "yes"}), rendered, operators }
}

/// Whether operators would allow more than before, were each rule changed.
fn would_allow(operators: &[OperatorIdentity], object: &SessionExport, change: impl Fn(&mut Rule)) -> bool {
    let changed = |identity: &OperatorIdentity| {
        let rules = identity.rules.as_slice().iter().cloned().map(|mut rule| {
            change(&mut rule);
            rule
        });
        OperatorIdentity { rules: rules.collect(), ..identity.clone() }
    };
    let changed: Vec<_> = operators.iter().map(changed).collect();
    judged_by_operators(&changed, object) == Some(Verdict::Admitted)
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
            let verdict = judged_by_operators(&sets[n].operators, &object)?;
            Some((n, object, verdict))
        })
        .collect();
    let client = &control.client().await;
    let judged = stream::iter(&candidates)
        .map(|(n, object, ours)| async move { (n, object, ours, judged_by_server(client, object).await) });
    let judged: Vec<_> = judged.buffer_unordered(16).collect().await;
    for (n, object, ours, servers) in &judged {
        assert_eq!(**ours, *servers, "{object:?} by {:?}", sets[**n].operators);
    }
    let count = |verdict| judged.iter().filter(|(_, _, ours, _)| **ours == verdict).count();
    let counts = [count(Verdict::Admitted), count(Verdict::OtherAccount), count(Verdict::Forbidden)];
    println!("admitted, other account, forbidden: {counts:?}");
    assert!(counts.iter().all(|count| *count >= 150), "the comparison is empty: {counts:?}");
    the_region_and_retired_rules_made_the_difference(&sets, &candidates);
    nothing_was_doubtful_to_the_type_checker(client, sets.len()).await;
}

/// Often enough that the comparison is one of them.
fn the_region_and_retired_rules_made_the_difference(sets: &[Set], judged: &[(usize, SessionExport, Verdict)]) {
    let everywhere = |rule: &mut Rule| rule.regions = REGIONS.iter().map(|region| region.parse().unwrap()).collect();
    let forbidden = |(_, _, verdict): &&(usize, SessionExport, Verdict)| *verdict == Verdict::Forbidden;
    let elsewhere =
        judged.iter().filter(forbidden).filter(|(n, object, _)| would_allow(&sets[*n].operators, object, everywhere));
    let exports = |rule: &mut Rule| rule.exports = true;
    let retired =
        judged.iter().filter(forbidden).filter(|(n, object, _)| would_allow(&sets[*n].operators, object, exports));
    let left = judged.iter().filter(|(n, object, verdict)| {
        let allows = |identity: &OperatorIdentity| judged_by_operator(identity, object) == Some(Verdict::Admitted);
        *verdict == Verdict::Admitted && !sets[*n].operators.iter().all(allows)
    });
    let ids_only = |rule: &mut Rule| rule.stream_groups.retain(|group| !group.is_arn());
    let left_by_arn = left.clone().filter(|(n, object, _)| !would_allow(&sets[*n].operators, object, ids_only));
    let counts = [elsewhere.count(), retired.count(), left.count(), left_by_arn.count()];
    println!("forbidden for the Region, by a retired rule, left to the operator, of these by an ARN: {counts:?}");
    assert!(counts.iter().zip([100, 50, 15, 3]).all(|(count, least)| *count >= least), "the comparison is empty");
}

/// The API server checks expressions against the CRD's schema, and writes its doubts into the status.
async fn nothing_was_doubtful_to_the_type_checker(client: &kube::Client, sets: usize) {
    for n in 0..sets {
        nothing_in_a_policy_is_doubtful(client, &format!("fence-{n}-destinations")).await;
    }
}

/// The same of one policy.
pub(crate) async fn nothing_in_a_policy_is_doubtful(client: &kube::Client, name: &str) {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let begun = Instant::now();
    let checking = loop {
        let status = policies.get(name).await.unwrap().status;
        if let Some(checking) = status.and_then(|status| status.type_checking) {
            break checking;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the type checker never came");
        sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(checking.expression_warnings, None, "{name}");
}

#[test]
fn without_the_policy_there_is_none() {
    let text = template(&json!({"admissionPolicy": {"enabled": false}}), &[]).unwrap();
    assert!(!text.contains("-destinations"));
}
