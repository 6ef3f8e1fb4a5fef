use super::door::{CLAIM, PROBE_LIFE};
use super::*;
use crate::property;
use crate::streams::turns::{ClientState, Purpose};
use proptest::prelude::*;
use std::time::SystemTime;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn gates() -> Gates {
    Gates::new(s(10), s(60))
}

fn arn() -> SessionArn {
    SessionArn {
        region: "us-west-2".parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        group: "sg-1".parse().unwrap(),
        session: "abc".parse().unwrap(),
    }
}

fn gate() -> Gate {
    Gate::export("operator".into(), &arn(), &"s3://bucket/a/".parse().unwrap())
}

fn uid(number: u64) -> Arc<str> {
    format!("{number}").into()
}

/// The smaller the number, the nearer its end.
fn urgency(number: u64) -> Urgency {
    let end = Some(SystemTime::UNIX_EPOCH + s(number));
    Urgency { purpose: Purpose::First, client: ClientState::Connected, end }
}

fn admit(gates: &Gates, number: u64, now: Instant) -> Admission {
    gates.admit(&gate(), &uid(number), urgency(number), now)
}

const DENIED: FailureClass = FailureClass::AccessDenied;

#[test]
fn probes_come_after_10_20_40_then_every_60_seconds_and_are_different_each_time() {
    let (gates, start) = (gates(), Instant::now());
    assert_eq!(admit(&gates, 1, start), Admission::Open);
    gates.denied(&gate(), &uid(1), DENIED, start);
    let (mut now, mut probers) = (start, Vec::new());
    for wait in [10, 20, 40, 60, 60, 60] {
        for number in [3, 1, 2, 4] {
            let closed = Admission::Closed { class: DENIED, since: start, next: now + s(wait) };
            assert_eq!(admit(&gates, number, now), closed);
            assert_eq!(admit(&gates, number, now + s(wait) - Duration::from_millis(1)), closed);
        }
        let (due, next) = gates.due(now);
        assert_eq!((due, next), (vec![], Some(now + s(wait))));
        now += s(wait);
        let due = gates.due(now).0;
        assert_eq!(gates.admit(&gate(), &due[0], urgency(due[0].parse().unwrap()), now), Admission::Probe);
        gates.denied(&gate(), &due[0], DENIED, now);
        probers.extend(due);
    }
    assert_eq!(probers.iter().map(|uid| &**uid).collect::<Vec<_>>(), ["2", "3", "4", "1", "2", "3"]);
}

#[test]
fn one_probe_at_a_time_and_a_success_releases_all() {
    let (gates, start) = (gates(), Instant::now());
    gates.denied(&gate(), &uid(9), DENIED, start);
    for number in 0..100 {
        assert!(matches!(admit(&gates, number, start), Admission::Closed { .. }));
    }
    let now = start + s(10);
    let admitted: Vec<u64> = (0..100).rev().filter(|number| admit(&gates, *number, now) == Admission::Probe).collect();
    assert_eq!(admitted, [0]);
    assert_eq!(admit(&gates, 0, now), Admission::Probe, "asking again changes nothing");
    assert_eq!(gates.succeeded(&gate()).len(), 100);
    assert_eq!(admit(&gates, 50, now), Admission::Open);
    assert_eq!(gates.closed(), 0);
}

#[test]
fn late_denials_change_nothing() {
    let (gates, start) = (gates(), Instant::now());
    for number in 0..50 {
        gates.denied(&gate(), &uid(number), DENIED, start + Duration::from_millis(number));
    }
    let closed = Admission::Closed { class: DENIED, since: start, next: start + s(10) };
    assert_eq!(admit(&gates, 1, start + s(1)), closed);
}

#[test]
fn an_elected_holder_that_does_not_come_loses_its_probe() {
    let (gates, start) = (gates(), Instant::now());
    gates.denied(&gate(), &uid(9), DENIED, start);
    admit(&gates, 1, start);
    let now = start + s(10);
    assert_eq!(admit(&gates, 2, now), Admission::Closed { class: DENIED, since: start, next: now + CLAIM });
    assert_eq!(admit(&gates, 2, now + CLAIM), Admission::Probe);
    gates.denied(&gate(), &uid(2), DENIED, now + CLAIM);
    assert_eq!(admit(&gates, 3, now + CLAIM + s(20)), Admission::Probe, "1 has had its chance");
}

#[test]
fn a_withdrawn_or_vanished_prober_blocks_nobody() {
    let (gates, start) = (gates(), Instant::now());
    gates.denied(&gate(), &uid(9), DENIED, start);
    let now = start + s(10);
    assert_eq!(admit(&gates, 1, now), Admission::Probe);
    assert!(matches!(admit(&gates, 2, now), Admission::Closed { .. }));
    gates.withdraw("1");
    assert_eq!(admit(&gates, 2, now), Admission::Probe);
    assert!(matches!(admit(&gates, 3, now), Admission::Closed { .. }));
    assert_eq!(admit(&gates, 3, now + PROBE_LIFE), Admission::Probe);
}

#[test]
fn an_inconclusive_probe_is_repeated_after_the_same_wait() {
    let (gates, start) = (gates(), Instant::now());
    gates.denied(&gate(), &uid(9), DENIED, start);
    let now = start + s(10);
    assert_eq!(admit(&gates, 1, now), Admission::Probe);
    gates.inconclusive(&gate(), &uid(1), now);
    assert_eq!(admit(&gates, 1, now), Admission::Closed { class: DENIED, since: start, next: now + s(10) });
}

#[test]
fn gates_are_apart_and_are_forgotten_when_nobody_asks() {
    let (gates, start) = (gates(), Instant::now());
    gates.denied(&gate(), &uid(1), DENIED, start);
    let other = |uri: &str| Gate::export("operator".into(), &arn(), &uri.parse().unwrap());
    let read = Gate::read("operator".into(), Operation::Get, &arn().stream_group());
    let credentials = Gate::credentials("operator".into(), arn().region);
    for open in [
        other("s3://other/a/"),
        read,
        credentials,
        Gate::export("tenant".into(), &arn(), &"s3://bucket/a/".parse().unwrap()),
    ] {
        assert_eq!(gates.admit(&open, &uid(1), urgency(1), start), Admission::Open);
    }
    assert!(matches!(gates.admit(&other("s3://bucket/b/"), &uid(2), urgency(2), start), Admission::Closed { .. }));
    gates.withdraw("2");
    gates.due(start + s(609));
    assert_eq!(gates.closed(), 1);
    gates.due(start + s(610));
    assert_eq!(gates.closed(), 0);
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    /// However many ask at whatever times: probes that are denied are never nearer than the wait, and one who is woken
    /// when due always gets its probe.
    #[test]
    fn probes_keep_their_distance(asks in prop::collection::vec((0u64..20, 0u64..8_000, 0u8..8), 1..300)) {
        let (gates, start) = (gates(), Instant::now());
        gates.denied(&gate(), &uid(0), DENIED, start);
        let (mut now, mut denials) = (start, vec![start]);
        for (number, pause, kind) in asks {
            now += Duration::from_millis(pause);
            if kind == 0 {
                gates.withdraw(&uid(number));
                continue;
            }
            let woken = gates.due(now).0.first().cloned();
            let asking = woken.clone().filter(|_| kind > 4).unwrap_or_else(|| uid(number));
            let admission = gates.admit(&gate(), &asking, urgency(asking.parse().unwrap()), now);
            if woken.as_ref() == Some(&asking) {
                prop_assert_eq!(admission, Admission::Probe);
            }
            if admission == Admission::Probe {
                gates.denied(&gate(), &asking, DENIED, now);
                denials.push(now);
            }
        }
        for (count, pair) in denials.windows(2).enumerate() {
            prop_assert!(pair[1] - pair[0] >= s([10, 20, 40].get(count).copied().unwrap_or(60)));
        }
    }
}
