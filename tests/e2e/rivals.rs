//! Several objects, or a foreign caller, for one session or one `.zip`.

use crate::oracle::{History, end_state, exported};
use crate::simulator::{ACCOUNT, GROUP, REGION};
use crate::world::{World, condition};
use serde_json::json;
use std::collections::BTreeSet;

const EXPORT: &str = "ExportStreamSessionFiles";

async fn ready(world: &World, name: &str) -> String {
    condition(&world.status(name).await, "Ready").map(|(_, reason)| reason).unwrap_or_default()
}

/// Of two rivals one is accepted and the other in conflict; returns them in this order.
async fn settled<'a>(world: &World, one: &'a str, other: &'a str) -> (&'a str, &'a str) {
    let decided =
        || async { ready(world, one).await == "ExportPending" || ready(world, other).await == "ExportPending" };
    world.eventually("one of the rivals is accepted", decided).await;
    let (winner, loser) = if ready(world, one).await == "ExportPending" { (one, other) } else { (other, one) };
    world.reason(loser, "ExportConflict").await;
    (winner, loser)
}

/// The winner ends as if it had been alone, the loser has not called, and AWS has never seen a second destination.
async fn judged(world: &World, session: &str, outcome: (&str, &str)) {
    judged_after(world, session, outcome, 0).await;
}

/// The same, but of the calls after the first `earlier` ones.
async fn judged_after(world: &World, session: &str, (winner, loser): (&str, &str), earlier: usize) {
    world.simulator.end(session).await;
    let done = world.finished(winner).await;
    assert_eq!(condition(&done, "Succeeded").unwrap().1, "Exported", "{}", world.logs());
    let lost = world.finished(loser).await;
    assert_eq!(condition(&lost, "Ready").unwrap().1, "ExportConflict");
    assert_ne!(condition(&lost, "Accepted").unwrap().0, "True");
    assert_eq!(lost.request_time, None);
    assert_eq!(world.simulator.accepted(session).await.len(), 1, "one export");
    let calls = world.simulator.calls(EXPORT, session).await;
    let called: BTreeSet<_> = calls[earlier..].iter().map(|call| call["outputUri"].as_str()).collect();
    assert_eq!(called.len(), 1, "the loser never calls");
}

#[tokio::test]
async fn the_same_session_to_the_same_uri_needs_one_call() {
    let world = World::new("rivals-same-uri").await;
    let history = History::of(&world);
    let _operator = world.operator().await;
    let arn = format!("arn:aws:gameliftstreams:{REGION}:{ACCOUNT}:streamsession/{GROUP}/s1");
    world.simulator.session("s1", json!({})).await;
    let create = |name: &'static str, session: String| {
        let world = &world;
        async move { world.export(name, &session, "s3://exports/a/").await }
    };
    tokio::join!(create("one", "s1".into()), create("two", arn.clone()), create("three", "s1".into()));
    for name in ["one", "two", "three"] {
        world.reason(name, "ExportPending").await;
    }
    world.export("late", &arn, "s3://exports/a/").await;
    world.reason("late", "ExportPending").await;
    world.simulator.end("s1").await;
    for name in ["one", "two", "three", "late"] {
        let done = world.finished(name).await;
        assert_eq!(end_state(&done)["Succeeded"], exported("")["Succeeded"], "{}", world.logs());
    }
    assert_eq!(world.simulator.exports("s1").await, 1);
    history.check(&world).await;
}

#[tokio::test]
async fn of_two_uris_created_at_the_same_moment_one_wins_and_the_other_never_calls() {
    let world = World::new("rivals-two-uris").await;
    let history = History::of(&world);
    let _operator = world.operator().await;
    let sessions = ["a1", "a2", "a3", "a4", "a5", "a6"];
    for session in sessions {
        world.simulator.session(session, json!({})).await;
    }
    // The calls take their time, so that the others' reads show nothing yet.
    world.simulator.fault(json!({"operation": EXPORT, "action": {"type": "latency", "ms": 900}})).await;
    let pairs = sessions.map(|session| (session, format!("{session}-one"), format!("{session}-two")));
    for (n, (session, one, two)) in pairs.iter().enumerate() {
        let arn = format!("arn:aws:gameliftstreams:{REGION}:{ACCOUNT}:streamsession/{GROUP}/{session}");
        let other = if n % 2 == 0 { (*session).to_owned() } else { arn };
        tokio::join!(
            world.export(one, session, "s3://exports/one/"),
            world.export(two, &other, "s3://exports/two/this.zip"),
        );
    }
    for (session, one, two) in &pairs {
        let outcome = settled(&world, one, two).await;
        judged(&world, session, outcome).await;
    }
    history.check(&world).await;
}

#[tokio::test]
async fn a_rival_waits_while_the_call_is_unanswered() {
    let world =
        World::with("rivals-unanswered", &[], json!({"timing": {"callTimeout": "5s", "consistencyWindow": "6s"}}))
            .await;
    let _operator = world.operator().await;
    world.simulator.session("u1", json!({})).await;
    let slow = json!({"operation": EXPORT, "first": 1, "action": {"type": "latency", "ms": 4000}});
    world.simulator.fault(slow).await;
    world.export("one", "u1", "s3://exports/one/").await;
    world.eventually("the call is on its way", || async { world.simulator.faults_applied().await == 1 }).await;
    world.export("two", "u1", "s3://exports/two/").await;
    world.reason("two", "WaitingForOtherExport").await;
    let outcome = settled(&world, "one", "two").await;
    assert_eq!(outcome, ("one", "two"));
    judged(&world, "u1", outcome).await;
}

#[tokio::test]
async fn a_forbidden_rival_blocks_no_other() {
    let world = World::new("rivals-forbidden").await;
    let _operator = world.operator().await;
    world.simulator.session("f1", json!({})).await;
    world.export("squatter", "f1", "s3://elsewhere/").await;
    world.reason("squatter", "DestinationForbidden").await;
    world.export("rightful", "f1", "s3://exports/a/").await;
    world.reason("rightful", "ExportPending").await;
    world.simulator.end("f1").await;
    assert_eq!(end_state(&world.finished("rightful").await), exported("s3://exports/a/"));
    assert_eq!(ready(&world, "squatter").await, "DestinationForbidden");
    assert_eq!(world.simulator.destinations("f1").await, ["s3://exports/a/"]);
}

#[tokio::test]
async fn a_denied_rival_blocks_no_other() {
    // Each destination has a prefix of its own, so that the denial of one says nothing about the other. The second is
    // created, however slow the machine, before the first may call again.
    let changes = json!({
        "rules": [{"namespaces": ["*"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/one/", "s3://exports/two/"]}],
        "timing": {"deniedRetryMin": "60s", "deniedRetryMax": "60s"},
    });
    let world = World::with("rivals-denied", &[], changes).await;
    let history = History::of(&world);
    let _operator = world.operator().await;
    world.simulator.session("d1", json!({})).await;
    world.simulator.fault(json!({"operation": EXPORT, "first": 1, "action": {"type": "accessDenied"}})).await;
    world.export("first", "d1", "s3://exports/one/").await;
    world.reason("first", "AccessDenied").await;
    world.export("second", "d1", "s3://exports/two/").await;
    let outcome = settled(&world, "second", "first").await;
    assert_eq!(outcome, ("second", "first"));
    world.simulator.end("d1").await;
    assert_eq!(end_state(&world.finished("second").await), exported("s3://exports/two/"));
    let calls = world.simulator.calls(EXPORT, "d1").await;
    assert_eq!((calls.len(), &calls[0]["error"]), (2, &json!("AccessDeniedException")));
    assert_eq!(world.simulator.accepted("d1").await.len(), 1);
    history.check(&world).await;
}

#[tokio::test]
async fn of_nested_prefixes_the_closer_one_is_whose_export_it_is() {
    let world = World::new("rivals-nested").await;
    let _operator = world.operator().await;
    for (session, first, second) in
        [("n1", "s3://exports/n/", "s3://exports/n/deep/"), ("n2", "s3://exports/n/deep/", "s3://exports/n/")]
    {
        world.simulator.session(session, json!({})).await;
        let (one, two) = (format!("{session}-first"), format!("{session}-second"));
        world.export(&one, session, first).await;
        world.reason(&one, "ExportPending").await;
        world.export(&two, session, second).await;
        world.reason(&two, "ExportConflict").await;
        judged(&world, session, (&one, &two)).await;
        assert_eq!(world.simulator.destinations(session).await, [first]);
    }
    // Both at once, before either has asked, with AWS naming the object it will make.
    world.simulator.behave(json!({"defaults": {"pendingOutputUri": "finalKey"}})).await;
    world.simulator.session("n3", json!({})).await;
    tokio::join!(world.export("outer", "n3", "s3://exports/n/"), world.export("inner", "n3", "s3://exports/n/deep/"));
    let outcome = settled(&world, "outer", "inner").await;
    judged(&world, "n3", outcome).await;
}

#[tokio::test]
async fn one_zip_for_two_sessions_is_for_the_first_that_was_accepted() {
    let world = World::new("rivals-zip").await;
    let history = History::of(&world);
    let operator = world.operator().await;
    for session in ["z1", "z2", "z3", "z4", "z5"] {
        world.simulator.session(session, json!({})).await;
    }
    world.export("first", "z1", "s3://exports/one.zip").await;
    world.reason("first", "ExportPending").await;
    world.export("second", "z2", "s3://exports/one.zip").await;
    world.reason("second", "ExportConflict").await;
    // Both at once.
    tokio::join!(
        world.export("three", "z3", "s3://exports/two.zip"),
        world.export("four", "z4", "s3://exports/two.zip")
    );
    let (winner, loser) = settled(&world, "three", "four").await;
    // A new leader remembers what was accepted.
    world.crash(operator).await;
    let _operator = world.operator().await;
    world.export("fifth", "z5", "s3://exports/one.zip").await;
    world.reason("fifth", "ExportConflict").await;
    for session in ["z1", "z2", "z3", "z4", "z5"] {
        world.simulator.end(session).await;
    }
    for name in ["first", winner] {
        assert_eq!(condition(&world.finished(name).await, "Ready").unwrap().1, "Exported", "{}", world.logs());
    }
    let mut accepted = 0;
    for session in ["z1", "z2", "z3", "z4", "z5"] {
        accepted += world.simulator.accepted(session).await.len();
    }
    assert_eq!(accepted, 2, "one for each .zip; {loser} lost");
    history.check(&world).await;
}

#[tokio::test]
async fn a_new_leader_distinguishes_rivals_too() {
    let world =
        World::with("rivals-restart", &[], json!({"timing": {"callTimeout": "5s", "consistencyWindow": "6s"}})).await;
    let history = History::of(&world);
    let operator = world.operator().await;
    for session in ["r1", "r2"] {
        world.simulator.session(session, json!({})).await;
    }
    // r1: accepted, and killed before that was recorded. r2: nothing got through.
    let accepted = json!({"operation": EXPORT, "session": "r1", "first": 1, "action": {"type": "latency", "ms": 4000, "afterEffect": true}});
    let reset = json!({"operation": EXPORT, "session": "r2", "action": {"type": "resetBefore"}});
    world.simulator.ask("POST", "faults", json!([accepted, reset])).await;
    world.export("r1-one", "r1", "s3://exports/one/").await;
    world.export("r2-one", "r2", "s3://exports/one/").await;
    world.eventually("both have called", || async { world.simulator.faults_applied().await >= 2 }).await;
    world.crash(operator).await;
    world.simulator.no_faults().await;
    // Either export of r2 may win: the calls of the first did not reach AWS.
    let without_effect = world.simulator.calls(EXPORT, "r2").await.len();
    for session in ["r1", "r2"] {
        world.export(&format!("{session}-two"), session, "s3://exports/two/").await;
    }
    let _operator = world.operator().await;
    let (first, second) = (settled(&world, "r1-one", "r1-two").await, settled(&world, "r2-one", "r2-two").await);
    assert_eq!(first, ("r1-one", "r1-two"), "what AWS had accepted stands");
    for (session, outcome, earlier) in [("r1", first, 0), ("r2", second, without_effect)] {
        world.eventually("all calls are answered", || async { world.simulator.exports(session).await > 0 }).await;
        judged_after(&world, session, outcome, earlier).await;
    }
    history.check(&world).await;
}

#[tokio::test]
async fn an_earlier_foreign_export_is_a_conflict_without_a_call() {
    let world = World::new("rivals-foreign-first").await;
    let _operator = world.operator().await;
    let foreign = json!({"export": {"status": "PENDING", "outputUri": "s3://exports/theirs/"}});
    world.simulator.session("f1", foreign).await;
    world.export("one", "f1", "s3://exports/ours/").await;
    let lost = world.finished("one").await;
    assert_eq!(condition(&lost, "Ready").unwrap().1, "ExportConflict");
    assert_eq!(end_state(&lost)["exportStatus"], "FAILED");
    assert_eq!(world.simulator.exports("f1").await, 0);
}

#[tokio::test]
async fn a_later_foreign_export_is_reported_and_not_overwritten() {
    let world = World::new("rivals-foreign-later").await;
    let history = History::of(&world);
    let _operator = world.operator().await;
    world.simulator.session("f1", json!({})).await;
    world.export("one", "f1", "s3://exports/ours/").await;
    world.reason("one", "ExportPending").await;
    world.simulator.change("f1", json!({"export": {"status": "PENDING", "outputUri": "s3://exports/theirs/"}})).await;
    let lost = world.finished("one").await;
    assert_eq!(condition(&lost, "Ready").unwrap().1, "ExportConflict");
    assert_eq!(condition(&lost, "Accepted").unwrap().0, "True");
    assert_eq!(end_state(&lost)["exportStatus"], "PENDING");
    assert_eq!(world.simulator.exports("f1").await, 1, "never overwritten");
    assert_eq!(world.simulator.truth("f1").await["export"]["givenUri"], "s3://exports/theirs/");
    history.check(&world).await;
}

/// Another caller requests the export between our read and our call. AWS's answer to a second destination is not known.
#[tokio::test]
async fn whatever_aws_does_with_a_second_destination_the_status_shows_whose_it_is() {
    let world =
        World::with("rivals-second", &[], json!({"timing": {"callTimeout": "4s", "consistencyWindow": "5s"}})).await;
    let history = History::of(&world);
    let _operator = world.operator().await;
    let answers = ["replace", "ignore", "refuse"];
    for answer in answers {
        world.simulator.behave(json!({"overrides": [{"session": answer, "set": {"secondExport": answer}}]})).await;
        world.simulator.session(answer, json!({})).await;
    }
    world.simulator.fault(json!({"operation": EXPORT, "action": {"type": "latency", "ms": 2000}})).await;
    for answer in answers {
        world.export(answer, answer, "s3://exports/ours/").await;
    }
    world.eventually("all calls are on their way", || async { world.simulator.faults_applied().await == 3 }).await;
    let foreign = json!({"export": {"status": "PENDING", "outputUri": "s3://exports/theirs/"}});
    for answer in answers {
        world.simulator.change(answer, foreign.clone()).await;
    }
    for (answer, accepted) in [("ignore", "True"), ("refuse", "Unknown")] {
        let lost = world.finished(answer).await;
        assert_eq!(condition(&lost, "Ready").unwrap().1, "ExportConflict", "{answer}");
        assert_eq!(condition(&lost, "Accepted").unwrap().0, accepted, "{answer}");
        assert_eq!(world.simulator.truth(answer).await["export"]["givenUri"], "s3://exports/theirs/");
        assert_eq!(world.simulator.exports(answer).await, 1, "{answer}");
    }
    assert_eq!(ready(&world, "replace").await, "ExportPending");
    world.simulator.end("replace").await;
    assert_eq!(end_state(&world.finished("replace").await), exported("s3://exports/ours/"));
    assert_eq!(world.simulator.exports("replace").await, 1);
    history.check(&world).await;
}
