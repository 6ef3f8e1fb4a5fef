//! Runs the reconciles: never two of one object at once, at most 384 in all.
//!
//! kube's scheduler holds requests that are not due yet, each object once; kube's applier needs a reflector of whole objects. A
//! panic in one reconcile is counted and logged, and that object is requeued; the others go on.

use crate::metrics::Metrics;
use crate::runtime::event_loop::Reconciler;
use crate::runtime::queue_depth::QueueDepth;
use crate::runtime::store::Store;
use crate::runtime::watch::WatchableResource;
use crate::runtime::watchdog::Heartbeat;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use kube_runtime::reflector::ObjectRef;
use kube_runtime::scheduler::{ScheduleRequest, Scheduler, scheduler};
use kube_runtime::utils::CancelableJoinHandle;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Concurrent reconciles. One that calls AWS may hang until the call's time-out: more than the quota lets hang in
/// several Regions at once, so that a Region that doesn't answer delays no other.
const MAX_CONCURRENT_RECONCILES: usize = 384;
/// An object whose reconcile panicked is requeued after this.
const PANIC_RETRY_DELAY: Duration = Duration::from_secs(30);
/// How often the loop ticks its heartbeat.
const PULSE_INTERVAL: Duration = Duration::from_secs(5);

/// A request to reconcile one object at a time.
pub(super) type ReconcileRequest<K> = ScheduleRequest<ObjectRef<K>>;

/// The dependencies of the reconciles.
pub(super) struct Workers<K: WatchableResource, H: Reconciler<K>> {
    /// The reconciler.
    pub(super) handler: Arc<H>,
    /// The objects as last seen.
    pub(super) store: Store<K, H::Stored>,
    /// Counters of reconciles and panics.
    pub(super) metrics: Metrics,
    /// The queue depth gauge.
    pub(super) backlog: QueueDepth,
    /// Sends requests for delayed requeues back to the queue.
    pub(super) again: mpsc::UnboundedSender<ReconcileRequest<K>>,
}

impl<K: WatchableResource, H: Reconciler<K>> Workers<K, H> {
    /// Starts reconciles until `wanted` ends, and returns when the last has ended; dropping the future aborts them.
    /// `first` is polled one by one as slots become free: kube's scheduler never releases memory that it has allocated.
    /// Ticks on the same task: a loop that blocks stops ticking.
    pub(super) async fn run(
        self,
        first: impl Stream<Item = ObjectRef<K>>,
        wanted: impl Stream<Item = ReconcileRequest<K>>,
        heartbeat: Heartbeat,
    ) {
        let (mut first, mut wanted) = (pin!(first), pin!(scheduler(wanted)));
        let mut passes = FuturesUnordered::new();
        let mut running = HashSet::new();
        let mut open = true;
        let mut tick = interval(PULSE_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while open || !passes.is_empty() {
            let next = tokio::select! {
                _ = tick.tick() => {
                    heartbeat.tick();
                    None
                }
                // An object that is being reconciled already, because it changed, needs no second reconcile.
                Some(object) = first.next(), if open && running.len() < MAX_CONCURRENT_RECONCILES => {
                    Some(object).filter(|object| !running.contains(object))
                }
                next = next(wanted.as_mut(), &running), if open => {
                    open = next.is_some();
                    next
                }
                Some((object, wait)) = passes.next() => {
                    running.remove(&object);
                    self.requeue_after(object, wait);
                    None
                }
            };
            if let Some(object) = next {
                running.insert(object.clone());
                passes.push(self.start_pending(object));
            }
        }
    }

    fn start_pending(
        &self,
        object: ObjectRef<K>,
    ) -> impl Future<Output = (ObjectRef<K>, Option<Duration>)> + use<K, H> {
        self.backlog.dequeue(&object);
        let pass = reconcile_one(self.handler.clone(), self.store.clone(), self.metrics.clone(), object.clone());
        CancelableJoinHandle::spawn(pass, &Handle::current()).map(|wait| (object, wait))
    }

    fn requeue_after(&self, object: ObjectRef<K>, wait: Option<Duration>) {
        let request = wait.map(|wait| ReconcileRequest { message: object, run_at: Instant::now() + wait });
        // The receiver is dropped only at the end of the leader term.
        drop(request.map(|request| self.again.send(request)));
    }
}

/// The next object that is due and not being reconciled.
async fn next<K: WatchableResource>(
    wanted: Pin<&mut Scheduler<ObjectRef<K>, impl Stream<Item = ReconcileRequest<K>>>>,
    running: &HashSet<ObjectRef<K>>,
) -> Option<ObjectRef<K>> {
    if running.len() < MAX_CONCURRENT_RECONCILES {
        wanted.hold_unless(|object| !running.contains(object)).next().await
    } else {
        wanted.hold().next().await
    }
}

async fn reconcile_one<K: WatchableResource, H: Reconciler<K>>(
    handler: Arc<H>,
    store: Store<K, H::Stored>,
    metrics: Metrics,
    object_ref: ObjectRef<K>,
) -> Option<Duration> {
    let Some(object) = store.get(&object_ref) else {
        tracing::debug!(object = %object_ref, "nothing to reconcile");
        return None;
    };
    metrics.record_reconcile();
    let done = AssertUnwindSafe(handler.reconcile(object)).catch_unwind().await;
    done.unwrap_or_else(|_| {
        metrics.record_reconcile_panic();
        let (namespace, name) = (object_ref.namespace.as_deref(), &*object_ref.name);
        tracing::error!(namespace, name, retry = ?PANIC_RETRY_DELAY, "a reconcile panicked; this is a bug");
        Some(PANIC_RETRY_DELAY)
    })
}
