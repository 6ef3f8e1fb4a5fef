//! Reads that show what was before the write, for almost as long as the consistency window.

use super::*;
use crate::oracle::History;

const LAG_MS: u64 = 8_000;
/// Lists tell sooner that a session is not live any more, so that Gets are made while those still lag.
const LIST_LAG_MS: u64 = 1_000;
/// Longer than the lag and a call's time-out together.
const SETTLE_MS: f64 = 10_500.0;

/// 300 exports of ours, 300 that another caller has just requested, 200 that are not requested, and 100 pairs of
/// objects that want one session in two places. In the midst of it half the statuses are cleared, and the process is
/// killed.
#[tokio::test]
async fn a_thousand_are_neither_ended_nor_requested_again_while_reads_lag() {
    let _turn = TURNS.acquire().await.unwrap();
    let timing = json!({"callTimeout": "2s", "consistencyWindow": "10500ms", "heldStatusDelay": "1m"});
    let world = World::with("thousand-lag", &[], json!({"quota": shares(200), "timing": timing})).await;
    allow(&world, 200).await;
    world.simulator.behave(json!({"defaults": {"getLagMs": LAG_MS, "listLagMs": LIST_LAG_MS}})).await;
    let (own, theirs) = (names("own", 300), names("theirs", 300));
    let (over, pairs) = (names("over", 200), names("pair", 100));
    let operator = world.operator().await;
    for names in [&own, &theirs, &pairs] {
        sessions(&world, names, json!({})).await;
    }
    exports(&world, &world.namespace, &theirs, json!({"suspend": true})).await;
    all(&world, &theirs, "suspended", is("Suspended")).await;
    exports(&world, &world.namespace, &own, json!({})).await;
    exports(&world, &world.namespace, &pairs, json!({})).await;
    all(&world, &[&*own, &pairs].concat(), "accepted", is("ExportPending")).await;

    // One half while the first process runs, the other while none does.
    let (early, late) = theirs.split_at(150);
    asked_for_and_over(&world, early).await;
    end(&world, &own).await;
    world.crash(operator).await;
    clear(&world, &[&own[..150], &pairs].concat()).await;
    sessions(&world, &over, json!({"status": "TERMINATED"})).await;
    exports(&world, &world.namespace, &over, json!({})).await;
    let rivals = rivals(&world, &pairs).await;
    // And now and then a read that is older still, of the session's life as well.
    let older = json!({"operation": GET, "every": 3, "action": {"type": "readLag", "ms": LAG_MS, "status": true}});
    world.simulator.fault(older).await;
    let history = History::of(&world);
    asked_for_and_over(&world, late).await;
    let _operator = world.operator().await;

    all(&world, &[&*own, &theirs].concat(), "done", is("Exported")).await;
    all(&world, &over, "ended", is("SessionEnded")).await;
    all(&world, &pairs, "accepted", is("ExportPending")).await;
    all(&world, &rivals, "too late", is("ExportConflict")).await;
    end(&world, &pairs).await;
    all(&world, &pairs, "done", is("Exported")).await;
    history.check(&world).await;
    judge(&journal(&world).await, &theirs, &over);
}

/// Another caller requests the export, and the session ends at once.
async fn asked_for_and_over(world: &World, names: &[String]) {
    each(names, |name| async move {
        world.simulator.change(&name, json!({"export": {"status": "PENDING", "outputUri": PREFIX}})).await;
        world.simulator.end(&name).await;
    })
    .await;
}

async fn end(world: &World, names: &[String]) {
    each(names, |name| async move { world.simulator.end(&name).await }).await;
}

async fn clear(world: &World, names: &[String]) {
    each(names, |name| async move { drop(world.clear_status(&name).await) }).await;
}

/// A second object for each session, with another destination.
async fn rivals(world: &World, names: &[String]) -> Vec<String> {
    let rival = |name: &str| name.replace("pair", "rival");
    each(names, |name| async move {
        world.export(&rival(&name), &name, "s3://exports/b/").await;
    })
    .await;
    names.iter().map(|name| rival(name)).collect()
}

fn judge(journal: &[Value], theirs: &[String], over: &[String]) {
    let asked = calls(journal, EXPORT);
    assert!(asked.iter().all(|call| call["outputUri"] == PREFIX), "no second destination");
    let times = by_session(&asked);
    assert!(theirs.iter().chain(over).all(|name| !times.contains_key(name.as_str())), "asked for: {times:?}");
    let deceived = theirs.iter().filter(|name| deceived(journal, name)).count();
    println!("{deceived} of 300 were read as ended without an export");
    assert!(deceived > 0, "no read lagged");
    for name in over {
        let reads: Vec<_> = calls(journal, GET).into_iter().filter(|call| of(call) == name).map(ms).collect();
        let apart = reads.last().unwrap() - reads[0];
        // The arrival may be late at the first, and early at the last.
        assert!(reads.len() >= 2 && apart > SETTLE_MS - 500.0, "{name} was believed after {reads:?}");
    }
}

/// Whether it was read when it had ended, and its export did not show yet.
fn deceived(journal: &[Value], name: &str) -> bool {
    let of_it = || journal.iter().filter(|line| of(line) == name);
    let ended = ms(of_it().find(|line| line["to"] == "TERMINATED").unwrap());
    let shows = ms(of_it().find(|line| line["kind"] == "export").unwrap()) + LAG_MS as f64;
    let reads = || of_it().filter(|line| line["operation"] == GET && line["faults"].is_null());
    reads().any(|read| (ended..shows).contains(&ms(read)))
}
