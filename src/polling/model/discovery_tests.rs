//! Discovery on the lists of [`model`](super::super::model).

use crate::api::request::Uid;
use crate::aws::failure::FailureClass;
use crate::aws::model::{Filter, SessionStatus};
use crate::export::fixtures::secs;
use crate::polling::discovery::{DiscoveredGroup, DiscoveryPace, DiscoveryScan, ScanOutcome};
use crate::polling::model::{Model, SPEEDS, Service, group};
use crate::polling::{PageRequest, ScanOwner};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

const FOREVER: Duration = Duration::from_secs(86_400);

fn discovering(groups: usize, service: Service) -> Model {
    let mut model = Model::new(service);
    model.discover(groups, DiscoveryPace::Continuous);
    model
}

fn is_discovery(page: &PageRequest) -> bool {
    page.owner == ScanOwner::Discovery
}

fn is_reconnecting(page: &PageRequest) -> bool {
    use SessionStatus::{PendingClientReconnection, Reconnecting};
    [PendingClientReconnection, Reconnecting].map(Filter::Session).contains(&page.filter)
}

/// Mean seconds from the begin of one scan of a group to the begin of the next.
fn mean_interval(model: &Model, number: usize) -> f64 {
    let begins: Vec<Instant> = model.scans.iter().filter(|s| *s.group == group(number)).map(|s| s.began).collect();
    let (first, last) = (begins[0], begins[begins.len() - 1]);
    (last - first).as_secs_f64() / (begins.len() - 1) as f64
}

/// Discovery's pages a second since an instant.
fn page_rate(model: &Model, since: Instant) -> f64 {
    let pages = model.log.iter().filter(|(at, page)| *at >= since && is_discovery(page)).count();
    pages as f64 / (model.now - since).as_secs_f64()
}

#[test]
fn a_scan_takes_the_time_of_its_pages_at_the_share_of_discovery() {
    for groups in [1_usize, 20, 40] {
        let mut model = discovering(groups, Service { busy: true, ..Service::default() });
        model.run(secs(20));
        (model.scans, model.other_lists) = (Vec::new(), 0);
        let since = model.now;
        model.run(secs(600));
        let share = SPEEDS.list * SPEEDS.discovery_share;
        let expected = (2.0 * groups as f64 / (share - 2.0 * groups as f64 / 60.0)).max(2.0);
        for number in 0..groups {
            let interval = mean_interval(&model, number);
            assert!((interval / expected - 1.0).abs() < 0.1, "{groups} groups: {interval} s for {expected} s");
        }
        // What discovery leaves, the others take; and all together keep to the share.
        let rate = page_rate(&model, since);
        assert!(rate <= share + 0.1, "{groups} groups: {rate} pages/s");
        let requests = rate * 600.0 + model.other_lists as f64;
        assert!((5_990.0..=6_001.0).contains(&requests), "{groups} groups: {requests} requests in 600 s");
    }
}

#[test]
fn discovery_takes_what_the_others_leave() {
    let mut model = discovering(20, Service::default());
    model.run(secs(10));
    let since = model.now;
    model.run(secs(120));
    let rate = page_rate(&model, since);
    assert!((9.9..=10.0).contains(&rate), "{rate} pages/s");
    assert!((0..20).all(|number| mean_interval(&model, number) <= 4.5));
}

#[test]
fn in_any_two_seconds_both_have_their_part() {
    let mut model = discovering(20, Service { busy: true, ..Service::default() });
    model.run(secs(20));
    let since = model.now;
    model.run(secs(100));
    for second in 0..98 {
        let from = since + secs(second);
        let in_window = |at: &Instant| (from..from + secs(2)).contains(at);
        let pages = model.log.iter().filter(|(at, page)| in_window(at) && is_discovery(page)).count();
        assert!((12..=14).contains(&pages), "{pages} of 20 pages");
    }
}

#[test]
fn the_first_scans_take_the_whole_share_and_read_all_lists_of_live_sessions() {
    let mut model = discovering(20, Service { busy: true, ..Service::default() });
    model.run_until(secs(60), |model| model.scans.len() == 20);
    assert!(model.seconds() <= 8.6, "{} s for 80 pages", model.seconds());
    assert!(model.scans.iter().all(|scan| scan.reconnecting && scan.outcome == ScanOutcome::Complete));
    assert!(model.scans.iter().all(|scan| scan.pages == 4));
}

#[test]
fn groups_take_turns_page_by_page() {
    let mut model = Model::new(Service { busy: true, ..Service::default() });
    (0..3_000).for_each(|n| model.begins(7, &format!("s{n}"), SessionStatus::Active, FOREVER));
    model.discover(10, DiscoveryPace::Continuous);
    model.run(secs(120));
    let pages: Vec<&PageRequest> = model.log.iter().map(|(_, page)| page).filter(|page| is_discovery(page)).collect();
    let mut since: BTreeMap<_, usize> = BTreeMap::new();
    for (n, page) in pages.iter().enumerate() {
        // Between two scans of a group, it waits for no turn.
        if let Some(last) = since.insert(page.group.clone(), n).filter(|_| page.under_way) {
            assert!(n - last <= 10, "{} pages of others between two of {}", n - last - 1, page.group);
        }
    }
    assert!((0..10).filter(|number| *number != 7).all(|number| mean_interval(&model, number) <= 4.0));
}

#[test]
fn a_namespace_with_many_groups_delays_none_of_another() {
    let mut model = Model::new(Service { busy: true, ..Service::default() });
    let of = |number: usize| if number == 0 { "team" } else { "crowd" };
    let wanted =
        |number| (group(number), DiscoveredGroup { pace: DiscoveryPace::Continuous, namespace: of(number).into() });
    model.plan.set_discovered((0..1).map(wanted), model.now);
    model.run(secs(60));
    // The crowd's come later, and have no first scan before all others.
    model.plan.set_discovered((0..200).map(wanted), model.now);
    let since = model.now;
    (model.scans, model.other_lists) = (Vec::new(), 0);
    model.run(secs(120));
    assert!(mean_interval(&model, 0) <= 2.2, "{} s", mean_interval(&model, 0));
    let rate = page_rate(&model, since);
    assert!(rate <= SPEEDS.list * SPEEDS.discovery_share + 0.1, "{rate} pages/s");
    assert!(model.other_lists >= 400, "{} lists of others in 120 s", model.other_lists);
}

#[test]
fn lists_of_reconnecting_sessions_are_read_once_a_minute_spread_over_the_groups() {
    let mut model = discovering(20, Service { busy: true, ..Service::default() });
    model.run(secs(70));
    let since = model.now;
    model.log.clear();
    model.run(secs(600));
    let reads: Vec<_> = model.log.iter().filter(|(_, page)| is_reconnecting(page)).collect();
    assert!((380..=402).contains(&reads.len()), "{} pages for 20 groups in 10 minutes", reads.len());
    for window in 0..20 {
        let from = since + secs(window * 30);
        let count = reads.iter().filter(|(at, _)| (from..from + secs(30)).contains(at)).count();
        assert!((14..=26).contains(&count), "{count} in half a minute");
    }
}

/// Sessions of three groups arrive at 10 a second for two minutes, live for 20 to 120 s, and find a client meanwhile.
fn arrivals(model: &mut Model) -> usize {
    let mut count = 0;
    for tick in 0..1_200_u64 {
        let lives = secs(20 + tick * 7919 % 101);
        model.begins(tick as usize % 3, &format!("s{tick}"), SessionStatus::Active, lives);
        if tick >= 50 && tick % 2 == 0 {
            let name: Uid = format!("s{}", tick - 50).into();
            model.objects.get_mut(&name).unwrap().status = SessionStatus::Connected;
        }
        model.run(Duration::from_millis(100));
        count += 1;
    }
    model.run(secs(130));
    count
}

/// The complete scans of a session's group within its life.
fn scans_within<'a>(model: &'a Model, uid: &'a Uid) -> impl Iterator<Item = &'a DiscoveryScan> {
    let (number, object) = (uid[1..].parse::<usize>().unwrap() % 3, &model.objects[uid]);
    let (begun, ended) = (object.accepted, object.ended.unwrap());
    model.scans.iter().filter(move |scan| {
        *scan.group == group(number)
            && scan.outcome == ScanOutcome::Complete
            && scan.began >= begun
            && scan.began + scan.took < ended
    })
}

#[test]
fn no_session_that_lived_through_two_complete_scans_is_missed_while_pages_shift() {
    let mut model = discovering(3, Service { busy: true, ..Service::default() });
    let count = arrivals(&mut model);
    assert!(model.scans.iter().any(|scan| scan.pages > 4), "some list takes several pages");
    let missed: BTreeSet<_> = model.objects.keys().filter(|uid| !model.discovered.contains_key(*uid)).collect();
    assert!(missed.iter().all(|uid| scans_within(&model, uid).count() < 2), "{missed:?}");
    let mut delays: Vec<Duration> =
        model.discovered.iter().map(|(uid, at)| *at - model.objects[uid].accepted).collect();
    delays.sort_unstable();
    let p99 = delays[delays.len() * 99 / 100];
    assert!(p99 <= secs(4) && delays.len() >= count - 2, "{p99:?}, {} of {count}", delays.len());
}

#[test]
fn live_sessions_with_accepted_exports_cost_no_list_and_no_get_beside_discovery() {
    let mut model = discovering(2, Service::default());
    model.pending(2, 300, false);
    model.run(secs(300));
    assert_eq!((model.gets, model.woken), (0, 0));
    assert!(model.log.iter().all(|(_, page)| is_discovery(page)));
    let age = |model: &Model| model.plan.oldest_scan_age(model.now);
    assert!(age(&model) <= secs(5), "{:?}", age(&model));
    model.service.refuses = Some(FailureClass::Unavailable);
    model.run(secs(30));
    assert!((secs(30)..secs(35)).contains(&age(&model)), "{:?}", age(&model));
    assert_eq!(model.gets, 0, "pending exports wait for AWS");
}

#[test]
fn the_age_of_discovery_is_that_of_the_group_whose_last_complete_scan_began_first() {
    let mut model = discovering(20, Service::default());
    let age = |model: &Model| model.plan.oldest_discovery_age(model.now);
    model.run(secs(60));
    assert!((secs(2)..secs(15)).contains(&age(&model)), "{:?}", age(&model));
    model.service.refuses = Some(FailureClass::AccessDenied);
    model.run(secs(60));
    assert!(age(&model) >= secs(60), "{:?}", age(&model));
    model.discover(20, DiscoveryPace::Counting);
    assert_eq!(age(&model), Duration::ZERO, "all policies are suspended");
}

#[test]
fn exports_whose_sessions_have_ended_are_found_as_without_discovery() {
    for (each, upload) in [(10, 10), (300, 0), (300, 20)] {
        let service = Service { upload: secs(upload), busy: true, ..Service::default() };
        let mut model = discovering(20, service);
        model.pending(20, each, false);
        model.run(secs(40));
        model.all_end_within(secs(60));
        let before = model.gets;
        model.run_until(secs(600), |model| model.unreported() == 0);
        let what =
            format!("{each} each, {upload} s: p99 {} s, {} Gets, {} pages", model.delay(), model.gets, model.pages);
        assert_eq!((model.unreported(), before), (0, 0), "{what}");
        assert!(model.delay() <= 60.0 + upload as f64 && model.gets <= 20 * each * (2 + upload as usize / 2), "{what}");
        let complete = model.scans.iter().filter(|scan| scan.outcome == ScanOutcome::Complete).count();
        assert!(complete as f64 >= 0.9 * model.scans.len() as f64, "{what}");
    }
}

#[test]
fn pending_scans_of_other_groups_still_finish() {
    let mut model = discovering(20, Service::default());
    for n in 0..200 {
        model.one_more(40, n);
    }
    // Groups 20 to 39 have no policy.
    model.run(secs(60));
    model.all_end_within(secs(60));
    model.run_until(secs(600), |model| model.unreported() == 0);
    assert_eq!(model.unreported(), 0);
    let others = model.log.iter().filter(|(_, page)| !is_discovery(page)).count();
    // Without policies, 25 s at the whole share.
    assert!(model.delay() <= 25.0 / 0.35, "p99 {} s, {others} other pages, {} Gets", model.delay(), model.gets);
}

#[test]
fn first_reads_that_discovery_serves_need_no_scan_of_their_own() {
    let mut model = Model::new(Service::default());
    (0..60).for_each(|n| model.begins(0, &format!("s{n}"), SessionStatus::Active, FOREVER));
    model.discover(1, DiscoveryPace::Continuous);
    (0..60).for_each(|n| model.wait_first(&format!("s{n}")));
    model.run(secs(4));
    assert_eq!((model.gets, model.log.iter().filter(|(_, page)| !is_discovery(page)).count()), (0, 0));
}

#[test]
fn activating_sessions_are_read_by_their_list_or_a_few_gets() {
    for (count, activating, gets) in [(2, 0, 2..=12), (60, 1, 0..=60)] {
        let mut model = discovering(1, Service::default());
        model.run(secs(3));
        for n in 0..count {
            model.begins(0, &format!("s{n}"), SessionStatus::Activating, FOREVER);
            model.wait_first(&format!("s{n}"));
        }
        model.run(secs(10));
        let of_members: Vec<_> = model.log.iter().filter(|(_, page)| !is_discovery(page)).collect();
        let lists = of_members.iter().filter(|(_, p)| p.filter == Filter::Session(SessionStatus::Activating)).count();
        assert!(lists >= activating && gets.contains(&model.gets), "{lists} pages, {} Gets", model.gets);
        let read_twice = |page: &PageRequest| {
            [SessionStatus::Active, SessionStatus::Connected].map(Filter::Session).contains(&page.filter)
        };
        assert!(!of_members.iter().any(|(_, page)| read_twice(page)), "{of_members:?}");
    }
}

#[test]
fn a_group_that_cannot_be_scanned_is_tried_once_a_minute_and_its_exports_are_read_by_gets() {
    use FailureClass::{AccessDenied, Credentials, NotFound, Unreachable};
    for (class, most) in [(AccessDenied, 12), (Credentials, 12), (NotFound, 16), (Unreachable, 30)] {
        let mut model = discovering(1, Service { refuses: Some(class), ..Service::default() });
        model.run(secs(599));
        assert!(model.scans.iter().all(|scan| scan.outcome == ScanOutcome::Failed(class)), "{class:?}");
        assert!(model.scans.len() >= 9 - usize::from(class == Unreachable), "{class:?}: {}", model.scans.len());
        assert!(model.pages <= most, "{class:?}: {} pages", model.pages);
        model.service.refuses = None;
        model.run(secs(62));
        assert!(model.scans.iter().any(|scan| scan.outcome == ScanOutcome::Complete), "{class:?}");
    }
}

#[test]
fn while_discovery_is_denied_pending_exports_are_read_by_gets_and_after_it_no_more() {
    let mut model = discovering(1, Service::default());
    model.plan.set_get_interval(secs(10));
    model.pending(1, 50, false);
    model.run(secs(10));
    assert_eq!(model.gets, 0);
    model.service.refuses = Some(FailureClass::AccessDenied);
    model.run(secs(40));
    assert!((100..=250).contains(&model.gets), "{} Gets", model.gets);
    model.service.refuses = None;
    model.run(secs(62));
    let before = model.gets;
    model.run(secs(60));
    assert_eq!(model.gets, before);
}

#[test]
fn a_policy_that_is_resumed_while_lists_are_denied_leaves_exports_to_gets() {
    let mut model = Model::new(Service { refuses: Some(FailureClass::AccessDenied), ..Service::default() });
    model.plan.set_get_interval(secs(10));
    model.discover(1, DiscoveryPace::Counting);
    model.pending(1, 5, false);
    model.run(secs(5));
    model.discover(1, DiscoveryPace::Continuous);
    let before = model.gets;
    model.run(secs(30));
    assert!(model.gets >= before + 10, "{} Gets", model.gets - before);
}

#[test]
fn repeated_tokens_end_a_scan_without_completing_it() {
    let mut model = discovering(1, Service { circles: true, ..Service::default() });
    model.pending(1, 50, false);
    model.run(secs(10));
    assert!(model.scans.len() >= 4 && model.scans.iter().all(|scan| scan.outcome == ScanOutcome::Incomplete));
    assert!(model.pages <= 12, "{} pages", model.pages);
}

#[test]
fn a_suspended_group_is_only_counted_once_a_minute_and_its_exports_are_polled_as_without_a_policy() {
    let mut model = Model::new(Service::default());
    model.discover(1, DiscoveryPace::Counting);
    model.pending(1, 50, false);
    model.run(secs(299));
    assert_eq!(model.scans.len(), 5);
    let polls = model.log.iter().filter(|(_, page)| page.filter == Filter::Session(SessionStatus::Active)).count();
    assert_eq!(polls, 5);
    assert!(model.log.len() >= 100, "{} pages", model.log.len());
    assert_eq!(model.gets, 0);
}

/// Seconds for each plan with this many live sessions in one of 40 groups: the fastest of three runs.
fn plan_cost(sessions: usize) -> f64 {
    let mut model = discovering(40, Service::default());
    model.pending(1, sessions, false);
    model.run(secs(60));
    let round = || {
        let mut now = model.now;
        let begun = std::time::Instant::now();
        for _ in 0..200 {
            now += Duration::from_millis(1);
            model.plan.plan_reads(now, SPEEDS);
        }
        begun.elapsed().as_secs_f64() / 200.0
    };
    std::iter::repeat_with(round).take(3).fold(f64::INFINITY, f64::min)
}

#[test]
fn planning_costs_the_same_however_many_sessions_are_live() {
    let (few, many) = (plan_cost(100), plan_cost(10_000));
    assert!(many <= 3.0 * few + 1e-4, "{few} s, {many} s");
}
