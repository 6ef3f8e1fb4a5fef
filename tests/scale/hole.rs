//! One tenant whose calls hang. As long as there is but one identity, a Region stands for a tenant: its calls in flight
//! are bounded in the same way.

use super::*;

const HOLE: &str = "eu-west-1";
/// Unanswered calls that one identity may have in one Region.
const BOUND: u64 = 160;

/// 800 whose calls hang for longer than a slow machine takes for all of it; then 200 others come, to whom nothing
/// happens.
#[tokio::test]
async fn of_a_thousand_200_are_served_before_the_first_call_of_800_comes_back() {
    let _turn = TURNS.acquire().await.unwrap();
    let timing = json!({
        "callTimeout": "110s", "consistencyWindow": "2m", "heldStatusDelay": "5m", "leaseDuration": "150s", "leaseRenewDeadline": "15s",
    });
    let regions = ["--region", "us-west-2", "--region", HOLE];
    let rule = json!({"namespaces": ["*"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"],
        "regions": ["us-west-2", HOLE]});
    let config = json!({"quota": shares(200), "timing": timing, "rules": [rule]});
    let world = World::with("thousand-hole", &regions, config).await;
    let _operator = world.operator().await;
    allow(&world, 200).await;
    let hang = json!({"operation": EXPORT, "session": "hole*", "action": {"type": "latency", "ms": 100_000}});
    world.simulator.fault(hang).await;
    let (hole, others) = (names("hole", 800), names("other", 200));
    sessions(&world, &hole, json!({"region": HOLE})).await;
    exports(&world, &world.namespace, &hole, json!({"region": HOLE})).await;
    let hung = || async { world.simulator.faults_applied().await };
    world.eventually("all its places are taken", || async { hung().await >= BOUND }).await;
    // Were there no bound, the hole would take every place that the operator has.
    sleep(Duration::from_secs(5)).await;

    sessions(&world, &others, json!({})).await;
    exports(&world, &world.namespace, &others, json!({})).await;
    all(&world, &others, "asked for", is("ExportPending")).await;
    let journal = journal(&world).await;
    let back = calls(&journal, EXPORT).into_iter().filter(|call| of(call).starts_with("hole")).count();
    let hung = hung().await;
    println!("{hung} hung, {back} were back when 200 others had been called");
    assert_eq!((hung, back), (BOUND, 0), "calls of the hole that hung, and that came back");
}
