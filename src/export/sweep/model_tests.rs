//! What the plan makes of AWS's lists, as far as [`model`](super::model) knows them.

use super::book::{Book, Waiter};
use super::model::{Model, SPEEDS, Service, WAITS, group};
use super::{PageOrder, Tally, Work};
use crate::export::decide::{Look, Sight};
use crate::export::fixtures::{epoch, secs, session};
use crate::export::request::Uid;
use crate::streams::observation::{FailureClass, Filter, Page, PageToken, SessionStatus};
use crate::streams::turns::{Purpose, Urgency};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use std::time::Duration;
use tokio::time::Instant;

#[test]
fn few_are_read_one_by_one_and_more_than_twenty_by_lists() {
    for (count, pages, gets) in [(1, 0, 1), (20, 0, 20), (21, 1, 0), (100, 1, 0), (101, 2, 0)] {
        let mut model = Model::new(Service::default());
        model.book.set_pace(secs(600));
        model.pending(1, count, false);
        model.run(secs(2) + Duration::from_millis(if pages == 0 { 900 } else { 0 }));
        assert_eq!((model.pages, model.gets), (pages, gets), "{count}");
    }
}

#[test]
fn ten_thousand_in_twenty_groups_are_swept_in_the_time_of_their_pages_and_without_a_get() {
    let mut model = Model::new(Service::default());
    model.pending(20, 500, false);
    model.run_until(secs(60), |model| model.pages == 100);
    assert!(model.seconds() <= 12.5, "{}", model.seconds());
    model.run(secs(300));
    assert_eq!((model.gets, model.woken), (0, 0));
    // Half of the share.
    assert!((1400..=1700).contains(&model.pages), "{} pages in 300 s", model.pages);
    assert_eq!(model.book.age(model.now).as_secs() / 21, 0, "{:?}", model.book.age(model.now));
}

#[test]
fn those_who_come_while_the_first_sweep_is_under_way_are_read_by_it_or_right_after_it() {
    let mut model = Model::new(Service::default());
    for n in 0..500 {
        model.one_more(20, n);
        if n % 17 == 0 {
            model.run(Duration::from_millis(100));
        }
    }
    let filled = model.seconds();
    model.run_until(secs(60), |model| model.seen.len() == 10_000);
    let (took, pages) = (model.seconds() - filled, model.pages);
    assert!(took <= 12.5 && pages <= 130, "{took} s after all were there, which took {filled} s; {pages} pages");
}

/// Pages that were read one right after the other: how many, how long that took, and the pause before them.
fn bursts(model: &Model, since: Instant) -> Vec<(usize, f64, f64)> {
    let mut bursts: Vec<(usize, f64, f64)> = Vec::new();
    let read: Vec<Instant> = model.read.iter().copied().filter(|at| *at >= since).collect();
    for two in read.windows(2) {
        let gap = (two[1] - two[0]).as_secs_f64();
        match bursts.last_mut() {
            Some((pages, took, _)) if gap < 1.0 => (*pages, *took) = (*pages + 1, *took + gap),
            _ => bursts.push((1, 0.0, gap)),
        }
    }
    bursts
}

#[test]
fn while_nothing_happens_one_sweep_after_the_other_takes_no_longer_than_its_pages() {
    let mut model = Model::new(Service::default());
    model.pending(20, 500, false);
    model.run(secs(45));
    // One that ends takes its group out of step for a minute.
    for group in 0..8 {
        model.ends(&format!("g{group}-7"), Duration::ZERO);
        model.run(Duration::from_millis(4_700));
    }
    model.run(secs(120));
    let since = model.now;
    model.run(secs(200));
    let bursts = bursts(&model, since);
    let whole = &bursts[1..bursts.len() - 1];
    assert!(whole.len() >= 8, "{bursts:?}");
    assert!(whole.iter().all(|(pages, took, pause)| *pages == 100 && *took <= 12.5 && *pause >= 7.5), "{bursts:?}");
}

#[test]
fn ten_thousand_that_end_within_two_minutes_are_told_by_lists() {
    for (zip, in_order) in [(false, false), (false, true), (true, false), (true, true)] {
        // A `.zip` needs no more than the status.
        let mut model = Model::new(Service { status_only: zip, ..Service::default() });
        model.pending(20, 500, zip);
        model.run(secs(40));
        let before = model.pages;
        if in_order {
            model.all_end_in_order_within(secs(120))
        } else {
            model.all_end_within(secs(120))
        }
        model.run_until(secs(400), |model| model.untold() == 0);
        let requests = model.pages - before + model.gets;
        assert_eq!(model.untold(), 0);
        let what = format!("p99 {} s, {requests} requests, {} Gets, {} s", model.delay(), model.gets, model.seconds());
        assert!(model.delay() <= 45.0 && requests <= 1000, "{what}");
    }
}

#[test]
fn a_group_in_which_nothing_has_ended_yet_is_swept_while_others_end() {
    let mut model = Model::new(Service::default());
    model.pending(20, 500, false);
    model.run(secs(40));
    for n in 0..500 {
        (0..17).for_each(|group| model.ends(&format!("g{group}-{n}"), secs(120).mul_f64(n as f64 / 500.0)));
    }
    model.run(secs(30));
    let begun = model.now;
    for n in 0..500 {
        (17..20).for_each(|group| model.ends(&format!("g{group}-{n}"), Duration::ZERO));
    }
    let late = |model: &Model| (17..20).any(|group| model.objects[format!("g{group}-7").as_str()].told.is_none());
    model.run_until(secs(400), |model| !late(model));
    let took = (model.now - begun).as_secs_f64();
    assert!(took <= 45.0, "{took} s, {} pages", model.pages);
}

#[test]
fn summaries_that_say_too_little_cost_one_get_each_and_hardly_more() {
    let mut model = Model::new(Service { status_only: true, ..Service::default() });
    model.pending(20, 75, false);
    model.run(secs(20));
    model.all_end_within(secs(10));
    let begun = model.now;
    model.run_until(secs(1000), |model| model.untold() == 0);
    let took = (model.now - begun).as_secs_f64();
    assert!(model.gets <= 1500, "{} Gets", model.gets);
    assert!(took <= 1.1 * 150.0 + 10.0, "{took} s");
}

#[test]
fn a_long_history_is_never_worse_than_one_get_each() {
    let mut model = Model::new(Service::default());
    model.strangers(5, 2_500, true);
    model.pending(5, 60, false);
    model.run(secs(20));
    model.all_end_within(secs(1));
    let begun = model.now;
    model.run_until(secs(1000), |model| model.untold() == 0);
    let took = (model.now - begun).as_secs_f64();
    assert!(took <= 1.1 * 30.0 + 5.0, "{took} s for 300");
    assert!(model.gets <= 300, "{} Gets", model.gets);
}

#[test]
fn filters_that_show_nothing_start_no_storm_of_gets() {
    let mut model = Model::new(Service { blind: true, ..Service::default() });
    model.pending(5, 400, false);
    model.run(secs(300));
    assert!(model.gets <= 300, "{} Gets for 2,000 that are all pending", model.gets);
    model.service.blind = false;
    model.all_end_within(secs(10));
    model.run_until(secs(300), |model| model.untold() == 0);
    assert_eq!(model.untold(), 0);
}

#[test]
fn what_was_asked_for_just_now_is_not_missed_by_a_list_that_lags() {
    let mut model = Model::new(Service { filter_lag: secs(20), new_for: secs(30), ..Service::default() });
    model.pending(1, 300, false);
    model.run(secs(120));
    assert_eq!(model.gets, 0);
}

#[test]
fn pages_full_of_other_peoples_exports_are_left_for_gets() {
    let mut model = Model::new(Service::default());
    model.book.set_pace(secs(60));
    model.strangers(1, 20_000, false);
    model.pending(1, 30, false);
    model.run(secs(300));
    assert!(model.pages <= 35, "{} pages for 30 of ours among 20,000", model.pages);
    assert!((90..=200).contains(&model.gets), "{} Gets", model.gets);
}

#[test]
fn endless_and_circular_tokens_are_given_up() {
    for (circles, endless) in [(true, false), (false, true)] {
        let mut model = Model::new(Service { circles, endless, drops: 50, ..Service::default() });
        model.book.set_pace(secs(30));
        model.pending(1, 50, false);
        model.run(secs(200));
        assert!(model.pages <= 52, "{} pages", model.pages);
        assert_eq!(model.book.take_tally(), Tally { given_up: 1, ..Tally::default() });
        model.all_end_within(secs(1));
        model.run(secs(100));
        assert_eq!(model.untold(), 0);
    }
}

#[test]
fn an_identity_that_may_not_list_uses_gets_and_asks_again_later() {
    let mut model = Model::new(Service { refuses: Some(FailureClass::AccessDenied), ..Service::default() });
    model.book.set_pace(secs(60));
    model.pending(2, 50, false);
    model.run(secs(300));
    assert!(model.pages <= 25, "{} pages", model.pages);
    assert!((400..=700).contains(&model.gets), "{} Gets, once a minute each", model.gets);
    model.service.refuses = None;
    let before = model.gets;
    model.run(secs(200));
    assert!(model.gets - before <= 150, "{} Gets more", model.gets - before);
}

#[test]
fn lists_that_fail_for_a_while_only_delay_what_is_promised() {
    for class in [FailureClass::Throttled, FailureClass::Unavailable, FailureClass::Unreachable] {
        let mut model = Model::new(Service { refuses: Some(class), ..Service::default() });
        model.pending(2, 200, false);
        model.run(secs(120));
        assert_eq!(model.gets, 0, "{class:?}");
        assert!(model.pages <= 30, "{} pages", model.pages);
        assert!(model.book.take_tally().failed >= 1, "{class:?}");
        assert!(model.book.age(model.now) >= secs(110), "{class:?}: nobody has been looked for");
        model.service.refuses = None;
        model.all_end_within(secs(1));
        model.run_until(secs(100), |model| model.untold() == 0);
        assert_eq!(model.untold(), 0, "{class:?}");
    }
}

#[test]
fn one_that_is_missing_costs_one_get() {
    let mut model = Model::new(Service::default());
    model.pending(1, 200, false);
    model.run(secs(10));
    model.ends("g0-7", Duration::ZERO);
    model.run(secs(10));
    assert_eq!((model.untold(), model.gets, model.woken), (0, 1, 1));
    let tally = model.book.take_tally();
    assert_eq!((tally.missing, tally.given_up, tally.failed), (1, 0, 0));
    assert!(tally.complete >= 3, "{tally:?}");
    assert_eq!(model.book.take_tally(), Tally::default(), "told once");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever lists leave out, shift or say too late: all that end are told within a bound, and pending ones cost few.
    #[test]
    fn every_end_is_told_in_time(
        lag in 0_u64..25,
        drops in 0_usize..30,
        passes in any::<bool>(),
        status_only in any::<bool>(),
        zip in any::<bool>(),
        blind in any::<bool>(),
        old in 0_usize..800,
        strangers in 0_usize..400,
        each in 1_usize..180,
    ) {
        let service = Service { filter_lag: secs(lag), drops, status_only, passes, ..Service::default() };
        let mut model = Model::new(service);
        model.strangers(3, old, true);
        model.strangers(3, strangers, false);
        model.pending(3, each, zip);
        model.run(secs(30));
        model.service.blind = blind;
        model.run(secs(30));
        model.service.blind = false;
        model.all_end_within(secs(20));
        // One Get each would take 0.3 s for each of `each`.
        let bound = 180.0 + 1.5 * 0.3 * each as f64;
        model.run_until(secs(600), |model| model.untold() == 0);
        let took = model.seconds() - 60.0;
        prop_assert!(model.untold() == 0 && took <= bound, "{} untold after {took} s of {bound}", model.untold());
    }
}

/// Sessions that wait for their first reading, or are ACTIVATING and wait for another.
fn live(book: &mut Book, count: usize, at: Instant, now: Instant) {
    live_of("team-a", book, 0..count, at, now);
}

fn live_of(namespace: &str, book: &mut Book, range: std::ops::Range<usize>, at: Instant, now: Instant) {
    for n in range {
        let arn = group(0).session(format!("s{n}").parse().unwrap());
        let look = Look { at, sight: Sight::First, ends: None, again: None };
        let urgency = Urgency::unread(Purpose::First);
        let (uid, namespace): (Uid, _) = (format!("s{n}").into(), namespace.into());
        book.wait(Waiter { uid, namespace, arn, look, urgency, zip: false, shows_from: None }, now);
    }
}

fn gets(work: &[Work]) -> Vec<&str> {
    let gets = work.iter().filter_map(|work| if let Work::Get(uid) = work { Some(uid) } else { None });
    gets.map(|uid| &**uid).collect()
}

fn orders(work: Vec<Work>) -> Vec<PageOrder> {
    let order = |work| if let Work::List(order) = work { Some(order) } else { None };
    work.into_iter().filter_map(order).collect()
}

fn shows(range: std::ops::Range<usize>) -> Page {
    let sessions = range.map(|n| (format!("s{n}").parse().unwrap(), session())).collect();
    Page { begun: epoch(), sessions, next: None }
}

#[test]
fn first_readings_come_from_the_lists_of_live_sessions_until_everybody_is_found() {
    let (mut book, now) = (Book::new(WAITS), epoch());
    live(&mut book, 50, now, now);
    let mut read = Vec::new();
    for page in [shows(0..30), shows(0..0), shows(30..45), shows(45..50)] {
        let [order] = orders(book.work(now, SPEEDS).0).try_into().unwrap();
        assert!(order.urgent, "exports depend on it");
        read.push(order.filter);
        let woken = book.page(&order, &page, now, SPEEDS);
        assert_eq!(woken.len(), page.sessions.len(), "whoever waited is woken, even if it is no news");
    }
    use SessionStatus::{Active, Connected, PendingClientReconnection, Reconnecting};
    assert_eq!(read, [Active, Connected, PendingClientReconnection, Reconnecting].map(Filter::Session));
    let (work, _) = book.work(now + secs(1), SPEEDS);
    assert_eq!(work, [], "all have been found");
}

#[test]
fn a_few_of_another_namespace_get_a_get_each_in_a_group_that_is_crowded_and_more_of_them_do_not() {
    for (others, wanted) in [(1, 1), (5, 5), (6, 0)] {
        let (mut book, now) = (Book::new(WAITS), epoch());
        live(&mut book, 50, now, now);
        let (work, _) = book.work(now, SPEEDS);
        assert_eq!((gets(&work).len(), work.len()), (0, 1), "the crowd costs a page");
        live_of("team-b", &mut book, 50..50 + others, now, now);
        assert_eq!(gets(&book.work(now, SPEEDS).0).len(), wanted, "of {others}");
    }
}

#[test]
fn whichever_comes_first_serves_one_of_a_few_and_whoever_has_been_read_no_longer_counts() {
    let (mut book, now) = (Book::new(WAITS), epoch());
    live(&mut book, 50, now, now);
    let [order] = orders(book.work(now, SPEEDS).0).try_into().unwrap();
    live_of("team-b", &mut book, 50..51, now, now);
    assert_eq!(gets(&book.work(now, SPEEDS).0), ["s50"]);
    assert_eq!(book.page(&order, &shows(0..51), now, SPEEDS).len(), 51);
    assert!(book.work(now, SPEEDS).0.contains(&Work::Withdraw("s50".into())), "the page was first");

    live_of("team-b", &mut book, 60..66, now, now);
    let (work, _) = book.work(now, SPEEDS);
    let [order] = orders(work.clone()).try_into().unwrap();
    book.page(&order, &shows(60..61), now, SPEEDS);
    book.leave(&"s61".into());
    live_of("team-b", &mut book, 90..91, now, now);
    assert_eq!((gets(&work).len(), gets(&book.work(now, SPEEDS).0)), (0, vec!["s90"]));
}

#[test]
fn whoever_is_on_no_list_of_live_sessions_costs_one_get() {
    let (mut book, now) = (Book::new(WAITS), epoch());
    live(&mut book, 30, now, now);
    for n in 0..5 {
        let [order] = orders(book.work(now, SPEEDS).0).try_into().unwrap();
        book.page(&order, &shows(if n == 0 { 0..28 } else { 0..0 }), now, SPEEDS);
    }
    let (mut work, _) = book.work(now, SPEEDS);
    work.sort_by_key(|work| format!("{work:?}"));
    assert_eq!(work, [Work::Get("s28".into()), Work::Get("s29".into())]);
}

#[test]
fn the_activating_are_looked_for_where_they_were_and_wake_nobody_meanwhile() {
    let (mut book, now) = (Book::new(WAITS), epoch());
    live(&mut book, 30, now + secs(2), now);
    assert_eq!(book.work(now, SPEEDS).0, []);
    let then = now + secs(2);
    for n in 0..5 {
        let [order] = orders(book.work(then, SPEEDS).0).try_into().unwrap();
        let found = order.filter == Filter::Session(SessionStatus::Activating);
        assert_eq!(found, n == 4);
        let woken = book.page(&order, &shows(if found { 0..30 } else { 0..0 }), then, SPEEDS);
        assert_eq!(woken.len(), 0);
    }
    let (work, next) = book.work(then, SPEEDS);
    assert_eq!(work, []);
    assert!(next.unwrap() >= then + secs(2));
    let [order] = orders(book.work(next.unwrap(), SPEEDS).0).try_into().unwrap();
    assert_eq!(order.filter, Filter::Session(SessionStatus::Activating));
}

#[test]
fn whoever_waits_for_its_turn_to_call_is_kept_fresh_by_lists_and_costs_no_get() {
    let (mut book, now) = (Book::new(WAITS), epoch());
    let arn = group(0).session("fresh".parse().unwrap());
    let look = Look { at: now, sight: Sight::Fresh, ends: None, again: None };
    let urgency = Urgency::unread(Purpose::First);
    let (uid, namespace) = ("fresh".into(), "team-a".into());
    book.wait(Waiter { uid, namespace, arn, look, urgency, zip: false, shows_from: None }, now);
    assert_eq!(book.work(now + secs(100), SPEEDS).0, []);
}

#[test]
fn a_page_whose_turn_came_without_a_token_is_asked_for_again() {
    let (mut book, now) = (Book::new(WAITS), epoch());
    live(&mut book, 30, now, now);
    let [order] = orders(book.work(now, SPEEDS).0).try_into().unwrap();
    book.flies(&order, now, SPEEDS);
    book.called(&order.holder(), now);
    assert_eq!(book.work(now, SPEEDS).0, [], "it is on its way, whatever the queue says meanwhile");
    book.lands(&order);
    let [again] = orders(book.work(now, SPEEDS).0).try_into().unwrap();
    assert_eq!((again.filter, again.from), (order.filter, order.from));
}

/// Promised exports of sessions `from` to `to` of a group.
fn promised(book: &mut Book, of: usize, range: std::ops::Range<usize>, now: Instant) {
    promised_until(book, of, range, now, now);
}

fn promised_until(book: &mut Book, of: usize, range: std::ops::Range<usize>, at: Instant, now: Instant) {
    promised_to("team-a", book, of, range, (at, now));
}

fn promised_to(
    namespace: &str,
    book: &mut Book,
    of: usize,
    range: std::ops::Range<usize>,
    (at, now): (Instant, Instant),
) {
    for n in range {
        let arn = group(of).session(format!("s{n}").parse().unwrap());
        let look = Look { at, sight: Sight::Pending, ends: None, again: None };
        let (uid, namespace): (Uid, _) = (format!("g{of}s{n}").into(), namespace.into());
        let urgency = Urgency::unread(Purpose::Poll);
        book.wait(Waiter { uid, namespace, arn, look, urgency, zip: false, shows_from: None }, now);
    }
}

#[test]
fn whoever_is_missing_gets_its_get_whatever_it_waits_for_meanwhile() {
    let (mut book, now) = (Book::new(WAITS), epoch());
    promised(&mut book, 0, 0..30, now);
    let [order] = orders(book.work(now, SPEEDS).0).try_into().unwrap();
    book.page(&order, &shows(0..29), now, SPEEDS);
    assert_eq!(gets(&book.work(now, SPEEDS).0), ["g0s29"]);
    // A pass comes between, because its status was written.
    promised_until(&mut book, 0, 29..30, now + secs(10), now);
    let (work, _) = book.work(now, SPEEDS);
    assert!(!work.contains(&Work::Withdraw("g0s29".into())), "{work:?}");
    assert_eq!(book.called(&"g0s29".into(), now), Some(false));
    assert_eq!(gets(&book.work(now, SPEEDS).0), ["g0s29"], "its turn has come");
}

#[test]
fn a_missing_session_gets_its_get_also_if_the_one_of_its_two_objects_that_asked_for_it_is_deleted() {
    for first in [true, false] {
        let (mut book, now) = (Book::new(WAITS), epoch());
        promised(&mut book, 0, 0..30, now);
        let arn = group(0).session("s29".parse().unwrap());
        let look = Look { at: now, sight: Sight::Pending, ends: None, again: None };
        let (uid, namespace, urgency) = ("twin".into(), "team-a".into(), Urgency::unread(Purpose::Poll));
        book.wait(Waiter { uid, namespace, arn, look, urgency, zip: false, shows_from: None }, now);
        let [order] = orders(book.work(now, SPEEDS).0).try_into().unwrap();
        book.page(&order, &shows(0..29), now, SPEEDS);
        assert_eq!(gets(&book.work(now, SPEEDS).0), ["g0s29"], "one for both");
        let (gone, left) = if first { ("g0s29", "twin") } else { ("twin", "g0s29") };
        book.leave(&gone.into());
        assert_eq!(gets(&book.work(now, SPEEDS).0), [left]);
    }
}

#[test]
fn the_missing_of_a_namespace_do_not_wait_for_those_of_another() {
    let (mut book, now) = (Book::new(WAITS), epoch());
    promised(&mut book, 0, 0..300, now);
    promised_to("team-b", &mut book, 0, 300..305, (now, now));
    let asked = loop {
        let work = book.work(now, SPEEDS).0;
        let asked =
            gets(&work).iter().map(|uid| uid.trim_start_matches("g0s").parse().unwrap()).collect::<Vec<usize>>();
        let Some(order) = orders(work).pop() else { break asked };
        book.page(&order, &shows(0..0), now, SPEEDS);
    };
    let of_team_b = asked.iter().filter(|n| **n >= 300).count();
    assert_eq!((asked.len() - of_team_b, of_team_b), (10, 5));
}

#[test]
fn a_round_given_up_while_the_roll_was_short_says_nothing_of_the_many_that_joined_it() {
    let (mut book, now) = (Book::new(WAITS), epoch());
    promised(&mut book, 0, 0..2, now);
    (1..30).for_each(|other| promised(&mut book, other, 0..1, now));
    let of_first = |work: Vec<Work>| orders(work).into_iter().find(|order| *order.group == group(0));
    let mut order = of_first(book.work(now + secs(1), SPEEDS).0).expect("a few of many are called by lists");
    promised(&mut book, 0, 2..500, now + secs(1));
    for n in 0..2_u64 {
        let next = Some(PageToken::new(&format!("page {n}")));
        book.page(&order, &Page { next, ..shows(1_000..1_100) }, now + secs(1), SPEEDS);
        let Some(next) = of_first(book.work(now + secs(1), SPEEDS).0) else { break };
        order = next;
    }
    let (work, _) = book.work(now + secs(120), SPEEDS);
    let gets = work.iter().filter(|work| matches!(work, Work::Get(uid) if uid.starts_with("g0"))).count();
    assert_eq!((gets, of_first(work).is_some()), (0, true), "500 are called by lists");
}
