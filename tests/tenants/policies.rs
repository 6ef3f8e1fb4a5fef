//! Policies of a tenant that tries everything: they cost their owner, and nobody else.

use crate::cluster::{Cluster, HOSTILE_GROUP, prefix_of};
use crate::lateness::{TRIES, is_in_time};
use crate::simulator::GROUP;
use futures::{StreamExt, stream};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use session_export_operator::api::condition::ready_reason;
use session_export_operator::api::policy::SessionExportPolicy;
use session_export_operator::api::policy::export_identity::export_name;
use session_export_operator::aws::identifiers::SessionArn;
use std::time::{Duration, Instant};

/// Twice `timing.discoveryInterval`: a session appears at any moment between two scans.
const TWO_SCANS: Duration = Duration::from_secs(4);

/// Both tenants may have policies: the victim for its group, the hostile one for what it invents, too.
fn allow_policies(name: &str) -> Value {
    let rule = |namespace: String, groups: &[&str]| {
        let prefixes = [prefix_of(&namespace)];
        json!({"namespaces": [namespace], "streamGroups": groups, "outputPrefixes": prefixes, "policies": true})
    };
    let rules = [rule(format!("victim-{name}"), &[GROUP]), rule(format!("hostile-{name}"), &["*"])];
    json!({"rules": rules, "policies": {"enabled": true}})
}

/// A policy that leaves a victim's sessions to the objects that name them: whichever of the two is first exports one.
fn of_unnamed_sessions() -> Value {
    json!({"spec": {"selector": {"locations": ["us-west-2"]}}})
}

impl Cluster {
    fn policies(&self, namespace: &str) -> Api<SessionExportPolicy> {
        Api::namespaced(self.world.client.clone(), namespace)
    }

    async fn policy_shows(&self, namespace: &str, name: &str, reason: &str) {
        let shows = || async {
            let status = self.policies(namespace).get(name).await.unwrap().status.unwrap_or_default();
            ready_reason(&status.conditions) == Some(reason)
        };
        self.world.eventually(&format!("{name} shows {reason}"), shows).await;
    }

    /// A session of a group, which nobody names: how long it takes until AWS has accepted its export.
    async fn discovered_after(&self, group: &str, session: &str) -> Duration {
        self.world.simulator.session(session, json!({"group": group})).await;
        let begun = Instant::now();
        self.until_exported(session).await;
        begun.elapsed()
    }

    async fn until_exported(&self, session: &str) {
        let exported = || async { self.world.simulator.exports(session).await == 1 };
        self.world.eventually(&format!("{session} is exported"), exported).await;
    }

    async fn exports_of(&self, namespace: &str, session: &str) -> usize {
        let exports = self.exports(namespace).list(&ListParams::default()).await.unwrap().items;
        let specs = exports.into_iter().filter_map(|received| received.decode().ok()).map(|export| export.spec);
        specs.filter(|spec| spec.stream_session_identifier == session).count()
    }
}

#[tokio::test]
async fn a_thousand_policies_of_one_tenant_delay_no_other() {
    let mut cluster = Cluster::start_alone("thousand-policies", allow_policies("thousand-policies")).await;
    let name = "thousand-policies-undisturbed";
    let mut undisturbed = cluster.beside(name, allow_policies(name)).await;
    let (hostile, victim) = (cluster.hostile.clone(), cluster.victim.clone());
    for one in [&cluster, &undisturbed] {
        one.create_policy(&one.victim, "all", of_unnamed_sessions()).await.unwrap();
        one.discovered_after(GROUP, "Alone").await;
    }

    // Invented groups, groups in invented Regions, and many for one that exists.
    let policies = (0..1000).map(|n| {
        let spec = match n % 10 {
            0 => json!({"streamGroupIdentifier": format!("sg-made{n}")}),
            1 => json!({"streamGroupIdentifier": format!("sg-made{n}"), "region": format!("xx-made-{}", n % 40)}),
            _ => json!({"streamGroupIdentifier": HOSTILE_GROUP}),
        };
        let (cluster, hostile) = (&cluster, &hostile);
        async move { cluster.create_policy(hostile, &format!("p{n}"), json!({"spec": spec})).await }
    });
    let created: Vec<_> = stream::iter(policies.collect::<Vec<_>>()).buffer_unordered(8).collect().await;
    let refused: Vec<_> = created.iter().filter_map(|created| created.as_ref().err()).collect();
    assert!(refused.is_empty(), "{refused:?}");

    // The victim's group is listed as often as before, and its policy's status is kept.
    let mut in_time = false;
    for n in 0..TRIES {
        let session = format!("Beside{n}");
        let (victims, others) =
            (cluster.discovered_after(GROUP, &session), undisturbed.discovered_after(GROUP, &session));
        in_time = in_time || is_in_time(victims, others, TWO_SCANS).await;
    }
    assert!(in_time, "each session was discovered late");
    cluster.victims_are_unharmed(&mut undisturbed).await;
    cluster.policy_shows(&victim, "all", "Watching").await;
    let regions = cluster.world.simulator.calls("ListStreamSessions", "").await;
    assert!(regions.iter().all(|call| call["region"] == "us-west-2"), "no call to an invented Region");
    // Of 800 policies for one group, one makes the object.
    cluster.discovered_after(HOSTILE_GROUP, "Own").await;
    assert_eq!(cluster.exports_of(&hostile, "Own").await, 1);
}

#[tokio::test]
async fn of_two_tenants_with_a_policy_for_one_group_each_session_is_exported_for_one() {
    let cluster = Cluster::start("one-group", allow_policies("one-group")).await;
    let (hostile, victim) = (cluster.hostile.clone(), cluster.victim.clone());
    // Neither a suspended nor a forbidden policy keeps a session from another tenant.
    let elsewhere = json!({"spec": {"template": {"spec": {"outputUri": "s3://elsewhere/{sessionId}.zip"}}}});
    for (name, changes) in [("suspended", json!({"spec": {"suspend": true}})), ("forbidden", elsewhere)] {
        cluster.create_policy(&hostile, name, changes).await.unwrap();
    }
    cluster.policy_shows(&hostile, "suspended", "Suspended").await;
    cluster.policy_shows(&hostile, "forbidden", "DestinationForbidden").await;
    cluster.create_policy(&victim, "all", json!({})).await.unwrap();
    cluster.discovered_after(GROUP, "First").await;
    assert_eq!(cluster.exports_of(&victim, "First").await, 1);

    cluster.create_policy(&hostile, "grab", json!({})).await.unwrap();
    cluster.policy_shows(&hostile, "grab", "Watching").await;
    let sessions: Vec<String> = (0..20).map(|n| format!("Shared{n}")).collect();
    cluster.world.simulator.ask("POST", "sessions", json!({"ids": &sessions})).await;
    for session in &sessions {
        cluster.until_exported(session).await;
    }
    for session in &sessions {
        cluster.world.simulator.end(session).await;
    }
    // Also when both have made an object for a session: what has lost says so, and AWS is asked once.
    let all_end = || async {
        let mut succeeded = 0;
        for namespace in [&hostile, &victim] {
            let exports = cluster.exports(namespace).list(&ListParams::default()).await.unwrap().items;
            let statuses = exports.into_iter().filter_map(|received| received.decode().ok()?.status);
            succeeded +=
                statuses.filter(|status| status.output_uri.is_some() && status.completion_time.is_some()).count();
        }
        succeeded == sessions.len()
    };
    cluster.world.eventually("each ZIP is one tenant's", all_end).await;
    for session in &sessions {
        assert_eq!(cluster.world.simulator.exports(session).await, 1, "{session}");
    }
}

#[tokio::test]
async fn templates_at_their_limits_names_that_are_taken_and_forged_statuses_harm_no_other() {
    let mut cluster = Cluster::start("templates", allow_policies("templates")).await;
    let mut undisturbed = cluster.undisturbed().await;
    let (hostile, victim) = (cluster.hostile.clone(), cluster.victim.clone());
    let long = "p".repeat(63);
    let labels: serde_json::Map<String, Value> = (0..7).map(|n| (format!("l{n}"), json!("v".repeat(63)))).collect();
    let annotations: serde_json::Map<String, Value> =
        (0..8).map(|n| (format!("a{n}"), json!("v".repeat(256)))).collect();
    let changes = json!({
        "spec": {"streamGroupIdentifier": HOSTILE_GROUP, "template": {"metadata": {"labels": labels, "annotations": annotations}}},
    });
    // The name that the policy would use for a session.
    let arn = SessionArn {
        region: "us-west-2".parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        group: HOSTILE_GROUP.parse().unwrap(),
        session: "Taken".parse().unwrap(),
    };
    cluster.create(&hostile, cluster.covered(&export_name(&long, &arn), "none").to_string()).await.unwrap();
    cluster.create_policy(&hostile, &long, changes).await.unwrap();
    let sessions: Vec<String> = (0..50).map(|n| format!("L{n:049}")).chain(["Taken".to_owned()]).collect();
    cluster.world.simulator.ask("POST", "sessions", json!({"ids": &sessions, "group": HOSTILE_GROUP})).await;
    cluster.create_policy(&victim, "all", of_unnamed_sessions()).await.unwrap();
    cluster.victims_are_unharmed(&mut undisturbed).await;
    for session in &sessions[..50] {
        cluster.until_exported(session).await;
    }
    assert_eq!(cluster.world.simulator.exports("Taken").await, 0, "the name is its owner's");

    // Nobody reads a policy's status, whatever it says: the next session is exported.
    let forged = json!({"status": {
        "observedGeneration": 999, "streamGroupArn": "forged", "sessions": {"live": -5, "selected": 7, "elsewhere": 0},
        "conditions": [{
            "type": "Stalled", "status": "True", "reason": "Forged", "message": "m".repeat(512),
            "lastTransitionTime": "2100-01-01T00:00:00Z",
        }],
    }});
    let params = PatchParams::default();
    cluster.policies(&victim).patch_status("all", &params, &Patch::Merge(&forged)).await.unwrap();
    cluster.discovered_after(GROUP, "After").await;
    cluster.policy_shows(&victim, "all", "Watching").await;
    let repaired = cluster.policies(&victim).get("all").await.unwrap().status.unwrap();
    assert!(repaired.conditions.iter().all(|condition| condition.type_ != "Stalled"), "{repaired:?}");

    // One that is being deleted, for as long as its owner likes, makes nothing.
    let finalizer = json!({"metadata": {"finalizers": ["example.com/never"]}});
    cluster.policies(&hostile).patch(&long, &params, &Patch::Merge(&finalizer)).await.unwrap();
    cluster.policies(&hostile).delete(&long, &DeleteParams::foreground()).await.unwrap();
    cluster.world.simulator.session("Late", json!({"group": HOSTILE_GROUP})).await;
    cluster.discovered_after(GROUP, "AfterLate").await;
    cluster.victims_are_unharmed(&mut undisturbed).await;
    assert_eq!(cluster.world.simulator.exports("Late").await, 0);
    let none = json!({"metadata": {"finalizers": null}});
    cluster.policies(&hostile).patch(&long, &params, &Patch::Merge(&none)).await.unwrap();
}
