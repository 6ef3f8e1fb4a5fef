//! SessionExportPolicy: sessions that nobody names are exported, and each policy says what it does.

use crate::fairness::received;
use crate::latency::now;
use crate::policy_world::{READY, STALLED, world};
use crate::simulator::{GROUP, merge};
use crate::world::World;
use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams};
use serde_json::{Value, json};
use session_export_operator::api::policy::SessionExportPolicyStatus;
use session_export_operator::api::policy::export_identity::export_name;
use std::collections::BTreeSet;
use std::time::Duration;

const LISTS: &str = "ListStreamSessions";
const GETS: &str = "GetStreamSession";
const CALLS: &str = "ExportStreamSessionFiles";

impl World {
    /// The sessions that the objects of this namespace export.
    async fn exported_sessions(&self) -> BTreeSet<String> {
        let all = self.exports().list(&ListParams::default()).await.unwrap().items;
        all.into_iter().map(|export| export.spec.stream_session_identifier).collect()
    }

    /// The reasons of the Events of a policy.
    async fn events_of_policy(&self, name: &str) -> Vec<String> {
        let events: Api<Event> = self.namespaced();
        let all = events.list(&ListParams::default()).await.unwrap().items;
        let of_it =
            all.into_iter().filter(|event| event.regarding.as_ref().is_some_and(|it| it.name.as_deref() == Some(name)));
        of_it.filter_map(|event| event.reason).collect()
    }

    /// At most so many SessionExports in the namespace.
    pub(crate) async fn quota_of_exports(&self, count: u32) {
        let quotas: Api<ResourceQuota> = self.namespaced();
        let quota = json!({
            "metadata": {"name": "exports"},
            "spec": {"hard": {"count/sessionexports.sessionexport.dev": count.to_string()}},
        });
        // The controller manager looks for new kinds every 30 s; a quota of a kind that it doesn't know yet stands
        // uncounted for 5 minutes, and so is made again.
        for _ in 0..40 {
            quotas.create(&PostParams::default(), &serde_json::from_value(quota.clone()).unwrap()).await.unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
            let status = quotas.get("exports").await.unwrap().status.unwrap_or_default();
            if status.used.is_some_and(|used| !used.is_empty()) {
                return;
            }
            self.no_quota_of_exports().await;
        }
        panic!("the quota is never counted");
    }

    async fn no_quota_of_exports(&self) {
        let quotas: Api<ResourceQuota> = self.namespaced();
        quotas.delete("exports", &DeleteParams::default()).await.unwrap();
    }

    /// Waits until AWS has accepted an export of each of these sessions, from one call each.
    pub(crate) async fn all_called_once(&self, sessions: &[String]) {
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

pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n:02}")).collect()
}

pub(crate) async fn sessions(world: &World, names: &[String], more: Value) {
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
        status.exports.is_some_and(|exports| exports.succeeded == 30)
            && status.sessions.is_some_and(|all| all.live == 0)
    };
    world.eventually("all have succeeded", counted).await;
    let made = world.exports().list(&ListParams::default()).await.unwrap().items;
    for export in made {
        let ObjectMeta { labels, owner_references, .. } = export.metadata;
        assert_eq!(labels.unwrap()["sessionexport.dev/policy"], "all");
        assert_eq!(owner_references.unwrap()[0].kind, "SessionExportPolicy");
        assert_eq!(
            export.status.unwrap().output_uri,
            Some(format!("s3://exports/all/{}.zip", export.spec.stream_session_identifier))
        );
    }
}

pub(crate) fn message(status: &SessionExportPolicyStatus) -> String {
    status.conditions[0].message.to_string()
}

#[tokio::test]
async fn each_policy_says_what_is_in_its_way_and_recovers_by_itself() {
    let world = world("policy-rows", json!({})).await;
    world.simulator.session("live", json!({})).await;
    let operator = world.operator().await;
    let elsewhere = json!({"template": {"spec": {"outputUri": "s3://elsewhere/{namespace}/{sessionId}.zip"}}});
    world.policy("forbidden", elsewhere).await;
    let other_account = "arn:aws:gameliftstreams:us-west-2:999988887777:streamgroup/sg-1AB2C3De4";
    world.policy("other-account", json!({"streamGroupIdentifier": other_account})).await;
    world.policy("other-role", json!({"serviceAccountName": "exports"})).await;
    world.policy("suspended", json!({"suspend": true})).await;
    let forbidden = world.policy_shows("forbidden", STALLED, "DestinationForbidden").await;
    world.policy_shows("other-account", STALLED, "AccountMismatch").await;
    world.policy_shows("other-role", STALLED, "ServiceAccountNotSupported").await;
    world.policy_shows("suspended", READY, "Suspended").await;
    let counted = || async { world.policy_status("suspended").await.sessions.is_some_and(|all| all.live == 1) };
    world.eventually("a suspended policy counts", counted).await;
    assert_eq!(world.exported_sessions().await, BTreeSet::new());
    operator.stop().await;

    // The rule that the message prints is the one that lets it through.
    let said = message(&forbidden);
    let rule: Value = serde_yaml::from_str(said.split("may add to rules: ").nth(1).unwrap()).unwrap();
    let _operator = world.start(json!({"rules": [rule]}), &[]).await;
    world.policy_shows("forbidden", READY, "Watching").await;
    world.all_called_once(&names_of(&["live"])).await;
}

pub(crate) fn names_of(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn denied_lists_and_unknown_groups_stall_and_recover() {
    let world = world("policy-denied", json!({})).await;
    world.simulator.session("live", json!({})).await;
    let deny = json!({"operation": LISTS, "action": {"type": "accessDenied"}});
    world.simulator.fault(deny).await;
    let _operator = world.operator().await;
    world.policy("denied", json!({})).await;
    world.policy("unknown", json!({"streamGroupIdentifier": "sg-unknown"})).await;
    let denied = world.policy_shows("denied", STALLED, "AccessDenied").await;
    assert!(message(&denied).contains("gameliftstreams:ListStreamSessions"), "{denied:?}");
    world.simulator.no_faults().await;
    world.policy_shows("denied", READY, "Watching").await;
    world.policy_shows("unknown", STALLED, "StreamGroupNotFound").await;
    world.all_called_once(&names_of(&["live"])).await;
}

#[tokio::test]
async fn the_oldest_export_that_stays_stalled_shows_in_the_policy_until_it_is_accepted() {
    let world = world("policy-held", json!({})).await;
    world.simulator.session("live", json!({})).await;
    world.simulator.fault(json!({"operation": CALLS, "action": {"type": "accessDenied"}})).await;
    let _operator = world.operator().await;
    world.policy("all", json!({})).await;
    let held = world.policy_shows("all", STALLED, "ExportsHeld").await;
    let name = export_name("all", &session_arn("live"));
    assert!(message(&held).contains(&name) && message(&held).contains("AccessDenied"), "{held:?}");
    world.simulator.no_faults().await;
    world.policy_shows("all", READY, "Watching").await;
}

/// No field of a list's summary is required in AWS's model.
#[tokio::test]
async fn what_a_list_lacks_is_read_with_one_get_for_each_session() {
    let world = world("policy-lacks", json!({})).await;
    world.simulator.behave(json!({"defaults": {"listMetadata": "statusOnly"}})).await;
    let pending = |uri: &str| json!({"export": {"status": "PENDING", "outputUri": uri, "frozen": true}});
    world.simulator.session("ours", pending("s3://exports/all/us-west-2/ours.zip")).await;
    world.simulator.session("foreign", pending("s3://exports/foreign/")).await;
    for session in ["unlisted", "nowhere"] {
        world.simulator.session(session, json!({})).await;
    }
    let without = |operation: Option<&str>, session: &str| {
        let action = json!({"type": "omitFields", "fields": ["Location", "CreatedAt"]});
        json!({"operation": operation, "session": session, "action": action})
    };
    world.simulator.fault(json!([without(Some(LISTS), "unlisted"), without(None, "nowhere")])).await;
    let _operator = world.operator().await;
    let uri = "s3://exports/{policy}/{location}/{sessionId}.zip";
    world.policy("all", json!({"template": {"spec": {"outputUri": uri}}})).await;
    world.all_called_once(&names_of(&["unlisted"])).await;
    let made = || async { world.exported_sessions().await.len() == 2 };
    world.eventually("two objects are made", made).await;
    let counted = || async { world.policy_status("all").await.sessions.is_some_and(|all| all.elsewhere == 1) };
    world.eventually("the foreign export is counted", counted).await;
    let lists = world.simulator.calls(LISTS, "").await.len();
    let later = || async { world.simulator.calls(LISTS, "").await.len() >= lists + 10 };
    world.eventually("more scans come", later).await;
    assert_eq!(world.exported_sessions().await, names_of(&["ours", "unlisted"]).into_iter().collect());
    for session in ["foreign", "nowhere"] {
        assert_eq!(world.simulator.calls(GETS, session).await.len(), 1, "{session}");
    }
    for session in ["ours", "foreign", "nowhere"] {
        assert_eq!(world.simulator.exports(session).await, 0, "{session}");
    }
}

/// Sessions arrive while leaders are killed: each has one object and one accepted export.
#[tokio::test]
async fn a_leader_that_is_killed_leaves_no_session_out_and_none_is_exported_twice() {
    let world = world("policy-crash", json!({})).await;
    world.policy("all", json!({})).await;
    let mut every = Vec::new();
    for round in 0..4_u64 {
        let operator = world.operator().await;
        let some = names(&format!("round{round}x"), 12);
        sessions(&world, &some, json!({})).await;
        every.extend(some);
        // In the middle of it, at another point each time.
        let made = || async { world.exported_sessions().await.len() as u64 >= 12 * round + 3 * round };
        world.eventually("some are made", made).await;
        world.crash(operator).await;
    }
    let _operator = world.operator().await;
    world.all_called_once(&every).await;
    assert_eq!(world.exported_sessions().await, every.iter().cloned().collect());
    for session in &every {
        world.simulator.end(session).await;
    }
    let done = || async {
        let all = world.exports().list(&ListParams::default()).await.unwrap().items;
        all.iter().all(|export| export.status.as_ref().is_some_and(|status| status.completion_time.is_some()))
    };
    world.eventually("all are done", done).await;
    for session in &every {
        let promised = world.simulator.exports(session).await;
        assert!((1..=2).contains(&promised), "{session}: {promised} calls; a call whose answer was lost is repeated");
    }
}

/// The old leader sleeps while it makes objects, beyond its lease, and wakes up with candidates in its hands.
#[tokio::test]
async fn a_leader_that_slept_beyond_its_lease_makes_nothing_more() {
    let lease = json!({
        "leaseDuration": "4s", "leaseRenewDeadline": "2500ms", "leaseRetry": "300ms", "callTimeout": "1500ms",
    });
    let world = world("policy-sleeper", json!({"timing": lease})).await;
    let first = world.operator().await;
    first.ready("leading").await;
    let second = world.operator().await;
    second.ready("standing by").await;
    world.policy("all", json!({})).await;
    let before = names("before", 20);
    sessions(&world, &before, json!({})).await;
    world.eventually("some are made", || async { world.exported_sessions().await.len() >= 3 }).await;
    first.signal("STOP");
    let later = names("later", 10);
    sessions(&world, &later, json!({})).await;
    second.ready("leading").await;
    let every: Vec<_> = [before, later].concat();
    let all_made = || async { world.exported_sessions().await.len() == every.len() };
    world.eventually("all are made", all_made).await;
    let woken = now();
    first.signal("CONT");
    first.ready("standing by").await;
    for session in &every {
        let accepted = || async { world.simulator.accepted(session).await.len() == 1 };
        world.eventually(&format!("{session} is accepted"), accepted).await;
    }
    world.policy_shows("all", READY, "Watching").await;
    // A request that had passed the fence may still go out: it is refused, for its object is a newer one.
    let changes = world.requests_by(0).await.into_iter().filter(|line| {
        line["objectRef"]["apiGroup"] == "sessionexport.dev"
            && ["create", "patch", "delete"].contains(&line["verb"].as_str().unwrap_or_default())
            && received(line) >= woken
            && line["responseStatus"]["code"].as_i64().is_some_and(|code| code < 300)
    });
    assert_eq!(changes.collect::<Vec<_>>(), Vec::<Value>::new(), "nothing was changed after the lease had run out");
    let made = world.exports().list(&ListParams::default()).await.unwrap().items.len();
    assert_eq!(made, every.len(), "one object for each session");
}

#[tokio::test]
async fn a_policy_leaves_alone_what_is_not_its_own() {
    let world = world("policy-own", json!({})).await;
    for session in ["excluded", "taken", "free"] {
        world.simulator.session(session, json!({})).await;
    }
    world.export_with("mine", "excluded", "s3://exports/mine/", json!({"suspend": true})).await;
    // The name that the policy would use, for another session.
    let name = export_name("all", &session_arn("taken"));
    world.simulator.session("other", json!({"status": "ACTIVATING"})).await;
    world.export(&name, "other", "s3://exports/other/").await;
    let _operator = world.operator().await;
    world.policy("all", json!({})).await;
    world.all_called_once(&names_of(&["free"])).await;
    world.policy_shows("all", READY, "Watching").await;
    let events = || async { world.events_of_policy("all").await.contains(&"NameTaken".to_owned()) };
    world.eventually("the taken name is told", events).await;
    let own: Vec<_> = world.exports().list(&ListParams::default()).await.unwrap().items;
    let made: Vec<_> = own.iter().filter(|export| export.metadata.owner_references.is_some()).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(world.simulator.exports("excluded").await + world.simulator.exports("taken").await, 0);
}

pub(crate) fn session_arn(session: &str) -> session_export_operator::aws::identifiers::SessionArn {
    session_export_operator::aws::identifiers::SessionArn {
        region: "us-west-2".parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        group: GROUP.parse().unwrap(),
        session: session.parse().unwrap(),
    }
}

/// The garbage collector is at work while the new policy finds the objects of the old one.
#[tokio::test]
async fn a_policy_that_is_deleted_and_made_again_exports_each_session_once() {
    let world = world("policy-again", json!({})).await;
    let all = names("s", 10);
    sessions(&world, &all, json!({})).await;
    let _operator = world.operator().await;
    world.policy("all", json!({})).await;
    world.all_called_once(&all).await;
    let old = world.policies().get("all").await.unwrap().metadata.uid.unwrap();
    world.policies().delete("all", &DeleteParams::default()).await.unwrap();
    world.eventually("it is gone", || async { world.policies().get_opt("all").await.unwrap().is_none() }).await;
    world.policy("all", json!({})).await;
    let is_gone = || async {
        let exports = world.exports().list(&ListParams::default()).await.unwrap().items;
        let mut owners = exports.iter().flat_map(|export| export.metadata.owner_references.iter().flatten());
        owners.all(|owner| owner.uid != old)
    };
    // The new policy may have made objects of these sessions again: they cost no second call.
    world.eventually("the old objects are gone", is_gone).await;
    for session in &all {
        assert_eq!(world.simulator.exports(session).await, 1, "{session}");
    }
}

#[tokio::test]
async fn a_full_namespace_stalls_the_policy_and_what_comes_free_is_used() {
    let world = world("policy-quota", json!({})).await;
    world.quota_of_exports(2).await;
    let all = names("s", 5);
    sessions(&world, &all, json!({})).await;
    let _operator = world.operator().await;
    world.policy("all", json!({})).await;
    let refused = world.policy_shows("all", STALLED, "ExportsRefused").await;
    assert!(message(&refused).contains("exceeded quota"), "{refused:?}");
    assert_eq!(world.exported_sessions().await.len(), 2);
    world.no_quota_of_exports().await;
    world.all_called_once(&all).await;
    world.policy_shows("all", READY, "Watching").await;
}

/// More than a policy keeps as candidates: they cost a request now and then, and nothing from others.
#[tokio::test]
async fn thousands_of_candidates_in_a_full_namespace_cost_one_refused_creation_at_a_time() {
    let world = world("policy-crowd", json!({})).await;
    world.quota_of_exports(2).await;
    sessions(&world, &names("s", 2500), json!({})).await;
    let _operator = world.operator().await;
    world.policy("all", json!({})).await;
    world.policy_shows("all", STALLED, "ExportsRefused").await;
    let creations = || async {
        world.changes_by(0).await.iter().filter(|change| change.starts_with("create sessionexports ")).count()
    };
    let before = creations().await;
    assert!(before >= 3, "two were made, and one was refused: {before}");
    tokio::time::sleep(Duration::from_secs(25)).await;
    let refused = creations().await - before;
    assert!(refused <= 3, "{refused} creations in 25 s");
    assert_eq!(world.exported_sessions().await.len(), 2);
    world.no_quota_of_exports().await;
    let goes_on = || async { world.exported_sessions().await.len() >= 30 };
    world.eventually("what comes free is used", goes_on).await;
    world.policy_shows("all", READY, "Watching").await;
}

#[tokio::test]
async fn without_its_rights_or_switched_off_only_policies_are_held() {
    for (name, changes, permitted) in
        [("policy-rights", json!({}), false), ("policy-off", json!({"policies": {"enabled": false}}), true)]
    {
        let world = World::with(name, &[], json!({"policies": {"enabled": true}})).await;
        if permitted {
            world.permit_policies().await;
        }
        world.simulator.session("named", json!({})).await;
        world.policy("all", json!({})).await;
        let operator = world.start(changes, &[]).await;
        operator.ready("leading").await;
        world.export("one", "named", "s3://exports/a/").await;
        world.all_called_once(&names_of(&["named"])).await;
        let status = world.policy_status("all").await;
        assert!(status.conditions.iter().all(|condition| condition.reason != "Watching"), "{status:?}");
        assert_eq!(world.exported_sessions().await.len(), 1);
    }
}
