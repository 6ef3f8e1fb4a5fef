//! Order, rate and release of reservations, on a paused clock.

mod histories;
mod order;
mod storms;
#[cfg(test)]
pub(crate) mod world;

use super::*;
use crate::quota::scheduler::tests::world::World;
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

fn holder(namespace: &str, uid: &str) -> Requester {
    Requester { uid: uid.into(), namespace: namespace.into() }
}

fn ending(seconds: u64) -> Priority {
    let end = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    Priority { purpose: PriorityClass::First, client: ClientState::Connected, end }
}

fn polling() -> Priority {
    Priority::for_unread(PriorityClass::Poll)
}

async fn rate_of(takes: impl Fn(usize) -> Duration + Send + Sync + 'static) -> (f64, usize) {
    let world = World::new(takes);
    for n in 0..400 {
        world.add(export(), holder(&format!("ns-{}", n % 7), &format!("{n}")), ending(n));
    }
    let begun = Instant::now();
    world.journal.reaches(360).await;
    assert!(world.journal.busiest_second() <= 19, "{}", world.journal.busiest_second());
    (360.0 / begun.elapsed().as_secs_f64(), *world.journal.put_back.lock())
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
    let disconnected = Priority { client: ClientState::Disconnected, ..ending(90) };
    for (uid, urgency) in [("late", ending(80)), ("soon", ending(20)), ("gone", disconnected), ("sooner", ending(10))] {
        world.add(export(), holder("a", uid), urgency);
    }
    world.journal.reaches(5).await;
    let uids = world.journal.uids();
    assert_eq!(uids[1..], ["gone", "sooner", "soon", "late"], "{uids:?}");
}

#[tokio::test(start_paused = true)]
async fn equals_are_granted_in_order_of_reservation_and_reserving_again_changes_nothing() {
    let world = World::new(|_| ms(30));
    for n in 0..40 {
        world.add(export(), holder("a", &format!("{n}")), ending(1));
    }
    for n in (5..40).rev() {
        let first = world.scheduler.reserve(&export(), holder("a", &format!("{n}")), ending(1), Instant::now());
        assert!(matches!(first, Reservation::Waiting { .. }));
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
    let Reservation::Waiting { since } =
        world.scheduler.reserve(&export(), holder("a", "19"), ending(0), Instant::now())
    else {
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
        world.add(get.clone(), holder("a", &format!("confirm-{n}")), Priority::for_unread(PriorityClass::Confirm));
        world.add(get.clone(), holder("a", &format!("first-{n}")), Priority::for_unread(PriorityClass::First));
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

/// A scheduler without a shell: permits of export calls are only sent on the channel.
fn bare(export: f64) -> (QuotaScheduler, PermitReceiver) {
    let (scheduler, permits, _) = QuotaScheduler::new(QuotaConfig { export, ..QuotaConfig::default() }, Instant::now());
    tokio::spawn(scheduler.clone().run());
    (scheduler, permits)
}

/// Requests `count` reservations. Those granted at once are released; the uids of the others are returned.
fn fill(scheduler: &QuotaScheduler, count: u64) -> Vec<String> {
    let ask = |n: &u64| scheduler.reserve(&export(), holder("a", &format!("{n}")), ending(*n), Instant::now());
    let asked: Vec<(u64, Reservation)> = (0..count).map(|n| (n, ask(&n))).collect();
    let waits = |(n, reservation): &(u64, Reservation)| {
        matches!(reservation, Reservation::Waiting { .. }).then(|| format!("{n}"))
    };
    let waiting: Vec<String> = asked.iter().filter_map(waits).collect();
    assert!(waiting.len() >= count as usize - 4);
    waiting
}

#[tokio::test(start_paused = true)]
async fn a_canceled_reservation_goes_to_the_next() {
    let (scheduler, mut permits) = bare(18.0);
    let begun = Instant::now();
    let mut held = Vec::new();
    for uid in fill(&scheduler, 200) {
        let permit = permits.recv().await.unwrap();
        assert_eq!(**permit.uid(), *uid);
        scheduler.cancel(&uid);
        held.push(permit);
    }
    assert!(held.pop().unwrap().acquire().await.is_err(), "it is canceled");
    assert_eq!(scheduler.bucket_stats(Instant::now())[0].waiting, 0);
    assert!(begun.elapsed() < ms(100), "nothing was sent, so nothing was spent: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_unused_grant_goes_to_another() {
    let (scheduler, mut permits) = bare(18.0);
    let begun = Instant::now();
    let mut held = Vec::new();
    for uid in fill(&scheduler, 20) {
        let permit = permits.recv().await.unwrap();
        assert_eq!(**permit.uid(), *uid);
        held.push(permit);
    }
    assert!(begun.elapsed() < ms(30_000), "{:?}", begun.elapsed());
    // Nothing was sent, so there is a token for a late holder.
    held.swap_remove(0).acquire().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_permit_goes_to_the_next() {
    let (scheduler, mut permits) = bare(18.0);
    let begun = Instant::now();
    for uid in fill(&scheduler, 200) {
        let permit = permits.recv().await.unwrap();
        assert_eq!(**permit.uid(), *uid);
        let again = scheduler.reserve(&export(), holder("a", &uid), ending(0), Instant::now());
        assert!(matches!(again, Reservation::Waiting { .. }), "one at a time");
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
    let hung = world.scheduler.bucket_stats(Instant::now())[0].waiting;
    tokio::time::sleep(ms(4000)).await;
    assert!(world.scheduler.bucket_stats(Instant::now())[0].waiting < hung);
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
async fn of_many_buckets_those_are_dropped_that_are_idle() {
    let (scheduler, _permits) = bare(18.0);
    let reserve = |account: usize| {
        let bucket = Bucket { account: format!("{account:012}").parse().unwrap(), ..export() };
        scheduler.reserve(&bucket, holder("team", "a"), polling(), Instant::now())
    };
    let buckets = || scheduler.bucket_stats(Instant::now()).len();
    let held = reserve(0);
    for account in 1..MAX_IDLE_BUCKETS - 1 {
        drop(reserve(account));
    }
    tokio::time::advance(ms(10_000)).await;
    drop(reserve(MAX_IDLE_BUCKETS));
    assert_eq!(buckets(), MAX_IDLE_BUCKETS, "there may be so many");
    drop(reserve(MAX_IDLE_BUCKETS + 1));
    assert_eq!(buckets(), 2, "the one in use, and the new one");
    assert!(matches!(held, Reservation::Granted(_)));
}

#[tokio::test(start_paused = true)]
async fn throttling_slows_grants_down() {
    let world = World::new(|_| ms(30));
    for n in 0..2000 {
        world.add(export(), holder("a", &format!("{n}")), ending(n));
    }
    world.journal.reaches(40).await;
    let begun = *world.journal.times().last().unwrap();
    world.scheduler.on_throttled(&export(), begun, Instant::now());
    let before = world.journal.times().len();
    tokio::time::sleep(ms(10_000)).await;
    let sent = world.journal.times().len() - before;
    assert!((85..=96).contains(&sent), "{sent}");
    tokio::time::sleep(ms(50_000)).await;
    assert!(world.scheduler.bucket_stats(Instant::now())[0].share_in_force >= 0.9 * 18.0);
    assert!(world.journal.busiest_second() <= 19);
}

#[tokio::test(start_paused = true)]
async fn a_slow_quota_blocks_no_worker() {
    let (scheduler, mut permits) = bare(0.5);
    for n in 0..10 {
        scheduler.reserve(&export(), holder("a", &format!("{n}")), ending(n), Instant::now());
    }
    let begun = Instant::now();
    for _ in 0..10 {
        let permit = permits.recv().await.unwrap();
        let ready = Instant::now();
        permit.acquire().await.unwrap();
        assert!(ready.elapsed() <= ms(200), "{:?}", ready.elapsed());
    }
    assert!((18_000..21_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[test]
fn ten_times_as_many_waiting_cost_about_ten_times_as_much() {
    let few = time_of_asking_twice_and_leaving(5_000);
    let many = time_of_asking_twice_and_leaving(50_000);
    // It would be a hundred times if a request visited all queued holders.
    assert!(many < few * 40, "{few:?} for 5,000, {many:?} for 50,000");
}

fn time_of_asking_twice_and_leaving(waiting: u64) -> Duration {
    let (scheduler, _permits, _) = QuotaScheduler::new(QuotaConfig::default(), Instant::now());
    let (begun, now) = (std::time::Instant::now(), Instant::now());
    let uids: Vec<String> = (0..waiting).map(|n| format!("{n}")).collect();
    for (n, uid) in (0..).zip(&uids) {
        scheduler.reserve(&export(), holder("a", uid), ending(n), now);
    }
    for (n, uid) in (0..).zip(&uids) {
        scheduler.reserve(&export(), holder("a", uid), ending(n / 2), now);
    }
    uids.iter().for_each(|uid| scheduler.cancel(uid));
    begun.elapsed()
}
