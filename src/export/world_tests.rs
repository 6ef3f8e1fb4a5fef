//! Histories: told ones, then random ones with faults, crashes, lagging reads and edits by hand.

use super::fixtures::{ExportBuilder, arn, export, wall};
use super::row::Reason;
use super::world::{CallPlan, CrashPoint, ReadPlan, World};
use super::world_aws::{Aws, Second, Shown, key};
use crate::api::ExportStatus;
use crate::property;
use crate::streams::observation::{FailureClass, SessionStatus};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

const PREFIX: &str = "s3://bucket/a/";
const NESTED: &str = "s3://bucket/a/n/";
const ZIP: &str = "s3://bucket/k.zip";
const ELSEWHERE: &str = "s3://foreign/x/";

fn documented() -> Aws {
    Aws::new(Shown::Key, Second::Replaces, true)
}

fn x() -> ExportBuilder {
    export().to(PREFIX)
}

fn word(world: &World, name: &str) -> String {
    let status = &world.objects[name].export.status;
    status.conditions.iter().find(|c| c.type_ == "Succeeded").map(|c| c.reason.clone()).unwrap_or_default()
}

/// The session ends, the ZIP arrives.
fn ends(world: &mut World, session: &str) {
    let now = super::fixtures::at(world.seconds).mono;
    world.aws.moves(&arn(session), SessionStatus::Terminated, now);
    world.run(60);
    let now = super::fixtures::at(world.seconds).mono;
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
fn a_live_session_that_a_list_shows_is_asked_for_without_a_get() {
    for names_uri in [true, false] {
        let mut world = World::new(documented());
        world.create(x());
        world.reads.push_back(ReadPlan::Listed(0, names_uri));
        // Whoever reads by Get from here on fails the test.
        world.reads.extend([ReadPlan::Fails(FailureClass::Rejected); 8]);
        world.run(5);
        assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportPending", 1));
    }
}

#[test]
fn lists_that_lag_behind_the_call_end_nothing_and_call_nobody_twice() {
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
        let now = super::fixtures::at(world.seconds).mono;
        world.aws.moves(&arn("sess1"), SessionStatus::Terminated, now);
        world.aws.delivers(&arn("sess1"), true, now);
        world.lists(&arn("sess1"), 0, false);
        if uri == ZIP {
            world.reads.extend([ReadPlan::Fails(FailureClass::Rejected); 8]);
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
    world.calls.push_back(CallPlan::LosesReply(1));
    world.run(20);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportPending", 1));
}

#[test]
fn a_lost_call_is_made_again() {
    let mut world = World::new(documented());
    world.create(x());
    world.calls.push_back(CallPlan::Lost);
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
fn a_deleted_objects_unanswered_claim_is_freed_by_two_empty_reads() {
    let mut world = World::new(documented());
    world.create(x());
    world.calls.push_back(CallPlan::Lost);
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
fn a_conflict_of_one_intent_does_not_hand_its_export_to_another() {
    let mut world = World::new(Aws::new(Shown::Nothing, Second::Replaces, false));
    // Asked, but nothing came of it.
    world.create(x().named("second"));
    world.calls.push_back(CallPlan::Lost);
    world.run(3);
    world.toggle_suspend("second");
    world.run(3);
    // Asked and accepted, but the answer is lost, and with the process the knowledge that the other one's claim was free.
    world.create(x().named("first").to(NESTED));
    world.calls.push_back(CallPlan::LosesReply(1));
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
    world.calls.extend([CallPlan::Refused(FailureClass::Credentials), CallPlan::LosesReply(0)]);
    world.run(300);
    assert_eq!((world.calls_made, world.aws.asked(&arn("sess1"))), (2, Some(NESTED)));
    // Then everything that knows of it: what is PENDING without a URI passes for the only intent that is left.
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
    // Its call is on its way when somebody else's shows, to an object that wants the same.
    let now = super::fixtures::at(world.seconds).mono;
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
    world.reads.extend([ReadPlan::Fails(FailureClass::Unavailable); 20]);
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
    world.calls.extend([CallPlan::Refused(FailureClass::AccessDenied); 6]);
    world.run(5);
    assert_eq!(word(&world, "x"), Reason::AccessDenied.as_str());
    world.run(175);
    assert!(world.objects["x"].export.status.conditions.iter().any(|c| c.type_ == "Stalled"));
    world.run(240);
    assert_eq!((word(&world, "x").as_str(), world.objects["x"].writes), ("ExportPending", 4));
}

#[test]
fn a_denied_object_blocks_nobody() {
    let mut world = World::new(documented());
    world.run(31);
    world.create(x());
    world.calls.push_back(CallPlan::Refused(FailureClass::AccessDenied));
    world.run(3);
    world.create(x().named("y").to(NESTED));
    world.run(5);
    assert_eq!((word(&world, "x").as_str(), word(&world, "y").as_str()), ("AccessDenied", "ExportPending"));
}

#[test]
fn rejected_three_times_it_is_held_and_tried_every_five_minutes() {
    let mut world = World::new(documented());
    world.create(x());
    world.calls.extend([CallPlan::Refused(FailureClass::Rejected); 4]);
    world.run(59);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), (Reason::RequestRejected.as_str(), 3));
    world.run(300);
    assert_eq!(world.calls_made, 4);
    world.run(320);
    assert_eq!((word(&world, "x").as_str(), world.calls_made), ("ExportPending", 5));
}

#[test]
fn a_session_that_ended_before_anyone_asked_costs_no_call() {
    let mut world = World::new(documented());
    world.aws.starts(&arn("sess1"), SessionStatus::Terminated, super::fixtures::at(0).mono);
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
    let now = super::fixtures::at(world.seconds).mono;
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

// ---- random histories ----

#[derive(Debug, Clone)]
enum Event {
    Run(u64),
    Reads(Vec<ReadPlan>),
    Calls(Vec<CallPlan>),
    Crash,
    CrashAt(CrashPoint),
    Clear(usize),
    Suspend(usize),
    Delete(usize),
    Create(usize),
    Dry(bool),
    SlotWait(u64),
    Moves(usize, SessionStatus),
    Delivers(usize, bool),
    Foreign(usize),
    Listed(usize, u64, bool),
}

const OBJECTS: [(&str, &str, &str); 5] =
    [("a", "sess1", PREFIX), ("b", "sess1", NESTED), ("c", "sess1", PREFIX), ("d", "sess1", ZIP), ("e", "sess2", ZIP)];
const SESSIONS: [&str; 2] = ["sess1", "sess2"];

/// Longest lag of a read: with a call's time-out below the consistency window.
const LONGEST_LAG: u64 = 20;

fn class() -> impl Strategy<Value = FailureClass> {
    proptest::sample::select(vec![
        FailureClass::Throttled,
        FailureClass::Unavailable,
        FailureClass::Unreachable,
        FailureClass::Credentials,
        FailureClass::AccessDenied,
        FailureClass::Rejected,
    ])
}

fn read_plan() -> impl Strategy<Value = ReadPlan> {
    prop_oneof![
        4 => (0..=LONGEST_LAG).prop_map(ReadPlan::Lags),
        4 => (0..=LONGEST_LAG, any::<bool>()).prop_map(|(lag, uri)| ReadPlan::Listed(lag, uri)),
        1 => Just(ReadPlan::Missing),
        2 => class().prop_map(ReadPlan::Fails),
    ]
}

fn call_plan() -> impl Strategy<Value = CallPlan> {
    prop_oneof![
        2 => Just(CallPlan::Answers),
        3 => (0..=4_u64).prop_map(CallPlan::LosesReply),
        2 => Just(CallPlan::Lost),
        3 => class().prop_map(CallPlan::Refused),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let states = vec![
        SessionStatus::Activating,
        SessionStatus::Active,
        SessionStatus::Connected,
        SessionStatus::Reconnecting,
        SessionStatus::Terminating,
        SessionStatus::Terminated,
        SessionStatus::Error,
    ];
    prop_oneof![
        8 => prop_oneof![0..6_u64, 0..40_u64, Just(300), Just(1500)].prop_map(Event::Run),
        4 => proptest::collection::vec(read_plan(), 0..12).prop_map(Event::Reads),
        4 => proptest::collection::vec(call_plan(), 0..6).prop_map(Event::Calls),
        2 => Just(Event::Crash),
        1 => Just(Event::CrashAt(CrashPoint::AfterIntent)),
        1 => Just(Event::CrashAt(CrashPoint::AfterCall)),
        2 => (0..OBJECTS.len()).prop_map(Event::Clear),
        2 => (0..OBJECTS.len()).prop_map(Event::Suspend),
        2 => (0..OBJECTS.len()).prop_map(Event::Delete),
        4 => (0..OBJECTS.len()).prop_map(Event::Create),
        1 => any::<bool>().prop_map(Event::Dry),
        2 => (0..4_u64).prop_map(Event::SlotWait),
        2 => (0..2_usize, proptest::sample::select(states)).prop_map(|(s, state)| Event::Moves(s, state)),
        1 => (0..2_usize, any::<bool>()).prop_map(|(s, good)| Event::Delivers(s, good)),
        1 => (0..2_usize).prop_map(Event::Foreign),
        4 => (0..2_usize, 0..=LONGEST_LAG, any::<bool>()).prop_map(|(s, lag, uri)| Event::Listed(s, lag, uri)),
    ]
}

fn happens(world: &mut World, event: Event, foreigners: bool, round: usize) {
    let now = super::fixtures::at(world.seconds).mono;
    let named = |number: usize| OBJECTS[number].0;
    match event {
        Event::Run(seconds) => world.run(seconds),
        Event::Reads(plans) => world.reads = plans.into(),
        Event::Calls(plans) => world.calls = plans.into(),
        Event::Crash => crash(world),
        Event::CrashAt(point) => world.crash_point = Some(point).filter(|_| may_crash(world)),
        Event::Clear(number) => {
            world.crash_point = world.crash_point.filter(|_| world.aws.names_result);
            world.clear_status(named(number));
        }
        Event::Suspend(number) => world.toggle_suspend(named(number)),
        Event::Delete(number) => {
            world.crash_point = None;
            world.delete(named(number));
        }
        Event::Create(number) => {
            let (name, session, uri) = OBJECTS[number];
            if !world.objects.contains_key(name) {
                let mut builder = export().named(name).of_session(session).to(uri);
                builder = builder.with_uid(&format!("{name}-{round}"));
                world.create(builder);
            }
        }
        Event::Dry(dry) => world.dry = dry,
        Event::SlotWait(seconds) => world.slot_wait = seconds,
        Event::Moves(number, state) => world.aws.moves(&arn(SESSIONS[number]), state, now),
        Event::Delivers(number, succeeds) => world.aws.delivers(&arn(SESSIONS[number]), succeeds, now),
        Event::Foreign(number) if foreigners => {
            let uri = ELSEWHERE.parse().unwrap();
            world.aws.export(&arn(SESSIONS[number]), &uri, false, now).unwrap_or_default();
        }
        Event::Foreign(_) => {}
        Event::Listed(number, lag, names_uri) => world.lists(&arn(SESSIONS[number]), lag, names_uri),
    }
}

/// Documented limits. An object deleted within AWS's read lag together with a crash: nothing remembers it. And
/// where AWS never names a destination, not even of a result: an intent that was deleted, or cleared by hand,
/// together with a crash; the export passes for that of the one intent that is left.
fn may_crash(world: &World) -> bool {
    let remembered = world.aws.names_result || !world.intent_wiped;
    remembered && world.deleted_at.is_none_or(|deleted| world.seconds > deleted + 30)
}

fn crash(world: &mut World) {
    if may_crash(world) {
        world.crash();
    }
}

/// Faults stop, everybody is released, the sessions end: all must finish, and stay as they are.
fn calms_down(world: &mut World) {
    (world.dry, world.crash_point) = (false, None);
    world.reads.clear();
    world.calls.clear();
    let names: Vec<String> = world.objects.keys().cloned().collect();
    for name in &names {
        world.edit(name, |export| export.options.suspend = false);
    }
    let now = super::fixtures::at(world.seconds).mono;
    for session in SESSIONS {
        world.aws.moves(&arn(session), SessionStatus::Active, now);
    }
    let before: u32 = world.objects.values().map(|object| object.writes).sum();
    world.run(1200);
    for session in SESSIONS {
        ends(world, session);
    }
    world.run(1200);
    for (name, object) in &world.objects {
        assert!(object.export.finished(), "{name} has not finished: {:?}", object.export.status);
    }
    let after: u32 = world.objects.values().map(|object| object.writes).sum();
    assert!(after - before <= 5 * u32::try_from(names.len()).unwrap(), "{} writes in calm", after - before);
    world.run(86_400);
    let later: u32 = world.objects.values().map(|object| object.writes).sum();
    assert_eq!(later, after);
}

proptest! {
    #![proptest_config(property::config(100, 10_000))]

    #[test]
    fn no_history_breaks_the_protocol(
        shown in proptest::sample::select(vec![Shown::Given, Shown::Key, Shown::Nothing]),
        second in proptest::sample::select(vec![Second::Replaces, Second::Ignored, Second::Refused]),
        names_result in any::<bool>(),
        foreigners in any::<bool>(),
        events in proptest::collection::vec(event(), 1..60),
    ) {
        // Documented limit: a foreign caller together with a lost reply and exports that name no destination.
        let foreigners = foreigners && shown != Shown::Nothing && names_result;
        let mut world = World::new(Aws::new(shown, second, names_result));
        for session in SESSIONS {
            world.aws.starts(&arn(session), SessionStatus::Active, super::fixtures::at(0).mono);
        }
        world.pace = super::fixtures::secs(30);
        world.create(export().named("a").of_session("sess1").to(PREFIX));
        for (round, event) in events.into_iter().enumerate() {
            happens(&mut world, event, foreigners, round);
        }
        calms_down(&mut world);
    }
}

#[test]
fn the_fixtures_keep_both_clocks_in_step() {
    assert_eq!(wall(60).duration_since(wall(0)).as_secs(), 60);
}
