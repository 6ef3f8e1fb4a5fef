//! Random histories with faults, crashes, lagging reads, edits by hand, rules that change, and objects that no rule
//! covers, whose statuses are forged.

use crate::api::{ExportStatus, SessionExportStatus};
use crate::authorization::Authorization;
use crate::aws::failure::FailureClass;
use crate::aws::model::SessionStatus;
use crate::export::fixtures::{arn, at, export, identity, secs, wall};
use crate::export::forgery::Forgery;
use crate::export::world::{CallPlan, CrashPoint, HOSTILE, ReadPlan, World};
use crate::export::world_aws::{Aws, Second, Shown};
use crate::export::world_tests::{ELSEWHERE, NESTED, PREFIX, ZIP, ends};
use crate::property;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Event {
    Run(u64),
    Reads(usize, Vec<ReadPlan>),
    Calls(usize, Vec<CallPlan>),
    Crash,
    CrashAt(CrashPoint),
    Rules(usize),
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
    /// A trick with an object that no rule covers, by its number.
    Hostile(usize, Trick),
}

/// What a tenant may do with objects that no rule covers.
#[derive(Debug, Clone)]
enum Trick {
    Create,
    Delete,
    Suspend,
    Forge(Vec<Forgery>),
}

const OBJECTS: [(&str, &str, &str); 5] =
    [("a", "sess1", PREFIX), ("b", "sess1", NESTED), ("c", "sess1", PREFIX), ("d", "sess1", ZIP), ("e", "sess2", ZIP)];
/// The same sessions and destinations, and closer destinations, in a namespace that no rule names.
const HOSTILE_OBJECTS: [(&str, &str, &str); 5] = [
    ("hostile-a", "sess1", PREFIX),
    ("hostile-b", "sess1", NESTED),
    ("hostile-c", "sess1", ZIP),
    ("hostile-d", "sess2", ZIP),
    ("hostile-e", "sess1", KEY),
];
const SESSIONS: [&str; 2] = ["sess1", "sess2"];
/// What AWS makes of [`PREFIX`].
const KEY: &str = "s3://bucket/a/20260102-030405-app-sg-sess.zip";

/// The rules after an administrator's edits: all covered; all retired; some retired; some removed; all removed.
const RULES: [&str; 5] = [
    r#"[{namespaces: [team], streamGroups: ["*"], outputPrefixes: ["s3://bucket/"]}]"#,
    r#"[{namespaces: [team], streamGroups: ["*"], outputPrefixes: ["s3://bucket/"], exports: false}]"#,
    r#"[{namespaces: [team], streamGroups: ["*"], outputPrefixes: ["s3://bucket/"], exports: false},
        {namespaces: [team], streamGroups: ["*"], outputPrefixes: ["s3://bucket/a/"]}]"#,
    r#"[{namespaces: [team], streamGroups: ["*"], outputPrefixes: ["s3://bucket/a/n/"]}]"#,
    "[]",
];
/// Index of the first rules that may leave a requested export without a rule.
const REMOVED: usize = 3;

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
        2 => (0..=LONGEST_LAG).prop_map(ReadPlan::HidesExport),
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

fn forgery() -> impl Strategy<Value = Forgery> {
    let word = proptest::sample::select(vec![ExportStatus::Pending, ExportStatus::Succeeded, ExportStatus::Failed]);
    prop_oneof![
        Just(Forgery::Cleared),
        word.prop_map(Forgery::ExportStatus),
        Just(Forgery::ExportStatusReason),
        proptest::sample::select(OBJECTS.map(|(_, _, uri)| uri).to_vec()).prop_map(Forgery::OutputUri),
        proptest::sample::select(SESSIONS.to_vec()).prop_map(Forgery::Session),
        Just(Forgery::StartTime),
        Just(Forgery::RequestAttemptTime),
        Just(Forgery::RequestTime),
        Just(Forgery::CompletionTime),
        Just(Forgery::ObservedGeneration),
        Just(Forgery::Conditions),
    ]
}

fn trick() -> impl Strategy<Value = Trick> {
    prop_oneof![
        4 => Just(Trick::Create),
        1 => Just(Trick::Delete),
        1 => Just(Trick::Suspend),
        6 => proptest::collection::vec(forgery(), 1..5).prop_map(Trick::Forge),
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
        4 => (0..OBJECTS.len(), proptest::collection::vec(read_plan(), 0..12)).prop_map(|(n, p)| Event::Reads(n, p)),
        4 => (0..OBJECTS.len(), proptest::collection::vec(call_plan(), 0..6)).prop_map(|(n, p)| Event::Calls(n, p)),
        2 => Just(Event::Crash),
        2 => (0..RULES.len()).prop_map(Event::Rules),
        8 => (0..HOSTILE_OBJECTS.len(), trick()).prop_map(|(n, trick)| Event::Hostile(n, trick)),
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
    let now = at(world.seconds).mono;
    let named = |number: usize| OBJECTS[number].0;
    match event {
        Event::Run(seconds) => world.run(seconds),
        Event::Reads(number, plans) => drop(world.reads.insert(named(number).to_owned(), plans.into())),
        Event::Calls(number, plans) => drop(world.calls.insert(named(number).to_owned(), plans.into())),
        Event::Crash => crash(world),
        Event::Rules(number) => restart(world, number),
        Event::CrashAt(point) => world.crash_point = Some(point).filter(|_| world.may_crash()),
        Event::Clear(number) => {
            world.clear_status(named(number));
            world.crash_point = world.crash_point.filter(|_| world.may_crash());
        }
        Event::Suspend(number) => world.toggle_suspend(named(number)),
        Event::Delete(number) if world.may_delete() => {
            world.crash_point = None;
            world.delete(named(number));
        }
        Event::Delete(_) => {}
        Event::Create(number) => create(world, OBJECTS[number], "team", round),
        Event::Hostile(number, trick) => plays(world, HOSTILE_OBJECTS[number], &trick, round),
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

fn create(world: &mut World, (name, session, uri): (&str, &str, &str), namespace: &str, round: usize) {
    if !world.objects.contains_key(name) {
        let uid = format!("{name}-{round}");
        world.create(export().named(name).in_namespace(namespace).of_session(session).to(uri).with_uid(&uid));
    }
}

fn plays(world: &mut World, object: (&str, &str, &str), trick: &Trick, round: usize) {
    let (name, ..) = object;
    match trick {
        Trick::Create => create(world, object, HOSTILE, round),
        Trick::Delete => world.delete_uncovered(name),
        Trick::Suspend => world.toggle_suspend(name),
        Trick::Forge(forgeries) => {
            let now = wall(world.seconds);
            world.edit(name, |export| forgeries.iter().for_each(|forgery| forgery.write(&mut export.status, now)));
        }
    }
}

fn crash(world: &mut World) {
    if world.may_crash() {
        world.crash();
    }
}

/// Restarts with other rules, within the documented limits of removing a rule, which `exports: false` doesn't have: the
/// state keeps no requests made under a removed rule, so that no call may be in flight or newer than the longest read
/// lag; and where AWS names no destinations, such an export passes for a covered one, like a foreign caller's.
fn restart(world: &mut World, rules: usize) {
    let removes = rules >= REMOVED || world.rules >= REMOVED;
    let named = world.aws.names_result && world.aws.shown != Shown::Nothing;
    if world.may_crash() && (named || !removes) {
        world.rules = rules;
        world.restart(identity(RULES[rules]), if removes { LONGEST_LAG + 5 } else { 0 });
    }
}

/// Stops faults, releases all objects and ends the sessions: all objects must finish and stay unchanged.
fn calms_down(world: &mut World) {
    (world.dry, world.crash_point) = (false, None);
    world.reads.clear();
    world.calls.clear();
    world.run(31);
    restart(world, 0);
    let names: Vec<String> = world.objects.keys().filter(|name| is_covered(world, name)).cloned().collect();
    for name in &names {
        world.edit(name, |export| export.options.suspend = false);
    }
    let now = at(world.seconds).mono;
    for session in SESSIONS {
        world.aws.moves(&arn(session), SessionStatus::Active, now);
    }
    let writes = |world: &World| names.iter().map(|name| world.objects[name].writes).sum::<u32>();
    let before = writes(world);
    world.run(1200);
    for session in SESSIONS {
        ends(world, session);
    }
    world.run(1200);
    for name in &names {
        let export = &world.objects[name].export;
        assert!(export.finished(), "{name} has not finished: {:?}", export.status);
    }
    let after = writes(world);
    assert!(after - before <= 5 * u32::try_from(names.len()).unwrap(), "{} writes in calm", after - before);
    world.run(86_400);
    assert_eq!(writes(world), after);
}

fn is_covered(world: &World, name: &str) -> bool {
    matches!(world.authorize(name), Authorization::Covered(_))
}

/// AWS's unmeasured behaviour, and whether foreign callers exist.
#[derive(Debug, Clone, Copy)]
struct Unknowns {
    shown: Shown,
    second: Second,
    names_result: bool,
    foreigners: bool,
}

/// Runs a history to its end. Returns the status and the number of writes of each object that was ever covered.
fn play(unknowns: Unknowns, events: &[Event], hostile: bool) -> BTreeMap<String, (SessionExportStatus, u32)> {
    let Unknowns { shown, second, names_result, foreigners } = unknowns;
    // Documented limit: a foreign caller together with a lost reply and exports that name no destination.
    let foreigners = foreigners && shown != Shown::Nothing && names_result;
    let mut world = World::new(Aws::new(shown, second, names_result));
    for session in SESSIONS {
        world.aws.starts(&arn(session), SessionStatus::Active, at(0).mono);
    }
    world.restart(identity(RULES[0]), 0);
    world.poll_interval = secs(30);
    world.create(export().named("a").of_session("sess1").to(PREFIX));
    for (round, event) in events.iter().enumerate() {
        if hostile || !matches!(event, Event::Hostile(..)) {
            happens(&mut world, event.clone(), foreigners, round);
        }
    }
    calms_down(&mut world);
    let own = world.objects.into_iter().filter(|(_, object)| &*object.export.namespace == "team");
    own.map(|(name, object)| (name, (object.export.status, object.writes))).collect()
}

fn unknowns() -> impl Strategy<Value = Unknowns> {
    let shown = proptest::sample::select(vec![Shown::Given, Shown::Key, Shown::Nothing]);
    let second = proptest::sample::select(vec![Second::Replaces, Second::Ignored, Second::Refused]);
    (shown, second, any::<bool>(), any::<bool>()).prop_map(|(shown, second, names_result, foreigners)| Unknowns {
        shown,
        second,
        names_result,
        foreigners,
    })
}

proptest! {
    #![proptest_config(property::config(100, 10_000))]

    /// Every write and call is checked at once; and uncovered objects change nothing for covered ones: neither the
    /// content, nor the time, nor the number of their status writes.
    #[test]
    fn no_history_breaks_the_protocol_and_uncovered_objects_change_nothing(
        unknowns in unknowns(),
        events in proptest::collection::vec(event(), 1..60),
    ) {
        // On a core each: this is the longest of all unit tests.
        let (beside, alone) = std::thread::scope(|threads| {
            let beside = threads.spawn(|| play(unknowns, &events, true));
            let alone = play(unknowns, &events, false);
            (beside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), alone)
        });
        assert_eq!(beside, alone);
    }
}
