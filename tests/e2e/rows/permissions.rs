//! RBAC that lacks something. A missing CRD can't be had on a control plane that all tests share: see tests/outage.

use crate::shown::PENDING;
use crate::world::World;
use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

#[tokio::test]
async fn a_missing_permission_is_named_and_waited_for() {
    let world = World::new("row-rbac").await;
    let roles: Api<Role> = world.namespaced();
    let role = roles.get("session-export-operator-0").await.unwrap();
    let whole = serde_json::to_value(&role.rules).unwrap();
    let without: Vec<Value> =
        whole.as_array().unwrap().iter().filter(|rule| rule["verbs"] != json!(["patch"])).cloned().collect();
    assert_eq!(without.len() + 1, whole.as_array().unwrap().len());
    let set = async |rules: Value| {
        let patch = Patch::Merge(json!({"rules": rules}));
        roles.patch("session-export-operator-0", &PatchParams::default(), &patch).await.unwrap();
    };
    set(json!(without)).await;

    let operator = world.start(json!({}), &[]).await;
    let named = format!("patch sessionexports/status.sessionexport.dev in namespace {}", world.namespace);
    operator.unready(&named).await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    assert_eq!(world.simulator.all_calls_of("").await, 0);

    set(whole).await;
    operator.ready("leading").await;
    world.shows("one", PENDING, "ExportPending").await;
}
