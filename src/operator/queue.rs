//! The event loop: from changes, grants and timers to reconciles.
//!
//! Owns what runs when: never two passes over one object at once, at most 384 over all, none before the list is
//! complete, none after the stop. It knows nothing of what a pass does. A panic in one pass is counted and logged, and
//! that object tried again later; the others go on.

use super::backlog::Backlog;
use super::health::Pulse;
use super::metrics::Metrics;
use super::mirror::{Change, Mirror};
use super::scope::Scope;
use super::watch::{Signal, Watched};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use kube::Client;
use kube::runtime::controller::{self, Action, ReconcileReason, ReconcileRequest, applier};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::utils::CancelableJoinHandle;
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Passes at the same time. A pass that calls AWS may hang until the call's time-out: more than the quota lets hang in
/// several Regions at once, so that those which answer nothing take no place from the others.
const CONCURRENCY: u16 = 384;
/// The first passes are asked for in portions: kube's queue keeps for good the room that it has once had to take.
const PORTION: u32 = 256;
/// A portion comes when as many passes have begun, at the latest after this.
const NEXT_PORTION: Duration = Duration::from_millis(100);
/// An object whose pass panicked is tried again after this.
const AFTER_PANIC: Duration = Duration::from_secs(30);
/// How often the loop shows that it lives.
const TICK: Duration = Duration::from_secs(5);

/// What is done with the objects. `rests`, `listed`, `applied` and `deleted` come in the order of the watch, and before
/// any pass that they cause; they must not block.
pub trait Handler<K: Watched>: Send + Sync + 'static {
    /// Takes away what nobody reads of an object, before it is stored. False if it is at rest: until it changes there
    /// is nothing to do for it, and it is not stored.
    fn prune(_: &mut K) -> bool {
        true
    }
    /// An object at rest, new or changed: it gets no pass. The first ones come before [`listed`](Self::listed).
    fn rests(&self, _: &Arc<K>) {}
    /// All objects that are not at rest, once, before any pass.
    fn listed(&self, objects: &[Arc<K>]);
    /// A new or changed object. Not called for those of [`listed`](Self::listed).
    fn applied(&self, object: &Arc<K>);
    /// An object is gone. One made again under the same name has another uid.
    fn deleted(&self, object: &ObjectRef<K>);
    /// One pass over one object, as the store has it. The answer says when to look again without being asked.
    fn reconcile(&self, object: Arc<K>) -> impl Future<Output = Action> + Send;
}

/// What the loop runs on.
pub struct Setup {
    /// For lists and watches (`watch_client`).
    pub client: Client,
    /// Which objects.
    pub scope: Scope,
    /// Where it counts.
    pub metrics: Metrics,
    /// Where it shows that it lives.
    pub pulse: Pulse,
}

/// Works until `stop` resolves, with a fresh list and an empty store: one run for each term of office.
///
/// `triggers` asks for passes from elsewhere; those that come before the list is complete are dropped, for then every
/// object gets one. `stop` says how long passes that have begun may go on; what is left then is aborted.
pub async fn run<K: Watched, H: Handler<K>>(
    setup: Setup,
    handler: Arc<H>,
    triggers: mpsc::UnboundedReceiver<ObjectRef<K>>,
    stop: impl Future<Output = Duration> + Send,
) {
    let feeds = setup.scope.feeds(&setup.client);
    drive(feeds, setup, handler, triggers, stop).await;
}

async fn drive<K: Watched, H: Handler<K>>(
    feeds: Vec<BoxStream<'static, Signal<K>>>,
    Setup { scope, metrics, pulse, .. }: Setup,
    handler: Arc<H>,
    triggers: mpsc::UnboundedReceiver<ObjectRef<K>>,
    stop: impl Future<Output = Duration> + Send,
) {
    let mirror = Mirror::new(&scope.namespaces, H::prune);
    let store = mirror.store();
    let (stop_intake, stopped) = oneshot::channel::<()>();
    let stopping = Arc::new(AtomicBool::new(false));
    let backlog = Backlog::new(metrics.clone());
    let (first, all) = oneshot::channel();
    let begun = Arc::new(Semaphore::new(2 * PORTION as usize));
    let pump = Pump {
        mirror,
        handler: Arc::clone(&handler),
        metrics: metrics.clone(),
        trouble: HashMap::new(),
        first: Some(first),
    };
    let wanted = stream::select(requests(feeds, triggers, pump), in_portions(all, Arc::clone(&begun)));
    let asked = backlog.clone();
    let queue = wanted.inspect_ok(move |request| asked.enter(&request.obj_ref)).take_until(stopped).boxed();
    let pass = Pass { handler, metrics, backlog: backlog.clone(), stopping: Arc::clone(&stopping), begun };
    let config = controller::Config::default().concurrency(CONCURRENCY);
    // There are no errors to have a policy for: a pass answers with an action, whatever happened.
    let policy = |_: Arc<K>, never: &Infallible, _: Arc<()>| match *never {};
    let passes = applier(move |object, _| pass.clone().start(object), policy, Arc::new(()), store, queue, config);
    let mut turning = pin!(turn(passes, pulse, backlog));
    let drain = tokio::select! {
        () = &mut turning => return,
        drain = stop => drain,
    };
    stopping.store(true, Ordering::Release);
    drop(stop_intake);
    if timeout(drain, turning).await.is_err() {
        tracing::info!(?drain, "passes in hand were aborted");
    }
}

/// Polls the loop to its end, ticking on the same task: a loop that blocks stops ticking.
async fn turn<K: Watched>(passes: impl Stream<Item = PassResult<K>>, pulse: Pulse, backlog: Backlog) {
    let mut passes = pin!(passes);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => pulse.tick(),
            passed = passes.next() => match passed {
                Some(Ok(_)) => {}
                // A trigger for an object that is gone.
                Some(Err(error)) => {
                    tracing::debug!(%error, "nothing to reconcile");
                    if let controller::Error::ObjectNotFound(object) = &error {
                        backlog.leave(object);
                    }
                }
                None => return,
            },
        }
    }
}

type PassResult<K> = Result<(ObjectRef<K>, Action), controller::Error<Infallible, Infallible>>;
type Request<K> = Result<ReconcileRequest<K>, Infallible>;

enum Input<K: Watched> {
    Feed(usize, Signal<K>),
    Trigger(ObjectRef<K>),
}

fn requests<K: Watched, H: Handler<K>>(
    feeds: Vec<BoxStream<'static, Signal<K>>>,
    triggers: mpsc::UnboundedReceiver<ObjectRef<K>>,
    mut pump: Pump<K, H>,
) -> impl Stream<Item = Request<K>> + Send {
    let feeds = feeds.into_iter().enumerate().map(|(n, feed)| feed.map(move |signal| Input::Feed(n, signal)).boxed());
    let triggers = stream::unfold(triggers, |mut triggers| async {
        let object = triggers.recv().await?;
        Some((Input::Trigger(object), triggers))
    });
    stream::select(stream::select_all(feeds), triggers).flat_map(move |input| stream::iter(pump.take_in(input)))
}

/// A pass for each object of the first list.
fn in_portions<K: Watched>(
    all: oneshot::Receiver<Vec<Arc<K>>>,
    begun: Arc<Semaphore>,
) -> impl Stream<Item = Request<K>> + Send {
    let portions = stream::once(all)
        .flat_map(|objects| stream::iter(objects.unwrap_or_default()))
        .map(|object| Ok(request(&object, ReconcileReason::BulkReconcile)))
        .chunks(PORTION as usize);
    portions.then(move |portion| after_others(Arc::clone(&begun), portion)).flat_map(stream::iter)
}

async fn after_others<T>(begun: Arc<Semaphore>, portion: T) -> T {
    if let Ok(Ok(others)) = timeout(NEXT_PORTION, begun.acquire_many(PORTION)).await {
        others.forget();
    }
    portion
}

/// Turns what comes in into requests for passes, and tells the handler on the way.
struct Pump<K: Watched, H> {
    mirror: Mirror<K>,
    handler: Arc<H>,
    metrics: Metrics,
    /// By feed: one log line for each change of trouble.
    trouble: HashMap<usize, &'static str>,
    /// Takes the first list's objects; once.
    first: Option<oneshot::Sender<Vec<Arc<K>>>>,
}

impl<K: Watched, H: Handler<K>> Pump<K, H> {
    fn take_in(&mut self, input: Input<K>) -> Vec<Request<K>> {
        match input {
            Input::Trigger(_) if !self.mirror.is_complete() => vec![],
            Input::Trigger(object) => vec![Ok(object.into())],
            Input::Feed(feed, Signal::Event(event)) => {
                self.note_recovery(feed, &event);
                let changes = self.mirror.absorb(feed, event);
                changes.into_iter().flat_map(|change| self.tell(change)).map(Ok).collect()
            }
            Input::Feed(feed, Signal::Broke(class, error)) => {
                self.note_trouble(feed, class, &error);
                vec![]
            }
        }
    }

    fn tell(&mut self, change: Change<K>) -> Vec<ReconcileRequest<K>> {
        match change {
            Change::Listed(objects) => {
                let all = self.mirror.len();
                tracing::info!(objects = all, atRest = all - objects.len(), "the list is complete");
                self.isolated("listed", None, |handler| handler.listed(&objects));
                // Nobody listens any more only at the end of the term.
                drop(self.first.take().map(|first| first.send(objects)));
                vec![]
            }
            Change::Applied(object) => {
                self.isolated("applied", Some(&ObjectRef::from_obj(&*object)), |handler| handler.applied(&object));
                vec![request(&object, ReconcileReason::ObjectUpdated)]
            }
            Change::Rests(object) => {
                self.isolated("rests", Some(&ObjectRef::from_obj(&*object)), |handler| handler.rests(&object));
                vec![]
            }
            Change::Deleted(object) => {
                self.isolated("deleted", Some(&object), |handler| handler.deleted(&object));
                vec![]
            }
        }
    }

    fn isolated(&self, what: &'static str, object: Option<&ObjectRef<K>>, call: impl FnOnce(&H)) {
        if catch_unwind(AssertUnwindSafe(|| call(&self.handler))).is_err() {
            self.metrics.reconcile_panic();
            let object = object.map(ToString::to_string);
            tracing::error!(what, object, "a callback panicked; this is a bug");
        }
    }

    fn note_trouble(&mut self, feed: usize, class: &'static str, error: &str) {
        self.metrics.watch_restart();
        self.metrics.kube_error(class);
        if self.trouble.insert(feed, class) != Some(class) {
            tracing::warn!(kind = %K::kind(&()), class, error, "list or watch broke off, trying again");
        }
    }

    fn note_recovery(&mut self, feed: usize, event: &kube::runtime::watcher::Event<K>) {
        let shows_it = !matches!(event, kube::runtime::watcher::Event::Init);
        if shows_it && self.trouble.remove(&feed).is_some() {
            tracing::info!(kind = %K::kind(&()), "list or watch works again");
        }
    }
}

/// What starts one pass after the other.
struct Pass<H> {
    handler: Arc<H>,
    metrics: Metrics,
    backlog: Backlog,
    stopping: Arc<AtomicBool>,
    /// One more permit for each.
    begun: Arc<Semaphore>,
}

impl<H> Clone for Pass<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            metrics: self.metrics.clone(),
            backlog: self.backlog.clone(),
            stopping: Arc::clone(&self.stopping),
            begun: Arc::clone(&self.begun),
        }
    }
}

impl<H> Pass<H> {
    fn start<K: Watched>(self, object: Arc<K>) -> CancelableJoinHandle<Result<Action, Infallible>>
    where
        H: Handler<K>,
    {
        self.backlog.leave(&ObjectRef::from_obj(&*object));
        if self.begun.available_permits() < 2 * PORTION as usize {
            self.begun.add_permits(1);
        }
        let pass = async move {
            // The queue may still hold requests after the intake has stopped.
            if self.stopping.load(Ordering::Acquire) {
                return Ok(Action::await_change());
            }
            self.metrics.reconcile();
            let done = AssertUnwindSafe(self.handler.reconcile(Arc::clone(&object))).catch_unwind().await;
            Ok(done.unwrap_or_else(|_| {
                self.metrics.reconcile_panic();
                let (namespace, name) = place(&object);
                tracing::error!(namespace, name, retry = ?AFTER_PANIC, "a pass panicked; this is a bug");
                Action::requeue(AFTER_PANIC)
            }))
        };
        CancelableJoinHandle::spawn(pass, &Handle::current())
    }
}

/// By name alone: the queue keeps several copies.
fn request<K: Watched>(object: &Arc<K>, reason: ReconcileReason) -> ReconcileRequest<K> {
    let (namespace, name) = place(object);
    ReconcileRequest { obj_ref: ObjectRef::new(&name).within(&namespace), reason }
}

fn place<K: Watched>(object: &Arc<K>) -> (String, String) {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
