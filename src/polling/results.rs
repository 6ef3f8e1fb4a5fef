//! Updates the plan with reads and failures.

use crate::api::request::Uid;
use crate::aws::failure::{FailureCategory, FailureClass};
use crate::aws::identifiers::{SessionArn, StreamGroupArn};
use crate::aws::model::{ExportFilesStatus, Filter, SessionPage};
use crate::polling::discovery::{Discovery, DiscoveryEvent, ScanOutcome, ShownSessions};
use crate::polling::interval::REJECTED_LIST_RETRY_DELAY;
use crate::polling::request::ReadKind;
use crate::polling::scan_group::OnError;
use crate::polling::subscriptions::{GetState, PollPlan};
use crate::polling::{GetOutcome, PageRequest, QuotaRates, ScanOwner, ScanSet};
use crate::quota::scheduler::Priority;
use std::sync::Arc;
use tokio::time::Instant;

impl PollPlan {
    /// The quota priority of this object's Get.
    pub(crate) fn get_priority(&self, uid: &Uid) -> Option<Priority> {
        self.entries.get(uid).map(|entry| entry.priority)
    }

    /// The Get was sent, or is denied: its reservation is used up.
    pub(crate) fn mark_get_in_flight(&mut self, uid: &Uid) {
        let Some(entry) = self.entries.get_mut(uid) else { return };
        entry.get = GetState::InFlight;
        if let Some(at) = entry.at.take() {
            self.agenda.remove(&(at, uid.clone()));
        }
    }

    /// True while this object's Get is on its way.
    pub(crate) fn is_get_in_flight(&self, uid: &Uid) -> bool {
        self.entries.get(uid).is_some_and(|entry| entry.get == GetState::InFlight)
    }

    /// The Get was not sent: it is to be reserved again.
    pub(crate) fn requeue_get(&mut self, uid: &Uid, now: Instant) {
        let Some(entry) = self.entries.get_mut(uid).filter(|entry| entry.get != GetState::Idle) else { return };
        entry.get = GetState::Queued;
        self.schedule_get(uid, now);
    }

    /// Applies a Get for a session with these objects. Returns the objects to requeue even if it changes nothing.
    pub(crate) fn on_get(&mut self, arn: &SessionArn, uids: &[Uid], got: GetOutcome, now: Instant) -> Vec<Uid> {
        if let Some(group) = self.groups.get_mut(&arn.stream_group()) {
            for scan_group in &mut group.scan_groups {
                scan_group.on_get(&arn.session, got, now, &self.intervals);
            }
        }
        self.on_read(uids, now)
    }

    /// Applies a page. Returns the objects to requeue even if it changes nothing.
    pub(crate) fn on_page(
        &mut self,
        request: &PageRequest,
        page: &SessionPage,
        now: Instant,
        rates: QuotaRates,
    ) -> Vec<Uid> {
        if request.filter == Filter::Export(ExportFilesStatus::Succeeded) {
            let exports = page.sessions.iter().filter_map(|(_, view)| view.export.as_ref());
            self.names_uris = exports.map(|export| export.output_uri.is_some()).max().or(self.names_uris);
        }
        let shown = match request.owner {
            ScanOwner::Members(scan_set) => self.on_members_page(request, scan_set, page, now, rates),
            ScanOwner::Discovery => self.on_discovery_page(request, page, now),
        };
        self.on_read(&shown, now)
    }

    /// Applies a page of a scan group's own scan. Returns the objects whose sessions it shows.
    fn on_members_page(
        &mut self,
        request: &PageRequest,
        scan_set: ScanSet,
        page: &SessionPage,
        now: Instant,
        rates: QuotaRates,
    ) -> Vec<Uid> {
        let (names_uris, rates) = (self.names_uris, self.rates_without_discovery(&request.group, rates));
        let Some(group) = self.groups.get_mut(&*request.group) else { return Vec::new() };
        let shown = group.scan_group_mut(scan_set).on_page(page, now, rates, names_uris);
        if scan_set == ScanSet::Live && group.discovery.is_some() {
            self.events.push(shown_sessions(&group.arn, page));
        }
        shown
    }

    /// Applies a page of a discovery scan. Returns the objects whose sessions it shows.
    fn on_discovery_page(&mut self, request: &PageRequest, page: &SessionPage, now: Instant) -> Vec<Uid> {
        let Some(group) = self.groups.get_mut(&*request.group) else { return Vec::new() };
        let Some(discovery) = group.discovery.as_mut().filter(|discovery| discovery.is_reading(request)) else {
            return Vec::new();
        };
        let outcome = discovery.on_page(page.next.clone());
        let ended = outcome.map(|outcome| discovery.end_scan(&group.arn, outcome, now));
        group.set_with_discovery(now);
        let mut shown = Vec::new();
        for scan_group in &mut group.scan_groups {
            shown.extend(scan_group.on_discovery_page(page, now));
            if let Some(scan) = ended.as_ref().filter(|scan| scan.outcome == ScanOutcome::Complete) {
                scan_group.release_unshown(scan.began);
            }
        }
        self.events.push(shown_sessions(&group.arn, page));
        self.events.extend(ended.map(DiscoveryEvent::Ended));
        shown
    }

    /// The sessions of these objects were read. Returns the objects to requeue even if that changes nothing.
    fn on_read(&mut self, uids: &[Uid], now: Instant) -> Vec<Uid> {
        let mut woken = Vec::new();
        for uid in uids {
            self.unschedule_get(uid);
            let Some(entry) = self.entries.get_mut(uid) else { continue };
            if entry.get == GetState::InFlight {
                entry.get = GetState::Idle;
            }
            if self.take_waker(uid) {
                woken.push(uid.clone());
            }
            self.schedule_next_read(uid, now);
        }
        woken
    }

    /// Schedules the next read of an object whose session was just read.
    fn schedule_next_read(&mut self, uid: &Uid, now: Instant) {
        let Some(entry) = self.entries.get(uid) else { return };
        let Some(scan_set) = ScanSet::of(entry.kind) else { return };
        let interval = if entry.kind == ReadKind::First { self.intervals.live } else { self.get_interval };
        let Some(group) = self.groups.get_mut(&*entry.group) else { return };
        let get = group.scan_group_mut(scan_set).set_next_read(&entry.session, now, interval, &self.intervals);
        if let Some(at) = get {
            self.schedule_get(uid, at);
        }
    }

    /// The page was not sent: it is to be reserved again.
    pub(crate) fn release_page(&mut self, request: &PageRequest) {
        let Some(group) = self.groups.get_mut(&*request.group) else { return };
        match request.owner {
            ScanOwner::Members(scan_set) => group.scan_group_mut(scan_set).release_page(),
            ScanOwner::Discovery => group.discovery.iter_mut().for_each(Discovery::release_page),
        }
    }

    /// The page is in flight.
    pub(crate) fn mark_page_in_flight(&mut self, request: &PageRequest, now: Instant, rates: QuotaRates) {
        let rates = self.rates_without_discovery(&request.group, rates);
        let Some(group) = self.groups.get_mut(&*request.group) else { return };
        match request.owner {
            ScanOwner::Members(scan_set) => group.scan_group_mut(scan_set).mark_page_in_flight(now, rates),
            ScanOwner::Discovery => {
                group.discovery.iter_mut().for_each(|discovery| discovery.mark_page_in_flight(now));
            }
        }
    }

    /// A page failed or was denied. `until` is when a denied call may be retried.
    pub(crate) fn on_page_error(
        &mut self,
        request: &PageRequest,
        class: FailureClass,
        until: Option<Instant>,
        now: Instant,
    ) {
        let intervals = self.intervals;
        let Some(group) = self.groups.get_mut(&*request.group) else { return };
        let scan_set = match request.owner {
            ScanOwner::Members(scan_set) => scan_set,
            ScanOwner::Discovery => return self.on_discovery_error(request, class, until, now),
        };
        let scan_group = group.scan_group_mut(scan_set);
        let then = step_after_error(class, scan_set, scan_group.failure_count());
        let until = match (class.category(), then) {
            (FailureCategory::Service, _) => until,
            (FailureCategory::Credentials | FailureCategory::Denied, _) => {
                until.or(Some(now + intervals.retry.longest))
            }
            (FailureCategory::Request, OnError::Gets) => Some(now + REJECTED_LIST_RETRY_DELAY),
            (FailureCategory::Request, OnError::SamePage | OnError::NewScan) => None,
        };
        scan_group.on_page_error(until, then, now, &intervals);
    }

    /// A page of a discovery scan failed or was denied. The members that can't wait for the next one are read with Gets.
    fn on_discovery_error(&mut self, request: &PageRequest, class: FailureClass, until: Option<Instant>, now: Instant) {
        let Some(group) = self.groups.get_mut(&*request.group) else { return };
        let Some(discovery) = group.discovery.as_mut().filter(|discovery| discovery.is_reading(request)) else {
            return;
        };
        let failures = discovery.failure_count();
        let outcome = discovery.on_page_error(class, until, now, &self.intervals);
        let until = discovery.paused_until().unwrap_or(now);
        let ended = outcome.map(|outcome| discovery.end_scan(&group.arn, outcome, now));
        for scan_group in &mut group.scan_groups {
            if step_after_error(class, scan_group.scan_set, failures) == OnError::Gets {
                scan_group.pause_lists(until, OnError::Gets);
                scan_group.set_with_discovery(false, now);
            }
        }
        self.events.extend(ended.map(DiscoveryEvent::Ended));
    }
}

fn shown_sessions(group: &Arc<StreamGroupArn>, page: &SessionPage) -> DiscoveryEvent {
    let (group, sessions) = (group.clone(), page.sessions.clone());
    DiscoveryEvent::Shown(ShownSessions { group, begun: page.begun, sessions })
}

/// How polling of a scan group continues after a page that failed, `failures` pages before it.
fn step_after_error(class: FailureClass, scan_set: ScanSet, failures: u32) -> OnError {
    match class.category() {
        // Temporary; but reads that exports depend on must not wait for the list.
        FailureCategory::Service if scan_set == ScanSet::Live => OnError::Gets,
        FailureCategory::Service => OnError::SamePage,
        FailureCategory::Credentials | FailureCategory::Denied => OnError::Gets,
        // Perhaps only the page token was too old.
        FailureCategory::Request if failures < 2 => OnError::NewScan,
        FailureCategory::Request => OnError::Gets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_polling_continues_after_a_failed_page_depends_on_its_class_and_on_what_depends_on_it() {
        use FailureClass::{AccessDenied, Credentials, NotFound, Rejected, Throttled, Unavailable, Unreachable};
        use OnError::{Gets, NewScan, SamePage};
        for class in [Throttled, Unavailable, Unreachable] {
            for failures in [0, 5] {
                assert_eq!(step_after_error(class, ScanSet::Live, failures), Gets, "{class:?}");
                assert_eq!(step_after_error(class, ScanSet::Pending, failures), SamePage, "{class:?}");
            }
        }
        for scan_set in ScanSet::ALL {
            for class in [Credentials, AccessDenied] {
                assert_eq!(step_after_error(class, scan_set, 0), Gets, "{class:?}");
            }
            for class in [Rejected, NotFound] {
                let steps = [0, 1, 2, 3].map(|failures| step_after_error(class, scan_set, failures));
                assert_eq!(steps, [NewScan, NewScan, Gets, Gets], "{class:?}");
            }
        }
    }
}
