//! SessionExportPolicy: sessions that nobody names are exported, and each policy says what it does.

use crate::simulator::{GROUP, merge};
use crate::world::World;
use kube::api::{Api, ObjectMeta, PostParams};
use serde_json::{Value, json};
use session_export_operator::api::policy::{SessionExportPolicy, SessionExportPolicyStatus};

use std::collections::BTreeSet;

const GETS: &str = "GetStreamSession";

const CALLS: &str = "ExportStreamSessionFiles";
const READY: &str = "Ready=True";


/// A world whose one rule allows policies, and whose operator has the rights for them.
async fn world(name: &str, changes: Value) -> World {
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
    fn policies(&self) -> Api<SessionExportPolicy> {
        self.namespaced()
    }

    async fn policy(&self, name: &str, changes: Value) -> SessionExportPolicy {
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

    async fn policy_status(&self, name: &str) -> SessionExportPolicyStatus {
        self.policies().get(name).await.unwrap().status.unwrap_or_default()
    }

    /// Waits until the policy shows this, such as `Ready=True`, for this reason. Returns its status.
    async fn policy_shows(&self, name: &str, conditions: &str, reason: &str) -> SessionExportPolicyStatus {
        let shows = || async {
            let status = self.policy_status(name).await;
            let mut all: Vec<_> = status.conditions.iter().map(|c| format!("{}={}", c.type_, c.status)).collect();
            all.sort();
            all.join(" ") == conditions && status.conditions.iter().all(|condition| condition.reason == reason)
        };
        self.eventually(&format!("{name} shows {conditions} {reason}"), shows).await;
        self.policy_status(name).await
    }

    /// The sessions that the objects of this namespace export.
    async fn exported_sessions(&self) -> BTreeSet<String> {
        let all = self.exports().list(&Default::default()).await.unwrap().items;
        all.into_iter().map(|export| export.spec.stream_session_identifier).collect()
    }

    /// Waits until AWS has accepted an export of each of these sessions, from one call each.
    async fn all_called_once(&self, sessions: &[String]) {
        let called = || async {
            let mut all = true;
            for session in sessions {
                all &= self.simulator.exports(session).await == 1;
            }
            all
        };
        self.eventually("all are called for", called).await;
    }
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n:02}")).collect()
}

async fn sessions(world: &World, names: &[String], more: Value) {
    let mut seed = json!({"ids": names});
    merge(&mut seed, more);
    world.simulator.ask("POST", "sessions", seed).await;
}

#[tokio::test]
async fn sessions_that_nobody_names_are_exported_without_a_get_before_the_call() {
    let world = world("policy", json!({})).await;
    let before = names("before", 15);
    sessions(&world, &before, json!({})).await;
    let _operator = world.operator().await;
    world.policy("all", json!({})).await;
    world.all_called_once(&before).await;
    let later = names("later", 15);
    sessions(&world, &later, json!({"status": "CONNECTED"})).await;
    world.all_called_once(&later).await;
    let every: Vec<_> = [before, later].concat();
    assert_eq!(world.exported_sessions().await, every.iter().cloned().collect());
    for session in &every {
        let called = world.simulator.calls(CALLS, session).await[0]["ms"].as_f64();
        let gets = world.simulator.calls(GETS, session).await;
        assert!(gets.iter().all(|get| get["ms"].as_f64() > called), "no Get of {session} before its call");
    }
    let status = world.policy_shows("all", READY, "Watching").await;
    assert_eq!(status.observed_generation, Some(1));
    for session in &every {
        world.simulator.end(session).await;
    }
    let counted = || async {
        let status = world.policy_status("all").await;
        status.exports.is_some_and(|exports| exports.succeeded == 30) && status.sessions.is_some_and(|all| all.live == 0)
    };
    world.eventually("all have succeeded", counted).await;
    let made = world.exports().list(&Default::default()).await.unwrap().items;
    for export in made {
        let ObjectMeta { labels, owner_references, .. } = export.metadata;
        assert_eq!(labels.unwrap()["sessionexport.dev/policy"], "all");
        assert_eq!(owner_references.unwrap()[0].kind, "SessionExportPolicy");
        assert_eq!(export.status.unwrap().output_uri, Some(format!("s3://exports/all/{}.zip", export.spec.stream_session_identifier)));
    }
}
