//! The poll plan: which object waits for which read, and what is read next. Pure: the clock is an argument, no IO.
//!
//! Its other parts: [`planner`](super::planner) and [`results`](super::results).

#[cfg(test)]
pub(super) mod tests;

use crate::api::request::Uid;
use crate::aws::identifiers::{SessionArn, StreamGroupArn, StreamSessionId};
use crate::aws::model::SessionView;
use crate::metrics::ScanStats;
use crate::polling::discovery::{DiscoveredGroup, Discovery, DiscoveryEvent, DiscoveryPace};
use crate::polling::interval::{FIRST_GET_DELAY, FIRST_READ_GET_LIMIT, PollIntervals};
use crate::polling::planner::{DiscoveryDemand, QuotaScope};
use crate::polling::request::{ReadKind, ReadRequest};
use crate::polling::scan_group::ScanGroup;
use crate::polling::{ScanOwner, ScanSet, holder};
use crate::quota::scheduler::{Priority, PriorityClass};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// One object that waits for a read.
#[derive(Debug, Clone)]
pub(crate) struct ReadSubscription {
    /// The object.
    pub uid: Uid,
    /// Reservations are fair between these.
    pub namespace: Arc<str>,
    /// The session to read.
    pub arn: SessionArn,
    /// The read that it waits for.
    pub read: ReadRequest,
    /// Priority of its Get.
    pub urgency: Priority,
    /// The destination is a `.zip`: the end of the export is recognised without its URI.
    pub zip: bool,
    /// Lists may not show its export before this: it was requested only just now. The first that does ends this.
    pub visible_from: Option<Instant>,
}

/// A subscription, and its Get.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Namespace of the object.
    namespace: Arc<str>,
    /// Stream group of the session.
    pub(super) group: Arc<StreamGroupArn>,
    /// The session to read.
    pub(super) session: StreamSessionId,
    /// Which read is sufficient.
    pub(super) kind: ReadKind,
    /// Priority of its Get.
    pub(super) priority: Priority,
    /// Its key in the agenda; `None` if no Get is scheduled.
    pub(super) at: Option<Instant>,
    /// How far its Get has come.
    pub(super) get: GetState,
    /// The next read requeues the object even if it changes nothing.
    wake_on_any_read: bool,
}

impl Subscription {
    /// True until the first read of an object whose export depends on it.
    fn is_first_read(&self) -> bool {
        self.kind == ReadKind::First && self.wake_on_any_read
    }
}

/// How far a subscription's Get has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GetState {
    Idle,
    /// It waits for its reservation.
    Queued,
    InFlight,
}

/// A stream group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) arn: Arc<StreamGroupArn>,
    pub(super) scan_groups: [ScanGroup; 2],
    /// Its discovery scans, if it has a policy.
    pub(super) discovery: Option<Discovery>,
}

impl Group {
    fn new(arn: StreamGroupArn) -> Self {
        Self { arn: Arc::new(arn), scan_groups: ScanSet::ALL.map(ScanGroup::new), discovery: None }
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.discovery.is_some() || self.scan_groups.iter().any(|scan_group| !scan_group.is_empty())
    }

    /// Time since the last complete scan for accepted exports began, by lists of their own or by discovery; `None` if
    /// they are read with Gets.
    fn pending_scan_age(&self, now: Instant) -> Option<Duration> {
        let pending = self.scan_group(ScanSet::Pending);
        let discovery = self.discovery.as_ref().filter(|_| pending.has_discovered());
        pending.scan_age(now).max(discovery.map(|discovery| discovery.scan_age(now)))
    }

    /// Leaves the members to discovery scans where these serve them, and takes them back where not.
    pub(super) fn set_with_discovery(&mut self, now: Instant) {
        let serves = self.discovery.as_ref().is_some_and(Discovery::serves_members);
        self.scan_groups.iter_mut().for_each(|scan_group| scan_group.set_with_discovery(serves, now));
    }

    pub(super) const fn scan_group(&self, scan_set: ScanSet) -> &ScanGroup {
        let [live, pending] = &self.scan_groups;
        match scan_set {
            ScanSet::Live => live,
            ScanSet::Pending => pending,
        }
    }

    pub(super) const fn scan_group_mut(&mut self, scan_set: ScanSet) -> &mut ScanGroup {
        let [live, pending] = &mut self.scan_groups;
        match scan_set {
            ScanSet::Live => live,
            ScanSet::Pending => pending,
        }
    }
}

/// All subscriptions, and the reads that serve them.
#[derive(Debug)]
pub(crate) struct PollPlan {
    /// Fixed intervals from the configuration.
    pub(super) intervals: PollIntervals,
    /// The subscriptions.
    pub(super) entries: HashMap<Uid, Subscription>,
    /// The scan groups of each stream group.
    pub(super) groups: BTreeMap<StreamGroupArn, Group>,
    /// The scan behind each [`PageRequest::holder`](crate::polling::PageRequest::holder) name.
    pub(super) holders: HashMap<Arc<str>, (StreamGroupArn, ScanOwner)>,
    /// Scheduled Gets, by time.
    pub(super) agenda: BTreeSet<(Instant, Uid)>,
    /// Objects that wait for their first read, by namespace. A namespace with few of them gets a Get for each at once,
    /// so that a scan of a group that is crowded by others doesn't delay it.
    first_reads: HashMap<Arc<str>, usize>,
    /// Holders whose reservations are to be cancelled.
    pub(super) withdrawn: Vec<Uid>,
    /// Interval between two Gets for an accepted export, at the present load.
    pub(super) get_interval: Duration,
    /// Whether summaries of ended exports name the URI.
    pub(super) names_uris: Option<bool>,
    /// Scan results of dropped groups that are not yet in the metrics.
    pub(super) stats: ScanStats,
    /// When the first group had a policy: from then on the groups take turns with the reconnecting lists.
    pub(super) discovery_epoch: Option<Instant>,
    /// What discovery needs, as of the last plan.
    pub(super) discovery_demands: HashMap<QuotaScope, DiscoveryDemand>,
    /// What discovery has found, until the consumer takes it.
    pub(super) events: Vec<DiscoveryEvent>,
    /// The reads of sessions without an object, by the name under which they hold a subscription.
    session_reads: HashMap<Uid, SessionArn>,
}

impl PollPlan {
    /// A plan without subscriptions.
    pub(crate) fn new(intervals: PollIntervals) -> Self {
        Self {
            intervals,
            entries: HashMap::new(),
            groups: BTreeMap::new(),
            holders: HashMap::new(),
            agenda: BTreeSet::new(),
            first_reads: HashMap::new(),
            withdrawn: Vec::new(),
            get_interval: intervals.pending,
            names_uris: None,
            stats: ScanStats::default(),
            discovery_epoch: None,
            discovery_demands: HashMap::new(),
            events: Vec::new(),
            session_reads: HashMap::new(),
        }
    }

    /// Sets which stream groups are scanned although nothing waits for their sessions, and how often.
    pub(crate) fn set_discovered(
        &mut self,
        groups: impl IntoIterator<Item = (StreamGroupArn, DiscoveredGroup)>,
        now: Instant,
    ) {
        let mut wanted: HashMap<StreamGroupArn, DiscoveredGroup> = groups.into_iter().collect();
        for (arn, group) in &mut self.groups {
            let Some(discovery) = &mut group.discovery else { continue };
            let wanted = wanted.remove(arn);
            if wanted.as_ref() == Some(&discovery.wanted) {
                continue;
            }
            if let Some(wanted) = wanted {
                discovery.wanted = wanted;
            } else {
                group.discovery = None;
                let holder = holder(arn, ScanOwner::Discovery);
                self.withdrawn.extend(self.holders.remove(&holder).map(|_| holder));
            }
            group.set_with_discovery(now);
        }
        for (arn, wanted) in wanted {
            self.discovery_epoch.get_or_insert(now);
            let group = self.groups.entry(arn.clone()).or_insert_with(|| Group::new(arn));
            group.discovery = Some(Discovery::new(wanted, now));
            group.set_with_discovery(now);
        }
    }

    /// Takes what discovery has found since the last call. The consumer must call this again and again: discovery pauses
    /// while [`MAX_UNREAD_EVENTS`](crate::polling::interval::MAX_UNREAD_EVENTS) wait.
    pub(crate) fn take_discovery_events(&mut self) -> Vec<DiscoveryEvent> {
        std::mem::take(&mut self.events)
    }

    /// Reads a session that no object need have, with one Get among those of polling, and shows the answer as a
    /// [`DiscoveryEvent::Read`]. A read that fails shows nothing. `namespace` is whose share of the quota it takes.
    pub(crate) fn read_session(&mut self, arn: SessionArn, namespace: Arc<str>, now: Instant) {
        let uid: Uid = arn.to_string().into();
        self.session_reads.insert(uid.clone(), arn.clone());
        let read = ReadRequest { due: now, kind: ReadKind::Exact, session_ends: None, decide_again_at: None };
        let urgency = Priority::for_unread(PriorityClass::Poll);
        self.subscribe(ReadSubscription { uid, namespace, arn, read, urgency, zip: false, visible_from: None }, now);
    }

    /// The namespace and the session of a read that [`Self::read_session`] has begun.
    pub(crate) fn session_read(&self, uid: &Uid) -> Option<(Arc<str>, SessionArn)> {
        let arn = self.session_reads.get(uid)?;
        Some((self.entries.get(uid)?.namespace.clone(), arn.clone()))
    }

    /// Ends a read of [`Self::read_session`]. Returns false if it is another.
    pub(crate) fn end_session_read(&mut self, uid: &Uid, found: Option<&SessionView>) -> bool {
        let Some(arn) = self.session_reads.remove(uid) else { return false };
        self.unsubscribe(uid);
        self.events.extend(found.map(|view| DiscoveryEvent::Read(arn, view.clone())));
        true
    }

    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        self.groups.values().flat_map(|group| &group.scan_groups).for_each(ScanGroup::assert_consistent);
        let first_reads = self.entries.values().filter(|entry| entry.is_first_read()).count();
        assert_eq!(self.first_reads.values().sum::<usize>(), first_reads);
    }

    /// Takes the results of scans since the last call.
    pub(crate) fn take_stats(&mut self) -> ScanStats {
        let mut stats = std::mem::take(&mut self.stats);
        for scan_group in self.groups.values_mut().flat_map(|group| &mut group.scan_groups) {
            stats.add(std::mem::take(&mut scan_group.stats));
        }
        stats
    }

    /// Time since the last complete scan for the accepted exports of a stream group began; the longest of all.
    pub(crate) fn oldest_scan_age(&self, now: Instant) -> Duration {
        self.groups.values().filter_map(|group| group.pending_scan_age(now)).max().unwrap_or_default()
    }

    /// Time since the last complete discovery scan of a stream group began that is scanned continuously; the longest of
    /// all.
    pub(crate) fn oldest_discovery_age(&self, now: Instant) -> Duration {
        let discovered = self.groups.values().filter_map(|group| group.discovery.as_ref());
        let continuous = discovered.filter(|discovery| discovery.wanted.pace == DiscoveryPace::Continuous);
        continuous.map(|discovery| discovery.scan_age(now)).max().unwrap_or_default()
    }

    /// Sets the interval between two Gets for an accepted export.
    pub(crate) fn set_get_interval(&mut self, interval: Duration) {
        self.get_interval = interval;
    }

    /// Number of Gets that are scheduled or wait for quota.
    pub(crate) fn gets_scheduled(&self) -> usize {
        self.entries.values().filter(|entry| entry.at.is_some() || entry.get == GetState::Queued).count()
    }

    /// Adds or replaces an object's subscription.
    pub(crate) fn subscribe(&mut self, waiter: ReadSubscription, now: Instant) {
        let scan_set = ScanSet::of(waiter.read.kind);
        let key = waiter.arn.stream_group();
        let before = self.entries.get(&waiter.uid).map(|entry| ScanSet::of(entry.kind));
        if before.is_some_and(|old| old != scan_set) {
            self.leave_scan_group(&waiter.uid);
        }
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group::new(key));
        let (mut polled_by_list, mut confirming) = (false, false);
        if let Some(scan_set) = scan_set {
            let scan_group = group.scan_group_mut(scan_set);
            scan_group.add_member(&waiter, now);
            polled_by_list = scan_group.is_read_by_list(&waiter.arn.session) || waiter.read.kind == ReadKind::Fresh;
            confirming = scan_group.is_confirming(&waiter.arn.session);
        }
        let group = group.arn.clone();
        let ReadSubscription { uid, namespace, arn, read, urgency: priority, .. } = waiter;
        let urgent = read.is_first(now);
        // A list won't show a missing session: whatever the object waits for now, its Get must be made.
        let due = confirming || (read.due <= now && read.kind != ReadKind::Fresh);
        let get = self.entries.get(&uid).map_or(GetState::Idle, |entry| entry.get);
        let keeps_get = due && get != GetState::Idle;
        if !keeps_get {
            self.unschedule_get(&uid);
        }
        let entry = Subscription {
            namespace,
            group,
            session: arn.session,
            kind: read.kind,
            priority,
            at: self.entries.get(&uid).and_then(|entry| entry.at),
            get: if keeps_get { get } else { GetState::Idle },
            wake_on_any_read: read.kind == ReadKind::Exact || urgent,
        };
        self.replace_subscription(&uid, Some(entry));
        if keeps_get {
            // Only its priority may have changed.
            if get == GetState::Queued {
                self.schedule_get(&uid, now);
            }
        } else if confirming {
            self.schedule_get(&uid, now);
        } else if !polled_by_list || urgent {
            let gathers = scan_set == Some(ScanSet::Pending) && before != Some(scan_set);
            self.schedule_get(&uid, if gathers { read.due.max(now + FIRST_GET_DELAY) } else { read.due });
        }
    }

    /// Removes an object's subscription.
    pub(crate) fn unsubscribe(&mut self, uid: &Uid) {
        self.leave_scan_group(uid);
        self.unschedule_get(uid);
        self.replace_subscription(uid, None);
    }

    /// Replaces or removes a subscription, and counts its first read.
    fn replace_subscription(&mut self, uid: &Uid, new: Option<Subscription>) {
        if let Some(entry) = new.as_ref().filter(|entry| entry.is_first_read()) {
            *self.first_reads.entry(entry.namespace.clone()).or_default() += 1;
        }
        let old = match new {
            Some(entry) => self.entries.insert(uid.clone(), entry),
            None => self.entries.remove(uid),
        };
        if let Some(entry) = old.filter(Subscription::is_first_read) {
            self.discount_first_read(&entry.namespace);
        }
    }

    fn discount_first_read(&mut self, namespace: &Arc<str>) {
        let left = self.first_reads.remove(namespace).map_or(0, |count| count - 1);
        if left > 0 {
            self.first_reads.insert(namespace.clone(), left);
        }
    }

    /// Whether the object waits for its first read, and at most `FIRST_READ_GET_LIMIT` of its namespace do.
    pub(super) fn is_below_first_read_limit(&self, entry: &Subscription) -> bool {
        let count = self.first_reads.get(&entry.namespace).copied().unwrap_or_default();
        entry.is_first_read() && count <= FIRST_READ_GET_LIMIT
    }

    /// The object's session was read. Returns whether the object is to be requeued even if that changes nothing.
    pub(super) fn take_waker(&mut self, uid: &Uid) -> bool {
        let Some(entry) = self.entries.get_mut(uid) else { return false };
        let namespace = entry.is_first_read().then(|| entry.namespace.clone());
        let wakes = std::mem::take(&mut entry.wake_on_any_read);
        namespace.iter().for_each(|namespace| self.discount_first_read(namespace));
        wakes
    }

    fn leave_scan_group(&mut self, uid: &Uid) {
        let Some(entry) = self.entries.get(uid) else { return };
        let Some(scan_set) = ScanSet::of(entry.kind) else { return };
        if let Some(group) = self.groups.get_mut(&*entry.group) {
            group.scan_group_mut(scan_set).remove_member(&entry.session, uid);
        }
    }

    pub(super) fn schedule_get(&mut self, uid: &Uid, at: Instant) {
        let Some(entry) = self.entries.get_mut(uid) else { return };
        if let Some(old) = entry.at.replace(at) {
            self.agenda.remove(&(old, uid.clone()));
        }
        self.agenda.insert((at, uid.clone()));
    }

    pub(super) fn unschedule_get(&mut self, uid: &Uid) {
        let Some(entry) = self.entries.get_mut(uid) else { return };
        if let Some(at) = entry.at.take() {
            self.agenda.remove(&(at, uid.clone()));
        }
        if entry.get == GetState::Queued {
            entry.get = GetState::Idle;
            self.withdrawn.push(uid.clone());
        }
    }
}
