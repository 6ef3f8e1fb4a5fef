//! The decision: named rows of the condition table, then every combination of abstract inputs.

use super::decide::{Authority, Decision, Observed, Sight, Step, decide};
use super::evidence::{Evidence, Rival, Whose};
use super::fixtures::{ExportBuilder, FOREIGN, KEY, ZIP, account, at, export, observed, secs, shows, timing, trouble};
use super::memory::{Claim, Refusals};
use super::row::{Held, Outcome, Reason, Row};
use crate::api::ExportStatus;
use crate::streams::observation::ExportFilesStatus::{Failed, Pending, Succeeded, Unknown};
use crate::streams::observation::{FailureClass, SessionStatus, Source};

const DAY: u64 = 86_400;

fn decided(export: ExportBuilder, observed: &Observed, seconds: u64) -> Decision {
    decide(&export.build(), observed, at(seconds), &timing())
}

fn wait(seconds: u64) -> Step {
    Step::Wait(at(seconds).mono)
}

#[track_caller]
fn is(decision: &Decision, row: Option<Row>, step: Step) {
    assert_eq!((&decision.row, decision.step), (&row, step));
}

fn held(held: Held) -> Option<Row> {
    Some(Row::Held(held))
}

fn ended(outcome: Outcome) -> Option<Row> {
    Some(Row::Final(outcome))
}

fn over(since: u64) -> Evidence {
    Evidence::Empty { status: SessionStatus::Terminated, ended_since: Some(at(since).mono) }
}

fn get(whose: Whose, status: crate::streams::observation::ExportFilesStatus, uri: Option<&str>) -> Evidence {
    shows(whose, status, uri, Source::Get)
}

/// In this held row since second 0.
fn since_0(observed: Observed, reason: Reason) -> Observed {
    observed.attempt(|a| a.held = Some((reason, at(0).mono)))
}

fn forbidden() -> Authority {
    Authority::Forbidden { missing_rule: "{namespaces: [team]}".to_owned() }
}

#[test]
fn a_new_object_is_read_first() {
    is(&decided(export(), &observed(), 0), None, Step::Read);
}

#[test]
fn a_live_session_without_export_waits_for_its_turn_and_is_then_asked_for() {
    is(&decided(export(), &observed().live(0), 5), None, Step::AskTurn(at(35).mono));
    is(&decided(export(), &observed().live(0).turn(), 5), Some(Row::Requesting), Step::Call);
    is(&decided(export().intended(), &observed().live(0).turn().claim(Claim::Unanswered), 5), None, Step::Call);
}

#[test]
fn an_observation_older_than_a_minute_is_renewed_before_the_call() {
    is(&decided(export(), &observed().live(0).turn(), 60), Some(Row::Requesting), Step::Call);
    is(&decided(export(), &observed().live(0).turn(), 61), None, Step::Read);
}

#[test]
fn lists_do_wherever_nothing_turns_on_what_they_leave_out() {
    let empty = |status| Evidence::Empty { status, ended_since: Some(at(0).mono) };
    let pending = |source| shows(Whose::Ours, Pending, None, source);
    let accepted = || export().accepted();
    let sight = |builder: ExportBuilder, observed: Observed| decided(builder, &observed, 5).look.map(|look| look.sight);
    let rows = [
        (export(), observed(), Some(Sight::First)),
        (export(), observed().evidence(empty(SessionStatus::Activating), 0), Some(Sight::First)),
        (export(), observed().live(0), Some(Sight::Fresh)),
        (export(), observed().live(0).turn(), None),
        (export().suspended(), observed().live(0), Some(Sight::Live)),
        (export().intended(), observed(), Some(Sight::Exact)),
        (export(), observed().evidence(over(0), 0), Some(Sight::Exact)),
        (export(), observed().evidence(Evidence::Missing { since: at(0).mono, reads: 1 }, 0), Some(Sight::Exact)),
        (export(), observed().evidence(Evidence::Stale, 0), Some(Sight::Exact)),
        (export(), observed().live(0).rival(Rival::Undecided { name: None }).attempt(|_| ()), None),
        (export(), observed().evidence(get(Whose::Unstated, Pending, None), 0), Some(Sight::Exact)),
        (accepted(), observed(), Some(Sight::Pending)),
        (accepted(), observed().evidence(Evidence::Stale, 0), Some(Sight::Pending)),
        (accepted(), observed().evidence(pending(Source::Get), 0), Some(Sight::Pending)),
        (accepted(), observed().evidence(pending(Source::List), 0), Some(Sight::Pending)),
        (accepted(), observed().evidence(shows(Whose::Ours, Succeeded, None, Source::List), 0), Some(Sight::Exact)),
        (accepted(), observed().evidence(get(Whose::Anothers, Pending, Some(FOREIGN)), 0), Some(Sight::Exact)),
    ];
    for (n, (builder, observed, expected)) in rows.into_iter().enumerate() {
        assert_eq!(sight(builder, observed), expected, "row {n}");
    }
}

#[test]
fn what_is_merely_pending_is_decided_again_when_it_is_overdue_and_not_before() {
    let pending = observed().evidence(get(Whose::Ours, Pending, Some(KEY)), 0).claim(Claim::Accepted);
    let look = decided(export().accepted(), &pending, 5).look.unwrap();
    assert_eq!((look.at, look.again), (at(10).mono, Some(at(3600 + DAY).mono)));
}

#[test]
fn activating_waits_and_is_looked_at_every_two_seconds() {
    let empty = Evidence::Empty { status: SessionStatus::Activating, ended_since: None };
    is(&decided(export(), &observed().evidence(empty, 0), 1), held(Held::WaitingForSession), wait(2));
}

#[test]
fn suspended_is_read_at_the_pace_of_a_pending_one_and_may_end() {
    is(&decided(export().suspended(), &observed().live(0).turn(), 1), held(Held::Suspended), wait(10));
    is(&decided(export().suspended(), &observed().evidence(over(0), 30), 31), ended(Outcome::SessionEnded), Step::Rest);
}

#[test]
fn what_aws_has_accepted_goes_on_though_suspended() {
    let pending = observed().evidence(get(Whose::Ours, Pending, None), 0).claim(Claim::Accepted);
    is(&decided(export().accepted().suspended(), &pending, 1), Some(Row::Pending), wait(10));
}

#[test]
fn a_claim_makes_others_wait_and_shows_after_30_s() {
    let rival = observed().live(0).rival(Rival::Undecided { name: None });
    let waiting = Held::WaitingForOtherExport { rival: None };
    let first = decided(export(), &rival, 1);
    is(&first, None, wait(10));
    assert_eq!(first.held, Some(Reason::WaitingForOtherExport));
    let rival = since_0(observed().live(25).rival(Rival::Undecided { name: None }), Reason::WaitingForOtherExport);
    is(&decided(export(), &rival, 29), None, wait(30));
    is(&decided(export(), &rival, 30), held(waiting), wait(35));
}

#[test]
fn an_accepted_rival_is_a_conflict() {
    let rival = observed().live(0).rival(Rival::Accepted { name: Some("y".to_owned()) });
    let conflict = Outcome::ExportConflict { shown: None, rival: Some("y".to_owned()) };
    is(&decided(export(), &rival, 1), ended(conflict), Step::Rest);
}

#[test]
fn pending_without_a_uri_waits_and_its_end_is_a_conflict() {
    let unstated = since_0(observed().evidence(get(Whose::Unstated, Pending, None), 25), Reason::DestinationUnknown);
    is(&decided(export(), &unstated, 30), held(Held::DestinationUnknown), wait(35));
    let conflict = || ended(Outcome::ExportConflict { shown: None, rival: None });
    for status in [Succeeded, Failed] {
        let unstated = observed().evidence(get(Whose::Unstated, status, None), 0);
        is(&decided(export(), &unstated, 1), conflict(), Step::Rest);
    }
    is(&decided(export(), &observed().evidence(get(Whose::Rivals, Pending, None), 0), 1), conflict(), Step::Rest);
}

#[test]
fn what_a_list_leaves_out_needs_a_get() {
    let list = |whose, status, uri| observed().evidence(shows(whose, status, uri, Source::List), 0);
    is(&decided(export(), &list(Whose::Ours, Succeeded, None), 1), None, Step::Read);
    is(&decided(export(), &list(Whose::Unstated, Pending, None), 1), None, Step::Read);
    is(&decided(export(), &list(Whose::Rivals, Failed, None), 1), None, Step::Read);
    is(&decided(export(), &list(Whose::Ours, Failed, Some(KEY)), 1), None, Step::Read);
    is(&decided(export(), &list(Whose::Ours, Pending, None), 1), Some(Row::Pending), wait(10));
    let exported = |uri: &str| ended(Outcome::Exported { output_uri: Some(uri.to_owned()) });
    is(&decided(export(), &list(Whose::Ours, Succeeded, Some(KEY)), 1), exported(KEY), Step::Rest);
    is(&decided(export().to(ZIP), &list(Whose::Ours, Succeeded, None), 1), exported(ZIP), Step::Rest);
}

#[test]
fn succeeded_without_a_uri_finishes_a_zip_with_its_own_and_a_prefix_with_none() {
    let done = observed().evidence(get(Whose::Ours, Succeeded, None), 0);
    let exported = |uri: Option<&str>| ended(Outcome::Exported { output_uri: uri.map(str::to_owned) });
    is(&decided(export().to(ZIP).accepted(), &done, 1), exported(Some(ZIP)), Step::Rest);
    is(&decided(export().accepted(), &done, 1), exported(None), Step::Rest);
}

#[test]
fn a_wait_for_the_quota_shows_from_when_it_may_be_told() {
    let waits = observed().live(0).attempt(|a| a.tells_at = Some(at(30).mono));
    is(&decided(export(), &waits, 29), None, Step::AskTurn(at(59).mono));
    is(&decided(export(), &waits, 30), held(Held::RateLimited), Step::AskTurn(at(60).mono));
    let never = observed().live(0).attempt(|a| a.waiting_since = Some(at(0).mono));
    is(&decided(export(), &never, 30), None, Step::AskTurn(at(60).mono));
    let unread = observed().attempt(|a| a.tells_at = Some(at(30).mono));
    is(&decided(export(), &unread, 30), held(Held::RateLimited), Step::Read);
}

#[test]
fn trouble_with_reading_shows_after_30_s_also_while_it_is_being_retried() {
    let failing = |retry| {
        let troubled = observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::Unavailable, 0, 5, retry)));
        since_0(troubled, Reason::ServiceUnavailable)
    };
    is(&decided(export(), &failing(40), 20), None, wait(30));
    is(&decided(export(), &failing(40), 31), held(Held::ServiceUnavailable), wait(40));
    is(&decided(export(), &failing(40), 40), held(Held::ServiceUnavailable), Step::Read);
    // Neither an old answer nor suspension takes its place in between.
    let old = failing(40).live(0);
    is(&decided(export(), &old, 40), held(Held::ServiceUnavailable), Step::Read);
    is(&decided(export().suspended(), &old, 41), held(Held::ServiceUnavailable), Step::Read);
}

#[test]
fn a_denial_shows_at_once_and_stalls_after_two_minutes() {
    let denied = observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::AccessDenied, 0, 0, 10)));
    let row = |stalled| held(Held::AccessDenied { stalled, operation: "GetStreamSession" });
    is(&decided(export(), &denied, 1), row(false), wait(10));
    let denied = observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::AccessDenied, 0, 4, 150)));
    is(&decided(export(), &denied, 119), row(false), wait(120));
    is(&decided(export(), &denied, 120), row(true), wait(150));
    let broke = observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::Credentials, 0, 4, 150)));
    is(&decided(export(), &broke, 119), held(Held::CredentialsUnavailable { stalled: false }), wait(120));
    is(&decided(export(), &broke, 120), held(Held::CredentialsUnavailable { stalled: true }), wait(150));
}

#[test]
fn a_denied_call_keeps_its_row_while_it_is_tried_again() {
    let denied = |read| {
        observed().live(read).claim(Claim::Refused).attempt(|a| {
            a.call_trouble = Some(trouble(FailureClass::AccessDenied, 0, 1, 20));
        })
    };
    let row = held(Held::AccessDenied { stalled: false, operation: "GetStreamSession" });
    is(&decided(export().intended(), &denied(0), 19), row.clone(), wait(20));
    is(&decided(export().intended(), &denied(0), 100), row.clone(), Step::Read);
    is(&decided(export().intended(), &denied(99), 100), row.clone(), Step::AskTurn(at(120).mono));
    is(&decided(export().intended(), &denied(99).turn(), 100), row, Step::Call);
}

#[test]
fn a_rejected_call_shows_after_three_tries_and_is_repeated_every_five_minutes() {
    let refused = |count, retry| {
        observed().live(50).claim(Claim::Refused).attempt(|a| {
            a.refusals = Some(Refusals { count, retry_at: at(retry).mono });
        })
    };
    is(&decided(export().intended(), &refused(2, 55), 51), None, wait(55));
    let rejected = held(Held::RequestRejected { detail: None });
    is(&decided(export().intended(), &refused(3, 350), 51), rejected, wait(60));
    is(&decided(export().intended(), &refused(3, 50).turn(), 51), None, Step::Call);
}

#[test]
fn a_rejected_read_shows_after_three_tries_too() {
    let rejected = |tries| observed().attempt(|a| a.read_trouble = Some(trouble(FailureClass::Rejected, 0, tries, 40)));
    is(&decided(export(), &rejected(1), 20), None, wait(40));
    is(&decided(export(), &rejected(2), 20), held(Held::RequestRejected { detail: None }), wait(40));
}

#[test]
fn the_barred_are_told_why_and_nothing_is_read_or_called() {
    let bound = wait(25 * 3600);
    let rules = Held::DestinationForbidden { missing_rule: "{namespaces: [team]}".to_owned() };
    is(&decided(export(), &observed().authority(forbidden()), 1), held(rules), bound);
    let other = Authority::OtherAccount { named: "999988887777".parse().unwrap(), ours: account() };
    let mismatch = Held::AccountMismatch { named: "999988887777".to_owned(), ours: "111122223333".to_owned() };
    is(&decided(export(), &observed().authority(other), 1), held(mismatch), bound);
    let account = observed().authority(Authority::ServiceAccount);
    is(&decided(export(), &account, 1), held(Held::ServiceAccountNotSupported), bound);
    is(&decided(export().suspended(), &account, 1), held(Held::ServiceAccountNotSupported), Step::Rest);
    let malformed = observed().authority(Authority::Malformed { detail: "d".to_owned() });
    is(&decided(export(), &malformed, 1), held(Held::RequestRejected { detail: Some("d".to_owned()) }), bound);
}

#[test]
fn tightened_rules_stop_calls_but_not_the_reads_of_what_may_have_been_asked_for() {
    let tightened = || observed().authority(forbidden()).claim(Claim::Unanswered);
    is(&decided(export().intended(), &tightened(), 1), None, Step::Read);
    let rules = Held::DestinationForbidden { missing_rule: "{namespaces: [team]}".to_owned() };
    is(&decided(export().intended(), &tightened().live(0).turn(), 1), held(rules), wait(10));
    let pending = tightened().evidence(get(Whose::Ours, Pending, Some(KEY)), 0);
    is(&decided(export().intended(), &pending, 1), Some(Row::Pending), wait(10));
    let accepted = tightened().claim(Claim::Accepted).evidence(get(Whose::Ours, Succeeded, Some(KEY)), 0);
    let exported = ended(Outcome::Exported { output_uri: Some(KEY.to_owned()) });
    is(&decided(export().accepted(), &accepted, 1), exported, Step::Rest);
}

#[test]
fn session_end_is_believed_after_two_reads_a_consistency_window_apart() {
    let confirming = since_0(observed().evidence(over(0), 29), Reason::ConfirmingSessionEnd);
    is(&decided(export(), &confirming, 29), None, wait(30));
    is(&decided(export(), &confirming, 30), held(Held::ConfirmingSessionEnd), Step::Read);
    is(&decided(export(), &observed().evidence(over(0), 30), 30), ended(Outcome::SessionEnded), Step::Rest);
    is(&decided(export().intended(), &observed().evidence(over(0), 30), 30), ended(Outcome::SessionEnded), Step::Rest);
}

#[test]
fn not_found_needs_three_reads_over_a_minute() {
    let missing = |reads, last| observed().evidence(Evidence::Missing { since: at(0).mono, reads }, last);
    is(&decided(export(), &missing(1, 0), 1), None, wait(30));
    is(&decided(export(), &missing(3, 59), 59), None, wait(89));
    is(&decided(export(), &missing(2, 60), 60), None, wait(90));
    is(&decided(export(), &missing(3, 60), 60), ended(Outcome::SessionNotFound), Step::Rest);
    let gone = missing(3, 60).claim(Claim::Accepted);
    is(&decided(export().accepted(), &gone, 60), ended(Outcome::OutcomeUnknown), Step::Rest);
}

#[test]
fn a_stale_empty_read_decides_nothing() {
    let stale = since_0(observed().evidence(Evidence::Stale, 30 * 3600), Reason::ServiceUnavailable);
    is(&decided(export(), &stale, 30 * 3600), held(Held::ServiceUnavailable), wait(30 * 3600 + 10));
    is(&decided(export(), &observed().evidence(Evidence::Stale, 0).turn(), 1), None, wait(10));
    let rival = observed().evidence(Evidence::Stale, 0).rival(Rival::Accepted { name: None });
    let conflict = Outcome::ExportConflict { shown: None, rival: None };
    is(&decided(export(), &rival, 1), ended(conflict), Step::Rest);
    let ours = observed().evidence(Evidence::Stale, 0).claim(Claim::Accepted);
    is(&decided(export().accepted(), &ours, 1), Some(Row::Pending), wait(10));
}

#[test]
fn anothers_export_is_a_conflict_at_once_before_an_intent() {
    let foreign = observed().evidence(get(Whose::Anothers, Pending, Some(FOREIGN)), 0);
    let conflict = Outcome::ExportConflict { shown: None, rival: None };
    is(&decided(export(), &foreign, 1), ended(conflict), Step::Rest);
}

#[test]
fn after_an_intent_anothers_export_needs_two_reads_a_consistency_window_apart() {
    let foreign = |since: Option<u64>, last| {
        observed()
            .evidence(get(Whose::Anothers, Succeeded, Some(FOREIGN)), last)
            .claim(Claim::Unanswered)
            .attempt(|a| a.foreign_since = since.map(|s| at(s).mono))
    };
    is(&decided(export().intended(), &foreign(Some(0), 0), 1), None, wait(30));
    is(&decided(export().intended(), &foreign(Some(0), 29), 29), None, wait(30));
    let conflict = |shown| ended(Outcome::ExportConflict { shown, rival: None });
    is(&decided(export().intended(), &foreign(Some(0), 30), 30), conflict(None), Step::Rest);
    let ours = foreign(Some(0), 30).claim(Claim::Accepted);
    is(&decided(export().accepted(), &ours, 30), conflict(Some(ExportStatus::Succeeded)), Step::Rest);
}

#[test]
fn accepted_waits_without_writing_what_is_on_record() {
    let fresh = observed().claim(Claim::Accepted);
    is(&decided(export().intended(), &fresh, 1), Some(Row::Pending), Step::Read);
    is(&decided(export().accepted(), &fresh, 1), None, Step::Read);
    let denied = fresh.attempt(|a| a.read_trouble = Some(trouble(FailureClass::AccessDenied, 0, 9, 500)));
    is(&decided(export().accepted(), &denied, 400), None, wait(500));
}

#[test]
fn no_result_a_day_after_the_latest_end_is_overdue_and_looked_at_hourly() {
    let pending = |read| observed().evidence(get(Whose::Ours, Pending, Some(KEY)), read).claim(Claim::Accepted);
    let late = DAY + 3600;
    is(&decided(export().accepted(), &pending(late - 1), late - 1), Some(Row::Pending), wait(late));
    is(&decided(export().accepted(), &pending(late), late), Some(Row::Overdue), wait(late + 3600));
}

#[test]
fn unknown_words_keep_it_polling() {
    let odd = observed().evidence(get(Whose::Ours, Unknown, Some(KEY)), 0);
    is(&decided(export(), &odd, 1), Some(Row::Pending), wait(10));
    let empty = Evidence::Empty { status: SessionStatus::Unknown, ended_since: None };
    is(&decided(export(), &observed().evidence(empty, 0).turn(), 1), None, wait(10));
}

#[test]
fn the_25_h_bound_spares_intents_the_suspended_and_what_aws_shows_pending() {
    let late = 25 * 3600;
    let activating = || Evidence::Empty { status: SessionStatus::Activating, ended_since: None };
    let held_up = observed().evidence(activating(), late);
    let gave_up = ended(Outcome::GaveUp { held: Box::new(Held::WaitingForSession), bound: secs(late) });
    is(&decided(export(), &held_up, late - 1), held(Held::WaitingForSession), wait(late));
    is(&decided(export(), &held_up, late), gave_up, Step::Rest);
    is(&decided(export().intended(), &held_up, late), held(Held::WaitingForSession), wait(late + 2));
    is(&decided(export().suspended(), &observed().live(late), late), held(Held::Suspended), wait(late + 10));
    let unstated = observed().evidence(get(Whose::Unstated, Pending, None), late);
    let unstated = since_0(unstated, Reason::DestinationUnknown);
    let decision = decided(export(), &unstated, late);
    assert_eq!(decision.row, held(Held::DestinationUnknown));
    assert_eq!(decided(export(), &observed().authority(forbidden()), late).step, Step::Rest);
}

#[test]
fn a_finished_object_rests_until_its_time_to_live_is_over() {
    let done = || export().accepted().finished(ExportStatus::Succeeded);
    is(&decided(done(), &observed(), 1), Some(Row::AtRest), Step::Rest);
    is(&decided(done().ttl(60), &observed(), 59), Some(Row::AtRest), wait(60));
    is(&decided(done().ttl(60), &observed(), 60), Some(Row::AtRest), Step::Delete);
    is(&decided(done().ttl(0), &observed(), 0), Some(Row::AtRest), Step::Delete);
}
