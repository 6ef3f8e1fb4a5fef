//! The moves of histories.

use crate::aws::failure::FailureClass;
use crate::aws::model::SessionStatus;
use crate::export::bounded_model_tests::setting::{ARNS, FIRST, SECOND, rules};
use crate::export::fixtures::at;
use crate::export::world::{CallPlan, CrashPoint, ReadPlan, World};
use std::time::Duration;

/// One step of a history. Calls and reads go wrong for [`SHORT`]; edits and restarts take no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Short,
    Window,
    SessionEnds,
    CallLosesReply,
    LateCallLosesReply,
    CallIsLost,
    CallIsDenied,
    CrashAfterIntent,
    CrashAfterCall,
    ReadLags,
    ReadHidesExport,
    ReadFails,
    Clear,
    Suspend,
    Delete,
    Crash,
    CrashReordered,
    ClearAndCrash,
    ClearAndCrashReordered,
    Retire,
    Loosen,
}

use Move::{
    CallIsDenied, CallIsLost, CallLosesReply, Clear, ClearAndCrash, ClearAndCrashReordered, Crash, CrashAfterCall,
    CrashAfterIntent, CrashReordered, Delete, LateCallLosesReply, Loosen, ReadFails, ReadHidesExport, ReadLags, Retire,
    SessionEnds, Short, Suspend, Window,
};

pub(super) const ALL: [Move; 21] = [
    Short,
    Window,
    SessionEnds,
    CallLosesReply,
    LateCallLosesReply,
    CallIsLost,
    CallIsDenied,
    CrashAfterIntent,
    CrashAfterCall,
    ReadLags,
    ReadHidesExport,
    ReadFails,
    Clear,
    Suspend,
    Delete,
    Crash,
    CrashReordered,
    ClearAndCrash,
    ClearAndCrashReordered,
    Retire,
    Loosen,
];

/// Seconds in which an undisturbed object is read, called for and accepted.
const SHORT: u64 = 2;
/// Seconds that are longer than the consistency window.
const LONG: u64 = 35;
/// The longest lag of a read: with a call's time-out below the consistency window.
const LAG: u64 = 20;
/// A call's time-out, which is when its effect comes at the latest.
const LATEST_EFFECT: u64 = 4;

impl Move {
    /// True for moves that only pass time, which the end of a history does anyway.
    pub(super) fn only_passes_time(self) -> bool {
        matches!(self, Short | Window)
    }

    fn is_restart(self) -> bool {
        matches!(self, Crash | CrashReordered | ClearAndCrash | ClearAndCrashReordered | Retire | Loosen)
    }

    /// False if the history equals another one with fewer moves, or with these two swapped.
    pub(super) fn adds_to(self, last: Option<Self>) -> bool {
        match (last, self) {
            // Of two restarts at once the first one changes nothing but the order.
            (Some(CrashReordered | ClearAndCrashReordered), Retire | Loosen) => true,
            (Some(last), next) if last.is_restart() && next.is_restart() => {
                matches!(next, ClearAndCrash | ClearAndCrashReordered)
            }
            // Two edits of different fields; an edit that is undone; edits of a deleted object; combined moves.
            (Some(Suspend), Clear | Suspend | Delete) | (Some(Clear), Clear | Delete) => false,
            (Some(Clear), next) => !matches!(next, Crash | CrashReordered | ClearAndCrash | ClearAndCrashReordered),
            _ => true,
        }
    }

    /// Makes the move. Returns false if it can't be made, is excluded by a documented limit, or has no effect, so that
    /// the history equals another one.
    pub(super) fn make(self, world: &mut World) -> bool {
        match self {
            Short => pass_time(world, SHORT),
            Window => pass_time(world, LONG),
            SessionEnds => end_session(world),
            CallLosesReply => disturb_calls(world, CallPlan::LosesReply(0)),
            LateCallLosesReply => disturb_calls(world, CallPlan::LosesReply(LATEST_EFFECT)),
            CallIsLost => disturb_calls(world, CallPlan::Lost),
            CallIsDenied => disturb_calls(world, CallPlan::Refused(FailureClass::AccessDenied)),
            CrashAfterIntent => crash_at(world, CrashPoint::AfterIntent),
            CrashAfterCall => crash_at(world, CrashPoint::AfterCall),
            ReadLags => disturb_reads(world, ReadPlan::Lags(LAG)),
            ReadHidesExport => disturb_reads(world, ReadPlan::HidesExport(LAG)),
            ReadFails => disturb_reads(world, ReadPlan::Fails(FailureClass::Unavailable)),
            Clear => clear(world),
            Suspend => suspend(world),
            Delete => delete(world),
            Crash => crash(world),
            CrashReordered => reorder(world) && crash(world),
            ClearAndCrash => clear(world) && crash(world),
            ClearAndCrashReordered => clear(world) && reorder(world) && crash(world),
            Retire => restart(world, true),
            Loosen => restart(world, false),
        }
    }
}

fn pass_time(world: &mut World, seconds: u64) -> bool {
    world.run(seconds);
    true
}

fn end_session(world: &mut World) -> bool {
    let (session, now) = (&ARNS[0], at(world.seconds).mono);
    if world.aws.read(session, now, Duration::ZERO).status.is_terminal() {
        return false;
    }
    world.aws.moves(session, SessionStatus::Terminated, now);
    pass_time(world, SHORT)
}

fn disturb_calls(world: &mut World, plan: CallPlan) -> bool {
    let before = world.calls_made;
    for name in [FIRST, SECOND] {
        world.calls.insert(name.to_owned(), [plan; 2].into());
    }
    world.run(SHORT);
    world.calls.clear();
    world.calls_made > before
}

fn disturb_reads(world: &mut World, plan: ReadPlan) -> bool {
    let before = world.reads_made;
    for name in [FIRST, SECOND] {
        world.reads.insert(name.to_owned(), [plan; 8].into());
    }
    world.run(SHORT);
    world.reads.clear();
    world.reads_made > before
}

fn crash_at(world: &mut World, point: CrashPoint) -> bool {
    if !world.may_crash() {
        return false;
    }
    world.crash_point = Some(point);
    world.run(SHORT);
    world.crash_point.take().is_none()
}

fn clear(world: &mut World) -> bool {
    let shows_anything = world.objects.get(FIRST).is_some_and(|object| object.writes > 0);
    if shows_anything {
        world.clear_status(FIRST);
    }
    shows_anything
}

fn suspend(world: &mut World) -> bool {
    let unfinished = world.objects.get(FIRST).is_some_and(|object| !object.export.finished());
    if unfinished {
        world.toggle_suspend(FIRST);
    }
    unfinished
}

fn delete(world: &mut World) -> bool {
    let may = world.may_delete() && world.objects.contains_key(FIRST);
    if may {
        world.delete(FIRST);
    }
    may
}

/// Reverses the order in which a new leader handles the objects, which matters while there are two.
fn reorder(world: &mut World) -> bool {
    let two = [FIRST, SECOND].iter().all(|name| world.objects.get(*name).is_some_and(|o| !o.export.finished()));
    world.reversed ^= two;
    two
}

fn crash(world: &mut World) -> bool {
    let may = world.may_crash();
    if may {
        world.crash();
    }
    may
}

fn restart(world: &mut World, retired: bool) -> bool {
    let may = world.may_crash() && is_retired(world) != retired;
    if may {
        world.rules = usize::from(retired);
        world.restart(rules(retired), 0);
    }
    may
}

pub(super) fn is_retired(world: &World) -> bool {
    world.rules == 1
}
