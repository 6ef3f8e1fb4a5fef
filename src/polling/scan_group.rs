//! One scan group: its members, when it is scanned, and which members are missing. Pure.

pub(crate) mod member;
pub(crate) mod pages;

pub(super) use member::{Presence, ScanMember};

use crate::api::request::Uid;
use crate::aws::identifiers::StreamSessionId;
use crate::aws::model::{Filter, PageToken};
use crate::metrics::ScanStats;
use crate::polling::discovery::is_discovery_list;
use crate::polling::interval::{
    ENDING_PERIOD, FIRST_READ_GET_LIMIT, FIRST_SCAN_DELAY, MAX_FAILURES_IN_A_ROW, MAX_SESSIONS_WITHOUT_LISTS,
    PollIntervals, SCAN_COST_TTL, SESSIONS_PER_PAGE,
};
use crate::polling::list_scan::{ListScan, PageState, ScanPhase};
use crate::polling::missing::MissingSessions;
use crate::polling::subscriptions::ReadSubscription;
use crate::polling::{PollBudget, QuotaRates, ScanSet, min_instant};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// The sessions of a stream group that the same lists show.
#[derive(Debug)]
pub(super) struct ScanGroup {
    /// Which sessions these are.
    pub(super) scan_set: ScanSet,
    /// The sessions that this group polls.
    pub(super) members: HashMap<StreamSessionId, ScanMember>,
    /// Discovery scans read the group's ACTIVE and CONNECTED sessions.
    with_discovery: bool,
    /// The sessions that are left to discovery scans: the last complete one has shown them, or began before they were
    /// added. All of them are present.
    discovered: HashMap<StreamSessionId, ScanMember>,
    /// Members that were left to discovery until the last step.
    released: Vec<StreamSessionId>,
    /// Polled with ListStreamSessions; else each member is read with a Get of its own.
    pub(super) polled_by_list: bool,
    /// The scan in progress.
    scan: Option<ListScan>,
    /// When the last scan began.
    began: Option<Instant>,
    /// When the last complete scan began, or when polling with lists began.
    last_complete: Option<Instant>,
    /// When the first member's read is due; no scan begins before this unless urgent.
    due: Option<Instant>,
    /// A scan must begin at once: an export depends on it.
    urgent: bool,
    /// The list that showed most members in the last complete scan: read first by the next one.
    best_filter: Option<Filter>,
    /// What the last scan cost.
    cost: Option<ScanCost>,
    /// Pages of ended exports that were read after the last scan.
    lookup_pages: f64,
    /// The same, when those lists were last read; `None` if they were given up.
    last_lookup: Option<f64>,
    /// Pages fail or are denied.
    paused: Option<ListPause>,
    /// Failed pages in a row.
    failures: u32,
    /// Gets for missing members.
    missing: MissingSessions,
    /// Until when the group counts as ending because a session ended.
    ending_until: Option<Instant>,
    /// The earliest foreseen end of a member.
    next_end: Option<Instant>,
    /// Results of scans that are not yet in the metrics.
    pub(super) stats: ScanStats,
}

/// What a scan cost.
#[derive(Debug, Clone, Copy)]
struct ScanCost {
    /// Pages, without those of ended exports; infinite if the scan was given up.
    pages: f64,
    /// Number of members.
    members: usize,
    /// When it was measured.
    measured: Instant,
}

/// No page is read before `until`.
#[derive(Debug, Clone, Copy)]
struct ListPause {
    until: Instant,
    then: OnError,
}

/// How polling continues after a failed page, once its delay is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    /// With the same page.
    SamePage,
    /// With a new scan.
    NewScan,
    /// With a new scan; until then with Gets.
    Gets,
}

/// What a scan group has to do now.
#[derive(Debug, Default)]
pub(super) struct ScanStep {
    /// The page to reserve.
    pub(super) page: Option<(Filter, Option<PageToken>)>,
    /// Missing sessions to read with a Get.
    pub(super) missing_gets: Vec<StreamSessionId>,
    /// Lists are no longer worth it: every member is to be read with a Get.
    pub(super) fell_back_to_gets: bool,
    /// Members that discovery no longer shows, and that no list is worth: each is to be read with a Get.
    pub(super) released: Vec<StreamSessionId>,
    /// When to evaluate the group again.
    pub(super) next: Option<Instant>,
}

impl ScanGroup {
    pub(super) fn new(scan_set: ScanSet) -> Self {
        Self {
            scan_set,
            members: HashMap::new(),
            with_discovery: false,
            discovered: HashMap::new(),
            released: Vec::new(),
            polled_by_list: false,
            scan: None,
            began: None,
            last_complete: None,
            due: None,
            urgent: false,
            best_filter: None,
            cost: None,
            lookup_pages: 0.0,
            last_lookup: Some(scan_set.history().len() as f64),
            paused: None,
            failures: 0,
            missing: MissingSessions::default(),
            ending_until: None,
            next_end: None,
            stats: ScanStats::default(),
        }
    }

    /// Time since the last complete scan began; `None` if the group is not polled with lists.
    pub(super) fn scan_age(&self, now: Instant) -> Option<Duration> {
        self.last_complete.filter(|_| self.polled_by_list).map(|began| now.saturating_duration_since(began))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.discovered.is_empty()
    }

    /// True if it has members that are left to discovery.
    pub(super) fn has_discovered(&self) -> bool {
        !self.discovered.is_empty()
    }

    /// True if a list is to show this session: it needs no Get of its own.
    pub(super) fn is_read_by_list(&self, session: &StreamSessionId) -> bool {
        self.polled_by_list || self.discovered.contains_key(session)
    }

    pub(super) fn add_member(&mut self, waiter: &ReadSubscription, now: Instant) {
        let session = &waiter.arn.session;
        if self.with_discovery && !self.members.contains_key(session) {
            let member = self.discovered.entry(session.clone()).or_insert_with(|| ScanMember::new(waiter, now));
            return member.update_subscription(waiter, now);
        }
        self.due = min_instant(self.due, Some(waiter.read.due));
        self.next_end = min_instant(self.next_end, waiter.read.session_ends);
        let member = self.members.entry(waiter.arn.session.clone()).or_insert_with(|| ScanMember::new(waiter, now));
        member.update_subscription(waiter, now);
        // No hurry for a session that a list has just failed to show.
        self.urgent |= waiter.read.is_first(now) && !member.presence.is_missing() && member.not_missing_before <= now;
    }

    pub(super) fn remove_member(&mut self, session: &StreamSessionId, uid: &Uid) {
        if let Some(member) = self.discovered.get_mut(session) {
            member.uids.remove(uid);
            if member.uids.is_empty() {
                self.discovered.remove(session);
            }
            return;
        }
        let Some(member) = self.members.get_mut(session) else { return };
        member.uids.remove(uid);
        let is_last = member.uids.is_empty();
        match member.presence {
            Presence::Present | Presence::Missing | Presence::Queued => {}
            Presence::Expected => {
                let scan = self.scan.as_mut().filter(|_| is_last);
                scan.into_iter().for_each(|scan| scan.unseen -= 1);
            }
            Presence::Confirming => {
                // The Get may have been this object's: queue the session again for another object.
                self.missing.finish_get(&member.namespace);
                if !is_last {
                    member.presence = Presence::Queued;
                    self.missing.enqueue_session(session.clone(), member.namespace.clone());
                }
            }
        }
        if is_last {
            self.members.remove(session);
        }
    }

    /// Sets when an unchanged session that was just read is due again: in a group polled with lists for a scan, else
    /// for a Get. Returns when to make that Get; `None` if a list is to show the session.
    pub(super) fn set_next_read(
        &mut self,
        session: &StreamSessionId,
        now: Instant,
        interval: Duration,
        intervals: &PollIntervals,
    ) -> Option<Instant> {
        let get_at = |member: &ScanMember| {
            let soon = member.ends.is_some_and(|ends| ends <= now + ENDING_PERIOD);
            now + intervals.get_interval(self.scan_set, interval, soon)
        };
        if let Some(member) = self.discovered.get_mut(session) {
            member.at = get_at(member);
            return None;
        }
        let member = self.members.get_mut(session)?;
        member.at = if self.polled_by_list { now + intervals.of(self.scan_set) } else { get_at(member) };
        self.due = min_instant(self.due, Some(member.at));
        (!self.polled_by_list && !member.list_only).then_some(member.at)
    }

    /// Pages that a scan is expected to take, with the lists of ended exports for what it finds missing.
    pub(super) fn expected_pages_total(&self, now: Instant) -> f64 {
        self.expected_pages(now) + self.lookup_pages
    }

    /// Pages that a scan is expected to take, without the lists of ended exports.
    fn expected_pages(&self, now: Instant) -> f64 {
        let members = self.members.len();
        let known = self.cost.filter(|cost| now < cost.measured + SCAN_COST_TTL && members <= 2 * cost.members);
        known.map_or((members as f64 / SESSIONS_PER_PAGE).ceil().max(1.0), |cost| cost.pages)
    }

    /// Gets that the group needs: one per member in a small group, else one per missing member.
    pub(super) fn pending_gets(&self) -> usize {
        let few = self.members.len();
        if few <= MAX_SESSIONS_WITHOUT_LISTS { few } else { self.missing.len() }
    }

    /// True if sessions ended lately or are about to end.
    pub(super) fn ends_expected(&self, now: Instant) -> bool {
        self.next_end.is_some_and(|ends| ends <= now + ENDING_PERIOD) || self.ending_until.is_some_and(|at| now < at)
    }

    /// Whether lists serve the members in less time than Gets, each in its own quota.
    fn lists_pay(&self, now: Instant, budget: PollBudget) -> bool {
        if let Some(pause) = self.paused.filter(|pause| now < pause.until) {
            return self.polled_by_list && pause.then != OnError::Gets;
        }
        let members = self.members.len();
        if members > MAX_SESSIONS_WITHOUT_LISTS || budget.gets_are_scarce {
            return self.expected_pages_total(now) <= budget.rates.pages_worth(members);
        }
        let first_reads = self.first_reads().count();
        first_reads > FIRST_READ_GET_LIMIT && self.expected_pages(now) < budget.rates.pages_worth(first_reads)
    }

    /// When the next scan begins; `None` if no member is due.
    fn next_scan_at(&self, now: Instant, budget: PollBudget, intervals: &PollIntervals) -> Option<Instant> {
        let interval = budget.scan_interval.max(intervals.of(self.scan_set));
        let distrust = match self.missing.distrust_level() {
            0 => Duration::ZERO,
            times => intervals.retry.delay_after(times),
        };
        let start = if self.urgent {
            self.first_scan_at(now)
        } else {
            self.began.map_or(now, |began| began + interval.max(distrust)).max(self.due?)
        };
        Some(self.paused.map_or(start, |pause| start.max(pause.until)))
    }

    /// Members with exports that depend on their first read.
    fn first_reads(&self) -> impl Iterator<Item = &ScanMember> {
        self.members.values().filter(|member| member.urgent && !member.presence.is_missing())
    }

    /// When a scan begins on which exports depend: at once, but in a small group it waits for a moment for others.
    fn first_scan_at(&self, now: Instant) -> Instant {
        if self.members.len() > MAX_SESSIONS_WITHOUT_LISTS {
            return now;
        }
        self.first_reads().map(|member| member.since).min().map_or(now, |since| since + FIRST_SCAN_DELAY)
    }

    /// What to do now; begins a scan if one is due.
    pub(super) fn next_step(&mut self, now: Instant, budget: PollBudget, intervals: &PollIntervals) -> ScanStep {
        let paused = self.paused.map(|pause| pause.until).filter(|until| now < *until && !self.members.is_empty());
        let mut step = ScanStep { next: paused, ..ScanStep::default() };
        if self.scan.is_none() {
            let before = self.polled_by_list;
            self.polled_by_list = !self.members.is_empty() && self.lists_pay(now, budget);
            step.fell_back_to_gets = before && !self.polled_by_list;
            self.last_complete = self.last_complete.filter(|_| before).or(Some(now));
            if let Some(start) = self.next_scan_at(now, budget, intervals).filter(|_| self.polled_by_list) {
                if start <= now {
                    self.start_scan(now, budget.rates);
                } else {
                    step.next = min_instant(step.next, Some(start));
                }
            }
        }
        let released = std::mem::take(&mut self.released);
        step.released = if self.polled_by_list { Vec::new() } else { released };
        step.page = self.take_wanted_page(now);
        let members = &mut self.members;
        let is_queued = |session: &_| members.get(session).is_some_and(|member| member.presence == Presence::Queued);
        step.missing_gets = self.missing.take_due(is_queued);
        for session in &step.missing_gets {
            if let Some(member) = members.get_mut(session) {
                member.presence = Presence::Confirming;
            }
        }
        step
    }

    /// Starts a scan with the list that showed most sessions last time.
    fn start_scan(&mut self, now: Instant, rates: QuotaRates) {
        self.urgent = false;
        let mut scan = ListScan::new(self.lists(), ScanPhase::Active, 0.0, now);
        scan.start_with(self.best_filter);
        self.scan = Some(scan);
        self.begin_scan(now, rates);
    }

    /// The lists of a scan: those that return the members, less those that discovery scans read.
    fn lists(&self) -> VecDeque<Filter> {
        let lists = self.scan_set.filters().iter().copied();
        lists.filter(|list| !self.with_discovery || !is_discovery_list(*list)).collect()
    }

    /// The scan begins now: it expects every member that isn't missing.
    fn begin_scan(&mut self, now: Instant, rates: QuotaRates) {
        let Some(scan) = &mut self.scan else { return };
        let mut unseen = 0;
        for member in self.members.values_mut().filter(|member| !member.presence.is_missing()) {
            member.presence = Presence::Expected;
            unseen += 1;
        }
        let members = self.members.len();
        scan.begin_at(now, rates.pages_worth(members), (members, unseen));
        self.began = Some(now);
    }

    fn take_wanted_page(&mut self, now: Instant) -> Option<(Filter, Option<PageToken>)> {
        let paused = self.paused.is_some_and(|pause| now < pause.until);
        self.scan.as_mut().filter(|_| !paused)?.take_wanted_page()
    }

    /// The page that waits for its reservation.
    pub(super) fn queued_page(&self) -> Option<(Filter, Option<PageToken>)> {
        self.scan.as_ref().filter(|scan| scan.page == PageState::Queued)?.next_page()
    }

    /// True once the scan in progress has read a page.
    pub(super) fn is_scan_under_way(&self) -> bool {
        self.scan.as_ref().is_some_and(ListScan::is_under_way)
    }

    /// The page was not sent: it is to be reserved again.
    pub(super) fn release_page(&mut self) {
        if let Some(scan) = &mut self.scan {
            scan.page = PageState::Wanted;
        }
    }

    /// The page is in flight. The scan begins when its first page is sent: it also covers members that were added while
    /// that page waited for quota.
    pub(super) fn mark_page_in_flight(&mut self, now: Instant, rates: QuotaRates) {
        if !self.is_scan_under_way() {
            self.begin_scan(now, rates);
        }
        if let Some(scan) = &mut self.scan {
            scan.page = PageState::InFlight;
        }
    }

    /// A page failed or was denied.
    pub(super) fn on_page_error(
        &mut self,
        until: Option<Instant>,
        then: OnError,
        now: Instant,
        intervals: &PollIntervals,
    ) {
        let until = until.unwrap_or(now + intervals.retry.delay_after(self.failures));
        self.failures += 1;
        self.paused = Some(ListPause { until, then });
        let retries = then == OnError::SamePage && self.failures < MAX_FAILURES_IN_A_ROW;
        match &mut self.scan {
            Some(scan) if retries => scan.page = PageState::Wanted,
            scan => {
                if scan.as_ref().is_some_and(|scan| scan.phase == ScanPhase::Terminal) {
                    self.queue_missing_gets();
                }
                self.stats.failed += 1;
                self.finish_scan(now);
                self.urgent |= self.scan_set == ScanSet::Live;
            }
        }
    }

    /// No page is read before `until`: one of discovery has failed.
    pub(super) const fn pause_lists(&mut self, until: Instant, then: OnError) {
        self.paused = Some(ListPause { until, then });
    }

    /// True if a Get for this missing session is due or in flight.
    pub(super) fn is_confirming(&self, session: &StreamSessionId) -> bool {
        self.members.get(session).is_some_and(|member| member.presence == Presence::Confirming)
    }

    /// The counts that are kept beside the members agree with them.
    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        let count = |presence| self.members.values().filter(|member| member.presence == presence).count();
        assert_eq!(self.scan.as_ref().map_or(0, |scan| scan.unseen), count(Presence::Expected));
        assert_eq!(self.missing.confirming(), count(Presence::Confirming));
        assert!(self.missing.len() >= count(Presence::Confirming) + count(Presence::Queued));
        assert!(self.with_discovery || self.discovered.is_empty());
        let is_present = |member: &ScanMember| member.presence == Presence::Present;
        assert!(self.discovered.values().all(is_present));
        assert!(!self.discovered.keys().any(|session| self.members.contains_key(session)));
    }

    pub(super) const fn failure_count(&self) -> u32 {
        self.failures
    }
}
