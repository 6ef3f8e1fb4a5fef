//! Rows that wait for something that comes by itself: the session, its release, another export, a turn.

use crate::status::{DONE, HELD, INTENT, LOST, PENDING, message};
use crate::world::World;
use serde_json::json;

#[tokio::test]
async fn an_export_of_an_activating_session_is_requested_once_it_is_live_and_fails_if_it_fails() {
    let world = World::new("row-activating").await;
    let _operator = world.operator().await;
    for session in ["starts", "breaks"] {
        world.simulator.session(session, json!({"status": "ACTIVATING"})).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    let waiting = world.shows("starts", HELD, "WaitingForSession").await;
    assert_eq!(waiting.status.unwrap().session.unwrap().status.as_deref(), Some("ACTIVATING"));
    world.shows("breaks", HELD, "WaitingForSession").await;
    world.reads("starts", 3).await;
    assert_eq!((world.simulator.exports("starts").await, world.status_writes("starts")), (0, 1));

    world.simulator.change("starts", json!({"status": "ACTIVE"})).await;
    world.simulator.change("breaks", json!({"status": "ERROR"})).await;
    world.shows("starts", PENDING, "ExportPending").await;
    world.simulator.end("starts").await;
    let done = world.shows("starts", DONE, "Exported").await;
    assert_eq!((world.simulator.exports("starts").await, world.status_writes("starts")), (1, 4));
    world.tells(&done, &["Normal ExportPending", "Normal Exported"]).await;

    let broken = world.shows("breaks", LOST, "SessionEnded").await;
    assert_eq!(broken.status.as_ref().unwrap().session.as_ref().unwrap().status.as_deref(), Some("ERROR"));
    assert_eq!(world.simulator.exports("breaks").await, 0);
    world.tells(&broken, &["Warning SessionEnded"]).await;
}

#[tokio::test]
async fn a_suspended_export_is_requested_when_it_is_resumed_and_fails_if_the_session_ends_first() {
    let world = World::new("row-suspended").await;
    let _operator = world.operator().await;
    for session in ["released", "ended"] {
        world.simulator.session(session, json!({})).await;
        world.export_with(session, session, "s3://exports/a/", json!({"suspend": true})).await;
        world.shows(session, HELD, "Suspended").await;
    }
    world.reads("released", 2).await;
    assert_eq!((world.simulator.all_calls_of("Export").await, world.status_writes("released")), (0, 1));

    world.patch("released", json!({"spec": {"suspend": false}})).await;
    let pending = world.shows("released", PENDING, "ExportPending").await;
    assert_eq!((world.simulator.exports("released").await, world.status_writes("released")), (1, 3));
    world.tells(&pending, &["Normal ExportPending"]).await;

    world.simulator.end("ended").await;
    let ended = world.shows("ended", LOST, "SessionEnded").await;
    world.tells(&ended, &["Warning SessionEnded"]).await;
    assert_eq!(world.simulator.exports("ended").await, 0);
}

#[tokio::test]
async fn the_intent_shows_while_the_reply_is_under_way() {
    let timing = json!({"timing": {"callTimeout": "5s", "consistencyWindow": "6s"}});
    let world = World::with("row-requesting", &[], timing).await;
    let _operator = world.operator().await;
    world.simulator.session("slow", json!({})).await;
    let late = json!({"operation": "ExportStreamSessionFiles", "action": {"type": "latency", "ms": 2000}});
    world.simulator.fault(late).await;
    world.export("one", "slow", "s3://exports/a/").await;
    let asking = world.shows("one", INTENT, "Requesting").await.status.unwrap();
    let arn = asking.session.unwrap().arn.unwrap();
    assert_eq!(arn, "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1AB2C3De4/slow");
    let pending = world.shows("one", PENDING, "ExportPending").await.status.unwrap();
    assert_eq!(pending.request_attempt_time, asking.request_attempt_time, "the intent is set once");
    assert!(pending.request_attempt_time.is_some());
    assert_eq!((world.simulator.exports("slow").await, world.status_writes("one")), (1, 2));
}

#[tokio::test]
async fn a_slow_read_is_no_wait_for_quota() {
    let timing = json!({"timing": {"callTimeout": "5s", "consistencyWindow": "6s", "heldStatusDelay": "200ms"}});
    let world = World::with("row-slow-read", &[], timing).await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    let late = json!({"operation": "GetStreamSession", "action": {"type": "latency", "ms": 3000}});
    world.simulator.fault(late).await;
    world.export("one", "live", "s3://exports/a/").await;
    world.reason("one", "ExportPending").await;
    assert_eq!(world.status_writes("one"), 2, "the intent and the acceptance");
}

#[tokio::test]
async fn two_objects_of_one_session_wait_for_the_first_and_the_second_never_calls() {
    let timing = json!({"timing": {"callTimeout": "5s", "consistencyWindow": "6s", "heldStatusDelay": "200ms"}});
    let world = World::with("row-rivals", &[], timing).await;
    let _operator = world.operator().await;
    world.simulator.session("shared", json!({})).await;
    let late = json!({"operation": "ExportStreamSessionFiles", "action": {"type": "latency", "ms": 4000}});
    world.simulator.fault(late).await;
    world.export("first", "shared", "s3://exports/a/").await;
    world.shows("first", INTENT, "Requesting").await;
    world.export("second", "shared", "s3://exports/b/").await;
    let waits = world.shows("second", HELD, "WaitingForOtherExport").await;
    assert!(message(&waits).contains("SessionExport first"), "{}", message(&waits));
    world.shows("first", PENDING, "ExportPending").await;
    let second = world.shows("second", LOST, "ExportConflict").await;
    assert_eq!(world.simulator.destinations("shared").await, ["s3://exports/a/"]);
    assert_eq!(world.entered("second"), ["WaitingForOtherExport", "ExportConflict"]);
    assert_eq!(world.simulator.exports("shared").await, 1);
    world.tells(&second, &["Warning ExportConflict"]).await;
}

#[tokio::test]
async fn a_pending_export_without_a_destination_is_waited_for_and_adopted_or_refused_by_what_shows() {
    let world = World::with("row-destination", &[], json!({"timing": {"heldStatusDelay": "200ms"}})).await;
    let _operator = world.operator().await;
    for session in ["ours", "theirs", "unsaid"] {
        world.simulator.session(session, json!({"export": {"status": "PENDING"}})).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    for name in ["ours", "theirs", "unsaid"] {
        world.shows(name, HELD, "DestinationUnknown").await;
    }
    let export = |uri| json!({"export": {"status": "PENDING", "outputUri": uri}});
    world.simulator.change("ours", export("s3://exports/a/")).await;
    world.simulator.change("theirs", export("s3://exports/b/")).await;
    world.simulator.change("unsaid", json!({"export": {"status": "SUCCEEDED"}})).await;
    let adopted = world.shows("ours", PENDING, "ExportPending").await;
    assert_eq!(adopted.status.unwrap().request_attempt_time, None, "nothing was asked for");
    let conflict = world.shows("theirs", LOST, "ExportConflict").await;
    world.tells(&conflict, &["Warning ExportConflict"]).await;
    world.shows("unsaid", LOST, "ExportConflict").await;
    world.simulator.end("ours").await;
    world.shows("ours", DONE, "Exported").await;
    assert_eq!(world.simulator.all_calls_of("Export").await, 0);
    assert_eq!(world.entered("ours"), ["DestinationUnknown", "ExportPending", "Exported"]);
    assert_eq!(world.entered("theirs"), ["DestinationUnknown", "ExportConflict"]);
}

#[tokio::test]
async fn an_export_without_quota_says_so_and_goes_on_once_it_is_granted() {
    let changes = json!({"quota": {"export": 0.25}, "timing": {"heldStatusDelay": "200ms"}});
    let world = World::with("row-turns", &[], changes).await;
    let _operator = world.operator().await;
    for session in ["one", "two"] {
        world.simulator.session(session, json!({})).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    world.reason("one", "ExportPending").await;
    world.reason("two", "ExportPending").await;
    // Whichever came second waited for four seconds.
    let writes = world.status_writes("one") + world.status_writes("two");
    assert!(writes > 4, "{writes} writes; nobody was held");
    assert!(world.logs().contains("\"reason\":\"RateLimited\""));
    assert_eq!(world.simulator.all_calls_of("Export").await, 2);
}
