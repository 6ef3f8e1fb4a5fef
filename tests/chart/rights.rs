//! The operator's rights: exactly what it says that it needs.

use crate::control_plane::ControlPlane;
use crate::helm::{NAMESPACE, objects, only};
use crate::server::apply;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use session_export_operator::app::preflight::{self, Permission, PreflightError};
use std::collections::BTreeSet;

/// The release's.
const LEASE: &str = "exports-session-export-operator";

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().map(text).collect()).unwrap_or_default()
}

/// What a role grants, in preflight's words.
fn granted_by(role: &Value) -> Vec<String> {
    let place = match role["metadata"]["namespace"].as_str() {
        Some(namespace) => format!(" in namespace {namespace}"),
        None => " in all namespaces".to_owned(),
    };
    role["rules"].as_array().unwrap().iter().flat_map(granted_by_rule).map(|what| what + &place).collect()
}

fn granted_by_rule(rule: &Value) -> Vec<String> {
    let names: Vec<String> = texts(&rule["resourceNames"]).iter().map(|name| format!(" \"{name}\"")).collect();
    let names = if names.is_empty() { vec![String::new()] } else { names };
    let mut all = Vec::new();
    for group in texts(&rule["apiGroups"]) {
        for resource in texts(&rule["resources"]) {
            for verb in texts(&rule["verbs"]) {
                all.extend(names.iter().map(|name| format!("{verb} {resource}.{group}{name}")));
            }
        }
    }
    all
}

/// What the rendered bindings give to the rendered ServiceAccount.
fn granted(objects: &[Value]) -> Vec<String> {
    let account = &only(objects, "ServiceAccount")["metadata"]["name"];
    let bindings = objects.iter().filter(|object| text(&object["kind"]).ends_with("RoleBinding"));
    let roles = bindings.map(|binding| {
        let subject = json!([{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]);
        assert_eq!(binding["subjects"], subject);
        let (kind, name) = (&binding["roleRef"]["kind"], &binding["roleRef"]["name"]);
        let is_it = |object: &&Value| {
            object["kind"] == *kind
                && object["metadata"]["name"] == *name
                && object["metadata"]["namespace"] == binding["metadata"]["namespace"]
        };
        objects.iter().find(is_it).unwrap_or_else(|| panic!("{kind} {name} is not there"))
    });
    roles.flat_map(granted_by).collect()
}

fn needed(namespaces: &[&str], lease: &str) -> Vec<Permission> {
    let namespaces: Vec<String> = namespaces.iter().map(ToString::to_string).collect();
    preflight::required_permissions(&namespaces, (NAMESPACE, lease))
}

/// The same, and what only policies need.
fn with_policies(namespaces: &[&str]) -> Vec<Permission> {
    let watched: Vec<String> = namespaces.iter().map(ToString::to_string).collect();
    let mut all = needed(namespaces, LEASE);
    all.extend(preflight::permissions_of_policies(&watched));
    all
}

#[test]
fn nothing_is_granted_but_what_the_operator_needs() {
    let words = |permissions: Vec<Permission>| permissions.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let off = json!({"enabled": false});
    for (values, needed) in [
        (json!({"policies": &off}), needed(&[], LEASE)),
        (json!({"policies": &off, "watch": {"namespaces": ["a", "b"]}}), needed(&["a", "b"], LEASE)),
        (json!({"policies": &off, "config": {"lease": {"name": "mine"}}}), needed(&[], "mine")),
        (
            json!({"policies": &off, "config": {"lease": {"name": "mine", "namespace": "leases"}}}),
            preflight::required_permissions(&[], ("leases", "mine")),
        ),
        (json!({}), with_policies(&[])),
        (json!({"watch": {"namespaces": ["a", "b"]}}), with_policies(&["a", "b"])),
    ] {
        let granted = granted(&objects(&values));
        assert_eq!(granted.len(), needed.len(), "{granted:?}");
        assert_eq!(granted.into_iter().collect::<BTreeSet<_>>(), words(needed), "{values}");
    }
}

#[test]
fn without_rbac_nothing_is_granted_to_anybody() {
    for namespaces in [json!([]), json!(["a"])] {
        let objects = objects(&json!({"rbac": {"create": false}, "watch": {"namespaces": namespaces}}));
        assert!(objects.iter().all(|object| !text(&object["kind"]).contains("Role")));
    }
}

#[test]
fn people_may_read_or_write_exports_and_never_their_status() {
    let granted_to = |policies: bool, (view, edit, admin): (bool, bool, bool)| {
        let rbac = json!({"aggregateToView": view, "aggregateToEdit": edit, "aggregateToAdmin": admin});
        let objects = objects(&json!({"rbac": rbac, "policies": {"enabled": policies}}));
        let resources =
            if policies { json!(["sessionexports", "sessionexportpolicies"]) } else { json!(["sessionexports"]) };
        let roles =
            objects.into_iter().filter(|object| object["metadata"]["labels"].to_string().contains("aggregate-to"));
        let found = roles.map(|role| {
            assert_eq!(role["rules"][0]["resources"], resources);
            assert_eq!(role["rules"].as_array().unwrap().len(), 1);
            let writes = texts(&role["rules"][0]["verbs"]).contains(&"create");
            let labels = role["metadata"]["labels"].as_object().unwrap().clone();
            let to = labels.keys().filter_map(|key| key.strip_prefix("rbac.authorization.k8s.io/aggregate-to-"));
            (writes, to.map(str::to_owned).collect::<Vec<_>>().join(" "))
        });
        found.collect::<Vec<_>>()
    };
    let labels = |view: bool, edit: bool, admin: bool| {
        let without = granted_to(false, (view, edit, admin));
        assert_eq!(granted_to(true, (view, edit, admin)), without);
        without
    };
    let of = |writes: bool, to: &str| (writes, to.to_owned());
    assert_eq!(labels(true, true, true), [of(false, "view"), of(true, "admin edit")]);
    assert_eq!(labels(true, false, false), [of(false, "view")]);
    assert_eq!(labels(false, false, true), [of(true, "admin")]);
    assert_eq!(labels(false, true, false), [of(true, "edit")]);
    assert_eq!(labels(false, false, false), []);
}

/// Applies the ServiceAccount and the rights among the rendered objects.
pub(crate) fn install(control: &ControlPlane, name: &str, rendered: &[Value]) {
    let is_one = |object: &&Value| text(&object["kind"]).contains("Role") || object["kind"] == "ServiceAccount";
    let rights: Vec<Value> = rendered.iter().filter(is_one).cloned().collect();
    apply(control, &format!("{name}.yaml"), &rights, &[]).unwrap();
}

/// A kubeconfig with the ServiceAccount's token.
pub(crate) async fn kubeconfig(control: &ControlPlane, account: &str) -> Value {
    kubeconfig_in(control, NAMESPACE, account).await
}

/// The same for a ServiceAccount of any namespace.
pub(crate) async fn kubeconfig_in(control: &ControlPlane, namespace: &str, account: &str) -> Value {
    let accounts: Api<ServiceAccount> = Api::namespaced(control.client().await, namespace);
    let request: TokenRequest = serde_json::from_value(json!({"spec": {"audiences": []}, "metadata": {}})).unwrap();
    let token = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
    let admins = std::fs::read_to_string(control.kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_yaml::from_str(&admins).unwrap();
    kubeconfig["users"][0]["user"] = json!({"token": token.status.unwrap().token});
    kubeconfig
}

/// A client with the ServiceAccount's token.
pub(crate) async fn client_of(control: &ControlPlane, account: &str) -> Client {
    client(&kubeconfig(control, account).await).await
}

/// A client that impersonates a user, by the administrator's rights.
pub(crate) async fn client_as(control: &ControlPlane, person: &str) -> Client {
    let admins = std::fs::read_to_string(control.kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_yaml::from_str(&admins).unwrap();
    kubeconfig["users"][0]["user"]["as"] = json!(person);
    client(&kubeconfig).await
}

async fn client(kubeconfig: &Value) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(&kubeconfig.to_string()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// The operator's own preflight, against the real API server, as the rendered ServiceAccount.
#[tokio::test]
async fn the_operators_preflight_passes_with_the_rendered_rights() {
    let control = ControlPlane::shared().await;
    for namespace in [NAMESPACE, "rights-a", "rights-b"] {
        control.namespace(namespace).await;
    }
    for (n, namespaces) in [vec![], vec!["rights-a", "rights-b"]].into_iter().enumerate() {
        let name = format!("rights-{n}");
        let values = json!({"fullnameOverride": &name, "watch": {"namespaces": &namespaces}});
        install(control, &name, &objects(&values));
        let client = client_of(control, &name).await;
        let watched: Vec<String> = namespaces.iter().map(ToString::to_string).collect();
        preflight::check_permissions(&client, &watched, &needed(&namespaces, &name)).await.unwrap();
        // Elsewhere, and under another name, it may nothing.
        let elsewhere = preflight::check_permissions(&client, &[], &needed(&["default"], "other")).await;
        let Err(PreflightError::Permissions(missing)) = elsewhere else { panic!("{elsewhere:?}") };
        assert_eq!(missing.len(), if n == 0 { 3 } else { 6 + 3 }, "{missing:?}");
    }
}
