//! SessionExportPolicies: an upgrade that brings them, and what becomes of their exports when the operator goes.

use crate::cluster::Cluster;
use crate::helm::CHART;
use crate::release::{Release, TENANT, VERSION, image};
use crate::simulator::GROUP;
use crate::story::exports_during;
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use session_export_operator::api::policy::SessionExportPolicy;

impl Cluster {
    fn policies(&self) -> Api<SessionExportPolicy> {
        Api::namespaced(self.client.clone(), TENANT)
    }

    async fn create_policy(&self) {
        let object = json!({
            "apiVersion": "sessionexport.dev/v1alpha1",
            "kind": "SessionExportPolicy",
            "metadata": {"name": "every-session"},
            "spec": {
                "streamGroupIdentifier": GROUP,
                "template": {"spec": {"outputUri": "s3://exports/team-a/{policy}/{sessionId}.zip"}},
            },
        });
        self.policies().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    /// Live sessions that nobody names.
    async fn sessions(&self, prefix: &str, count: usize) -> Vec<String> {
        let names: Vec<String> = (0..count).map(|n| format!("{prefix}-{n}")).collect();
        self.simulator.ask("POST", "sessions", json!({"ids": names})).await;
        names
    }

    /// Waits until the policy shows this as the reason of its condition Ready.
    async fn policy_shows(&self, reason: &str) {
        let shows = || async {
            let status = self.policies().get("every-session").await.unwrap().status.unwrap_or_default();
            status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.reason == reason)
        };
        self.eventually(reason, shows).await;
    }

    /// The definition of policies.
    async fn definition(&self) -> Option<CustomResourceDefinition> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        definitions.get_opt("sessionexportpolicies.sessionexport.dev").await.unwrap()
    }
}

/// The values of before, with policies: by default, under a rule that allows them.
pub(crate) fn with_policies(values: &Value) -> Value {
    let mut values = values.clone();
    values.as_object_mut().unwrap().remove("policies");
    values["config"]["rules"][0]["policies"] = json!(true);
    values
}

/// From a release without policies.
pub(crate) async fn upgraded_to_policies(cluster: &Cluster, release: &Release, values: &Value) {
    assert!(cluster.definition().await.is_none(), "nothing of policies is installed");
    let mut names = cluster.exports_of("without", 3).await;
    cluster.accepted(&names).await;
    let (values, helm) = (values.clone(), release.clone());
    names.extend(exports_during(cluster, "to-policies", move || helm.upgrade(CHART, &values)).await);
    cluster.is_at_work(&image(VERSION)).await;
    cluster.come_to_their_zips(&names).await;
    cluster.create_policy().await;
    cluster.policy_shows("Watching").await;
    let sessions = cluster.sessions("unnamed", 20).await;
    cluster.come_to_their_zips(&sessions).await;
}

/// What a policy has made stays, and AWS goes on with it. Returns when nothing was installed.
pub(crate) async fn uninstalled_with_a_policy(
    cluster: &Cluster,
    release: &Release,
    values: &Value,
) -> (Timestamp, Timestamp) {
    let begun = cluster.sessions("under-way", 5).await;
    cluster.accepted(&begun).await;
    let objects = || async { cluster.exports().list(&ListParams::default()).await.unwrap().items };
    let before = objects().await;
    let gone = Timestamp::now();
    release.uninstall();
    cluster.without_pods().await;
    let without = (gone, Timestamp::now());
    assert!(cluster.definition().await.is_some(), "it is kept, and with it every policy");
    assert_eq!(objects().await, before, "every object is there, and as it was");
    let meanwhile = cluster.sessions("meanwhile", 5).await;
    cluster.simulator.end("under-way-0").await;
    release.install(values);
    cluster.is_at_work(&image(VERSION)).await;
    cluster.came_to_their_zips(&begun[..1]).await;
    cluster.come_to_their_zips(&[&begun[1..], &meanwhile].concat()).await;
    without
}

/// Nothing is made any more, and what was made comes to its end. Returns when the rights were going.
pub(crate) async fn switched_off(cluster: &Cluster, release: &Release, values: &Value) -> (Timestamp, Timestamp) {
    let begun = cluster.sessions("before-off", 5).await;
    cluster.accepted(&begun).await;
    let before = cluster.uids().await;
    let mut values = values.clone();
    values["policies"] = json!({"enabled": false});
    let from = Timestamp::now();
    release.upgrade(CHART, &values);
    cluster.is_at_work(&image(VERSION)).await;
    // Until it is gone, the leader of before goes on with its policies, and is denied what it asks for.
    cluster.without_pods_of(&before).await;
    let going = (from, Timestamp::now());
    assert!(cluster.policies().get_opt("every-session").await.unwrap().is_some(), "it is kept");
    let ignored = cluster.sessions("ignored", 1).await;
    cluster.come_to_their_zips(&begun).await;
    assert_eq!(cluster.simulator.truth(&ignored[0]).await["export"], Value::Null, "nobody has asked");
    going
}
