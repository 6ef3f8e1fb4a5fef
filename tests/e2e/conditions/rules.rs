//! Rules that change while exports are under way.

use crate::status::{DONE, LOST, PENDING, STALLED, message};
use crate::world::World;
use serde_json::{Value, json};

const EXPORT: &str = "ExportStreamSessionFiles";

/// The rule of all of these tests, with what is changed of it.
fn rules(world: &World, change: Value) -> Value {
    let mut rule = json!({"namespaces": [world.namespace], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"]});
    crate::simulator::merge(&mut rule, change);
    json!({"rules": [rule]})
}

/// The template of the command in docs/gitops.md that shows what is left under a rule.
fn documented_template() -> String {
    let text = crate::markdown::block("what-a-rule-holds").text;
    let (_, after) = text.split_once("kubectl get sx -A -o go-template='").unwrap();
    after.split_once('\'').unwrap().0.to_owned()
}

/// The exports of this namespace that the documented command lists.
fn listed(world: &World) -> Vec<String> {
    let output = world.control().kubectl(&["get", "sx", "-A", "-o", &format!("go-template={}", documented_template())]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let own = format!("{}/", world.namespace);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_prefix(&own)).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_retired_rule_lets_what_was_requested_end_and_nothing_new_begin() {
    let world = World::new("rules-retired").await;
    let operator = world.operator().await;
    for session in ["accepted", "fresh", "waiting"] {
        world.simulator.session(session, json!({})).await;
    }
    world.export("accepted", "accepted", "s3://exports/a/").await;
    world.export_with("waiting", "waiting", "s3://exports/w/", json!({"suspend": true})).await;
    world.shows("accepted", PENDING, "ExportPending").await;
    world.reason("waiting", "Suspended").await;
    operator.stop().await;

    let operator = world.start(rules(&world, json!({"exports": false})), &[]).await;
    operator.ready("leading").await;
    world.export("fresh", "fresh", "s3://exports/f/").await;
    for name in ["fresh", "waiting"] {
        let held = world.shows(name, STALLED, "DestinationForbidden").await;
        assert!(message(&held).contains("allows no new exports (exports: false)"), "{}", message(&held));
    }
    assert_eq!(listed(&world), ["accepted sg-1AB2C3De4 s3://exports/a/"]);
    world.simulator.end("accepted").await;
    world.shows("accepted", DONE, "Exported").await;
    assert!(listed(&world).is_empty());
    assert_eq!(world.simulator.exports("fresh").await + world.simulator.exports("waiting").await, 0);
    assert_eq!(world.simulator.calls("GetStreamSession", "fresh").await.len(), 0, "what never asked isn't read");
    operator.stop().await;

    let operator = world.operator().await;
    operator.ready("leading").await;
    world.shows("fresh", PENDING, "ExportPending").await;
}

#[tokio::test]
async fn under_a_retired_rule_an_unanswered_call_is_not_repeated_and_a_read_decides() {
    let world = World::new("rules-unanswered").await;
    world.simulator.fault(json!({"operation": EXPORT, "action": {"type": "resetBefore"}})).await;
    let mut sessions = Vec::new();
    for session in ["ends", "adopted"] {
        world.simulator.session(session, json!({})).await;
        world.export(session, session, &format!("s3://exports/{session}/")).await;
        sessions.push(session);
    }
    let operator = world.operator().await;
    for session in &sessions {
        world.eventually("it is called for", || async { world.simulator.exports(session).await >= 1 }).await;
    }
    operator.stop().await;
    world.simulator.no_faults().await;

    let before = world.simulator.calls(EXPORT, "").await.len();
    let operator = world.start(rules(&world, json!({"exports": false})), &[]).await;
    operator.ready("leading").await;
    let stands = world.status("ends").await;
    world
        .eventually("it is read", || async { world.simulator.calls("GetStreamSession", "ends").await.len() >= 2 })
        .await;
    assert_eq!(world.status("ends").await, stands, "what stands is left until a read decides");
    world.simulator.end("ends").await;
    world.shows("ends", LOST, "SessionEnded").await;
    assert_eq!(world.simulator.calls(EXPORT, "").await.len(), before, "no call is repeated");
    operator.stop().await;

    let operator = world.operator().await;
    operator.ready("leading").await;
    world.shows("adopted", PENDING, "ExportPending").await;
}

#[tokio::test]
async fn without_a_rule_what_was_requested_is_left_as_it_stands_until_there_is_one_again() {
    let world = World::new("rules-removed").await;
    let operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    let accepted = world.shows("one", PENDING, "ExportPending").await;
    world.tells(&accepted, &["Normal ExportPending"]).await;
    operator.stop().await;

    let operator = world.start(rules(&world, json!({"outputPrefixes": ["s3://elsewhere/"]})), &[]).await;
    operator.ready("leading").await;
    let uncovered = "sessionexport_uncovered_exports 1";
    world.eventually("it is counted", || async { operator.get("/metrics").await.1.contains(uncovered) }).await;
    world.tells(&accepted, &["Normal ExportPending", "Warning DestinationForbidden"]).await;
    let reads = world.simulator.calls("GetStreamSession", "").await.len();
    world.simulator.end("live").await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(world.simulator.calls("GetStreamSession", "").await.len(), reads);
    assert_eq!(world.exports().get("one").await.unwrap().status, accepted.status);
    operator.stop().await;

    let operator = world.operator().await;
    operator.ready("leading").await;
    world.shows("one", DONE, "Exported").await;
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (1, 3));
}
