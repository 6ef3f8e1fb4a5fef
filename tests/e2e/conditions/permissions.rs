//! RBAC that lacks something. A missing CRD can't be had on a control plane that all tests share: see tests/outage.

use crate::status::PENDING;
use crate::world::World;
use k8s_openapi::api::rbac::v1::{ClusterRole, Role};
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
    let cluster_roles: Api<ClusterRole> = Api::all(world.client.clone());
    let record = format!("{}-record", world.namespace);
    let may_record = cluster_roles.get(&record).await.unwrap().rules;
    let set_record = async |rules: Value| {
        let patch = Patch::Merge(json!({"rules": rules}));
        cluster_roles.patch(&record, &PatchParams::default(), &patch).await.unwrap();
    };
    set_record(json!([])).await;

    let operator = world.start(json!({}), &[]).await;
    let named = format!("patch sessionexports/status.sessionexport.dev in namespace {}", world.namespace);
    operator.unready(&named).await;
    operator.unready("record sessionexports/status.sessionexport.dev in all namespaces").await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    assert_eq!(world.simulator.all_calls_of("").await, 0);

    set(whole).await;
    operator.unready("may not: record sessionexports/status").await;
    set_record(json!(may_record)).await;
    operator.ready("leading").await;
    world.shows("one", PENDING, "ExportPending").await;
}
