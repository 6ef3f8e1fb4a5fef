//! Crashes, lost replies and lagging reads around the one call that matters.

use crate::oracle::{History, end_state, exported, session_ended};
use crate::world::{World, condition};
use serde_json::{Value, json};
use std::time::Duration;

const EXPORT: &str = "ExportStreamSessionFiles";
const GET: &str = "GetStreamSession";

/// Calls may take as long as it needs to kill the process in the middle of one.
fn slow_calls() -> Value {
    json!({"timing": {"callTimeout": "5s", "consistencyWindow": "6s"}})
}

/// Ends the session, waits for the end of its export, and holds it to an undisturbed run's.
async fn comes_out_undisturbed(world: &World, history: &History, name: &str, session: &str) {
    world.simulator.end(session).await;
    let done = world.finished(name).await;
    assert_eq!(end_state(&done), exported("s3://exports/a/"), "{}", world.logs());
    assert_eq!(world.simulator.accepted(session).await.len(), 1, "one export");
    assert_eq!(world.simulator.destinations(session).await, ["s3://exports/a/"]);
    history.check(world).await;
}

async fn until_aws_has_accepted(world: &World, session: &str) {
    world
        .eventually("AWS accepts", || async { world.simulator.truth(session).await["export"]["status"] == "PENDING" })
        .await;
}

async fn until_faulty_calls(world: &World, count: u64) {
    world.eventually("a faulty call", || async { world.simulator.faults_applied().await >= count }).await;
}

#[tokio::test]
async fn an_undisturbed_run_ends_as_the_disturbed_ones_must() {
    let world = World::new("crash-undisturbed").await;
    let history = History::of(&world);
    world.simulator.session("u1", json!({})).await;
    world.export("one", "u1", "s3://exports/a/").await;
    let _operator = world.operator().await;
    world.reason("one", "ExportPending").await;
    comes_out_undisturbed(&world, &history, "one", "u1").await;
    assert_eq!((world.status_writes("one"), world.simulator.exports("u1").await), (3, 1));
}

#[tokio::test]
async fn killed_after_aws_accepted_and_before_the_status_write_it_adopts() {
    let world = World::with("crash-kill-after", &[], slow_calls()).await;
    let history = History::of(&world);
    world.simulator.session("k1", json!({})).await;
    let delay =
        json!({"operation": EXPORT, "first": 1, "action": {"type": "latency", "ms": 4000, "afterEffect": true}});
    world.simulator.fault(delay).await;
    world.export("one", "k1", "s3://exports/a/").await;
    let operator = world.operator().await;
    until_aws_has_accepted(&world, "k1").await;
    world.crash(operator).await;
    let left = world.status("one").await;
    assert!(left.request_attempt_time.is_some() && left.request_time.is_none(), "killed in between: {left:#?}");

    let _operator = world.operator().await;
    world.reason("one", "ExportPending").await;
    world.eventually("the killed call is answered", || async { world.simulator.exports("k1").await > 0 }).await;
    comes_out_undisturbed(&world, &history, "one", "k1").await;
    assert_eq!(world.simulator.exports("k1").await, 1, "adopted, not called again");
    assert_eq!(world.status_writes("one"), 3);
}

/// A shutdown that lasts until a call is answered, which is far longer than the test.
fn endless_shutdown() -> Value {
    let timing = json!({
        "callTimeout": "50s", "consistencyWindow": "55s", "shutdownGracePeriod": "50s",
        "leaseDuration": "60s", "leaseRenewDeadline": "10s",
    });
    json!({"timing": timing})
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_in_the_middle_of_a_call() {
    let world = World::with("crash-second-signal", &[], endless_shutdown()).await;
    let history = History::of(&world);
    world.simulator.session("k1", json!({})).await;
    let delay =
        json!({"operation": EXPORT, "first": 1, "action": {"type": "latency", "ms": 45_000, "afterEffect": true}});
    world.simulator.fault(delay).await;
    world.export("one", "k1", "s3://exports/a/").await;
    let mut operator = world.operator().await;
    until_aws_has_accepted(&world, "k1").await;
    operator.signal("TERM");
    world.eventually("it shuts down", || async { operator.log().contains("shutting down; ") }).await;
    operator.signal("INT");
    let status = operator.ended(Duration::from_secs(60)).await;
    // 0 if it had finished its work.
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{}", operator.log());
    assert!(world.status("one").await.request_time.is_none(), "the call was not answered");
    assert_eq!(world.lease().await.holder_identity.as_deref(), Some("operator-0"), "the lease was not released");

    world.free_lease().await;
    let _operator = world.operator().await;
    world.reason("one", "ExportPending").await;
    world.simulator.end("k1").await;
    assert_eq!(end_state(&world.finished("one").await), exported("s3://exports/a/"), "{}", world.logs());
    assert_eq!(world.simulator.accepted("k1").await.len(), 1, "one export");
    history.check(&world).await;
}

#[tokio::test]
async fn a_session_that_ends_without_a_leader_is_adopted() {
    let world = World::with("crash-kill-ended", &[], slow_calls()).await;
    let history = History::of(&world);
    world.simulator.session("k1", json!({})).await;
    let delay =
        json!({"operation": EXPORT, "first": 1, "action": {"type": "latency", "ms": 4000, "afterEffect": true}});
    world.simulator.fault(delay).await;
    world.export("one", "k1", "s3://exports/a/").await;
    let operator = world.operator().await;
    until_aws_has_accepted(&world, "k1").await;
    world.crash(operator).await;
    world.simulator.end("k1").await;
    let succeeded = || async { world.simulator.truth("k1").await["export"]["status"] == "SUCCEEDED" };
    world.eventually("the ZIP is there", succeeded).await;
    let _operator = world.operator().await;
    let done = world.finished("one").await;
    assert_eq!(end_state(&done), exported("s3://exports/a/"), "{}", world.logs());
    assert_eq!(world.simulator.accepted("k1").await.len(), 1);
    assert_eq!(world.status_writes("one"), 2, "the intent and the end");
    history.check(&world).await;
}

#[tokio::test]
async fn killed_after_the_intent_and_before_any_call_got_through_it_calls() {
    let world = World::new("crash-kill-before").await;
    let history = History::of(&world);
    world.simulator.session("k1", json!({})).await;
    world.simulator.fault(json!({"operation": EXPORT, "action": {"type": "resetBefore"}})).await;
    world.export("one", "k1", "s3://exports/a/").await;
    let operator = world.operator().await;
    until_faulty_calls(&world, 1).await;
    world.crash(operator).await;
    assert!(world.status("one").await.request_attempt_time.is_some(), "no call without its intent");
    world.simulator.no_faults().await;
    let _operator = world.operator().await;
    world.reason("one", "ExportPending").await;
    comes_out_undisturbed(&world, &history, "one", "k1").await;
}

#[tokio::test]
async fn killed_while_the_call_is_on_its_way_it_comes_to_one_export() {
    let timing = json!({"timing": {
        "callTimeout": "9s", "consistencyWindow": "10s", "leaseDuration": "30s", "leaseRenewDeadline": "10s",
    }});
    let world = World::with("crash-kill-during", &[], timing).await;
    let history = History::of(&world);
    world.simulator.session("k1", json!({})).await;
    // Longer than the next leader takes to read the session, on a busy machine too.
    world.simulator.fault(json!({"operation": EXPORT, "first": 1, "action": {"type": "latency", "ms": 8000}})).await;
    world.export("one", "k1", "s3://exports/a/").await;
    let operator = world.operator().await;
    until_faulty_calls(&world, 1).await;
    world.crash(operator).await;
    let _operator = world.operator().await;
    world.reason("one", "ExportPending").await;
    world.eventually("the killed call has arrived", || async { world.simulator.exports("k1").await == 2 }).await;
    comes_out_undisturbed(&world, &history, "one", "k1").await;
}

#[tokio::test]
async fn killed_after_each_of_its_writes_it_goes_on() {
    let world = World::new("crash-kill-each").await;
    let history = History::of(&world);
    world.simulator.session("k1", json!({})).await;
    world.export("one", "k1", "s3://exports/a/").await;
    let operator = world.operator().await;
    world.until("one", "intended", |status| status.request_attempt_time.is_some()).await;
    world.crash(operator).await;
    let operator = world.operator().await;
    world.until("one", "accepted", |status| status.request_time.is_some()).await;
    world.crash(operator).await;
    let operator = world.operator().await;
    world.simulator.end("k1").await;
    world.finished("one").await;
    world.crash(operator).await;
    let calls = world.simulator.calls(GET, "k1").await.len();
    let _operator = world.operator().await;
    world.simulator.session("k2", json!({})).await;
    world.export("two", "k2", "s3://exports/a/").await;
    world.reason("two", "ExportPending").await;
    assert_eq!(world.simulator.calls(GET, "k1").await.len(), calls, "what has finished costs no call");
    assert_eq!(end_state(&world.status("one").await), exported("s3://exports/a/"));
    assert_eq!(world.simulator.accepted("k1").await.len(), 1);
    history.check(&world).await;
}

/// A container that is restarted in its Pod has the lease's identity of the one before.
#[tokio::test]
async fn restarted_in_the_same_pod_it_leads_at_once() {
    let world = World::new("crash-same-pod").await;
    let pod = [("POD_UUID", "the-same")];
    let operator = world.start(json!({}), &pod).await;
    operator.ready("leading").await;
    world.simulator.session("k1", json!({})).await;
    world.export("one", "k1", "s3://exports/a/").await;
    world.reason("one", "ExportPending").await;
    operator.crash();
    let again = world.start(json!({"timing": {"leaseDuration": "3600s"}}), &pod).await;
    again.ready("leading").await;
    world.simulator.end("k1").await;
    assert_eq!(end_state(&world.finished("one").await), exported("s3://exports/a/"));
    assert_eq!(world.simulator.exports("k1").await, 1);
}

/// What may become of a call, and how many calls come of it.
fn lost_replies() -> [(&'static str, Value, usize); 9] {
    [
        ("resetafter", json!({"type": "resetAfter"}), 1),
        ("slowafter", json!({"type": "latency", "ms": 2500, "afterEffect": true}), 1),
        ("errorafter", json!({"type": "error5xx", "afterEffect": true}), 1),
        ("htmlafter", json!({"type": "html503", "afterEffect": true}), 1),
        ("resetbefore", json!({"type": "resetBefore"}), 2),
        ("slowbefore", json!({"type": "latency", "ms": 2500}), 2),
        ("errorbefore", json!({"type": "error5xx"}), 2),
        ("htmlbefore", json!({"type": "html503"}), 2),
        ("throttled", json!({"type": "throttle"}), 2),
    ]
}

#[tokio::test]
async fn a_lost_reply_is_answered_by_reading_and_a_lost_call_by_calling_again() {
    let world = World::new("crash-lost").await;
    let history = History::of(&world);
    for (session, action, _) in lost_replies() {
        world.simulator.session(session, json!({})).await;
        world.simulator.fault(json!({"operation": EXPORT, "session": session, "first": 1, "action": action})).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    let _operator = world.operator().await;
    for (session, _, calls) in lost_replies() {
        world.reason(session, "ExportPending").await;
        let answered = || async { world.simulator.exports(session).await >= calls };
        world.eventually("all calls are answered", answered).await;
        assert_eq!(world.simulator.exports(session).await, calls, "{session}");
        comes_out_undisturbed(&world, &history, session, session).await;
    }
}

#[tokio::test]
async fn reads_that_lag_behind_a_lost_reply_never_make_a_session_ended() {
    let world = World::new("crash-lag").await;
    let history = History::of(&world);
    world.simulator.behave(json!({"defaults": {"getLagMs": 1500}})).await;
    let operator = world.operator().await;
    let lost = ["resetafter", "slowafter", "errorafter", "htmlafter"];
    for (session, action, _) in lost_replies().into_iter().filter(|(name, ..)| lost.contains(name)) {
        world.simulator.session(session, json!({})).await;
        world.simulator.fault(json!({"operation": EXPORT, "session": session, "action": action})).await;
        world.export(session, session, "s3://exports/a/").await;
        until_aws_has_accepted(&world, session).await;
        world.simulator.end(session).await;
    }
    for session in lost {
        let done = world.finished(session).await;
        assert_eq!(end_state(&done), exported("s3://exports/a/"), "{}", world.logs());
        assert_eq!(world.simulator.accepted(session).await.len(), 1);
        assert!(!history.ever(session, "SessionEnded"));
    }
    // The same with nothing left to remember the call but the intent.
    world.simulator.session("killed", json!({})).await;
    let reset = json!({"operation": EXPORT, "session": "killed", "action": {"type": "resetAfter"}});
    world.simulator.fault(reset).await;
    world.export("killed", "killed", "s3://exports/a/").await;
    until_aws_has_accepted(&world, "killed").await;
    world.simulator.end("killed").await;
    world.crash(operator).await;
    let _operator = world.operator().await;
    assert_eq!(end_state(&world.finished("killed").await), exported("s3://exports/a/"), "{}", world.logs());
    assert!(!history.ever("killed", "SessionEnded"));
    history.check(&world).await;
}

#[tokio::test]
async fn a_session_that_ends_between_read_and_call_has_ended_and_is_not_invalid() {
    let world = World::with("crash-between", &[], slow_calls()).await;
    let history = History::of(&world);
    world.simulator.session("b1", json!({})).await;
    world.simulator.fault(json!({"operation": EXPORT, "first": 1, "action": {"type": "latency", "ms": 2500}})).await;
    world.export("one", "b1", "s3://exports/a/").await;
    let _operator = world.operator().await;
    until_faulty_calls(&world, 1).await;
    world.simulator.end("b1").await;
    let done = world.finished("one").await;
    assert_eq!(end_state(&done), session_ended(), "{}", world.logs());
    let calls = world.simulator.calls(EXPORT, "b1").await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["error"], "ValidationException");
    assert!(!history.ever("one", "RequestRejected"));
    history.check(&world).await;
}

async fn clear(world: &World, name: &str) {
    let nothing = json!({
        "exportStatus": null, "outputUri": null, "session": null, "startTime": null, "requestAttemptTime": null,
        "requestTime": null, "completionTime": null, "conditions": null, "observedGeneration": -1,
    });
    world.patch_status(name, nothing).await;
}

#[tokio::test]
async fn a_status_cleared_by_hand_is_rebuilt_from_aws() {
    let world = World::new("crash-cleared").await;
    world.simulator.session("c1", json!({})).await;
    world.export("one", "c1", "s3://exports/a/").await;
    let operator = world.operator().await;
    world.reason("one", "ExportPending").await;
    clear(&world, "one").await;
    world.reason("one", "ExportPending").await;
    // While no process holds any state.
    world.crash(operator).await;
    clear(&world, "one").await;
    let operator = world.operator().await;
    world.reason("one", "ExportPending").await;
    world.simulator.end("c1").await;
    world.finished("one").await;
    clear(&world, "one").await;
    world.finished("one").await;
    world.crash(operator).await;
    clear(&world, "one").await;
    let _operator = world.operator().await;
    let done = world.finished("one").await;
    assert_eq!(condition(&done, "Succeeded").unwrap(), ("True".to_owned(), "Exported".to_owned()));
    assert!(done.output_uri.unwrap().starts_with("s3://exports/a/"));
    assert_eq!(world.simulator.exports("c1").await, 1, "called once in all");
}

#[tokio::test]
async fn an_object_made_again_under_its_name_adopts_the_export() {
    let world = World::new("crash-again").await;
    let history = History::of(&world);
    world.simulator.session("a1", json!({})).await;
    let _operator = world.operator().await;
    world.export("one", "a1", "s3://exports/a/").await;
    world.reason("one", "ExportPending").await;
    world.delete("one").await;
    world.export("one", "a1", "s3://exports/a/").await;
    world.reason("one", "ExportPending").await;
    world.simulator.end("a1").await;
    world.finished("one").await;
    let reads = world.simulator.calls(GET, "a1").await.len();
    world.delete("one").await;
    world.export("one", "a1", "s3://exports/a/").await;
    assert_eq!(end_state(&world.finished("one").await)["exportStatus"], "SUCCEEDED");
    assert!(world.simulator.calls(GET, "a1").await.len() <= reads + 1, "one read");
    assert_eq!(world.simulator.exports("a1").await, 1, "called once in all");
    world.delete("one").await;
    world.export("one", "a1", "s3://exports/elsewhere/").await;
    let conflict = world.finished("one").await;
    assert_eq!(condition(&conflict, "Ready").unwrap().1, "ExportConflict");
    assert_eq!(world.simulator.exports("a1").await, 1, "called once in all");
    history.check(&world).await;
}

#[tokio::test]
async fn an_object_deleted_in_the_middle_of_its_call_and_made_again_adopts_too() {
    let world = World::with("crash-deleted", &[], slow_calls()).await;
    world.simulator.session("d1", json!({})).await;
    let delay =
        json!({"operation": EXPORT, "first": 1, "action": {"type": "latency", "ms": 1500, "afterEffect": true}});
    world.simulator.fault(delay).await;
    let operator = world.operator().await;
    world.export("one", "d1", "s3://exports/a/").await;
    until_aws_has_accepted(&world, "d1").await;
    world.delete("one").await;
    world.export("one", "d1", "s3://exports/a/").await;
    world.reason("one", "ExportPending").await;
    world.simulator.end("d1").await;
    world.finished("one").await;
    assert_eq!(world.simulator.accepted("d1").await.len(), 1);
    assert_eq!(world.simulator.exports("d1").await, 1, "adopted, not called again");
    let warnings = operator.lines().into_iter().filter(|line| line["level"] == "WARN" || line["level"] == "ERROR");
    assert_eq!(warnings.collect::<Vec<_>>(), Vec::<Value>::new(), "a quiet end");
}
