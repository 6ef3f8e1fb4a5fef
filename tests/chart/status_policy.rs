//! Rights to write the status of a SessionExport: judged by the real API server, with the policies and the rights of
//! two releases.

use crate::control_plane::{CRD, ControlPlane};
use crate::fence::nothing_in_a_policy_is_doubtful;
use crate::helm::{full, named, objects, parse, template, tmp};
use crate::rights::{client_as, client_of, install};
use crate::server::apply;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

/// Where the tenants are. Release `status-b` watches another namespace.
const NAMESPACE: &str = "status-tenants";
const DENIAL: &str = "The status of a SessionExport is written by the Session Export Operator, which relies on it.";
/// The first and the second hold every right in the namespace.
const TENANT: &str = "status-tenant";
const NAMESPACE_ADMIN: &str = "status-namespace-admin";
const CLUSTER_ADMIN: &str = "status-cluster-admin";
const RESTORE_TOOL: &str = "status-restore-tool";
/// May patch statuses in all namespaces, and lacks the verb.
const PATCHER: &str = "status-patcher";

fn releases() -> [(&'static str, Value); 2] {
    [
        ("status-a", json!({"fullnameOverride": "status-a"})),
        (
            "status-b",
            json!({
                "fullnameOverride": "status-b",
                "watch": {"namespaces": ["status-elsewhere"], "labelSelector": "shard=b"},
            }),
        ),
    ]
}

/// A role and its binding to a person.
fn given(person: &str, namespace: Option<&str>, role: &str, rules: Option<&Value>) -> Vec<Value> {
    let is_cluster_role = role == "cluster-admin" || namespace.is_none();
    let role_kind = if is_cluster_role { "ClusterRole" } else { "Role" };
    let binding_kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
    let version = "rbac.authorization.k8s.io/v1";
    let binding = json!({
        "apiVersion": version, "kind": binding_kind, "metadata": {"name": person, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person}],
    });
    let role = rules.map(
        |rules| json!({"apiVersion": version, "kind": role_kind, "metadata": {"name": role, "namespace": namespace}, "rules": rules}),
    );
    role.into_iter().chain([binding]).collect()
}

fn people() -> Vec<Value> {
    let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let patching = json!([
        {"apiGroups": ["sessionexport.dev"], "resources": ["sessionexports", "sessionexports/status"], "verbs": ["get", "update", "patch"]},
    ]);
    let recording = json!([
        {"apiGroups": ["sessionexport.dev"], "resources": ["sessionexports"], "verbs": ["get", "create"]},
        {"apiGroups": ["sessionexport.dev"], "resources": ["sessionexports/status"], "verbs": ["update", "patch", "record"]},
    ]);
    [
        given(TENANT, Some(NAMESPACE), TENANT, Some(&everything)),
        given(NAMESPACE_ADMIN, Some(NAMESPACE), "cluster-admin", None),
        given(CLUSTER_ADMIN, None, "cluster-admin", None),
        given(RESTORE_TOOL, None, RESTORE_TOOL, Some(&recording)),
        given(PATCHER, None, PATCHER, Some(&patching)),
    ]
    .concat()
}

fn exports(client: Client) -> Api<SessionExport> {
    Api::namespaced(client, NAMESPACE)
}

fn object(name: &str) -> SessionExport {
    let spec =
        json!({"streamGroupIdentifier": "sg-1", "streamSessionIdentifier": "session", "outputUri": "s3://bucket/"});
    SessionExport::new(name, serde_json::from_value(spec).unwrap())
}

/// Whether the patch is refused, and how.
async fn refusal(exports: &Api<SessionExport>, name: &str, patch: &Patch<Value>) -> Option<String> {
    let force = matches!(patch, Patch::Apply(_));
    let parameters = PatchParams { force, ..PatchParams::apply("a-person") };
    match exports.patch_status(name, &parameters, patch).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 403, "{}", status.message);
            Some(status.message)
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn merge(status: &Value) -> Patch<Value> {
    Patch::Merge(json!({"status": status}))
}

/// The policies of both releases, in force, and the rights of all users.
async fn both_releases() -> &'static ControlPlane {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let control = ControlPlane::shared().await;
    INSTALLED
        .get_or_init(async || {
            for namespace in [NAMESPACE, "status-elsewhere", crate::helm::NAMESPACE] {
                control.namespace(namespace).await;
            }
            apply(control, "status-people.yaml", &people(), &[]).unwrap();
            exports(control.client().await).create(&PostParams::default(), &object("probe")).await.unwrap();
            // The second first: it watches another namespace and other labels, and its policy holds here anyway.
            for (name, values) in releases().into_iter().rev() {
                let rendered = objects(&values);
                install(control, name, &rendered);
                in_force(control, &rendered, &format!("{name}-status")).await;
            }
        })
        .await;
    control
}

/// Installs one policy, and waits until it has refused something. Of several that refuse a request, the API server's
/// answer names one; its metrics count each.
async fn in_force(control: &ControlPlane, rendered: &[Value], name: &str) {
    let kinds = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
    let policy = kinds.map(|kind| named(rendered, kind, name).clone());
    apply(control, &format!("{name}.yaml"), &policy, &[]).unwrap();
    nothing_in_a_policy_is_doubtful(&control.client().await, name).await;
    let tenant = exports(client_as(control, TENANT).await);
    let begun = Instant::now();
    while !has_refused(&control.client().await, name).await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{name} refuses nothing");
        refusal(&tenant, "probe", &merge(&json!({"outputUri": "s3://bucket/probe"}))).await;
        sleep(Duration::from_millis(100)).await;
    }
}

async fn has_refused(client: &Client, policy: &str) -> bool {
    let metrics = client.request_text(http::Request::get("/metrics").body(vec![]).unwrap()).await.unwrap();
    let mut lines =
        metrics.lines().filter(|line| line.starts_with("apiserver_validating_admission_policy_check_total{"));
    lines.any(|line| {
        [format!("policy=\"{policy}\""), "enforcement_action=\"deny\"".to_owned()]
            .iter()
            .all(|part| line.contains(part))
    })
}

/// One value for each field of the status, and one that the definition does not know.
fn forged() -> Value {
    let time = "2026-01-31T12:00:00Z";
    json!({
        "exportStatus": "PENDING",
        "exportStatusReason": "forged",
        "outputUri": "s3://bucket/forged.zip",
        "session": {"status": "ACTIVE"},
        "startTime": time,
        "requestAttemptTime": time,
        "requestTime": time,
        "completionTime": time,
        "observedGeneration": 1,
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Exported", "message": "", "lastTransitionTime": time,
        }],
        "ofNoVersion": true,
    })
}

fn fields_of_the_definition() -> BTreeSet<String> {
    let definition = parse(CRD).remove(0);
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
    schema.as_object().unwrap().keys().cloned().collect()
}

/// The ways to write a part of a status.
fn ways(name: &str, status: &Value) -> Vec<Patch<Value>> {
    let apply = json!({
        "apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExport", "metadata": {"name": name},
        "status": status,
    });
    let changes = status.as_object().unwrap().iter();
    let changes: Vec<Value> =
        changes.map(|(key, value)| json!({"op": "add", "path": format!("/status/{key}"), "value": value})).collect();
    vec![merge(status), Patch::Apply(apply), Patch::Json(serde_json::from_value(json!(changes)).unwrap())]
}

#[tokio::test]
async fn no_right_within_a_namespace_and_none_to_patch_statuses_suffices_to_write_one() {
    let control = both_releases().await;
    let administrator = exports(control.client().await);
    administrator.create(&PostParams::default(), &object("denied")).await.unwrap();
    let forged = forged();
    let mut fields: BTreeSet<String> = forged.as_object().unwrap().keys().cloned().collect();
    assert!(fields.remove("ofNoVersion"));
    assert_eq!(fields, fields_of_the_definition());
    for person in [TENANT, NAMESPACE_ADMIN, PATCHER] {
        let tenants = exports(client_as(control, person).await);
        for (field, value) in forged.as_object().unwrap() {
            for patch in ways("denied", &json!({field: value})) {
                let refused = refusal(&tenants, "denied", &patch).await.unwrap_or_else(|| panic!("{patch:?} passed"));
                assert!(refused.contains(DENIAL), "{refused}");
            }
        }
        let mut whole = tenants.get("denied").await.unwrap();
        whole.status = Some(serde_json::from_value(forged.clone()).unwrap());
        let refused = tenants.replace_status("denied", &PostParams::default(), &whole).await.unwrap_err();
        assert!(refused.to_string().contains(DENIAL), "{refused}");
    }
    let status = serde_json::to_value(administrator.get("denied").await.unwrap().status).unwrap();
    assert_eq!(status, json!({"observedGeneration": -1}));
}

#[tokio::test]
async fn the_denial_names_what_an_administrator_can_grant() {
    let control = both_releases().await;
    let tenant = exports(client_as(control, TENANT).await);
    let refused = refusal(&tenant, "probe", &merge(&json!({"exportStatus": "FAILED"}))).await.unwrap();
    let expected = "denied request: The status of a SessionExport is written by the Session Export Operator, which relies \
                    on it. For another program that has to write it, such as one that restores a backup, an administrator \
                    of the cluster may grant the verb record on sessionexports/status (API group sessionexport.dev), \
                    besides patch or update, by a ClusterRole and a ClusterRoleBinding. A Role or a RoleBinding does not \
                    suffice.";
    assert!(refused.ends_with(expected), "{refused}");
}

#[tokio::test]
async fn the_operators_of_both_releases_an_administrator_and_who_was_granted_it_write_statuses() {
    let control = both_releases().await;
    let administrator = exports(control.client().await);
    let status = json!({"exportStatus": "PENDING", "outputUri": "s3://bucket/x.zip"});
    let writers = [
        ("release-a", client_of(control, "status-a").await),
        ("cluster-admin", client_as(control, CLUSTER_ADMIN).await),
        ("restore-tool", client_as(control, RESTORE_TOOL).await),
        ("masters", control.client().await),
    ];
    for (name, client) in writers {
        administrator.create(&PostParams::default(), &object(name)).await.unwrap();
        assert_eq!(refusal(&exports(client), name, &merge(&status)).await, None, "{name}");
    }
    // As a restore tool writes it: whole, with the resourceVersion that it has read.
    let tool = exports(client_as(control, RESTORE_TOOL).await);
    let mut whole = tool.get("restore-tool").await.unwrap();
    whole.status = Some(serde_json::from_value(forged()).unwrap());
    tool.replace_status("restore-tool", &PostParams::default(), &whole).await.unwrap();

    // The other release may write where it watches, and only there.
    let elsewhere = |client: Client| -> Api<SessionExport> { Api::namespaced(client, "status-elsewhere") };
    let administrator = elsewhere(control.client().await);
    administrator.create(&PostParams::default(), &object("release-b")).await.unwrap();
    let operator = client_of(control, "status-b").await;
    assert_eq!(refusal(&elsewhere(operator.clone()), "release-b", &merge(&status)).await, None);
    let refused = refusal(&exports(operator), "probe", &merge(&status)).await.unwrap();
    assert!(refused.contains("cannot patch resource \"sessionexports/status\""), "{refused}");
}

/// kubectl as a person, with a manifest.
fn applied(control: &ControlPlane, manifest: &Value, more: &[&str]) {
    let path = tmp("status-manifest.json");
    std::fs::write(&path, manifest.to_string()).unwrap();
    let path = path.display().to_string();
    let output = control.kubectl(&[&["apply", "-f", &path, "--as", TENANT], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn tenants_create_edit_apply_and_delete_as_before() {
    let control = both_releases().await;
    let tenant = exports(client_as(control, TENANT).await);
    let mut manifest = serde_json::to_value(object("theirs")).unwrap();
    manifest["metadata"]["namespace"] = json!(NAMESPACE);
    manifest["status"] = forged();
    // What a manifest says of the status is dropped, at its creation and after.
    for (suspend, more) in [(true, &[][..]), (false, &[]), (true, &["--server-side", "--force-conflicts"])] {
        manifest["spec"]["suspend"] = json!(suspend);
        applied(control, &manifest, more);
        let stored = tenant.get("theirs").await.unwrap();
        assert_eq!(
            (stored.spec.suspend, serde_json::to_value(stored.status).unwrap()),
            (suspend, json!({"observedGeneration": -1}))
        );
    }
    let edit = Patch::Merge(json!({"spec": {"suspend": false}, "metadata": {"finalizers": ["example.com/hold"]}}));
    assert!(!tenant.patch("theirs", &PatchParams::default(), &edit).await.unwrap().spec.suspend);
    assert!(tenant.delete("theirs", &DeleteParams::default()).await.unwrap().is_left());
    let edit = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    tenant.patch("theirs", &PatchParams::default(), &edit).await.unwrap();
    assert!(tenant.get_opt("theirs").await.unwrap().is_none());
}

#[test]
fn the_policy_has_no_selectors_whatever_is_watched() {
    for values in [json!({}), full(), releases()[1].1.clone()] {
        let rendered = objects(&values);
        let binding = &named(&rendered, "ValidatingAdmissionPolicyBinding", "-status")["spec"];
        assert_eq!((&binding["matchResources"], &binding["validationActions"]), (&Value::Null, &json!(["Deny"])));
        let policy = &named(&rendered, "ValidatingAdmissionPolicy", "-status")["spec"];
        let constraints = policy["matchConstraints"].as_object().unwrap();
        assert_eq!(constraints.keys().collect::<Vec<_>>(), ["resourceRules"]);
        assert_eq!((&policy["matchConditions"], &policy["failurePolicy"]), (&Value::Null, &json!("Fail")));
    }
}

#[test]
fn without_the_status_policy_there_is_none_and_the_operator_is_ready_for_another_releases() {
    let values = json!({"statusPolicy": {"enabled": false}, "watch": {"namespaces": ["a"]}});
    assert!(!template(&values, &[]).unwrap().contains("name: exports-session-export-operator-status"));
    let rendered = objects(&values);
    let role = named(&rendered, "ClusterRole", "-record");
    let expected =
        json!([{"apiGroups": ["sessionexport.dev"], "resources": ["sessionexports/status"], "verbs": ["record"]}]);
    assert_eq!(role["rules"], expected);
}
