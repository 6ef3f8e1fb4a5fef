//! The rows of a policy's table.

use super::as_committed;
use crate::policy_world::{READY, STALLED, world};
use crate::world::World;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::Duration;

const LISTS: &str = "ListStreamSessions";
const RECONCILING: &str = "Ready=False Reconciling=True";

/// The reason that the name of a policy spells.
pub(super) fn reason_of(name: &str) -> String {
    name.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}

impl World {
    /// Waits until a policy shows this for the reason that its name spells, and compares it with the committed one.
    async fn policy_left(&self, name: &str, conditions: &str) {
        self.policy_shows(name, conditions, &reason_of(name)).await;
        let mut shown = self.policies().get(name).await.unwrap();
        loop {
            // Counts follow the conditions: after heldStatusDelay, at the next tick.
            tokio::time::sleep(Duration::from_secs(3)).await;
            let later = self.policies().get(name).await.unwrap();
            if later.metadata.resource_version == shown.metadata.resource_version {
                return as_committed(name, &later);
            }
            shown = later;
        }
    }
}

#[tokio::test]
async fn what_the_spec_and_the_rules_decide_is_left_as_committed() {
    let world = world("left-policies", json!({})).await;
    let unseen = world.policy("unseen", json!({"suspend": true})).await;
    as_committed("unseen", &unseen);
    let _operator = world.operator().await;
    let elsewhere = json!({"template": {"spec": {"outputUri": "s3://elsewhere/{sessionId}.zip"}}});
    let foreign = "arn:aws:gameliftstreams:us-west-2:999988887777:streamgroup/sg-1AB2C3De4";
    for (name, spec, conditions) in [
        ("watching", json!({}), READY),
        ("suspended", json!({"suspend": true}), READY),
        ("destination-forbidden", elsewhere, STALLED),
        ("account-mismatch", json!({"streamGroupIdentifier": foreign}), STALLED),
        ("service-account-not-supported", json!({"serviceAccountName": "exports"}), STALLED),
        ("stream-group-not-found", json!({"streamGroupIdentifier": "sg-unknown"}), STALLED),
    ] {
        world.policy(name, spec).await;
        world.policy_left(name, conditions).await;
    }
}

#[tokio::test]
async fn what_aws_decides_is_left_as_committed() {
    for (name, action, conditions) in [
        ("discovering", json!({"type": "throttle"}), RECONCILING),
        ("access-denied", json!({"type": "accessDenied"}), STALLED),
        ("credentials-unavailable", json!({"type": "expiredToken"}), STALLED),
    ] {
        let world = world(&format!("left-{name}"), json!({})).await;
        world.simulator.fault(json!({"operation": LISTS, "action": action})).await;
        let _operator = world.operator().await;
        world.policy(name, json!({})).await;
        world.policy_left(name, conditions).await;
    }
}

#[tokio::test]
async fn a_policy_that_falls_behind_is_left_as_committed() {
    let world = world("left-behind", json!({"timing": {"reconnectScanInterval": "10m"}})).await;
    let _operator = world.operator().await;
    world.policy("behind", json!({})).await;
    world.policy_shows("behind", READY, "Watching").await;
    // The first scan reads all lists; what later ones cost is in the message.
    let lists = world.simulator.calls(LISTS, "").await.len();
    world.eventually("later scans", || async { world.simulator.calls(LISTS, "").await.len() >= lists + 8 }).await;
    world.simulator.fault(json!({"operation": LISTS, "action": {"type": "throttle"}})).await;
    world.policy_left("behind", RECONCILING).await;
}

#[tokio::test]
async fn what_keeps_exports_from_being_made_or_accepted_is_left_as_committed() {
    let world = world("left-unaccepted", json!({"watch": {"labelSelector": "shard=a"}})).await;
    world.simulator.session("held", json!({})).await;
    world.simulator.fault(json!({"operation": "ExportStreamSessionFiles", "action": {"type": "accessDenied"}})).await;
    let _operator = world.operator().await;
    let labelled = json!({"metadata": {"labels": {"shard": "a"}}});
    for (name, spec) in [("out-of-scope", json!({})), ("exports-held", json!({"template": labelled}))] {
        world.policy(name, spec).await;
        world.policies().patch(name, &PatchParams::default(), &Patch::Merge(&labelled)).await.unwrap();
        world.policy_left(name, STALLED).await;
    }
}

#[tokio::test]
async fn a_policy_whose_exports_are_refused_is_left_as_committed() {
    let world = world("left-refused", json!({})).await;
    world.simulator.session("live", json!({})).await;
    world.quota_of_exports(0).await;
    let _operator = world.operator().await;
    world.policy("exports-refused", json!({})).await;
    world.policy_left("exports-refused", STALLED).await;
}
