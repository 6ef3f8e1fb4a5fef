//! The decision over every combination of abstract inputs.

use crate::api::request::Export;
use crate::api::{ExportStatus, Reason};
use crate::aws::failure::{FailureClass, FailureDetail};
use crate::aws::model::ExportFilesStatus::{Failed, Pending, Succeeded, Unknown};
use crate::aws::model::{ReadSource, SessionStatus};
use crate::export::decision::tests::{Next, next_of};
use crate::export::decision::{Decision, Observed, decide};
use crate::export::fixtures::{ExportBuilder, KEY, at, export, observed, shows, timing, trouble};
use crate::export::status::row::{Outcome, Row};
use crate::state::Claim;
use crate::state::ownership::{ConflictingClaim, Observation, Ownership};
use crate::state::retry::Rejections;

const DAY: u64 = 86_400;

struct Case {
    phase: usize,
    export: Export,
    observed: Observed,
    seconds: u64,
}

fn phase(number: usize) -> Option<(ExportBuilder, Claim)> {
    Some(match number {
        0 => (export(), Claim::None),
        1 => (export(), Claim::Unanswered { calling: false }),
        2 => (export().intended(), Claim::Unanswered { calling: false }),
        3 => (export().intended(), Claim::Refused),
        4 => (export().intended(), Claim::Accepted),
        5 => (export().accepted(), Claim::Accepted),
        6 => (export().accepted().finished(ExportStatus::Succeeded), Claim::Accepted),
        7 => (export().finished(ExportStatus::Failed), Claim::None),
        _ => return None,
    })
}

fn every_evidence(read: u64) -> Vec<Observation> {
    let since = at(read.saturating_sub(30)).mono;
    let mut all = vec![Observation::Unread, Observation::Stale];
    for ownership in [Ownership::Own, Ownership::Foreign, Ownership::Unstated, Ownership::Conflicting] {
        for status in [Pending, Succeeded, Failed, Unknown] {
            for source in [ReadSource::Get, ReadSource::List] {
                let uri = matches!(ownership, Ownership::Own | Ownership::Foreign).then_some(KEY);
                all.push(shows(ownership, status, uri, source));
            }
        }
    }
    for status in [
        SessionStatus::Activating,
        SessionStatus::Active,
        SessionStatus::Connected,
        SessionStatus::PendingClientReconnection,
        SessionStatus::Reconnecting,
        SessionStatus::Unknown,
    ] {
        all.push(Observation::Empty { status, ended_since: None });
    }
    for status in [SessionStatus::Terminating, SessionStatus::Terminated, SessionStatus::Error] {
        all.push(Observation::Empty { status, ended_since: Some(since) });
        all.push(Observation::Empty { status, ended_since: Some(at(read).mono) });
    }
    all.push(Observation::Missing { since: at(read).mono, reads: 1 });
    all.push(Observation::Missing { since: at(read.saturating_sub(60)).mono, reads: 3 });
    all
}

fn troubled(observed: &Observed, number: usize, now: u64) -> Option<Observed> {
    let observed = observed.clone();
    Some(match number {
        0 => observed,
        1 => observed.attempt(|a| a.read_trouble = Some(trouble(FailureClass::Throttled, now - 40, 3, now + 5))),
        2 => observed.attempt(|a| a.read_trouble = Some(trouble(FailureClass::AccessDenied, now - 200, 5, now))),
        3 => observed.attempt(|a| a.call_trouble = Some(trouble(FailureClass::Unavailable, now - 40, 3, now + 5))),
        4 => observed.attempt(|a| a.call_trouble = Some(trouble(FailureClass::AccessDenied, now - 200, 5, now))),
        5 => observed.attempt(|a| {
            a.refusals = Some(Rejections {
                count: 3,
                detail: FailureDetail::Unknown,
                failed_at: at(now).mono,
                retry_at: at(now + 100).mono,
            })
        }),
        6 => observed.attempt(|a| {
            a.waiting_since = Some(at(now - 31).mono);
            a.tells_at = Some(at(now - 1).mono);
            a.foreign_since = Some(at(now - 60).mono);
        }),
        _ => return None,
    })
}

fn every_case(mut check: impl FnMut(&Case, &Decision)) -> usize {
    let phases: Vec<_> =
        (0..).map_while(phase).map(|(builder, claim)| (builder.clone().build(), builder, claim)).collect();
    let mut count = 0;
    let mut judge = |export: &Export, observed: &Observed, phase, seconds| {
        let case = Case { phase, export: export.clone(), observed: observed.clone(), seconds };
        check(&case, &decide(export, observed, at(seconds), &timing()));
        count += 1;
    };
    for (number, (free, builder, claim)) in phases.iter().enumerate() {
        let suspended = builder.clone().suspended().build();
        for (seconds, input) in every_scene() {
            // A retired rule covers no object without an earlier request.
            if !input.may_request && *claim == Claim::None && number == 0 {
                continue;
            }
            let input = input.claim(*claim);
            for trouble in (0..).map_while(|number| troubled(&input, number, seconds)) {
                for export in [free, &suspended] {
                    judge(export, &trouble, number, seconds);
                    judge(export, &trouble.clone().has_permit(), number, seconds);
                }
            }
        }
    }
    count
}

fn every_scene() -> Vec<(u64, Observed)> {
    let mut all = Vec::new();
    for (seconds, age) in [(300, 1), (300, 90), (25 * 3600 + 300, 1), (3 * DAY, 1)] {
        for evidence in every_evidence(seconds - age) {
            for may_request in [true, false] {
                for rival in [
                    ConflictingClaim::None,
                    ConflictingClaim::Undecided { name: None },
                    ConflictingClaim::Accepted { name: None },
                ] {
                    let snapshot = observed().evidence(evidence.clone(), seconds - age);
                    all.push((seconds, Observed { may_request, ..snapshot.rival(rival) }));
                }
            }
        }
    }
    all
}

#[test]
fn every_combination_of_inputs_keeps_the_rules() {
    let count = every_case(|case, decision| {
        let broken = broken_rule(case, decision);
        assert!(broken.is_none(), "{broken:?}: phase {} {:?} -> {decision:?}", case.phase, case.observed);
    });
    println!("{count} combinations");
    assert!(count > 240_000);
}

/// Returns the first invariant that this decision breaks.
fn broken_rule(case: &Case, decision: &Decision) -> Option<&'static str> {
    let final_row = match &decision.row {
        Some(Row::Final(outcome)) => Some(outcome),
        Some(Row::Held(_) | Row::Requesting | Row::Pending | Row::Overdue | Row::Unchanged) | None => None,
    };
    let next = next_of(&decision.action, at(case.seconds).mono);
    let rules = rules_of_actions(case, decision.row.as_ref(), next, final_row.is_some());
    let rules = rules.into_iter().chain(rules_of_results(case, decision.row.as_ref(), final_row));
    rules.into_iter().find_map(|(rule, broken)| broken.then_some(rule))
}

/// Each rule of the next action, and whether it is broken.
fn rules_of_actions(case: &Case, row: Option<&Row>, next: Next, ends: bool) -> [(&'static str, bool); 9] {
    let Case { phase, export, observed, seconds } = case;
    let snapshot = &observed.snapshot;
    let accepted = (4..=5).contains(phase);
    let finished = *phase >= 6;
    let allowed = observed.may_request;
    let live = matches!(snapshot.evidence, Observation::Empty { status, .. } if !status.is_terminal()
        && !matches!(status, SessionStatus::Activating | SessionStatus::Unknown));
    let fresh = snapshot.read_at.is_some_and(|read| at(*seconds).mono - read <= timing().observation_max_age);
    let reserves = matches!(next, Next::Reserve(_));
    [
        ("a finished object is done", finished && (row != Some(&Row::Unchanged) || next != Next::Done)),
        ("Unchanged is for the finished", !finished && row == Some(&Row::Unchanged)),
        (
            "a call needs leave, a live fresh read, no rival, no suspension, no acceptance, and a permit",
            next == Next::Call
                && !(allowed
                    && live
                    && fresh
                    && snapshot.rival == ConflictingClaim::None
                    && !export.options.suspend
                    && !accepted
                    && observed.has_permit
                    && snapshot.attempt.read_trouble.is_none()),
        ),
        (
            "a call without a recorded intent records one",
            next == Next::Call && !export.intended() && row != Some(&Row::Requesting),
        ),
        ("Requesting leads to a call", row == Some(&Row::Requesting) && next != Next::Call),
        ("an end is done, and nothing else but the finished", (next == Next::Done) != (ends || finished)),
        ("a retired rule lets nothing ask for quota", !allowed && reserves),
        ("the suspended ask for no quota", export.options.suspend && reserves),
        ("no wait in the past", matches!(next, Next::Wait(then) | Next::Reserve(then) if then <= at(*seconds).mono)),
    ]
}

/// Each rule of the row, and whether it is broken.
fn rules_of_results(case: &Case, row: Option<&Row>, final_row: Option<&Outcome>) -> [(&'static str, bool); 6] {
    let Case { phase, export, observed, seconds } = case;
    let snapshot = &observed.snapshot;
    let accepted = (4..=5).contains(phase);
    let intended = (1..=5).contains(phase);
    let own = matches!(snapshot.evidence, Observation::Export { ownership: Ownership::Own, .. });
    [
        (
            "an accepted export shows only Pending, Overdue or its end",
            accepted && matches!(row, Some(Row::Held(_) | Row::Requesting)),
        ),
        (
            "an accepted export never ends as never requested",
            accepted
                && matches!(final_row, Some(Outcome::SessionEnded | Outcome::SessionNotFound | Outcome::GaveUp { .. })),
        ),
        (
            "SessionEnded needs two empty reads",
            final_row == Some(&Outcome::SessionEnded)
                && !matches!(snapshot.evidence, Observation::Empty { status, ended_since: Some(since) }
                    if status.is_terminal() && snapshot.read_at.unwrap() - since >= timing().consistency_window),
        ),
        (
            "giving up needs 25 h, no intent, no suspension",
            matches!(final_row, Some(Outcome::GaveUp { .. }))
                && (intended || export.options.suspend || *seconds < 25 * 3600),
        ),
        (
            "success is AWS's word for our export",
            matches!(final_row, Some(Outcome::Exported { .. } | Outcome::ExportFailed { .. })) && !own,
        ),
        ("what is ours is never in conflict", matches!(final_row, Some(Outcome::ExportConflict { .. })) && own),
    ]
}

/// The order of precedence, specified a second time and differently: the reasons that a status may show.
#[test]
fn the_order_of_precedence_holds_in_every_combination() {
    every_case(|case, decision| {
        let Some(reason) = decision.row.as_ref().and_then(Row::reason) else { return };
        let Case { export, observed, .. } = case;
        let snapshot = &observed.snapshot;
        let accepted = (4..=5).contains(&case.phase);
        let waits = matches!(snapshot.evidence, Observation::Empty { status: SessionStatus::Activating, .. });
        let expected = match &snapshot.evidence {
            Observation::Export { .. } => vec![
                Reason::Exported,
                Reason::ExportFailed,
                Reason::ExportConflict,
                Reason::ExportPending,
                Reason::UploadOverdue,
                Reason::DestinationUnknown,
                Reason::RateLimited,
            ],
            Observation::Empty { status, .. } if status.is_terminal() && !accepted => {
                vec![Reason::SessionEnded, Reason::ConfirmingSessionEnd]
            }
            Observation::Missing { .. } if accepted => vec![Reason::SessionNotFound, Reason::ExportPending],
            Observation::Missing { .. } => vec![Reason::SessionNotFound, Reason::ConfirmingSessionEnd],
            _ if accepted => vec![Reason::ExportPending, Reason::UploadOverdue],
            _ if snapshot.attempt.read_trouble.is_some() => vec![Reason::ServiceUnavailable, Reason::AccessDenied],
            Observation::Unread => vec![Reason::ServiceUnavailable, Reason::AccessDenied, Reason::RateLimited],
            _ if export.options.suspend => vec![Reason::Suspended],
            _ if waits => vec![Reason::WaitingForSession],
            Observation::Empty { status: SessionStatus::Unknown, .. } => vec![Reason::ServiceUnavailable],
            _ if matches!(snapshot.rival, ConflictingClaim::Accepted { .. }) => vec![Reason::ExportConflict],
            _ if matches!(snapshot.rival, ConflictingClaim::Undecided { .. }) => vec![Reason::WaitingForOtherExport],
            Observation::Stale => vec![Reason::ServiceUnavailable],
            _ if !observed.may_request => vec![Reason::RateLimited],
            _ => vec![
                Reason::Requesting,
                Reason::RateLimited,
                Reason::ServiceUnavailable,
                Reason::AccessDenied,
                Reason::RequestRejected,
            ],
        };
        assert!(expected.contains(&reason), "{reason:?} not in {expected:?}: phase {} {observed:?}", case.phase);
    });
}
