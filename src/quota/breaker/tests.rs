use super::*;
use crate::property;
use crate::quota::breaker::open::{PROBE_CLAIM_TIMEOUT, PROBE_TIMEOUT};
use crate::quota::scheduler::{ClientState, PriorityClass};
use proptest::prelude::*;
use std::time::{Duration, SystemTime};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn breakers() -> CircuitBreakers {
    CircuitBreakers::new(ExponentialBackoff { first: s(10), longest: s(60) })
}

fn group() -> StreamGroupArn {
    StreamGroupArn {
        region: "us-west-2".parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        group: "sg-1".parse().unwrap(),
    }
}

fn key() -> BreakerKey {
    BreakerKey::for_export("operator".into(), &group(), "s3://bucket/a/")
}

fn uid(number: u64) -> Arc<str> {
    format!("{number}").into()
}

/// The smaller the number, the nearer its end.
fn urgency(number: u64) -> Priority {
    let end = Some(SystemTime::UNIX_EPOCH + s(number));
    Priority { purpose: PriorityClass::First, client: ClientState::Connected, end }
}

fn admit(breakers: &CircuitBreakers, number: u64, now: Instant) -> BreakerState {
    breakers.check(&key(), &uid(number), urgency(number), now)
}

const DENIED: Denial = Denial { class: FailureClass::AccessDenied, detail: FailureDetail::Unknown };

#[test]
fn probes_come_after_10_20_40_then_every_60_seconds_and_are_different_each_time() {
    let (breakers, start) = (breakers(), Instant::now());
    assert_eq!(admit(&breakers, 1, start), BreakerState::Closed);
    breakers.record_denial(&key(), &uid(1), DENIED, start);
    let (mut now, mut probers) = (start, Vec::new());
    for wait in [10, 20, 40, 60, 60, 60] {
        for number in [3, 1, 2, 4] {
            let closed = BreakerState::Open { denial: DENIED, since: start, next: now + s(wait) };
            assert_eq!(admit(&breakers, number, now), closed);
            assert_eq!(admit(&breakers, number, now + s(wait) - Duration::from_millis(1)), closed);
        }
        let (due, next) = breakers.probes_due(now);
        assert_eq!((due, next), (vec![], Some(now + s(wait))));
        now += s(wait);
        let due = breakers.probes_due(now).0;
        assert_eq!(breakers.check(&key(), &due[0], urgency(due[0].parse().unwrap()), now), BreakerState::HalfOpen);
        breakers.record_denial(&key(), &due[0], DENIED, now);
        probers.extend(due);
    }
    assert_eq!(probers.iter().map(|uid| &**uid).collect::<Vec<_>>(), ["2", "3", "4", "1", "2", "3"]);
}

#[test]
fn each_probe_counts_once_and_among_equals_the_most_urgent_goes() {
    let (breakers, start) = (breakers(), Instant::now());
    breakers.record_denial(&key(), &uid(9), DENIED, start);
    let (mut now, mut probers) = (start, Vec::new());
    for wait in [10, 20, 40, 60, 60] {
        admit(&breakers, 9, now);
        admit(&breakers, 5, now);
        now += s(wait);
        let (due, next) = breakers.probes_due(now);
        assert_eq!(next, Some(now + PROBE_CLAIM_TIMEOUT), "unless it comes");
        assert_eq!(breakers.check(&key(), &due[0], urgency(due[0].parse().unwrap()), now), BreakerState::HalfOpen);
        assert_eq!(breakers.probes_due(now), (vec![], Some(now + PROBE_TIMEOUT)), "one at a time");
        assert_eq!(breakers.probes_due(now + PROBE_TIMEOUT).0.len(), 1);
        breakers.record_denial(&key(), &due[0], DENIED, now);
        probers.extend(due);
    }
    // The call that was denied first counts too.
    assert_eq!(probers.iter().map(|uid| &**uid).collect::<Vec<_>>(), ["5", "5", "9", "5", "9"]);
}

#[test]
fn one_probe_at_a_time_and_a_success_releases_all() {
    let (breakers, start) = (breakers(), Instant::now());
    breakers.record_denial(&key(), &uid(9), DENIED, start);
    for number in 0..100 {
        assert!(matches!(admit(&breakers, number, start), BreakerState::Open { .. }));
    }
    let now = start + s(10);
    let admitted: Vec<u64> =
        (0..100).rev().filter(|number| admit(&breakers, *number, now) == BreakerState::HalfOpen).collect();
    assert_eq!(admitted, [0]);
    assert_eq!(admit(&breakers, 0, now), BreakerState::HalfOpen, "asking again changes nothing");
    assert_eq!(breakers.record_success(&key()).len(), 100);
    assert_eq!(admit(&breakers, 50, now), BreakerState::Closed);
    assert_eq!(breakers.breakers.lock().len(), 0);
}

#[test]
fn late_denials_change_nothing() {
    let (breakers, start) = (breakers(), Instant::now());
    for number in 0..50 {
        breakers.record_denial(&key(), &uid(number), DENIED, start + Duration::from_millis(number));
    }
    let closed = BreakerState::Open { denial: DENIED, since: start, next: start + s(10) };
    assert_eq!(admit(&breakers, 1, start + s(1)), closed);
}

#[test]
fn an_elected_holder_that_does_not_come_loses_its_probe() {
    let (breakers, start) = (breakers(), Instant::now());
    breakers.record_denial(&key(), &uid(9), DENIED, start);
    admit(&breakers, 1, start);
    let now = start + s(10);
    assert_eq!(
        admit(&breakers, 2, now),
        BreakerState::Open { denial: DENIED, since: start, next: now + PROBE_CLAIM_TIMEOUT }
    );
    assert_eq!(admit(&breakers, 2, now + PROBE_CLAIM_TIMEOUT), BreakerState::HalfOpen);
    breakers.record_denial(&key(), &uid(2), DENIED, now + PROBE_CLAIM_TIMEOUT);
    assert_eq!(admit(&breakers, 3, now + PROBE_CLAIM_TIMEOUT + s(20)), BreakerState::HalfOpen, "1 has had its chance");
}

#[test]
fn a_canceled_or_deleted_prober_blocks_no_other() {
    let (breakers, start) = (breakers(), Instant::now());
    breakers.record_denial(&key(), &uid(9), DENIED, start);
    let now = start + s(10);
    assert_eq!(admit(&breakers, 1, now), BreakerState::HalfOpen);
    assert!(matches!(admit(&breakers, 2, now), BreakerState::Open { .. }));
    breakers.cancel("1");
    assert_eq!(admit(&breakers, 2, now), BreakerState::HalfOpen);
    assert!(matches!(admit(&breakers, 3, now), BreakerState::Open { .. }));
    assert_eq!(admit(&breakers, 3, now + PROBE_TIMEOUT), BreakerState::HalfOpen);
}

#[test]
fn an_inconclusive_probe_is_repeated_after_the_same_wait() {
    let (breakers, start) = (breakers(), Instant::now());
    breakers.record_denial(&key(), &uid(9), DENIED, start);
    let now = start + s(10);
    assert_eq!(admit(&breakers, 1, now), BreakerState::HalfOpen);
    breakers.record_inconclusive(&key(), &uid(1), now);
    assert_eq!(admit(&breakers, 1, now), BreakerState::Open { denial: DENIED, since: start, next: now + s(10) });
}

#[test]
fn breakers_are_independent_and_expire_without_requests() {
    let (breakers, start) = (breakers(), Instant::now());
    breakers.record_denial(&key(), &uid(1), DENIED, start);
    let other = |prefix: &str| BreakerKey::for_export("operator".into(), &group(), prefix);
    let read = BreakerKey::for_read("operator".into(), Operation::Get, &group());
    let credentials = BreakerKey::for_credentials("operator".into(), group().region);
    for open in [
        other("s3://other/a/"),
        other("s3://bucket/b/"),
        other("s3://bucket/"),
        other("s3://bucket/a/b/"),
        read,
        credentials,
        BreakerKey::for_export("tenant".into(), &group(), "s3://bucket/a/"),
    ] {
        assert_eq!(breakers.check(&open, &uid(1), urgency(1), start), BreakerState::Closed);
    }
    assert!(matches!(breakers.check(&other("s3://bucket/a/"), &uid(2), urgency(2), start), BreakerState::Open { .. }));
    breakers.cancel("2");
    breakers.probes_due(start + s(609));
    assert_eq!(breakers.breakers.lock().len(), 1);
    breakers.probes_due(start + s(610));
    assert_eq!(breakers.breakers.lock().len(), 0);
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    /// Whatever holders check at whatever times: denied probes are never closer than the delay, and a holder that is
    /// requeued when due always gets its probe.
    #[test]
    fn probes_keep_their_distance(asks in prop::collection::vec((0u64..20, 0u64..8_000, 0u8..8), 1..300)) {
        let (breakers, start) = (breakers(), Instant::now());
        breakers.record_denial(&key(), &uid(0), DENIED, start);
        let (mut now, mut denials) = (start, vec![start]);
        for (number, pause, kind) in asks {
            now += Duration::from_millis(pause);
            if kind == 0 {
                breakers.cancel(&uid(number));
                continue;
            }
            let woken = breakers.probes_due(now).0.first().cloned();
            let asking = woken.clone().filter(|_| kind > 4).unwrap_or_else(|| uid(number));
            let admission = breakers.check(&key(), &asking, urgency(asking.parse().unwrap()), now);
            if woken.as_ref() == Some(&asking) {
                prop_assert_eq!(&admission, &BreakerState::HalfOpen);
            }
            if admission == BreakerState::HalfOpen {
                breakers.record_denial(&key(), &asking, DENIED, now);
                denials.push(now);
            }
        }
        for (count, pair) in denials.windows(2).enumerate() {
            prop_assert!(pair[1] - pair[0] >= s([10, 20, 40].get(count).copied().unwrap_or(60)));
        }
    }
}
