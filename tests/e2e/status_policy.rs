//! The policy of statuses, with an operator at work: a tenant with all rights in a namespace can't write one.

use crate::status::{DONE, HELD, PENDING};
use crate::world::World;
use serde_json::{Value, json};

/// A request as another person than the administrator.
pub(crate) async fn request_as(
    world: &World,
    person: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Value, kube::Error> {
    let url = format!("/apis/sessionexport.dev/v1alpha1/namespaces/{}/sessionexports{path}", world.namespace);
    let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = http::Request::builder().method(method).uri(url).header("content-type", content);
    let request = request.header("impersonate-user", person).body(body.to_string().into_bytes()).unwrap();
    let answer = world.client.request_text(request).await?;
    Ok(serde_json::from_str(&answer).unwrap())
}

/// Binds cluster-admin to a person: in all namespaces (`clusterrolebinding`), or in the world's (`rolebinding`).
pub(crate) fn make_admin(world: &World, person: &str, binding: &str) {
    let name = format!("{person}-{}", world.namespace);
    let arguments = ["create", binding, &name, "--clusterrole=cluster-admin", "--user", person];
    let output = world.control().kubectl(&[&arguments[..], &["--namespace", &world.namespace]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_tenant_with_every_right_in_the_namespace_writes_no_status_and_the_operator_does() {
    let world = World::new("unforged").await;
    make_admin(&world, "tenant", "rolebinding");
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.export_with("one", "live", "s3://exports/a/", json!({"suspend": true})).await;
    world.shows("one", HELD, "Suspended").await;
    let forge = async |status: Value| {
        request_as(&world, "tenant", "PATCH", "/one/status", &json!({"status": status}))
            .await
            .map_err(|e| e.to_string())
    };
    world.eventually("the policy is in force", async || forge(json!({})).await.is_err()).await;
    let refused =
        forge(json!({"exportStatus": "SUCCEEDED", "completionTime": "2026-01-31T12:00:00Z"})).await.unwrap_err();
    assert!(refused.contains("is written by the Session Export Operator"), "{refused}");
    request_as(&world, "tenant", "PATCH", "/one", &json!({"spec": {"suspend": false}})).await.unwrap();
    world.shows("one", PENDING, "ExportPending").await;
    world.simulator.end("live").await;
    world.shows("one", DONE, "Exported").await;
}
