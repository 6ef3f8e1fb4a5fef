//! The event loop: turns changes, requeues and timers into reconciles.
//!
//! Owns: when to reconcile: never before the list is complete or after the stop.
//! Never: depends on what a reconcile does.

#[cfg(test)]
mod tests;

use crate::metrics::Metrics;
use crate::runtime::cache::{CacheChange, ObjectCache};
use crate::runtime::queue_depth::QueueDepth;
use crate::runtime::received::DecodeError;
use crate::runtime::scope::Scope;
use crate::runtime::warnings::Warnings;
use crate::runtime::watch::{StreamItem, WatchableResource};
use crate::runtime::watchdog::Heartbeat;
use crate::runtime::workers::{ReconcileRequest, Workers};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt};
use kube::Client;
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher::Event;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// Callbacks of the event loop. `on_finished`, `on_applied`, `on_listed` and `on_deleted` are called in the order of
/// the watch, and before any reconcile that they cause; they must not block.
pub(crate) trait Reconciler<K: WatchableResource>: Send + Sync + 'static {
    /// The parsed form of an object, as it is stored.
    type Stored: Send + Sync + 'static;
    /// Parses an object, once for each version of it.
    ///
    /// # Errors
    /// If the object can't be used: it counts as undecodable.
    fn parse(object: K) -> Result<ParsedObject<Self::Stored>, DecodeError>;
    /// A finished object, new or changed: it is not reconciled.
    fn on_finished(&self, _: &Arc<Self::Stored>) {}
    /// Another new or changed object.
    fn on_applied(&self, object: &Arc<Self::Stored>);
    /// Called once, before any reconcile: every object of the first lists has been passed to a callback.
    fn on_listed(&self);
    /// A watch has completed no list for two periods; `kind` is the class of its last error, `None` if no watch is
    /// stalled any longer.
    fn on_stalled(&self, kind: Option<&'static str>);
    /// An object is gone. One created again under the same name has another uid.
    fn on_deleted(&self, object: &ObjectRef<K>);
    /// Reconciles one object, as the store has it. Returns the delay after which to requeue it, if any.
    fn reconcile(&self, object: Arc<Self::Stored>) -> impl Future<Output = Option<Duration>> + Send;
}

/// A parsed object.
#[derive(Debug)]
pub(crate) enum ParsedObject<P> {
    /// A reconcile may be needed.
    Active(Arc<P>),
    /// Until the object changes there is nothing to do for it, and it is not stored.
    Finished(Arc<P>),
}

/// Requeues objects from outside the event loop. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Requeue<K: WatchableResource>(mpsc::UnboundedSender<ObjectRef<K>>);

impl<K: WatchableResource> Clone for Requeue<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: WatchableResource> Requeue<K> {
    /// The sender, and the receiver for [`run`].
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<ObjectRef<K>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Queues an object for a reconcile.
    pub(crate) fn requeue(&self, namespace: &str, name: &str) {
        // The receiver is dropped only at the end of the leader term.
        drop(self.0.send(ObjectRef::new(name).within(namespace)));
    }
}

/// The inputs of [`run`].
pub(crate) struct EventLoopConfig {
    /// For lists and watches (`watch_client`).
    pub client: Client,
    /// The objects to watch.
    pub scope: Scope,
    /// Counters of the loop and its queue.
    pub metrics: Metrics,
    /// The loop's sign of life for the liveness probe.
    pub heartbeat: Heartbeat,
}

/// Runs until `stop` resolves, with a fresh list and an empty store: one run for each leader term.
///
/// `triggers` requests reconciles from outside; those that come before the list is complete are dropped, because every
/// object is reconciled then. `stop` resolves to how long reconciles in progress may go on before they are aborted.
pub(crate) async fn run<K: WatchableResource, H: Reconciler<K>>(
    setup: EventLoopConfig,
    handler: Arc<H>,
    triggers: mpsc::UnboundedReceiver<ObjectRef<K>>,
    stop: impl Future<Output = Duration> + Send,
) {
    let feeds = setup.scope.watch_streams(&setup.client);
    run_streams(feeds, setup, handler, triggers, stop).await;
}

async fn run_streams<K: WatchableResource, H: Reconciler<K>>(
    feeds: Vec<BoxStream<'static, StreamItem<K>>>,
    EventLoopConfig { scope, metrics, heartbeat, .. }: EventLoopConfig,
    handler: Arc<H>,
    triggers: mpsc::UnboundedReceiver<ObjectRef<K>>,
    stop: impl Future<Output = Duration> + Send,
) {
    let cache = ObjectCache::new(&scope.namespaces, H::parse);
    let backlog = QueueDepth::new(metrics.clone());
    let (again, timers) = mpsc::unbounded_channel();
    let passes = Workers {
        handler: Arc::clone(&handler),
        store: cache.shared_store(),
        metrics: metrics.clone(),
        backlog: backlog.clone(),
        again,
    };
    let (first, all) = oneshot::channel();
    let dispatcher = EventDispatcher {
        cache,
        handler,
        metrics,
        trouble: HashMap::new(),
        stalled: BTreeMap::new(),
        warnings: Warnings::default(),
        first: Some(first),
    };
    let counted = backlog.clone();
    let at_once = merge_requests(feeds, triggers, dispatcher).map(move |object| {
        backlog.enqueue(&object);
        ReconcileRequest { message: object, run_at: Instant::now() }
    });
    let (stop_intake, stopped) = oneshot::channel::<()>();
    let stopped = stopped.shared();
    let queue = stream::select(at_once, received(timers)).take_until(stopped.clone());
    let first =
        stream::once(all).flat_map(move |objects| stream::iter(counted.with_initial(objects.unwrap_or_default())));
    let mut running = pin!(passes.run(first.take_until(stopped), queue, heartbeat));
    let grace_period = tokio::select! {
        () = &mut running => return,
        grace_period = stop => grace_period,
    };
    drop(stop_intake);
    if timeout(grace_period, running).await.is_err() {
        tracing::info!(?grace_period, "running reconciles were aborted");
    }
}

enum Input<K: WatchableResource> {
    Feed(usize, StreamItem<K>),
    Trigger(ObjectRef<K>),
}

fn merge_requests<K: WatchableResource, H: Reconciler<K>>(
    feeds: Vec<BoxStream<'static, StreamItem<K>>>,
    triggers: mpsc::UnboundedReceiver<ObjectRef<K>>,
    mut dispatcher: EventDispatcher<K, H>,
) -> impl Stream<Item = ObjectRef<K>> + Send {
    let feeds = feeds.into_iter().enumerate().map(|(n, feed)| feed.map(move |signal| Input::Feed(n, signal)).boxed());
    let triggers = received(triggers).map(Input::Trigger);
    stream::select(stream::select_all(feeds), triggers)
        .flat_map(move |input| stream::iter(dispatcher.handle_input(input)))
}

fn received<T: Send>(receiver: mpsc::UnboundedReceiver<T>) -> impl Stream<Item = T> + Send {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
}

/// Turns inputs into reconcile requests, and notifies the reconciler on the way.
struct EventDispatcher<K: WatchableResource, H: Reconciler<K>> {
    /// The objects as last seen.
    cache: ObjectCache<K, H::Stored>,
    /// The callbacks.
    handler: Arc<H>,
    /// Counters of restarts, errors and undecodable objects.
    metrics: Metrics,
    /// By feed: the class of the last error logged, so that each change of class is logged once.
    trouble: HashMap<usize, &'static str>,
    /// By feed: the stalled ones, with the class of their last error.
    stalled: BTreeMap<usize, &'static str>,
    /// Rate limit of warnings about undecodable objects.
    warnings: Warnings,
    /// Receives the objects of the first lists; `None` once sent.
    first: Option<oneshot::Sender<Vec<ObjectRef<K>>>>,
}

impl<K: WatchableResource, H: Reconciler<K>> EventDispatcher<K, H> {
    fn handle_input(&mut self, input: Input<K>) -> Vec<ObjectRef<K>> {
        match input {
            Input::Trigger(_) if !self.cache.has_synced() => vec![],
            Input::Trigger(object) => vec![object],
            Input::Feed(feed, StreamItem::Event(event)) => {
                let has_synced = matches!(event, Event::InitDone);
                if has_synced && self.trouble.remove(&feed).is_some() {
                    tracing::info!(kind = %K::kind(&()), "list and watch work again");
                }
                let changes = self.cache.apply(feed, event);
                self.metrics.set_unreadable_objects(self.cache.unreadable_count());
                let wanted = changes.into_iter().filter_map(|change| self.dispatch(change)).collect();
                if has_synced && self.stalled.remove(&feed).is_some() {
                    self.log_stalled();
                }
                wanted
            }
            Input::Feed(feed, StreamItem::Stalled(kind)) => {
                self.stalled.insert(feed, kind);
                self.log_stalled();
                vec![]
            }
            Input::Feed(feed, StreamItem::Broke(class, error)) => {
                self.note_trouble(feed, class, &error);
                vec![]
            }
        }
    }

    /// Returns the object to reconcile, if any.
    fn dispatch(&mut self, change: CacheChange<K, H::Stored>) -> Option<ObjectRef<K>> {
        match change {
            CacheChange::Listed(objects) => {
                let all = self.cache.shared_store().len();
                tracing::info!(objects = all, inactive = all - objects.len(), "the list is complete");
                self.catch_panic("listed", None, H::on_listed);
                // The receiver is dropped only at the end of the leader term.
                drop(self.first.take().map(|first| first.send(objects)));
            }
            CacheChange::Applied(object_ref, object) => {
                self.catch_panic("applied", Some(&object_ref), |handler| handler.on_applied(&object));
                return Some(object_ref).filter(|_| self.cache.has_synced());
            }
            CacheChange::Finished(object_ref, object) => {
                self.catch_panic("finished", Some(&object_ref), |handler| handler.on_finished(&object));
            }
            CacheChange::Unreadable(object, error) => self.warnings.log_warning(&object, &error),
            CacheChange::Deleted(object) => {
                self.catch_panic("deleted", Some(&object), |handler| handler.on_deleted(&object))
            }
        }
        None
    }

    fn log_stalled(&self) {
        self.metrics.set_watch_stalled(self.stalled.values().copied());
        let kind = self.stalled.values().next().copied();
        self.catch_panic("stalled", None, |handler| handler.on_stalled(kind));
    }

    fn catch_panic(&self, what: &'static str, object: Option<&ObjectRef<K>>, call: impl FnOnce(&H)) {
        if catch_unwind(AssertUnwindSafe(|| call(&self.handler))).is_err() {
            self.metrics.record_reconcile_panic();
            let object = object.map(ToString::to_string);
            tracing::error!(what, object, "a callback panicked; this is a bug");
        }
    }

    fn note_trouble(&mut self, feed: usize, class: &'static str, error: &str) {
        self.metrics.record_watch_restart();
        self.metrics.record_kube_error(class);
        if self.trouble.insert(feed, class) != Some(class) {
            tracing::warn!(kind = %K::kind(&()), class, error, "list or watch failed, trying again");
        }
    }
}
