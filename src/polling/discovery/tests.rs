//! Discovery on single pages and failures.

use super::*;
use crate::aws::model::SessionPage;
use crate::export::fixtures::{epoch, secs, session};
use crate::polling::model::{SPEEDS, WAITS, discovered, group};
use crate::polling::poller::PollerHandle;
use crate::polling::subscriptions::PollPlan;
use crate::polling::subscriptions::tests::{accepted, live, live_of};
use crate::polling::{PlannedRead, ScanOwner, ScanSet};
use crate::quota::scheduler::{Priority, PriorityClass};

fn discovering(groups: usize, now: Instant) -> PollPlan {
    let mut plan = PollPlan::new(WAITS);
    plan.set_discovered((0..groups).map(|number| (group(number), discovered(DiscoveryPace::Continuous))), now);
    plan
}

fn pages(plan: &mut PollPlan, now: Instant) -> Vec<PageRequest> {
    let page = |read| if let PlannedRead::List(page) = read { Some(page) } else { None };
    plan.plan_reads(now, SPEEDS).0.into_iter().filter_map(page).collect()
}

fn shows(count: usize, next: Option<&str>, now: Instant) -> SessionPage {
    let sessions = (0..count).map(|n| (format!("s{n}").parse().unwrap(), session())).collect();
    SessionPage { begun: now, sessions, next: next.map(PageToken::new) }
}

/// Reads the next page, which takes a second. Returns its list, and whether it is the first of its scan.
fn read(plan: &mut PollPlan, count: usize, next: Option<&str>, now: Instant) -> (Filter, bool) {
    let [page] = pages(plan, now).try_into().unwrap();
    plan.mark_page_in_flight(&page, now, SPEEDS);
    plan.on_page(&page, &shows(count, next, now), now + secs(1), SPEEDS);
    (page.filter, !page.under_way)
}

#[test]
fn sessions_come_page_by_page_and_the_scan_at_its_end() {
    let (mut plan, now) = (discovering(1, epoch()), epoch());
    use SessionStatus::{Active, Connected, PendingClientReconnection, Reconnecting};
    let filters = [Active, Active, Connected, PendingClientReconnection, Reconnecting].map(Filter::Session);
    for (n, filter) in filters.into_iter().enumerate() {
        assert_eq!(read(&mut plan, n, (n == 0).then_some("more"), now + secs(n as u64)), (filter, n == 0));
        let events = plan.take_discovery_events();
        let Some(DiscoveryEvent::Shown(shown)) = events.first() else { panic!("{events:?}") };
        assert_eq!((shown.sessions.len(), events.len()), (n, if n == 4 { 2 } else { 1 }));
        if let Some(DiscoveryEvent::Ended(scan)) = events.last() {
            let expected = DiscoveryScan {
                group: shown.group.clone(),
                began: now,
                took: secs(5),
                pages: 5,
                reconnecting: true,
                outcome: ScanOutcome::Complete,
            };
            assert_eq!(*scan, expected);
        }
    }
    let next = plan.plan_reads(now + secs(5), SPEEDS).0;
    assert!(
        matches!(&*next, [PlannedRead::List(page)] if page.filter == filters[0]),
        "longer than the interval: {next:?}"
    );
}

#[test]
fn a_scan_begins_two_seconds_after_the_last_began_and_without_the_reconnecting_lists() {
    let (mut plan, now) = (discovering(1, epoch()), epoch());
    let at = |ms| now + Duration::from_millis(ms);
    for n in 0..4 {
        let [page] = pages(&mut plan, at(n)).try_into().unwrap();
        plan.mark_page_in_flight(&page, at(n), SPEEDS);
        plan.on_page(&page, &shows(0, None, at(n)), at(n), SPEEDS);
    }
    let (reads, next) = plan.plan_reads(at(1_999), SPEEDS);
    assert_eq!((reads, next), (vec![], Some(at(2_000))));
    for n in 2_000..2_002 {
        let [page] = pages(&mut plan, at(n)).try_into().unwrap();
        plan.mark_page_in_flight(&page, at(n), SPEEDS);
        plan.on_page(&page, &shows(0, None, at(n)), at(n), SPEEDS);
    }
    let Some(DiscoveryEvent::Ended(scan)) = plan.take_discovery_events().pop() else { panic!("no scan has ended") };
    assert_eq!((scan.began, scan.pages, scan.reconnecting), (at(2_000), 2, false));
}

#[test]
fn discovery_wants_the_pages_of_its_lists_at_their_intervals_and_none_while_it_is_paused() {
    let now = epoch();
    let mut discovery = Discovery::new(discovered(DiscoveryPace::Continuous), now);
    let pages_a_minute = |discovery: &Discovery, at| (discovery.page_rate(at, &WAITS) * 60.0).round();
    // Two lists every two seconds, and two once a minute.
    assert_eq!(pages_a_minute(&discovery, now), 62.0);
    assert_eq!(pages_a_minute(&Discovery::new(discovered(DiscoveryPace::Counting), now), now), 4.0);
    assert_eq!(discovery.on_page_error(FailureClass::Unreachable, None, now, &WAITS), None);
    for (ms, wanted, is_first) in [(0, 0.0, false), (999, 0.0, false), (1_000, 62.0, true), (1_001, 62.0, true)] {
        let at = now + Duration::from_millis(ms);
        assert_eq!((pages_a_minute(&discovery, at), discovery.is_first_scan(at)), (wanted, is_first), "{ms} ms");
    }
    discovery.end_scan(&Arc::new(group(0)), ScanOutcome::Incomplete, now);
    assert!(!discovery.is_first_scan(now + secs(2)), "one has ended, however");
    // Six pages, of which four are of the lists that are read all the time.
    assert!(discovery.next_step(now + secs(2), None, &WAITS).page.is_some());
    for n in 0..6 {
        discovery.on_page((n < 2).then(|| PageToken::new(&n.to_string())));
    }
    discovery.end_scan(&Arc::new(group(0)), ScanOutcome::Complete, now + secs(8));
    assert_eq!(pages_a_minute(&discovery, now + secs(8)), 122.0);
}

#[test]
fn members_have_the_list_rate_that_discovery_leaves_in_its_account_and_region() {
    let rate = 2.0 / 2.0 + 2.0 / 60.0;
    for (groups, taken) in [(0, 0.0), (1, rate), (3, 3.0 * rate), (40, 6.5)] {
        let mut plan = discovering(groups, epoch());
        plan.plan_reads(epoch(), SPEEDS);
        let left = |group: &StreamGroupArn| plan.rates_without_discovery(group, SPEEDS);
        assert!((left(&group(0)).list - (SPEEDS.list - taken)).abs() < 1e-9, "{groups} groups: {:?}", left(&group(0)));
        assert_eq!(left(&group(0)).get, SPEEDS.get);
        assert_eq!(left(&StreamGroupArn { account: "444455556666".parse().unwrap(), ..group(0) }), SPEEDS);
    }
}

#[test]
fn first_scans_are_urgent_for_fifteen_seconds_after_the_first_policy() {
    for (ms, urgent) in [(0, true), (14_999, true), (15_000, false), (15_001, false)] {
        let mut plan = discovering(1, epoch());
        let [page] = pages(&mut plan, epoch() + Duration::from_millis(ms)).try_into().unwrap();
        assert_eq!(page.urgent, urgent, "{ms} ms");
    }
}

#[test]
fn a_list_of_other_live_sessions_shows_them_and_one_of_pending_exports_shows_none() {
    for (subscribe, owner, shown) in [
        (live as fn(&mut PollPlan, usize, Instant, Instant), ScanOwner::Members(ScanSet::Live), 1),
        (|plan, count, _, now| accepted(plan, 0, 0..count, now), ScanOwner::Members(ScanSet::Pending), 0),
    ] {
        let (mut plan, now) = (discovering(1, epoch()), epoch());
        subscribe(&mut plan, 30, now, now);
        assert_eq!(plan.oldest_scan_age(now + secs(7)), if shown == 0 { secs(7) } else { secs(0) });
        // Discovery shows none of them: they are left to lists of their own.
        for n in 1..5 {
            read(&mut plan, 0, None, now + Duration::from_millis(n));
        }
        plan.take_discovery_events();
        let [page] = pages(&mut plan, now + secs(1)).try_into().unwrap();
        assert_eq!(page.owner, owner);
        plan.on_page(&page, &shows(3, Some("more"), now), now + secs(1), SPEEDS);
        assert_eq!(plan.take_discovery_events().len(), shown);
    }
}

#[test]
fn discovery_takes_over_the_members_that_are_not_missing_and_sees_their_ends() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    accepted(&mut plan, 0, 0..30, now);
    let [page] = pages(&mut plan, now).try_into().unwrap();
    plan.on_page(&page, &shows(29, None, now), now, SPEEDS);
    plan.plan_reads(now, SPEEDS);
    plan.set_discovered([(group(0), discovered(DiscoveryPace::Continuous))], now);
    plan.assert_consistent();
    let missing = "g0s29".into();
    assert_eq!(plan.granted_read(&missing), Some(PlannedRead::Get(missing.clone())), "its Get is made all the same");
    let [page] = pages(&mut plan, now).try_into().unwrap();
    let over = ("s0".parse().unwrap(), session().in_state(SessionStatus::Terminated));
    plan.on_page(&page, &SessionPage { sessions: vec![over], ..shows(0, None, now) }, now, SPEEDS);
    let pending = plan.groups[&group(0)].scan_group(ScanSet::Pending);
    assert!(pending.ends_expected(now + secs(59)) && !pending.ends_expected(now + secs(60)));
}

#[test]
fn first_reads_that_discovery_does_not_show_have_a_scan_at_once() {
    let (mut plan, now) = (PollPlan::new(WAITS), epoch());
    let at = |ms| now + Duration::from_millis(ms);
    live(&mut plan, 30, now, now);
    let [page] = pages(&mut plan, now).try_into().unwrap();
    plan.mark_page_in_flight(&page, now, SPEEDS);
    plan.on_page(&page, &shows(30, None, now), now, SPEEDS);
    plan.set_discovered([(group(0), discovered(DiscoveryPace::Continuous))], at(1));
    live_of("team-a", &mut plan, 30..60, at(1), at(1));
    for n in 2..6 {
        read(&mut plan, 0, None, at(n));
    }
    let [page] = pages(&mut plan, at(1_100)).try_into().unwrap();
    assert_eq!((page.owner, page.urgent), (ScanOwner::Members(ScanSet::Live), true), "before the interval is over");
}

#[test]
fn a_session_without_an_object_is_read_once_and_a_failure_shows_nothing() {
    for found in [Some(session()), None] {
        let (mut plan, now) = (discovering(1, epoch()), epoch());
        let arn = group(0).session("one".parse().unwrap());
        plan.read_session(arn.clone(), "team".into(), now);
        let gets = |plan: &mut PollPlan, at| {
            let get = |read| if let PlannedRead::Get(uid) = read { Some(uid) } else { None };
            plan.plan_reads(at, SPEEDS).0.into_iter().filter_map(get).collect::<Vec<_>>()
        };
        let [uid] = gets(&mut plan, now).try_into().unwrap();
        assert_eq!(plan.session_read(&uid), Some(("team".into(), arn.clone())));
        assert_eq!(plan.get_priority(&uid), Some(Priority::for_unread(PriorityClass::Poll)));
        plan.mark_get_in_flight(&uid);
        assert!(plan.end_session_read(&uid, found.as_ref()));
        assert!(!plan.end_session_read(&uid, None), "it is over");
        let events: Vec<_> = found.map(|view| DiscoveryEvent::Read(arn, view)).into_iter().collect();
        assert_eq!(plan.take_discovery_events(), events);
        assert_eq!((gets(&mut plan, now + secs(600)), plan.session_read(&uid)), (vec![], None));
    }
}

/// The class, how many failures end the scan, seconds from each failure to the next try.
const FAILURES: &[(FailureClass, usize, &[u64])] = &[
    (FailureClass::Throttled, 6, &[1, 2, 4, 8, 16, 30, 30]),
    (FailureClass::Unavailable, 6, &[1, 2, 4, 8, 16, 30, 30]),
    (FailureClass::Unreachable, 6, &[1, 2, 4, 8, 16, 60, 60]),
    (FailureClass::Credentials, 1, &[60, 60]),
    (FailureClass::AccessDenied, 1, &[60, 60]),
    (FailureClass::NotFound, 1, &[60, 60]),
    // Never sooner than the interval.
    (FailureClass::Rejected, 1, &[2, 2, 60, 60]),
];

#[test]
fn a_page_that_aws_cannot_serve_is_read_again_and_a_refused_one_ends_the_scan() {
    for (class, ends_after, delays) in FAILURES {
        let (mut plan, mut now) = (discovering(1, epoch()), epoch());
        for (n, delay) in delays.iter().enumerate() {
            let [page] = pages(&mut plan, now).try_into().unwrap();
            plan.mark_page_in_flight(&page, now, SPEEDS);
            plan.on_page_error(&page, *class, None, now);
            let ended = plan.take_discovery_events();
            let failed = |event: &DiscoveryEvent| matches!(event, DiscoveryEvent::Ended(scan) if scan.outcome == ScanOutcome::Failed(*class));
            assert_eq!((ended.len(), ended.iter().all(failed)), (usize::from(n + 1 >= *ends_after), true), "{class:?}");
            let (reads, next) = plan.plan_reads(now, SPEEDS);
            assert_eq!((reads, next), (vec![], Some(now + secs(*delay))), "{class:?} {n}");
            now += secs(*delay);
        }
    }
}

#[test]
fn members_are_read_by_gets_while_discovery_is_denied_or_keeps_being_rejected() {
    for (class, ends_after) in [(FailureClass::AccessDenied, 1), (FailureClass::Rejected, 3)] {
        let (mut plan, mut now) = (discovering(1, epoch()), epoch());
        accepted(&mut plan, 0, 0..30, now);
        for n in 1..=ends_after {
            let [page] = pages(&mut plan, now).try_into().unwrap();
            plan.mark_page_in_flight(&page, now, SPEEDS);
            plan.on_page_error(&page, class, None, now);
            let reads = plan.plan_reads(now, SPEEDS).0;
            let are_gets = reads.iter().all(|read| matches!(read, PlannedRead::Get(_)));
            assert_eq!((reads.len(), are_gets), (if n == ends_after { 30 } else { 0 }, true), "{class:?} {n}");
            now += secs(2);
        }
    }
}

#[test]
fn a_breaker_that_opens_later_is_tried_later() {
    let (mut plan, now) = (discovering(1, epoch()), epoch());
    let [page] = pages(&mut plan, now).try_into().unwrap();
    plan.on_page_error(&page, FailureClass::AccessDenied, Some(now + secs(90)), now);
    assert_eq!(plan.plan_reads(now, SPEEDS).1, Some(now + secs(90)));
}

#[test]
fn a_group_without_a_policy_loses_its_reservation_and_a_late_page_changes_nothing() {
    let (mut plan, now) = (discovering(2, epoch()), epoch());
    let [kept, lost] = pages(&mut plan, now).try_into().unwrap();
    plan.set_discovered([(group(0), discovered(DiscoveryPace::Continuous))], now);
    assert_eq!(plan.plan_reads(now, SPEEDS).0, [PlannedRead::Withdraw(lost.holder())]);
    assert_eq!(plan.granted_read(&lost.holder()), None);
    assert_eq!(plan.granted_read(&kept.holder()), Some(PlannedRead::List(kept.clone())));
    plan.on_page(&lost, &shows(3, None, now), now, SPEEDS);
    plan.on_page_error(&lost, FailureClass::NotFound, None, now);
    assert_eq!(plan.take_discovery_events(), []);
    // It comes back while its page is in flight: that page belongs to no scan of now.
    plan.mark_page_in_flight(&kept, now, SPEEDS);
    plan.set_discovered([], now);
    plan.set_discovered([(group(0), discovered(DiscoveryPace::Continuous))], now);
    let late = PageRequest { from: Some(PageToken::new("late")), ..kept };
    plan.on_page(&late, &shows(3, None, now), now, SPEEDS);
    assert_eq!(pages(&mut plan, now).len(), 1);
    plan.on_page(&late, &shows(3, None, now), now, SPEEDS);
    assert_eq!(plan.take_discovery_events(), []);
}

#[test]
fn pages_wait_for_a_consumer_that_is_behind() {
    let (mut plan, now) = (discovering(1, epoch()), epoch());
    let mut read = 0;
    while let Some(page) = pages(&mut plan, now).pop().filter(|_| read < 1_000) {
        plan.mark_page_in_flight(&page, now, SPEEDS);
        plan.on_page(&page, &shows(1, Some(&read.to_string()), now), now, SPEEDS);
        read += 1;
    }
    assert_eq!(read, crate::polling::interval::MAX_UNREAD_EVENTS);
    assert_eq!(plan.take_discovery_events().len(), read);
    assert_eq!(pages(&mut plan, now).len(), 1);
}

#[test]
fn each_group_is_due_once_in_a_minute_and_a_twentieth_of_a_minute_after_the_one_before() {
    let (epoch, minute) = (epoch(), secs(60));
    let due = |index, seconds| reconnecting_due(epoch, (index, 20), minute, epoch + secs(seconds));
    assert_eq!(due(0, 2), None);
    for (index, seconds, at) in [(0, 3, 3), (0, 62, 3), (0, 63, 63), (1, 6, 6), (19, 60, 60), (19, 119, 60)] {
        assert_eq!(due(index, seconds), Some(epoch + secs(at)), "{index} {seconds}");
    }
}

#[tokio::test]
async fn a_consumer_receives_what_a_page_shows() {
    let handle = PollerHandle::new(PollPlan::new(WAITS));
    handle.set_discovered([(group(0), discovered(DiscoveryPace::Counting))], epoch());
    let [page] = pages(&mut handle.plan(), epoch()).try_into().unwrap();
    assert_eq!(page.owner, ScanOwner::Discovery);
    handle.plan().on_page(&page, &shows(2, None, epoch()), epoch(), SPEEDS);
    assert_eq!(handle.next_discovery_events().await.len(), 1);
}
