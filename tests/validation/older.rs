//! Objects that an older definition took and this one would refuse: they are edited and written as any other.

use super::agreement::{characters, is_plain};
use super::control_plane::ControlPlane;
use super::rows::{KEY_CHARACTERS, NO_PLACEHOLDERS};
use super::stored::soon;
use super::{answer, dry_run, object, resource, with};
use futures::{StreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use session_export_operator::aws::identifiers::OutputUri;

const DEFINITION: &str = "sessionexports.sessionexport.dev";
/// The rules of `outputUri`.
const RULES: &str =
    "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/outputUri/x-kubernetes-validations";

/// Destinations with each character that the older definition took.
fn destinations() -> Vec<String> {
    let refused = characters().into_iter().filter(|c| !is_plain(*c) && !c.is_control());
    refused.map(|c| format!("s3://exports/a{c}b/x.zip")).chain(["s3://exports/%2e%2e/team-b/".to_owned()]).collect()
}

async fn rules(definitions: &Api<CustomResourceDefinition>) -> Vec<Value> {
    let definition = serde_json::to_value(definitions.get(DEFINITION).await.unwrap()).unwrap();
    definition.pointer(RULES).unwrap().as_array().unwrap().clone()
}

async fn set_rules(definitions: &Api<CustomResourceDefinition>, rules: &[Value]) {
    let patch = serde_json::from_value(json!([{"op": "replace", "path": RULES, "value": rules}])).unwrap();
    definitions.patch(DEFINITION, &PatchParams::default(), &Patch::Json::<()>(patch)).await.unwrap();
}

/// Creates an object for each destination, as an older definition took them; then this one is in force again.
async fn store(control: &ControlPlane, exports: &Api<DynamicObject>, destinations: &[String]) {
    let definitions: Api<CustomResourceDefinition> = Api::all(control.client().await);
    let strict = rules(&definitions).await;
    let of_characters = |rule: &&Value| {
        let message = rule["message"].as_str().unwrap();
        message.contains(KEY_CHARACTERS) || message.contains(NO_PLACEHOLDERS)
    };
    let older: Vec<Value> = strict.iter().filter(|rule| !of_characters(rule)).cloned().collect();
    assert_eq!(older.len() + 2, strict.len(), "one rule is about characters, one about braces");
    let is_taken = async |uri: &String| {
        answer(exports.create(&dry_run(), &object("probe", with(&json!({ "outputUri": uri })))).await).is_none()
    };
    set_rules(&definitions, &older).await;
    soon(async || is_taken(&destinations[0]).await).await;
    for (n, uri) in destinations.iter().enumerate() {
        let object = object(&format!("older-{n}"), with(&json!({ "outputUri": uri })));
        exports.create(&PostParams::default(), &object).await.unwrap();
    }
    set_rules(&definitions, &strict).await;
    soon(async || !is_taken(&destinations[0]).await).await;
}

/// What users do to an object, and the operator.
async fn edit(exports: &Api<DynamicObject>, name: &str) -> Result<Value, kube::Error> {
    let merge = async |change: Value| exports.patch(name, &PatchParams::default(), &Patch::Merge(change)).await;
    merge(json!({"spec": {"suspend": true, "ttlSecondsAfterFinished": 60}})).await?;
    merge(json!({"metadata": {"labels": {"team": "a"}, "finalizers": ["example.com/held"]}})).await?;
    merge(json!({"metadata": {"finalizers": null}})).await?;
    let mut whole = exports.get(name).await?;
    whole.data["spec"]["suspend"] = json!(false);
    let replaced = exports.replace(name, &PostParams::default(), &whole).await?;
    let guarded = json!({
        "metadata": {"resourceVersion": replaced.resource_version(), "uid": replaced.uid()},
        "status": {"exportStatus": "PENDING", "requestTime": "2026-01-31T12:00:00Z"},
    });
    exports.patch_status(name, &PatchParams::default(), &Patch::Merge(guarded)).await?;
    Ok(exports.get(name).await?.data)
}

async fn complaint(exports: &Api<DynamicObject>, name: &str, uri: &str) -> Option<String> {
    let spec = json!({"outputUri": uri, "readyWhen": "Exported", "suspend": false, "ttlSecondsAfterFinished": 60});
    let status = json!({"observedGeneration": -1, "exportStatus": "PENDING", "requestTime": "2026-01-31T12:00:00Z"});
    let expected = json!({"spec": with(&spec), "status": status});
    let found = edit(exports, name).await;
    let other = Patch::Merge(json!({"spec": {"outputUri": "s3://exports/other/"}}));
    let moved = answer(exports.patch(name, &PatchParams::default(), &other).await);
    let fine =
        matches!(&found, Ok(found) if *found == expected) && moved.is_some_and(|said| said.contains("is immutable"));
    (!fine).then(|| format!("{uri:?}: {found:?}"))
}

/// The API server leaves unchanged fields unjudged in an update (CRD validation ratcheting).
#[tokio::test]
async fn an_object_with_a_destination_of_an_older_definition_can_be_edited_and_its_status_written() {
    // The definition is changed, so the control plane is this test's own.
    let control = ControlPlane::with_flags("").await;
    let client = control.namespace("older").await.into_client();
    let exports = &Api::<DynamicObject>::namespaced_with(client, "older", &resource());
    let destinations = destinations();
    store(&control, exports, &destinations).await;
    let edited = stream::iter(destinations.iter().enumerate())
        .map(|(n, uri)| async move { complaint(exports, &format!("older-{n}"), uri).await });
    let wrong: Vec<String> = edited.buffer_unordered(16).filter_map(std::future::ready).collect().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(destinations.iter().all(|uri| uri.parse::<OutputUri>().is_ok()));
    assert!(destinations.len() >= 80, "{} destinations", destinations.len());
}
