//! Tests of the state: what frees a claim, what is usable as evidence, which object owns an export.

mod objects;
mod reads;

use crate::api::ExportStatus;
use crate::aws::failure::FailureClass;
use crate::aws::model::ExportFilesStatus::{Failed, Pending, Succeeded};
use crate::aws::model::{ReadSource, SessionRead, SessionStatus, SessionView};
use crate::aws::operation::Operation;
use crate::export::fixtures::{
    ExportBuilder, FOREIGN, KEY, PREFIX, ZIP, arn, at, covered, export, failure, session, timing, uid,
};
use crate::state::ownership::{ConflictingClaim, Observation, Ownership};
use crate::state::{Claim, SessionState, Snapshot};
use std::time::Duration;

/// The state of a leader with these objects.
fn knows(objects: impl IntoIterator<Item = ExportBuilder>) -> SessionState {
    let mut state = SessionState::new(timing(), at(0).mono);
    objects.into_iter().for_each(|builder| upsert(&mut state, builder));
    state
}

fn upsert(state: &mut SessionState, builder: ExportBuilder) {
    state.upsert_object(&covered(builder.build()), at(0).mono);
}

fn reads(state: &mut SessionState, seconds: u64, found: Option<SessionView>) {
    state.apply_read(&arn("sess1"), SessionRead { begun: at(seconds).mono, source: ReadSource::Get, found });
}

fn snapshot_of(state: &SessionState, name: &str) -> Snapshot {
    state.snapshot(&uid(name), at(1000).mono).unwrap()
}

fn ownership_of(state: &SessionState, name: &str) -> Ownership {
    let Observation::Export { ownership, .. } = snapshot_of(state, name).evidence else {
        panic!("AWS shows no export")
    };
    ownership
}

/// What the export that AWS shows was read with.
fn source_of(state: &SessionState, name: &str) -> ReadSource {
    let Observation::Export { source, .. } = snapshot_of(state, name).evidence else { panic!("AWS shows no export") };
    source
}

const NESTED: &str = "s3://bucket/team/nested/";

fn x() -> ExportBuilder {
    export()
}

fn y() -> ExportBuilder {
    export().named("y").to(ZIP)
}

fn calls(state: &mut SessionState, name: &str, seconds: u64, answer: Result<(), FailureClass>) {
    state.acquire_claim(&uid(name));
    let before = state.call_begun(&uid(name), at(seconds).mono).unwrap();
    match answer {
        Ok(()) => state.call_accepted(&uid(name), "id".to_owned()),
        Err(class) => state.call_failed(&uid(name), &before, &failure(Operation::Export, class), at(seconds + 1).mono),
    }
}

fn listed(state: &mut SessionState, seconds: u64, view: SessionView) -> bool {
    state
        .apply_read(&arn("sess1"), SessionRead { begun: at(seconds).mono, source: ReadSource::List, found: Some(view) })
}

#[test]
fn what_a_list_repeats_is_no_news_and_what_it_leaves_out_is_not_forgotten() {
    let summary = || SessionView { session_length: None, log_file_location_uri: None, ..session() };
    let mut state = knows([x()]);
    assert!(listed(&mut state, 1, summary()), "a first reading");
    assert!(!listed(&mut state, 2, summary()), "the same again");
    assert_eq!(snapshot_of(&state, "x").read_at, Some(at(2).mono), "but it keeps what is known fresh");
    let with_logs = SessionView { log_file_location_uri: Some("s3://logs/".to_owned()), ..session() };
    reads(&mut state, 3, Some(with_logs.exported_to(Some(KEY), Pending)));
    assert!(!listed(&mut state, 4, summary().exported_to(None, Pending)));
    assert!(!listed(&mut state, 5, summary().exported_to(Some(KEY), Pending)));
    assert_eq!(ownership_of(&state, "x"), Ownership::Own);
    assert_eq!(snapshot_of(&state, "x").view.unwrap().session_length, session().session_length);
    assert_eq!(snapshot_of(&state, "x").view.unwrap().log_file_location_uri.as_deref(), Some("s3://logs/"));
    assert!(listed(&mut state, 6, summary().exported_to(Some(FOREIGN), Pending)), "another destination");
    assert!(listed(&mut state, 7, summary().exported_to(None, Succeeded)), "another status");
}

#[test]
fn a_destination_that_only_a_get_shows_is_not_read_again_after_each_list() {
    let mut state = knows([x()]);
    reads(&mut state, 1, Some(session().exported_to(None, Pending)));
    assert!(!listed(&mut state, 2, session().exported_to(None, Pending)));
    assert_eq!(source_of(&state, "x"), ReadSource::Get);
}

#[test]
fn lists_that_lag_prove_no_absence_once_an_export_was_seen() {
    let mut state = knows([x().accepted()]);
    listed(&mut state, 1, session().in_state(SessionStatus::Terminated));
    assert_eq!(snapshot_of(&state, "x").evidence, Observation::Stale);
    let mut state = knows([x(), y()]);
    calls(&mut state, "x", 1, Ok(()));
    listed(&mut state, 40, session());
    listed(&mut state, 80, session());
    assert_eq!(
        (snapshot_of(&state, "x").evidence, snapshot_of(&state, "x").claim),
        (Observation::Stale, Claim::Accepted)
    );
}

#[test]
fn a_list_costs_nothing_for_what_has_finished() {
    let mut state = knows([x().accepted().finished(ExportStatus::Succeeded)]);
    assert!(!listed(&mut state, 1, session().exported_to(Some(KEY), Succeeded)));
    assert_eq!(snapshot_of(&state, "x").view, None);
}

#[test]
fn a_200_counts_at_once_and_beats_a_claim() {
    let mut state = knows([x(), y()]);
    state.acquire_claim(&uid("x"));
    assert_eq!(snapshot_of(&state, "y").rival, ConflictingClaim::Undecided { name: Some("x".to_owned()) });
    calls(&mut state, "x", 1, Ok(()));
    assert_eq!(snapshot_of(&state, "y").rival, ConflictingClaim::Accepted { name: Some("x".to_owned()) });
    assert_eq!(snapshot_of(&state, "x").rival, ConflictingClaim::None);
}

#[test]
fn a_refusal_frees_the_claim_unless_an_earlier_call_went_unanswered() {
    for class in [FailureClass::Throttled, FailureClass::AccessDenied, FailureClass::Rejected] {
        let mut state = knows([x(), y()]);
        calls(&mut state, "x", 1, Err(class));
        assert_eq!(
            (snapshot_of(&state, "x").claim, snapshot_of(&state, "y").rival),
            (Claim::Refused, ConflictingClaim::None)
        );
        calls(&mut state, "x", 5, Err(FailureClass::Unavailable));
        calls(&mut state, "x", 10, Err(class));
        assert_eq!(snapshot_of(&state, "x").claim, Claim::Unanswered { calling: false });
    }
}

#[test]
fn an_unanswered_claim_in_a_status_outlives_refusals_of_this_process() {
    let mut state = knows([x().intended(), y()]);
    calls(&mut state, "x", 1, Err(FailureClass::Throttled));
    assert_eq!(snapshot_of(&state, "x").claim, Claim::Unanswered { calling: false });
}

#[test]
fn two_empty_reads_a_consistency_window_apart_free_it() {
    let mut state = knows([x().intended(), y()]);
    reads(&mut state, 1, Some(session()));
    reads(&mut state, 30, Some(session()));
    assert_eq!(snapshot_of(&state, "x").claim, Claim::Unanswered { calling: false });
    reads(&mut state, 31, Some(session()));
    assert_eq!(
        (snapshot_of(&state, "x").claim, snapshot_of(&state, "y").rival),
        (Claim::Refused, ConflictingClaim::None)
    );
}

#[test]
fn only_reads_begun_after_the_last_call_count() {
    let mut state = knows([x(), y()]);
    reads(&mut state, 1, Some(session()));
    calls(&mut state, "x", 20, Err(FailureClass::Unavailable));
    reads(&mut state, 20, Some(session()));
    assert_eq!(snapshot_of(&state, "x").evidence, Observation::Unread);
    reads(&mut state, 31, Some(session()));
    assert_eq!(snapshot_of(&state, "x").claim, Claim::Unanswered { calling: false });
    reads(&mut state, 61, Some(session()));
    assert_eq!(snapshot_of(&state, "x").claim, Claim::Refused);
}

#[test]
fn an_old_quiet_period_does_not_release_a_claim_that_is_about_to_be_called() {
    let mut state = knows([x(), y()]);
    reads(&mut state, 1, Some(session()));
    state.acquire_claim(&uid("x"));
    reads(&mut state, 40, Some(session()));
    assert_eq!(snapshot_of(&state, "y").rival, ConflictingClaim::Undecided { name: Some("x".to_owned()) });
    state.release_claim(&uid("x"), true);
    assert_eq!(
        (snapshot_of(&state, "x").claim, snapshot_of(&state, "y").rival),
        (Claim::Refused, ConflictingClaim::None)
    );
}

#[test]
fn missing_is_not_empty() {
    let mut state = knows([x().intended(), y()]);
    reads(&mut state, 1, Some(session()));
    reads(&mut state, 40, None);
    assert_eq!(snapshot_of(&state, "x").claim, Claim::Unanswered { calling: false });
}

#[test]
fn once_seen_an_export_makes_every_empty_read_stale() {
    let mut state = knows([x(), y()]);
    reads(&mut state, 1, Some(session().exported_to(Some(FOREIGN), Pending)));
    for seconds in [10, 50, 90] {
        reads(&mut state, seconds, Some(session().in_state(SessionStatus::Terminated)));
        assert_eq!(snapshot_of(&state, "x").evidence, Observation::Stale);
    }
    let mut state = knows([x(), y()]);
    calls(&mut state, "x", 1, Ok(()));
    reads(&mut state, 5, Some(session()));
    assert_eq!(snapshot_of(&state, "y").evidence, Observation::Stale);
}

#[test]
fn an_earlier_read_that_arrives_late_undoes_nothing_but_may_show_an_export() {
    let mut state = knows([x()]);
    reads(&mut state, 10, Some(session().in_state(SessionStatus::Terminated)));
    reads(&mut state, 9, Some(session().exported_to(Some(KEY), Pending)));
    assert_eq!(snapshot_of(&state, "x").evidence, Observation::Stale);
    reads(&mut state, 11, Some(session().exported_to(Some(KEY), Pending)));
    reads(&mut state, 10, Some(session()));
    assert_eq!(ownership_of(&state, "x"), Ownership::Own);
}

#[test]
fn a_rejection_restores_no_quiet_period_from_before_an_export_was_seen() {
    let mut state = knows([x().intended()]);
    reads(&mut state, 1, Some(session()));
    let before = state.call_begun(&uid("x"), at(20).mono).unwrap();
    reads(&mut state, 21, Some(session().exported_to(Some(KEY), Pending)));
    state.call_failed(&uid("x"), &before, &failure(Operation::Export, FailureClass::Throttled), at(22).mono);
    reads(&mut state, 60, Some(session()));
    assert_eq!(
        (snapshot_of(&state, "x").claim, snapshot_of(&state, "x").evidence),
        (Claim::Unanswered { calling: false }, Observation::Stale)
    );
}

#[test]
fn a_read_that_began_during_an_unanswered_call_shows_nothing_about_it() {
    let mut state = knows([x().intended()]);
    state.acquire_claim(&uid("x"));
    let before = state.call_begun(&uid("x"), at(20).mono).unwrap();
    listed(&mut state, 21, session());
    state.call_failed(&uid("x"), &before, &failure(Operation::Export, FailureClass::Unavailable), at(22).mono);
    assert_eq!(snapshot_of(&state, "x").evidence, Observation::Unread);
    reads(&mut state, 23, Some(session()));
    assert!(matches!(snapshot_of(&state, "x").evidence, Observation::Empty { .. }));
}

#[test]
fn ownership_goes_by_destination() {
    let shows = |objects: Vec<ExportBuilder>, uri: Option<&str>| {
        let mut state = knows(objects);
        reads(&mut state, 1, Some(session().exported_to(uri, Succeeded)));
        ownership_of(&state, "x")
    };
    let nested = "s3://bucket/team/more/20260102.zip";
    let inner = || export().named("y").to("s3://bucket/team/more/");
    assert_eq!(shows(vec![x()], Some(KEY)), Ownership::Own);
    assert_eq!(shows(vec![x()], Some(PREFIX)), Ownership::Own);
    assert_eq!(shows(vec![x()], Some("s3://bucket/team-evil/a.zip")), Ownership::Foreign);
    assert_eq!(shows(vec![x()], Some(nested)), Ownership::Foreign, "a further slash before an intent");
    assert_eq!(shows(vec![x().intended()], Some(nested)), Ownership::Own);
    assert_eq!(shows(vec![x().intended(), inner()], Some(nested)), Ownership::Foreign, "another fits more closely");
    assert_eq!(shows(vec![x(), export().named("y").to(KEY)], Some(KEY)), Ownership::Foreign);
    assert_eq!(shows(vec![x().accepted(), export().named("y").to(KEY)], Some(KEY)), Ownership::Own, "no squatting");
    assert_eq!(shows(vec![x(), export().named("y")], Some(KEY)), Ownership::Own, "the same destination");
    assert_eq!(shows(vec![x().to(ZIP)], Some(ZIP)), Ownership::Own);
    assert_eq!(shows(vec![x().to(ZIP)], Some("s3://bucket/crash.zip.zip")), Ownership::Foreign);
}

#[test]
fn without_a_uri_ownership_goes_by_claims() {
    let shows = |objects: Vec<ExportBuilder>| {
        let mut state = knows(objects);
        reads(&mut state, 1, Some(session().exported_to(None, Pending)));
        ownership_of(&state, "x")
    };
    assert_eq!(shows(vec![x()]), Ownership::Unstated);
    assert_eq!(shows(vec![x().intended()]), Ownership::Own);
    assert_eq!(shows(vec![x().accepted(), y().accepted()]), Ownership::Own);
    assert_eq!(shows(vec![x().intended(), y().intended()]), Ownership::Unstated);
    assert_eq!(shows(vec![x().intended(), export().named("y").intended()]), Ownership::Own, "the same destination");
    assert_eq!(shows(vec![x(), y().accepted()]), Ownership::Conflicting);
    assert_eq!(shows(vec![x(), export().named("y").accepted()]), Ownership::Own);
    let mut refused = knows([x()]);
    calls(&mut refused, "x", 1, Err(FailureClass::Throttled));
    reads(&mut refused, 5, Some(session().exported_to(None, Pending)));
    assert_eq!(ownership_of(&refused, "x"), Ownership::Unstated, "the last answer was a refusal");
}

#[test]
fn a_zip_is_claimed_across_sessions_until_it_fails_or_goes() {
    let other = || export().named("y").of_session("sess2").to(ZIP);
    let rival = |state: &SessionState| snapshot_of(state, "y").rival;
    let name = Some("x".to_owned());
    assert_eq!(rival(&knows([x().to(ZIP).intended(), other()])), ConflictingClaim::Undecided { name: name.clone() });
    assert_eq!(rival(&knows([x().to(ZIP).accepted(), other()])), ConflictingClaim::Accepted { name: name.clone() });
    let done = || x().to(ZIP).accepted().finished(ExportStatus::Succeeded);
    assert_eq!(rival(&knows([done(), other()])), ConflictingClaim::Accepted { name });
    let mut failed = knows([x().to(ZIP).accepted().finished(ExportStatus::Failed), other()]);
    assert_eq!(rival(&failed), ConflictingClaim::None);
    // A FAILED of AWS stays when the status is cleared by hand.
    upsert(&mut failed, x().to(ZIP));
    assert_eq!(rival(&failed), ConflictingClaim::None);
    let mut deleted = knows([x().to(ZIP).accepted(), other()]);
    deleted.mark_deleted(&uid("x"), at(1).mono);
    assert_eq!(rival(&deleted), ConflictingClaim::None);
}

#[test]
fn deleting_leaves_the_claim_on_the_session_until_two_empty_reads() {
    let mut state = knows([x().intended(), y()]);
    state.mark_deleted(&uid("x"), at(1).mono);
    assert!(matches!(snapshot_of(&state, "y").rival, ConflictingClaim::Undecided { .. }));
    reads(&mut state, 2, Some(session()));
    reads(&mut state, 32, Some(session()));
    assert_eq!(snapshot_of(&state, "y").rival, ConflictingClaim::None);
    assert!(state.snapshot(&uid("x"), at(40).mono).is_none());
}

#[test]
fn a_call_refused_after_the_deletion_leaves_nothing_behind() {
    let mut state = knows([x(), y()]);
    state.acquire_claim(&uid("x"));
    let before = state.call_begun(&uid("x"), at(1).mono).unwrap();
    state.mark_deleted(&uid("x"), at(2).mono);
    state.call_failed(&uid("x"), &before, &failure(Operation::Export, FailureClass::Rejected), at(3).mono);
    assert!(state.snapshot(&uid("x"), at(4).mono).is_none());
}

#[test]
fn an_object_that_left_the_watch_and_came_back_lives() {
    let mut state = knows([x().intended(), y()]);
    state.mark_deleted(&uid("x"), at(1).mono);
    upsert(&mut state, x().intended());
    let lives = |state: &SessionState, name: &str| state.snapshot(&uid(name), at(400_001).mono).is_some();
    assert!(lives(&state, "x") && lives(&state, "y"));
    // Objects deleted long ago are dropped; `x` is back and isn't one of them.
    state.mark_deleted(&uid("y"), at(400_000).mono);
    assert!(lives(&state, "x"));
}

#[test]
fn clearing_a_status_drops_nothing_that_the_process_remembers() {
    let mut state = knows([x().accepted()]);
    upsert(&mut state, x());
    assert_eq!(snapshot_of(&state, "x").claim, Claim::Accepted);
    let mut state = knows([x().intended()]);
    upsert(&mut state, x());
    assert_eq!(snapshot_of(&state, "x").claim, Claim::Unanswered { calling: false });
}

#[test]
fn an_intent_that_came_to_nothing_lends_no_weight_after_a_cleared_status() {
    let mut state = knows([x().intended().finished(ExportStatus::Failed)]);
    upsert(&mut state, x());
    reads(&mut state, 1, Some(session().exported_to(Some("s3://bucket/team/more/a.zip"), Succeeded)));
    assert_eq!((snapshot_of(&state, "x").claim, ownership_of(&state, "x")), (Claim::None, Ownership::Foreign));
}

#[test]
fn a_new_leader_pauses_one_consistency_window_for_what_is_shared() {
    let state = knows([x(), y(), export().named("z").of_session("sess2")]);
    let rival = |name, seconds| state.snapshot(&uid(name), at(seconds).mono).unwrap().rival;
    assert!(matches!(rival("x", 29), ConflictingClaim::Undecided { .. }));
    assert_eq!((rival("x", 30), rival("z", 0)), (ConflictingClaim::None, ConflictingClaim::None));
}

#[test]
fn a_read_from_a_new_leaders_pause_is_renewed_before_a_call_for_what_is_shared() {
    for (objects, seconds, in_pause) in
        [(vec![x(), y()], 29, true), (vec![x(), y()], 30, false), (vec![x()], 29, false)]
    {
        let mut state = knows(objects);
        reads(&mut state, seconds, Some(session()));
        assert_eq!(snapshot_of(&state, "x").read_in_pause, in_pause, "at {seconds}");
    }
}

#[test]
fn rivals_elsewhere_are_not_named() {
    let mut state = knows([x()]);
    upsert(&mut state, y().in_namespace("others").intended());
    assert_eq!(snapshot_of(&state, "x").rival, ConflictingClaim::Undecided { name: None });
}

#[test]
fn refusals_long_ago_do_not_add_up() {
    let mut state = knows([x()]);
    for (seconds, count) in [(0, 1), (20, 2), (200, 1), (220, 2), (240, 3), (600, 4)] {
        calls(&mut state, "x", seconds, Err(FailureClass::Rejected));
        assert_eq!(snapshot_of(&state, "x").attempt.refusals.unwrap().count, count, "at {seconds}");
    }
}

#[test]
fn failures_wait_longer_each_time_and_end_with_a_good_read() {
    let mut state = knows([x(), y()]);
    let mut now = 0;
    for wait in [10, 20, 40, 60, 60] {
        state.read_failed(&uid("x"), &failure(Operation::Get, FailureClass::AccessDenied), at(now).mono);
        let trouble = snapshot_of(&state, "x").attempt.read_trouble.unwrap();
        assert_eq!((trouble.since, trouble.retry_at), (at(0).mono, at(now + wait).mono));
        now += wait;
    }
    reads(&mut state, now, Some(session().exported_to(None, Failed)));
    assert_eq!(snapshot_of(&state, "x").attempt.read_trouble, None);
}

#[test]
fn a_wait_is_written_after_30_s_and_many_waits_one_after_another() {
    let names: Vec<String> = (0..100).map(|n| format!("x{n}")).collect();
    let mut state = knows(names.iter().map(|name| export().named(name)));
    let waits =
        |state: &mut SessionState, name: &str, now: u64| state.start_quota_wait(&uid(name), at(0).mono, at(now).mono);
    for name in &names {
        assert_eq!(waits(&mut state, name, 1), at(30).mono, "when to look again");
    }
    let told: Vec<_> = names.iter().map(|name| waits(&mut state, name, 30)).collect();
    assert_eq!(told[0], at(30).mono, "a single one, at once");
    assert_eq!(waits(&mut state, "x0", 30), at(60).mono, "its turn has come");
    for (one, next) in told.iter().zip(&told[1..]) {
        assert_eq!(*next - *one, Duration::from_millis(50));
    }
    assert_eq!(snapshot_of(&state, "x99").attempt.tells_at, Some(told[99]));
    assert_eq!(waits(&mut state, "x99", 31), told[99], "it keeps its slot");
    assert_eq!(waits(&mut state, "x99", 40), at(70).mono, "once its status is written, it is reconciled now and then");
}

#[test]
fn a_second_wait_for_quota_gets_its_own_status_write() {
    let mut state = knows([x()]);
    let name = uid("x");
    state.start_quota_wait(&name, at(0).mono, at(0).mono);
    state.start_quota_wait(&name, at(0).mono, at(30).mono);
    state.end_quota_wait(&name);
    assert_eq!(
        (snapshot_of(&state, "x").attempt.waiting_since, snapshot_of(&state, "x").attempt.tells_at),
        (None, None)
    );
    state.start_quota_wait(&name, at(0).mono, at(40).mono);
    assert_eq!(
        state.start_quota_wait(&name, at(50).mono, at(50).mono),
        at(80).mono,
        "a turn that was lost and asked for again"
    );
    assert_eq!(snapshot_of(&state, "x").attempt.tells_at, None);
}

/// Seconds for each of `count` objects of one session, each with its own destination: the fastest of three runs.
fn cost_of_each(count: usize) -> f64 {
    let objects: Vec<_> = (0..count)
        .map(|n| covered(x().named(&format!("x{n}")).to(&format!("s3://bucket/{n}/")).intended().build()))
        .collect();
    let round = || {
        let begun = std::time::Instant::now();
        let mut state = SessionState::new(timing(), at(0).mono);
        objects.iter().for_each(|covered| state.upsert_object(covered, at(0).mono));
        for seconds in 1..=10 {
            let shown = (seconds % 2 == 0).then_some("s3://bucket/7/x.zip");
            reads(&mut state, seconds, Some(session().exported_to(shown, Pending)));
            for covered in &objects {
                assert_ne!(state.snapshot(&covered.uid, at(seconds).mono).unwrap().evidence, Observation::Unread);
            }
        }
        begun.elapsed().as_secs_f64()
    };
    (0..3).map(|_| round()).fold(f64::INFINITY, f64::min) / count as f64
}

#[test]
fn each_of_4000_objects_of_one_session_costs_what_one_of_250_does() {
    let (few, many) = (cost_of_each(250), cost_of_each(4000));
    println!("{:.1} times as much: {:.1} and {:.1} us", many / few, few * 1e6, many * 1e6);
    assert!(many < 2.5 * few, "{few} s each of 250, {many} s each of 4,000");
}

#[test]
fn what_shares_a_session_is_found_by_standing_and_destination_however_many_there_are() {
    let others = (0..100).map(|n| x().named(&format!("o{n}")).to(&format!("s3://bucket/o{n}.zip")));
    let mut state = knows(others.chain([x(), x().named("twin"), x().named("closer").to(NESTED)]));
    let rival = |state: &SessionState, name| snapshot_of(state, name).rival;
    assert_eq!(rival(&state, "x"), ConflictingClaim::None);
    reads(&mut state, 1, Some(session().exported_to(Some(&format!("{NESTED}k.zip")), Pending)));
    assert_eq!((ownership_of(&state, "closer"), ownership_of(&state, "o7")), (Ownership::Own, Ownership::Foreign));
    state.acquire_claim(&uid("twin"));
    assert!(snapshot_of(&state, "x").twin_intended && !snapshot_of(&state, "twin").twin_intended);
    assert_eq!(rival(&state, "o7"), ConflictingClaim::Undecided { name: Some("twin".to_owned()) });
    calls(&mut state, "twin", 2, Ok(()));
    assert_eq!(
        rival(&state, "x"),
        ConflictingClaim::Undecided { name: Some("twin".to_owned()) },
        "the same destination is no conflict"
    );
    assert_eq!(rival(&state, "o7"), ConflictingClaim::Accepted { name: Some("twin".to_owned()) });
    state.mark_deleted(&uid("twin"), at(3).mono);
    assert_eq!(
        rival(&state, "o7"),
        ConflictingClaim::Accepted { name: Some("twin".to_owned()) },
        "its claim outlives it"
    );
}
