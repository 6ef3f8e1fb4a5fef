//! Updates the plan with reads and failures.

use crate::api::request::Uid;
use crate::aws::identifiers::SessionArn;
use crate::aws::model::{ExportFilesStatus, FailureCategory, FailureClass, Filter, SessionPage};
use crate::polling::interval::REJECTED_LIST_RETRY_DELAY;
use crate::polling::request::ReadKind;
use crate::polling::scan_group::{OnError, ScanGroup};
use crate::polling::subscriptions::{GetState, PollPlan};
use crate::polling::{GetOutcome, PageRequest, QuotaRates, ScanSet};
use crate::quota::scheduler::Priority;
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
        let names_uris = self.names_uris;
        let Some(scan_group) = self.scan_group(request) else { return Vec::new() };
        let shown = scan_group.on_page(page, now, rates, names_uris);
        self.on_read(&shown, now)
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
        let scan_group = group.scan_group(scan_set);
        let Some(member) = scan_group.members.get(&entry.session) else { return };
        let needs_get = !scan_group.polled_by_list && !member.list_only;
        let at = scan_group.next_read_at(now, member.ends, interval, &self.intervals);
        scan_group.set_due(&entry.session, at);
        if needs_get {
            self.schedule_get(uid, at);
        }
    }

    /// The page was not sent: it is to be reserved again.
    pub(crate) fn release_page(&mut self, request: &PageRequest) {
        self.scan_group(request).into_iter().for_each(ScanGroup::release_page);
    }

    /// The page is in flight.
    pub(crate) fn mark_page_in_flight(&mut self, request: &PageRequest, now: Instant, rates: QuotaRates) {
        self.scan_group(request).into_iter().for_each(|scan_group| scan_group.mark_page_in_flight(now, rates));
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
        let Some(scan_group) = self.scan_group(request) else { return };
        let (until, then) = match class.category() {
            // Temporary; but reads that exports depend on must not wait for the list.
            FailureCategory::Service if request.scan_set == ScanSet::Live => (until, OnError::Gets),
            FailureCategory::Service => (until, OnError::SamePage),
            FailureCategory::Credentials | FailureCategory::Denied => {
                (until.or(Some(now + intervals.retry.longest)), OnError::Gets)
            }
            // Perhaps only the page token was too old.
            FailureCategory::Request if scan_group.failure_count() < 2 => (None, OnError::NewScan),
            FailureCategory::Request => (Some(now + REJECTED_LIST_RETRY_DELAY), OnError::Gets),
        };
        scan_group.on_page_error(until, then, now, &intervals);
    }

    fn scan_group(&mut self, request: &PageRequest) -> Option<&mut ScanGroup> {
        self.groups.get_mut(&*request.group).map(|group| group.scan_group(request.scan_set))
    }
}
