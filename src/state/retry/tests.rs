use super::*;
use crate::aws::operation::Operation;
use crate::export::fixtures::{at, aws_answer, failure, secs, timing};

#[test]
fn a_rejected_read_is_retried_as_often_as_a_rejected_call() {
    let backoff = read_backoff(&timing(), FailureClass::Rejected);
    assert_eq!(backoff, ExponentialBackoff { first: secs(20), longest: secs(300) });
    let mut last = None;
    for (count, wait) in [(1, 20), (2, 20), (3, 300), (4, 300)] {
        let rejections = count_rejection(last, FailureDetail::Unknown, &timing(), at(7).mono);
        assert_eq!((rejections.count, rejections.retry_at), (count, at(7 + wait).mono));
        last = Some(rejections);
    }
}

#[test]
fn failures_of_another_category_begin_a_new_streak() {
    let fails = |last, class, seconds| {
        let failure = failure(Operation::Get, class);
        extend_streak(last, &failure, call_backoff(&timing(), class), at(seconds).mono)
    };
    let first = fails(None, FailureClass::Unavailable, 0);
    let same = fails(Some(first.clone()), FailureClass::Throttled, 5);
    assert_eq!((same.since, same.tries), (at(0).mono, 1));
    let other = fails(Some(first), FailureClass::AccessDenied, 5);
    assert_eq!((other.since, other.tries, other.retry_at), (at(5).mono, 0, at(15).mono));
}

#[test]
fn another_cause_is_shown_once_failures_have_had_it_for_a_while() {
    let (a, b) = (aws_answer("A", ""), aws_answer("B", ""));
    let mut held = HeldState::new(Reason::ServiceUnavailable, None, a.clone(), at(0).mono);
    for (cause, seconds, shown) in [(&b, 10, &a), (&b, 69, &a), (&a, 70, &a), (&b, 80, &a), (&b, 140, &b)] {
        held = held.with_cause(cause.clone(), at(seconds).mono, secs(60));
        assert_eq!((&held.shown, &held.last, held.since), (shown, cause, at(0).mono), "{seconds}");
    }
}

#[test]
fn only_what_differs_from_the_default_takes_memory() {
    let mut attempt = LazyRetryState::from(RetryState { refused_last: true, ..RetryState::default() });
    attempt.drop_if_default();
    assert!(attempt.refused_last && attempt.0.is_some());
    attempt.refused_last = false;
    attempt.drop_if_default();
    assert!(attempt.0.is_none());
}
