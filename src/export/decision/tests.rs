//! Tests of the decision: named rows of the condition table.

use crate::api::{ExportStatus, Reason};
use crate::authorization::Uncovered;
use crate::aws::failure::{FailureClass, FailureDetail};
use crate::aws::model::ExportFilesStatus::{Failed, Pending, Succeeded, Unknown};
use crate::aws::model::{ReadSource, SessionStatus};
use crate::aws::operation::Operation;
use crate::export::decision::{Action, Decision, Observed, Retention, Withheld, decide, decide_uncovered};
use crate::export::fixtures::{
    ExportBuilder, FOREIGN, KEY, ZIP, at, aws_answer, export, observed, secs, shows, timing, trouble,
};
use crate::export::status::row::{Held, Outcome, Row};
use crate::polling::request::{ReadKind, ReadRequest};
use crate::state::ownership::{ConflictingClaim, Observation, Ownership};
use crate::state::retry::Rejections;
use crate::state::{Claim, FailureStreak, HeldState};
use tokio::time::Instant;

const DAY: u64 = 86_400;
const UNAVAILABLE: Held = Held::ServiceUnavailable { detail: FailureDetail::Unknown };

/// When and how an object goes on, whichever read it awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Done,
    /// At this moment, by a decision or a read.
    Wait(Instant),
    /// The read is due.
    Read,
    /// By a reservation, or at this moment.
    Reserve(Instant),
    Call,
    Delete,
}

pub(super) fn next_of(action: &Action, now: Instant) -> Next {
    match *action {
        Action::Done => Next::Done,
        Action::WaitUntil(at) => Next::Wait(at),
        Action::AwaitRead(read) if read.due <= now => Next::Read,
        Action::AwaitRead(read) => Next::Wait(read.decide_again_at.map_or(read.due, |at| at.min(read.due))),
        Action::ReserveCall { deadline, .. } => Next::Reserve(deadline),
        Action::Call => Next::Call,
        Action::Delete => Next::Delete,
    }
}

struct Decided {
    row: Option<Row>,
    next: Next,
    held: Option<Reason>,
    read: Option<ReadRequest>,
}

fn decided(export: ExportBuilder, observed: &Observed, seconds: u64) -> Decided {
    let Decision { row, action, held } = decide(&export.build(), observed, at(seconds), &timing());
    let next = next_of(&action, at(seconds).mono);
    let held = held.map(|held| held.reason);
    Decided { row, next, held, read: action.read().copied() }
}

fn wait(seconds: u64) -> Next {
    Next::Wait(at(seconds).mono)
}

#[track_caller]
fn is(decided: &Decided, row: Option<Row>, next: Next) {
    assert_eq!((&decided.row, decided.next), (&row, next));
}

fn held(held: Held) -> Option<Row> {
    Some(Row::Held(held))
}

fn ended(outcome: Outcome) -> Option<Row> {
    Some(Row::Final(outcome))
}

fn over(since: u64) -> Observation {
    Observation::Empty { status: SessionStatus::Terminated, ended_since: Some(at(since).mono) }
}

fn get(ownership: Ownership, status: crate::aws::model::ExportFilesStatus, uri: Option<&str>) -> Observation {
    shows(ownership, status, uri, ReadSource::Get)
}

/// An input whose object has been in this held row since second 0.
fn since_0(observed: Observed, reason: Reason) -> Observed {
    observed.attempt(|a| a.held = Some(HeldState::new(reason, None, FailureDetail::Unknown, at(0).mono)))
}

#[test]
fn a_new_object_is_read_first() {
    is(&decided(export(), &observed(), 0), None, Next::Read);
}

#[test]
fn an_export_of_a_live_session_waits_for_quota_and_is_then_requested() {
    is(&decided(export(), &observed().live(0), 5), None, Next::Reserve(at(35).mono));
    is(&decided(export(), &observed().live(0).has_permit(), 5), Some(Row::Requesting), Next::Call);
    is(
        &decided(export().intended(), &observed().live(0).has_permit().claim(Claim::Unanswered { calling: false }), 5),
        None,
        Next::Call,
    );
}

#[test]
fn an_observation_older_than_a_minute_is_renewed_before_the_call() {
    is(&decided(export(), &observed().live(0).has_permit(), 60), Some(Row::Requesting), Next::Call);
    is(&decided(export(), &observed().live(0).has_permit(), 61), None, Next::Read);
}

#[test]
fn an_observation_from_a_new_leaders_pause_is_renewed_before_the_call() {
    is(&decided(export(), &observed().live(25).in_pause().has_permit(), 35), None, Next::Read);
}

#[test]
fn lists_suffice_unless_the_decision_needs_a_field_that_they_leave_out() {
    let empty = |status| Observation::Empty { status, ended_since: Some(at(0).mono) };
    let pending = |source| shows(Ownership::Own, Pending, None, source);
    let accepted = || export().accepted();
    let kind = |builder: ExportBuilder, observed: Observed| decided(builder, &observed, 5).read.map(|read| read.kind);
    let rows = [
        (export(), observed(), Some(ReadKind::First)),
        (export(), observed().evidence(empty(SessionStatus::Activating), 0), Some(ReadKind::First)),
        (export(), observed().live(0), Some(ReadKind::Fresh)),
        (export(), observed().live(0).has_permit(), None),
        (export().suspended(), observed().live(0), Some(ReadKind::Live)),
        (export().intended(), observed(), Some(ReadKind::Exact)),
        (export(), observed().evidence(over(0), 0), Some(ReadKind::Exact)),
        (export(), observed().evidence(Observation::Missing { since: at(0).mono, reads: 1 }, 0), Some(ReadKind::Exact)),
        (export(), observed().evidence(Observation::Stale, 0), Some(ReadKind::Exact)),
        (export(), observed().live(0).rival(ConflictingClaim::Undecided { name: None }).attempt(|_| ()), None),
        (export(), observed().evidence(get(Ownership::Unstated, Pending, None), 0), Some(ReadKind::Exact)),
        (accepted(), observed(), Some(ReadKind::Pending)),
        (accepted(), observed().evidence(Observation::Stale, 0), Some(ReadKind::Pending)),
        (accepted(), observed().evidence(pending(ReadSource::Get), 0), Some(ReadKind::Pending)),
        (accepted(), observed().evidence(pending(ReadSource::List), 0), Some(ReadKind::Pending)),
        (
            accepted(),
            observed().evidence(shows(Ownership::Own, Succeeded, None, ReadSource::List), 0),
            Some(ReadKind::Exact),
        ),
        (accepted(), observed().evidence(get(Ownership::Foreign, Pending, Some(FOREIGN)), 0), Some(ReadKind::Exact)),
    ];
    for (n, (builder, observed, expected)) in rows.into_iter().enumerate() {
        assert_eq!(kind(builder, observed), expected, "row {n}");
    }
}

#[test]
fn what_is_merely_pending_is_decided_again_when_it_is_overdue_and_not_before() {
    let pending = observed().evidence(get(Ownership::Own, Pending, Some(KEY)), 0).claim(Claim::Accepted);
    let read = decided(export().accepted(), &pending, 5).read.unwrap();
    assert_eq!((read.due, read.decide_again_at), (at(10).mono, Some(at(3600 + DAY).mono)));
}

#[test]
fn an_activating_session_is_polled_every_two_seconds() {
    let empty = Observation::Empty { status: SessionStatus::Activating, ended_since: None };
    is(&decided(export(), &observed().evidence(empty, 0), 1), held(Held::WaitingForSession), wait(2));
}

#[test]
fn suspended_is_read_at_the_pace_of_a_pending_one_and_may_end() {
    is(&decided(export().suspended(), &observed().live(0).has_permit(), 1), held(Held::Suspended), wait(10));
    is(&decided(export().suspended(), &observed().evidence(over(0), 30), 31), ended(Outcome::SessionEnded), Next::Done);
}

#[test]
fn what_aws_has_accepted_goes_on_though_suspended() {
    let pending = observed().evidence(get(Ownership::Own, Pending, None), 0).claim(Claim::Accepted);
    is(&decided(export().accepted().suspended(), &pending, 1), Some(Row::Pending), wait(10));
}

#[test]
fn a_claim_makes_others_wait_and_shows_after_30_s() {
    let rival = observed().live(0).rival(ConflictingClaim::Undecided { name: None });
    let waiting = Held::WaitingForOtherExport { rival: None };
    let first = decided(export(), &rival, 1);
    is(&first, None, wait(10));
    assert_eq!(first.held, Some(Reason::WaitingForOtherExport));
    let rival =
        since_0(observed().live(25).rival(ConflictingClaim::Undecided { name: None }), Reason::WaitingForOtherExport);
    is(&decided(export(), &rival, 29), None, wait(30));
    is(&decided(export(), &rival, 30), held(waiting), wait(35));
}

#[test]
fn an_accepted_rival_is_a_conflict() {
    let rival = observed().live(0).rival(ConflictingClaim::Accepted { name: Some("y".to_owned()) });
    let conflict = Outcome::ExportConflict { shown: None, rival: Some("y".to_owned()) };
    is(&decided(export(), &rival, 1), ended(conflict), Next::Done);
}

#[test]
fn pending_without_a_uri_waits_and_its_end_is_a_conflict() {
    let unstated =
        since_0(observed().evidence(get(Ownership::Unstated, Pending, None), 25), Reason::DestinationUnknown);
    is(&decided(export(), &unstated, 30), held(Held::DestinationUnknown), wait(35));
    let conflict = || ended(Outcome::ExportConflict { shown: None, rival: None });
    for status in [Succeeded, Failed] {
        let unstated = observed().evidence(get(Ownership::Unstated, status, None), 0);
        is(&decided(export(), &unstated, 1), conflict(), Next::Done);
    }
    is(
        &decided(export(), &observed().evidence(get(Ownership::Conflicting, Pending, None), 0), 1),
        conflict(),
        Next::Done,
    );
}

#[test]
fn what_a_list_leaves_out_needs_a_get() {
    let list = |ownership, status, uri| observed().evidence(shows(ownership, status, uri, ReadSource::List), 0);
    is(&decided(export(), &list(Ownership::Own, Succeeded, None), 1), None, Next::Read);
    is(&decided(export(), &list(Ownership::Unstated, Pending, None), 1), None, Next::Read);
    is(&decided(export(), &list(Ownership::Conflicting, Failed, None), 1), None, Next::Read);
    is(&decided(export(), &list(Ownership::Own, Failed, Some(KEY)), 1), None, Next::Read);
    is(&decided(export(), &list(Ownership::Own, Pending, None), 1), Some(Row::Pending), wait(10));
    let exported = |uri: &str| ended(Outcome::Exported { output_uri: Some(uri.to_owned()) });
    is(&decided(export(), &list(Ownership::Own, Succeeded, Some(KEY)), 1), exported(KEY), Next::Done);
    is(&decided(export().to(ZIP), &list(Ownership::Own, Succeeded, None), 1), exported(ZIP), Next::Done);
}

#[test]
fn succeeded_without_a_uri_finishes_a_zip_with_its_own_and_a_prefix_with_none() {
    let done = observed().evidence(get(Ownership::Own, Succeeded, None), 0);
    let exported = |uri: Option<&str>| ended(Outcome::Exported { output_uri: uri.map(str::to_owned) });
    is(&decided(export().to(ZIP).accepted(), &done, 1), exported(Some(ZIP)), Next::Done);
    is(&decided(export().accepted(), &done, 1), exported(None), Next::Done);
}

#[test]
fn a_wait_for_the_quota_shows_once_its_write_is_due() {
    let waits = observed().live(0).attempt(|a| a.tells_at = Some(at(30).mono));
    is(&decided(export(), &waits, 29), None, Next::Reserve(at(59).mono));
    is(&decided(export(), &waits, 30), held(Held::RateLimited), Next::Reserve(at(60).mono));
    let never = observed().live(0).attempt(|a| a.waiting_since = Some(at(0).mono));
    is(&decided(export(), &never, 30), None, Next::Reserve(at(60).mono));
    let unread = observed().attempt(|a| a.tells_at = Some(at(30).mono));
    is(&decided(export(), &unread, 30), held(Held::RateLimited), Next::Read);
}

#[test]
fn trouble_with_reading_shows_after_30_s_also_while_it_is_being_retried() {
    let failing = |retry| {
        let troubled = observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::Unavailable, 0, 5, retry)));
        since_0(troubled, Reason::ServiceUnavailable)
    };
    is(&decided(export(), &failing(40), 20), None, wait(30));
    is(&decided(export(), &failing(40), 31), held(UNAVAILABLE), wait(40));
    is(&decided(export(), &failing(40), 40), held(UNAVAILABLE), Next::Read);
    // Neither an old answer nor suspension replaces it in between.
    let old = failing(40).live(0);
    is(&decided(export(), &old, 40), held(UNAVAILABLE), Next::Read);
    is(&decided(export().suspended(), &old, 41), held(UNAVAILABLE), Next::Read);
}

#[test]
fn a_denial_shows_at_once_and_stalls_after_two_minutes() {
    let denied = observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::AccessDenied, 0, 0, 10)));
    let row = |stalled| held(Held::AccessDenied { stalled, operation: Operation::Get, detail: FailureDetail::Unknown });
    is(&decided(export(), &denied, 1), row(false), wait(10));
    let denied = observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::AccessDenied, 0, 4, 150)));
    is(&decided(export(), &denied, 119), row(false), wait(120));
    is(&decided(export(), &denied, 120), row(true), wait(150));
    let broke = observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::Credentials, 0, 4, 150)));
    is(
        &decided(export(), &broke, 119),
        held(Held::CredentialsUnavailable { stalled: false, detail: FailureDetail::Unknown }),
        wait(120),
    );
    is(
        &decided(export(), &broke, 120),
        held(Held::CredentialsUnavailable { stalled: true, detail: FailureDetail::Unknown }),
        wait(150),
    );
}

#[test]
fn a_denied_call_keeps_its_row_while_it_is_tried_again() {
    let denied = |read| {
        observed().live(read).claim(Claim::Refused).attempt(|a| {
            a.call_trouble = Some(trouble(FailureClass::AccessDenied, 0, 1, 20));
        })
    };
    let row = held(Held::AccessDenied { stalled: false, operation: Operation::Get, detail: FailureDetail::Unknown });
    is(&decided(export().intended(), &denied(0), 19), row.clone(), wait(20));
    is(&decided(export().intended(), &denied(0), 100), row.clone(), Next::Read);
    is(&decided(export().intended(), &denied(99), 100), row.clone(), Next::Reserve(at(120).mono));
    is(&decided(export().intended(), &denied(99).has_permit(), 100), row, Next::Call);
}

#[test]
fn a_rejected_call_shows_after_three_tries_and_is_repeated_every_five_minutes() {
    let refused = |count, retry| {
        observed().live(50).claim(Claim::Refused).attempt(|a| {
            a.refusals = Some(Rejections {
                count,
                detail: FailureDetail::Unknown,
                failed_at: at(50).mono,
                retry_at: at(retry).mono,
            });
        })
    };
    is(&decided(export().intended(), &refused(2, 55), 51), None, wait(55));
    let rejected = held(Held::RequestRejected { detail: FailureDetail::Unknown });
    is(&decided(export().intended(), &refused(3, 350), 51), rejected, wait(60));
    is(&decided(export().intended(), &refused(3, 50).has_permit(), 51), None, Next::Call);
    is(&decided(export().intended(), &refused(3, 51).has_permit(), 51), None, Next::Call);
    // The retry is due when the next read is: the read comes first.
    is(&decided(export().intended(), &refused(2, 60), 51), None, wait(60));
    let read = decided(export().intended(), &refused(2, 60), 51).read;
    assert_eq!(read.map(|read| read.due), Some(at(60).mono));
}

#[test]
fn an_unread_session_is_not_read_before_a_failed_calls_retry_if_the_service_failed() {
    for (class, next) in [(FailureClass::Unavailable, wait(20)), (FailureClass::AccessDenied, Next::Read)] {
        let failed = observed().attempt(|a| a.call_trouble = Some(trouble(class, 0, 1, 20)));
        assert_eq!(decided(export().intended(), &failed, 5).next, next, "{class:?}");
    }
}

#[test]
fn a_conflict_that_is_not_decided_is_read_when_the_next_read_is_due_and_by_a_get() {
    let undecided = ConflictingClaim::Undecided { name: None };
    let waiting = observed().live(0).rival(undecided);
    let reads = |seconds| decided(export(), &waiting, seconds).read;
    assert_eq!(reads(9), None);
    let read = reads(10).unwrap();
    assert_eq!((read.due, read.kind), (at(10).mono, ReadKind::Exact));
}

#[test]
fn a_read_knows_when_the_session_ends() {
    let read = |observed: Observed| decided(export(), &observed, 5).read.unwrap().session_ends;
    assert_eq!(read(observed()), None, "nothing is known of it");
    let activating = Observation::Empty { status: SessionStatus::Activating, ended_since: None };
    let mut session = observed().evidence(activating, 0);
    assert_eq!(read(session.clone()), Some(at(3600).mono));
    session.snapshot.view.as_mut().unwrap().session_length = None;
    assert_eq!(read(session), None);
    assert_eq!(read(observed().evidence(over(0), 0)), Some(at(3600).mono), "of its length");
}

#[test]
fn an_action_tells_its_name_when_it_goes_on_and_whether_it_awaits_quota() {
    let (now, later) = (at(5).mono, at(9).mono);
    let read = |due, decide_again_at| ReadRequest { due, kind: ReadKind::First, session_ends: None, decide_again_at };
    let refresh = read(later, None);
    for (action, name, again, awaits_quota) in [
        (Action::Done, "Done", None, false),
        (Action::WaitUntil(later), "WaitUntil", Some(later), false),
        (Action::AwaitRead(read(now, None)), "AwaitRead", None, true),
        (Action::AwaitRead(read(later, Some(now))), "AwaitRead", Some(now), false),
        (Action::ReserveCall { deadline: later, refresh }, "ReserveCall", Some(later), true),
        (Action::Call, "Call", None, false),
        (Action::Delete, "Delete", None, false),
    ] {
        assert_eq!((action.name(), action.decide_again_at(), action.awaits_quota(now)), (name, again, awaits_quota));
    }
}

#[test]
fn a_failed_export_shows_awss_reason_unless_it_is_blank() {
    for (reason, shown) in [(Some("Access denied"), Some("Access denied")), (Some(" "), None), (None, None)] {
        let mut failed = get(Ownership::Own, Failed, Some(KEY));
        let Observation::Export { shown: view, .. } = &mut failed else { panic!() };
        view.reason = reason.map(str::to_owned);
        let failed = observed().evidence(failed, 0).claim(Claim::Accepted);
        let (reason, output_uri) = (shown.map(str::to_owned), Some(KEY.to_owned()));
        is(&decided(export().accepted(), &failed, 1), ended(Outcome::ExportFailed { reason, output_uri }), Next::Done);
    }
}

#[test]
fn a_rejected_read_shows_after_three_tries_too() {
    let rejected = |tries| observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::Rejected, 0, tries, 40)));
    is(&decided(export(), &rejected(1), 20), None, wait(40));
    is(&decided(export(), &rejected(2), 20), held(Held::RequestRejected { detail: FailureDetail::Unknown }), wait(40));
}

/// Decides every ten seconds, each time with the next cause of a failed read, `None` being a read that is of no use.
/// Returns the details shown, without repetitions.
fn details_shown(causes: &[Option<&str>]) -> Vec<FailureDetail> {
    let (mut state, mut shown) = (None, Vec::new());
    for (n, cause) in (0..).zip(causes) {
        let now = 10 * n;
        let observed = observed().attempt(|a| a.held = state.take());
        let observed = match cause {
            Some(code) => observed.attempt(|a| {
                a.read_trouble = Some(FailureStreak {
                    detail: aws_answer(code, ""),
                    failed_at: at(now).mono,
                    ..trouble(FailureClass::Unavailable, now, 0, now + 10)
                });
            }),
            None => observed.evidence(Observation::Stale, now),
        };
        let Decision { row, held, .. } = decide(&export().build(), &observed, at(now), &timing());
        state = held;
        match row {
            Some(Row::Held(Held::ServiceUnavailable { detail })) => shown.push(detail),
            None => {}
            other => panic!("{other:?}"),
        }
    }
    shown.dedup();
    shown
}

#[test]
fn another_cause_is_shown_once_it_has_lasted_as_long_as_a_row_must() {
    let words = |code: &str| aws_answer(code, "");
    assert_eq!(details_shown(&[Some("A"); 9]), [words("A")]);
    let alternating: Vec<_> = [Some("A"), None, Some("B"), None, None, Some("B"), Some("B"), Some("A")].repeat(20);
    assert_eq!(details_shown(&alternating), [words("A")]);
    let useless: Vec<_> = [None, None, Some("A")].repeat(20);
    assert_eq!(details_shown(&useless), [FailureDetail::Unknown]);
    assert_eq!(details_shown(&[&[Some("A"); 5][..], &[Some("B"); 4]].concat()), [words("A"), words("B")]);
    assert_eq!(details_shown(&[&[None; 5][..], &[Some("B"); 4]].concat()), [FailureDetail::Unknown, words("B")]);
    assert_eq!(details_shown(&[&[Some("A"); 5][..], &[Some("B"); 3]].concat()), [words("A")]);
}

#[test]
fn the_words_of_another_operation_are_shown_at_once() {
    let denied = |operation, code| {
        observed().attempt(|a| {
            let trouble = trouble(FailureClass::AccessDenied, 0, 0, 10);
            a.read_trouble = Some(FailureStreak { operation, detail: aws_answer(code, ""), ..trouble });
        })
    };
    let row = |operation, code| held(Held::AccessDenied { stalled: false, operation, detail: aws_answer(code, "") });
    let first = decide(&export().build(), &denied(Operation::List, "A"), at(0), &timing());
    assert_eq!(first.row, row(Operation::List, "A"));
    for (operation, shown) in [(Operation::List, "A"), (Operation::Get, "B")] {
        let again = denied(operation, "B").attempt(|a| a.held = first.held.clone());
        assert_eq!(decide(&export().build(), &again, at(10), &timing()).row, row(operation, shown));
    }
}

/// The texts of rejections differ each time; between two of them nothing holds the export back.
#[test]
fn a_row_that_the_status_shows_keeps_its_words_while_the_call_is_repeated() {
    let rejected = |code, failed: u64| {
        observed().live(failed).claim(Claim::Refused).attempt(|a| {
            let (failed_at, retry_at) = (at(failed).mono, at(failed + 300).mono);
            a.refusals = Some(Rejections { count: 3, detail: aws_answer(code, ""), failed_at, retry_at });
        })
    };
    let row = Row::Held(Held::RequestRejected { detail: aws_answer("A", "") });
    let first = decide(&export().intended().build(), &rejected("A", 50), at(51), &timing());
    assert_eq!(first.row.as_ref(), Some(&row));
    let shown = || export().intended().showing(row.clone());
    let between = observed().live(350).claim(Claim::Refused).attempt(|a| a.held = first.held.clone());
    let between = decide(&shown().build(), &between, at(351), &timing());
    assert_eq!((between.row, &between.held), (None, &first.held));
    let again = |code, held| {
        let observed = rejected(code, 360).attempt(|a| a.held = held);
        decide(&shown().build(), &observed, at(600), &timing())
    };
    let second = again("B", between.held);
    assert_eq!(second.row.as_ref(), Some(&row));
    assert_eq!(again("B", second.held).row.as_ref(), Some(&row), "however often one failure is looked at");
}

fn withheld(export: ExportBuilder, why: &Uncovered, seconds: u64) -> Withheld {
    decide_uncovered(&export.build(), why, at(seconds), &timing())
}

/// Each way of not being covered, and its row.
fn uncovered() -> Vec<(Uncovered, Held)> {
    let rule = "{namespaces: [team]}".to_owned();
    vec![
        (Uncovered::Forbidden { missing_rule: rule.clone() }, Held::DestinationForbidden { missing_rule: Some(rule) }),
        (Uncovered::Retired, Held::DestinationForbidden { missing_rule: None }),
        (
            Uncovered::OtherAccount { named: "999988887777".parse().unwrap() },
            Held::AccountMismatch { named: "999988887777".to_owned() },
        ),
        (Uncovered::ServiceAccount, Held::ServiceAccountNotSupported),
        (Uncovered::Malformed { detail: "d".to_owned() }, Held::SpecRejected { problem: "d".to_owned() }),
    ]
}

#[test]
fn an_uncovered_object_shows_why_until_the_bound() {
    let bound = 25 * 3600;
    for (why, held) in uncovered() {
        let shown = |again| Withheld::Shown { row: Row::Held(held.clone()), again };
        assert_eq!(withheld(export(), &why, 1), shown(Some(at(bound).mono)));
        assert_eq!(withheld(export().suspended(), &why, bound), shown(None));
        let row = Row::Final(Outcome::GaveUp { held: Box::new(held.clone()), bound: secs(bound) });
        assert_eq!(withheld(export(), &why, bound), Withheld::Shown { row, again: None });
    }
}

#[test]
fn an_uncovered_object_whose_status_shows_a_request_is_left_as_it_stands() {
    for (why, held) in uncovered() {
        for asked in [export().intended(), export().accepted(), export().accepted().suspended()] {
            for seconds in [1, 30 * 3600] {
                assert_eq!(withheld(asked.clone(), &why, seconds), Withheld::StatusUnchanged(held.clone()));
            }
        }
        let done = || export().accepted().finished(ExportStatus::Succeeded);
        assert_eq!(withheld(done(), &why, 1), Withheld::Finished(Retention::Keep));
        assert_eq!(withheld(done().ttl(60), &why, 1), Withheld::Finished(Retention::Until(at(60).mono)));
        assert_eq!(withheld(done().ttl(60), &why, 60), Withheld::Finished(Retention::Delete));
    }
}

#[test]
fn a_retired_rule_stops_calls_but_not_the_reads_of_what_may_have_been_requested() {
    let retired = || observed().retired().claim(Claim::Unanswered { calling: false });
    is(&decided(export().intended(), &retired(), 1), None, Next::Read);
    is(&decided(export().intended(), &retired().live(0).has_permit(), 1), None, wait(10));
    is(&decided(export().intended(), &retired().live(0), 26 * 3600), None, Next::Read);
    let pending = retired().evidence(get(Ownership::Own, Pending, Some(KEY)), 0);
    is(&decided(export().intended(), &pending, 1), Some(Row::Pending), wait(10));
    let accepted = retired().claim(Claim::Accepted).evidence(get(Ownership::Own, Succeeded, Some(KEY)), 0);
    let exported = ended(Outcome::Exported { output_uri: Some(KEY.to_owned()) });
    is(&decided(export().accepted(), &accepted, 1), exported, Next::Done);
    is(&decided(export().intended(), &retired().evidence(over(0), 30), 30), ended(Outcome::SessionEnded), Next::Done);
}

#[test]
fn session_end_is_believed_after_two_reads_a_consistency_window_apart() {
    let confirming = since_0(observed().evidence(over(0), 29), Reason::ConfirmingSessionEnd);
    is(&decided(export(), &confirming, 29), None, wait(30));
    is(&decided(export(), &confirming, 30), held(Held::ConfirmingSessionEnd), Next::Read);
    is(&decided(export(), &observed().evidence(over(0), 30), 30), ended(Outcome::SessionEnded), Next::Done);
    is(&decided(export().intended(), &observed().evidence(over(0), 30), 30), ended(Outcome::SessionEnded), Next::Done);
}

#[test]
fn not_found_needs_three_reads_over_a_minute() {
    let missing = |reads, last| observed().evidence(Observation::Missing { since: at(0).mono, reads }, last);
    is(&decided(export(), &missing(1, 0), 1), None, wait(30));
    is(&decided(export(), &missing(3, 59), 59), None, wait(89));
    is(&decided(export(), &missing(2, 60), 60), None, wait(90));
    is(&decided(export(), &missing(3, 60), 60), ended(Outcome::SessionNotFound), Next::Done);
    let gone = missing(3, 60).claim(Claim::Accepted);
    is(&decided(export().accepted(), &gone, 60), ended(Outcome::Unknown), Next::Done);
}

#[test]
fn a_stale_empty_read_decides_nothing() {
    let stale = since_0(observed().evidence(Observation::Stale, 30 * 3600), Reason::ServiceUnavailable);
    is(&decided(export(), &stale, 30 * 3600), held(UNAVAILABLE), wait(30 * 3600 + 10));
    is(&decided(export(), &observed().evidence(Observation::Stale, 0).has_permit(), 1), None, wait(10));
    let rival = observed().evidence(Observation::Stale, 0).rival(ConflictingClaim::Accepted { name: None });
    let conflict = Outcome::ExportConflict { shown: None, rival: None };
    is(&decided(export(), &rival, 1), ended(conflict), Next::Done);
    let ours = observed().evidence(Observation::Stale, 0).claim(Claim::Accepted);
    is(&decided(export().accepted(), &ours, 1), Some(Row::Pending), wait(10));
    let late = DAY + 3600;
    let ours = observed().evidence(Observation::Stale, late).claim(Claim::Accepted);
    is(&decided(export().accepted(), &ours, late), Some(Row::Overdue), wait(late + 3600));
    let fails = ours.attempt(|a| a.read_trouble = Some(trouble(FailureClass::Unavailable, late, 1, late + 20)));
    is(&decided(export().accepted(), &fails, late), Some(Row::Overdue), wait(late + 3600));
}

#[test]
fn anothers_export_is_a_conflict_at_once_before_an_intent() {
    let foreign = observed().evidence(get(Ownership::Foreign, Pending, Some(FOREIGN)), 0);
    let conflict = Outcome::ExportConflict { shown: None, rival: None };
    is(&decided(export(), &foreign, 1), ended(conflict), Next::Done);
}

#[test]
fn after_an_intent_anothers_export_needs_two_reads_a_consistency_window_apart() {
    let foreign = |since: Option<u64>, last| {
        observed()
            .evidence(get(Ownership::Foreign, Succeeded, Some(FOREIGN)), last)
            .claim(Claim::Unanswered { calling: false })
            .attempt(|a| a.foreign_since = since.map(|s| at(s).mono))
    };
    is(&decided(export().intended(), &foreign(Some(0), 0), 1), None, wait(30));
    is(&decided(export().intended(), &foreign(Some(0), 29), 29), None, wait(30));
    let conflict = |shown| ended(Outcome::ExportConflict { shown, rival: None });
    is(&decided(export().intended(), &foreign(Some(0), 30), 30), conflict(None), Next::Done);
    let ours = foreign(Some(0), 30).claim(Claim::Accepted);
    is(&decided(export().accepted(), &ours, 30), conflict(Some(ExportStatus::Succeeded)), Next::Done);
}

#[test]
fn an_accepted_export_waits_without_writing_what_is_recorded() {
    let fresh = observed().claim(Claim::Accepted);
    is(&decided(export().intended(), &fresh, 1), Some(Row::Pending), Next::Read);
    is(&decided(export().accepted(), &fresh, 1), None, Next::Read);
    let mut called = fresh.clone();
    called.snapshot.last_call = Some(at(0).mono);
    is(&decided(export().accepted(), &called, 1), None, wait(10));
    let denied = fresh.attempt(|a| a.read_trouble = Some(trouble(FailureClass::AccessDenied, 0, 9, 500)));
    is(&decided(export().accepted(), &denied, 400), None, wait(500));
}

#[test]
fn no_result_a_day_after_the_latest_end_is_overdue_and_polled_hourly() {
    let pending = |read| observed().evidence(get(Ownership::Own, Pending, Some(KEY)), read).claim(Claim::Accepted);
    let late = DAY + 3600;
    is(&decided(export().accepted(), &pending(late - 1), late - 1), Some(Row::Pending), wait(late));
    is(&decided(export().accepted(), &pending(late), late), Some(Row::Overdue), wait(late + 3600));
}

#[test]
fn unknown_words_keep_it_polling() {
    let odd = observed().evidence(get(Ownership::Own, Unknown, Some(KEY)), 0);
    is(&decided(export(), &odd, 1), Some(Row::Pending), wait(10));
    let empty = Observation::Empty { status: SessionStatus::Unknown, ended_since: None };
    is(&decided(export(), &observed().evidence(empty, 0).has_permit(), 1), None, wait(10));
}

#[test]
fn the_25_h_bound_spares_intents_the_suspended_and_what_aws_shows_pending() {
    let late = 25 * 3600;
    let activating = || Observation::Empty { status: SessionStatus::Activating, ended_since: None };
    let held_up = observed().evidence(activating(), late);
    let gave_up = ended(Outcome::GaveUp { held: Box::new(Held::WaitingForSession), bound: secs(late) });
    is(&decided(export(), &held_up, late - 1), held(Held::WaitingForSession), wait(late));
    is(&decided(export(), &held_up, late), gave_up, Next::Done);
    is(&decided(export().intended(), &held_up, late), held(Held::WaitingForSession), wait(late + 2));
    is(&decided(export().suspended(), &observed().live(late), late), held(Held::Suspended), wait(late + 10));
    let unstated = observed().evidence(get(Ownership::Unstated, Pending, None), late);
    let unstated = since_0(unstated, Reason::DestinationUnknown);
    let decision = decided(export(), &unstated, late);
    assert_eq!(decision.row, held(Held::DestinationUnknown));
}

#[test]
fn a_finished_object_is_left_alone_until_its_time_to_live_is_over() {
    let done = || export().accepted().finished(ExportStatus::Succeeded);
    is(&decided(done(), &observed(), 1), Some(Row::Unchanged), Next::Done);
    is(&decided(done().ttl(60), &observed(), 59), Some(Row::Unchanged), wait(60));
    is(&decided(done().ttl(60), &observed(), 60), Some(Row::Unchanged), Next::Delete);
    is(&decided(done().ttl(0), &observed(), 0), Some(Row::Unchanged), Next::Delete);
}
