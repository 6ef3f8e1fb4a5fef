//! Memory: what frees a claim, what counts as evidence, whose export it is.

use super::evidence::{Evidence, Rival, Whose};
use super::fixtures::{ExportBuilder, FOREIGN, KEY, PREFIX, ZIP, arn, at, export, session, target, timing, uid};
use super::memory::{Claim, Memory, Recollection};
use crate::api::ExportStatus;
use crate::streams::observation::ExportFilesStatus::{Failed, Pending, Succeeded};
use crate::streams::observation::{FailureClass, Reading, SessionStatus, SessionView, Source};
use std::time::Duration;

/// A leader that knows these objects.
fn knows(objects: impl IntoIterator<Item = ExportBuilder>) -> Memory {
    let mut memory = Memory::new(timing(), at(0).mono);
    objects.into_iter().for_each(|builder| learn(&mut memory, builder));
    memory
}

fn learn(memory: &mut Memory, builder: ExportBuilder) {
    let export = builder.build();
    memory.learn(&export, &target(&export));
}

fn reads(memory: &mut Memory, seconds: u64, found: Option<SessionView>) {
    memory.read(&arn("sess1"), Reading { begun: at(seconds).mono, source: Source::Get, found });
}

fn seen(memory: &Memory, name: &str) -> Recollection {
    memory.recall(&uid(name), at(1000).mono).unwrap()
}

fn whose(memory: &Memory, name: &str) -> Whose {
    let Evidence::Export { whose, .. } = seen(memory, name).evidence else { panic!("AWS shows no export") };
    whose
}

fn x() -> ExportBuilder {
    export()
}

fn y() -> ExportBuilder {
    export().named("y").to(ZIP)
}

fn calls(memory: &mut Memory, name: &str, seconds: u64, answer: Result<(), FailureClass>) {
    memory.claim(&uid(name));
    let before = memory.call_begun(&uid(name), at(seconds).mono).unwrap();
    match answer {
        Ok(()) => memory.call_accepted(&uid(name), "id".to_owned()),
        Err(class) => memory.call_failed(&uid(name), &before, class, "ExportStreamSessionFiles", at(seconds + 1).mono),
    }
}

fn listed(memory: &mut Memory, seconds: u64, view: SessionView) -> bool {
    memory.read(&arn("sess1"), Reading { begun: at(seconds).mono, source: Source::List, found: Some(view) })
}

#[test]
fn what_a_list_repeats_is_no_news_and_what_it_leaves_out_is_not_forgotten() {
    let summary = || SessionView { session_length: None, ..session() };
    let mut memory = knows([x()]);
    assert!(listed(&mut memory, 1, summary()), "a first reading");
    assert!(!listed(&mut memory, 2, summary()), "the same again");
    assert_eq!(seen(&memory, "x").read_at, Some(at(2).mono), "but it keeps what is known fresh");
    reads(&mut memory, 3, Some(session().exported_to(Some(KEY), Pending)));
    assert!(!listed(&mut memory, 4, summary().exported_to(None, Pending)));
    assert!(!listed(&mut memory, 5, summary().exported_to(Some(KEY), Pending)));
    assert_eq!(whose(&memory, "x"), Whose::Ours);
    assert_eq!(seen(&memory, "x").view.unwrap().session_length, session().session_length);
    assert!(listed(&mut memory, 6, summary().exported_to(Some(FOREIGN), Pending)), "another destination");
    assert!(listed(&mut memory, 7, summary().exported_to(None, Succeeded)), "another status");
}

#[test]
fn a_destination_that_only_a_get_could_tell_is_not_asked_for_again_at_each_list() {
    let mut memory = knows([x()]);
    reads(&mut memory, 1, Some(session().exported_to(None, Pending)));
    assert!(!listed(&mut memory, 2, session().exported_to(None, Pending)));
    let Evidence::Export { source, .. } = seen(&memory, "x").evidence else { panic!("AWS shows no export") };
    assert_eq!(source, Source::Get);
}

#[test]
fn lists_that_lag_prove_no_absence_once_an_export_was_seen() {
    let mut memory = knows([x().accepted()]);
    listed(&mut memory, 1, session().in_state(SessionStatus::Terminated));
    assert_eq!(seen(&memory, "x").evidence, Evidence::Stale);
    let mut memory = knows([x(), y()]);
    calls(&mut memory, "x", 1, Ok(()));
    listed(&mut memory, 40, session());
    listed(&mut memory, 80, session());
    assert_eq!((seen(&memory, "x").evidence, seen(&memory, "x").claim), (Evidence::Stale, Claim::Accepted));
}

#[test]
fn a_list_costs_nothing_for_what_has_finished() {
    let mut memory = knows([x().accepted().finished(ExportStatus::Succeeded)]);
    assert!(!listed(&mut memory, 1, session().exported_to(Some(KEY), Succeeded)));
    assert_eq!(seen(&memory, "x").view, None);
}

#[test]
fn a_200_counts_at_once_and_beats_a_claim() {
    let mut memory = knows([x(), y()]);
    memory.claim(&uid("x"));
    assert_eq!(seen(&memory, "y").rival, Rival::Undecided { name: Some("x".to_owned()) });
    calls(&mut memory, "x", 1, Ok(()));
    assert_eq!(seen(&memory, "y").rival, Rival::Accepted { name: Some("x".to_owned()) });
    assert_eq!(seen(&memory, "x").rival, Rival::None);
}

#[test]
fn a_refusal_frees_the_claim_unless_an_earlier_call_went_unanswered() {
    for class in [FailureClass::Throttled, FailureClass::AccessDenied, FailureClass::Rejected] {
        let mut memory = knows([x(), y()]);
        calls(&mut memory, "x", 1, Err(class));
        assert_eq!((seen(&memory, "x").claim, seen(&memory, "y").rival), (Claim::Refused, Rival::None));
        calls(&mut memory, "x", 5, Err(FailureClass::Unavailable));
        calls(&mut memory, "x", 10, Err(class));
        assert_eq!(seen(&memory, "x").claim, Claim::Unanswered);
    }
}

#[test]
fn an_unanswered_claim_in_a_status_outlives_refusals_of_this_process() {
    let mut memory = knows([x().intended(), y()]);
    calls(&mut memory, "x", 1, Err(FailureClass::Throttled));
    assert_eq!(seen(&memory, "x").claim, Claim::Unanswered);
}

#[test]
fn two_empty_reads_a_consistency_window_apart_free_it() {
    let mut memory = knows([x().intended(), y()]);
    reads(&mut memory, 1, Some(session()));
    reads(&mut memory, 30, Some(session()));
    assert_eq!(seen(&memory, "x").claim, Claim::Unanswered);
    reads(&mut memory, 31, Some(session()));
    assert_eq!((seen(&memory, "x").claim, seen(&memory, "y").rival), (Claim::Refused, Rival::None));
}

#[test]
fn only_reads_begun_after_the_last_call_count() {
    let mut memory = knows([x(), y()]);
    reads(&mut memory, 1, Some(session()));
    calls(&mut memory, "x", 20, Err(FailureClass::Unavailable));
    reads(&mut memory, 20, Some(session()));
    assert_eq!(seen(&memory, "x").evidence, Evidence::Unread);
    reads(&mut memory, 31, Some(session()));
    assert_eq!(seen(&memory, "x").claim, Claim::Unanswered);
    reads(&mut memory, 61, Some(session()));
    assert_eq!(seen(&memory, "x").claim, Claim::Refused);
}

#[test]
fn an_old_quiet_does_not_free_a_claim_that_is_about_to_be_called_on() {
    let mut memory = knows([x(), y()]);
    reads(&mut memory, 1, Some(session()));
    memory.claim(&uid("x"));
    reads(&mut memory, 40, Some(session()));
    assert_eq!(seen(&memory, "y").rival, Rival::Undecided { name: Some("x".to_owned()) });
    memory.unclaim(&uid("x"), true);
    assert_eq!((seen(&memory, "x").claim, seen(&memory, "y").rival), (Claim::Refused, Rival::None));
}

#[test]
fn missing_is_not_empty() {
    let mut memory = knows([x().intended(), y()]);
    reads(&mut memory, 1, Some(session()));
    reads(&mut memory, 40, None);
    assert_eq!(seen(&memory, "x").claim, Claim::Unanswered);
}

#[test]
fn once_seen_an_export_makes_every_empty_read_stale() {
    let mut memory = knows([x(), y()]);
    reads(&mut memory, 1, Some(session().exported_to(Some(FOREIGN), Pending)));
    for seconds in [10, 50, 90] {
        reads(&mut memory, seconds, Some(session().in_state(SessionStatus::Terminated)));
        assert_eq!(seen(&memory, "x").evidence, Evidence::Stale);
    }
    let mut memory = knows([x(), y()]);
    calls(&mut memory, "x", 1, Ok(()));
    reads(&mut memory, 5, Some(session()));
    assert_eq!(seen(&memory, "y").evidence, Evidence::Stale);
}

#[test]
fn an_earlier_read_that_arrives_late_undoes_nothing_but_may_tell_of_an_export() {
    let mut memory = knows([x()]);
    reads(&mut memory, 10, Some(session().in_state(SessionStatus::Terminated)));
    reads(&mut memory, 9, Some(session().exported_to(Some(KEY), Pending)));
    assert_eq!(seen(&memory, "x").evidence, Evidence::Stale);
    reads(&mut memory, 11, Some(session().exported_to(Some(KEY), Pending)));
    reads(&mut memory, 10, Some(session()));
    assert_eq!(whose(&memory, "x"), Whose::Ours);
}

#[test]
fn a_refusal_brings_back_no_quiet_from_before_an_export_was_seen() {
    let mut memory = knows([x().intended()]);
    reads(&mut memory, 1, Some(session()));
    let before = memory.call_begun(&uid("x"), at(20).mono).unwrap();
    reads(&mut memory, 21, Some(session().exported_to(Some(KEY), Pending)));
    memory.call_failed(&uid("x"), &before, FailureClass::Throttled, "ExportStreamSessionFiles", at(22).mono);
    reads(&mut memory, 60, Some(session()));
    assert_eq!((seen(&memory, "x").claim, seen(&memory, "x").evidence), (Claim::Unanswered, Evidence::Stale));
}

#[test]
fn ownership_goes_by_destination() {
    let shows = |objects: Vec<ExportBuilder>, uri: Option<&str>| {
        let mut memory = knows(objects);
        reads(&mut memory, 1, Some(session().exported_to(uri, Succeeded)));
        whose(&memory, "x")
    };
    let nested = "s3://bucket/team/more/20260102.zip";
    let inner = || export().named("y").to("s3://bucket/team/more/");
    assert_eq!(shows(vec![x()], Some(KEY)), Whose::Ours);
    assert_eq!(shows(vec![x()], Some(PREFIX)), Whose::Ours);
    assert_eq!(shows(vec![x()], Some("s3://bucket/team-evil/a.zip")), Whose::Anothers);
    assert_eq!(shows(vec![x()], Some(nested)), Whose::Anothers, "a further slash before an intent");
    assert_eq!(shows(vec![x().intended()], Some(nested)), Whose::Ours);
    assert_eq!(shows(vec![x().intended(), inner()], Some(nested)), Whose::Anothers, "another fits more closely");
    assert_eq!(shows(vec![x(), export().named("y").to(KEY)], Some(KEY)), Whose::Anothers);
    assert_eq!(shows(vec![x().accepted(), export().named("y").to(KEY)], Some(KEY)), Whose::Ours, "no squatting");
    assert_eq!(shows(vec![x().to(ZIP)], Some(ZIP)), Whose::Ours);
    assert_eq!(shows(vec![x().to(ZIP)], Some("s3://bucket/crash.zip.zip")), Whose::Anothers);
}

#[test]
fn without_a_uri_ownership_goes_by_claims() {
    let shows = |objects: Vec<ExportBuilder>| {
        let mut memory = knows(objects);
        reads(&mut memory, 1, Some(session().exported_to(None, Pending)));
        whose(&memory, "x")
    };
    assert_eq!(shows(vec![x()]), Whose::Unstated);
    assert_eq!(shows(vec![x().intended()]), Whose::Ours);
    assert_eq!(shows(vec![x().accepted(), y().accepted()]), Whose::Ours);
    assert_eq!(shows(vec![x().intended(), y().intended()]), Whose::Unstated);
    assert_eq!(shows(vec![x().intended(), export().named("y").intended()]), Whose::Ours, "the same destination");
    assert_eq!(shows(vec![x(), y().accepted()]), Whose::Rivals);
    assert_eq!(shows(vec![x(), export().named("y").accepted()]), Whose::Ours);
    let mut refused = knows([x()]);
    calls(&mut refused, "x", 1, Err(FailureClass::Throttled));
    reads(&mut refused, 5, Some(session().exported_to(None, Pending)));
    assert_eq!(whose(&refused, "x"), Whose::Unstated, "the last answer was a refusal");
}

#[test]
fn a_zip_is_claimed_across_sessions_until_it_fails_or_goes() {
    let other = || export().named("y").of_session("sess2").to(ZIP);
    let rival = |memory: &Memory| seen(memory, "y").rival;
    let name = Some("x".to_owned());
    assert_eq!(rival(&knows([x().to(ZIP).intended(), other()])), Rival::Undecided { name: name.clone() });
    assert_eq!(rival(&knows([x().to(ZIP).accepted(), other()])), Rival::Accepted { name: name.clone() });
    let done = || x().to(ZIP).accepted().finished(ExportStatus::Succeeded);
    assert_eq!(rival(&knows([done(), other()])), Rival::Accepted { name });
    let mut failed = knows([x().to(ZIP).accepted().finished(ExportStatus::Failed), other()]);
    assert_eq!(rival(&failed), Rival::None);
    // AWS's word stands, also when the status is cleared by hand.
    learn(&mut failed, x().to(ZIP));
    assert_eq!(rival(&failed), Rival::None);
    let mut deleted = knows([x().to(ZIP).accepted(), other()]);
    deleted.forget(&uid("x"), at(1).mono);
    assert_eq!(rival(&deleted), Rival::None);
}

#[test]
fn deleting_leaves_the_claim_on_the_session_until_two_empty_reads() {
    let mut memory = knows([x().intended(), y()]);
    memory.forget(&uid("x"), at(1).mono);
    assert!(matches!(seen(&memory, "y").rival, Rival::Undecided { .. }));
    reads(&mut memory, 2, Some(session()));
    reads(&mut memory, 32, Some(session()));
    assert_eq!(seen(&memory, "y").rival, Rival::None);
    assert!(memory.recall(&uid("x"), at(40).mono).is_none());
}

#[test]
fn a_call_refused_after_the_deletion_leaves_nothing_behind() {
    let mut memory = knows([x(), y()]);
    memory.claim(&uid("x"));
    let before = memory.call_begun(&uid("x"), at(1).mono).unwrap();
    memory.forget(&uid("x"), at(2).mono);
    memory.call_failed(&uid("x"), &before, FailureClass::Rejected, "ExportStreamSessionFiles", at(3).mono);
    assert!(memory.recall(&uid("x"), at(4).mono).is_none());
}

#[test]
fn an_object_that_left_the_watch_and_came_back_lives() {
    let mut memory = knows([x().intended(), y()]);
    memory.forget(&uid("x"), at(1).mono);
    learn(&mut memory, x().intended());
    let lives = |memory: &Memory, name: &str| memory.recall(&uid(name), at(400_001).mono).is_some();
    assert!(lives(&memory, "x") && lives(&memory, "y"));
    // The deleted of long ago are dropped, and it is none of them.
    memory.forget(&uid("y"), at(400_000).mono);
    assert!(lives(&memory, "x"));
}

#[test]
fn clearing_a_status_drops_nothing_that_the_process_remembers() {
    let mut memory = knows([x().accepted()]);
    learn(&mut memory, x());
    assert_eq!(seen(&memory, "x").claim, Claim::Accepted);
    let mut memory = knows([x().intended()]);
    learn(&mut memory, x());
    assert_eq!(seen(&memory, "x").claim, Claim::Unanswered);
}

#[test]
fn an_intent_that_came_to_nothing_lends_no_weight_after_a_cleared_status() {
    let mut memory = knows([x().intended().finished(ExportStatus::Failed)]);
    learn(&mut memory, x());
    reads(&mut memory, 1, Some(session().exported_to(Some("s3://bucket/team/more/a.zip"), Succeeded)));
    assert_eq!((seen(&memory, "x").claim, whose(&memory, "x")), (Claim::None, Whose::Anothers));
}

#[test]
fn a_new_leader_pauses_one_consistency_window_for_what_is_shared() {
    let memory = knows([x(), y(), export().named("z").of_session("sess2")]);
    let rival = |name, seconds| memory.recall(&uid(name), at(seconds).mono).unwrap().rival;
    assert!(matches!(rival("x", 29), Rival::Undecided { .. }));
    assert_eq!((rival("x", 30), rival("z", 0)), (Rival::None, Rival::None));
}

#[test]
fn rivals_elsewhere_are_not_named() {
    let mut memory = knows([x()]);
    let mut other = y().intended().build();
    other.namespace = "others".into();
    memory.learn(&other, &target(&other));
    assert_eq!(seen(&memory, "x").rival, Rival::Undecided { name: None });
}

#[test]
fn refusals_long_ago_do_not_add_up() {
    let mut memory = knows([x()]);
    for (seconds, count) in [(0, 1), (20, 2), (200, 1), (220, 2), (240, 3), (600, 4)] {
        calls(&mut memory, "x", seconds, Err(FailureClass::Rejected));
        assert_eq!(seen(&memory, "x").attempt.refusals.unwrap().count, count, "at {seconds}");
    }
}

#[test]
fn trouble_waits_longer_each_time_and_ends_with_a_good_read() {
    let mut memory = knows([x(), y()]);
    let mut now = 0;
    for wait in [10, 20, 40, 60, 60] {
        memory.read_failed(&uid("x"), FailureClass::AccessDenied, "GetStreamSession", at(now).mono);
        let trouble = seen(&memory, "x").attempt.read_trouble.unwrap();
        assert_eq!((trouble.since, trouble.retry_at), (at(0).mono, at(now + wait).mono));
        now += wait;
    }
    reads(&mut memory, now, Some(session().exported_to(None, Failed)));
    assert_eq!(seen(&memory, "x").attempt.read_trouble, None);
}

#[test]
fn a_wait_is_told_after_30_s_and_the_waits_of_many_one_after_another() {
    let names: Vec<String> = (0..100).map(|n| format!("x{n}")).collect();
    let mut memory = knows(names.iter().map(|name| export().named(name)));
    let waits = |memory: &mut Memory, name: &str, now: u64| memory.waits(&uid(name), at(0).mono, at(now).mono);
    for name in &names {
        assert_eq!(waits(&mut memory, name, 1), at(30).mono, "when to look again");
    }
    let told: Vec<_> = names.iter().map(|name| waits(&mut memory, name, 30)).collect();
    assert_eq!(told[0], at(30).mono, "a single one, at once");
    for (one, next) in told.iter().zip(&told[1..]) {
        assert_eq!(*next - *one, Duration::from_millis(50));
    }
    assert_eq!(seen(&memory, "x99").attempt.tells_at, Some(told[99]));
    assert_eq!(waits(&mut memory, "x99", 31), told[99], "it keeps its slot");
    assert_eq!(waits(&mut memory, "x99", 40), at(70).mono, "once it has been told, it is looked at now and then");
}

#[test]
fn a_new_wait_is_told_anew() {
    let mut memory = knows([x()]);
    let name = uid("x");
    memory.waits(&name, at(0).mono, at(0).mono);
    memory.waits(&name, at(0).mono, at(30).mono);
    memory.waits_no_more(&name);
    assert_eq!((seen(&memory, "x").attempt.waiting_since, seen(&memory, "x").attempt.tells_at), (None, None));
    memory.waits(&name, at(0).mono, at(40).mono);
    assert_eq!(memory.waits(&name, at(50).mono, at(50).mono), at(80).mono, "a turn that was lost and asked for again");
    assert_eq!(seen(&memory, "x").attempt.tells_at, None);
}
