//! Which objects the state knows, and what it keeps of each.

use super::*;
use crate::api::Reason;
use crate::aws::failure::{CallFailure, FailureDetail};
use crate::export::fixtures::{aws_answer, trouble};
use crate::state::{FailureStreak, HeldState};

/// The longest time for which a deleted object's claim is kept.
const BOUND: u64 = (25 + 24) * 3600;

fn lives(state: &SessionState, name: &str) -> bool {
    state.snapshot(&uid(name), at(0).mono).is_some()
}

fn done() -> ExportBuilder {
    x().accepted().finished(ExportStatus::Succeeded)
}

#[test]
fn a_request_is_known_by_its_intent() {
    let state = knows([x(), y().intended()]);
    assert_eq!(["x", "y", "z"].map(|name| state.has_requested(&uid(name))), [false, true, false]);
}

#[test]
fn the_objects_of_a_session_are_the_unfinished_ones_that_are_there() {
    let elsewhere = export().named("elsewhere").of_session("sess2");
    let finished = export().named("finished").accepted().finished(ExportStatus::Succeeded);
    let mut state = knows([x(), y().intended(), finished, elsewhere]);
    state.mark_deleted(&uid("y"), at(1).mono);
    assert_eq!(state.objects_of_session(&arn("sess1")), [uid("x")]);
    assert!(state.objects_of_session(&arn("sess3")).is_empty());
}

#[test]
fn a_claim_of_another_namespace_on_a_session_counts_only_while_it_holds() {
    let claimed =
        |builder: ExportBuilder, namespace| knows([builder]).is_claimed_in_other_namespace(&arn("sess1"), namespace);
    assert!(claimed(x().intended(), "others"));
    assert!(!claimed(x().intended(), "team"), "its own namespace's");
    assert!(!claimed(x(), "others"), "nothing has been requested");
    assert!(!claimed(x().intended().of_session("sess2"), "others"));
}

#[test]
fn an_object_is_known_by_namespace_name_and_target() {
    let state = knows([x()]);
    let (namespace, name, target) = state.object_ref_and_target(&uid("x")).unwrap();
    assert_eq!((&*namespace, &*name, &target.arn), ("team", "x", &arn("sess1")));
    assert!(state.object_ref_and_target(&uid("y")).is_none());
}

#[test]
fn a_deleted_object_is_kept_only_for_a_claim_that_holds_and_is_still_to_be_answered() {
    for (kept, builder) in [(false, x()), (false, done()), (true, x().intended()), (true, x().accepted())] {
        let mut state = knows([builder]);
        state.mark_deleted(&uid("x"), at(1).mono);
        assert_eq!((lives(&state, "x"), !state.sessions.is_empty()), (kept, kept));
    }
}

#[test]
fn a_deleted_objects_claim_is_kept_until_its_session_has_certainly_ended() {
    for (seconds, kept) in [(1, true), (BOUND, true), (BOUND + 1, false)] {
        let mut state = knows([x().intended(), y()]);
        state.mark_deleted(&uid("x"), at(0).mono);
        state.mark_deleted(&uid("y"), at(seconds).mono);
        assert_eq!(lives(&state, "x"), kept, "after {seconds} s");
    }
}

#[test]
fn what_a_list_has_shown_before_serves_an_object_that_still_needs_it() {
    for (served, builder) in [(true, x()), (false, x().intended()), (false, done())] {
        let mut state = knows([]);
        listed(&mut state, 1, session());
        upsert(&mut state, builder);
        assert_eq!(snapshot_of(&state, "x").view.is_some(), served);
    }
}

#[test]
fn an_accepted_export_does_not_fail_because_its_object_is_seen_again() {
    let mut state = knows([x().accepted(), y()]);
    upsert(&mut state, x().accepted());
    assert_eq!(snapshot_of(&state, "y").rival, ConflictingClaim::Accepted { name: Some("x".to_owned()) });
}

#[test]
fn a_claim_that_led_to_no_call_is_refused_if_the_status_records_it_and_else_forgotten() {
    for (recorded, claim) in [(true, Claim::Refused), (false, Claim::None)] {
        let mut state = knows([x()]);
        state.acquire_claim(&uid("x"));
        assert_eq!(snapshot_of(&state, "x").claim, Claim::Taken);
        state.release_claim(&uid("x"), recorded);
        assert_eq!(snapshot_of(&state, "x").claim, claim);
    }
}

#[test]
fn a_quota_slot_ends_the_backoff_of_what_was_denied_only() {
    for (class, ended) in [(FailureClass::AccessDenied, true), (FailureClass::Unavailable, false)] {
        let mut state = knows([x()]);
        for _ in 0..3 {
            state.read_failed(&uid("x"), &failure(Operation::Get, class), at(0).mono);
        }
        let (namespace, name) = state.clear_denied_backoff(&uid("x"), at(1).mono).unwrap();
        assert_eq!((&*namespace, &*name), ("team", "x"));
        let retry_at = snapshot_of(&state, "x").attempt.read_trouble.unwrap().retry_at;
        assert_eq!(retry_at == at(1).mono, ended, "{class:?}");
    }
    assert!(knows([]).clear_denied_backoff(&uid("x"), at(1).mono).is_none());
}

#[test]
fn a_denial_of_others_keeps_what_aws_said_to_this_object() {
    let own = aws_answer("AccessDenied", "not you");
    let others = || trouble(FailureClass::AccessDenied, 5, 1, 60);
    let shown = |state: &SessionState| snapshot_of(state, "x").attempt.read_trouble.unwrap();
    let mut state = knows([x()]);
    let denied = CallFailure { detail: own.clone(), ..failure(Operation::Get, FailureClass::AccessDenied) };
    state.read_failed(&uid("x"), &denied, at(0).mono);
    state.set_denied(&uid("x"), true, others());
    assert_eq!((shown(&state).retry_at, shown(&state).detail), (at(60).mono, own));
    let mut state = knows([x()]);
    state.read_failed(&uid("x"), &failure(Operation::Get, FailureClass::Unavailable), at(0).mono);
    let other = FailureStreak { detail: aws_answer("A", ""), ..others() };
    state.set_denied(&uid("x"), true, other.clone());
    assert_eq!(shown(&state).detail, other.detail, "what another failure said is not of this denial");
}

#[test]
fn the_held_row_is_kept_until_it_is_replaced() {
    let mut state = knows([x()]);
    let held = HeldState::new(Reason::WaitingForSession, None, FailureDetail::Unknown, at(0).mono);
    state.set_held(&uid("x"), Some(held.clone()));
    assert_eq!(snapshot_of(&state, "x").attempt.held, Some(held));
    state.set_held(&uid("x"), None);
    assert_eq!(snapshot_of(&state, "x").attempt.held, None);
}
