//! Single histories, one for each test.

use crate::api::{ExportStatus, Reason};
use crate::aws::failure::FailureClass;
use crate::aws::model::SessionStatus;
use crate::export::fixtures::{ExportBuilder, arn, export, secs, wall};
use crate::export::world::{CallPlan, CrashPoint, ReadPlan, World};
use crate::export::world_aws::{Aws, Second, Shown, key};

pub(crate) const PREFIX: &str = "s3://bucket/a/";
pub(crate) const NESTED: &str = "s3://bucket/a/n/";
pub(crate) const ZIP: &str = "s3://bucket/k.zip";
pub(crate) const ELSEWHERE: &str = "s3://foreign/x/";

fn documented() -> Aws {
    Aws::new(Shown::Key, Second::Replaces, true)
}

fn x() -> ExportBuilder {
    export().to(PREFIX)
}

/// Sets the results of the next reads for an object.
fn reads(world: &mut World, name: &str, plans: impl IntoIterator<Item = ReadPlan>) {
    world.reads.entry(name.to_owned()).or_default().extend(plans);
}

/// Sets the results of its next calls.
fn calls(world: &mut World, name: &str, plans: impl IntoIterator<Item = CallPlan>) {
    world.calls.entry(name.to_owned()).or_default().extend(plans);
}

fn word(world: &World, name: &str) -> String {
    let status = &world.objects[name].export.status;
    status.conditions.iter().find(|c| c.type_ == "Succeeded").map(|c| c.reason.to_string()).unwrap_or_default()
}

/// The session ends, the ZIP arrives.
pub(crate) fn ends(world: &mut World, session: &str) {
    let now = crate::export::fixtures::at(world.seconds).mono;
    world.aws.moves(&arn(session), SessionStatus::Terminated, now);
    world.run(60);
    let now = crate::export::fixtures::at(world.seconds).mono;
    world.aws.delivers(&arn(session), true, now);
    world.run(120);
}

#[test]
fn an_export_costs_three_writes_and_one_call_and_none_while_pending() {
    let mut world = World::new(documented());
    world.create(x());
    world.run(10);
    assert_eq!((word(&world, "x").as_str(), world.objects["x"].writes), ("ExportPending", 2));
    world.run(86_000);
    assert_eq!(world.objects["x"].writes, 2);
    ends(&mut world, "sess1");
    let object = &world.objects["x"];
    assert_eq!((object.export.status.export_status, object.writes), (Some(ExportStatus::Succeeded), 3));
    assert_eq!(object.export.status.output_uri.as_deref(), Some(key(PREFIX).as_str()));
    assert_eq!(world.calls_made, 1);
    world.run(86_400);
    assert_eq!(world.objects["x"].writes, 3);
}

#[test]
fn an_export_of_a_live_session_in_a_list_is_requested_without_a_get() {
    for names_uri in [true, false] {
        let mut world = World::new(documented());
        world.create(x());
        // A Get after the page fails the test.
        let gets = [ReadPlan::Fails(FailureClass::Rejected); 8];
        reads(&mut world, "x", [ReadPlan::Listed(0, names_uri)].into_iter().chain(gets));
        world.run(5);
        assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportPending", 1));
    }
}

#[test]
fn an_object_that_is_made_after_a_list_has_shown_its_session_costs_no_read() {
    for (seconds, reads) in [(1, 0), (60, 0), (61, 1)] {
        let mut world = World::new(documented());
        world.aws.starts(&arn("sess1"), SessionStatus::Active, crate::export::fixtures::at(0).mono);
        world.lists(&arn("sess1"), 0, true);
        world.seconds = seconds;
        world.create(x());
        world.run(3);
        assert_eq!((world.calls_made, world.reads_made), (1, reads), "after {seconds} s");
    }
}

#[test]
fn lists_that_lag_behind_the_call_end_nothing_and_cause_no_second_call() {
    let mut world = World::new(documented());
    world.create(x());
    world.run(10);
    let (writes, session) = (world.objects["x"].writes, arn("sess1"));
    for lag in [10, 9, 20, 0, 20] {
        world.lists(&session, lag, false);
        world.run(40);
    }
    assert_eq!((word(&world, "x").as_str(), world.objects["x"].writes), ("ExportPending", writes));
    assert_eq!(world.calls_made, 1);
}

#[test]
fn a_summary_without_uri_ends_a_zip_and_costs_a_prefix_one_read() {
    for (uri, shown) in [(ZIP, ZIP.to_owned()), (PREFIX, key(PREFIX))] {
        let mut world = World::new(documented());
        world.create(export().to(uri));
        world.run(40);
        let now = crate::export::fixtures::at(world.seconds).mono;
        world.aws.moves(&arn("sess1"), SessionStatus::Terminated, now);
        world.aws.delivers(&arn("sess1"), true, now);
        world.lists(&arn("sess1"), 0, false);
        if uri == ZIP {
            reads(&mut world, "x", [ReadPlan::Fails(FailureClass::Rejected); 8]);
        }
        world.run(1);
        let status = &world.objects["x"].export.status;
        assert_eq!((word(&world, "x").as_str(), status.output_uri.as_deref()), ("Exported", Some(shown.as_str())));
    }
}

#[test]
fn killed_right_after_aws_accepted_it_adopts_without_a_second_call() {
    let mut world = World::new(documented());
    world.create(x());
    world.crash_point = Some(CrashPoint::AfterCall);
    world.run(20);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportPending", 1));
}

#[test]
fn a_lost_reply_is_answered_by_reading() {
    let mut world = World::new(documented());
    world.create(x());
    calls(&mut world, "x", [CallPlan::LosesReply(1)]);
    world.run(20);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportPending", 1));
}

#[test]
fn a_lost_call_is_made_again() {
    let mut world = World::new(documented());
    world.create(x());
    calls(&mut world, "x", [CallPlan::Lost]);
    world.run(20);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportPending", 2));
}

#[test]
fn two_destinations_wait_for_each_other_and_the_loser_never_calls() {
    let mut world = World::new(documented());
    world.create(x());
    world.create(x().named("y").to(NESTED));
    world.run(120);
    assert_eq!(world.calls_made, 1);
    ends(&mut world, "sess1");
    let mut words = [word(&world, "x"), word(&world, "y")];
    words.sort();
    assert_eq!(words, ["ExportConflict", "Exported"]);
}

#[test]
fn one_call_serves_two_objects_with_the_same_destination() {
    for shown in [Shown::Key, Shown::Given, Shown::Nothing] {
        let mut world = World::new(Aws::new(shown, Second::Replaces, true));
        world.create(x());
        world.create(x().named("y"));
        world.run(120);
        ends(&mut world, "sess1");
        assert_eq!((word(&world, "x"), word(&world, "y")), ("Exported".to_owned(), "Exported".to_owned()));
        assert_eq!(world.calls_made, 1);
    }
}

#[test]
fn of_two_sessions_with_one_zip_the_first_accepted_keeps_it() {
    let mut world = World::new(documented());
    world.create(x().to(ZIP));
    world.create(x().named("y").of_session("sess2").to(ZIP));
    world.run(120);
    assert_eq!(world.calls_made, 1);
    let mut words = [word(&world, "x"), word(&world, "y")];
    words.sort();
    assert_eq!(words, ["ExportConflict", "ExportPending"]);
}

#[test]
fn deleting_frees_a_zip_but_not_the_session() {
    let mut world = World::new(documented());
    world.create(x().to(ZIP));
    world.run(40);
    world.delete("x");
    world.create(x().named("y").of_session("sess2").to(ZIP));
    world.create(x().named("z").to(NESTED));
    world.run(120);
    assert_eq!((word(&world, "y").as_str(), word(&world, "z").as_str()), ("ExportPending", "ExportConflict"));
}

#[test]
fn a_deleted_objects_zip_is_held_again_once_another_object_has_recorded_its_export() {
    let mut world = World::new(documented());
    world.create(x().to(ZIP));
    world.run(40);
    world.delete("x");
    world.create(x().named("y").with_uid("y").to(ZIP));
    world.run(40);
    assert_eq!((word(&world, "y").as_str(), world.calls_made), ("ExportPending", 1));
    world.create(x().named("z").of_session("sess2").to(ZIP));
    world.run(120);
    assert_eq!((word(&world, "z").as_str(), world.calls_made), ("ExportConflict", 1));
}

#[test]
fn a_deleted_objects_unanswered_claim_is_freed_by_two_empty_reads() {
    let mut world = World::new(documented());
    world.create(x());
    calls(&mut world, "x", [CallPlan::Lost]);
    world.run(3);
    world.delete("x");
    world.create(x().named("y").to(NESTED));
    world.run(20);
    assert_eq!(world.calls_made, 1);
    world.run(60);
    assert_eq!((word(&world, "y").as_str(), world.calls_made), ("ExportPending", 2));
}

#[test]
fn a_recreated_object_adopts() {
    let mut world = World::new(documented());
    world.create(x());
    world.run(10);
    ends(&mut world, "sess1");
    world.delete("x");
    world.create(x().named("again"));
    world.run(10);
    assert_eq!((word(&world, "again").as_str(), world.calls_made), ("Exported", 1));
    assert_eq!(world.objects["again"].writes, 1);
}

#[test]
fn a_status_cleared_by_hand_is_rebuilt() {
    let mut world = World::new(documented());
    world.create(x());
    world.run(10);
    world.clear_status("x");
    world.run(60);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportPending", 1));
    ends(&mut world, "sess1");
    world.clear_status("x");
    world.run(60);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), ("Exported", 1));
}

#[test]
fn a_new_leader_pauses_for_two_objects_of_one_session_and_then_goes_on() {
    let mut world = World::new(documented());
    world.create(x());
    world.create(x().named("y").to(NESTED));
    world.run(25);
    assert_eq!(world.calls_made, 0);
    world.run(10);
    assert_eq!(world.calls_made, 1);
}

#[test]
fn what_a_new_leaders_first_read_did_not_show_is_seen_before_its_first_call() {
    let mut world = World::new(documented());
    // Longer than the pause: nothing else has the session read meanwhile.
    world.poll_interval = secs(60);
    world.run(31);
    world.create(x().named("y"));
    calls(&mut world, "y", [CallPlan::LosesReply(4)]);
    world.run(2);
    world.clear_status("y");
    world.create(x().to(NESTED));
    world.crash();
    world.run(120);
    assert_eq!((word(&world, "x").as_str(), word(&world, "y").as_str()), ("ExportConflict", "ExportPending"));
    assert_eq!(world.calls_made, 1);
}

#[test]
fn a_conflict_of_one_intent_does_not_hand_its_export_to_another() {
    let mut world = World::new(Aws::new(Shown::Nothing, Second::Replaces, false));
    // Requested without effect.
    world.create(x().named("second"));
    calls(&mut world, "second", [CallPlan::Lost]);
    world.run(3);
    world.toggle_suspend("second");
    world.run(3);
    // Requested and accepted, but the answer is lost; the crash also loses that the other object's claim was free.
    world.create(x().named("first").to(NESTED));
    calls(&mut world, "first", [CallPlan::LosesReply(1)]);
    world.crash_point = Some(CrashPoint::AfterCall);
    world.run(120);
    assert_eq!((world.calls_made, world.aws.asked(&arn("sess1"))), (2, Some(NESTED)));
    ends(&mut world, "sess1");
    assert_eq!(
        (word(&world, "first"), word(&world, "second")),
        ("ExportConflict".to_owned(), "ExportConflict".to_owned())
    );
}

#[test]
fn a_result_below_a_nested_prefix_is_never_taken_for_ones_own() {
    let mut world = World::new(Aws::new(Shown::Nothing, Second::Replaces, true));
    world.create(x().named("a-outer"));
    world.create(x().named("b-inner").to(NESTED));
    // One is denied; the other one's call is accepted, but its answer is lost.
    calls(&mut world, "a-outer", [CallPlan::Refused(FailureClass::Credentials)]);
    calls(&mut world, "b-inner", [CallPlan::LosesReply(0)]);
    world.run(300);
    assert_eq!((world.calls_made, world.aws.asked(&arn("sess1"))), (2, Some(NESTED)));
    // Status and state are lost, too: an export that is PENDING without a URI passes for the only intent that is left.
    world.clear_status("b-inner");
    world.crash();
    world.run(60);
    assert_eq!(word(&world, "a-outer"), "ExportPending");
    ends(&mut world, "sess1");
    assert_eq!(word(&world, "a-outer"), "ExportConflict");
}

#[test]
fn a_foreign_export_that_a_call_of_ours_is_about_to_replace_is_no_conflict_yet() {
    let mut world = World::new(documented());
    world.create(x());
    world.run(1);
    // Its call is in flight when a foreign export shows, to another object with the same target.
    let now = crate::export::fixtures::at(world.seconds).mono;
    world.aws.export(&arn("sess1"), &ELSEWHERE.parse().unwrap(), false, now).unwrap();
    world.create(x().named("y"));
    world.run(120);
    ends(&mut world, "sess1");
    assert_eq!((word(&world, "x"), word(&world, "y")), ("Exported".to_owned(), "Exported".to_owned()));
}

#[test]
fn a_long_outage_of_reads_shows_once_and_passes() {
    let mut world = World::new(documented());
    world.create(x());
    reads(&mut world, "x", [ReadPlan::Fails(FailureClass::Unavailable); 20]);
    world.run(29);
    assert_eq!(world.objects["x"].writes, 0);
    world.run(60);
    assert_eq!((word(&world, "x").as_str(), world.objects["x"].writes), ("ServiceUnavailable", 1));
    world.reads.clear();
    world.run(60);
    assert_eq!((word(&world, "x").as_str(), world.objects["x"].writes), ("ExportPending", 3));
}

#[test]
fn a_denial_stalls_and_recovers_by_itself() {
    let mut world = World::new(documented());
    world.create(x());
    calls(&mut world, "x", [CallPlan::Refused(FailureClass::AccessDenied); 6]);
    world.run(5);
    assert_eq!(word(&world, "x"), Reason::AccessDenied.as_str());
    world.run(175);
    assert!(world.objects["x"].export.status.conditions.iter().any(|c| c.type_ == "Stalled"));
    world.run(240);
    assert_eq!((word(&world, "x").as_str(), world.objects["x"].writes), ("ExportPending", 4));
}

#[test]
fn a_denied_object_blocks_no_other() {
    let mut world = World::new(documented());
    world.run(31);
    world.create(x());
    calls(&mut world, "x", [CallPlan::Refused(FailureClass::AccessDenied)]);
    world.run(3);
    world.create(x().named("y").to(NESTED));
    world.run(5);
    assert_eq!((word(&world, "x").as_str(), word(&world, "y").as_str()), ("AccessDenied", "ExportPending"));
}

#[test]
fn rejected_three_times_it_is_held_and_tried_every_five_minutes() {
    let mut world = World::new(documented());
    world.create(x());
    calls(&mut world, "x", [CallPlan::Refused(FailureClass::Rejected); 4]);
    world.run(59);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), (Reason::RequestRejected.as_str(), 3));
    world.run(300);
    assert_eq!(world.calls_made, 4);
    world.run(320);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportPending", 5));
}

#[test]
fn a_session_that_ended_before_the_request_costs_no_call() {
    let mut world = World::new(documented());
    world.aws.starts(&arn("sess1"), SessionStatus::Terminated, crate::export::fixtures::at(0).mono);
    world.create(x());
    world.run(25);
    assert_eq!(word(&world, "x"), "");
    world.run(40);
    assert_eq!((word(&world, "x").as_str(), world.calls_made, world.objects["x"].writes), ("SessionEnded", 0, 1));
}

#[test]
fn suspended_until_the_session_ends() {
    let mut world = World::new(documented());
    world.create(x().suspended());
    world.run(3600);
    assert_eq!((word(&world, "x").as_str(), world.objects["x"].writes), ("Suspended", 1));
    world.toggle_suspend("x");
    world.run(10);
    assert_eq!(word(&world, "x"), "ExportPending");
}

#[test]
fn a_foreign_export_after_our_acceptance_is_a_conflict_after_the_consistency_window() {
    let mut world = World::new(documented());
    world.create(x());
    world.run(10);
    let now = crate::export::fixtures::at(world.seconds).mono;
    world.aws.export(&arn("sess1"), &ELSEWHERE.parse().unwrap(), false, now).unwrap();
    world.run(25);
    assert_eq!(word(&world, "x"), "ExportPending");
    world.run(60);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportConflict", 1));
}

#[test]
fn a_finished_object_is_deleted_after_its_time_to_live() {
    let mut world = World::new(documented());
    world.create(x().ttl(600));
    world.run(10);
    ends(&mut world, "sess1");
    world.run(300);
    assert!(world.objects.contains_key("x"));
    world.run(400);
    assert!(!world.objects.contains_key("x"));
}

#[test]
fn the_fixtures_keep_both_clocks_in_step() {
    assert_eq!(wall(60).duration_since(wall(0)).as_secs(), 60);
}
