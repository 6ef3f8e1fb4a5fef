//! An AWS that breaks off in the middle of its answers, and uses unknown enum values.

use super::*;
use crate::operator::Operator;
use session_export_operator::api::ExportStatus;

/// 700 whose export AWS has accepted before, and 300 that are to be asked for.
#[tokio::test]
async fn a_thousand_live_through_broken_answers_and_unknown_words_and_none_fails_by_them() {
    let _turn = TURNS.acquire().await.unwrap();
    // Retries are at most 2 s apart: no cause but the lasting one is met for so long.
    let timing = json!({"callTimeout": "4s", "consistencyWindow": "5s", "heldStatusDelay": "15s"});
    let changes = json!({"quota": shares(200), "timing": timing});
    let world = World::with("thousand-nonsense", &[], changes).await;
    allow(&world, 200).await;
    let rules = json!([
        {"operation": LIST, "every": 3, "action": {"type": "brokenJson"}},
        {"operation": GET, "every": 3, "action": {"type": "brokenJson"}},
        {"operation": EXPORT, "every": 4, "action": {"type": "brokenJson"}},
        {"session": "dark*", "action": {"type": "unknownEnum", "field": "export"}},
        {"session": "odd*", "action": {"type": "unknownEnum", "field": "session"}},
    ]);
    world.simulator.fault(rules).await;
    let (pending, dark) = (names("pending", 600), names("dark", 100));
    let (live, odd) = (names("live", 200), names("odd", 100));
    let accepted = json!({"export": {"status": "PENDING", "outputUri": PREFIX}});
    for (names, seed) in [(&pending, &accepted), (&dark, &accepted), (&live, &json!({})), (&odd, &json!({}))] {
        sessions(&world, names, seed.clone()).await;
        exports(&world, &world.namespace, names, json!({})).await;
    }
    let operator = world.operator().await;
    all(&world, &[&*pending, &dark, &live].concat(), "accepted", is("ExportPending")).await;
    all(&world, &odd, "held", is("ServiceUnavailable")).await;
    let written = world.status_writes_by_name();

    each(&[&*pending, &dark].concat(), |name| {
        let world = &world;
        async move { world.simulator.end(&name).await }
    })
    .await;
    all(&world, &pending, "done", is("Exported")).await;
    // Sessions with unknown values are still polled; where lists miss them and Gets fail, a few at a time.
    looked_at_again(&world, &dark, 3).await;
    looked_at_again(&world, &odd, 2 * odd.len()).await;
    let statuses = statuses(&world, std::slice::from_ref(&world.namespace)).await;
    let failed = statuses.values().filter(|status| status.export_status == Some(ExportStatus::Failed)).count();
    assert_eq!(failed, 0, "nobody fails");
    dark.iter().for_each(|name| assert_eq!(reason(&statuses[name]), "ExportPending", "{name}"));
    let writes = world.status_writes_by_name();
    let same = |name: &String| writes[name] == written[name];
    assert!(dark.iter().chain(&odd).all(same), "nothing new, nothing written: {written:?} {writes:?}");
    let so_far = journal(&world).await;
    let asked = by_session(&calls(&so_far, EXPORT));
    assert!(asked.keys().all(|name| live.iter().any(|one| one == name)), "only who is seen live is asked for");
    counted(&world, &operator).await;

    world.simulator.no_faults().await;
    all(&world, &odd, "accepted", is("ExportPending")).await;
    all(&world, &dark, "done", is("Exported")).await;
    let journal = journal(&world).await;
    let promises = journal.iter().filter(|line| line["kind"] == "export" && line["to"] == "PENDING");
    let promises = by_session(&promises.collect::<Vec<_>>());
    assert!(promises.len() == 300 && promises.values().all(|times| *times == 1), "one export each: {promises:?}");
}

/// Waits until these together have been read by Get, or shown by a list, so often.
async fn looked_at_again(world: &World, names: &[String], more: usize) {
    let since = now(world).await;
    let looked = || async {
        let journal = journal(world).await;
        let looks = journal.iter().filter(|line| ms(line) > since && line["error"].is_null());
        let seen = looks.flat_map(|look| {
            let listed = look["sessions"].as_array().into_iter().flatten().map(|one| one.as_str().unwrap());
            listed.chain((look["operation"] == GET).then(|| of(look)))
        });
        seen.filter(|seen| names.iter().any(|name| name == seen)).count() >= more
    };
    world.eventually("they are looked at", looked).await;
}

/// Each broken answer stands in the metrics as one that was of no use, and unknown enum values are counted; calls
/// may be on their way meanwhile. The answer to an export is empty: 200 is all it says.
async fn counted(world: &World, operator: &Operator) {
    for operation in [LIST, GET] {
        let before = broken(world, operation).await;
        let metrics = operator.get("/metrics").await.1;
        let after = broken(world, operation).await;
        let series = format!("sessionexport_aws_requests_total{{class=\"unavailable\",operation=\"{operation}\"}} ");
        let other = format!("sessionexport_aws_requests_total{{operation=\"{operation}\",class=\"unavailable\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series).or(line.strip_prefix(&other)));
        let counted: usize = line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap();
        println!("{operation}: {counted} counted, {before} to {after} broken");
        assert!(counted > 0 && counted + 3 >= before && counted <= after, "{operation}: {before} {counted} {after}");
        let words = format!("sessionexport_aws_unknown_enum_values_total{{operation=\"{operation}\"}} ");
        let words =
            metrics.lines().find_map(|line| line.strip_prefix(&words)).map(|count| count.parse::<u64>().unwrap());
        assert!(words.is_some_and(|words| words > 0), "{operation}: {words:?}");
    }
}

async fn broken(world: &World, operation: &str) -> usize {
    let journal = journal(world).await;
    let is_broken = |call: &&Value| call["faults"].as_array().is_some_and(|all| all.iter().any(|f| f == "brokenJson"));
    calls(&journal, operation).into_iter().filter(is_broken).count()
}
