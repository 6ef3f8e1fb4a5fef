//! The share of AWS's quota, as the simulator's journal has it: through a handover, against a quota that is smaller
//! than believed, and beside Regions that answer nothing.

use crate::world::World;
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

const EXPORT: &str = "ExportStreamSessionFiles";
const GET: &str = "GetStreamSession";

async fn export_all(world: &World, names: &[String], more: &Value) {
    world.simulator.ask("POST", "sessions", merged(json!({"ids": names}), more)).await;
    join_all(names.iter().map(|name| world.export_with(name, name, "s3://exports/a/", more.clone()))).await;
}

fn merged(mut base: Value, over: &Value) -> Value {
    crate::simulator::merge(&mut base, over.clone());
    base
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n:03}")).collect()
}

/// Most calls that any second of the journal holds.
fn busiest_second(calls: &[Value]) -> usize {
    let mut times: Vec<f64> = calls.iter().map(|call| call["ms"].as_f64().unwrap()).collect();
    times.sort_by(f64::total_cmp);
    let within = |(first, at): (usize, &f64)| times[first..].partition_point(|other| *other < at + 1000.0);
    times.iter().enumerate().map(within).max().unwrap_or_default()
}

/// A share so small that the way from the token to AWS, which is longer for one call than for the next, is small beside
/// it: the rest of an interval, 100 ms, would have to pass on the way for one call more.
#[tokio::test]
async fn two_replicas_stay_within_one_share_through_a_handover() {
    let world = World::new("quota-handover").await;
    // Where the API server is too slow for the release of the lease, the lease runs out within a test's patience.
    let timing = json!({"leaseDuration": "15s", "leaseRenewDeadline": "10s"});
    let config = json!({"quota": {"get": 2, "export": 2}, "timing": timing});
    let mut first = world.start(config.clone(), &[]).await;
    first.ready("leading").await;
    let second = world.start(config, &[]).await;
    second.ready("standing by").await;
    let names = names("q", 16);
    export_all(&world, &names, &json!({})).await;
    world.eventually("some are accepted", || async { world.simulator.calls(EXPORT, "").await.len() >= 5 }).await;
    first.signal("TERM");
    assert!(first.ended(Duration::from_secs(20)).await.is_some_and(|status| status.success()), "{}", first.log());
    second.ready("leading").await;
    for name in &names {
        world.reason(name, "ExportPending").await;
    }
    for operation in [EXPORT, GET] {
        let calls = world.simulator.calls(operation, "").await;
        // Lists serve first reads, too: some of the Gets poll accepted exports.
        assert!(calls.len() >= names.len() / 2, "{operation}: {}", calls.len());
        assert!(busiest_second(&calls) <= 3, "{operation}: {} in one second", busiest_second(&calls));
    }
}

#[tokio::test]
async fn a_quota_far_smaller_than_believed_only_takes_longer_and_shows() {
    let world = World::with("quota-small", &[], json!({"quota": {"get": 10, "export": 18}})).await;
    let operator = world.operator().await;
    world.eventually("the share shows", || async { operator.share_in_force(GET).await >= Some(10.0) }).await;
    world.simulator.ask("PUT", "quota", json!({"enabled": true, "perSecond": 2, "operations": {}})).await;
    let names = names("s", 12);
    export_all(&world, &names, &json!({})).await;
    world
        .eventually("the share shrinks", || async {
            operator.share_in_force(GET).await.is_some_and(|share| share < 5.0)
        })
        .await;
    for name in &names {
        world.reason(name, "ExportPending").await;
        assert_eq!(world.simulator.accepted(name).await.len(), 1);
    }
}

/// More calls hang in two Regions than one process may have unanswered in one; and they hang for longer than a slow
/// machine takes for all of it.
#[tokio::test]
async fn regions_that_answer_nothing_delay_no_other_region() {
    let timing = json!({
        "callTimeout": "110s", "consistencyWindow": "2m", "heldStatusDelay": "5m", "leaseDuration": "150s", "leaseRenewDeadline": "15s",
    });
    let regions = ["--region", "us-west-2", "--region", "eu-west-1", "--region", "ap-northeast-1"];
    let rule = json!({"namespaces": ["*"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"],
        "regions": ["us-west-2", "eu-west-1", "ap-northeast-1"]});
    let config = json!({"quota": {"get": 20, "export": 20}, "timing": timing, "rules": [rule]});
    let world = World::with("quota-hole", &regions, config).await;
    let _operator = world.operator().await;
    let hang = json!({"operation": EXPORT, "session": "hole-*", "action": {"type": "latency", "ms": 100_000}});
    world.simulator.fault(hang).await;
    for region in ["eu-west-1", "ap-northeast-1"] {
        let names = names(&format!("hole-{region}-"), 120);
        export_all(&world, &names, &json!({"region": region})).await;
    }
    let hung = || world.simulator.faults_applied();
    world.eventually("so many hang", || async { hung().await >= 200 }).await;
    for n in 0..5 {
        let name = format!("fine-{n}");
        world.simulator.session(&name, json!({})).await;
        world.export(&name, &name, "s3://exports/a/").await;
        world.reason(&name, "ExportPending").await;
    }
    // The journal shows a call when it ends.
    let back = world.simulator.calls(EXPORT, "").await.len() - 5;
    assert_eq!(back, 0, "{back} calls of others were over before the last of five was accepted");
}
