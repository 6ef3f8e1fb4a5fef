//! The poll plan against a model of AWS in virtual time: lists whose pages shift while they are read, filters that lag,
//! foreign exports, endless tokens; one Get or page at a time, each in its own quota.

#[cfg(test)]
mod discovery_tests;
#[cfg(test)]
mod tests;

use crate::api::request::Uid;
use crate::aws::failure::FailureClass;
use crate::aws::identifiers::{SessionArn, StreamGroupArn};
use crate::aws::model::{ExportFilesStatus, Filter, PageToken, SessionPage, SessionStatus, SessionView};
use crate::export::fixtures::{epoch, secs, session};
use crate::polling::discovery::{DiscoveredGroup, DiscoveryEvent, DiscoveryPace, DiscoveryScan};
use crate::polling::interval::PollIntervals;
use crate::polling::poller::{page_priority, page_requester};
use crate::polling::request::{ReadKind, ReadRequest};
use crate::polling::subscriptions::{PollPlan, ReadSubscription};
use crate::polling::{GetOutcome, PageRequest, PlannedRead, QuotaRates};
use crate::quota::fair_queue::FairQueue;
use crate::quota::scheduler::{DISCOVERY_PREFIX, LISTS_NAMESPACE, Priority, PriorityClass, Requester};
use crate::runtime::backoff::ExponentialBackoff;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

pub(super) const SPEEDS: QuotaRates = QuotaRates { get: 10.0, list: 10.0, discovery_share: 0.65 };
const TICK: Duration = Duration::from_millis(100);
pub(super) const WAITS: PollIntervals = PollIntervals {
    live: secs2(),
    pending: secs2(),
    discovery: secs2(),
    reconnect_scan: Duration::from_secs(60),
    failed_discovery: Duration::from_secs(60),
    retry: ExponentialBackoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) },
};

const fn secs2() -> Duration {
    Duration::from_secs(2)
}

/// How the service behaves.
#[derive(Debug, Clone, Default)]
pub(super) struct Service {
    /// The filters show the state of this long ago.
    pub(super) filter_lag: Duration,
    /// Summaries name no URI.
    pub(super) status_only: bool,
    /// A session is left out of a page with this chance in a hundred.
    pub(super) drops: usize,
    /// Filters show nothing at all.
    pub(super) blind: bool,
    /// Tokens lead back to the first page.
    pub(super) circles: bool,
    /// Every page is empty and there is always another.
    pub(super) endless: bool,
    pub(super) refuses: Option<FailureClass>,
    /// Exports were accepted just now: lists may not show them for this long.
    pub(super) new_for: Duration,
    /// At each tick some object is reconciled for another reason, and subscribes again.
    pub(super) passes: bool,
    /// How long an export stays PENDING after its session's end.
    pub(super) upload: Duration,
    /// Lists of no interest here wait for the quota all the time.
    pub(super) busy: bool,
}

pub(super) struct Object {
    arn: SessionArn,
    zip: bool,
    /// When its export was accepted, or its session began, and when the session ended; foreign ones have no
    /// subscription.
    pub(super) accepted: Instant,
    pub(super) ended: Option<Instant>,
    pub(super) reported: Option<Instant>,
    ours: bool,
    /// The session's status while it is live.
    pub(super) status: SessionStatus,
    /// It has no export.
    is_bare: bool,
}

impl Object {
    /// Its status and that of its export; `None` before it exists.
    fn statuses(&self, then: Instant, service: &Service) -> Option<(SessionStatus, Option<ExportFilesStatus>)> {
        let is_over = self.ended.is_some_and(|at| at <= then);
        let is_uploaded = self.ended.is_some_and(|at| at + service.upload <= then);
        let export = if is_uploaded { ExportFilesStatus::Succeeded } else { ExportFilesStatus::Pending };
        let status = if is_over { SessionStatus::Terminated } else { self.status };
        (self.accepted <= then).then_some((status, (!self.is_bare).then_some(export)))
    }

    /// What a list shows of it; `None` before it exists.
    fn view(&self, then: Instant, service: &Service) -> Option<SessionView> {
        let (status, export) = self.statuses(then, service)?;
        let view = session().in_state(status);
        let uri = (!service.status_only).then_some("s3://bucket/a/k.zip");
        Some(export.map_or_else(|| view.clone(), |export| view.clone().exported_to(uri, export)))
    }
}

pub(super) struct Model {
    pub(super) plan: PollPlan,
    pub(super) service: Service,
    pub(super) now: Instant,
    pub(super) objects: BTreeMap<Uid, Object>,
    groups: BTreeMap<StreamGroupArn, Vec<Uid>>,
    asked: VecDeque<Uid>,
    lists: FairQueue,
    free: (Instant, Instant),
    pub(super) gets: usize,
    pub(super) pages: usize,
    /// When each page was read, and which sessions a page has shown.
    pub(super) read: Vec<Instant>,
    pub(super) seen: BTreeSet<Uid>,
    /// Reads that requeued an object.
    pub(super) woken: usize,
    /// Each page, with when it was read.
    pub(super) log: Vec<(Instant, PageRequest)>,
    /// Slots that went to lists of no interest.
    pub(super) other_lists: usize,
    /// When discovery first showed a session.
    pub(super) discovered: BTreeMap<Uid, Instant>,
    /// The discovery scans that have ended.
    pub(super) scans: Vec<DiscoveryScan>,
    dice: u64,
}

pub(super) fn group(number: usize) -> StreamGroupArn {
    let (region, account) = ("us-west-2".parse().unwrap(), "111122223333".parse().unwrap());
    StreamGroupArn { region, account, group: format!("sg-{number}").parse().unwrap() }
}

/// A group that a policy of namespace `team` discovers.
pub(super) fn discovered(pace: DiscoveryPace) -> DiscoveredGroup {
    DiscoveredGroup { pace, namespace: "team".into() }
}

impl Model {
    pub(super) fn new(service: Service) -> Self {
        let now = epoch();
        Self {
            plan: PollPlan::new(WAITS),
            service,
            now,
            objects: BTreeMap::new(),
            groups: BTreeMap::new(),
            asked: VecDeque::new(),
            lists: FairQueue::with_reserved(DISCOVERY_PREFIX, SPEEDS.discovery_share),
            free: (now, now),
            gets: 0,
            pages: 0,
            read: Vec::new(),
            seen: BTreeSet::new(),
            woken: 0,
            log: Vec::new(),
            other_lists: 0,
            discovered: BTreeMap::new(),
            scans: Vec::new(),
            dice: 1,
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        (self.now - epoch()).as_secs_f64()
    }

    fn add(&mut self, group: &StreamGroupArn, name: &str, ours: bool, zip: bool, ended: Option<Instant>) {
        let arn = group.session(name.parse().unwrap());
        let uid: Uid = name.into();
        let (accepted, status) = (self.now, SessionStatus::Active);
        let object = Object { arn, zip, accepted, ended, reported: None, ours, status, is_bare: false };
        self.objects.insert(uid.clone(), object);
        self.groups.entry(group.clone()).or_default().push(uid.clone());
        if ours {
            let visible_from = (self.service.new_for > Duration::ZERO).then(|| self.now + self.service.new_for);
            self.wait(&uid, ReadKind::Pending, visible_from);
        }
    }

    /// Adds exports that were accepted long ago.
    pub(super) fn pending(&mut self, groups: usize, each: usize, zip: bool) {
        for number in 0..groups {
            (0..each).for_each(|n| self.add(&group(number), &format!("g{number}-{n}"), true, zip, None));
        }
    }

    /// Adds an accepted export to each group.
    pub(super) fn one_more(&mut self, groups: usize, n: usize) {
        (0..groups).for_each(|number| self.add(&group(number), &format!("g{number}-{n}"), true, false, None));
    }

    /// Adds foreign exports: still pending, or ended already.
    pub(super) fn strangers(&mut self, groups: usize, each: usize, ended: bool) {
        let ended = ended.then_some(self.now);
        for number in 0..groups {
            let name = |n| format!("other{}-{number}-{n}", u8::from(ended.is_some()));
            (0..each).for_each(|n| self.add(&group(number), &name(n), false, false, ended));
        }
    }

    /// Groups 0 and following have a policy.
    pub(super) fn discover(&mut self, groups: usize, pace: DiscoveryPace) {
        self.plan.set_discovered((0..groups).map(|number| (group(number), discovered(pace))), self.now);
    }

    /// A session begins, which no object names.
    pub(super) fn begins(&mut self, number: usize, name: &str, status: SessionStatus, lives: Duration) {
        self.add(&group(number), name, false, false, Some(self.now + lives));
        let object = self.objects.get_mut(name).unwrap();
        (object.status, object.is_bare) = (status, true);
    }

    /// An object waits for the first read of a session.
    pub(super) fn wait_first(&mut self, name: &str) {
        self.wait(&name.into(), ReadKind::First, None);
    }

    fn wait(&mut self, uid: &Uid, kind: ReadKind, visible_from: Option<Instant>) {
        self.wait_until(self.now, uid, kind, visible_from);
    }

    fn wait_until(&mut self, at: Instant, uid: &Uid, kind: ReadKind, visible_from: Option<Instant>) {
        let object = &self.objects[uid];
        let read = ReadRequest { due: at, kind, session_ends: None, decide_again_at: None };
        let urgency = Priority::for_unread(PriorityClass::Poll);
        let (uid, arn, zip) = (uid.clone(), object.arn.clone(), object.zip);
        let namespace = "team-a".into();
        self.plan.subscribe(ReadSubscription { uid, namespace, arn, read, urgency, zip, visible_from }, self.now);
    }

    pub(super) fn ends(&mut self, name: &str, after: Duration) {
        self.objects.get_mut(name).unwrap().ended = Some(self.now + after);
    }

    /// Ends all own exports, spread evenly over a window.
    pub(super) fn all_end_within(&mut self, window: Duration) {
        let ours: Vec<Uid> = self.objects.iter().filter(|(_, o)| o.ours).map(|(uid, _)| uid.clone()).collect();
        for (n, uid) in ours.iter().enumerate() {
            // Not group after group.
            let part = (n * 7919 % ours.len()) as f64 / ours.len() as f64;
            self.ends(uid, window.mul_f64(part));
        }
    }

    /// Ends all exports, evenly over a window; in each group in the order of its lists.
    pub(super) fn all_end_in_order_within(&mut self, window: Duration) {
        for of in self.groups.clone().into_values() {
            for (n, uid) in of.iter().enumerate() {
                self.ends(uid, window.mul_f64(n as f64 / of.len() as f64));
            }
        }
    }

    pub(super) fn run(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    pub(super) fn run_until(&mut self, span: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + span;
        let mut ticks = 0;
        while self.now < end && !(ticks % 5 == 0 && done(self)) {
            ticks += 1;
            let (work, _) = self.plan.plan_reads(self.now, SPEEDS);
            if ticks % 50 == 0 {
                self.plan.assert_consistent();
            }
            if self.service.passes {
                self.passes_between();
            }
            for item in work {
                match item {
                    PlannedRead::Get(uid) if self.asked.contains(&uid) => {}
                    PlannedRead::Get(uid) => self.asked.push_back(uid),
                    PlannedRead::Withdraw(uid) => {
                        self.asked.retain(|other| *other != uid);
                        self.lists.cancel(&uid);
                    }
                    PlannedRead::List(order) => {
                        self.lists.enqueue(page_requester(&order), page_priority(&order), self.now);
                    }
                }
            }
            if self.service.busy {
                let holder = Requester { uid: "busy".into(), namespace: LISTS_NAMESPACE.into() };
                self.lists.enqueue(holder, Priority::for_unread(PriorityClass::Poll), self.now);
            }
            if self.now >= self.free.0
                && let Some(uid) = self.asked.pop_front()
            {
                self.free.0 = self.now + secs(1).div_f64(SPEEDS.get);
                self.get(&uid);
            }
            if self.now >= self.free.1
                && let Some(waiter) = self.lists.pop()
            {
                self.free.1 = self.now + secs(1).div_f64(SPEEDS.list);
                match self.plan.granted_read(&waiter.holder.uid) {
                    Some(PlannedRead::List(order)) => self.list(&order),
                    Some(PlannedRead::Get(_) | PlannedRead::Withdraw(_)) | None => self.other_lists += 1,
                }
                self.take_events();
            }
            self.now += TICK;
        }
    }

    fn take_events(&mut self) {
        for event in self.plan.take_discovery_events() {
            match event {
                DiscoveryEvent::Shown(shown) => {
                    for (session, _) in shown.sessions {
                        self.discovered.entry(session.as_str().into()).or_insert(self.now);
                    }
                }
                DiscoveryEvent::Ended(scan) => self.scans.push(scan),
                DiscoveryEvent::Read(..) => {}
            }
        }
    }

    /// Subscribes an object with a queued Get, and any object, again: a reconcile must not drop the queued Get.
    fn passes_between(&mut self) {
        let (one, other) = (self.random_below(self.asked.len()), self.random_below(self.objects.len()));
        let (asked, any) = (self.asked.get(one).cloned(), self.objects.keys().nth(other).cloned());
        for uid in asked.into_iter().chain(any) {
            let object = &self.objects[&uid];
            if object.ours && object.reported.is_none() {
                self.wait_until(self.now + secs(10), &uid, ReadKind::Pending, None);
            }
        }
    }

    /// A number below `sides`; 0 if there are none.
    fn random_below(&mut self, sides: usize) -> usize {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.dice >> 33) as usize % sides.max(1)
    }

    fn get(&mut self, uid: &Uid) {
        self.gets += 1;
        self.plan.mark_get_in_flight(uid);
        let object = self.objects.get_mut(uid).unwrap();
        let gone = object.ended.is_some_and(|at| at + self.service.upload <= self.now);
        let arn = object.arn.clone();
        if gone {
            object.reported.get_or_insert(self.now);
        }
        let got = if gone { GetOutcome::Gone } else { GetOutcome::Present };
        let waited = self.plan.on_get(&arn, std::slice::from_ref(uid), got, self.now);
        if gone {
            self.woken += 1;
            self.plan.unsubscribe(uid);
        } else if !waited.is_empty() {
            self.wait(uid, ReadKind::Pending, None);
        }
    }

    fn list(&mut self, order: &PageRequest) {
        self.pages += 1;
        self.read.push(self.now);
        self.log.push((self.now, order.clone()));
        self.plan.mark_page_in_flight(order, self.now, SPEEDS);
        if let Some(class) = self.service.refuses {
            return self.plan.on_page_error(order, class, None, self.now);
        }
        let page = self.page(order);
        self.plan.on_page(order, &page, self.now, SPEEDS);
        for (session, view) in &page.sessions {
            let uid: Uid = session.as_str().into();
            self.seen.insert(uid.clone());
            let (ours, zip) = (self.objects[&uid].ours, self.objects[&uid].zip);
            let Some(export) = &view.export else { continue };
            if !ours || self.objects[&uid].reported.is_some() || export.status == ExportFilesStatus::Pending {
                continue;
            }
            self.woken += 1;
            if zip || export.output_uri.is_some() {
                self.objects.get_mut(&uid).unwrap().reported = Some(self.now);
                self.plan.unsubscribe(&uid);
            } else {
                self.wait(&uid, ReadKind::Exact, None);
            }
        }
    }

    /// Up to 100 sessions from an offset on: a session that leaves the list shifts those behind it.
    fn page(&mut self, order: &PageRequest) -> SessionPage {
        let from: usize = order.from.as_ref().map_or(0, |token| token.as_str().parse().unwrap());
        let then = self.now.checked_sub(self.service.filter_lag).unwrap_or(self.now);
        let is_listed = |uid: &&Uid| {
            let statuses = self.objects[*uid].statuses(then, &self.service);
            let matches = statuses.is_some_and(|(session, export)| match order.filter {
                Filter::Session(status) => session == status,
                Filter::Export(status) => export == Some(status),
            });
            matches && !self.service.blind
        };
        let listed: Vec<_> = self.groups.get(&*order.group).into_iter().flatten().filter(is_listed).collect();
        let more = listed.len() > from + 100;
        let view_of = |uid: &Uid| self.objects[uid].view(then, &self.service).map(|view| (uid.clone(), view));
        let shown: Vec<_> = listed.into_iter().skip(from).take(100).filter_map(view_of).collect();
        let mut sessions = Vec::new();
        for (uid, view) in shown {
            if self.random_below(100) >= self.service.drops && !self.service.endless {
                sessions.push((self.objects[&uid].arn.session.clone(), view));
            }
        }
        let on = match (self.service.endless, self.service.circles) {
            (true, _) => Some(from + 1),
            (_, true) => Some(0),
            (_, false) => more.then_some(from + 100),
        };
        SessionPage { begun: self.now, sessions, next: on.map(|on| PageToken::new(&on.to_string())) }
    }

    pub(super) fn unreported(&self) -> usize {
        self.objects.values().filter(|o| o.ours && o.ended.is_some() && o.reported.is_none()).count()
    }

    /// Seconds from an export's end to its detection: the 99th percentile.
    pub(super) fn delay(&self) -> f64 {
        let delay = |o: &Object| Some((o.reported? - o.ended?).as_secs_f64());
        let mut delays: Vec<f64> = self.objects.values().filter(|o| o.ours).filter_map(delay).collect();
        delays.sort_by(f64::total_cmp);
        delays[delays.len() * 99 / 100]
    }
}
