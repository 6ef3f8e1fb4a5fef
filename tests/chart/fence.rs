//! The destination fence: the rendered ValidatingAdmissionPolicy and the operator give the same verdict.

use crate::control_plane::ControlPlane;
use crate::helm::{config_text, objects, template};
use crate::server::apply;
use futures::{StreamExt, stream};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
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
const SETS: usize = 36;
const OBJECTS: usize = 60;
/// A destination that no rule here covers.
const NOWHERE: &str = "s3://covered-by-no-rule/";
const NAMESPACES: &[&str] = &["team-a", "team-ab", "team-a-b", "team", "te", "other"];
const NAMESPACE_PATTERNS: &[&str] = &["*", "team-*", "team-a", "team-a-*", "te*", "other", "team"];
const GROUP_PATTERNS: &[&str] = &[
    "*",
    "sg-1",
    "SG-1",
    "sg-12",
    "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1",
    "arn:aws:gameliftstreams:eu-central-1:111122223333:streamgroup/sg-1",
    "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-12",
];
const PREFIXES: &[&str] = &[
    "s3://exports/",
    "s3://exports/team-a/",
    "s3://exports/team-a/deep/",
    "s3://exports.evil/",
    "s3://exports/é😀\u{2028}/",
    "s3://exports/it's \"q\" \\ <b> \\u0041 {{ x }} ${y}/",
];
const BELOW: &[&str] = &["", "", "x.zip", "deep/", "deep/x.ZIP"];
const BESIDE: &[&str] =
    &["s3://exports/team-a-evil/", "s3://exports/team-a.zip", "s3://exports/Team-a/", "s3://other/"];
/// Each has the same meaning for the objects of set N.
const SELECTORS: &[&str] =
    &["fence=N", "fence==N,!paused", " fence in (N, x) ,owner!=me", "marked,fence in (N),marked notin (no)"];

/// Which rules, in which Region, and how many objects are judged by them.
fn rule_sets() -> impl Strategy<Value = Value> {
    let some = |all: &'static [&'static str], most| subsequence(all.to_vec(), 1..=most);
    let rule = (some(NAMESPACE_PATTERNS, 2), some(GROUP_PATTERNS, 2), some(PREFIXES, 2))
        .prop_map(|(n, g, p)| json!({"namespaces": n, "streamGroups": g, "outputPrefixes": p}));
    let region = select(vec!["us-west-2", "eu-central-1"]);
    (prop::collection::vec(rule, 0..4), region).prop_map(
        |(rules, region)| json!({"aws": {"region": region, "accountId": ACCOUNT}, "config": {"rules": rules}}),
    )
}

fn identifiers() -> impl Strategy<Value = (String, String)> {
    let home = select(vec!["us-west-2:111122223333", "eu-central-1:111122223333", "us-west-2:999999999999"]);
    let group = select(vec!["sg-1", "sg-1", "SG-1", "sg-12"]);
    (home, group, 0..3_u8, 0..4_u8).prop_map(|(home, group, group_form, session_form)| {
        let arn = format!("arn:aws:gameliftstreams:{home}");
        let group_text = if group_form == 0 { format!("{arn}:streamgroup/{group}") } else { group.to_owned() };
        let session = match session_form {
            0 => format!("{arn}:streamsession/{group}/session"),
            1 => format!("{arn}:streamsession/session"),
            _ => "session".to_owned(),
        };
        (group_text, session)
    })
}

fn uris() -> impl Strategy<Value = String> {
    let below = (select(PREFIXES), select(BELOW)).prop_map(|(prefix, end)| format!("{prefix}{end}"));
    prop_oneof![4 => below, 1 => select(BESIDE).prop_map(str::to_owned)]
}

/// Namespace and spec.
fn exports() -> impl Strategy<Value = (&'static str, Value)> {
    let region = select(vec![None, None, Some("us-west-2"), Some("eu-central-1")]);
    let account = select(vec![None, None, None, None, None, None, Some("mine")]);
    (select(NAMESPACES), identifiers(), uris(), region, account).prop_map(
        |(namespace, (group, session), uri, region, account)| {
            let mut spec = json!({
                "streamGroupIdentifier": group,
                "streamSessionIdentifier": session,
                "outputUri": uri,
            });
            region.into_iter().for_each(|region| spec["region"] = json!(region));
            account.into_iter().for_each(|account| spec["serviceAccountName"] = json!(account));
            (namespace, spec)
        },
    )
}

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

/// `count` rules with short entries, which is what costs most to evaluate for each character.
fn many_rules(count: usize) -> Value {
    let all: Vec<Value> = (0..count)
        .map(|n| json!({"namespaces": ["many", "x*"], "streamGroups": ["a", "b"], "outputPrefixes": [format!("s3://b{n:04}/")]}))
        .collect();
    json!({
        "fullnameOverride": "many",
        "aws": {"accountId": ACCOUNT},
        "watch": {"labelSelector": "fence=many"},
        "config": {"rules": all},
    })
}

#[test]
fn too_many_rules_for_the_api_server_are_refused_with_the_reason() {
    let refused = template(&many_rules(1200), &[]).unwrap_err();
    for words in ["config.rules: are", "shorten them below 90000", "set admissionPolicy.enabled=false"] {
        assert!(refused.contains(words), "{refused}");
    }
    let mut without = many_rules(1200);
    without["admissionPolicy"] = json!({"enabled": false});
    assert!(template(&without, &[]).is_ok());
}

/// By bisection.
fn most_rules() -> usize {
    let (mut fine, mut refused) = (1, 2000);
    while refused - fine > 1 {
        let middle = usize::midpoint(fine, refused);
        if template(&many_rules(middle), &[]).is_ok() { fine = middle } else { refused = middle }
    }
    fine
}

#[tokio::test]
async fn the_most_rules_that_the_chart_takes_are_enforced() {
    let control = ControlPlane::shared().await;
    let client = control.namespace("many").await.into_client();
    let most = most_rules();
    let rendered = objects(&many_rules(most));
    let labels = json!({"fence": "many"});
    install(control, "many", &rendered, &[object("many", &nowhere(), &labels)]).await;
    let last = format!("s3://b{:04}/", most - 1);
    for (group, uri, expected) in [
        ("b", last.as_str(), Verdict::Admitted),
        ("c", last.as_str(), Verdict::Forbidden),
        ("b", NOWHERE, Verdict::Forbidden),
    ] {
        let spec = json!({"streamGroupIdentifier": group, "streamSessionIdentifier": "s", "outputUri": uri});
        assert_eq!(judged_by_server(&client, &object("many", &spec, &labels)).await, expected, "{group} {uri}");
    }
    println!("{} rules", most);
}

#[test]
fn without_the_policy_there_is_none() {
    let text = template(&json!({"admissionPolicy": {"enabled": false}}), &[]).unwrap();
    assert!(!text.contains("ValidatingAdmissionPolicy"));
}
