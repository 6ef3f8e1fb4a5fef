use super::*;
use crate::quota::scheduler::PriorityClass;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A bucket that is empty at the returned instant.
fn bucket(share: f64) -> (QuotaBucket, Instant) {
    let begun = Instant::now();
    (QuotaBucket::new(share, FairQueue::default(), begun), begun)
}

/// Reserves for a holder; returns the number of its grant, if it is granted at once.
fn reserve(bucket: &mut QuotaBucket, uid: &str, now: Instant) -> Option<u64> {
    let mut granted = Vec::new();
    let holder = Requester { uid: uid.into(), namespace: "team".into() };
    bucket.reserve(holder, Priority::for_unread(PriorityClass::First), now, &mut granted);
    granted.into_iter().find(|grant| &*grant.uid == uid).map(|grant| grant.number)
}

/// Grants what is due; returns the granted holders, and when to run again.
fn grant_due(bucket: &mut QuotaBucket, now: Instant) -> (Vec<Arc<str>>, Option<Instant>) {
    let mut granted = Vec::new();
    let next = bucket.grant_due(now, &mut granted);
    (granted.into_iter().map(|grant| grant.uid).collect(), next)
}

/// Whether it is this instant, but for the rounding of floating point.
fn is_about(at: Option<Instant>, wanted: Instant) -> bool {
    at.is_some_and(|at| at >= wanted && at - wanted < Duration::from_micros(1))
}

#[test]
fn a_bucket_is_idle_when_nothing_is_owed_queued_or_granted() {
    let (mut bucket, begun) = bucket(10.0);
    assert!(!bucket.is_idle(begun), "it begins empty");
    let later = begun + ms(1000);
    assert!(bucket.is_idle(later));
    let number = reserve(&mut bucket, "a", later).unwrap();
    assert_eq!(bucket.queue_length(), 0);
    assert!(!bucket.is_idle(later), "one is granted");
    bucket.release_slot("a", number);
    assert!(bucket.is_idle(later));
    bucket.rate_limiter().on_throttled(later, later);
    assert!(!bucket.is_idle(later + ms(1000)), "the rate is below the share");
    let (mut bucket, begun) = self::bucket(0.1);
    assert_eq!(reserve(&mut bucket, "a", begun), None);
    assert_eq!(bucket.queue_length(), 1);
    assert!(!bucket.is_idle(begun + ms(60_000)), "one is queued");
    bucket.cancel("a");
    assert!(bucket.is_idle(begun + ms(60_000)));
}

#[test]
fn a_grant_comes_before_its_token_by_the_time_that_callers_take() {
    let (mut bucket, begun) = bucket(1.0);
    assert_eq!(reserve(&mut bucket, "a", begun), None);
    reserve(&mut bucket, "b", begun);
    // The token is free after an interval. At first callers are taken to need 20 ms; 100 ms are added.
    let (granted, next) = grant_due(&mut bucket, begun);
    assert!(granted.is_empty() && is_about(next, begun + ms(880)), "{granted:?} {next:?}");
    assert_eq!(grant_due(&mut bucket, begun + ms(879)).0, []);
    assert_eq!(grant_due(&mut bucket, begun + ms(881)).0, ["a".into()]);
    // The first caller takes 500 ms, the second 1,300 ms.
    bucket.start_sending("a", 1, begun + ms(1381));
    assert_eq!(bucket.take_slot("a", 1, begun + ms(9000), begun + ms(1381)), TakeResult::Taken);
    let second = begun + ms(2000) - ms(600);
    let (granted, next) = grant_due(&mut bucket, second - ms(10));
    assert!(granted.is_empty() && is_about(next, second), "{granted:?} {:?}", next.map(|next| next - begun));
    assert_eq!(grant_due(&mut bucket, second + ms(1)).0, ["b".into()]);
    bucket.start_sending("b", 2, second + ms(1301));
    assert_eq!(bucket.lead_time(second), ms(700));
}

#[test]
fn what_callers_take_is_bounded() {
    let (mut bucket, begun) = bucket(10.0);
    let number = reserve(&mut bucket, "a", begun + ms(1000)).unwrap();
    bucket.start_sending("a", number, begun + ms(60_000));
    assert_eq!(bucket.lead_time(begun), RESERVATION_TTL + ms(100));
}

#[test]
fn a_grant_that_is_not_used_in_time_no_longer_counts() {
    let (mut bucket, begun) = bucket(0.1);
    let first = begun + ms(9_900);
    reserve(&mut bucket, "a", begun);
    assert_eq!(grant_due(&mut bucket, first).0, ["a".into()]);
    reserve(&mut bucket, "b", first);
    reserve(&mut bucket, "c", first);
    let expiry = first + RESERVATION_TTL;
    assert_eq!(grant_due(&mut bucket, expiry - ms(1)), (vec![], Some(expiry)));
    let (granted, next) = grant_due(&mut bucket, expiry);
    assert_eq!((granted, next), (vec!["b".into()], Some(expiry + RESERVATION_TTL)), "not the expiry that is over");
}

#[test]
fn a_token_may_be_waited_for_as_long_as_an_interval_within_bounds() {
    for (share, wanted) in [(100.0, 100), (5.0, 200), (1.0, 500)] {
        let (mut bucket, begun) = bucket(share);
        assert_eq!(bucket.start_sending("a", 1, begun), ms(wanted), "{share}/s");
    }
}

#[test]
fn tokens_are_taken_in_the_order_of_grants_by_those_that_are_ready() {
    let (mut bucket, begun) = bucket(10.0);
    let start = begun + ms(81);
    let numbers = ["a", "b"].map(|uid| reserve(&mut bucket, uid, start).unwrap());
    let until = start + ms(500);
    // Tokens are free after 100 and 200 ms.
    bucket.start_sending("b", numbers[1], start);
    let TakeResult::At(alone) = bucket.take_slot("b", numbers[1], until, start) else { panic!("no token yet") };
    bucket.start_sending("a", numbers[0], start);
    let TakeResult::At(behind) = bucket.take_slot("b", numbers[1], until, start) else { panic!("no token yet") };
    let TakeResult::At(ahead) = bucket.take_slot("a", numbers[0], until, start) else { panic!("no token yet") };
    assert!(is_about(Some(alone), begun + ms(100)), "{:?}", alone - begun);
    assert!(is_about(Some(behind), begun + ms(200)), "{:?}", behind - begun);
    assert_eq!(ahead, alone);
    assert_eq!(bucket.take_slot("a", numbers[0], until, ahead), TakeResult::Taken);
    assert_eq!(bucket.take_slot("a", numbers[0], until, ahead), TakeResult::Requeued, "its reservation is used");
    assert!(matches!(bucket.take_slot("b", numbers[1], until, ahead), TakeResult::At(_)));
}

#[test]
fn a_token_that_comes_too_late_is_not_waited_for_and_the_holder_keeps_its_age() {
    let (mut bucket, begun) = bucket(10.0);
    let start = begun + ms(80);
    let number = reserve(&mut bucket, "a", start).unwrap();
    bucket.start_sending("a", number, start);
    let TakeResult::At(at) = bucket.take_slot("a", number, start + ms(500), start) else { panic!("no token yet") };
    assert_eq!(bucket.take_slot("a", number, at, start), TakeResult::At(at), "just in time");
    assert_eq!(bucket.queue_length(), 0);
    assert_eq!(bucket.take_slot("a", number, at - Duration::from_nanos(1), start), TakeResult::Requeued);
    assert_eq!((bucket.queue_length(), bucket.queue.queued_since("a")), (1, Some(start)));
}

#[test]
fn a_grant_of_earlier_changes_nothing_of_the_next_one() {
    let (mut bucket, begun) = bucket(10.0);
    let start = begun + ms(1000);
    let old = reserve(&mut bucket, "a", start).unwrap();
    bucket.release_slot("a", old);
    let new = reserve(&mut bucket, "a", start).unwrap();
    assert_ne!(old, new);
    assert_eq!(bucket.take_slot("a", old, start, start), TakeResult::Requeued);
    bucket.start_sending("a", old, start + ms(900));
    bucket.release_slot("a", old);
    assert!(!bucket.grants["a"].ready && bucket.lead_time.is_none());
    assert_eq!(bucket.take_slot("a", new, start, start), TakeResult::Taken);
}

#[test]
fn reserving_again_keeps_the_grant_and_its_age() {
    let (mut bucket, begun) = bucket(10.0);
    let start = begun + ms(1000);
    let holder = || Requester { uid: "a".into(), namespace: "team".into() };
    let urgency = Priority::for_unread(PriorityClass::First);
    let mut granted = Vec::new();
    assert_eq!(bucket.reserve(holder(), urgency, start, &mut granted), start);
    assert_eq!(bucket.reserve(holder(), urgency, start + ms(50), &mut granted), start);
    assert_eq!((granted.len(), bucket.queue_length()), (1, 0));
}
