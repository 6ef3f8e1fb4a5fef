//! AWS that is busy, broken or away: nothing is concluded, and all goes on when it is back.

use crate::simulator::{ACCOUNT, REGION};
use crate::status::{DONE, HELD, INTENT, PENDING};
use crate::world::World;
use serde_json::{Value, json};

/// Answers that say nothing about the session, by the name of the session that gets them.
fn troubles() -> [(&'static str, Value); 10] {
    let named = |home: &str, resource: &str| json!({"type": "arn", "value": format!("arn:aws:gameliftstreams:{home}:streamsession/{resource}")});
    [
        ("throttle", json!({"type": "throttle"})),
        ("error", json!({"type": "error5xx"})),
        ("html", json!({"type": "html503"})),
        ("json", json!({"type": "brokenJson"})),
        ("word", json!({"type": "unknownEnum", "field": "session"})),
        ("hole", json!({"type": "latency", "ms": 2000})),
        ("reset", json!({"type": "resetBefore"})),
        ("group", named(&format!("{REGION}:{ACCOUNT}"), "sg-other/group")),
        ("region", named(&format!("eu-central-1:{ACCOUNT}"), "region")),
        ("account", named(&format!("{REGION}:999999999999"), "account")),
    ]
}

#[tokio::test]
async fn reads_that_say_nothing_hold_an_export_until_they_do() {
    let world = World::with("row-reads", &[], json!({"timing": {"heldStatusDelay": "500ms"}})).await;
    let _operator = world.operator().await;
    // Lists would serve so many first reads of one group.
    world.simulator.fault(json!({"operation": "ListStreamSessions", "action": {"type": "error5xx"}})).await;
    for (session, action) in troubles() {
        world.simulator.session(session, json!({})).await;
        let fault = json!({"operation": "GetStreamSession", "session": session, "action": action});
        world.simulator.fault(fault).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    for (name, _) in troubles() {
        let held = world.shows(name, HELD, "ServiceUnavailable").await;
        world.tells(&held, &[]).await;
    }
    assert_eq!(world.simulator.all_calls_of("Export").await, 0);
    // Each cause once, however often they are read; with the host, which a status doesn't show. (The SDK gives none when
    // it stops waiting.)
    let (logs, host) = (world.logs(), world.simulator.aws.trim_start_matches("http://"));
    for (cause, host) in
        [("the connection broke off before the answer was complete", host), ("there is no answer in time", "")]
    {
        let warning = format!("AWS can't be reached: {cause}");
        let lines: Vec<_> = logs.lines().filter(|line| line.contains(&warning)).collect();
        assert!(lines.len() == 1 && lines[0].contains(host), "{warning}: {lines:?}");
    }
    world.simulator.no_faults().await;
    for (name, _) in troubles() {
        world.shows(name, PENDING, "ExportPending").await;
        assert_eq!(world.entered(name), ["ServiceUnavailable", "Requesting", "ExportPending"], "{name}");
        assert_eq!(world.simulator.exports(name).await, 1, "{name}");
    }
}

#[tokio::test]
async fn calls_that_fail_are_made_again_and_the_intent_stays() {
    let world = World::with("row-calls", &[], json!({"timing": {"heldStatusDelay": "500ms"}})).await;
    let _operator = world.operator().await;
    let failing = || troubles().into_iter().filter(|(name, _)| ["throttle", "error", "html", "reset"].contains(name));
    for (session, action) in failing() {
        world.simulator.session(session, json!({})).await;
        let fault = json!({"operation": "ExportStreamSessionFiles", "session": session, "action": action});
        world.simulator.fault(fault).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    for (name, _) in failing() {
        world.shows(name, INTENT, "ServiceUnavailable").await;
    }
    world.simulator.no_faults().await;
    for (name, _) in failing() {
        let pending = world.shows(name, PENDING, "ExportPending").await;
        assert_eq!(world.entered(name), ["Requesting", "ServiceUnavailable", "ExportPending"], "{name}");
        assert_eq!(world.simulator.destinations(name).await, ["s3://exports/a/"]);
        world.tells(&pending, &["Normal ExportPending"]).await;
    }
}

#[tokio::test]
async fn a_lost_reply_is_answered_by_a_read_and_not_by_a_second_call() {
    let world = World::new("row-replies").await;
    let _operator = world.operator().await;
    let lost = [
        ("json", json!({"type": "brokenJson"})),
        ("reset", json!({"type": "resetAfter"})),
        ("error", json!({"type": "error5xx", "afterEffect": true})),
        ("hole", json!({"type": "latency", "ms": 2000, "afterEffect": true})),
    ];
    for (session, action) in &lost {
        world.simulator.session(session, json!({})).await;
        let fault = json!({"operation": "ExportStreamSessionFiles", "session": session, "action": action});
        world.simulator.fault(fault).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    for (name, _) in &lost {
        world.shows(name, PENDING, "ExportPending").await;
        world.simulator.end(name).await;
        world.shows(name, DONE, "Exported").await;
        assert_eq!(world.entered(name), ["Requesting", "ExportPending", "Exported"], "{name}");
        assert_eq!(world.simulator.promises(name).await, 1, "{name}");
        assert!(world.simulator.exports(name).await <= 1, "{name}");
    }
}

#[tokio::test]
async fn a_failed_read_of_a_pending_export_writes_nothing() {
    let world = World::new("row-accepted-reads").await;
    let operator = world.operator().await;
    // Throttling apart: it slows all others down. The session's own word says nothing about an accepted export.
    let mut troubles: Vec<_> =
        troubles().into_iter().filter(|(name, _)| !["throttle", "word"].contains(name)).collect();
    troubles.push(("export-word", json!({"type": "unknownEnum", "field": "export", "value": "HIBERNATING"})));
    for (session, _) in &troubles {
        world.simulator.session(session, json!({})).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    for (name, action) in &troubles {
        world.shows(name, PENDING, "ExportPending").await;
        let fault = json!({"operation": "GetStreamSession", "session": name, "action": action});
        world.simulator.fault(fault).await;
    }
    for (name, _) in &troubles {
        world.reads(name, 2).await;
        world.simulator.end(name).await;
    }
    for (name, _) in &troubles {
        world.reads(name, 1).await;
        world.shows(name, PENDING, "ExportPending").await;
        assert_eq!(world.status_writes(name), 2, "{name}");
    }
    let metrics = operator.get("/metrics").await.1;
    assert!(metrics.contains("sessionexport_aws_requests_total{"), "{metrics}");
    world.simulator.no_faults().await;
    for (name, _) in &troubles {
        world.shows(name, DONE, "Exported").await;
        assert_eq!((world.simulator.exports(name).await, world.status_writes(name)), (1, 3), "{name}");
    }
}

#[tokio::test]
async fn a_denied_read_of_a_pending_export_writes_nothing() {
    let world = World::new("row-accepted-denied").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    let pending = world.shows("one", PENDING, "ExportPending").await;
    for action in ["accessDenied", "expiredToken"] {
        world.simulator.no_faults().await;
        world.simulator.fault(json!({"operation": "GetStreamSession", "action": {"type": action}})).await;
        world.reads("live", 2).await;
    }
    world.simulator.end("live").await;
    world.reads("live", 1).await;
    assert_eq!(world.status_writes("one"), 2);
    world.tells(&pending, &["Normal ExportPending"]).await;
    world.simulator.no_faults().await;
    world.shows("one", DONE, "Exported").await;
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (1, 3));
}
