//! A world in virtual time around the shipped memory, decision and status: one leader, an API server that only
//! stores, and the AWS of [`super::world_aws`]. Every write and every call is judged on the spot.

use super::decide::{Authority, Decision, Now, Observed, Sight, Step, decide};
use super::fixtures::{ExportBuilder, at, target, timing, wall};
use super::memory::{BeforeCall, Memory, Target};
use super::request::{Export, Uid};
use super::row::{Outcome, Row};
use super::status::{compose, difference};
use super::world_aws::{Aws, Shown};
use crate::api::condition::ACCEPTED;
use crate::streams::identifiers::SessionArn;
use crate::streams::observation::{FailureClass, Reading, SessionStatus, Source};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// How the next read goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReadPlan {
    Lags(u64),
    /// A list, where one will do: as old as that, with or without the export's URI.
    Listed(u64, bool),
    Missing,
    Fails(FailureClass),
}

/// How the next call goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallPlan {
    Answers,
    /// Takes effect after so many seconds, but the answer never comes.
    LosesReply(u64),
    Lost,
    Refused(FailureClass),
}

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    AfterIntent,
    AfterCall,
}

pub(crate) struct Object {
    pub(crate) export: Export,
    pub(crate) target: Target,
    due: Option<Instant>,
    turn: bool,
    waiting: Option<Instant>,
    pub(crate) forbidden: bool,
    pub(crate) writes: u32,
}

struct Flight {
    uid: Uid,
    target: Target,
    /// Absent while it waits for its slot in the quota.
    before: Option<BeforeCall>,
    begins: Option<Instant>,
    plan: CallPlan,
    effect: Option<Instant>,
    ends: Instant,
    answer: Option<Result<(), FailureClass>>,
    /// Nobody waits for the answer any more.
    orphan: bool,
}

pub(crate) struct World {
    pub(crate) seconds: u64,
    pub(crate) memory: Memory,
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) aws: Aws,
    pub(crate) reads: VecDeque<ReadPlan>,
    pub(crate) calls: VecDeque<CallPlan>,
    pub(crate) dry: bool,
    pub(crate) crash_point: Option<CrashPoint>,
    pub(crate) deleted_at: Option<u64>,
    /// An intent has gone from the API server.
    pub(crate) intent_wiped: bool,
    pub(crate) calls_made: u32,
    pub(crate) pace: Duration,
    /// From the decision to call until the call goes out.
    pub(crate) slot_wait: u64,
    flights: Vec<Flight>,
}

impl World {
    pub(crate) fn new(aws: Aws) -> Self {
        Self {
            seconds: 0,
            memory: Memory::new(timing(), at(0).mono),
            objects: BTreeMap::new(),
            aws,
            reads: VecDeque::new(),
            calls: VecDeque::new(),
            dry: false,
            crash_point: None,
            deleted_at: None,
            intent_wiped: false,
            calls_made: 0,
            pace: Duration::from_secs(10),
            slot_wait: 0,
            flights: Vec::new(),
        }
    }

    fn mono(&self) -> Instant {
        at(self.seconds).mono
    }

    /// Its session is ACTIVE unless it exists already.
    pub(crate) fn create(&mut self, builder: ExportBuilder) {
        let mut export = builder.build();
        export.created = wall(self.seconds);
        let target = target(&export);
        self.aws.starts(&target.arn, SessionStatus::Active, at(0).mono);
        let due = Some(self.mono());
        let (turn, waiting, forbidden, writes) = (false, None, false, 0);
        let object = Object { export, target, due, turn, waiting, forbidden, writes };
        self.memory.learn(&object.export, &object.target);
        self.objects.insert(object.export.name.to_string(), object);
    }

    pub(crate) fn delete(&mut self, name: &str) {
        if let Some(object) = self.objects.remove(name) {
            self.memory.forget(&object.export.uid, self.mono());
            self.deleted_at = Some(self.seconds);
            self.intent_wiped |= object.export.intended();
        }
    }

    pub(crate) fn clear_status(&mut self, name: &str) {
        self.intent_wiped |= self.objects.get(name).is_some_and(|object| object.export.intended());
        self.edit(name, |export| export.status = crate::api::SessionExportStatus::default());
    }

    pub(crate) fn toggle_suspend(&mut self, name: &str) {
        self.edit(name, |export| {
            export.options.suspend = !export.options.suspend;
            export.generation += 1;
        });
    }

    pub(crate) fn edit(&mut self, name: &str, change: impl FnOnce(&mut Export)) {
        let now = self.mono();
        if let Some(object) = self.objects.get_mut(name) {
            change(&mut object.export);
            object.due = Some(now);
        }
    }

    /// The process dies; a new leader lists, learns, and goes on. Calls on their way arrive all the same.
    pub(crate) fn crash(&mut self) {
        let now = self.mono();
        self.memory = Memory::new(timing(), now);
        self.flights.iter_mut().for_each(|flight| flight.orphan = true);
        for object in self.objects.values_mut() {
            self.memory.learn(&object.export, &object.target);
            (object.due, object.turn, object.waiting) = (Some(now), false, None);
        }
    }

    /// Everything that is due within these seconds.
    pub(crate) fn run(&mut self, seconds: u64) {
        let end = self.seconds + seconds;
        while let Some(next) = self.next_event().filter(|next| *next <= at(end).mono) {
            let passed = next.saturating_duration_since(at(0).mono);
            let whole = passed.as_secs() + u64::from(passed.subsec_nanos() > 0);
            self.seconds = self.seconds.max(whole);
            self.settle_flights();
            let now = self.mono();
            let due: Vec<String> = self
                .objects
                .iter()
                .filter(|(_, o)| o.due.is_some_and(|due| due <= now))
                .map(|(n, _)| n.clone())
                .collect();
            for name in due {
                self.reconcile(&name);
            }
        }
        self.seconds = end;
    }

    fn next_event(&self) -> Option<Instant> {
        let flights =
            self.flights.iter().flat_map(|flight| flight.begins.into_iter().chain(flight.effect).chain([flight.ends]));
        self.objects.values().filter_map(|object| object.due).chain(flights).min()
    }

    fn in_flight(&self, uid: &Uid) -> bool {
        self.flights.iter().any(|flight| flight.uid == *uid && !flight.orphan)
    }

    fn settle_flights(&mut self) {
        let now = self.mono();
        for mut flight in std::mem::take(&mut self.flights) {
            if flight.begins.is_some_and(|begins| begins <= now) && !self.begin(&mut flight, now) {
                continue;
            }
            if flight.effect.is_some_and(|effect| effect <= now) {
                flight.effect = None;
                let done = self.aws.export(&flight.target.arn, &flight.target.uri, true, now);
                flight.answer = flight.answer.map(|_| done);
                self.one_destination(&flight.target);
            }
            if flight.ends > now {
                self.flights.push(flight);
            } else if !flight.orphan {
                self.answer(&flight, now);
            }
        }
    }

    fn answer(&mut self, flight: &Flight, now: Instant) {
        if self.crash_point == Some(CrashPoint::AfterCall) {
            self.crash_point = None;
            return self.crash();
        }
        match flight.answer.unwrap_or(Err(FailureClass::Unavailable)) {
            Ok(()) => self.memory.call_accepted(&flight.uid, "id".to_owned()),
            Err(class) => {
                let before = flight.before.unwrap();
                self.memory.call_failed(&flight.uid, &before, class, "ExportStreamSessionFiles", now);
            }
        }
        self.wake(&flight.target);
    }

    /// Whoever shares the session or the `.zip` looks again.
    fn wake(&mut self, target: &Target) {
        let now = self.mono();
        for object in self.objects.values_mut() {
            if (object.target.arn == target.arn || object.target.uri == target.uri) && !object.export.finished() {
                object.due = Some(now);
            }
        }
    }

    /// As the shell does it: observe, decide, record, act, until there is nothing to do at once.
    fn reconcile(&mut self, name: &str) {
        for _ in 0..16 {
            let Some(object) = self.objects.get(name) else { return };
            if self.in_flight(&object.export.uid) {
                self.objects.get_mut(name).unwrap().due = None;
                return;
            }
            if self.pass(name) {
                return;
            }
        }
        panic!("{name} never comes to rest at {}", self.seconds);
    }

    fn pass(&mut self, name: &str) -> bool {
        let now = Now { mono: self.mono(), wall: wall(self.seconds) };
        let object = &self.objects[name];
        let (export, target) = (object.export.clone(), object.target.clone());
        self.memory.learn(&export, &target);
        let seen = self.memory.recall(&export.uid, now.mono).unwrap();
        let authority =
            if object.forbidden { Authority::Forbidden { missing_rule: "{}".to_owned() } } else { Authority::Allowed };
        let view = seen.view.clone();
        let observed = Observed { authority, recollection: seen, turn: object.turn, pace: self.pace };
        let decision = decide(&export, &observed, now, &timing());
        self.memory.hold(&export.uid, decision.held, now.mono);
        if decision.step == Step::Call {
            self.memory.claim(&export.uid);
        } else {
            self.memory.unclaim(&export.uid, export.intended());
        }
        if let Some(row) = &decision.row {
            let status = compose(&export, row, Some(&target.arn), view.as_ref(), now.wall);
            if !difference(&export.status, &status).unwrap().is_empty() {
                self.judge_write(&export, &target, row, &status);
                let object = self.objects.get_mut(name).unwrap();
                object.export.status = status;
                object.writes += 1;
                if *row == Row::Requesting && self.crash_point == Some(CrashPoint::AfterIntent) {
                    self.crash_point = None;
                    self.crash();
                    return true;
                }
                return false;
            }
        }
        self.act(name, &export, &target, &decision)
    }

    fn act(&mut self, name: &str, export: &Export, target: &Target, decision: &Decision) -> bool {
        let step = decision.step;
        let now = self.mono();
        let object = self.objects.get_mut(name).unwrap();
        object.due = match step {
            Step::Rest => {
                assert!(export.finished() || object.forbidden, "{name} is forgotten at {}", self.seconds);
                None
            }
            Step::Wait(then) => {
                assert!(then > now, "{name} waits for the past");
                Some(then)
            }
            Step::Read => {
                let look = decision.look.expect("nothing says what to read");
                if self.read(export, target, look.sight) {
                    return false;
                }
                // Nobody is woken for what is no news: the next round comes later.
                let again = self.mono() + self.pace;
                let object = self.objects.get_mut(name).unwrap();
                object.due = Some(look.again.map_or(again, |then| then.min(again)));
                return true;
            }
            Step::AskTurn(then) => {
                let since = *object.waiting.get_or_insert(now);
                object.turn = !self.dry;
                if object.turn {
                    object.waiting = None;
                    self.memory.waits_no_more(&export.uid);
                    return false;
                }
                Some(then.min(self.memory.waits(&export.uid, since, now)))
            }
            Step::Call => {
                object.turn = false;
                self.call(export, target);
                return true;
            }
            Step::Delete => {
                self.delete(name);
                return true;
            }
        };
        if matches!(step, Step::Rest | Step::Wait(_)) {
            (object.turn, object.waiting) = (false, None);
            self.memory.waits_no_more(&export.uid);
        }
        true
    }

    /// A page of a list shows a session; whoever it is news for looks again.
    pub(crate) fn lists(&mut self, arn: &SessionArn, lag: u64, names_uri: bool) {
        let now = self.mono();
        if self.listed(arn, lag, names_uri) {
            for object in self.objects.values_mut().filter(|o| o.target.arn == *arn && !o.export.finished()) {
                object.due = Some(now);
            }
        }
    }

    fn listed(&mut self, arn: &SessionArn, lag: u64, names_uri: bool) -> bool {
        let now = self.mono();
        let mut view = self.aws.read(arn, now, Duration::from_secs(lag));
        view.session_length = None;
        if let Some(export) = view.export.as_mut().filter(|_| !names_uri) {
            (export.output_uri, export.reason) = (None, None);
        }
        let news = self.memory.read(arn, Reading { begun: now, source: Source::List, found: Some(view) });
        self.seconds += 1;
        news
    }

    /// True if it tells the object anything.
    fn read(&mut self, export: &Export, target: &Target, sight: Sight) -> bool {
        let now = self.mono();
        let plan = match self.reads.pop_front().unwrap_or(ReadPlan::Lags(0)) {
            ReadPlan::Listed(lag, names_uri) if sight != Sight::Exact => {
                return self.listed(&target.arn, lag, names_uri);
            }
            plan @ (ReadPlan::Lags(_) | ReadPlan::Listed(..) | ReadPlan::Missing | ReadPlan::Fails(_)) => plan,
        };
        let found = match plan {
            ReadPlan::Lags(lag) | ReadPlan::Listed(lag, _) => {
                Some(self.aws.read(&target.arn, now, Duration::from_secs(lag)))
            }
            // New sessions may not be visible yet; old ones are.
            ReadPlan::Missing if self.seconds < 20 => None,
            ReadPlan::Missing => Some(self.aws.read(&target.arn, now, Duration::ZERO)),
            ReadPlan::Fails(class) => {
                self.memory.read_failed(&export.uid, class, "GetStreamSession", now);
                return true;
            }
        };
        self.memory.read(&target.arn, Reading { begun: now, source: Source::Get, found });
        // Virtual time stands still while reads and calls must differ in it.
        self.seconds += 1;
        let others: Vec<String> = self.objects.keys().filter(|name| **name != *export.name).cloned().collect();
        for name in others {
            let object = self.objects.get_mut(&name).unwrap();
            if object.target.arn == target.arn && !object.export.finished() {
                object.due = Some(now);
            }
        }
        true
    }

    fn call(&mut self, export: &Export, target: &Target) {
        assert!(export.intended(), "called without a recorded intent");
        let begins = self.mono() + Duration::from_secs(self.slot_wait);
        let plan = self.calls.pop_front().unwrap_or(CallPlan::Answers);
        let mut flight = Flight {
            uid: export.uid.clone(),
            target: target.clone(),
            before: None,
            begins: Some(begins),
            plan,
            effect: None,
            ends: begins,
            answer: None,
            orphan: false,
        };
        if self.slot_wait > 0 || self.begin(&mut flight, begins) {
            self.flights.push(flight);
        }
    }

    /// The call goes out, unless nobody is there any more to make it.
    fn begin(&mut self, flight: &mut Flight, now: Instant) -> bool {
        flight.begins = None;
        if !flight.orphan {
            flight.before = self.memory.call_begun(&flight.uid, now);
        }
        let after = |seconds| now + Duration::from_secs(seconds);
        (flight.effect, flight.ends, flight.answer) = match flight.plan {
            CallPlan::Answers => (Some(after(1)), after(1), Some(Ok(()))),
            CallPlan::LosesReply(seconds) => (Some(after(seconds.min(4))), after(4), None),
            CallPlan::Lost => (None, after(4), None),
            CallPlan::Refused(class) => (None, after(1), Some(Err(class))),
        };
        self.calls_made += u32::from(flight.before.is_some());
        flight.before.is_some()
    }

    // ---- what must never happen ----

    fn one_destination(&self, target: &Target) {
        let armed = self.aws.armed.get(&target.arn);
        assert!(armed.is_none_or(|uris| uris.len() < 2), "two destinations for one session: {armed:?}");
    }

    fn judge_write(&self, export: &Export, target: &Target, row: &Row, after: &crate::api::SessionExportStatus) {
        let what = || format!("{} at {}: {row:?}", export.name, self.seconds);
        let accepted = |status: &crate::api::SessionExportStatus| {
            status.conditions.iter().any(|c| c.type_ == ACCEPTED && c.status == "True")
        };
        assert!(!export.finished() || *row == Row::AtRest, "rewrites the end: {}", what());
        assert!(!accepted(&export.status) || accepted(after), "Accepted left True: {}", what());
        assert!(!export.accepted() || !matches!(row, Row::Held(_) | Row::Requesting), "held again: {}", what());
        let asked = self.aws.asked(&target.arn);
        let ours = asked == Some(target.uri.as_str());
        match row {
            Row::Final(Outcome::SessionEnded) => assert!(asked.is_none(), "an export exists: {}", what()),
            Row::Final(Outcome::SessionNotFound | Outcome::GaveUp { .. }) => assert!(!ours, "ours exists: {}", what()),
            Row::Final(Outcome::Exported { .. } | Outcome::ExportFailed { .. }) => {
                assert!(ours, "not ours but {asked:?}: {}", what());
            }
            Row::Final(Outcome::ExportConflict { .. }) => {
                let told = self.aws.names_result && self.aws.shown != Shown::Nothing;
                assert!(!ours || !told, "ours in conflict: {}", what());
            }
            Row::Final(Outcome::OutcomeUnknown)
            | Row::Held(_)
            | Row::Requesting
            | Row::Pending
            | Row::Overdue
            | Row::AtRest => {}
        }
    }
}
