//! A simulation in virtual time of the shipped state, decision and status: one leader, an API server that only
//! stores, and the AWS of [`crate::export::world_aws`]. Every write and every call is checked at once.

use crate::api::condition::ACCEPTED;
use crate::api::request::{Export, Uid};
use crate::api::{ExportStatus, SessionExportStatus};
use crate::authorization::{Authorization, Covered, OperatorIdentity, Target, Uncovered};
use crate::aws::failure::FailureClass;
use crate::aws::identifiers::SessionArn;
use crate::aws::model::{ReadSource, SessionRead, SessionStatus, SessionView};
use crate::aws::operation::Operation;
use crate::export::decision::{Action, Decision, Now, Observed, Retention, Withheld, decide, decide_uncovered};
use crate::export::fixtures::{ALL_COVERED, ExportBuilder, at, failure, identity, target, timing, wall};
use crate::export::status::build_status;
use crate::export::status::row::{Outcome, Row};
use crate::export::world_aws::{Aws, Shown};
use crate::polling::request::ReadKind;
use crate::state::{CallRollback, SessionState};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The namespace that no rule names.
pub(crate) const HOSTILE: &str = "hostile";

/// The result of the next read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReadPlan {
    Lags(u64),
    /// The session's state is current, its export is this many seconds old.
    HidesExport(u64),
    /// A list, where the read kind allows one: this many seconds old, with or without the export's URI.
    Listed(u64, bool),
    Missing,
    Fails(FailureClass),
}

/// The result of the next call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallPlan {
    Answers,
    /// Takes effect after this many seconds, but the answer is lost.
    LosesReply(u64),
    Lost,
    Refused(FailureClass),
}

/// The point at which the process crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    AfterIntent,
    AfterCall,
}

#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) export: Export,
    pub(crate) target: Target,
    due: Option<Instant>,
    has_permit: bool,
    waiting: Option<Instant>,
    pub(crate) writes: u32,
}

#[derive(Clone)]
struct Flight {
    uid: Uid,
    target: Target,
    /// Absent while it waits for its slot in the quota.
    before: Option<CallRollback>,
    begins: Option<Instant>,
    plan: CallPlan,
    effect: Option<Instant>,
    /// When it was decided, in seconds.
    decided: u64,
    ends: Instant,
    answer: Option<Result<(), FailureClass>>,
    /// The process that made the call has crashed.
    orphan: bool,
}

impl Flight {
    /// The next moment at which it begins, takes effect or ends.
    fn next(&self) -> Instant {
        self.begins.into_iter().chain(self.effect).fold(self.ends, Instant::min)
    }
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) seconds: u64,
    pub(crate) state: SessionState,
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) aws: Aws,
    /// The administrator's rules.
    pub(crate) identity: OperatorIdentity,
    /// Their index, for histories that change them.
    pub(crate) rules: usize,
    /// The results of the next reads of an object.
    pub(crate) reads: BTreeMap<String, VecDeque<ReadPlan>>,
    pub(crate) calls: BTreeMap<String, VecDeque<CallPlan>>,
    pub(crate) dry: bool,
    pub(crate) crash_point: Option<CrashPoint>,
    pub(crate) deleted_at: Option<u64>,
    /// An intent was deleted from the API server, or cleared by hand.
    pub(crate) intent_wiped: bool,
    /// The same for a `.zip` of an object that still exists.
    zip_intent_wiped: bool,
    leads_since: u64,
    pub(crate) calls_made: u32,
    pub(crate) reads_made: u32,
    /// True if, of several objects due at once, the last by name is reconciled first.
    pub(crate) reversed: bool,
    pub(crate) poll_interval: Duration,
    /// Seconds from the decision to call until the call is sent.
    pub(crate) slot_wait: u64,
    flights: Vec<Flight>,
    /// The objects whose calls AWS has accepted, by session.
    callers: BTreeMap<SessionArn, BTreeSet<Uid>>,
}

impl World {
    pub(crate) fn new(aws: Aws) -> Self {
        Self {
            seconds: 0,
            state: SessionState::new(timing(), at(0).mono),
            objects: BTreeMap::new(),
            aws,
            identity: identity(ALL_COVERED),
            rules: 0,
            reads: BTreeMap::new(),
            calls: BTreeMap::new(),
            dry: false,
            crash_point: None,
            deleted_at: None,
            intent_wiped: false,
            zip_intent_wiped: false,
            leads_since: 0,
            calls_made: 0,
            reads_made: 0,
            reversed: false,
            poll_interval: Duration::from_secs(10),
            slot_wait: 0,
            flights: Vec::new(),
            callers: BTreeMap::new(),
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
        let object = Object { export, target, due, has_permit: false, waiting: None, writes: 0 };
        let name = object.export.name.to_string();
        self.objects.insert(name.clone(), object);
        self.upsert(&name);
    }

    pub(crate) fn authorize(&self, name: &str) -> Authorization {
        let export = self.objects[name].export.clone();
        let requested = self.state.has_requested(&export.uid);
        self.identity.authorize(Arc::new(export), requested)
    }

    /// Applies the object to the state, as a watch event does.
    fn upsert(&mut self, name: &str) {
        match self.authorize(name) {
            Authorization::Covered(covered) => self.state.upsert_object(&covered, at(self.seconds).mono),
            Authorization::Uncovered(..) => {}
        }
    }

    pub(crate) fn delete(&mut self, name: &str) {
        if let Some(object) = self.objects.remove(name) {
            self.state.mark_deleted(&object.export.uid, self.mono());
            self.deleted_at = Some(self.seconds);
            self.intent_wiped |= object.export.intended();
        }
    }

    /// Deletes an object that no rule covers, which the state doesn't hold.
    pub(crate) fn delete_uncovered(&mut self, name: &str) {
        if let Some(object) = self.objects.remove(name) {
            self.state.mark_deleted(&object.export.uid, self.mono());
        }
    }

    pub(crate) fn clear_status(&mut self, name: &str) {
        if let Some(object) = self.objects.get(name).filter(|object| object.export.intended()) {
            self.intent_wiped = true;
            self.zip_intent_wiped |= object.target.uri.is_zip();
        }
        self.edit(name, |export| export.status = SessionExportStatus::default());
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

    /// False within the documented limits of a crash:
    /// - after an object was deleted within AWS's read lag: its request is lost;
    /// - after an intent was deleted or cleared by hand, where AWS never names a destination, not even of a result: the
    ///   export passes for that of the one intent that is left;
    /// - the same for a `.zip`, where AWS names the destinations of results only: until then the `.zip` is free;
    /// - while an export of a deleted object lies in the prefix of another object: it passes for that object's.
    pub(crate) fn may_crash(&self) -> bool {
        let remembered = self.aws.names_result || !self.intent_wiped;
        let zip_remembered = self.aws.shown != Shown::Nothing || !self.zip_intent_wiped;
        let visible = self.deleted_at.is_none_or(|deleted| self.seconds > deleted + 30);
        remembered && zip_remembered && visible && !self.tenants_objects().any(|object| self.adopts_a_deleted(object))
    }

    fn adopts_a_deleted(&self, object: &Object) -> bool {
        let Target { arn, uri } = &object.target;
        let Some(asked) = self.aws.asked(arn) else { return false };
        let is_of = |other: &Object| other.target.arn == *arn && other.target.uri.as_str() == asked;
        asked.starts_with(uri.as_str()) && !self.tenants_objects().any(is_of)
    }

    /// The objects that rules cover, now or before.
    fn tenants_objects(&self) -> impl Iterator<Item = &Object> + Clone {
        self.objects.values().filter(|object| &*object.export.namespace != HOSTILE)
    }

    /// The same limit as of [`World::may_crash`]: a crash while the status was cleared, and a deletion shortly after.
    pub(crate) fn may_delete(&self) -> bool {
        !self.intent_wiped || self.seconds > self.leads_since + 30
    }

    /// Crashes the process; a new leader lists the objects and rebuilds the state. Calls in flight still take effect.
    pub(crate) fn crash(&mut self) {
        let now = self.mono();
        self.state = SessionState::new(timing(), now);
        self.leads_since = self.seconds;
        self.flights.iter_mut().for_each(|flight| flight.orphan = true);
        let names: Vec<String> = self.objects.keys().cloned().collect();
        names.iter().for_each(|name| self.upsert(name));
        for object in self.objects.values_mut() {
            (object.due, object.has_permit, object.waiting) = (Some(now), false, None);
        }
    }

    /// Restarts the operator with other rules after `after` seconds. Calls in flight take effect meanwhile.
    pub(crate) fn restart(&mut self, identity: OperatorIdentity, after: u64) {
        self.flights.iter_mut().for_each(|flight| flight.orphan = true);
        let end = at(self.seconds + after).mono;
        while let Some(next) = self.next_flight().filter(|next| *next <= end) {
            self.seconds = self.seconds.max(whole_seconds(next));
            self.settle_flights(next);
        }
        self.seconds = whole_seconds(end);
        self.identity = identity;
        self.crash();
    }

    /// Runs everything that is due within `seconds`.
    pub(crate) fn run(&mut self, seconds: u64) {
        let end = self.seconds + seconds;
        while let Some(next) = self.next_event().filter(|next| *next <= at(end).mono) {
            self.seconds = self.seconds.max(whole_seconds(next));
            // Reads take time: objects that become due meanwhile follow in order; after `end`, in the next run.
            self.settle_flights(next);
            let due = self.objects.iter().filter(|(_, object)| object.due.is_some_and(|due| due <= next));
            let mut due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
            if self.reversed {
                due.reverse();
            }
            due.iter().for_each(|name| self.reconcile(name));
        }
        self.seconds = self.seconds.max(end);
    }

    fn next_event(&self) -> Option<Instant> {
        self.objects.values().filter_map(|object| object.due).chain(self.next_flight()).min()
    }

    fn next_flight(&self) -> Option<Instant> {
        self.flights.iter().map(Flight::next).min()
    }

    fn in_flight(&self, uid: &Uid) -> bool {
        self.flights.iter().any(|flight| flight.uid == *uid && !flight.orphan)
    }

    fn settle_flights(&mut self, until: Instant) {
        while let Some(index) = self.flights.iter().position(|flight| flight.next() <= until) {
            let flight = self.flights.remove(index);
            self.settle_flight(flight, until);
        }
    }

    fn settle_flight(&mut self, mut flight: Flight, until: Instant) {
        let now = self.mono();
        if flight.begins.is_some_and(|begins| begins <= until) && !self.begin(&mut flight, now) {
            return;
        }
        if flight.effect.is_some_and(|effect| effect <= until) {
            flight.effect = None;
            let done = self.aws.export(&flight.target.arn, &flight.target.uri, true, now);
            if done.is_ok() {
                self.callers.entry(flight.target.arn.clone()).or_default().insert(flight.uid.clone());
            }
            flight.answer = flight.answer.map(|_| done);
            self.one_destination(&flight.target);
            self.one_session_of_a_zip(&flight);
        }
        if flight.ends > until {
            self.flights.push(flight);
        } else if !flight.orphan {
            self.answer(&flight, now);
        }
    }

    fn answer(&mut self, flight: &Flight, now: Instant) {
        if self.crash_point == Some(CrashPoint::AfterCall) {
            self.crash_point = None;
            return self.crash();
        }
        match flight.answer.unwrap_or(Err(FailureClass::Unavailable)) {
            Ok(()) => self.state.call_accepted(&flight.uid, "id".to_owned()),
            Err(class) => {
                let before = flight.before.unwrap();
                self.state.call_failed(&flight.uid, &before, &failure(Operation::Export, class), now);
            }
        }
        self.wake(&flight.target);
    }

    /// Requeues the unfinished objects of the session or the destination.
    fn wake(&mut self, target: &Target) {
        let now = self.mono();
        for object in self.objects.values_mut() {
            if (object.target.arn == target.arn || object.target.uri == target.uri) && !object.export.finished() {
                object.due = Some(now);
            }
        }
    }

    /// Does what the reconciler does: observe, decide, record, act, until nothing is left to do at once.
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
        let covered = match self.authorize(name) {
            Authorization::Covered(covered) => covered,
            Authorization::Uncovered(export, why) => return self.withhold(name, &export, &why, now),
        };
        self.state.upsert_object(&covered, now.mono);
        let snapshot_of = self.state.snapshot(&covered.uid, now.mono).unwrap();
        let view = snapshot_of.view.clone();
        let has_permit = self.objects[name].has_permit;
        let observed = Observed {
            may_request: covered.may_request(),
            snapshot: snapshot_of,
            has_permit,
            poll_interval: self.poll_interval,
        };
        let decision = decide(&covered, &observed, now, &timing());
        self.state.set_held(&covered.uid, decision.held.clone());
        if decision.action == Action::Call {
            self.state.acquire_claim(&covered.uid);
        } else {
            self.state.release_claim(&covered.uid, covered.intended());
        }
        if let Some(row) = &decision.row {
            let status = build_status(&covered, row, Some(&covered.target().arn), view.as_ref(), now.wall);
            if status != covered.status {
                self.judge_write(&covered, covered.target(), row, &status);
                self.write(name, status);
                if *row == Row::Requesting && self.crash_point == Some(CrashPoint::AfterIntent) {
                    self.crash_point = None;
                    self.crash();
                    return true;
                }
                return false;
            }
        }
        self.act(name, &covered, &decision)
    }

    fn write(&mut self, name: &str, status: SessionExportStatus) {
        let object = self.objects.get_mut(name).unwrap();
        object.export.status = status;
        object.writes += 1;
    }

    /// Does what the reconciler does for an object that no rule covers.
    fn withhold(&mut self, name: &str, export: &Export, why: &Uncovered, now: Now) -> bool {
        let (row, then) = match decide_uncovered(export, why, now, &timing()) {
            Withheld::Finished(retention) => (Row::Unchanged, retention),
            Withheld::Shown { row, again } => (row, again.map_or(Retention::Keep, Retention::Until)),
            Withheld::StatusUnchanged(_) => {
                self.objects.get_mut(name).unwrap().due = None;
                return true;
            }
        };
        let status = build_status(export, &row, None, None, now.wall);
        if status != export.status {
            self.write(name, status);
            return false;
        }
        let object = self.objects.get_mut(name).unwrap();
        object.due = match then {
            Retention::Keep => None,
            Retention::Until(at) => Some(at),
            Retention::Delete => {
                self.delete(name);
                return true;
            }
        };
        true
    }

    fn act(&mut self, name: &str, covered: &Covered, decision: &Decision) -> bool {
        let (export, target): (&Export, _) = (covered, covered.target());
        let now = self.mono();
        let object = self.objects.get_mut(name).unwrap();
        object.due = match decision.action {
            Action::Done => {
                assert!(export.finished(), "{name} is forgotten at {}", self.seconds);
                None
            }
            Action::WaitUntil(then) => {
                assert!(then > now, "{name} waits for the past");
                Some(then)
            }
            Action::AwaitRead(read) if read.due > now => {
                let then = read.decide_again_at.map_or(read.due, |then| then.min(read.due));
                assert!(then > now, "{name} waits for the past");
                Some(then)
            }
            Action::AwaitRead(read) => {
                if self.read(export, target, read.kind) {
                    return false;
                }
                // A read that changes nothing requeues no object: the next read comes later.
                let again = self.mono() + self.poll_interval;
                let object = self.objects.get_mut(name).unwrap();
                object.due = Some(read.decide_again_at.map_or(again, |then| then.min(again)));
                return true;
            }
            Action::ReserveCall { deadline, .. } => {
                let since = *object.waiting.get_or_insert(now);
                object.has_permit = !self.dry;
                if object.has_permit {
                    object.waiting = None;
                    self.state.end_quota_wait(&export.uid);
                    return false;
                }
                Some(deadline.min(self.state.start_quota_wait(&export.uid, since, now)))
            }
            Action::Call => {
                assert!(covered.may_request(), "{name} is called for, which no rule allows, at {}", self.seconds);
                object.has_permit = false;
                self.call(export, target);
                return true;
            }
            Action::Delete => {
                self.delete(name);
                return true;
            }
        };
        if !decision.action.awaits_quota(now) {
            (object.has_permit, object.waiting) = (false, None);
            self.state.end_quota_wait(&export.uid);
        }
        true
    }

    /// Applies a list page that shows a session, and requeues the session's objects if it changes anything.
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
        let news = self.state.apply_read(arn, SessionRead { begun: now, source: ReadSource::List, found: Some(view) });
        self.seconds += 1;
        news
    }

    /// Reads the session. Returns true if the read changes anything for its objects.
    fn read(&mut self, export: &Export, target: &Target, kind: ReadKind) -> bool {
        let now = self.mono();
        let plan = self.reads.get_mut(&*export.name).and_then(VecDeque::pop_front);
        let plan = match plan.unwrap_or(ReadPlan::Lags(0)) {
            ReadPlan::Listed(lag, names_uri) if kind != ReadKind::Exact => {
                return self.listed(&target.arn, lag, names_uri);
            }
            plan @ (ReadPlan::Lags(_)
            | ReadPlan::HidesExport(_)
            | ReadPlan::Listed(..)
            | ReadPlan::Missing
            | ReadPlan::Fails(_)) => plan,
        };
        self.reads_made += 1;
        let found = match plan {
            ReadPlan::Lags(lag) | ReadPlan::Listed(lag, _) => {
                Some(self.aws.read(&target.arn, now, Duration::from_secs(lag)))
            }
            ReadPlan::HidesExport(lag) => {
                let old = self.aws.read(&target.arn, now, Duration::from_secs(lag));
                Some(SessionView { export: old.export, ..self.aws.read(&target.arn, now, Duration::ZERO) })
            }
            // New sessions may not be visible yet; old ones are.
            ReadPlan::Missing if self.seconds < 20 => None,
            ReadPlan::Missing => Some(self.aws.read(&target.arn, now, Duration::ZERO)),
            ReadPlan::Fails(class) => {
                self.state.read_failed(&export.uid, &failure(Operation::Get, class), now);
                return true;
            }
        };
        self.state.apply_read(&target.arn, SessionRead { begun: now, source: ReadSource::Get, found });
        // Virtual time doesn't advance by itself, but the times of reads and calls must differ.
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
        let plan = self.calls.get_mut(&*export.name).and_then(VecDeque::pop_front).unwrap_or(CallPlan::Answers);
        let mut flight = Flight {
            uid: export.uid.clone(),
            target: target.clone(),
            before: None,
            begins: Some(begins),
            decided: self.seconds,
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

    /// Sends the call, unless the process has crashed. Returns false if it wasn't sent.
    fn begin(&mut self, flight: &mut Flight, now: Instant) -> bool {
        flight.begins = None;
        if !flight.orphan {
            flight.before = self.state.call_begun(&flight.uid, now);
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

    // ---- invariants ----

    fn one_destination(&self, target: &Target) {
        let armed = self.aws.armed.get(&target.arn);
        assert!(armed.is_none_or(|uris| uris.len() < 2), "two destinations for one session: {armed:?}");
    }

    /// A second session would overwrite the first one's `.zip`, unless that export failed or its object was deleted. The
    /// export of a deleted object holds the `.zip` again once another object has recorded it as its own.
    fn one_session_of_a_zip(&self, flight: &Flight) {
        let Target { arn, uri } = &flight.target;
        let lives = |object: &&Object| object.export.status.export_status != Some(ExportStatus::Failed);
        let mut sharers = self.tenants_objects().filter(|object| object.target.uri == *uri).filter(lives);
        let called_for = sharers.clone().any(|object| object.export.uid == flight.uid);
        if uri.is_zip() && called_for && self.aws.asked(arn) == Some(uri.as_str()) {
            let holds = |object: &Object| self.has_called(object) || has_recorded_before(object, flight.decided);
            let other = sharers.find(|object| {
                let asked = self.aws.asked(&object.target.arn);
                object.target.arn != *arn && asked == Some(uri.as_str()) && holds(object)
            });
            assert!(other.is_none(), "two sessions for {uri} at {}", self.seconds);
        }
    }

    fn has_called(&self, object: &Object) -> bool {
        self.callers.get(&object.target.arn).is_some_and(|callers| callers.contains(&object.export.uid))
    }

    fn judge_write(&self, export: &Export, target: &Target, row: &Row, after: &SessionExportStatus) {
        let what = || format!("{} at {}: {row:?}", export.name, self.seconds);
        let accepted =
            |status: &SessionExportStatus| status.conditions.iter().any(|c| c.type_ == ACCEPTED && c.status == "True");
        assert!(!export.finished() || *row == Row::Unchanged, "rewrites the end: {}", what());
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
            Row::Final(Outcome::Unknown)
            | Row::Held(_)
            | Row::Requesting
            | Row::Pending
            | Row::Overdue
            | Row::Unchanged => {}
        }
    }
}

fn whole_seconds(moment: Instant) -> u64 {
    let passed = moment.saturating_duration_since(at(0).mono);
    passed.as_secs() + u64::from(passed.subsec_nanos() > 0)
}

/// True if the object's status had recorded AWS's acceptance before this second.
fn has_recorded_before(object: &Object, seconds: u64) -> bool {
    object.export.status.request_time.as_ref().is_some_and(|time| time.0 < wall(seconds))
}
