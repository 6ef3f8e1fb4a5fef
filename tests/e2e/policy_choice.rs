//! Which sessions a policy takes, and how many of its finished exports it keeps.

use crate::operator::Operator;
use crate::policies::{message, names, names_of, session_arn, sessions};
use crate::policy_world::{READY, STALLED, world};
use crate::world::World;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use session_export_operator::api::policy::export_identity::is_in_sample;
use std::collections::BTreeSet;

const LISTS: &str = "ListStreamSessions";
const CALLS: &str = "ExportStreamSessionFiles";

impl World {
    async fn patch_policy(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.policies().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits until this many more pages of lists have been read.
    async fn pages(&self, count: usize) {
        let before = self.simulator.calls(LISTS, "").await.len();
        let read = || async { self.simulator.calls(LISTS, "").await.len() >= before + count };
        self.eventually("more scans", read).await;
    }

    /// The sessions that a policy has exported.
    async fn exported_by(&self, policy: &str) -> BTreeSet<String> {
        let of_it = ListParams::default().labels(&format!("sessionexport.dev/policy={policy}"));
        let all = self.exports().list(&of_it).await.unwrap().items;
        all.into_iter().map(|export| export.spec.stream_session_identifier).collect()
    }
}

#[tokio::test]
async fn the_sample_is_the_same_for_every_leader_and_a_greater_one_holds_the_smaller() {
    let world = world("policy-sample", json!({})).await;
    let all = names("s", 60);
    sessions(&world, &all, json!({})).await;
    let sample = |percent: u8| -> BTreeSet<String> {
        all.iter().filter(|session| is_in_sample(&session_arn(session), percent)).cloned().collect()
    };
    let (small, great) = (sample(20), sample(60));
    assert!(!small.is_empty() && small.is_subset(&great) && great.len() < all.len());
    let operator = world.operator().await;
    world.policy("all", json!({"samplePercent": 20})).await;
    world.all_called_once(&small.iter().cloned().collect::<Vec<_>>()).await;
    operator.stop().await;
    let _next = world.operator().await;
    world.pages(8).await;
    assert_eq!(world.exported_by("all").await, small);
    world.patch_policy("all", json!({"samplePercent": 60})).await;
    world.all_called_once(&great.iter().cloned().collect::<Vec<_>>()).await;
    world.pages(8).await;
    assert_eq!(world.exported_by("all").await, great);
}

#[tokio::test]
async fn a_selector_takes_what_matches_each_of_its_lists() {
    let world = world("policy-selector", json!({})).await;
    for (session, application, location) in [
        ("both", "a-9ZY8X7Wv6", "us-east-1"),
        ("other-place", "a-9ZY8X7Wv6", "eu-west-1"),
        ("other-application", "a-5FG6H7Ij8", "us-east-1"),
    ] {
        world.simulator.session(session, json!({"application": application, "location": location})).await;
    }
    let _operator = world.operator().await;
    let selector = json!({"applicationIdentifiers": ["a-9ZY8X7Wv6"], "locations": ["us-east-1", "us-west-2"]});
    world.policy("some", json!({"selector": selector})).await;
    world.all_called_once(&names_of(&["both"])).await;
    let counted = || async {
        let counts = world.policy_status("some").await.sessions;
        counts.is_some_and(|all| (all.live, all.selected) == (3, 1))
    };
    world.eventually("all are counted", counted).await;
    assert_eq!(world.exported_by("some").await, names_of(&["both"]).into_iter().collect());
    // What was selected before is not touched.
    world.patch_policy("some", json!({"selector": {"applicationIdentifiers": null, "locations": ["eu-west-1"]}})).await;
    world.all_called_once(&names_of(&["other-place"])).await;
    assert_eq!(world.exported_by("some").await, names_of(&["both", "other-place"]).into_iter().collect());
}

#[tokio::test]
async fn of_two_policies_the_older_takes_a_session_unless_it_is_suspended_or_stalled() {
    let world = world("policy-two", json!({})).await;
    let _operator = world.operator().await;
    world.policy("older", json!({})).await;
    world.policy_shows("older", READY, "Watching").await;
    // Creation times are whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.policy("younger", json!({})).await;
    world.policy_shows("younger", READY, "Watching").await;
    let first = names("first", 5);
    sessions(&world, &first, json!({})).await;
    world.all_called_once(&first).await;
    assert_eq!(world.exported_by("older").await, first.iter().cloned().collect());

    world.patch_policy("older", json!({"suspend": true})).await;
    world.policy_shows("older", READY, "Suspended").await;
    let second = names("second", 5);
    sessions(&world, &second, json!({})).await;
    world.all_called_once(&second).await;
    assert_eq!(world.exported_by("younger").await, second.iter().cloned().collect());

    let forbidden = json!({"suspend": false, "template": {"spec": {"outputUri": "s3://elsewhere/{sessionId}.zip"}}});
    world.patch_policy("older", forbidden).await;
    world.policy_shows("older", STALLED, "DestinationForbidden").await;
    let third = names("third", 5);
    sessions(&world, &third, json!({})).await;
    world.all_called_once(&third).await;
    world.pages(4).await;
    assert_eq!(world.exported_by("older").await, first.iter().cloned().collect(), "each has one object");
}

#[tokio::test]
async fn beyond_the_history_limits_the_oldest_finished_objects_go_and_no_zip_does() {
    let world = world("policy-history", json!({})).await;
    let _operator = world.operator().await;
    let limits = json!({
        "successfulExportsHistoryLimit": 3, "failedExportsHistoryLimit": 2,
        "template": {"spec": {"ttlSecondsAfterFinished": 3600}},
    });
    world.policy("all", limits).await;
    let errors = json!({"overrides": [{"session": "bad*", "set": {"errorExport": "fail"}}]});
    world.simulator.behave(errors).await;
    let (good, bad) = (names("good", 6), names("bad", 4));
    sessions(&world, &good, json!({})).await;
    sessions(&world, &bad, json!({})).await;
    let every: Vec<_> = [good.clone(), bad.clone()].concat();
    world.all_called_once(&every).await;
    // One after the other, so that it is known which are the oldest.
    for session in &every {
        if good.contains(session) {
            world.simulator.end(session).await;
        } else {
            world.simulator.change(session, json!({"status": "ERROR", "statusReason": "internalError"})).await;
        }
        let ended = || async {
            let truth = world.simulator.truth(session).await;
            ["SUCCEEDED", "FAILED"].contains(&truth["export"]["status"].as_str().unwrap_or_default())
        };
        world.eventually("its export has ended", ended).await;
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    let kept: BTreeSet<String> = [&good[3..], &bad[2..]].concat().into_iter().collect();
    let left = || async { world.exported_by("all").await == kept };
    world.eventually("the newest are kept", left).await;
    let counts = || async {
        let counts = world.policy_status("all").await.exports;
        counts.is_some_and(|counts| (counts.succeeded, counts.failed) == (3, 2))
    };
    world.eventually("and counted", counts).await;
    assert_eq!(world.simulator.truth(&good[0]).await["export"]["status"], "SUCCEEDED", "a ZIP is never deleted");
    // Their sessions have ended: they are not exported again.
    world.pages(6).await;
    assert_eq!(world.exported_by("all").await, kept);

    world.patch_policy("all", json!({"successfulExportsHistoryLimit": 0})).await;
    let none = || async { world.exported_by("all").await == bad[2..].iter().cloned().collect() };
    world.eventually("none that succeeded is kept", none).await;
}

/// The operator of one shard.
async fn shard(world: &World, name: &str) -> Operator {
    let lease = format!("shard-{name}");
    world.permit_lease(&lease).await;
    let selector = format!("shard={name}");
    world.start(json!({"lease": {"name": lease}, "watch": {"labelSelector": selector}}), &[]).await
}

#[tokio::test]
async fn each_shard_works_for_its_own_policies() {
    let world = world("policy-shards", json!({})).await;
    let operators = [shard(&world, "a").await, shard(&world, "b").await];
    for operator in &operators {
        operator.ready("leading").await;
    }
    for (name, group) in [("a", "sg-a"), ("b", "sg-b")] {
        world.simulator.ask("POST", "groups", json!({"id": group})).await;
        let labelled = json!({"streamGroupIdentifier": group, "template": {"metadata": {"labels": {"shard": name}}}});
        world.policy(name, labelled).await;
        let label = Patch::Merge(json!({"metadata": {"labels": {"shard": name}}}));
        world.policies().patch(name, &PatchParams::default(), &label).await.unwrap();
        world.policy_shows(name, READY, "Watching").await;
        let some = names(name, 5);
        sessions(&world, &some, json!({"group": group})).await;
        world.all_called_once(&some).await;
        assert_eq!(world.exported_by(name).await, some.into_iter().collect());
    }
    for (number, foreign) in [(0, " b-"), (1, " a-")] {
        let changes = world.changes_by(number).await;
        assert!(changes.iter().any(|change| change.contains("sessionexports")), "{changes:?}");
        assert!(!changes.iter().any(|change| change.contains(foreign)), "{changes:?}");
    }
}

/// Throttled for longer than a scan may take, in lists and calls: the policy says that it is behind, nothing is lost,
/// and nothing is asked for twice.
#[tokio::test]
async fn while_aws_throttles_a_policy_is_behind_and_afterwards_nothing_is_missing() {
    let world = world("policy-throttled", json!({})).await;
    let _operator = world.operator().await;
    world.policy("all", json!({})).await;
    world.policy_shows("all", READY, "Watching").await;
    let throttle = |operation: &str| json!({"operation": operation, "action": {"type": "throttle"}});
    world.simulator.fault(json!([throttle(LISTS), throttle(CALLS)])).await;
    let all = names("s", 20);
    sessions(&world, &all, json!({})).await;
    let behind = world.policy_shows("all", "Ready=False Reconciling=True", "Behind").await;
    assert!(!message(&behind).is_empty());
    world.simulator.no_faults().await;
    world.all_called_once(&all).await;
    world.policy_shows("all", READY, "Watching").await;
    assert_eq!(world.exported_by("all").await, all.iter().cloned().collect());
}

/// Lists that lag, and lists that leave out what is there: no session is taken twice for that, and none is forgotten
/// that comes back.
#[tokio::test]
async fn lists_that_lag_or_lose_sessions_cost_no_second_export() {
    let world = world("policy-lagging", json!({})).await;
    world.simulator.behave(json!({"defaults": {"listLagMs": 1500}})).await;
    let all = names("s", 20);
    let lost = json!({"operation": LISTS, "session": "s0*", "every": 3, "action": {"type": "omitSession"}});
    world.simulator.fault(lost).await;
    let _operator = world.operator().await;
    world.policy("all", json!({})).await;
    sessions(&world, &all, json!({})).await;
    world.all_called_once(&all).await;
    world.pages(30).await;
    assert_eq!(world.exported_by("all").await, all.iter().cloned().collect());
    for session in &all {
        assert_eq!(world.simulator.exports(session).await, 1, "{session}");
    }
}
