//! Discovery: which sessions of a stream group are live, whether or not an object names them. Pure.
//!
//! A scan of its own, beside the two scan groups of a stream group, not a third [`ScanSet`](crate::polling::ScanSet)
//! and not a kind of live scan: a scan group scans for its members, so its scan ends once all of them are found, and is
//! given up where Gets cost less. A discovery scan has no members, and reads its lists to the end in any case.
//! It serves the members of both scan groups instead: a member that it shows moves to
//! [`ScanGroup::discovered`](crate::polling::scan_group::ScanGroup), and is left to discovery until a complete scan
//! doesn't show it. What is left in a scan group is what discovery can't show, and for that the scan group polls as in
//! a group without a policy, less the lists that discovery reads.
//!
//! Owns: when a group is scanned, which lists the scan reads, and how it ends. Never: members, the share of the quota
//! (the [fair queue](crate::quota::fair_queue) has it), or what a policy selects.

#[cfg(test)]
mod tests;

use crate::aws::failure::FailureClass;
use crate::aws::identifiers::{SessionArn, StreamGroupArn, StreamSessionId};
use crate::aws::model::{Filter, PageToken, SessionStatus, SessionView};
use crate::polling::PageRequest;
use crate::polling::interval::{MAX_FAILURES_IN_A_ROW, MAX_PAGES, PollIntervals};
use crate::polling::list_scan::{ListScan, PageState, ScanPhase, ScanProgress};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The lists of every discovery scan, in their order: a new session is ACTIVE. ACTIVATING is left out: such a session
/// can't be exported, and turns up in ACTIVE.
const LISTS: [Filter; 2] = [Filter::Session(SessionStatus::Active), Filter::Session(SessionStatus::Connected)];
/// The lists that are read once a minute: a session in one of them has been in the others before.
const RECONNECTING_LISTS: [Filter; 2] =
    [Filter::Session(SessionStatus::PendingClientReconnection), Filter::Session(SessionStatus::Reconnecting)];
/// Rejected scans that are repeated soon: perhaps only a page token was too old.
const MAX_QUICK_RETRIES: u32 = 2;

/// How often a stream group is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiscoveryPace {
    /// One scan after the other, not before `timing.discoveryInterval`.
    Continuous,
    /// Once per `timing.reconnectScanInterval`: all policies of the group are suspended, and only count.
    Counting,
}

/// A stream group to discover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiscoveredGroup {
    /// How often it is scanned.
    pub pace: DiscoveryPace,
    /// The namespace whose turns its pages take: discovery is fair between namespaces.
    pub namespace: Arc<str>,
}

/// What discovery has found. The events of one group are in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DiscoveryEvent {
    /// A page shows these sessions. They come page by page, not at the end of a scan.
    Shown(ShownSessions),
    /// A scan has ended.
    Ended(DiscoveryScan),
    /// A session that was [asked for](crate::polling::subscriptions::PollPlan::read_session), read with a Get.
    Read(SessionArn, SessionView),
}

/// The sessions on one page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShownSessions {
    /// Their stream group; [`StreamGroupArn::session`] gives a session's ARN.
    pub group: Arc<StreamGroupArn>,
    /// When the request was begun.
    pub begun: Instant,
    /// The sessions. A list may lag, so that their status may be any.
    pub sessions: Vec<(StreamSessionId, SessionView)>,
}

/// A discovery scan that has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DiscoveryScan {
    /// The stream group.
    pub group: Arc<StreamGroupArn>,
    /// When its first page was sent.
    pub began: Instant,
    /// How long it took from then on.
    pub took: Duration,
    /// Pages read.
    pub pages: usize,
    /// It read PENDING_CLIENT_RECONNECTION and RECONNECTING, too. Without them, a session that it does not show may
    /// still be live.
    pub reconnecting: bool,
    /// How it ended.
    pub outcome: ScanOutcome,
}

/// How a discovery scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanOutcome {
    /// All lists have been read to their end. Pages shift while they are read: one scan proves no session ended.
    Complete,
    /// A page token repeats, or a list has no end: sessions that were not shown may be live.
    Incomplete,
    /// AWS refused a page, or failed too often.
    Failed(FailureClass),
}

/// What discovery has to do now.
#[derive(Debug, Default)]
pub(super) struct DiscoveryStep {
    /// The page to reserve.
    pub(super) page: Option<(Filter, Option<PageToken>)>,
    /// When to evaluate the group again.
    pub(super) next: Option<Instant>,
}

/// The discovery scans of one stream group.
#[derive(Debug)]
pub(super) struct Discovery {
    /// How often it is scanned, and for whom.
    pub(super) wanted: DiscoveredGroup,
    /// The scan in progress.
    scan: Option<ListScan>,
    /// The scan in progress reads the reconnecting lists, too.
    reconnecting: bool,
    /// When the last scan began.
    began: Option<Instant>,
    /// When the last complete scan began, or when the group got its policy.
    last_complete: Instant,
    /// When the last complete scan with the reconnecting lists began.
    reconnecting_began: Option<Instant>,
    /// A scan has ended, however.
    has_ended_once: bool,
    /// Pages of the last complete scan, without the reconnecting lists.
    pages: f64,
    /// No page is read before.
    paused_until: Option<Instant>,
    /// Failed pages in a row.
    failures: u32,
}

impl Discovery {
    pub(super) const fn new(wanted: DiscoveredGroup, now: Instant) -> Self {
        Self {
            wanted,
            scan: None,
            reconnecting: false,
            began: None,
            last_complete: now,
            reconnecting_began: None,
            has_ended_once: false,
            pages: LISTS.len() as f64,
            paused_until: None,
            failures: 0,
        }
    }

    pub(super) fn scan_age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_complete)
    }

    /// True if its pages come often enough for the members of the scan groups, and don't fail.
    pub(super) fn serves_members(&self) -> bool {
        self.wanted.pace == DiscoveryPace::Continuous && self.failures == 0
    }

    /// True during the first scan: sessions may have waited for it since before the leader term.
    pub(super) fn is_first_scan(&self, now: Instant) -> bool {
        !self.has_ended_once && !self.is_paused(now)
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| now < until)
    }

    /// Pages per second, if no share bounds them.
    pub(super) fn page_rate(&self, now: Instant, intervals: &PollIntervals) -> f64 {
        if self.is_paused(now) {
            return 0.0;
        }
        let reconnecting = RECONNECTING_LISTS.len() as f64 / intervals.reconnect_scan.as_secs_f64();
        self.pages / self.interval(intervals).as_secs_f64() + reconnecting
    }

    const fn interval(&self, intervals: &PollIntervals) -> Duration {
        match self.wanted.pace {
            DiscoveryPace::Continuous => intervals.discovery,
            DiscoveryPace::Counting => intervals.reconnect_scan,
        }
    }

    /// What to do now; begins a scan if one is due. It reads the reconnecting lists, too, if it is the first or if none
    /// has since `reconnecting_due`.
    pub(super) fn next_step(
        &mut self,
        now: Instant,
        reconnecting_due: Option<Instant>,
        intervals: &PollIntervals,
    ) -> DiscoveryStep {
        let start = self.began.filter(|_| self.scan.is_none()).map(|began| began + self.interval(intervals));
        if let Some(at) = start.max(self.paused_until).filter(|at| now < *at) {
            return DiscoveryStep { page: None, next: Some(at) };
        }
        let scan = self.scan.get_or_insert_with(|| {
            self.reconnecting =
                self.reconnecting_began.is_none_or(|began| reconnecting_due.is_some_and(|at| began < at));
            let also = RECONNECTING_LISTS.into_iter().filter(|_| self.reconnecting);
            ListScan::new(LISTS.into_iter().chain(also).collect(), ScanPhase::Active, MAX_PAGES, now)
        });
        DiscoveryStep { page: scan.take_wanted_page(), next: None }
    }

    /// The page that waits for its reservation.
    pub(super) fn queued_page(&self) -> Option<(Filter, Option<PageToken>)> {
        self.scan.as_ref().filter(|scan| scan.page == PageState::Queued)?.next_page()
    }

    /// True if the scan in progress reads this page: not one of a scan before the group was last added.
    pub(super) fn is_reading(&self, request: &PageRequest) -> bool {
        let page = self.scan.as_ref().and_then(ListScan::next_page);
        page.is_some_and(|(filter, from)| filter == request.filter && from == request.from)
    }

    /// True once the scan in progress has read a page.
    pub(super) fn is_scan_under_way(&self) -> bool {
        self.scan.as_ref().is_some_and(ListScan::is_under_way)
    }

    /// The page was not sent: it is to be reserved again.
    pub(super) fn release_page(&mut self) {
        self.scan.iter_mut().for_each(|scan| scan.page = PageState::Wanted);
    }

    /// The page is in flight. The scan begins when its first page is sent.
    pub(super) fn mark_page_in_flight(&mut self, now: Instant) {
        let Some(scan) = &mut self.scan else { return };
        if !scan.is_under_way() {
            scan.began = now;
            self.began = Some(now);
        }
        scan.page = PageState::InFlight;
    }

    /// Continues after a page. Returns how the scan has ended, if it has.
    pub(super) fn on_page(&mut self, next: Option<PageToken>) -> Option<ScanOutcome> {
        (self.failures, self.paused_until) = (0, None);
        match self.scan.as_mut()?.advance(0, next) {
            ScanProgress::On => None,
            ScanProgress::Complete => Some(ScanOutcome::Complete),
            ScanProgress::GivenUp => Some(ScanOutcome::Incomplete),
        }
    }

    /// A page failed or was denied; `until` is when a denied call may be retried. A page that AWS could not serve is
    /// read again, after a delay. Returns how the scan has ended, if it has.
    pub(super) fn on_page_error(
        &mut self,
        class: FailureClass,
        until: Option<Instant>,
        now: Instant,
        intervals: &PollIntervals,
    ) -> Option<ScanOutcome> {
        let soon = now + intervals.retry.delay_after(self.failures);
        let late = now + intervals.failed_discovery;
        self.failures = self.failures.saturating_add(1);
        let retries = self.failures < MAX_FAILURES_IN_A_ROW;
        let (ends, at) = match class {
            FailureClass::Throttled | FailureClass::Unavailable => (!retries, soon),
            FailureClass::Unreachable => (!retries, if retries { soon } else { late }),
            FailureClass::Credentials | FailureClass::AccessDenied | FailureClass::NotFound => (true, late),
            FailureClass::Rejected => (true, if self.failures <= MAX_QUICK_RETRIES { soon } else { late }),
        };
        self.paused_until = Some(at.max(until.unwrap_or(at)));
        if ends {
            return Some(ScanOutcome::Failed(class));
        }
        self.release_page();
        None
    }

    pub(super) const fn failure_count(&self) -> u32 {
        self.failures
    }

    /// When the next page may be read after a failure.
    pub(super) const fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Ends the scan in progress.
    pub(super) fn end_scan(
        &mut self,
        group: &Arc<StreamGroupArn>,
        outcome: ScanOutcome,
        now: Instant,
    ) -> DiscoveryScan {
        let scan = self.scan.take();
        let (began, pages) = scan.map_or((now, 0.0), |scan| (scan.began, scan.pages));
        if outcome == ScanOutcome::Complete {
            self.last_complete = began;
            self.pages = pages;
            if self.reconnecting {
                self.pages = (pages - RECONNECTING_LISTS.len() as f64).max(1.0);
                self.reconnecting_began = Some(began);
            }
        }
        self.has_ended_once = true;
        DiscoveryScan {
            group: group.clone(),
            began,
            took: now.saturating_duration_since(began),
            pages: pages as usize,
            reconnecting: self.reconnecting,
            outcome,
        }
    }
}

/// True for a list that discovery scans read as often as they can.
pub(super) fn is_discovery_list(filter: Filter) -> bool {
    LISTS.contains(&filter)
}

/// When the reconnecting lists of a group were last due: the `index`th of `count` groups that take turns within
/// `interval`. `None` if its first turn has not come since `epoch`.
pub(super) fn reconnecting_due(
    epoch: Instant,
    (index, count): (usize, usize),
    interval: Duration,
    now: Instant,
) -> Option<Instant> {
    let first = interval.mul_f64((index + 1) as f64 / count.max(1) as f64);
    let since = now.saturating_duration_since(epoch).checked_sub(first)?;
    let turns = (since.as_secs_f64() / interval.as_secs_f64()).floor();
    Some(epoch + first + interval.mul_f64(turns))
}
