//! A thousand sessions that are not ready yet.

use super::*;

const MANY: &str = "sg-many";

/// 980 that only lists can look at in time, and 20 of a group of their own that one Get each serves.
#[tokio::test]
async fn a_thousand_activating_are_requested_after_the_first_read_that_shows_them_active() {
    let _turn = TURNS.acquire().await.unwrap();
    let changes = json!({"quota": shares(200), "timing": {"activatingPollInterval": "4s", "heldStatusDelay": "1m"}});
    let world = World::with("thousand-activating", &["--group", "sg-many,sg-few"], changes).await;
    allow(&world, 200).await;
    let (many, few) = (names("many", 980), names("few", 20));
    let _operator = world.operator().await;
    for (group, names) in [(MANY, &many), ("sg-few", &few)] {
        sessions(&world, names, json!({"group": group, "status": "ACTIVATING"})).await;
        exports(&world, &world.namespace, names, json!({"streamGroupIdentifier": group})).await;
        all(&world, names, "waits", is("WaitingForSession")).await;
    }
    assert_eq!(calls(&journal(&world).await, EXPORT).len(), 0, "too early");

    let (first, rest) = many.split_at(10);
    turn(&world, &few, "ACTIVE").await;
    turn(&world, first, "ACTIVE").await;
    all(&world, &[&few, first].concat(), "asked for", is("ExportPending")).await;
    let so_far = journal(&world).await;
    assert_eq!(calls(&so_far, EXPORT).len(), 30, "nobody else");
    few.iter().for_each(|name| assert!(reads(&so_far, name) <= 1, "{name} is asked for at the second look"));
    let rounds: Vec<_> = first.iter().map(|name| rounds(&so_far, name)).collect();
    println!("rounds between ACTIVE and the call: {rounds:?}");
    assert!(rounds.iter().all(|rounds| *rounds <= 1), "asked for after more than one round: {rounds:?}");

    let (broken, rest) = rest.split_at(20);
    let before = now(&world).await;
    turn(&world, broken, "ERROR").await;
    turn(&world, rest, "ACTIVE").await;
    all(&world, rest, "asked for", is("ExportPending")).await;
    all(&world, broken, "lost", is("SessionEnded")).await;
    let in_the_end = journal(&world).await;
    let asked = by_session(&calls(&in_the_end, EXPORT));
    assert!(asked.len() == 980 && asked.values().all(|times| *times == 1), "one call each: {asked:?}");
    assert!(broken.iter().all(|name| !asked.contains_key(name.as_str())), "no call once it is ERROR");
    let of_many = |call: &&Value| ms(call) > before && call["group"] == MANY;
    let gets = calls(&in_the_end, GET).into_iter().filter(of_many).count();
    println!("{gets} Gets for 950 that became ACTIVE and 20 that broke");
    assert!((20..=485).contains(&gets), "{gets} Gets where one each would be 970: lists show who has become ACTIVE");
    let writes: usize = world.status_writes_by_name().values().sum();
    assert!(writes <= 3 * 1000, "{writes} writes: one that it waits, one before the call, one after it");
}

async fn turn(world: &World, names: &[String], status: &str) {
    each(names, |name| async move { world.simulator.change(&name, json!({"status": status})).await }).await;
}

/// From when a session was ACTIVE until it was asked for.
fn wait(journal: &[Value], name: &str) -> std::ops::Range<f64> {
    let of_it = || journal.iter().filter(|line| of(line) == name);
    let active = of_it().find(|line| line["kind"] == "session" && line["to"] == "ACTIVE");
    let called = of_it().find(|line| line["operation"] == EXPORT);
    ms(active.unwrap())..ms(called.unwrap())
}

/// How often it was read meanwhile.
fn reads(journal: &[Value], name: &str) -> usize {
    let wait = wait(journal, name);
    calls(journal, GET).into_iter().filter(|call| of(call) == name && wait.contains(&ms(call))).count()
}

/// How many rounds meanwhile came to the list that shows it.
fn rounds(journal: &[Value], name: &str) -> usize {
    let wait = wait(journal, name);
    let first_page = |call: &&Value| {
        let query = call["query"].as_str().unwrap_or_default();
        call["group"] == MANY && query.contains("Status=ACTIVE") && !query.contains("NextToken")
    };
    calls(journal, LIST).into_iter().filter(first_page).filter(|call| wait.contains(&ms(call))).count()
}
