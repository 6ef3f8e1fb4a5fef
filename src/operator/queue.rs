//! The event loop: from changes, grants and timers to reconciles.
//!
//! Owns what is wanted when: no pass before the list is complete, none after the stop. It knows nothing of what a pass
//! does.

use super::backlog::Backlog;
use super::health::Pulse;
use super::metrics::Metrics;
use super::mirror::{Change, Mirror};
use super::passes::{Passes, Request};
use super::received::Received;
use super::scope::Scope;
use super::warnings::Warnings;
use super::watch::{Signal, Watched};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt};
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// What is done with the objects. `rests`, `applied`, `listed` and `deleted` come in the order of the watch, and before
/// any pass that they cause; they must not block.
pub trait Handler<K: Watched>: Send + Sync + 'static {
    /// Texts that occur in the JSON of most objects, at most 31: stored as one byte each.
    const PHRASES: &'static [&'static str] = &[];
    /// Takes away what nobody reads of an object, before it is stored. False if it is at rest: until it changes there
    /// is nothing to do for it, and it is not stored.
    fn prune(_: &mut K) -> bool {
        true
    }
    /// An object at rest, new or changed: it gets no pass.
    fn rests(&self, _: &Arc<K>) {}
    /// Another new or changed object.
    fn applied(&self, object: &Arc<K>);
    /// Once, before any pass: all objects that there were have been told of.
    fn listed(&self);
    /// A stream of changes has stood still for two periods, with the class of its last error; or none does any more.
    fn stalled(&self, kind: Option<&'static str>);
    /// An object is gone. One made again under the same name has another uid.
    fn deleted(&self, object: &ObjectRef<K>);
    /// One pass over one object, as the store has it. The answer says when to look again without being asked, if ever.
    fn reconcile(&self, object: Arc<K>) -> impl Future<Output = Option<Duration>> + Send;
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
    let mirror = Mirror::new(&scope.namespaces, H::prune, H::PHRASES);
    let backlog = Backlog::new(metrics.clone());
    let (again, timers) = mpsc::unbounded_channel();
    let passes = Passes {
        handler: Arc::clone(&handler),
        store: mirror.store(),
        metrics: metrics.clone(),
        backlog: backlog.clone(),
        again,
    };
    let (first, all) = oneshot::channel();
    let pump = Pump {
        mirror,
        handler,
        metrics,
        trouble: HashMap::new(),
        stalled: BTreeMap::new(),
        warnings: Warnings::default(),
        first: Some(first),
    };
    let counted = backlog.clone();
    let at_once = requests(feeds, triggers, pump).map(move |object| {
        backlog.enter(&object);
        Request { message: object, run_at: Instant::now() }
    });
    let (stop_intake, stopped) = oneshot::channel::<()>();
    let stopped = stopped.shared();
    let queue = stream::select(at_once, received(timers)).take_until(stopped.clone());
    let first = stream::once(all).flat_map(move |objects| stream::iter(counted.first(objects.unwrap_or_default())));
    let mut running = pin!(passes.run(first.take_until(stopped), queue, pulse));
    let grace_period = tokio::select! {
        () = &mut running => return,
        grace_period = stop => grace_period,
    };
    drop(stop_intake);
    if timeout(grace_period, running).await.is_err() {
        tracing::info!(?grace_period, "passes in hand were aborted");
    }
}

enum Input<K: Watched> {
    Feed(usize, Signal<K>),
    Trigger(ObjectRef<K>),
}

fn requests<K: Watched, H: Handler<K>>(
    feeds: Vec<BoxStream<'static, Signal<K>>>,
    triggers: mpsc::UnboundedReceiver<ObjectRef<K>>,
    mut pump: Pump<K, H>,
) -> impl Stream<Item = ObjectRef<K>> + Send {
    let feeds = feeds.into_iter().enumerate().map(|(n, feed)| feed.map(move |signal| Input::Feed(n, signal)).boxed());
    let triggers = received(triggers).map(Input::Trigger);
    stream::select(stream::select_all(feeds), triggers).flat_map(move |input| stream::iter(pump.take_in(input)))
}

fn received<T: Send>(receiver: mpsc::UnboundedReceiver<T>) -> impl Stream<Item = T> + Send {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
}

/// Turns what comes in into requests for passes, and tells the handler on the way.
struct Pump<K: Watched, H> {
    mirror: Mirror<K>,
    handler: Arc<H>,
    metrics: Metrics,
    /// By feed: one log line for each change of trouble.
    trouble: HashMap<usize, &'static str>,
    /// By feed: those that stand still, and the class of their last error.
    stalled: BTreeMap<usize, &'static str>,
    warnings: Warnings,
    /// Takes the first list's objects; once.
    first: Option<oneshot::Sender<Vec<ObjectRef<K>>>>,
}

impl<K: Watched, H: Handler<K>> Pump<K, H> {
    fn take_in(&mut self, input: Input<K>) -> Vec<ObjectRef<K>> {
        match input {
            Input::Trigger(_) if !self.mirror.is_complete() => vec![],
            Input::Trigger(object) => vec![object],
            Input::Feed(feed, Signal::Event(event)) => {
                self.note_recovery(feed, &event);
                let is_complete = matches!(event, Event::InitDone);
                let changes = self.mirror.absorb(feed, event);
                self.metrics.unreadable_objects(self.mirror.unreadable());
                let wanted = changes.into_iter().filter_map(|change| self.tell(change)).collect();
                if is_complete && self.stalled.remove(&feed).is_some() {
                    self.tell_stalled();
                }
                wanted
            }
            Input::Feed(feed, Signal::Stalled(kind)) => {
                self.stalled.insert(feed, kind);
                self.tell_stalled();
                vec![]
            }
            Input::Feed(feed, Signal::Broke(class, error)) => {
                self.note_trouble(feed, class, &error);
                vec![]
            }
        }
    }

    /// Returns the object that is to get a pass.
    fn tell(&mut self, change: Change<K>) -> Option<ObjectRef<K>> {
        match change {
            Change::Listed(objects) => {
                let all = self.mirror.store().len();
                tracing::info!(objects = all, atRest = all - objects.len(), "the list is complete");
                self.isolated("listed", None, H::listed);
                // Nobody listens any more only at the end of the term.
                drop(self.first.take().map(|first| first.send(objects)));
            }
            Change::Applied(object) => {
                let place = place(&*object);
                self.isolated("applied", Some(&place), |handler| handler.applied(&object));
                return Some(place).filter(|_| self.mirror.is_complete());
            }
            Change::Rests(object) => {
                self.isolated("rests", Some(&place(&*object)), |handler| handler.rests(&object));
            }
            Change::Unreadable(object, error) => self.warnings.warn(&object, &error),
            Change::Deleted(object) => self.isolated("deleted", Some(&object), |handler| handler.deleted(&object)),
        }
        None
    }

    fn tell_stalled(&self) {
        self.metrics.watch_stalled(self.stalled.values().copied());
        let kind = self.stalled.values().next().copied();
        self.isolated("stalled", None, |handler| handler.stalled(kind));
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

    fn note_recovery(&mut self, feed: usize, event: &Event<Received<K>>) {
        let shows_it = !matches!(event, Event::Init);
        if shows_it && self.trouble.remove(&feed).is_some() {
            tracing::info!(kind = %K::kind(&()), "list or watch works again");
        }
    }
}

/// By name alone: the queue keeps several copies.
fn place<K: Watched>(object: &K) -> ObjectRef<K> {
    let meta = object.meta();
    ObjectRef::new(meta.name.as_deref().unwrap_or_default()).within(meta.namespace.as_deref().unwrap_or_default())
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
