//! What the operator, or AWS, refuses although the session lives.

use crate::simulator::GROUP;
use crate::status::{LOST, PENDING, STALLED, message};
use crate::world::World;
use serde_json::{Value, json};

#[tokio::test]
async fn a_forbidden_destination_prints_the_very_rule_that_lets_it_through() {
    let world = World::new("row-forbidden").await;
    let operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://elsewhere/team/it.zip").await;
    let held = world.shows("one", STALLED, "DestinationForbidden").await;
    world.tells(&held, &["Warning DestinationForbidden"]).await;
    assert_eq!(world.simulator.all_calls_of("").await, 0, "nothing is read for what the rules don't cover");
    operator.stop().await;

    let said = message(&held);
    let (_, rule) = said.split_once("add to rules: ").unwrap();
    let rule: Value = serde_yaml::from_str(rule).unwrap();
    let operator = world.start(json!({"rules": [rule]}), &[]).await;
    operator.ready("leading").await;
    let pending = world.shows("one", PENDING, "ExportPending").await;
    world.tells(&pending, &["Warning DestinationForbidden", "Normal ExportPending"]).await;
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (1, 3));
}

#[tokio::test]
async fn another_account_and_a_service_account_are_refused_without_a_call() {
    let world = World::new("row-foreign").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    let group = format!("arn:aws:gameliftstreams:us-west-2:999988887777:streamgroup/{GROUP}");
    world.export_with("account", "live", "s3://exports/a/", json!({"streamGroupIdentifier": group})).await;
    world.export_with("identity", "live", "s3://exports/a/", json!({"serviceAccountName": "tenant"})).await;
    let account = world.shows("account", STALLED, "AccountMismatch").await;
    assert!(message(&account).contains("999988887777") && !format!("{:?}", account.status).contains("111122223333"));
    let identity = world.shows("identity", STALLED, "ServiceAccountNotSupported").await;
    world.tells(&account, &["Warning AccountMismatch"]).await;
    world.tells(&identity, &["Warning ServiceAccountNotSupported"]).await;
    // They hold nothing that another one needs.
    world.export("own", "live", "s3://exports/b/").await;
    world.shows("own", PENDING, "ExportPending").await;
    assert_eq!(world.simulator.destinations("live").await, ["s3://exports/b/"]);
    assert_eq!((world.status_writes("account"), world.status_writes("identity")), (1, 1));
}

#[tokio::test]
async fn a_live_session_that_aws_refuses_stalls_after_three_tries_and_is_tried_again() {
    let world = World::new("row-rejected").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    let fault = json!({
        "operation": "ExportStreamSessionFiles",
        "action": {"type": "validation", "message": "no"},
    });
    world.simulator.fault(fault).await;
    world.export("one", "live", "s3://exports/a/").await;
    let stalled = world.shows("one", STALLED, "RequestRejected").await;
    assert_eq!(world.simulator.exports("live").await, 3);
    world.tells(&stalled, &["Warning RequestRejected"]).await;
    world.simulator.no_faults().await;
    let pending = world.shows("one", PENDING, "ExportPending").await;
    world.tells(&pending, &["Warning RequestRejected", "Normal ExportPending"]).await;
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (4, 3));
}

/// What AWS answers to the call, and what the condition must then have of its words.
fn refusals() -> [(&'static str, Value, &'static str, &'static str); 5] {
    let hostile = format!("\u{1b}[31mred\nnext \u{202e}gnp {}", "x".repeat(4096));
    [
        ("throttle", json!({"type": "throttle"}), "ServiceUnavailable", "AWS says ThrottlingException: "),
        ("error", json!({"type": "error5xx"}), "ServiceUnavailable", "AWS says InternalServerException: "),
        (
            "denied",
            json!({"type": "accessDenied"}),
            "AccessDenied",
            "AWS says AccessDeniedException: User: the operator's role ",
        ),
        (
            "bucket",
            json!({"type": "validation", "message": "The bucket 'exports' does not exist"}),
            "RequestRejected",
            "AWS says ValidationException: The bucket 'exports' does not exist.",
        ),
        (
            "hostile",
            json!({"type": "validation", "message": hostile}),
            "RequestRejected",
            "AWS says ValidationException: \\u{1b}[31mred\\u{a}next \\u{202e}gnp xxx",
        ),
    ]
}

#[tokio::test]
async fn each_refusal_has_aws_code_and_text_and_no_principal() {
    let world = World::with("row-words", &[], json!({"timing": {"heldStatusDelay": "500ms"}})).await;
    let _operator = world.operator().await;
    for (session, action, ..) in refusals() {
        world.simulator.session(session, json!({})).await;
        let fault = json!({"operation": "ExportStreamSessionFiles", "session": session, "action": action});
        world.simulator.fault(fault).await;
        // A denial holds all that the same rule's prefix covers.
        let uri = if session == "denied" { "s3://denied/a/" } else { "s3://exports/a/" };
        world.export(session, session, uri).await;
    }
    for (name, _, reason, words) in refusals() {
        let said = message(&world.reason(name, reason).await);
        assert!(said.contains(words) && said.len() <= 512, "{name}: {said}");
        assert!(!said.contains("arn:aws:sts") && !said.contains("arn:aws:iam"), "{said}");
    }
}

#[tokio::test]
async fn a_text_with_another_request_id_each_time_is_written_once() {
    let world = World::new("row-word-changes").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    let faults: Vec<_> = (1..=6)
        .map(|nth| {
            let message = format!("No such bucket (Request ID: {nth}2d7f4e{nth}, moment {nth})");
            let action = json!({"type": "validation", "message": message});
            json!({"operation": "ExportStreamSessionFiles", "nth": nth, "action": action})
        })
        .collect();
    world.simulator.ask("POST", "faults", json!(faults)).await;
    world.export("one", "live", "s3://exports/a/").await;
    let stalled = world.shows("one", STALLED, "RequestRejected").await;
    assert!(message(&stalled).ends_with("AWS says ValidationException: No such bucket (Request ID: ..., moment 3)."));
    world.eventually("it was refused again", || async { world.simulator.exports("live").await >= 5 }).await;
    assert_eq!(world.status_writes("one"), 2, "the intent and the refusal");
}

#[tokio::test]
async fn a_session_that_ends_between_read_and_call_has_ended_and_is_not_invalid() {
    let world = World::new("row-between").await;
    let _operator = world.operator().await;
    world.simulator.session("ends", json!({"ageSeconds": 600, "status": "TERMINATED"})).await;
    // The first read, and no other, still shows it alive, however long the operator takes to call and to look again.
    let alive = json!({"type": "unknownEnum", "field": "session", "value": "ACTIVE"});
    world.simulator.fault(json!({"operation": "GetStreamSession", "first": 1, "action": alive})).await;
    world.export("one", "ends", "s3://exports/a/").await;
    let ended = world.shows("one", LOST, "SessionEnded").await;
    let calls = world.simulator.calls("ExportStreamSessionFiles", "ends").await;
    let errors: Vec<_> = calls.iter().map(|call| call["error"].as_str()).collect();
    assert_eq!(errors, [Some("ValidationException")]);
    world.tells(&ended, &["Warning SessionEnded"]).await;
}
