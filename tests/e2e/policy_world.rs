//! A world with SessionExportPolicies.

use crate::simulator::{GROUP, merge};
use crate::world::World;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use session_export_operator::api::policy::{SessionExportPolicy, SessionExportPolicyStatus};

pub(crate) const READY: &str = "Ready=True";
pub(crate) const STALLED: &str = "Ready=False Stalled=True";

/// A world whose one rule allows policies, and whose operator has the rights for them.
pub(crate) async fn world(name: &str, changes: Value) -> World {
    let mut settings = json!({
        "policies": {"enabled": true},
        "timing": {"discoveryInterval": "300ms", "reconnectScanInterval": "2s"},
        "rules": [{
            "namespaces": [format!("e2e-{name}")],
            "streamGroups": ["*"],
            "outputPrefixes": ["s3://exports/"],
            "policies": true,
        }],
    });
    merge(&mut settings, changes);
    let world = World::with(name, &[], settings).await;
    world.permit_policies().await;
    world
}

impl World {
    pub(crate) fn policies(&self) -> Api<SessionExportPolicy> {
        self.namespaced()
    }

    pub(crate) async fn policy(&self, name: &str, changes: Value) -> SessionExportPolicy {
        let mut object = json!({
            "apiVersion": "sessionexport.dev/v1alpha1",
            "kind": "SessionExportPolicy",
            "metadata": {"name": name},
            "spec": {
                "streamGroupIdentifier": GROUP,
                "template": {"spec": {"outputUri": "s3://exports/{policy}/{sessionId}.zip"}},
            },
        });
        merge(&mut object["spec"], changes);
        self.policies().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
    }

    pub(crate) async fn policy_status(&self, name: &str) -> SessionExportPolicyStatus {
        self.policies().get(name).await.unwrap().status.unwrap_or_default()
    }

    /// Waits until the policy shows this, such as `Ready=True`, for this reason. Returns its status.
    pub(crate) async fn policy_shows(&self, name: &str, conditions: &str, reason: &str) -> SessionExportPolicyStatus {
        let shows = || async {
            let status = self.policy_status(name).await;
            let mut all: Vec<_> = status.conditions.iter().map(|c| format!("{}={}", c.type_, c.status)).collect();
            all.sort();
            all.join(" ") == conditions && status.conditions.iter().all(|condition| condition.reason == reason)
        };
        self.eventually(&format!("{name} shows {conditions} {reason}"), shows).await;
        self.policy_status(name).await
    }
}
