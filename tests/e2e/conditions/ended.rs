//! Sessions that are over, unknown, or another's; and the bound on waiting.

use crate::status::{FAILED, HELD, LOST, PENDING, STALLED, UNKNOWN, message};
use crate::world::World;
use serde_json::json;

#[tokio::test]
async fn an_ended_session_is_confirmed_before_it_is_believed() {
    let world = World::with("row-ended", &[], json!({"timing": {"heldStatusDelay": "200ms"}})).await;
    let _operator = world.operator().await;
    for (session, status) in [("over", "TERMINATED"), ("going", "TERMINATING"), ("broken", "ERROR")] {
        world.simulator.session(session, json!({"status": status})).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    for session in ["over", "going", "broken"] {
        world.shows(session, HELD, "ConfirmingSessionEnd").await;
    }
    for session in ["over", "going", "broken"] {
        let ended = world.shows(session, LOST, "SessionEnded").await;
        world.tells(&ended, &["Warning SessionEnded"]).await;
        assert_eq!(world.entered(session), ["ConfirmingSessionEnd", "SessionEnded"]);
        assert_eq!(world.simulator.exports(session).await, 0);
        assert!(world.simulator.calls("GetStreamSession", session).await.len() >= 2);
    }
    // A finished export is not read again.
    let before = world.simulator.all_calls_of("").await;
    world.simulator.session("another", json!({})).await;
    world.export("another", "another", "s3://exports/a/").await;
    world.shows("another", PENDING, "ExportPending").await;
    world.reads("another", 3).await;
    let of_others = world.simulator.calls("GetStreamSession", "another").await.len() + 1;
    assert_eq!(world.simulator.all_calls_of("").await - of_others, before);
}

#[tokio::test]
async fn an_unknown_session_or_group_fails_after_three_reads() {
    let world = World::with("row-unknown", &[], json!({"timing": {"heldStatusDelay": "200ms"}})).await;
    let _operator = world.operator().await;
    world.export("session", "nowhere", "s3://exports/a/").await;
    world.export_with("group", "elsewhere", "s3://exports/a/", json!({"streamGroupIdentifier": "sg-none"})).await;
    world.export("born", "born", "s3://exports/a/").await;
    for name in ["session", "group", "born"] {
        world.shows(name, HELD, "ConfirmingSessionEnd").await;
    }
    // It was only not visible yet.
    world.simulator.session("born", json!({})).await;
    world.shows("born", PENDING, "ExportPending").await;
    for (name, session) in [("session", "nowhere"), ("group", "elsewhere")] {
        let unknown = world.shows(name, LOST, "SessionNotFound").await;
        world.tells(&unknown, &["Warning SessionNotFound"]).await;
        assert!(world.simulator.calls("GetStreamSession", session).await.len() >= 3);
        assert_eq!(world.entered(name), ["ConfirmingSessionEnd", "SessionNotFound"]);
        assert_eq!(world.simulator.exports(session).await, 0);
    }
}

#[tokio::test]
async fn a_pending_export_whose_session_is_not_found_has_an_unknown_outcome() {
    let world = World::new("row-forgotten").await;
    let _operator = world.operator().await;
    for (name, ready_when) in [("late", "Exported"), ("early", "Accepted")] {
        world.simulator.session(name, json!({})).await;
        world.export_with(name, name, "s3://exports/a/", json!({"readyWhen": ready_when})).await;
        world.reason(name, "ExportPending").await;
    }
    world.simulator.fault(json!({"operation": "GetStreamSession", "action": {"type": "notFound"}})).await;
    for name in ["late", "early"] {
        let unknown = world.shows(name, UNKNOWN, "SessionNotFound").await;
        assert!(message(&unknown).contains("outcome is unknown"), "{}", message(&unknown));
        assert!(message(&unknown).contains("may still arrive"), "{}", message(&unknown));
        world.tells(&unknown, &["Normal ExportPending", "Warning SessionNotFound"]).await;
        assert_eq!((world.simulator.exports(name).await, world.status_writes(name)), (1, 3));
    }
}

#[tokio::test]
async fn a_session_with_a_foreign_export_is_left_alone() {
    let world = World::new("row-conflict").await;
    let _operator = world.operator().await;
    let theirs = json!({"export": {"status": "PENDING", "outputUri": "s3://exports/theirs/"}});
    world.simulator.session("taken", theirs).await;
    world.export("taken", "taken", "s3://exports/ours/").await;
    let taken = world.shows("taken", LOST, "ExportConflict").await;
    world.tells(&taken, &["Warning ExportConflict"]).await;
    assert_eq!((world.simulator.exports("taken").await, world.status_writes("taken")), (0, 1));

    // After AWS's promise, only what lasts for a consistency window is believed; it is never overwritten.
    world.simulator.session("stolen", json!({})).await;
    world.export("stolen", "stolen", "s3://exports/ours/").await;
    world.shows("stolen", PENDING, "ExportPending").await;
    let theirs = json!({"export": {"status": "SUCCEEDED", "outputUri": "s3://exports/theirs/it.zip"}});
    world.simulator.change("stolen", theirs).await;
    let row = "SUCCEEDED Accepted=True Ready=False Stalled=True Succeeded=False";
    let stolen = world.shows("stolen", row, "ExportConflict").await;
    world.tells(&stolen, &["Normal ExportPending", "Warning ExportConflict"]).await;
    assert_eq!(stolen.status.unwrap().output_uri, None, "theirs is not ours");
    assert_eq!((world.simulator.exports("stolen").await, world.status_writes("stolen")), (1, 3));

    world.simulator.session("failing", json!({})).await;
    world.export("failing", "failing", "s3://exports/ours/").await;
    world.shows("failing", PENDING, "ExportPending").await;
    let theirs = json!({"export": {"status": "FAILED", "outputUri": "s3://exports/theirs/it.zip"}});
    world.simulator.change("failing", theirs).await;
    world.shows("failing", FAILED, "ExportConflict").await;
}

#[tokio::test]
async fn what_is_never_accepted_ends_at_the_bound_and_keeps_its_reason() {
    let changes = json!({"timing": {"acceptanceBound": "4s", "heldStatusDelay": "200ms"}});
    // Denials are shared by a group; one of its own leaves the others alone.
    let groups = ["--group", "sg-1AB2C3De4", "--group", "sg-Denied"];
    let world = World::with("row-bound", &groups, changes).await;
    let _operator = world.operator().await;
    let denied = json!({"operation": "GetStreamSession", "session": "denied", "action": {"type": "accessDenied"}});
    world.simulator.fault(denied).await;
    let call = "ExportStreamSessionFiles";
    let intended = json!({"operation": call, "session": "intended", "action": {"type": "accessDenied"}});
    world.simulator.fault(intended).await;
    world.simulator.session("denied", json!({"group": "sg-Denied"})).await;
    for session in ["intended", "suspended"] {
        world.simulator.session(session, json!({})).await;
    }
    world.simulator.session("starting", json!({"status": "ACTIVATING"})).await;
    world.simulator.session("unsaid", json!({"export": {"status": "PENDING"}})).await;
    let group = json!({"streamGroupIdentifier": "sg-Denied"});
    world.export_with("denied", "denied", "s3://exports/a/", group).await;
    for session in ["intended", "starting", "unsaid"] {
        world.export(session, session, "s3://exports/a/").await;
    }
    world.export("forbidden", "denied", "s3://elsewhere/a/").await;
    world.export_with("suspended", "suspended", "s3://exports/a/", json!({"suspend": true})).await;

    let ended = [
        ("denied", "AccessDenied", vec!["Warning AccessDenied", "Warning AccessDenied"]),
        ("forbidden", "DestinationForbidden", vec!["Warning DestinationForbidden", "Warning DestinationForbidden"]),
        ("starting", "WaitingForSession", vec!["Warning WaitingForSession"]),
    ];
    for (name, reason, described) in ended {
        let lost = world.shows(name, LOST, reason).await;
        assert!(message(&lost).starts_with("AWS did not accept"), "{}", message(&lost));
        let why = lost.status.as_ref().unwrap().export_status_reason.clone().unwrap();
        assert!(why.starts_with("AWS did not accept"), "{why}");
        world.tells(&lost, &described).await;
    }
    // These are older than that by now, and exempt: an intent, a suspension, an export that may be ours.
    world.shows("intended", STALLED, "AccessDenied").await;
    world.shows("suspended", HELD, "Suspended").await;
    world.shows("unsaid", HELD, "DestinationUnknown").await;
}
