//! The end of a history: faults stop, the sessions end, and every object must finish.

use crate::api::{ExportStatus, SessionExportStatus};
use crate::authorization::Authorization;
use crate::aws::identifiers::SessionArn;
use crate::aws::model::SessionStatus;
use crate::export::bounded_model_tests::moves::is_retired;
use crate::export::bounded_model_tests::setting::{ARNS, FIRST, Pair, SECOND, Setting, rules};
use crate::export::fixtures::at;
use crate::export::world::World;
use std::time::Duration;

/// Seconds after a deletion until reads show the requests of the deleted object.
const VISIBLE_AFTER: u64 = 31;
/// Seconds from the last fault to the request: the pause of a new leader or a wait after a denial, and the next poll.
const ASKED_AFTER: u64 = 95;
/// Seconds from the end of the sessions until an object has finished: two polls, or two reads a consistency window
/// apart.
const FINISHED_AFTER: u64 = 130;
const A_DAY: u64 = 86_400;

/// The results of the covered objects, and their cost.
#[derive(Debug, PartialEq)]
pub(super) struct Ends {
    objects: [Option<(SessionExportStatus, u32)>; 2],
    reads: u32,
    calls: u32,
}

/// Runs a history to its end.
pub(super) fn finish(setting: &Setting, mut world: World) -> Ends {
    release(&mut world);
    let wanted = ARNS.iter().filter(|arn| is_wanted(&world, arn)).collect::<Vec<_>>();
    world.run(ASKED_AFTER);
    assert_asked(setting, &world, &wanted);
    end_sessions(setting, &mut world);
    assert_finished(setting, &world);
    let ends = Ends::of(&world);
    world.run(A_DAY);
    assert_eq!(Ends::of(&world), ends, "goes on after the end");
    ends
}

impl Ends {
    fn of(world: &World) -> Self {
        let end = |name| world.objects.get(name).map(|object| (object.export.status.clone(), object.writes));
        Self { objects: [FIRST, SECOND].map(end), reads: world.reads_made, calls: world.calls_made }
    }
}

/// Ends suspension and the retirement of rules.
fn release(world: &mut World) {
    if is_retired(world) {
        world.run(VISIBLE_AFTER);
    }
    if is_retired(world) && world.may_crash() {
        world.rules = 0;
        world.restart(rules(false), 0);
    }
    if world.objects.get(FIRST).is_some_and(|object| object.export.options.suspend) {
        world.toggle_suspend(FIRST);
    }
}

/// True if the session is live and an object that may be requested has not finished.
fn is_wanted(world: &World, arn: &SessionArn) -> bool {
    let wants = |name: &str| {
        let object = world.objects.get(name).filter(|object| object.target.arn == *arn && !object.export.finished());
        object.is_some() && matches!(world.authorize(name), Authorization::Covered(covered) if covered.may_request())
    };
    [FIRST, SECOND].into_iter().any(wants)
        && !world.aws.read(arn, at(world.seconds).mono, Duration::ZERO).status.is_terminal()
}

/// Asserts that AWS has an export request; for the other session, where both share a `.zip`.
fn assert_asked(setting: &Setting, world: &World, wanted: &[&SessionArn]) {
    let asked = |arn| world.aws.asked(arn).is_some();
    let shared = setting.pair == Pair::ZipOfTwoSessions && setting.pair.sessions().iter().any(asked);
    wanted.iter().for_each(|arn| assert!(shared || asked(arn), "nothing was asked for {arn}"));
}

fn end_sessions(setting: &Setting, world: &mut World) {
    let (sessions, now) = (setting.pair.sessions(), at(world.seconds).mono);
    for arn in sessions {
        world.aws.moves(arn, SessionStatus::Terminated, now);
        world.aws.delivers(arn, true, now);
    }
    world.run(FINISHED_AFTER);
}

/// Asserts that all covered objects have finished, and that no object adopted another one's export where AWS names it.
fn assert_finished(setting: &Setting, world: &World) {
    for name in [FIRST, SECOND] {
        let Some(object) = world.objects.get(name) else { continue };
        if let Authorization::Uncovered(..) = world.authorize(name) {
            continue;
        }
        let status = &object.export.status;
        assert!(object.export.finished(), "{name} has not finished: {status:?}");
        if setting.names_its_exports() && world.aws.asked(&object.target.arn) == Some(object.target.uri.as_str()) {
            assert_eq!(status.export_status, Some(ExportStatus::Succeeded), "{name}: {status:?}");
        }
    }
}
