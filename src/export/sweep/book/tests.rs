//! What the book makes of single pages and Gets.

use super::super::model::{SPEEDS, WAITS, group};
use super::super::{PageOrder, Work};
use super::{Book, Waiter};
use crate::export::decide::{Look, Sight};
use crate::export::fixtures::{epoch, secs, session};
use crate::export::request::Uid;
use crate::streams::observation::{Filter, Page, PageToken, SessionStatus};
use crate::streams::turns::{Purpose, Urgency};
use tokio::time::Instant;

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
