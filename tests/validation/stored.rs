//! What the API server makes of objects once they are in: defaults, columns, help, and the status.

use super::control_plane::ControlPlane;
use super::{answer, dry_run, exports, object, resource, spec, with};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, CustomResourceExt, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};
use session_export_operator::api::policy::{POLICY_KIND, SessionExportPolicy};
use session_export_operator::api::{ExportStatus, KIND, SessionExport};
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn defaults_are_applied_and_a_new_object_says_that_no_operator_has_seen_it() {
    let exports = exports("defaults").await;
    let created = exports.create(&PostParams::default(), &object("plain", spec())).await.unwrap();
    assert_eq!(created.data["spec"]["readyWhen"], "Exported");
    assert_eq!(created.data["spec"]["suspend"], false);
    assert_eq!(created.data["status"], json!({"observedGeneration": -1}));
    let written = json!({"status": {"exportStatus": "SUCCEEDED"}, "spec": {"suspend": true}});
    let patched = exports.patch("plain", &PatchParams::default(), &Patch::Merge(written)).await.unwrap();
    assert_eq!(patched.data["status"], json!({"observedGeneration": -1}), "only the subresource writes status");
    let cleared =
        exports.patch_status("plain", &PatchParams::default(), &Patch::Merge(json!({"status": null}))).await.unwrap();
    assert_eq!(cleared.data["status"], json!({"observedGeneration": -1}));
}

#[tokio::test]
async fn objects_are_found_by_session_and_group() {
    let exports = ControlPlane::shared().await.namespace("selectable").await;
    for (name, session) in [("one", "ABC"), ("two", "DEF")] {
        let spec = with(&json!({"streamSessionIdentifier": session}));
        let export =
            serde_json::from_value(json!({"apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExport",
            "metadata": {"name": name}, "spec": spec}));
        exports.create(&PostParams::default(), &export.unwrap()).await.unwrap();
    }
    let by = async |selector: &str| {
        let found = exports.list(&ListParams::default().fields(selector)).await.unwrap();
        found.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>()
    };
    assert_eq!(by("spec.streamSessionIdentifier=DEF").await, ["two"]);
    assert_eq!(by("spec.streamGroupIdentifier=sg-1AB2C3De4").await, ["one", "two"]);
}

#[tokio::test]
async fn kubectl_explains_every_field_and_shows_the_columns() {
    let control_plane = ControlPlane::shared().await;
    let exports = control_plane.namespace("explain").await;
    let kubectl = |arguments: &[&str]| {
        let output = control_plane.kubectl(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (path, fragments) in [
        ("sessionexport", &["One-shot, like a Job", "kubectl wait sessionexport NAME"][..]),
        (
            "sx.spec",
            &[
                "-required-",
                "s3://exports/team-a/",
                "enum: Accepted, Exported",
                "86400 for a day",
                "suspended when a session starts",
            ],
        ),
        ("sx.spec.outputUri", &["a prefix that ends in `/`", "crash-4711.zip", "ASCII letters, digits", "Immutable"]),
        ("sx.status", &["has finished if and only if this is set", "PENDING", "-1 until the operator has seen"]),
        ("sx.status.session", &["idleTimeout"]),
    ] {
        let text = kubectl(&["explain", path]);
        for fragment in fragments {
            assert!(text.contains(fragment), "{path} lacks {fragment:?}:\n{text}");
        }
    }
    let spec = serde_json::from_value(spec()).unwrap();
    exports.create(&PostParams::default(), &SessionExport::new("shown", spec)).await.unwrap();
    let status = json!({"status": {"exportStatus": "SUCCEEDED", "outputUri": "s3://exports/team-a/x.zip", "conditions": [
        {"type": "Ready", "status": "True", "reason": "Exported", "message": "", "lastTransitionTime": "2026-01-31T12:00:00Z"}]}});
    exports.patch_status("shown", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let plain = kubectl(&["get", "sx", "-n", "explain"]);
    assert!(
        plain.starts_with("NAME SESSION STATUS READY REASON AGE shown ABC123def4567 SUCCEEDED True Exported"),
        "{plain}"
    );
    let wide = kubectl(&["get", "gameliftstreams", "-n", "explain", "-o", "wide"]);
    assert!(wide.contains("OUTPUT AGE") && wide.contains("s3://exports/team-a/x.zip"), "{wide}");
}

/// The operator leaves an object alone whose status it can't read.
#[tokio::test]
async fn a_status_that_no_version_could_read_is_refused() {
    let exports = exports("readable").await;
    exports.create(&PostParams::default(), &object("poison", spec())).await.unwrap();
    let condition = |time: &str| json!([{"type": "Ready", "status": "True", "reason": "X", "message": "", "lastTransitionTime": time}]);
    let conditions = |count: usize, message: &str| {
        let one = |n| {
            json!({"type": format!("T{n}"), "status": "True", "reason": "X", "message": message,
            "lastTransitionTime": "2026-01-31T12:00:00Z"})
        };
        Value::from_iter((0..count).map(one))
    };
    let write = async |status: Value| {
        let patch = Patch::Merge(json!({ "status": status }));
        answer(exports.patch_status("poison", &PatchParams::default(), &patch).await)
    };
    for poison in [
        json!({"startTime": "2026-01-31T12:00:00"}),
        json!({"startTime": "0001-01-01T00:00:00Z"}),
        json!({"startTime": "2026-02-30T12:00:00Z"}),
        json!({"startTime": "2026-01-31T12:00:00+26:00"}),
        json!({"requestTime": "2026-01-31T12:00:00+99:99"}),
        json!({"requestAttemptTime": "2026-01-31T12:00:00-23:60"}),
        json!({"completionTime": "2026-01-31T12:00:00+24:00"}),
        json!({"conditions": condition("2026-01-31T12:00:00+26:00")}),
        json!({"conditions": conditions(33, "")}),
        json!({"conditions": conditions(1, &"x".repeat(1025))}),
        json!({"exportStatusReason": "x".repeat(257)}),
        json!({"outputUri": format!("s3://{}", "x".repeat(1020))}),
        json!({"session": {"arn": "x".repeat(513)}}),
        json!({"completionTime": "yesterday"}),
        json!({"conditions": condition("2026-01-31T12:00:00")}),
        json!({"conditions": [{"type": "Ready"}]}),
        json!({"observedGeneration": 1e30}),
        json!({"exportStatus": "DONE"}),
        json!({"session": "ABC"}),
    ] {
        let refused = write(poison.clone()).await;
        assert!(refused.is_some(), "{poison} was accepted");
    }
    assert_eq!(write(json!({"conditions": conditions(32, &"x".repeat(1024))})).await, None);
    let fine = json!({"startTime": "2026-01-31T12:00:00+23:59", "requestTime": "2026-01-31T12:00:00.123456789+01:00",
        "conditions": condition("2026-01-31T12:00:00Z"), "observedGeneration": 1, "exportStatus": "PENDING"});
    assert_eq!(write(fine).await, None);
    let typed: Api<SessionExport> = Api::namespaced(exports.into_client(), "readable");
    let object = typed.get("poison").await.unwrap();
    assert_eq!(object.status.unwrap().export_status, Some(ExportStatus::Pending));
}

/// A changed definition takes a moment to be served.
pub(crate) async fn soon(happened: impl AsyncFn() -> bool) {
    let waiting = async {
        while !happened().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.expect("the change was served");
}

/// A newer version widens the definition and writes what this one doesn't know; then both are rolled back.
#[tokio::test]
async fn what_a_newer_version_wrote_survives_a_rollback() {
    let exports = ControlPlane::shared().await.namespace("rollback").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(exports.clone().into_client());
    let widen = async |words: &[&str]| {
        let path = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/exportStatus/enum";
        let patch = serde_json::from_value(json!([{"op": "replace", "path": path, "value": words}])).unwrap();
        let name = "sessionexports.sessionexport.dev";
        definitions.patch(name, &PatchParams::default(), &Patch::Json::<()>(patch)).await.unwrap();
    };
    let newer = json!({"status": {"exportStatus": "PAUSED", "progress": 7, "session": {"arn": "x", "client": "web"}}});
    let write = async |name: &str, status: &Value| {
        exports.patch_status(name, &PatchParams::default(), &Patch::Merge(status.clone())).await
    };
    for name in ["mine", "probe"] {
        let spec = serde_json::from_value(spec()).unwrap();
        exports.create(&PostParams::default(), &SessionExport::new(name, spec)).await.unwrap();
    }
    widen(&["PENDING", "SUCCEEDED", "FAILED", "PAUSED"]).await;
    soon(async || write("mine", &newer).await.is_ok()).await;
    widen(&["PENDING", "SUCCEEDED", "FAILED"]).await;
    soon(async || {
        write("probe", &json!({"status": {"exportStatus": null}})).await.unwrap();
        write("probe", &newer).await.is_err()
    })
    .await;
    let read = exports.list(&ListParams::default()).await.unwrap();
    let mine = read.items.into_iter().find(|o| o.name_any() == "mine").unwrap();
    assert_eq!(mine.status.unwrap().export_status, Some(ExportStatus::Unrecognized));
    write("mine", &json!({"status": {"observedGeneration": 1}})).await.unwrap();
    let raw: Api<DynamicObject> = Api::namespaced_with(exports.into_client(), "rollback", &resource());
    let status = raw.get("mine").await.unwrap().data["status"].take();
    let kept = json!({"exportStatus": "PAUSED", "progress": 7, "session": {"arn": "x", "client": "web"}, "observedGeneration": 1});
    assert_eq!(status, kept);
}

#[tokio::test]
async fn the_examples_are_accepted() {
    let exports = exports("examples").await;
    let policies: Api<DynamicObject> =
        Api::namespaced_with(exports.clone().into_client(), "examples", &SessionExportPolicy::api_resource());
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["examples", "gitops/argocd"].map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let files = files.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut accepted = 0;
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let documents = serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap());
        for manifest in documents.filter(|document| document["kind"] == KIND || document["kind"] == POLICY_KIND) {
            let api = if manifest["kind"] == KIND { &exports } else { &policies };
            let mut object: DynamicObject = serde_json::from_value(manifest).unwrap();
            object.metadata.namespace = None;
            assert_eq!(answer(api.create(&dry_run(), &object).await), None, "{}", file.display());
            accepted += 1;
        }
    }
    assert!(accepted >= 8, "{accepted} examples");
}

#[tokio::test]
async fn the_definition_is_structural_and_its_names_are_accepted() {
    let exports = ControlPlane::shared().await.namespace("definition").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(exports.into_client());
    let definition = definitions.get("sessionexports.sessionexport.dev").await.unwrap();
    let conditions = definition.status.unwrap().conditions.unwrap();
    let words: Vec<_> = conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect();
    assert!(words.contains(&("Established", "True")) && words.contains(&("NamesAccepted", "True")), "{words:?}");
    assert!(!words.contains(&("NonStructuralSchema", "True")), "{words:?}");
}
