//! The decision over every combination of abstract inputs.

use super::decide::{Authority, Decision, Observed, Step, decide};
use super::evidence::{Evidence, Rival, Whose};
use super::fixtures::{ExportBuilder, KEY, account, at, export, observed, shows, timing, trouble};
use super::memory::{Claim, Refusals};
use super::request::Export;
use super::row::{Outcome, Reason, Row};
use crate::api::ExportStatus;
use crate::streams::observation::ExportFilesStatus::{Failed, Pending, Succeeded, Unknown};
use crate::streams::observation::{FailureClass, SessionStatus, Source};

const DAY: u64 = 86_400;

fn forbidden() -> Authority {
    Authority::Forbidden { missing_rule: "{namespaces: [team]}".to_owned() }
}

struct Case {
    phase: usize,
    export: Export,
    observed: Observed,
    seconds: u64,
}

fn phase(number: usize) -> Option<(ExportBuilder, Claim)> {
    Some(match number {
        0 => (export(), Claim::None),
        1 => (export(), Claim::Unanswered),
        2 => (export().intended(), Claim::Unanswered),
        3 => (export().intended(), Claim::Refused),
        4 => (export().intended(), Claim::Accepted),
        5 => (export().accepted(), Claim::Accepted),
        6 => (export().accepted().finished(ExportStatus::Succeeded), Claim::Accepted),
        7 => (export().finished(ExportStatus::Failed), Claim::None),
        _ => return None,
    })
}

fn every_evidence(read: u64) -> Vec<Evidence> {
    let since = at(read.saturating_sub(30)).mono;
    let mut all = vec![Evidence::Unread, Evidence::Stale];
    for whose in [Whose::Ours, Whose::Anothers, Whose::Unstated, Whose::Rivals] {
        for status in [Pending, Succeeded, Failed, Unknown] {
            for source in [Source::Get, Source::List] {
                let uri = matches!(whose, Whose::Ours | Whose::Anothers).then_some(KEY);
                all.push(shows(whose, status, uri, source));
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
        all.push(Evidence::Empty { status, ended_since: None });
    }
    for status in [SessionStatus::Terminating, SessionStatus::Terminated, SessionStatus::Error] {
        all.push(Evidence::Empty { status, ended_since: Some(since) });
        all.push(Evidence::Empty { status, ended_since: Some(at(read).mono) });
    }
    all.push(Evidence::Missing { since: at(read).mono, reads: 1 });
    all.push(Evidence::Missing { since: at(read.saturating_sub(60)).mono, reads: 3 });
    all
}

fn authorities() -> [Authority; 5] {
    let named = "999988887777".parse().unwrap();
    [
        Authority::Allowed,
        forbidden(),
        Authority::ServiceAccount,
        Authority::Malformed { detail: "d".to_owned() },
        Authority::OtherAccount { named, ours: account() },
    ]
}

fn troubled(observed: &Observed, number: usize, now: u64) -> Option<Observed> {
    let observed = observed.clone();
    Some(match number {
        0 => observed,
        1 => observed.attempt(|a| a.read_trouble = Some(trouble(FailureClass::Throttled, now - 40, 3, now + 5))),
        2 => observed.attempt(|a| a.read_trouble = Some(trouble(FailureClass::AccessDenied, now - 200, 5, now))),
        3 => observed.attempt(|a| a.call_trouble = Some(trouble(FailureClass::Unavailable, now - 40, 3, now + 5))),
        4 => observed.attempt(|a| a.call_trouble = Some(trouble(FailureClass::AccessDenied, now - 200, 5, now))),
        5 => observed.attempt(|a| a.refusals = Some(Refusals { count: 3, retry_at: at(now + 100).mono })),
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
        for (seconds, scene) in every_scene() {
            let scene = scene.claim(*claim);
            for trouble in (0..).map_while(|number| troubled(&scene, number, seconds)) {
                for export in [free, &suspended] {
                    judge(export, &trouble, number, seconds);
                    judge(export, &trouble.clone().turn(), number, seconds);
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
            for authority in authorities() {
                for rival in [Rival::None, Rival::Undecided { name: None }, Rival::Accepted { name: None }] {
                    let seen = observed().evidence(evidence.clone(), seconds - age);
                    all.push((seconds, seen.authority(authority.clone()).rival(rival)));
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
    assert!(count > 600_000);
}

/// The first rule that this decision breaks.
fn broken_rule(case: &Case, decision: &Decision) -> Option<&'static str> {
    let Case { phase, export, observed, seconds } = case;
    let seen = &observed.recollection;
    let accepted = (4..=5).contains(phase);
    let intended = (1..=5).contains(phase);
    let finished = *phase >= 6;
    let allowed = observed.authority == Authority::Allowed;
    let forbidden = matches!(observed.authority, Authority::Forbidden { .. });
    let barred = !(allowed || forbidden && intended);
    let live = matches!(seen.evidence, Evidence::Empty { status, .. } if !status.is_over()
        && !matches!(status, SessionStatus::Activating | SessionStatus::Unknown));
    let final_row = match &decision.row {
        Some(Row::Final(outcome)) => Some(outcome),
        Some(Row::Held(_) | Row::Requesting | Row::Pending | Row::Overdue | Row::AtRest) | None => None,
    };
    let fresh = seen.read_at.is_some_and(|read| at(*seconds).mono - read <= timing().observation_max_age);
    let rules = [
        (
            "a finished object is at rest",
            finished && (decision.row != Some(Row::AtRest) || decision.step != Step::Rest),
        ),
        ("AtRest is for the finished", !finished && decision.row == Some(Row::AtRest)),
        (
            "a call needs leave, a live fresh read, no rival, no suspension, no acceptance, and a turn",
            decision.step == Step::Call
                && !(allowed
                    && live
                    && fresh
                    && seen.rival == Rival::None
                    && !export.options.suspend
                    && !accepted
                    && observed.turn
                    && seen.attempt.read_trouble.is_none()),
        ),
        (
            "a call without a recorded intent records one",
            decision.step == Step::Call && !export.intended() && decision.row != Some(Row::Requesting),
        ),
        ("Requesting leads to a call", decision.row == Some(Row::Requesting) && decision.step != Step::Call),
        (
            "an accepted export shows only Pending, Overdue or its end",
            accepted && matches!(decision.row, Some(Row::Held(_) | Row::Requesting)),
        ),
        (
            "an accepted export never ends as never asked for",
            accepted
                && matches!(final_row, Some(Outcome::SessionEnded | Outcome::SessionNotFound | Outcome::GaveUp { .. })),
        ),
        ("the end rests", final_row.is_some() && decision.step != Step::Rest),
        (
            "rest is for the finished and the barred",
            decision.step == Step::Rest && final_row.is_none() && !finished && !barred,
        ),
        ("the barred are not read", barred && !finished && matches!(decision.step, Step::Read | Step::Call)),
        ("the barred ask for no turn", !allowed && matches!(decision.step, Step::AskTurn(_))),
        ("the suspended ask for no turn", export.options.suspend && matches!(decision.step, Step::AskTurn(_))),
        (
            "SessionEnded needs two empty reads",
            final_row == Some(&Outcome::SessionEnded)
                && !matches!(seen.evidence, Evidence::Empty { status, ended_since: Some(since) }
                    if status.is_over() && seen.read_at.unwrap() - since >= timing().consistency_window),
        ),
        (
            "giving up needs 25 h, no intent, no suspension",
            matches!(final_row, Some(Outcome::GaveUp { .. }))
                && (intended || export.options.suspend || *seconds < 25 * 3600),
        ),
        (
            "success is AWS's word for our export",
            matches!(final_row, Some(Outcome::Exported { .. } | Outcome::ExportFailed { .. }))
                && !matches!(seen.evidence, Evidence::Export { whose: Whose::Ours, .. }),
        ),
        (
            "what is ours is never in conflict",
            matches!(final_row, Some(Outcome::ExportConflict { .. }))
                && matches!(seen.evidence, Evidence::Export { whose: Whose::Ours, .. }),
        ),
        (
            "no wait in the past",
            matches!(decision.step, Step::Wait(then) | Step::AskTurn(then) if then <= at(*seconds).mono),
        ),
    ];
    rules.into_iter().find_map(|(rule, broken)| broken.then_some(rule))
}

/// The order of precedence, told a second time and differently: which reasons a status may show.
#[test]
fn the_order_of_precedence_holds_in_every_combination() {
    every_case(|case, decision| {
        let Some(reason) = decision.row.as_ref().and_then(Row::reason) else { return };
        let Case { export, observed, .. } = case;
        let seen = &observed.recollection;
        let intended = (1..=5).contains(&case.phase);
        let accepted = (4..=5).contains(&case.phase);
        let waits = matches!(seen.evidence, Evidence::Empty { status: SessionStatus::Activating, .. });
        let expected = match (&observed.authority, &seen.evidence) {
            (Authority::ServiceAccount, _) => vec![Reason::ServiceAccountNotSupported],
            (Authority::OtherAccount { .. }, _) => vec![Reason::AccountMismatch],
            (Authority::Malformed { .. }, _) => vec![Reason::RequestRejected],
            (Authority::Forbidden { .. }, _) if !intended => vec![Reason::DestinationForbidden],
            (_, Evidence::Export { .. }) => vec![
                Reason::Exported,
                Reason::ExportFailed,
                Reason::ExportConflict,
                Reason::ExportPending,
                Reason::UploadOverdue,
                Reason::DestinationUnknown,
                Reason::RateLimited,
            ],
            (_, Evidence::Empty { status, .. }) if status.is_over() && !accepted => {
                vec![Reason::SessionEnded, Reason::ConfirmingSessionEnd]
            }
            (_, Evidence::Missing { .. }) if accepted => vec![Reason::SessionNotFound, Reason::ExportPending],
            (_, Evidence::Missing { .. }) => vec![Reason::SessionNotFound, Reason::ConfirmingSessionEnd],
            _ if accepted => vec![Reason::ExportPending, Reason::UploadOverdue],
            _ if seen.attempt.read_trouble.is_some() => vec![Reason::ServiceUnavailable, Reason::AccessDenied],
            (_, Evidence::Unread) => vec![Reason::ServiceUnavailable, Reason::AccessDenied, Reason::RateLimited],
            _ if export.options.suspend => vec![Reason::Suspended],
            _ if waits => vec![Reason::WaitingForSession],
            (_, Evidence::Empty { status: SessionStatus::Unknown, .. }) => vec![Reason::ServiceUnavailable],
            _ if matches!(seen.rival, Rival::Accepted { .. }) => vec![Reason::ExportConflict],
            _ if matches!(seen.rival, Rival::Undecided { .. }) => vec![Reason::WaitingForOtherExport],
            (_, Evidence::Stale) => vec![Reason::ServiceUnavailable],
            (Authority::Forbidden { .. }, _) => vec![Reason::DestinationForbidden],
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
