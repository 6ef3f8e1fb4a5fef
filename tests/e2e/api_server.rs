//! The way to the API server cut, silent, or without answers. Its own death is in `tests/outage`.

use crate::operator::Operator;
use crate::oracle::{History, end_state, exported};
use crate::proxy::Proxy;
use crate::world::World;
use serde_json::{Value, json};
use session_export_operator::api::SessionExportStatus;
use std::time::Duration;

const EXPORT: &str = "ExportStreamSessionFiles";
const GET: &str = "GetStreamSession";

/// Calls slow enough to disturb something in their midst, and a lease that runs out within a test's patience.
fn timing() -> Value {
    json!({"timing": {
        "leaseDuration": "7s", "leaseRenewDeadline": "3s", "leaseRetry": "300ms",
        "callTimeout": "4s", "consistencyWindow": "5s",
    }})
}

async fn behind_a_proxy(world: &World) -> (Proxy, Operator) {
    let proxy = Proxy::to(world.api_server()).await;
    let operator = world.start_through(Some(&proxy.server), json!({}), &[]).await;
    operator.ready("leading").await;
    (proxy, operator)
}

/// The end state, the one call and the three writes of an undisturbed run.
async fn undisturbed(world: &World, history: &History, name: &str) {
    assert_eq!(end_state(&world.finished(name).await), exported("s3://exports/a/"), "{}", world.logs());
    assert_eq!(world.simulator.exports(name).await, 1, "one call for {name}");
    // Not from the audit log: what was applied after its client had gone stands there as timed out.
    assert!(history.writes(world, name).await <= 3, "three writes for {name}");
}

#[tokio::test]
async fn cut_connections_lose_nothing() {
    let world = World::new("way-cut").await;
    let history = History::of(&world);
    let (proxy, _operator) = behind_a_proxy(&world).await;
    let names: Vec<_> = (0..6).map(|n| format!("c{n}")).collect();
    for name in &names {
        world.simulator.session(name, json!({})).await;
        proxy.cut();
        world.export(name, name, "s3://exports/a/").await;
        proxy.cut();
    }
    for name in &names {
        world.reason(name, "ExportPending").await;
        proxy.cut();
        world.simulator.end(name).await;
    }
    proxy.cut();
    for name in &names {
        undisturbed(&world, &history, name).await;
    }
    history.check(&world).await;
}

#[tokio::test]
async fn in_a_black_hole_nothing_is_called_without_its_intent_and_nothing_is_lost() {
    let world = World::with("way-hole", &[], timing()).await;
    let history = History::of(&world);
    let (proxy, operator) = behind_a_proxy(&world).await;
    for name in ["reading", "calling", "pending"] {
        world.simulator.session(name, json!({})).await;
    }
    world.export("pending", "pending", "s3://exports/a/").await;
    world.reason("pending", "ExportPending").await;
    let slow = |operation: &str, session: &str| {
        json!({
            "operation": operation, "session": session, "first": 1,
            "action": {"type": "latency", "ms": 3000, "afterEffect": true},
        })
    };
    world.simulator.ask("POST", "faults", json!([slow(GET, "reading"), slow(EXPORT, "calling")])).await;
    world.export("calling", "calling", "s3://exports/a/").await;
    world.export("reading", "reading", "s3://exports/a/").await;
    world.eventually("both are under way", || async { world.simulator.faults_applied().await == 2 }).await;
    proxy.black_hole();
    world.simulator.end("pending").await;
    let given_up = || async { operator.log().contains("no longer leading") };
    world.eventually("it stops acting", given_up).await;
    assert_eq!(world.simulator.exports("reading").await, 0, "no call without its intent");
    assert_eq!(world.status("reading").await.request_attempt_time, None);
    assert_eq!(world.status("calling").await.request_time, None);
    proxy.open();
    for name in ["reading", "calling"] {
        world.reason(name, "ExportPending").await;
        world.simulator.end(name).await;
    }
    for name in ["reading", "calling", "pending"] {
        undisturbed(&world, &history, name).await;
    }
    history.check(&world).await;
}

/// Each write by an object of its own: the connection that carries it must be open when the answers stop.
#[tokio::test]
async fn a_status_write_whose_answer_is_lost_is_not_lost() {
    // The first write is to be the intent's, not that of a wait.
    let timing = json!({"callTimeout": "5s", "consistencyWindow": "6s", "heldStatusDelay": "1m"});
    let world = World::with("way-answers", &[], json!({"timing": timing})).await;
    let history = History::of(&world);
    let (proxy, operator) = behind_a_proxy(&world).await;
    for name in ["intent", "acceptance", "end"] {
        world.simulator.session(name, json!({})).await;
    }
    for (name, operation) in [("intent", GET), ("acceptance", EXPORT)] {
        let slow = json!({
            "operation": operation, "session": name, "first": 1,
            "action": {"type": "latency", "ms": 1500, "afterEffect": true},
        });
        world.simulator.fault(slow).await;
        world.export(name, name, "s3://exports/a/").await;
        world.eventually("it is under way", || async { world.simulator.faults_applied().await == 1 }).await;
        proxy.lose_replies();
        let written = |status: &SessionExportStatus| match name {
            "intent" => status.request_attempt_time.is_some(),
            _ => status.request_time.is_some(),
        };
        world.until(name, "written", written).await;
        if name == "intent" {
            let described = || async { operator.log().contains("status write failed") };
            world.eventually("it finds the answer lost", described).await;
            // Time for a call that must not come; nothing can be retried meanwhile.
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(world.simulator.exports(name).await, 0, "an intent that is not known to be written is none");
        }
        proxy.open();
        world.simulator.no_faults().await;
        world.reason(name, "ExportPending").await;
    }
    world.export("end", "end", "s3://exports/a/").await;
    let is_answered = |line: &Value| line["name"] == "end" && line["reason"] == "ExportPending";
    let recorded = || async { operator.lines().iter().any(is_answered) };
    world.eventually("the write of the acceptance is answered", recorded).await;
    proxy.lose_replies();
    world.simulator.end("end").await;
    world.finished("end").await;
    proxy.open();
    for name in ["intent", "acceptance"] {
        world.simulator.end(name).await;
    }
    for name in ["intent", "acceptance", "end"] {
        undisturbed(&world, &history, name).await;
    }
    history.check(&world).await;
}
