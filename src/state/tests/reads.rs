//! Which reads count, and what they change.

use super::*;

fn is_empty(state: &SessionState) -> bool {
    matches!(snapshot_of(state, "x").evidence, Observation::Empty { .. })
}

#[test]
fn after_a_refusal_that_is_not_about_the_session_earlier_reads_count_again() {
    for (class, counts) in
        [(FailureClass::Throttled, true), (FailureClass::AccessDenied, true), (FailureClass::Rejected, false)]
    {
        let mut state = knows([x()]);
        reads(&mut state, 1, Some(session()));
        calls(&mut state, "x", 20, Err(class));
        assert_eq!(is_empty(&state), counts, "{class:?}");
        if !counts {
            reads(&mut state, 20, Some(session()));
            assert!(!is_empty(&state), "a read that began with the call");
            reads(&mut state, 21, Some(session()));
            assert!(is_empty(&state));
        }
    }
}

#[test]
fn a_read_from_before_a_call_begins_no_quiet_period() {
    let mut state = knows([x().intended()]);
    calls(&mut state, "x", 20, Err(FailureClass::Unavailable));
    reads(&mut state, 10, Some(session()));
    reads(&mut state, 45, Some(session()));
    assert_eq!(snapshot_of(&state, "x").claim, Claim::Unanswered { calling: false });
}

#[test]
fn only_reads_after_the_last_call_count_for_a_session_that_aws_does_not_know() {
    let mut state = knows([x().intended()]);
    calls(&mut state, "x", 20, Err(FailureClass::Unavailable));
    for (seconds, missing) in [(10, None), (22, Some(1)), (30, Some(2))] {
        reads(&mut state, seconds, None);
        let since = at(22).mono;
        let shown = missing.map(|reads| Observation::Missing { since, reads });
        assert_eq!(snapshot_of(&state, "x").evidence, shown.unwrap_or(Observation::Unread), "at {seconds}");
    }
}

#[test]
fn a_list_that_shows_less_of_the_same_export_changes_nothing() {
    let pending = |uri| session().exported_to(uri, Pending);
    let mut state = knows([x()]);
    listed(&mut state, 1, pending(Some(KEY)));
    assert!(!listed(&mut state, 2, pending(None)));
    assert_eq!(ownership_of(&state, "x"), Ownership::Own, "a list has named the destination");
    let mut state = knows([x()]);
    reads(&mut state, 1, Some(pending(None)));
    assert!(!listed(&mut state, 2, SessionView { location: None, ..pending(None) }));
    assert_eq!(source_of(&state, "x"), ReadSource::Get);
}

#[test]
fn a_get_that_shows_what_a_list_has_shown_is_a_get() {
    let mut state = knows([x()]);
    listed(&mut state, 1, session().exported_to(None, Pending));
    reads(&mut state, 2, Some(session().exported_to(None, Pending)));
    assert_eq!(source_of(&state, "x"), ReadSource::Get);
}

#[test]
fn a_good_read_after_failed_ones_is_news_even_if_it_shows_the_same_or_less() {
    let pending = |uri| session().exported_to(uri, Pending);
    for (failed, first, again) in
        [(false, session(), session()), (true, session(), session()), (true, pending(Some(KEY)), pending(None))]
    {
        let mut state = knows([x()]);
        reads(&mut state, 1, Some(first));
        if failed {
            state.read_failed(&uid("x"), &failure(Operation::Get, FailureClass::Unavailable), at(2).mono);
        }
        assert_eq!(listed(&mut state, 3, SessionView { session_length: None, ..again }), failed);
        assert_eq!(snapshot_of(&state, "x").attempt.read_trouble, None);
    }
}

#[test]
fn an_older_read_leaves_the_trouble_of_later_ones() {
    let mut state = knows([x()]);
    reads(&mut state, 10, Some(session()));
    state.read_failed(&uid("x"), &failure(Operation::Get, FailureClass::Unavailable), at(11).mono);
    assert!(!listed(&mut state, 9, session()));
    assert!(snapshot_of(&state, "x").attempt.read_trouble.is_some());
}

#[test]
fn a_foreign_export_counts_from_the_first_read_after_the_last_call_that_shows_it() {
    let foreign = || Some(session().exported_to(Some(FOREIGN), Pending));
    let since = |state: &SessionState| snapshot_of(state, "x").attempt.foreign_since;
    let mut state = knows([x().intended()]);
    reads(&mut state, 5, foreign());
    reads(&mut state, 9, foreign());
    assert_eq!(since(&state), Some(at(5).mono));
    calls(&mut state, "x", 20, Err(FailureClass::Unavailable));
    assert_eq!(since(&state), None);
    reads(&mut state, 30, Some(session().exported_to(Some(KEY), Pending)));
    assert_eq!(since(&state), None);
}
