//! RBAC that lacks something. A missing CRD can't be had on a control plane that all tests share.

use crate::shown::PENDING;
use crate::world::World;
use k8s_openapi::api::rbac::v1::Role;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_missing_permission_is_named_and_waited_for() {
    let world = World::new("rbac").await;
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
    let mut said = (0, String::new());
    for _ in 0..1200 {
        said = operator.get("/readyz").await;
        if said.1.contains(&named) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(said.0 == 503 && said.1.contains(&named), "{said:?}\n{}", operator.log());
    assert_eq!(operator.get("/healthz").await.0, 200, "alive, and not restarted for it");
    assert!(operator.log().contains(&named));
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    assert_eq!(world.simulator.all_calls_of("").await, 0);

    set(whole).await;
    operator.ready("leading").await;
    world.shows("one", PENDING, "ExportPending").await;
}
