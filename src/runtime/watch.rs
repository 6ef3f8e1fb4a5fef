//! One feed of one kind's changes: everything that there is, then what changes, and again from the start.
//!
//! Owns: when everything is listed again, and the waits after errors. Never: stores anything.
//!
//! A feed is a series of watches, each of which begins with all objects (a streaming list, `sendInitialEvents` without
//! a version, which the server answers by quorum). A minute after one has listed everything the next begins, and it
//! replaces the one before once it has listed everything, too. Until then the events of both are passed on: however
//! long a list takes, by the size of one tenant's objects, others' new objects are seen at once. So each minute
//! confirms everything, and what each layer loses is healed by the next watch, at the latest 60 s after:
//! - a cut watch, a version that is gone, an event that could not be read: the next watch starts at once;
//! - an event that was never sent (a silent connection, a stale cache, a proxy that drops it): nothing shows it but
//!   the next watch.
//!
//! The price is that the server sends all objects once a minute: 10,000 at most, beyond that proportionally less often.
//! (10,000 cost it about 1.6 s of processor time, and this process 0.8 s; API server 1.37, a busy machine.) Bookmarks
//! would show a stale cache, and cost nothing; but a dropped creation would stay unseen until the session has ended,
//! and its files are lost.
//!
//! A server that streams no lists (Kubernetes 1.33, where it is off by default) is listed once a minute instead, and
//! watched in between.

#[cfg(test)]
mod tests;

use crate::metrics::SILENT_KIND;
use crate::runtime::backoff::ExponentialBackoff;
use crate::runtime::client::{describe_error, error_class};
use crate::runtime::list::to_listed;
use crate::runtime::received::{Decode, Received};
use crate::runtime::scope::Scope;
use futures::future::ready;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use kube::api::{WatchEvent, WatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use kube_runtime::watcher::{self, Event};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Everything is listed again this long after the last list.
const RELIST_PERIOD: Duration = Duration::from_secs(60);
/// With more objects than this, everything is listed proportionally later.
const RELIST_PERIOD_OBJECTS: u32 = 10_000;
/// A list, streamed or not, that shows nothing for this long is given up.
const LIST_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// A watch that lasted this long was no failure.
const BACKOFF_RESET_AFTER: Duration = Duration::from_secs(5);
/// Waits after errors.
const BACKOFF: ExponentialBackoff =
    ExponentialBackoff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };

/// A namespaced kind that can be watched.
pub(crate) trait WatchableResource:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Decode
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> WatchableResource for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Decode
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

impl Scope {
    /// A feed for each namespace, or one for all.
    pub(crate) fn watch_streams<K: WatchableResource>(
        &self,
        client: &Client,
    ) -> Vec<BoxStream<'static, StreamItem<K>>> {
        let namespaces = match &*self.namespaces {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        let selector = Some(self.label_selector.clone()).filter(|selector| !selector.is_empty());
        let opened = |target: WatchTarget| move |way, lasts| open_stream(&target, way, lasts);
        let targets = namespaces.into_iter().map(|namespace| WatchTarget {
            client: client.clone(),
            namespace,
            label_selector: selector.clone(),
        });
        targets.map(|target| watch_stream(opened(target)).boxed()).collect()
    }
}

/// The client and selection of a feed's requests.
#[derive(Clone)]
pub(super) struct WatchTarget {
    pub(super) client: Client,
    /// The namespace; `None` for all.
    pub(super) namespace: Option<String>,
    pub(super) label_selector: Option<String>,
}

impl WatchTarget {
    pub(super) fn typed_api<K: WatchableResource>(&self) -> Api<Received<K>> {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }
}

/// How a feed lists everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListStrategy {
    /// The watch begins with the list.
    Streaming,
    /// A list, and a watch from there on.
    ListWatch,
}

/// Lists everything, then watches; the server closes the watch after `lasts`.
fn open_stream<K: WatchableResource>(target: &WatchTarget, way: ListStrategy, lasts: Duration) -> EventStream<K> {
    let label_selector = target.label_selector.clone();
    let timeout = Some(u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX));
    match way {
        ListStrategy::Streaming => streaming_list(
            target.typed_api(),
            WatchParams { label_selector, timeout, ..WatchParams::streaming_lists() },
        ),
        ListStrategy::ListWatch => {
            to_listed(target.clone(), WatchParams { label_selector, timeout, ..WatchParams::default() })
        }
    }
}

/// Ends when the server closes it, or after an error. kube's own would request any version, even an old one.
fn streaming_list<K: WatchableResource>(api: Api<Received<K>>, params: WatchParams) -> EventStream<K> {
    let opened = async move { api.watch(&params, "").await };
    let events = stream::once(opened).flat_map(|opened| match opened {
        Ok(events) => read_events(events, false),
        Err(error) => stream::once(ready(Err(watcher::Error::WatchStartFailed(error)))).boxed(),
    });
    stream::once(ready(Ok(Event::Init))).chain(events).boxed()
}

/// `complete`: whether everything was listed before the watch.
pub(super) fn read_events<K: WatchableResource>(
    events: impl Stream<Item = kube::Result<WatchEvent<Received<K>>>> + Send + 'static,
    mut complete: bool,
) -> EventStream<K> {
    events.filter_map(move |event| ready(read_event(event, &mut complete))).boxed()
}

/// An event of a streaming list, whose end the server marks on a bookmark.
fn read_event<K>(event: kube::Result<WatchEvent<K>>, complete: &mut bool) -> Option<watcher::Result<Event<K>>> {
    const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
    match event {
        Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
            Some(Ok(if *complete { Event::Apply(object) } else { Event::InitApply(object) }))
        }
        Ok(WatchEvent::Deleted(object)) => Some(Ok(Event::Delete(object))),
        Ok(WatchEvent::Bookmark(bookmark)) => {
            let ends = !*complete && bookmark.metadata.annotations.contains_key(INITIAL_EVENTS_END);
            *complete |= ends;
            ends.then_some(Ok(Event::InitDone))
        }
        Ok(WatchEvent::Error(status)) => Some(Err(watcher::Error::WatchError(status.boxed()))),
        Err(error) => Some(Err(watcher::Error::WatchFailed(error))),
    }
}

/// An item of a feed.
#[derive(Debug)]
pub(crate) enum StreamItem<K> {
    /// As in kube's watcher; `Init` starts a list, also in the middle of another.
    Event(Event<Received<K>>),
    /// A list or watch failed, with the class and text of its error. It is retried.
    Broke(&'static str, String),
    /// For two periods no list has been complete: the class of the last error, or [`crate::metrics::SILENT_KIND`]. Sent
    /// once; the next `InitDone` ends it.
    Stalled(&'static str),
}

pub(super) type EventStream<K> = BoxStream<'static, watcher::Result<Event<Received<K>>>>;

struct WatchStream<K, F> {
    /// Opens a new source.
    open: F,
    /// How everything is listed; changes to `ListWatch` for good if the server streams no lists.
    way: ListStrategy,
    /// The current list and watch.
    source: EventStream<K>,
    /// The end of the wait after an error: the source is not polled before.
    poll_at: Instant,
    /// The watch before, until the current list is complete; then nothing comes of it.
    previous: EventStream<K>,
    /// When to list everything again, if nothing else happens.
    relist_at: Instant,
    /// Objects in the current list so far.
    listed: u32,
    /// When the current list was completed; `None` while it is not.
    complete: Option<Instant>,
    /// Detects that lists are no longer completed.
    progress: ListProgress,
    /// Waits after errors.
    backoff: WatchBackoff,
}

/// Never ends. `open` starts a new source.
fn watch_stream<K: WatchableResource>(
    open: impl Fn(ListStrategy, Duration) -> EventStream<K> + Send,
) -> impl Stream<Item = StreamItem<K>> + Send {
    let way = ListStrategy::Streaming;
    let source = open(way, watch_timeout(0));
    let now = Instant::now();
    let feed = WatchStream {
        open,
        way,
        source,
        poll_at: now,
        previous: stream::pending().boxed(),
        relist_at: now + LIST_IDLE_TIMEOUT,
        listed: 0,
        complete: None,
        progress: ListProgress::new(),
        backoff: WatchBackoff::new(),
    };
    stream::unfold(feed, |mut feed| async move {
        let signal = feed.next().await;
        Some((signal, feed))
    })
}

impl<K: WatchableResource, F: Fn(ListStrategy, Duration) -> EventStream<K>> WatchStream<K, F> {
    async fn next(&mut self) -> StreamItem<K> {
        loop {
            if let Some(kind) = self.progress.stalled_kind(Instant::now()) {
                return StreamItem::Stalled(kind);
            }
            let Self { source, previous, .. } = self;
            let (relist_at, poll_at) = (self.relist_at, self.poll_at);
            let current = async {
                sleep_until(poll_at).await;
                source.next().await
            };
            tokio::select! {
                event = previous.next() => match event {
                    Some(Ok(event)) => return StreamItem::Event(event),
                    // The current list shows what it has missed.
                    Some(Err(_)) | None => self.previous = stream::pending().boxed(),
                },
                event = timeout_at(relist_at, current) => match event {
                    Ok(Some(Ok(event))) => return StreamItem::Event(self.on_event(event)),
                    Ok(Some(Err(error))) if self.streams_no_lists(&error) => self.fall_back_to_list(),
                    Ok(Some(Err(error))) => return self.interrupted(&error),
                    Ok(None) => self.on_ended(),
                    Err(_) if self.complete.is_some() => self.relist(),
                    // The list began, and its end is not marked: a proxy doesn't support streaming lists.
                    Err(_) if self.way == ListStrategy::Streaming => self.fall_back_to_list(),
                    Err(_) => self.restart(Duration::ZERO),
                }
            }
        }
    }

    /// Begins the next list; the present watch goes on until it is complete.
    fn relist(&mut self) {
        let next = self.open_next(Duration::ZERO);
        self.previous = std::mem::replace(&mut self.source, next);
    }

    /// Replaces the present list or watch.
    fn restart(&mut self, wait: Duration) {
        self.source = self.open_next(wait);
    }

    fn open_next(&mut self, wait: Duration) -> EventStream<K> {
        self.complete = None;
        self.poll_at = Instant::now() + wait;
        self.relist_at = self.poll_at + LIST_IDLE_TIMEOUT;
        (self.open)(self.way, watch_timeout(self.listed))
    }

    fn fall_back_to_list(&mut self) {
        tracing::info!(kind = %K::kind(&()), "the API server can't stream lists; listing once a minute instead");
        self.way = ListStrategy::ListWatch;
        self.restart(Duration::ZERO);
    }

    fn streams_no_lists(&self, error: &watcher::Error) -> bool {
        let refused =
            |error: &kube::Error| matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 422));
        self.way == ListStrategy::Streaming
            && matches!(error, watcher::Error::WatchStartFailed(source) if refused(source))
    }

    /// The server has closed the watch.
    fn on_ended(&mut self) {
        let wait = self.pause_after().unwrap_or_default();
        self.restart(wait);
    }

    /// Returns the wait before the next try; `None` after a watch that lasted.
    fn pause_after(&mut self) -> Option<Duration> {
        if self.complete.is_some_and(|since| since.elapsed() >= BACKOFF_RESET_AFTER) {
            self.backoff.reset_backoff();
            return None;
        }
        Some(self.backoff.next())
    }

    fn on_event(&mut self, event: Event<Received<K>>) -> Event<Received<K>> {
        let now = Instant::now();
        match &event {
            Event::Init => {
                (self.listed, self.complete) = (0, None);
                self.relist_at = now + LIST_IDLE_TIMEOUT;
            }
            Event::InitApply(_) => {
                self.listed = self.listed.saturating_add(1);
                self.relist_at = now + LIST_IDLE_TIMEOUT;
            }
            Event::InitDone => {
                (self.complete, self.previous) = (Some(now), stream::pending().boxed());
                self.progress = ListProgress { since: now, period: relist_period(self.listed), ..ListProgress::new() };
                self.relist_at = now + relist_period(self.listed);
            }
            Event::Apply(_) | Event::Delete(_) => {}
        }
        event
    }

    fn interrupted(&mut self, error: &watcher::Error) -> StreamItem<K> {
        let wait = self.pause_after().unwrap_or_else(|| self.backoff.next());
        let (class, resumes) = match error {
            // The watch after a list starts from the same version at the next try.
            watcher::Error::WatchStartFailed(source) => {
                (error_class(source), self.way == ListStrategy::ListWatch && !is_gone(source))
            }
            // An event may be lost: only a list shows it.
            watcher::Error::InitialListFailed(source) | watcher::Error::WatchFailed(source) => {
                (error_class(source), false)
            }
            watcher::Error::WatchError(_) => ("server", false),
            watcher::Error::NoResourceVersion => ("decode", false),
        };
        self.progress.kind = class;
        if resumes {
            self.poll_at = Instant::now() + wait;
            self.relist_at = self.relist_at.max(self.poll_at + LIST_IDLE_TIMEOUT);
        } else {
            self.restart(wait);
        }
        StreamItem::Broke(class, describe_kind(error))
    }
}

fn describe_kind(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(source) => format!("list: {}", describe_error(source)),
        watcher::Error::WatchStartFailed(source) | watcher::Error::WatchFailed(source) => {
            format!("watch: {}", describe_error(source))
        }
        watcher::Error::WatchError(status) => format!("watch: {} ({})", status.message, status.code),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

fn relist_period(objects: u32) -> Duration {
    RELIST_PERIOD.mul_f64(f64::from(objects.max(RELIST_PERIOD_OBJECTS)) / f64::from(RELIST_PERIOD_OBJECTS))
}

/// When the server closes a watch: late enough for the list of the next.
fn watch_timeout(objects: u32) -> Duration {
    relist_period(objects) * 2
}

/// Detects that no list has been completed for two periods.
struct ListProgress {
    /// The end of the last complete list, or the start.
    since: Instant,
    /// Time between two lists.
    period: Duration,
    /// The class of the last error since then.
    kind: &'static str,
    reported: bool,
}

impl ListProgress {
    fn new() -> Self {
        Self { since: Instant::now(), period: RELIST_PERIOD, kind: SILENT_KIND, reported: false }
    }

    /// Returns the class of the last error, once, when no list has been complete for two periods.
    fn stalled_kind(&mut self, now: Instant) -> Option<&'static str> {
        let stalled = !self.reported && now.duration_since(self.since) > self.period * 2;
        self.reported |= stalled;
        stalled.then_some(self.kind)
    }
}

/// Doubling waits, the upper half of each at random, so that replicas and feeds don't come back in step.
struct WatchBackoff {
    failures: u32,
    random: RandomState,
}

impl WatchBackoff {
    fn new() -> Self {
        Self { failures: 0, random: RandomState::new() }
    }

    fn next(&mut self) -> Duration {
        let full = BACKOFF.delay_after(self.failures);
        self.failures = self.failures.saturating_add(1);
        let share = (self.random.hash_one(self.failures) >> 32) as u32;
        full / 2 + full.mul_f64(f64::from(share) / f64::from(u32::MAX) / 2.0)
    }

    fn reset_backoff(&mut self) {
        self.failures = 0;
    }
}
