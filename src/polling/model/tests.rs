//! The poll plan on the lists of [`model`](super::model).

use crate::aws::failure::FailureClass;
use crate::export::fixtures::secs;
use crate::metrics::ScanStats;
use crate::polling::model::{Model, Service};
use crate::property;
use proptest::prelude::{any, prop_assert, proptest};
use std::time::Duration;

#[test]
fn few_are_read_one_by_one_and_more_than_twenty_by_lists() {
    for (count, pages, gets) in [(1, 0, 1), (20, 0, 20), (21, 1, 0), (100, 1, 0), (101, 2, 0)] {
        let mut model = Model::new(Service::default());
        model.plan.set_get_interval(secs(600));
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
    assert_eq!(model.plan.oldest_scan_age(model.now).as_secs() / 21, 0, "{:?}", model.plan.oldest_scan_age(model.now));
}

#[test]
fn objects_that_are_added_during_the_first_scan_are_read_by_it_or_the_next() {
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
    // One interval, and the time of the pages.
    assert!(took <= 30.0 && pages <= 130, "{took} s after all were there, which took {filled} s; {pages} pages");
}

#[test]
fn groups_that_are_out_of_step_are_each_scanned_at_their_interval_within_the_share() {
    let mut model = Model::new(Service::default());
    model.pending(20, 500, false);
    model.run(secs(45));
    for group in 0..8 {
        model.ends(&format!("g{group}-7"), Duration::ZERO);
        model.run(Duration::from_millis(4_700));
    }
    // Ends are expected for a minute after the last.
    model.run(secs(120));
    let before = model.pages;
    for _ in 0..200 {
        model.run(secs(1));
        let age = model.plan.oldest_scan_age(model.now);
        // An interval, and a scan that waits for others.
        assert!(age <= secs(25), "{age:?}");
    }
    assert!((950..=1050).contains(&(model.pages - before)), "half of the share: {} pages", model.pages - before);
}

#[test]
fn ten_thousand_ends_within_two_minutes_are_detected_by_lists() {
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
        model.run_until(secs(400), |model| model.unreported() == 0);
        let requests = model.pages - before + model.gets;
        assert_eq!(model.unreported(), 0);
        let what = format!("p99 {} s, {requests} requests, {} Gets, {} s", model.delay(), model.gets, model.seconds());
        // 45 s are allowed from the end to the status; here, 10,000 statuses are written in no time.
        assert!(model.delay() <= 25.0 && requests <= 1000, "{what}");
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
    let late = |model: &Model| (17..20).any(|group| model.objects[format!("g{group}-7").as_str()].reported.is_none());
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
    model.run_until(secs(1000), |model| model.unreported() == 0);
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
    model.run_until(secs(1000), |model| model.unreported() == 0);
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
    model.run_until(secs(300), |model| model.unreported() == 0);
    assert_eq!(model.unreported(), 0);
}

#[test]
fn an_export_requested_just_now_is_not_missing_in_a_list_that_lags() {
    let mut model = Model::new(Service { filter_lag: secs(20), new_for: secs(30), ..Service::default() });
    model.pending(1, 300, false);
    model.run(secs(120));
    assert_eq!(model.gets, 0);
}

#[test]
fn an_export_requested_just_now_that_a_list_has_shown_is_missed_as_soon_as_it_ends() {
    let mut model = Model::new(Service { new_for: secs(600), ..Service::default() });
    model.pending(1, 300, false);
    model.run(secs(30));
    model.all_end_within(secs(1));
    model.run(secs(60));
    assert_eq!(model.unreported(), 0);
}

#[test]
fn pages_full_of_other_peoples_exports_are_left_for_gets() {
    let mut model = Model::new(Service::default());
    model.plan.set_get_interval(secs(60));
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
        model.plan.set_get_interval(secs(30));
        model.pending(1, 50, false);
        model.run(secs(200));
        assert!(model.pages <= 52, "{} pages", model.pages);
        assert_eq!(model.plan.take_stats(), ScanStats { given_up: 1, ..ScanStats::default() });
        model.all_end_within(secs(1));
        model.run(secs(100));
        assert_eq!(model.unreported(), 0);
    }
}

#[test]
fn an_identity_that_may_not_list_uses_gets_and_asks_again_later() {
    let mut model = Model::new(Service { refuses: Some(FailureClass::AccessDenied), ..Service::default() });
    model.plan.set_get_interval(secs(60));
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
fn lists_that_fail_for_a_while_only_delay_pending_exports() {
    for class in [FailureClass::Throttled, FailureClass::Unavailable, FailureClass::Unreachable] {
        let mut model = Model::new(Service { refuses: Some(class), ..Service::default() });
        model.pending(2, 200, false);
        model.run(secs(120));
        assert_eq!(model.gets, 0, "{class:?}");
        assert!(model.pages <= 30, "{} pages", model.pages);
        assert!(model.plan.take_stats().failed >= 1, "{class:?}");
        assert!(model.plan.oldest_scan_age(model.now) >= secs(110), "{class:?}: nobody has been looked for");
        model.service.refuses = None;
        model.all_end_within(secs(1));
        model.run_until(secs(100), |model| model.unreported() == 0);
        assert_eq!(model.unreported(), 0, "{class:?}");
    }
}

#[test]
fn one_that_is_missing_costs_one_get() {
    let mut model = Model::new(Service::default());
    model.pending(1, 200, false);
    model.run(secs(10));
    model.ends("g0-7", Duration::ZERO);
    model.run(secs(10));
    assert_eq!((model.unreported(), model.gets, model.woken), (0, 1, 1));
    let stats = model.plan.take_stats();
    assert_eq!((stats.missing, stats.given_up, stats.failed), (1, 0, 0));
    assert!(stats.complete >= 3, "{stats:?}");
    assert_eq!(model.plan.take_stats(), ScanStats::default(), "told once");
}

proptest! {
    #![proptest_config(property::config(4, 16))]

    /// Whatever lists omit, shift or show late: every end is detected in time, and pending exports cost few reads.
    #[test]
    fn every_end_is_detected_in_time(
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
        model.run_until(secs(600), |model| model.unreported() == 0);
        let took = model.seconds() - 60.0;
        prop_assert!(model.unreported() == 0 && took <= bound, "{} unreported after {took} s of {bound}", model.unreported());
    }
}
