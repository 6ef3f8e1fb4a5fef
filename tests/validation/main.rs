//! What the API server accepts and refuses, and with which words: the real one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]

mod agreement;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod older;
mod policies;
mod policy_rows;
mod rows;
mod stored;

use control_plane::ControlPlane;
use kube::Api;
use kube::CustomResourceExt;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use rows::Expected::{self, Fine, Malformed, Refused};
use rows::Row;
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;
use session_export_operator::aws::identifiers::{OutputUri, Region, StreamGroupIdentifier, StreamSessionIdentifier};

fn spec() -> Value {
    json!({
        "streamGroupIdentifier": "sg-1AB2C3De4",
        "streamSessionIdentifier": "ABC123def4567",
        "outputUri": "s3://exports/team-a/",
    })
}

fn with(changes: &Value) -> Value {
    let mut spec = spec();
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

fn object(name: &str, spec: Value) -> DynamicObject {
    let mut object = DynamicObject::new(name, &resource());
    object.data = json!({ "spec": spec });
    object
}

fn resource() -> ApiResource {
    SessionExport::api_resource()
}

async fn exports(namespace: &str) -> Api<DynamicObject> {
    let client = ControlPlane::shared().await.namespace(namespace).await.into_client();
    Api::namespaced_with(client, namespace, &resource())
}

fn dry_run() -> PostParams {
    PostParams { dry_run: true, ..PostParams::default() }
}

/// Nothing, or the server's words.
fn answer<T>(result: Result<T, kube::Error>) -> Option<String> {
    match result {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.code == 422 => Some(status.message.clone()),
        Err(other) => panic!("neither accepted nor refused: {other:?}"),
    }
}

/// Whether the operator can parse every field that it parses.
fn parses(spec: &Value) -> bool {
    let text = |field: &str| spec[field].as_str();
    text("streamGroupIdentifier").is_some_and(|t| t.parse::<StreamGroupIdentifier>().is_ok())
        && text("streamSessionIdentifier").is_some_and(|t| t.parse::<StreamSessionIdentifier>().is_ok())
        && text("outputUri").is_some_and(|t| t.parse::<OutputUri>().is_ok())
        && text("region").is_none_or(|t| t.parse::<Region>().is_ok())
}

fn complaint(changes: &Value, expected: &Expected, answer: Option<&str>, parses: bool) -> Option<String> {
    let (fragments, should_parse) = match expected {
        Fine => (None, true),
        Malformed(fragments) => (Some(*fragments), false),
        Refused(fragments) => (Some(*fragments), true),
    };
    let what = match (fragments, answer) {
        (None, None) => None,
        (None, Some(message)) => Some(format!("refused: {message}")),
        (Some(_), None) => Some("accepted".to_owned()),
        (Some(fragments), Some(message)) => {
            let lacking: Vec<_> = fragments.iter().filter(|fragment| !message.contains(**fragment)).collect();
            let unsafe_text = message.chars().any(|c| c.is_control() && c != '\n');
            (!lacking.is_empty() || unsafe_text).then(|| format!("lacks {lacking:?}: {message}"))
        }
    };
    let parsers = (parses != should_parse).then(|| format!("but the parsers say {parses}"));
    let words: Vec<String> = what.into_iter().chain(parsers).collect();
    (!words.is_empty()).then(|| format!("{changes}\n    {}", words.join("\n    ")))
}

#[tokio::test]
async fn what_is_created_is_judged_in_words_a_person_can_act_on() {
    let exports = exports("refusals").await;
    let rows: Vec<Row> =
        [rows::identifiers(), rows::agreements(), rows::destinations(), rows::others()].into_iter().flatten().collect();
    assert!(rows.len() >= 120, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (changes, expected) in &rows {
        let spec = with(changes);
        let said = answer(exports.create(&dry_run(), &object("row", spec.clone())).await);
        wrong.extend(complaint(changes, expected, said.as_deref(), parses(&spec)));
    }
    println!("{} rows", rows.len());
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[tokio::test]
async fn what_is_changed_later_is_judged_too() {
    let exports = exports("changes").await;
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    let mut wrong = Vec::new();
    for (n, (base, change, fragments)) in rows::changes().into_iter().enumerate() {
        let name = format!("row-{n}");
        exports.create(&PostParams::default(), &object(&name, with(&base))).await.unwrap();
        let said = answer(exports.patch(&name, &dry_run, &Patch::Merge(json!({ "spec": change }))).await);
        let field = change.as_object().unwrap().keys().next().unwrap();
        let fine = match &said {
            None => fragments.is_empty(),
            Some(message) => {
                !fragments.is_empty()
                    && message.contains(&format!("spec.{field}"))
                    && fragments.iter().all(|fragment| message.contains(fragment))
            }
        };
        if !fine {
            wrong.push(format!("{base} then {change}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
