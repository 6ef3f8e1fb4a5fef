//! What the plan makes of AWS's lists, as far as [`model`](super::model) knows them.

use super::Tally;
use super::model::{Model, Service};
use crate::export::fixtures::secs;
use crate::property;
use crate::streams::observation::FailureClass;
use proptest::prelude::{any, prop_assert, proptest};
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
    #![proptest_config(property::config(4, 16))]

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
