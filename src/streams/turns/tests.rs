//! Order, rate and giving back, on a paused clock.

mod histories;
mod order;
mod storms;
mod world;

use self::world::World;
use super::*;
use std::time::SystemTime;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn bucket(operation: Operation) -> Bucket {
    Bucket { account: "111122223333".parse().unwrap(), region: "us-west-2".parse().unwrap(), operation }
}

fn export() -> Bucket {
    bucket(Operation::Export)
}

fn holder(namespace: &str, uid: &str) -> Holder {
    Holder { uid: uid.into(), namespace: namespace.into() }
}

fn ending(seconds: u64) -> Urgency {
    let end = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    Urgency { purpose: Purpose::First, client: ClientState::Connected, end }
}

fn polling() -> Urgency {
    Urgency::unread(Purpose::Poll)
}

async fn rate_of(takes: impl Fn(usize) -> Duration + Send + Sync + 'static) -> (f64, usize) {
    let world = World::new(takes);
    for n in 0..400 {
        world.add(export(), holder(&format!("ns-{}", n % 7), &format!("{n}")), ending(n));
    }
    let begun = Instant::now();
    world.journal.reaches(360).await;
    assert!(world.journal.busiest_second() <= 19, "{}", world.journal.busiest_second());
    (360.0 / begun.elapsed().as_secs_f64(), *world.journal.put_back.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_share_is_used_whatever_callers_take() {
    for takes in [0, 1, 30, 55, 56, 100, 200, 500] {
        let (rate, put_back) = rate_of(move |_| ms(takes)).await;
        // The first seconds, before it is known what callers take, count too.
        let bar = if takes <= 200 { 0.98 } else { 0.9 };
        assert!(rate >= bar * 18.0, "{takes} ms: {rate}/s");
        assert!(put_back <= 20, "{takes} ms: {put_back} put back");
    }
}

#[tokio::test(start_paused = true)]
async fn the_share_is_used_when_callers_vary() {
    let (rate, put_back) = rate_of(|n| ms((n as u64 * 7919) % 200)).await;
    assert!(rate >= 0.95 * 18.0, "{rate}/s, {put_back} put back");
    assert!(put_back <= 90, "{put_back} put back");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_of_one_team_delay_one_of_another_by_less_than_a_second() {
    let world = World::new(|_| ms(30));
    for n in 0..10_000 {
        world.add(export(), holder("big", &format!("big-{n}")), ending(n));
    }
    world.journal.reaches(50).await;
    let asked = Instant::now();
    world.add(export(), holder("small", "small"), ending(1_000_000));
    tokio::time::sleep(ms(1000)).await;
    let waited = world.journal.at("small") - asked;
    assert!(waited <= ms(300), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn within_a_namespace_the_most_urgent_goes_first() {
    let world = World::new(|_| ms(30));
    world.add(export(), holder("a", "taken-at-once"), ending(0));
    let disconnected = Urgency { client: ClientState::Disconnected, ..ending(90) };
    for (uid, urgency) in [("late", ending(80)), ("soon", ending(20)), ("gone", disconnected), ("sooner", ending(10))] {
        world.add(export(), holder("a", uid), urgency);
    }
    world.journal.reaches(5).await;
    let uids = world.journal.uids();
    assert_eq!(uids[1..], ["gone", "sooner", "soon", "late"], "{uids:?}");
}

#[tokio::test(start_paused = true)]
async fn equals_go_in_the_order_in_which_they_asked_and_asking_again_changes_nothing() {
    let world = World::new(|_| ms(30));
    for n in 0..40 {
        world.add(export(), holder("a", &format!("{n}")), ending(1));
    }
    for n in (5..40).rev() {
        let first = world.turns.ask(&export(), holder("a", &format!("{n}")), ending(1), Instant::now());
        assert!(matches!(first, Turn::Waiting { .. }));
    }
    world.journal.reaches(40).await;
    assert_eq!(world.journal.uids(), (0..40).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn asking_again_updates_the_urgency_and_keeps_the_age() {
    let world = World::new(|_| ms(30));
    let begun = Instant::now();
    for n in 0..20 {
        world.add(export(), holder("a", &format!("{n}")), ending(n));
    }
    tokio::time::sleep(ms(50)).await;
    let Turn::Waiting { since } = world.turns.ask(&export(), holder("a", "19"), ending(0), Instant::now()) else {
        panic!("granted")
    };
    assert_eq!(since, begun);
    world.journal.reaches(20).await;
    assert!(world.journal.uids().iter().position(|uid| uid == "19").unwrap() < 6);
}

#[tokio::test(start_paused = true)]
async fn no_purpose_starves() {
    let world = World::new(|_| ms(30));
    let get = bucket(Operation::Get);
    for n in 0..500 {
        world.add(get.clone(), holder("a", &format!("confirm-{n}")), Urgency::unread(Purpose::Confirm));
        world.add(get.clone(), holder("a", &format!("first-{n}")), Urgency::unread(Purpose::First));
        world.add(get.clone(), holder("a", &format!("poll-{n}")), polling());
    }
    world.journal.reaches(160).await;
    let count = |word: &str| world.journal.uids()[..160].iter().filter(|uid| uid.starts_with(word)).count();
    assert!((115..=125).contains(&count("first")), "{}", count("first"));
    assert!((17..=23).contains(&count("confirm")), "{}", count("confirm"));
    assert!((17..=23).contains(&count("poll")), "{}", count("poll"));
}

#[tokio::test(start_paused = true)]
async fn an_idle_bucket_grants_at_once() {
    let world = World::new(|_| ms(20));
    for n in 1..=2 {
        tokio::time::sleep(ms(5000)).await;
        let (asked, uid) = (Instant::now(), n.to_string());
        world.add(export(), holder("a", &uid), ending(1));
        world.journal.reaches(n).await;
        assert!(world.journal.at(&uid) - asked <= ms(21), "{uid}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_empty_when_the_term_begins() {
    let world = World::new(|_| ms(20));
    let begun = Instant::now();
    world.add(export(), holder("a", "one"), ending(1));
    world.journal.reaches(1).await;
    // One interval at 18 requests a second.
    assert!(world.journal.at("one") - begun >= ms(55));
}

/// Without a shell: what is granted is only told.
fn bare() -> (Turns, mpsc::UnboundedReceiver<Arc<str>>) {
    let (turns, grants) = Turns::new(Shares { export: 18.0, get: 10.0, list: 10.0 }, Instant::now());
    tokio::spawn(turns.clone().run());
    (turns, grants)
}

/// Asks for `count` turns. Those that are granted at once are given up again; the others are returned.
fn fill(turns: &Turns, count: u64) -> Vec<String> {
    let ask = |n: &u64| turns.ask(&export(), holder("a", &format!("{n}")), ending(*n), Instant::now());
    let asked: Vec<(u64, Turn)> = (0..count).map(|n| (n, ask(&n))).collect();
    let waits = |(n, turn): &(u64, Turn)| matches!(turn, Turn::Waiting { .. }).then(|| format!("{n}"));
    let waiting: Vec<String> = asked.iter().filter_map(waits).collect();
    assert!(waiting.len() >= count as usize - 4);
    waiting
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_turn_goes_to_the_next() {
    let (turns, mut grants) = bare();
    let begun = Instant::now();
    for uid in fill(&turns, 200) {
        assert_eq!(*grants.recv().await.unwrap(), *uid);
        turns.withdraw(&uid);
    }
    assert_eq!(turns.load(Instant::now())[0].waiting, 0);
    assert!(begun.elapsed() < ms(100), "nothing was sent, so nothing was spent: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_comes_for_goes_to_another() {
    let (turns, mut grants) = bare();
    let begun = Instant::now();
    let waiting = fill(&turns, 20);
    for uid in &waiting {
        assert_eq!(*grants.recv().await.unwrap(), **uid);
    }
    assert!(begun.elapsed() < ms(30_000), "{:?}", begun.elapsed());
    // It comes too late, and has to queue again.
    tokio::time::sleep(ms(1)).await;
    let late = || turns.ask(&export(), holder("a", &waiting[0]), ending(0), Instant::now());
    let Turn::Waiting { since } = late() else { panic!("granted") };
    assert_eq!(since, Instant::now());
    assert_eq!(*grants.recv().await.unwrap(), *waiting[0]);
    assert!(matches!(late(), Turn::Granted(_)));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_permit_goes_to_the_next() {
    let (turns, mut grants) = bare();
    let begun = Instant::now();
    for uid in fill(&turns, 200) {
        assert_eq!(*grants.recv().await.unwrap(), *uid);
        let again = || turns.ask(&export(), holder("a", &uid), ending(0), Instant::now());
        let Turn::Granted(permit) = again() else { panic!("granted, but not given") };
        assert!(matches!(again(), Turn::Waiting { .. }));
        drop(permit);
    }
    assert!(begun.elapsed() < ms(100), "nothing was sent, so nothing was spent: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_holds_up_others_for_a_few_seconds_at_most() {
    let world = World::new(|number| if number < 3 { ms(600_000) } else { ms(30) });
    for n in 0..100 {
        world.add(export(), holder("a", &format!("{n}")), ending(n));
    }
    tokio::time::sleep(ms(3000)).await;
    // The first ones hang before anything has been sent; later ones find the journal still empty and hang too.
    let hung = world.turns.load(Instant::now())[0].waiting;
    tokio::time::sleep(ms(4000)).await;
    assert!(world.turns.load(Instant::now())[0].waiting < hung);
}

#[tokio::test(start_paused = true)]
async fn buckets_do_not_hold_up_each_other() {
    let world = World::new(|_| ms(30));
    for n in 0..1000 {
        world.add(export(), holder("a", &format!("export-{n}")), ending(n));
    }
    for n in 0..95 {
        world.add(bucket(Operation::Get), holder("a", &format!("get-{n}")), ending(n));
    }
    tokio::time::sleep(ms(10_000)).await;
    let gets = world.journal.uids().iter().filter(|uid| uid.starts_with("get")).count();
    assert_eq!(gets, 95);
}

#[tokio::test(start_paused = true)]
async fn throttling_slows_the_turns_down() {
    let world = World::new(|_| ms(30));
    for n in 0..2000 {
        world.add(export(), holder("a", &format!("{n}")), ending(n));
    }
    world.journal.reaches(40).await;
    let begun = *world.journal.times().last().unwrap();
    world.turns.throttled(&export(), begun, Instant::now());
    let before = world.journal.times().len();
    tokio::time::sleep(ms(10_000)).await;
    let sent = world.journal.times().len() - before;
    assert!((85..=96).contains(&sent), "{sent}");
    tokio::time::sleep(ms(50_000)).await;
    assert!(world.turns.load(Instant::now())[0].share_in_force >= 0.9 * 18.0);
    assert!(world.journal.busiest_second() <= 19);
}

#[tokio::test(start_paused = true)]
async fn a_slow_quota_keeps_nobody_standing() {
    let (turns, mut grants) = Turns::new(Shares { export: 0.5, get: 10.0, list: 10.0 }, Instant::now());
    tokio::spawn(turns.clone().run());
    for n in 0..10 {
        turns.ask(&export(), holder("a", &format!("{n}")), ending(n), Instant::now());
    }
    let begun = Instant::now();
    for n in 0..10 {
        let uid = grants.recv().await.unwrap();
        let Turn::Granted(permit) = turns.ask(&export(), holder("a", &uid), ending(n), Instant::now()) else {
            panic!("granted, but not given")
        };
        let ready = Instant::now();
        permit.ready().await.unwrap();
        assert!(ready.elapsed() <= ms(200), "{:?}", ready.elapsed());
    }
    assert!((18_000..21_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[test]
fn ten_times_as_many_waiting_cost_about_ten_times_as_much() {
    let few = time_of_asking_twice_and_leaving(5_000);
    let many = time_of_asking_twice_and_leaving(50_000);
    // A hundred times, if asking looked at all that wait.
    assert!(many < few * 40, "{few:?} for 5,000, {many:?} for 50,000");
}

fn time_of_asking_twice_and_leaving(waiting: u64) -> Duration {
    let (turns, _grants) = Turns::new(Shares { export: 18.0, get: 10.0, list: 10.0 }, Instant::now());
    let (begun, now) = (std::time::Instant::now(), Instant::now());
    let uids: Vec<String> = (0..waiting).map(|n| format!("{n}")).collect();
    for (n, uid) in (0..).zip(&uids) {
        turns.ask(&export(), holder("a", uid), ending(n), now);
    }
    for (n, uid) in (0..).zip(&uids) {
        turns.ask(&export(), holder("a", uid), ending(n / 2), now);
    }
    uids.iter().for_each(|uid| turns.withdraw(uid));
    begun.elapsed()
}
