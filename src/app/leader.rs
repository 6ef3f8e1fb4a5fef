//! One leader term: the parts that run from the fresh list to the loss of the lease.

use crate::api::SessionExport;
use crate::api::request::Export;
use crate::app::Process;
use crate::app::preflight::wait_for_policies;
use crate::authorization::OperatorIdentity;
use crate::export::inventory::ExportInventory;
use crate::export::reconciler::Controller;
use crate::export::reconciler::transition::TransitionRecorder;
use crate::export::retention;
use crate::leader::Fence;
use crate::metrics::QuotaStats;
use crate::policy::controller::PolicyController;
use crate::policy::registry::PolicyRegistry;
use crate::polling::interval::{PollIntervals, pending_get_interval};
use crate::polling::poller::{Poller, PollerHandle, run_poller};
use crate::polling::subscriptions::PollPlan;
use crate::quota::gateway::{AwsGateway, GatewayReceivers, OperationLoad};
use crate::quota::scheduler::PermitReceiver;
use crate::runtime::client::FIELD_MANAGER;
use crate::runtime::event_loop::{self, EventLoopConfig, ParsedObject, Reconciler, Requeue};
use crate::runtime::received::{DecodeError, INCOMPLETE_METADATA};
use crate::runtime::watchdog::Heartbeat;
use crate::server::health::{Health, ReadyState};
use crate::state::{SessionState, SharedState};
use kube_runtime::reflector::ObjectRef;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

/// How often the load is sampled.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// The arguments of [`run_leader_term`].
pub(crate) struct LeaderContext<'a> {
    pub(crate) process: &'a Process,
    pub(crate) fence: Fence,
    pub(crate) heartbeat: Heartbeat,
}

/// Runs until `over` resolves to how long reconciles in progress may still take.
pub(crate) async fn run_leader_term(post: LeaderContext<'_>, over: impl Future<Output = Duration> + Send) {
    let LeaderContext { process, fence, heartbeat } = post;
    let (requeue, triggers) = Requeue::new();
    let denied_backoff = process.config.timing.denied_backoff();
    let (access, receivers) = AwsGateway::new(process.aws.clone(), FIELD_MANAGER, process.config.quota, denied_backoff);
    let controller = Arc::new(build_controller(process, fence, access.clone()));
    let poller = Arc::new(Poller {
        handle: controller.poller.clone(),
        state: controller.state.clone(),
        aws: access.clone(),
        metrics: process.metrics.clone(),
        requeue: requeue.clone(),
    });
    let GatewayReceivers { export_permits, read_permits, retries } = receivers;
    let policies = process.config.policies.enabled.then(|| Arc::new(build_policies(process, &controller)));
    let health = process.health.clone();
    let term = Arc::new(ExportHandler { controller: controller.clone(), policies: policies.clone(), health });
    let setup = EventLoopConfig {
        client: process.watch.clone(),
        scope: process.watch_scope(),
        metrics: process.metrics.clone(),
        heartbeat,
    };
    tokio::select! {
        () = event_loop::run(setup, term, triggers, over) => {}
        () = access.run_gateway() => {}
        () = run_poller(poller, read_permits) => {}
        () = requeue_granted(&controller, &requeue, (export_permits, retries)) => {}
        () = sample_load(&controller, process) => {}
        () = run_policies(policies, process) => {}
    }
}

/// Requeues objects whose export call has a permit, or that may retry a denied call or read.
async fn requeue_granted(
    controller: &Controller,
    requeue: &Requeue<SessionExport>,
    (mut permits, mut retries): (PermitReceiver, UnboundedReceiver<Arc<str>>),
) {
    loop {
        let object = tokio::select! {
            Some(permit) = permits.recv() => controller.on_permit(permit),
            Some(uid) = retries.recv() => controller.on_retry(&uid),
            else => return,
        };
        if let Some((namespace, name)) = object {
            requeue.requeue(&namespace, &name);
        }
    }
}

fn build_controller(process: &Process, fence: Fence, aws: AwsGateway) -> Controller {
    let config = &process.config;
    let inventory = Arc::new(Mutex::new(ExportInventory::default()));
    Controller {
        identity: OperatorIdentity {
            region: process.region.clone(),
            account: config.aws.account_id.clone(),
            rules: config.rules.clone(),
        },
        timing: config.timing.clone(),
        kube: process.kube.clone(),
        aws,
        fence,
        recorder: TransitionRecorder {
            events: process.events.clone(),
            metrics: process.metrics.clone(),
            inventory: inventory.clone(),
        },
        state: SharedState::new(SessionState::new(config.timing.clone(), Instant::now())),
        inventory,
        poll_interval: AtomicU64::new(as_millis(config.timing.pending_poll_interval_min)),
        poller: Arc::new(PollerHandle::new(PollPlan::new(PollIntervals::new(&config.timing)))),
    }
}

fn build_policies(process: &Process, controller: &Controller) -> PolicyController {
    let (config, scope) = (&process.config, process.watch_scope());
    let max_awaiting_turn = config.policies.max_waiting_exports as usize;
    let identity = controller.identity.clone();
    let registry = PolicyRegistry::new(identity, &scope.label_selector, config.timing.clone(), max_awaiting_turn);
    PolicyController {
        registry: Mutex::new(registry),
        changed: Notify::new(),
        scope,
        kube: process.kube.clone(),
        watch: process.watch.clone(),
        fence: controller.fence.clone(),
        events: process.events.clone(),
        metrics: process.metrics.clone(),
        poller: controller.poller.clone(),
        state: controller.state.clone(),
    }
}

/// Runs the policies once the rights for them are there; never ends.
async fn run_policies(policies: Option<Arc<PolicyController>>, process: &Process) {
    if let Some(policies) = policies {
        wait_for_policies(&process.kube, &process.config.watch.namespaces).await;
        policies.run().await;
    }
    std::future::pending().await
}

/// Samples the load once a second: sets the gauges, and the interval of Gets for accepted exports.
async fn sample_load(controller: &Controller, process: &Process) {
    let timing = &controller.timing;
    loop {
        controller.inventory().publish(&process.metrics, jiff::Timestamp::now());
        for load in controller.aws.operation_stats() {
            process.metrics.set_quota(quota_stats(load));
        }
        let (poll_interval, stats, age, discovery_age) = {
            let mut plan = controller.poller.plan();
            let interval = pending_get_interval(plan.gets_scheduled(), process.config.quota.get, timing);
            plan.set_get_interval(interval);
            let now = Instant::now();
            (interval, plan.take_stats(), plan.oldest_scan_age(now), plan.oldest_discovery_age(now))
        };
        controller.poll_interval.store(as_millis(poll_interval), Ordering::Relaxed);
        process.metrics.record_scans(stats, age);
        process.metrics.set_discovery_age(discovery_age);
        tokio::time::sleep(SAMPLE_INTERVAL).await;
    }
}

fn quota_stats(OperationLoad { operation, configured, share, tokens, waiting }: OperationLoad) -> QuotaStats {
    QuotaStats { operation: operation.name(), configured, share, tokens, waiting }
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

struct ExportHandler {
    controller: Arc<Controller>,
    /// `None` if policies are disabled.
    policies: Option<Arc<PolicyController>>,
    health: Health,
}

impl ExportHandler {
    /// Drops the read subscription and the reservations of an object that needs no more work.
    fn cancel_work(&self, uid: &str) {
        self.controller.poller.unsubscribe(&uid.into());
        self.controller.aws.cancel(uid);
    }
}

impl Reconciler<SessionExport> for ExportHandler {
    type Stored = Export;

    fn parse(mut object: SessionExport) -> Result<ParsedObject<Export>, DecodeError> {
        let may_need_reconcile = retention::prune_finished(&mut object);
        let export = retention::read_export(object).ok_or_else(|| DecodeError::new(&INCOMPLETE_METADATA))?;
        Ok(if may_need_reconcile { ParsedObject::Active(export) } else { ParsedObject::Finished(export) })
    }

    fn on_finished(&self, export: &Arc<Export>) {
        self.controller.apply_watched(export);
        self.controller.inventory().retire(&export.uid);
        self.cancel_work(&export.uid);
        self.policies.iter().for_each(|policies| policies.on_export(export));
    }

    fn on_listed(&self) {
        self.policies.iter().for_each(|policies| policies.on_exports_listed());
        self.health.set_ready(ReadyState::Leading);
    }

    fn on_stalled(&self, kind: Option<&'static str>) {
        self.health.set_ready(kind.map_or(ReadyState::Leading, ReadyState::Stalled));
    }

    fn on_applied(&self, export: &Arc<Export>) {
        self.controller.apply_watched(export);
        self.policies.iter().for_each(|policies| policies.on_export(export));
    }

    fn on_deleted(&self, object: &ObjectRef<SessionExport>) {
        let Some(uid) = object.extra.uid.as_deref() else { return };
        self.controller.state().mark_deleted(&uid.into(), Instant::now());
        self.controller.inventory().forget(uid);
        self.cancel_work(uid);
        self.policies.iter().for_each(|policies| policies.on_export_deleted(&uid.into()));
    }

    async fn reconcile(&self, export: Arc<Export>) -> Option<Duration> {
        self.controller.reconcile(&export.uid).await
    }
}
