//! The definition as an older or a laxer version had it, for as long as a test wants.

use crate::cluster::Cluster;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

const DEFINITION: &str = "sessionexports.sessionexport.dev";
/// What the API server tells of a changed definition may be a moment ahead of what it does.
const SERVED: Duration = Duration::from_secs(1);
/// A changed definition breaks all watches. Longest that is waited for them to work again.
const SETTLED: Duration = Duration::from_secs(20);
const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema/properties";
/// The lax definition, until it is restored. It is one for all tests: only a test that is alone may change it.
pub(crate) struct Lax {
    definitions: Api<CustomResourceDefinition>,
    strict: Value,
}

impl Cluster {
    /// Lets the API server take any status, and any spec that has its identifiers.
    pub(crate) async fn loosen_definition(&self) -> Lax {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.world.client.clone());
        let definition = serde_json::to_value(definitions.get(DEFINITION).await.unwrap()).unwrap();
        let (spec, status) = (format!("{SCHEMA}/spec"), format!("{SCHEMA}/status"));
        let strict = json!([
            {"op": "replace", "path": spec, "value": definition.pointer(&spec)},
            {"op": "replace", "path": status, "value": definition.pointer(&status)},
        ]);
        let any = |properties: Value| json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": properties});
        // The definition's selectable fields need these.
        let text = json!({"type": "string"});
        let identifiers = json!({"streamGroupIdentifier": text, "streamSessionIdentifier": text});
        let lax = json!([
            {"op": "replace", "path": spec, "value": any(identifiers)},
            {"op": "replace", "path": status, "value": any(json!({}))},
        ]);
        change(&definitions, lax).await;
        self.until_lax().await;
        Lax { definitions, strict }
    }

    /// A changed definition takes a moment to be served.
    async fn until_lax(&self) {
        let mut probe = self.covered("probe", "probe");
        probe["spec"]["outputUri"] = json!(7);
        while self.create(&self.hostile, probe.to_string()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.world.control().kubectl(&["delete", "sessionexport", "probe", "--namespace", &self.hostile]);
    }
}

impl Lax {
    /// Returns when the operator works again: a changed definition breaks all watches, for a second or two.
    pub(crate) async fn restore(self, cluster: &Cluster) {
        change(&self.definitions, self.strict).await;
        tokio::time::sleep(SERVED).await;
        // However late it is: that is measured later.
        cluster.victim_accepted_within(SETTLED).await;
    }
}

async fn change(definitions: &Api<CustomResourceDefinition>, patch: Value) {
    let patch = Patch::<()>::Json(serde_json::from_value(patch).unwrap());
    definitions.patch(DEFINITION, &PatchParams::default(), &patch).await.unwrap();
}
