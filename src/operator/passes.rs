//! What runs when: never two passes over one object at once, at most 384 over all.
//!
//! kube's scheduler holds what is not due yet, and each object once; kube's applier would want all objects unpacked. A
//! panic in one pass is counted and logged, and that object tried again later; the others go on.

use super::backlog::Backlog;
use super::health::Pulse;
use super::metrics::Metrics;
use super::queue::Handler;
use super::store::Store;
use super::watch::Watched;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::scheduler::{ScheduleRequest, Scheduler, scheduler};
use kube::runtime::utils::CancelableJoinHandle;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Passes at the same time. A pass that calls AWS may hang until the call's time-out: more than the quota lets hang in
/// several Regions at once, so that those which answer nothing take no place from the others.
const CONCURRENCY: usize = 384;
/// An object whose pass panicked is tried again after this.
const AFTER_PANIC: Duration = Duration::from_secs(30);
/// How often the loop shows that it lives.
const TICK: Duration = Duration::from_secs(5);

/// A pass over one object, wanted at a time.
pub(super) type Request<K> = ScheduleRequest<ObjectRef<K>>;

/// What passes are made of.
pub(super) struct Passes<K: Watched, H> {
    pub(super) handler: Arc<H>,
    pub(super) store: Store<K>,
    pub(super) metrics: Metrics,
    pub(super) backlog: Backlog,
    /// Where those that are to be looked at again without being asked come back from.
    pub(super) again: mpsc::UnboundedSender<Request<K>>,
}

impl<K: Watched, H: Handler<K>> Passes<K, H> {
    /// Begins passes until `wanted` ends, and returns when the last has ended; dropped, it aborts them. `first` are
    /// taken one by one as places become free: kube's scheduler keeps for good the room that it has once had to take.
    /// Ticks on the same task: a loop that blocks stops ticking.
    pub(super) async fn run(
        self,
        first: impl Stream<Item = ObjectRef<K>>,
        wanted: impl Stream<Item = Request<K>>,
        pulse: Pulse,
    ) {
        let (mut first, mut wanted) = (pin!(first), pin!(scheduler(wanted)));
        let mut passes = FuturesUnordered::new();
        let mut running = HashSet::new();
        let mut open = true;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while open || !passes.is_empty() {
            let next = tokio::select! {
                _ = tick.tick() => {
                    pulse.tick();
                    None
                }
                // One that a change has brought into a pass already needs no other.
                Some(object) = first.next(), if open && running.len() < CONCURRENCY => {
                    Some(object).filter(|object| !running.contains(object))
                }
                next = next(wanted.as_mut(), &running), if open => {
                    open = next.is_some();
                    next
                }
                Some((object, wait)) = passes.next() => {
                    running.remove(&object);
                    self.look_again(object, wait);
                    None
                }
            };
            if let Some(object) = next {
                running.insert(object.clone());
                passes.push(self.start(object));
            }
        }
    }

    fn start(&self, object: ObjectRef<K>) -> impl Future<Output = (ObjectRef<K>, Option<Duration>)> + use<K, H> {
        self.backlog.leave(&object);
        let pass = pass(self.handler.clone(), self.store.clone(), self.metrics.clone(), object.clone());
        CancelableJoinHandle::spawn(pass, &Handle::current()).map(|wait| (object, wait))
    }

    fn look_again(&self, object: ObjectRef<K>, wait: Option<Duration>) {
        let request = wait.map(|wait| Request { message: object, run_at: Instant::now() + wait });
        // Nobody listens any more only at the end of the term.
        drop(request.map(|request| self.again.send(request)));
    }
}

/// The next object that is due and in no pass.
async fn next<K: Watched>(
    wanted: Pin<&mut Scheduler<ObjectRef<K>, impl Stream<Item = Request<K>>>>,
    running: &HashSet<ObjectRef<K>>,
) -> Option<ObjectRef<K>> {
    if running.len() < CONCURRENCY {
        wanted.hold_unless(|object| !running.contains(object)).next().await
    } else {
        wanted.hold().next().await
    }
}

async fn pass<K: Watched, H: Handler<K>>(
    handler: Arc<H>,
    store: Store<K>,
    metrics: Metrics,
    object: ObjectRef<K>,
) -> Option<Duration> {
    let Some(unpacked) = store.get(&object) else {
        tracing::debug!(%object, "nothing to reconcile");
        return None;
    };
    metrics.reconcile();
    let done = AssertUnwindSafe(handler.reconcile(Arc::new(unpacked))).catch_unwind().await;
    done.unwrap_or_else(|_| {
        metrics.reconcile_panic();
        let (namespace, name) = (object.namespace.as_deref(), &*object.name);
        tracing::error!(namespace, name, retry = ?AFTER_PANIC, "a pass panicked; this is a bug");
        Some(AFTER_PANIC)
    })
}
