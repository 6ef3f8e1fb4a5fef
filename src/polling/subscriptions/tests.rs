//! The poll plan on single pages and Gets.

use crate::api::request::Uid;
use crate::aws::failure::FailureClass;
use crate::aws::identifiers::SessionArn;
use crate::aws::model::{ExportFilesStatus, Filter, PageToken, SessionPage, SessionStatus, SessionView};
use crate::export::fixtures::{epoch, secs, session};
use crate::polling::interval::{FIRST_GET_DELAY, SCAN_COST_TTL};
use crate::polling::model::{SPEEDS, WAITS, group};
use crate::polling::request::{ReadKind, ReadRequest};
use crate::polling::scan_group::ScanMember;
use crate::polling::subscriptions::{PollPlan, ReadSubscription};
use crate::polling::{GetOutcome, PageRequest, PlannedRead, QuotaRates, ScanSet};
use crate::quota::scheduler::{Priority, PriorityClass};
use std::time::Duration;
use tokio::time::Instant;

/// Sessions that wait for their first read, or are ACTIVATING and wait for another.
pub(in crate::polling) fn live(plan: &mut PollPlan, count: usize, at: Instant, now: Instant) {
    live_of("team-a", plan, 0..count, at, now);
}

pub(in crate::polling) fn live_of(
    namespace: &str,
    plan: &mut PollPlan,
    range: std::ops::Range<usize>,
    at: Instant,
    now: Instant,
) {
    for n in range {
        let arn = group(0).session(format!("s{n}").parse().unwrap());
        let read = ReadRequest { due: at, kind: ReadKind::First, session_ends: None, decide_again_at: None };
        let urgency = Priority::for_unread(PriorityClass::First);
        let (uid, namespace): (Uid, _) = (format!("s{n}").into(), namespace.into());
        plan.subscribe(ReadSubscription { uid, namespace, arn, read, urgency, zip: false, visible_from: None }, now);
    }
}

fn gets(work: &[PlannedRead]) -> Vec<&str> {
    let gets = work.iter().filter_map(|work| if let PlannedRead::Get(uid) = work { Some(uid) } else { None });
    gets.map(|uid| &**uid).collect()
}

fn orders(work: Vec<PlannedRead>) -> Vec<PageRequest> {
    let order = |work| if let PlannedRead::List(order) = work { Some(order) } else { None };
    work.into_iter().filter_map(order).collect()
}

fn shows(range: std::ops::Range<usize>) -> SessionPage {
    let sessions = range.map(|n| (format!("s{n}").parse().unwrap(), session())).collect();
    SessionPage { begun: epoch(), sessions, next: None }
}

#[test]
fn first_reads_come_from_the_lists_of_live_sessions_until_all_are_found() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    live(&mut plan, 50, now, now);
    let mut read = Vec::new();
    for page in [shows(0..30), shows(0..0), shows(30..45), shows(45..50)] {
        let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
        assert!(order.urgent, "exports depend on it");
        read.push(order.filter);
        let woken = plan.on_page(&order, &page, now, SPEEDS);
        assert_eq!(woken.len(), page.sessions.len(), "whoever waited is woken, even if it is no news");
    }
    use SessionStatus::{Active, Connected, PendingClientReconnection, Reconnecting};
    assert_eq!(read, [Active, Connected, PendingClientReconnection, Reconnecting].map(Filter::Session));
    let (work, _) = plan.plan_reads(now + secs(1), SPEEDS);
    assert_eq!(work, [], "all have been found");
}

#[test]
fn a_few_of_another_namespace_get_a_get_each_in_a_group_that_is_crowded_and_more_of_them_do_not() {
    for (others, wanted) in [(1, 1), (3, 3), (4, 0)] {
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        live(&mut plan, 50, now, now);
        let (work, _) = plan.plan_reads(now, SPEEDS);
        assert_eq!((gets(&work).len(), work.len()), (0, 1), "the crowd costs a page");
        live_of("team-b", &mut plan, 50..50 + others, now, now);
        assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0).len(), wanted, "of {others}");
    }
}

#[test]
fn twenty_at_once_are_read_by_two_pages_and_three_gets() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    let moment = |ms| now + Duration::from_millis(ms);
    let mut wanted = Vec::new();
    for n in 0..20 {
        live_of("team-a", &mut plan, n..n + 1, moment(n as u64 * 5), moment(n as u64 * 5));
        let (work, _) = plan.plan_reads(moment(n as u64 * 5), SPEEDS);
        wanted.extend(gets(&work).into_iter().map(str::to_owned));
        assert_eq!(orders(work), [], "others may follow");
    }
    assert_eq!(wanted, ["s0", "s1", "s2"], "no single export is delayed");
    for (page, filter) in [(shows(0..12), SessionStatus::Active), (shows(12..20), SessionStatus::Connected)] {
        let (work, _) = plan.plan_reads(moment(250), SPEEDS);
        assert_eq!(gets(&work), [""; 0]);
        let [order] = orders(work).try_into().unwrap();
        assert_eq!(order.filter, Filter::Session(filter));
        assert_eq!(plan.on_page(&order, &page, moment(250), SPEEDS).len(), page.sessions.len());
    }
    let (work, _) = plan.plan_reads(moment(300), SPEEDS);
    assert_eq!((orders(work.clone()), gets(&work)), (vec![], vec![]), "all have been found");
}

#[test]
fn where_pages_take_longer_than_gets_a_few_first_reads_are_gets() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    let then = now + Duration::from_millis(250);
    live(&mut plan, 8, now, now);
    let mut pages = 0;
    // Thousands of other sessions are live in the group: no list comes to its end.
    let instead = loop {
        let (work, _) = plan.plan_reads(then, SPEEDS);
        let Some(order) = orders(work.clone()).pop() else { break gets(&work).len() };
        pages += 1;
        let next = Some(PageToken::new(&format!("page {pages}")));
        plan.on_page(&order, &SessionPage { next, ..shows(1_000..1_100) }, then, SPEEDS);
    };
    assert_eq!((pages, instead), (8, 8), "no more pages than Gets");
    live_of("team-b", &mut plan, 8..16, then + secs(2), then + secs(2));
    let (work, _) = plan.plan_reads(then + secs(3), SPEEDS);
    assert_eq!((orders(work.clone()).len(), gets(&work).len() >= 8), (0, true), "the cost is known now: {work:?}");
    for (at, pages) in [(then + SCAN_COST_TTL - Duration::from_millis(1), 0), (then + SCAN_COST_TTL, 1)] {
        assert_eq!(orders(plan.plan_reads(at, SPEEDS).0).len(), pages, "for ten minutes");
    }
}

#[test]
fn the_first_of_get_and_list_serves_a_few_and_a_read_object_no_longer_counts() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    live(&mut plan, 50, now, now);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    live_of("team-b", &mut plan, 50..51, now, now);
    assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0), ["s50"]);
    assert_eq!(plan.on_page(&order, &shows(0..51), now, SPEEDS).len(), 51);
    assert!(plan.plan_reads(now, SPEEDS).0.contains(&PlannedRead::Withdraw("s50".into())), "the page was first");

    live_of("team-b", &mut plan, 60..64, now, now);
    let (work, _) = plan.plan_reads(now, SPEEDS);
    let [order] = orders(work.clone()).try_into().unwrap();
    plan.on_page(&order, &shows(60..61), now, SPEEDS);
    plan.unsubscribe(&"s61".into());
    live_of("team-b", &mut plan, 90..91, now, now);
    assert_eq!((gets(&work).len(), gets(&plan.plan_reads(now, SPEEDS).0)), (0, vec!["s90"]));
}

#[test]
fn a_session_on_no_list_of_live_sessions_costs_one_get() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    live(&mut plan, 30, now, now);
    for n in 0..5 {
        let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
        plan.on_page(&order, &shows(if n == 0 { 0..28 } else { 0..0 }), now, SPEEDS);
    }
    let (mut work, _) = plan.plan_reads(now, SPEEDS);
    work.sort_by_key(|work| format!("{work:?}"));
    assert_eq!(work, [PlannedRead::Get("s28".into()), PlannedRead::Get("s29".into())]);
}

#[test]
fn activating_sessions_are_listed_by_their_status_and_requeue_nothing_meanwhile() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    live(&mut plan, 30, now + secs(2), now);
    assert_eq!(plan.plan_reads(now, SPEEDS).0, []);
    let then = now + secs(2);
    for n in 0..5 {
        let [order] = orders(plan.plan_reads(then, SPEEDS).0).try_into().unwrap();
        let found = order.filter == Filter::Session(SessionStatus::Activating);
        assert_eq!(found, n == 4);
        let woken = plan.on_page(&order, &shows(if found { 0..30 } else { 0..0 }), then, SPEEDS);
        assert_eq!(woken.len(), 0);
    }
    let (work, next) = plan.plan_reads(then, SPEEDS);
    assert_eq!(work, []);
    assert!(next.unwrap() >= then + secs(2));
    let [order] = orders(plan.plan_reads(next.unwrap(), SPEEDS).0).try_into().unwrap();
    assert_eq!(order.filter, Filter::Session(SessionStatus::Activating));
}

#[test]
fn an_export_that_waits_for_quota_is_kept_fresh_by_lists_and_costs_no_get() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    let arn = group(0).session("fresh".parse().unwrap());
    let read = ReadRequest { due: now, kind: ReadKind::Fresh, session_ends: None, decide_again_at: None };
    let urgency = Priority::for_unread(PriorityClass::First);
    let (uid, namespace) = (Uid::from("fresh"), "team-a".into());
    let (of, visible_from) = (arn.clone(), None);
    let waiter = ReadSubscription { uid: uid.clone(), namespace, arn: of, read, urgency, zip: false, visible_from };
    plan.subscribe(waiter, now);
    assert_eq!(plan.plan_reads(now + secs(100), SPEEDS).0, []);
    plan.on_get(&arn, &[uid], GetOutcome::Present, now + secs(100));
    assert_eq!(plan.plan_reads(now + secs(200), SPEEDS).0, []);
}

#[test]
fn a_page_whose_reservation_was_granted_without_a_permit_is_queued_again() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    live(&mut plan, 30, now, now);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    plan.mark_page_in_flight(&order, now, SPEEDS);
    assert_eq!(plan.granted_read(&order.holder()), None, "it is on its way already");
    assert_eq!(plan.plan_reads(now, SPEEDS).0, []);
    plan.release_page(&order);
    let [again] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    assert_eq!((again.filter, again.from), (order.filter, order.from));
}

/// Subscribes the accepted exports of these sessions of a group.
pub(in crate::polling) fn accepted(plan: &mut PollPlan, of: usize, range: std::ops::Range<usize>, now: Instant) {
    accepted_until(plan, of, range, now, now);
}

fn accepted_until(plan: &mut PollPlan, of: usize, range: std::ops::Range<usize>, at: Instant, now: Instant) {
    accepted_to("team-a", plan, of, range, (at, now));
}

fn accepted_to(
    namespace: &str,
    plan: &mut PollPlan,
    of: usize,
    range: std::ops::Range<usize>,
    (at, now): (Instant, Instant),
) {
    for n in range {
        let waiter = pending(n, at);
        let arn = group(of).session(waiter.arn.session.clone());
        let (uid, namespace) = (format!("g{of}s{n}").into(), namespace.into());
        plan.subscribe(ReadSubscription { uid, namespace, arn, ..waiter }, now);
    }
}

#[test]
fn a_missing_session_is_read_by_a_get_whatever_its_object_waits_for_meanwhile() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..30, now);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    plan.on_page(&order, &shows(0..29), now, SPEEDS);
    assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0), ["g0s29"]);
    // The object is reconciled meanwhile, because its status was written.
    accepted_until(&mut plan, 0, 29..30, now + secs(10), now);
    let (work, _) = plan.plan_reads(now, SPEEDS);
    assert!(!work.contains(&PlannedRead::Withdraw("g0s29".into())), "{work:?}");
    let uid: Uid = "g0s29".into();
    assert_eq!(plan.granted_read(&uid), Some(PlannedRead::Get(uid.clone())));
}

#[test]
fn a_missing_session_is_read_also_if_the_object_with_the_queued_get_is_deleted() {
    for first in [true, false] {
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        accepted(&mut plan, 0, 0..30, now);
        plan.subscribe(ReadSubscription { uid: "twin".into(), ..pending(29, now) }, now);
        let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
        plan.on_page(&order, &shows(0..29), now, SPEEDS);
        assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0), ["g0s29"], "one for both");
        let (gone, left) = if first { ("g0s29", "twin") } else { ("twin", "g0s29") };
        plan.unsubscribe(&gone.into());
        assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0), [left]);
    }
}

#[test]
fn the_missing_of_a_namespace_do_not_wait_for_those_of_another() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..300, now);
    accepted_to("team-b", &mut plan, 0, 300..305, (now, now));
    let asked = loop {
        let work = plan.plan_reads(now, SPEEDS).0;
        let asked =
            gets(&work).iter().map(|uid| uid.trim_start_matches("g0s").parse().unwrap()).collect::<Vec<usize>>();
        let Some(order) = orders(work).pop() else { break asked };
        plan.on_page(&order, &shows(0..0), now, SPEEDS);
    };
    let of_team_b = asked.iter().filter(|n| **n >= 300).count();
    assert_eq!((asked.len() - of_team_b, of_team_b), (10, 5));
}

#[test]
fn an_abandoned_scan_of_a_small_group_does_not_disable_lists_for_a_large_one() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..2, now);
    (1..30).for_each(|other| accepted(&mut plan, other, 0..1, now));
    let of_first = |work: Vec<PlannedRead>| orders(work).into_iter().find(|order| *order.group == group(0));
    let mut order = of_first(plan.plan_reads(now + secs(1), SPEEDS).0).expect("a few of many are called by lists");
    accepted(&mut plan, 0, 2..500, now + secs(1));
    for n in 0..2_u64 {
        let next = Some(PageToken::new(&format!("page {n}")));
        plan.on_page(&order, &SessionPage { next, ..shows(1_000..1_100) }, now + secs(1), SPEEDS);
        let Some(next) = of_first(plan.plan_reads(now + secs(1), SPEEDS).0) else { break };
        order = next;
    }
    let (work, _) = plan.plan_reads(now + secs(120), SPEEDS);
    let gets = work.iter().filter(|work| matches!(work, PlannedRead::Get(uid) if uid.starts_with("g0"))).count();
    assert_eq!((gets, of_first(work).is_some()), (0, true), "500 are called by lists");
}

#[test]
fn a_get_that_is_withdrawn_and_needed_again_is_reserved_again() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    live(&mut plan, 1, now, now);
    assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0), ["s0"]);
    live(&mut plan, 1, now + secs(2), now);
    live(&mut plan, 1, now, now);
    let (work, _) = plan.plan_reads(now, SPEEDS);
    let reads = [PlannedRead::Withdraw("s0".into()), PlannedRead::Get("s0".into())];
    assert_eq!(work, reads, "in this order: the other one would cancel the new reservation");
}

#[test]
fn a_get_is_in_flight_from_its_permit_to_its_answer() {
    let (mut plan, now, uid) = (PollPlan::new(WAITS), epoch(), Uid::from("s0"));
    live(&mut plan, 1, now, now);
    assert!(!plan.is_get_in_flight(&uid));
    plan.plan_reads(now, SPEEDS);
    assert_eq!((plan.is_get_in_flight(&uid), plan.gets_scheduled()), (false, 1));
    plan.mark_get_in_flight(&uid);
    assert_eq!((plan.is_get_in_flight(&uid), plan.gets_scheduled()), (true, 0));
    let arn = group(0).session("s0".parse().unwrap());
    let uids = [uid];
    assert_eq!(plan.on_get(&arn, &uids, GetOutcome::Present, now), uids);
    let [uid] = uids;
    assert_eq!((plan.is_get_in_flight(&uid), plan.gets_scheduled()), (false, 1));
}

#[test]
fn an_object_that_subscribes_again_keeps_its_get_while_it_needs_one() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    live(&mut plan, 1, now, now);
    let get = [PlannedRead::Get("s0".into())];
    assert_eq!(plan.plan_reads(now, SPEEDS).0, get);
    live(&mut plan, 1, now, now);
    assert_eq!(plan.plan_reads(now, SPEEDS).0, get, "its priority may be another");
    plan.mark_get_in_flight(&"s0".into());
    live(&mut plan, 1, now, now);
    assert_eq!(plan.plan_reads(now, SPEEDS).0, []);
    plan.requeue_get(&"s0".into(), now);
    let read = ReadRequest { due: now, kind: ReadKind::Fresh, session_ends: None, decide_again_at: None };
    plan.subscribe(ReadSubscription { read, ..pending(0, now) }, now);
    assert_eq!(plan.plan_reads(now, SPEEDS).0, [PlannedRead::Withdraw("s0".into())], "lists keep it fresh");
}

#[test]
fn a_get_without_a_token_is_reserved_again_unless_it_is_no_longer_due() {
    for (due, wanted) in [(0, 1), (2, 0)] {
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        live(&mut plan, 1, now, now);
        plan.plan_reads(now, SPEEDS);
        plan.mark_get_in_flight(&"s0".into());
        live(&mut plan, 1, now + secs(due), now);
        plan.requeue_get(&"s0".into(), now);
        assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0).len(), wanted);
    }
}

#[test]
fn a_group_whose_objects_are_gone_is_forgotten_and_its_list_withdrawn() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    live(&mut plan, 30, now, now);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    (0..30).for_each(|n| plan.unsubscribe(&format!("s{n}").into()));
    assert_eq!(plan.plan_reads(now, SPEEDS).0, [PlannedRead::Withdraw(order.holder())]);
    assert_eq!((plan.groups.len(), plan.entries.len(), plan.holders.len(), plan.agenda.len()), (0, 0, 0, 0));
}

#[test]
fn an_identity_that_may_not_list_uses_gets_until_the_longest_retry_delay_is_over() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..30, now);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    plan.on_page_error(&order, FailureClass::AccessDenied, None, now);
    assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0).len(), 30);
    assert_eq!(plan.plan_reads(now + secs(29), SPEEDS), (vec![], Some(now + secs(30))));
    for later in [30, 31] {
        let (work, next) = plan.plan_reads(now + secs(later), SPEEDS);
        assert_eq!(orders(work).len(), usize::from(later == 30));
        assert!(next.is_none_or(|next| next > now + secs(later)), "nothing is due at once: {next:?}");
    }
}

#[test]
fn whether_summaries_name_uris_is_learned_from_exports_that_have_succeeded() {
    let pending = session().exported_to(None, ExportFilesStatus::Pending);
    let succeeded = session().exported_to(None, ExportFilesStatus::Succeeded);
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..300, now);
    let lookup = Filter::Export(ExportFilesStatus::Succeeded);
    let shown_as = |view: &SessionView, range: std::ops::Range<usize>| {
        let sessions = range.map(|n| (format!("s{n}").parse().unwrap(), view.clone())).collect();
        SessionPage { begun: now, sessions, next: None }
    };
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    plan.on_page(&order, &shown_as(&pending, 0..100), now, SPEEDS);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    assert_eq!((order.filter, plan.names_uris), (lookup, None));
    plan.on_page(&order, &shown_as(&succeeded, 100..101), now, SPEEDS);
    assert_eq!(plan.names_uris, Some(false));
}

/// An object whose accepted export waits for a read.
fn pending(n: usize, now: Instant) -> ReadSubscription {
    ReadSubscription {
        uid: format!("s{n}").into(),
        namespace: "team-a".into(),
        arn: group(0).session(format!("s{n}").parse().unwrap()),
        read: ReadRequest { due: now, kind: ReadKind::Pending, session_ends: None, decide_again_at: None },
        urgency: Priority::for_unread(PriorityClass::Poll),
        zip: false,
        visible_from: None,
    }
}

/// Subscribes the accepted export of one session that ends then.
fn accepted_ending(plan: &mut PollPlan, session_ends: Option<Instant>, now: Instant) -> SessionArn {
    let waiter = pending(0, now);
    let arn = waiter.arn.clone();
    plan.subscribe(ReadSubscription { read: ReadRequest { session_ends, ..waiter.read }, ..waiter }, now);
    arn
}

#[test]
fn near_its_end_a_session_is_read_more_often() {
    for (ends, interval) in [(None, 80), (Some(61), 80), (Some(60), 10), (Some(0), 10)] {
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        plan.set_get_interval(secs(80));
        let arn = accepted_ending(&mut plan, ends.map(|seconds| now + secs(seconds)), now);
        plan.on_get(&arn, &["s0".into()], GetOutcome::Present, now);
        assert_eq!(plan.plan_reads(now, SPEEDS), (vec![], Some(now + secs(interval))), "{ends:?}");
    }
}

#[test]
fn a_member_that_leaves_during_a_scan_is_not_sought_any_more() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..30, now);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    plan.on_page(&order, &SessionPage { next: Some(PageToken::new("more")), ..shows(0..29) }, now, SPEEDS);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    plan.unsubscribe(&"g0s29".into());
    plan.assert_consistent();
    plan.on_page(&order, &SessionPage { next: Some(PageToken::new("and more")), ..shows(0..0) }, now, SPEEDS);
    assert_eq!(plan.plan_reads(now, SPEEDS).0, [], "all that are left have been found");
}

#[test]
fn small_groups_are_polled_by_lists_once_their_gets_take_more_than_two_seconds() {
    for (groups, each, get, by_list) in
        [(2, 10, 10.0, false), (2, 11, 10.0, true), (5, 16, 40.0, false), (6, 16, 40.0, true)]
    {
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        (0..groups).for_each(|of| accepted(&mut plan, of, 0..each, now));
        let rates = QuotaRates { get, ..SPEEDS };
        let lists = orders(plan.plan_reads(now, rates).0).len();
        let reads = gets(&plan.plan_reads(now + FIRST_GET_DELAY, rates).0).len();
        assert_eq!((lists, reads), if by_list { (groups, 0) } else { (0, groups * each) }, "{groups} of {each}");
    }
}

#[test]
fn the_first_get_for_an_accepted_export_waits_a_moment_for_others_and_a_later_one_does_not() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..1, now);
    assert_eq!(plan.plan_reads(now, SPEEDS), (vec![], Some(now + FIRST_GET_DELAY)));
    accepted(&mut plan, 0, 0..1, now);
    assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0), ["g0s0"]);
}

#[test]
fn first_reads_of_a_small_group_are_listed_if_they_are_more_than_three_and_that_takes_less_time() {
    for (count, get, by_list) in [(3, 10.0, false), (4, 10.0, true), (4, 40.0, false), (5, 40.0, true)] {
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        live(&mut plan, count, now, now);
        let lists = orders(plan.plan_reads(now + secs(1), QuotaRates { get, ..SPEEDS }).0).len();
        assert_eq!(lists, usize::from(by_list), "{count} at {get} Gets a second");
    }
}

#[test]
fn ends_are_expected_a_minute_before_a_foreseen_one_and_a_minute_after_one_was_seen() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    let expected = |plan: &PollPlan, ms| {
        let group = &plan.groups[&group(0)];
        group.scan_group(ScanSet::Pending).ends_expected(now + Duration::from_millis(ms))
    };
    accepted_ending(&mut plan, Some(now + secs(100)), now);
    assert_eq!([39_999, 40_000].map(|ms| expected(&plan, ms)), [false, true]);
    // One on a page, and one that no list shows.
    let over = session().in_state(SessionStatus::Terminated);
    for shown in [(0..30).map(|n| (format!("s{n}").parse().unwrap(), over.clone())).collect(), shows(0..29).sessions] {
        let mut plan = PollPlan::new(WAITS);
        accepted(&mut plan, 0, 0..30, now);
        let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
        plan.on_page(&order, &SessionPage { sessions: shown, ..shows(0..0) }, now, SPEEDS);
        assert_eq!([0, 59_999, 60_000].map(|ms| expected(&plan, ms)), [true, true, false]);
    }
}

/// Plans at this time. Returns the only page, which fails at once.
fn fail_page(plan: &mut PollPlan, class: FailureClass, at: Instant) -> PageRequest {
    let [order] = orders(plan.plan_reads(at, SPEEDS).0).try_into().unwrap();
    plan.mark_page_in_flight(&order, at, SPEEDS);
    plan.on_page_error(&order, class, None, at);
    order
}

#[test]
fn a_page_that_aws_cannot_serve_is_read_again_and_the_sixth_failure_ends_the_scan() {
    let (mut plan, mut now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..30, now);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    let more = Some(PageToken::new("more"));
    plan.on_page(&order, &SessionPage { next: more.clone(), ..shows(0..10) }, now, SPEEDS);
    for (delay, failed) in [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (30, 1)] {
        assert_eq!(fail_page(&mut plan, FailureClass::Unavailable, now).from, more);
        let early = plan.plan_reads(now + secs(delay) - Duration::from_millis(1), SPEEDS);
        assert_eq!(early, (vec![], Some(now + secs(delay))));
        assert_eq!(plan.take_stats().failed, failed);
        now += secs(delay);
    }
    assert_eq!(fail_page(&mut plan, FailureClass::Unavailable, now).from, None, "a new scan");
}

#[test]
fn sessions_whose_lookup_fails_are_read_by_gets() {
    let (mut plan, mut now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..300, now);
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    plan.on_page(&order, &shows(0..100), now, SPEEDS);
    for delay in [1, 2, 4, 8, 16] {
        assert_eq!(
            fail_page(&mut plan, FailureClass::Unavailable, now).filter,
            Filter::Export(ExportFilesStatus::Succeeded)
        );
        assert_eq!(plan.plan_reads(now, SPEEDS).0, []);
        now += secs(delay);
    }
    fail_page(&mut plan, FailureClass::Unavailable, now);
    assert_eq!(gets(&plan.plan_reads(now, SPEEDS).0).len(), 10);
}

#[test]
fn a_rejected_list_is_read_anew_and_after_the_third_time_gets_are_used_for_a_minute() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..30, now);
    for seconds in [0, 2] {
        fail_page(&mut plan, FailureClass::Rejected, now + secs(seconds));
        let early = now + secs(seconds) + Duration::from_millis(1_999);
        assert_eq!(plan.plan_reads(early, SPEEDS).0, [], "its interval");
    }
    fail_page(&mut plan, FailureClass::Rejected, now + secs(4));
    assert_eq!(gets(&plan.plan_reads(now + secs(4), SPEEDS).0).len(), 30);
    assert_eq!([63, 64].map(|seconds| orders(plan.plan_reads(now + secs(seconds), SPEEDS).0).len()), [0, 1]);
    // Exports depend on live sessions: their list is read anew after the retry delay.
    let (mut plan, then) = (PollPlan::new(WAITS), now + secs(2));
    live(&mut plan, 30, then, now);
    fail_page(&mut plan, FailureClass::Rejected, then);
    let lists = |plan: &mut PollPlan, ms| orders(plan.plan_reads(then + Duration::from_millis(ms), SPEEDS).0).len();
    assert_eq!([999, 1_000].map(|ms| lists(&mut plan, ms)), [0, 1]);
}

#[test]
fn a_scan_forgets_foreseen_ends_that_are_long_over() {
    for (seconds, expected) in [(0, false), (1, true), (120, true), (121, false)] {
        let (mut plan, before) = (PollPlan::new(WAITS), epoch());
        let now = before + secs(60);
        accepted(&mut plan, 0, 1..30, now);
        accepted_ending(&mut plan, Some(before + secs(seconds)), now);
        let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
        plan.on_page(&order, &shows(0..30), now, SPEEDS);
        let group = &plan.groups[&group(0)];
        assert_eq!(group.scan_group(ScanSet::Pending).ends_expected(now), expected, "{seconds}");
    }
}

#[test]
fn a_session_that_was_read_is_missing_again_only_in_a_later_scan() {
    use GetOutcome::{Gone, Nothing, Present};
    // How long a Get takes, and the seconds of the Gets after the first. Scans begin every two seconds.
    for (outcome, ms, expected) in [(Present, 0, [4, 12]), (Gone, 0, [6, 12]), (Nothing, 1_500, [4, 8])] {
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        accepted(&mut plan, 0, 0..30, now);
        let arn = group(0).session("s29".parse().unwrap());
        let mut asked = Vec::new();
        for seconds in (0..=12).step_by(2) {
            let at = now + secs(seconds);
            let [order] = orders(plan.plan_reads(at, SPEEDS).0).try_into().unwrap();
            plan.mark_page_in_flight(&order, at, SPEEDS);
            plan.on_page(&order, &shows(0..29), at, SPEEDS);
            if gets(&plan.plan_reads(at, SPEEDS).0) == ["g0s29"] {
                asked.push(seconds);
                plan.on_get(&arn, &["g0s29".into()], outcome, at + Duration::from_millis(ms));
                let scan_group = plan.groups[&group(0)].scan_group(ScanSet::Pending);
                assert!(scan_group.ends_expected(at + secs(59)), "{outcome:?}");
            }
        }
        assert_eq!(asked[..3], [0, expected[0], expected[1]], "{outcome:?}");
    }
}

fn member(plan: &PollPlan, scan_set: ScanSet) -> Option<&ScanMember> {
    plan.groups[&group(0)].scan_group(scan_set).members.get(&"s0".parse().unwrap())
}

#[test]
fn an_object_is_a_member_of_one_scan_group_and_its_first_read_counts_once() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    live(&mut plan, 3, now, now);
    assert_eq!((member(&plan, ScanSet::Live).is_some(), plan.first_reads.values().sum::<usize>()), (true, 3));
    accepted_ending(&mut plan, None, now);
    assert!(member(&plan, ScanSet::Live).is_none() && member(&plan, ScanSet::Pending).is_some());
    assert_eq!(plan.first_reads.values().sum::<usize>(), 2);
    (1..3).for_each(|n| plan.unsubscribe(&format!("s{n}").into()));
    assert_eq!(plan.first_reads.len(), 0, "nothing is kept of a namespace without first reads");
}

#[test]
fn a_session_is_urgent_while_one_of_its_objects_waits_for_its_first_read_and_costs_no_get_if_none_needs_one() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    for (uid, kind, urgent, list_only) in [
        ("a", ReadKind::First, true, false),
        ("b", ReadKind::Fresh, true, false),
        ("a", ReadKind::Exact, true, false),
        ("b", ReadKind::Fresh, false, true),
        ("c", ReadKind::Fresh, false, true),
        ("c", ReadKind::Live, false, false),
    ] {
        let waiter = pending(0, now);
        let read = ReadRequest { kind, ..waiter.read };
        plan.subscribe(ReadSubscription { uid: uid.into(), read, ..waiter }, now);
        let member = member(&plan, ScanSet::Live).unwrap();
        assert_eq!((member.urgent, member.list_only), (urgent, list_only), "{:?} {kind:?}", &*member.uids);
    }
}

#[test]
fn an_export_that_was_requested_just_now_is_missing_once_a_list_has_shown_it() {
    for (shown, missing) in [(30, 1), (29, 0)] {
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        let visible_from = Some(now + secs(30));
        (0..30).for_each(|n| plan.subscribe(ReadSubscription { visible_from, ..pending(n, now) }, now));
        for (at, range) in [(now, 0..shown), (now + secs(2), 0..29)] {
            let [order] = orders(plan.plan_reads(at, SPEEDS).0).try_into().unwrap();
            plan.mark_page_in_flight(&order, at, SPEEDS);
            plan.on_page(&order, &shows(range), at, SPEEDS);
        }
        assert_eq!(gets(&plan.plan_reads(now + secs(2), SPEEDS).0).len(), missing);
    }
}

#[test]
fn what_a_lookup_shows_is_not_missing_in_the_next_scan() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..300, now);
    for range in [0..100, 100..300] {
        let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
        plan.on_page(&order, &shows(range), now, SPEEDS);
    }
    let [order] = orders(plan.plan_reads(now + secs(2), SPEEDS).0).try_into().unwrap();
    plan.on_page(&order, &shows(0..100), now + secs(2), SPEEDS);
    assert_eq!(plan.plan_reads(now + secs(2), SPEEDS).0, [], "its object may not be reconciled yet");
}

#[test]
fn missing_sessions_are_looked_up_if_that_takes_fewer_pages_and_many_also_after_a_lookup_was_given_up() {
    for (given_up, missing, is_looked_up) in [(false, 2, false), (false, 3, true), (true, 20, false), (true, 21, true)]
    {
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        accepted(&mut plan, 0, 0..100, now);
        let circle = |range| SessionPage { next: Some(PageToken::new("circle")), ..shows(range) };
        let pages = if given_up { vec![shows(0..50), circle(0..0), circle(0..0)] } else { vec![shows(0..100)] };
        for page in pages {
            let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
            plan.on_page(&order, &page, now, SPEEDS);
        }
        (50..100).for_each(|n| plan.unsubscribe(&format!("g0s{n}").into()));
        let [order] = orders(plan.plan_reads(now + secs(2), SPEEDS).0).try_into().unwrap();
        plan.on_page(&order, &shows(0..50 - missing), now + secs(2), SPEEDS);
        let (work, _) = plan.plan_reads(now + secs(2), SPEEDS);
        let reads = if is_looked_up { (1, 0) } else { (0, missing.min(10)) };
        assert_eq!((orders(work.clone()).len(), gets(&work).len()), reads, "{missing} missing");
    }
}

#[test]
fn exports_that_no_list_need_show_yet_start_no_lookup() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    for n in 0..30 {
        let visible_from = (n > 0).then_some(now + secs(30));
        plan.subscribe(ReadSubscription { visible_from, ..pending(n, now) }, now);
    }
    let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
    plan.mark_page_in_flight(&order, now, SPEEDS);
    plan.on_page(&order, &shows(0..0), now, SPEEDS);
    assert_eq!(plan.plan_reads(now, SPEEDS).0, [PlannedRead::Get("s0".into())], "one is missing");
}

#[test]
fn gets_are_made_beside_a_lookup_that_tells_no_results() {
    for (zip, uri, wanted) in [(false, None, 10), (true, None, 0), (false, Some("s3://bucket/a/k.zip"), 0)] {
        let succeeded = session().exported_to(uri, ExportFilesStatus::Succeeded);
        let (mut plan, now) = (PollPlan::new(WAITS), epoch());
        (0..600).for_each(|n| plan.subscribe(ReadSubscription { zip, ..pending(n, now) }, now));
        let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
        plan.on_page(&order, &shows(0..100), now, SPEEDS);
        // As many pages as there are lists are allowed for.
        for (page, wanted) in [(1, 0), (2, 0), (3, wanted)] {
            let [order] = orders(plan.plan_reads(now, SPEEDS).0).try_into().unwrap();
            let shown = page * 100..page * 100 + 10;
            let sessions = shown.map(|n| (format!("s{n}").parse().unwrap(), succeeded.clone())).collect();
            let next = Some(PageToken::new(&page.to_string()));
            plan.on_page(&order, &SessionPage { begun: now, sessions, next }, now, SPEEDS);
            let (work, _) = plan.plan_reads(now, SPEEDS);
            assert_eq!(gets(&work).len(), wanted, "after page {page}");
            plan.release_page(&order);
        }
    }
}
