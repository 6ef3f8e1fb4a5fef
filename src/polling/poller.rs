//! The poller: reserves quota for the planned reads, makes them, passes the results to [`state`](crate::state), and
//! requeues the objects for which they change the decision.

use crate::api::SessionExport;
use crate::api::request::Uid;
use crate::aws::failure::{CallFailure, FailureClass};
use crate::aws::identifiers::{SessionArn, StreamGroupArn};
use crate::aws::model::{ExportFilesStatus, ReadSource, SessionPage, SessionRead};
use crate::aws::operation::Operation;
use crate::metrics::Metrics;
use crate::polling::discovery::{DiscoveredGroup, DiscoveryEvent};
use crate::polling::interval::MAX_SLEEP;
use crate::polling::subscriptions::{PollPlan, ReadSubscription};
use crate::polling::{GetOutcome, PageRequest, PlannedRead, QuotaRates, ScanOwner};
use crate::quota::breaker::Denial;
use crate::quota::gateway::{Admission, AwsGateway, CallRequest};
use crate::quota::scheduler::{ClientState, Permit, PermitReceiver, Priority, PriorityClass, Requester};
use crate::runtime::event_loop::Requeue;
use crate::state::{FailureStreak, SessionState, SharedState};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Handle through which reconcilers subscribe to reads.
#[derive(Debug)]
pub(crate) struct PollerHandle {
    plan: Mutex<PollPlan>,
    /// Notifies the poller.
    changed: Notify,
    /// Notifies the consumer of discovery.
    discovered: Notify,
}

impl PollerHandle {
    /// A handle on this plan.
    pub(crate) fn new(plan: PollPlan) -> Self {
        Self { plan: Mutex::new(plan), changed: Notify::new(), discovered: Notify::new() }
    }

    /// Sets which stream groups discovery scans, and how often; replaces the last set. Notifies the poller.
    pub(crate) fn set_discovered(
        &self,
        groups: impl IntoIterator<Item = (StreamGroupArn, DiscoveredGroup)>,
        now: Instant,
    ) {
        self.plan().set_discovered(groups, now);
        self.changed.notify_one();
    }

    /// Waits for what discovery finds, and takes it. For one consumer; a dropped future loses nothing.
    pub(crate) async fn next_discovery_events(&self) -> Vec<DiscoveryEvent> {
        loop {
            let events = self.plan().take_discovery_events();
            if !events.is_empty() {
                // Discovery may have paused.
                self.changed.notify_one();
                return events;
            }
            self.discovered.notified().await;
        }
    }

    /// Begins [reads](PollPlan::read_session) of sessions, each for a namespace, and notifies the poller.
    pub(crate) fn read_sessions(&self, sessions: Vec<(SessionArn, Arc<str>)>, now: Instant) {
        if !sessions.is_empty() {
            let mut plan = self.plan();
            sessions.into_iter().for_each(|(arn, namespace)| plan.read_session(arn, namespace, now));
            self.changed.notify_one();
        }
    }

    /// Adds or replaces an object's subscription, and notifies the poller.
    pub(crate) fn subscribe(&self, waiter: ReadSubscription, now: Instant) {
        self.plan().subscribe(waiter, now);
        self.changed.notify_one();
    }

    /// Removes an object's subscription, and notifies the poller.
    pub(crate) fn unsubscribe(&self, uid: &Uid) {
        self.plan().unsubscribe(uid);
        self.changed.notify_one();
    }

    /// Locks the plan. The lock is never held together with the state's lock or across IO.
    pub(crate) fn plan(&self) -> MutexGuard<'_, PollPlan> {
        self.plan.lock()
    }
}

/// Makes the reads for all exports of one leader term.
pub(crate) struct Poller {
    /// The plan of reads.
    pub handle: Arc<PollerHandle>,
    /// Receives the results.
    pub state: SharedState,
    /// Access to AWS within the quota.
    pub aws: AwsGateway,
    /// Counts denials.
    pub metrics: Metrics,
    /// Requeues objects for which a read changes the decision.
    pub requeue: Requeue<SessionExport>,
}

/// Runs until it is dropped, or until the gateway's channel is closed.
pub(crate) async fn run_poller(poller: Arc<Poller>, mut permits: PermitReceiver) {
    let mut reads = JoinSet::new();
    loop {
        let next = poller.dispatch_due_reads(&mut reads);
        tokio::select! {
            () = sleep_until(next) => {}
            () = poller.handle.changed.notified() => {}
            Some(ended) = reads.join_next(), if !reads.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a read panicked; this is a bug");
                }
            }
            permit = permits.recv() => match permit {
                Some(permit) => poller.use_permit(permit, &mut reads),
                None => return,
            },
        }
    }
}

impl Poller {
    fn quota_rates(&self) -> QuotaRates {
        let load = self.aws.operation_stats();
        let of = |operation| load.iter().find(|load| load.operation == operation).map_or(1.0, |load| load.share);
        let discovery_share = self.aws.discovery_share();
        QuotaRates { get: of(Operation::Get), list: of(Operation::List), discovery_share }
    }

    /// Executes the planned reads, and returns when to plan again.
    fn dispatch_due_reads(self: &Arc<Self>, reads: &mut JoinSet<()>) -> Instant {
        let now = Instant::now();
        let speeds = self.quota_rates();
        let (work, next) = self.handle.plan().plan_reads(now, speeds);
        for item in work {
            log_planned_read(&item);
            match item {
                PlannedRead::Get(uid) => self.reserve_get(uid, None, reads),
                PlannedRead::Withdraw(uid) => self.cancel_get(&uid),
                PlannedRead::List(order) => self.reserve_list(order, None, reads),
            }
        }
        next.unwrap_or(now + MAX_SLEEP).min(now + MAX_SLEEP)
    }

    /// Makes the read that the permit was granted for, unless it is no longer needed.
    fn use_permit(self: &Arc<Self>, permit: Permit, reads: &mut JoinSet<()>) {
        let granted = self.handle.plan().granted_read(permit.uid());
        match granted {
            Some(PlannedRead::Get(uid)) => self.reserve_get(uid, Some(permit), reads),
            Some(PlannedRead::List(order)) => self.reserve_list(order, Some(permit), reads),
            Some(PlannedRead::Withdraw(_)) | None => {}
        }
    }

    fn cancel_get(&self, uid: &Uid) {
        let arn = self.state.lock().object_ref_and_target(uid).map(|(_, _, target)| target.arn.clone());
        match arn {
            Some(arn) => self.aws.cancel_get(&arn, uid),
            // A scan group's reservation for a list, or a deleted object.
            None => self.aws.cancel(uid),
        }
    }

    /// Makes a Get if its reservation is granted already, or at once; else it waits for its permit.
    fn reserve_get(self: &Arc<Self>, uid: Uid, granted: Option<Permit>, reads: &mut JoinSet<()>) {
        let now = Instant::now();
        let without_object = self.handle.plan().session_read(&uid);
        let owner = without_object.or_else(|| {
            let state = self.state.lock();
            state.object_ref_and_target(&uid).map(|(namespace, _, target)| (namespace, target.arn.clone()))
        });
        let urgency = self.handle.plan().get_priority(&uid);
        let (Some((namespace, arn)), Some(urgency)) = (owner, urgency) else {
            return self.handle.plan().unsubscribe(&uid);
        };
        let holder = Requester { uid: uid.clone(), namespace };
        let call_request = CallRequest { holder, arn: &arn, urgency };
        match self.aws.reserve_get(call_request.clone(), granted, now) {
            Admission::Granted(permit) => {
                self.handle.plan().mark_get_in_flight(&uid);
                self.state.lock().end_quota_wait(&uid);
                let (poller, holder) = (self.clone(), call_request.holder);
                reads.spawn(async move {
                    let call_request = CallRequest { holder, arn: &arn, urgency };
                    poller.get_session(call_request, permit).await;
                });
            }
            Admission::Waiting { .. } => {}
            Admission::Denied { denial, since, next } => {
                let Denial { class, detail } = denial;
                let operation = Operation::Get;
                let streak =
                    FailureStreak { class, operation, detail, since, failed_at: now, tries: 0, retry_at: next };
                self.state.lock().set_denied(&uid, true, streak);
                self.handle.plan().mark_get_in_flight(&uid);
                self.finish_get(&arn, std::slice::from_ref(&uid), GetOutcome::Nothing, true);
                self.finish_session_read(&uid, None);
            }
        }
    }

    async fn get_session(&self, call_request: CallRequest<'_>, permit: Permit) {
        let uid = call_request.holder.uid.clone();
        let Some(token) = self.aws.acquire_send_permit(permit).await else {
            // No token came in time.
            return self.handle.plan().requeue_get(&uid, Instant::now());
        };
        let answer = self.aws.get_session(token, &call_request).await;
        self.finish_session_read(&uid, answer.as_ref().ok());
        let (got, news) = {
            let mut state = self.state.lock();
            match answer {
                Ok(reading) => (get_outcome(&reading), state.apply_read(call_request.arn, reading)),
                Err(failure) => {
                    self.log_read_failure(&state, &uid, &failure);
                    state.read_failed(&uid, &failure, Instant::now());
                    (GetOutcome::Nothing, false)
                }
            }
        };
        match got {
            GetOutcome::Nothing => self.finish_get(call_request.arn, &[uid], got, true),
            GetOutcome::Present | GetOutcome::Gone => {
                let sharers = self.state.lock().objects_of_session(call_request.arn);
                self.finish_get(call_request.arn, &sharers, got, news);
            }
        }
    }

    /// Ends a read of a session without an object, if it is one.
    fn finish_session_read(&self, uid: &Uid, reading: Option<&SessionRead>) {
        let found = reading.and_then(|reading| reading.found.as_ref());
        if self.handle.plan().end_session_read(uid, found) {
            self.handle.discovered.notify_one();
        }
    }

    /// A Get was made for these objects. Requeues all if it changes the decision, else those that wait for any read.
    fn finish_get(&self, arn: &SessionArn, uids: &[Uid], got: GetOutcome, news: bool) {
        let waited = self.handle.plan().on_get(arn, uids, got, Instant::now());
        self.wake_all(if news { uids } else { &waited });
    }

    fn wake_all(&self, uids: &[Uid]) {
        let places: Vec<_> = {
            let state = self.state.lock();
            uids.iter()
                .filter_map(|uid| state.object_ref_and_target(uid).map(|(namespace, name, _)| (namespace, name)))
                .collect()
        };
        places.iter().for_each(|(namespace, name)| self.requeue.requeue(namespace, name));
    }

    /// The same for a page.
    fn reserve_list(self: &Arc<Self>, order: PageRequest, granted: Option<Permit>, reads: &mut JoinSet<()>) {
        let now = Instant::now();
        match self.aws.reserve_list(&order.group, (page_requester(&order), page_priority(&order)), granted, now) {
            Admission::Granted(permit) => {
                let speeds = self.quota_rates();
                self.handle.plan().mark_page_in_flight(&order, now, speeds);
                let poller = self.clone();
                reads.spawn(async move { poller.list_page(order, permit).await });
            }
            Admission::Waiting { .. } => {}
            Admission::Denied { denial, next, .. } => {
                self.handle.plan().on_page_error(&order, denial.class, Some(next), now);
                self.handle.changed.notify_one();
                self.handle.discovered.notify_one();
            }
        }
    }

    async fn list_page(&self, order: PageRequest, permit: Permit) {
        let Some(token) = self.aws.acquire_send_permit(permit).await else {
            self.handle.plan().release_page(&order);
            self.handle.changed.notify_one();
            return;
        };
        let answer =
            self.aws.list_sessions(token, &order.holder(), &order.group, (order.filter, order.from.as_ref())).await;
        let now = Instant::now();
        match answer {
            Ok(page) => {
                let mut woken = self.apply_page(&order, &page);
                woken.extend(self.handle.plan().on_page(&order, &page, now, self.quota_rates()));
                woken.sort_unstable();
                woken.dedup();
                self.wake_all(&woken);
            }
            Err(failure) => {
                tracing::debug!(group = %order.group, list = ?order.filter, "{failure}");
                count_denial(&self.metrics, &failure);
                self.handle.plan().on_page_error(&order, failure.class, None, now);
            }
        }
        self.handle.discovered.notify_one();
    }

    /// Applies each listed session as a read. Returns the objects for which it changes the decision.
    fn apply_page(&self, order: &PageRequest, page: &SessionPage) -> Vec<Uid> {
        let mut state = self.state.lock();
        let mut woken = Vec::new();
        for (session, view) in &page.sessions {
            let arn = order.group.session(session.clone());
            let reading = SessionRead { begun: page.begun, source: ReadSource::List, found: Some(view.clone()) };
            if state.apply_read(&arn, reading) {
                woken.extend(state.objects_of_session(&arn));
            }
        }
        woken
    }

    fn log_read_failure(&self, state: &SessionState, uid: &Uid, failure: &CallFailure) {
        if let Some((namespace, name, _)) = state.object_ref_and_target(uid) {
            let id = failure.request_id.as_deref();
            tracing::debug!(namespace = &*namespace, name = &*name, uid = &**uid, awsRequestId = id, "{failure}");
        }
        count_denial(&self.metrics, failure);
    }
}

/// Logs at debug level each read that is due: it waits for quota from now on.
fn log_planned_read(read: &PlannedRead) {
    match read {
        PlannedRead::Get(uid) => tracing::debug!(uid = &**uid, "planned a Get"),
        PlannedRead::Withdraw(uid) => tracing::debug!(uid = &**uid, "a planned read is no longer needed"),
        PlannedRead::List(page) => {
            let first = page.from.is_none();
            tracing::debug!(group = %page.group, list = ?page.filter, urgent = page.urgent, first, "planned a page");
        }
    }
}

/// Counts a failure in the denials metric if it is a denial.
pub(crate) fn count_denial(metrics: &Metrics, failure: &CallFailure) {
    if matches!(failure.class, FailureClass::AccessDenied | FailureClass::Credentials) {
        metrics.record_denial(failure.class.label());
    }
}

/// The holder of a page's reservation.
pub(super) fn page_requester(order: &PageRequest) -> Requester {
    Requester { uid: order.holder(), namespace: order.turns_of.clone() }
}

/// Pages that exports depend on go first; of the others, a scan is finished before another begins. Discovery scans of
/// several groups take turns page by page: none waits for another's long lists.
pub(super) fn page_priority(order: &PageRequest) -> Priority {
    let goes_on = order.under_way && order.owner != ScanOwner::Discovery;
    match (order.urgent, goes_on) {
        (true, _) => Priority::for_unread(PriorityClass::First),
        (false, true) => Priority { client: ClientState::Disconnected, ..Priority::for_unread(PriorityClass::Poll) },
        (false, false) => Priority::for_unread(PriorityClass::Poll),
    }
}

/// Whether the lists of the scan group should have shown the session.
fn get_outcome(reading: &SessionRead) -> GetOutcome {
    let present = reading.found.as_ref().is_some_and(|view| match &view.export {
        Some(export) => matches!(export.status, ExportFilesStatus::Pending | ExportFilesStatus::Unknown),
        None => !view.status.is_terminal(),
    });
    if present { GetOutcome::Present } else { GetOutcome::Gone }
}
