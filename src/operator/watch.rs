//! One feed of one kind's changes: everything that there is, then what changes, and again from the start.
//!
//! Owns when everything is asked for afresh, and the waits after errors. It stores nothing.
//!
//! A feed is a series of watches, each of which begins with all objects (a streaming list, `sendInitialEvents` without
//! a version, which the server answers by quorum) and lasts for a minute. So each minute confirms everything, and what
//! each layer loses is healed by the next watch, at the latest 65 s after:
//! - a cut watch, a version that is gone, an event that could not be read: the next watch starts at once;
//! - a silent connection: given up 5 s after the server should have closed it;
//! - an event that was never sent (a cache that stands still, something in between that swallows): nothing shows it but
//!   the next watch.
//!
//! The price is that the server sends all objects once a minute: 10,000 at most, beyond that proportionally less often.
//! (10,000 cost it about 1.6 s of processor time, and us 0.8 s; API server 1.37, a busy machine.) Bookmarks would show a
//! cache that stands still, and cost nothing; but a swallowed creation would stay unseen until the session has ended,
//! and its files are lost.
//!
//! A server that streams no lists (Kubernetes 1.33, where it is off by default) is asked for a list once a minute
//! instead, and watched in between.

use super::client::{error_class, sentence};
use super::list::listed;
use super::received::{Decode, Received};
use super::scope::Scope;
use futures::future::ready;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use kube::api::{WatchEvent, WatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Everything is asked for afresh this long after the last time.
const AFRESH: Duration = Duration::from_secs(60);
/// With more objects than these, proportionally later.
const AFRESH_OBJECTS: u32 = 10_000;
/// A watch that the server has not closed this long after its time is silent.
const SILENT: Duration = Duration::from_secs(5);
/// A list, streamed or not, that shows nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(30);
/// Why a watch stands still that broke off with no error.
pub const SILENT_KIND: &str = "silent";
/// A watch that lasted this long was no failure.
const LASTED: Duration = Duration::from_secs(5);
/// Wait after the first error; doubles.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// Longest wait after an error.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A namespaced kind that can be watched.
pub trait Watched:
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

impl<K> Watched for K where
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
    pub(super) fn feeds<K: Watched>(&self, client: &Client) -> Vec<BoxStream<'static, Signal<K>>> {
        let namespaces = match &*self.namespaces {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        let selector = Some(self.label_selector.clone()).filter(|selector| !selector.is_empty());
        let opened = |target: WatchTarget| move |way, lasts| open(&target, way, lasts);
        let targets = namespaces.into_iter().map(|namespace| WatchTarget {
            client: client.clone(),
            namespace,
            label_selector: selector.clone(),
        });
        targets.map(|target| feed(opened(target)).boxed()).collect()
    }
}

/// What a feed asks for.
#[derive(Clone)]
pub(super) struct WatchTarget {
    pub(super) client: Client,
    /// `None`: all namespaces.
    pub(super) namespace: Option<String>,
    pub(super) label_selector: Option<String>,
}

impl WatchTarget {
    pub(super) fn api<K: Watched>(&self) -> Api<Received<K>> {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }
}

/// How a feed gets to know everything that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The watch begins with it.
    Streaming,
    /// A list, and a watch from there on.
    Listing,
}

/// Begins with everything; the server closes the watch after `lasts`.
fn open<K: Watched>(target: &WatchTarget, way: Way, lasts: Duration) -> Source<K> {
    let label_selector = target.label_selector.clone();
    let timeout = Some(u32::try_from(lasts.as_secs()).unwrap_or(u32::MAX));
    match way {
        Way::Streaming => {
            streamed(target.api(), WatchParams { label_selector, timeout, ..WatchParams::streaming_lists() })
        }
        Way::Listing => listed(target.clone(), WatchParams { label_selector, timeout, ..WatchParams::default() }),
    }
}

/// Ends when the server closes it, or after an error. kube's own would ask for any version, be it an old one.
fn streamed<K: Watched>(api: Api<Received<K>>, params: WatchParams) -> Source<K> {
    let opened = async move { api.watch(&params, "").await };
    let events = stream::once(opened).flat_map(|opened| match opened {
        Ok(events) => stream::once(ready(Ok(Event::Init))).chain(read_events(events, false)).boxed(),
        Err(error) => stream::once(ready(Err(watcher::Error::WatchStartFailed(error)))).boxed(),
    });
    events.boxed()
}

/// `complete`: whether everything is known from before the watch.
pub(super) fn read_events<K: Watched>(
    events: impl Stream<Item = kube::Result<WatchEvent<Received<K>>>> + Send + 'static,
    mut complete: bool,
) -> Source<K> {
    events.filter_map(move |event| ready(read(event, &mut complete))).boxed()
}

/// An event of a streaming list, whose end the server marks on a bookmark.
fn read<K>(event: kube::Result<WatchEvent<K>>, complete: &mut bool) -> Option<watcher::Result<Event<K>>> {
    const END: &str = "k8s.io/initial-events-end";
    match event {
        Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
            Some(Ok(if *complete { Event::Apply(object) } else { Event::InitApply(object) }))
        }
        Ok(WatchEvent::Deleted(object)) => Some(Ok(Event::Delete(object))),
        Ok(WatchEvent::Bookmark(bookmark)) => {
            let ends = !*complete && bookmark.metadata.annotations.contains_key(END);
            *complete |= ends;
            ends.then_some(Ok(Event::InitDone))
        }
        Ok(WatchEvent::Error(status)) => Some(Err(watcher::Error::WatchError(status.boxed()))),
        Err(error) => Some(Err(watcher::Error::WatchFailed(error))),
    }
}

/// What a feed has to tell.
#[derive(Debug)]
pub(super) enum Signal<K> {
    /// As kube's watcher tells it; `Init` starts a list, also in the middle of another.
    Event(Event<Received<K>>),
    /// A list or watch broke off, with the class of its error. It will be taken up again.
    Broke(&'static str, String),
    /// For two periods no list has been complete: the class of the last error, or [`SILENT_KIND`]. Told once; the next
    /// `InitDone` ends it.
    Stalled(&'static str),
}

pub(super) type Source<K> = BoxStream<'static, watcher::Result<Event<Received<K>>>>;

struct Feed<K, F> {
    open: F,
    way: Way,
    source: Source<K>,
    /// When to ask for everything afresh, if nothing else happens.
    afresh_at: Instant,
    listed: u32,
    /// Since when everything is known.
    complete: Option<Instant>,
    progress: ListProgress,
    backoff: Backoff,
    wait: Option<Duration>,
}

/// Never ends. `open` starts a new source.
fn feed<K: Watched>(open: impl Fn(Way, Duration) -> Source<K> + Send) -> impl Stream<Item = Signal<K>> + Send {
    let way = Way::Streaming;
    let source = open(way, AFRESH);
    let afresh_at = Instant::now() + STALLED;
    let feed = Feed {
        open,
        way,
        source,
        afresh_at,
        listed: 0,
        complete: None,
        progress: ListProgress::new(),
        backoff: Backoff::new(),
        wait: None,
    };
    stream::unfold(feed, |mut feed| async move {
        let signal = feed.next().await;
        Some((signal, feed))
    })
}

impl<K: Watched, F: Fn(Way, Duration) -> Source<K>> Feed<K, F> {
    async fn next(&mut self) -> Signal<K> {
        loop {
            if let Some(kind) = self.progress.stalled(Instant::now()) {
                return Signal::Stalled(kind);
            }
            // After an error was told, not before: its receiver shall know at once.
            if let Some(wait) = self.wait.take() {
                sleep(wait).await;
                self.afresh_at = self.afresh_at.max(Instant::now() + STALLED);
            }
            match timeout_at(self.afresh_at, self.source.next()).await {
                Ok(Some(Ok(event))) => return Signal::Event(self.took(event)),
                Ok(Some(Err(error))) if self.streams_no_lists(&error) => self.list_instead(),
                Ok(Some(Err(error))) => return self.broke(&error),
                Ok(None) => self.ended(),
                // It began, and its end is not marked: something in between knows no streaming lists.
                Err(_) if self.complete.is_none() && self.way == Way::Streaming => self.list_instead(),
                Err(_) => self.open_anew(),
            }
        }
    }

    fn open_anew(&mut self) {
        self.source = (self.open)(self.way, afresh_after(self.listed));
        self.afresh_at = Instant::now() + STALLED;
        self.complete = None;
    }

    fn list_instead(&mut self) {
        tracing::info!(kind = %K::kind(&()), "the API server streams no lists: listing once a minute instead");
        self.way = Way::Listing;
        self.open_anew();
    }

    fn streams_no_lists(&self, error: &watcher::Error) -> bool {
        let refused =
            |error: &kube::Error| matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 422));
        self.way == Way::Streaming && matches!(error, watcher::Error::WatchStartFailed(source) if refused(source))
    }

    /// The server has closed the watch.
    fn ended(&mut self) {
        self.wait = self.pause();
        self.open_anew();
    }

    /// Before the next try: none after a watch that lasted.
    fn pause(&mut self) -> Option<Duration> {
        if self.complete.is_some_and(|since| since.elapsed() >= LASTED) {
            self.backoff.reset();
            return None;
        }
        Some(self.backoff.next())
    }

    fn took(&mut self, event: Event<Received<K>>) -> Event<Received<K>> {
        let now = Instant::now();
        match &event {
            Event::Init => {
                (self.listed, self.complete) = (0, None);
                self.afresh_at = now + STALLED;
            }
            Event::InitApply(_) => {
                self.listed = self.listed.saturating_add(1);
                self.afresh_at = now + STALLED;
            }
            Event::InitDone => {
                self.complete = Some(now);
                self.progress = ListProgress { since: now, period: afresh_after(self.listed), ..ListProgress::new() };
                let silent = match self.way {
                    Way::Streaming => SILENT,
                    Way::Listing => Duration::ZERO,
                };
                self.afresh_at = now + afresh_after(self.listed) + silent;
            }
            Event::Apply(_) | Event::Delete(_) => {}
        }
        event
    }

    fn broke(&mut self, error: &watcher::Error) -> Signal<K> {
        self.wait = Some(self.pause().unwrap_or_else(|| self.backoff.next()));
        let (class, resumes) = match error {
            // After a list, it starts from the same version at the next try.
            watcher::Error::WatchStartFailed(source) => {
                (error_class(source), self.way == Way::Listing && !is_gone(source))
            }
            // An event may be lost: only a list tells.
            watcher::Error::InitialListFailed(source) | watcher::Error::WatchFailed(source) => {
                (error_class(source), false)
            }
            watcher::Error::WatchError(_) => ("server", false),
            watcher::Error::NoResourceVersion => ("decode", false),
        };
        self.progress.kind = class;
        if !resumes {
            self.open_anew();
        }
        Signal::Broke(class, words(error))
    }
}

fn words(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(source) => format!("list: {}", sentence(source)),
        watcher::Error::WatchStartFailed(source) | watcher::Error::WatchFailed(source) => {
            format!("watch: {}", sentence(source))
        }
        watcher::Error::WatchError(status) => format!("watch: {} ({})", status.message, status.code),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

fn is_gone(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

fn afresh_after(objects: u32) -> Duration {
    AFRESH.mul_f64(f64::from(objects.max(AFRESH_OBJECTS)) / f64::from(AFRESH_OBJECTS))
}

/// Whether lists are completed at all.
struct ListProgress {
    /// The end of the last complete list, or the start.
    since: Instant,
    /// Time between two lists.
    period: Duration,
    /// The class of the last error since then.
    kind: &'static str,
    told: bool,
}

impl ListProgress {
    fn new() -> Self {
        Self { since: Instant::now(), period: AFRESH, kind: SILENT_KIND, told: false }
    }

    /// The reason, once, when no list has been complete for two periods.
    fn stalled(&mut self, now: Instant) -> Option<&'static str> {
        let stalled = !self.told && now.duration_since(self.since) > self.period * 2;
        self.told |= stalled;
        stalled.then_some(self.kind)
    }
}

/// Doubling waits, the upper half of each at random, so that replicas and feeds don't come back in step.
struct Backoff {
    failures: u32,
    random: RandomState,
}

impl Backoff {
    fn new() -> Self {
        Self { failures: 0, random: RandomState::new() }
    }

    fn next(&mut self) -> Duration {
        let full = BACKOFF_MIN.saturating_mul(1_u32 << self.failures.min(10)).min(BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        let share = (self.random.hash_one(self.failures) >> 32) as u32;
        full / 2 + full.mul_f64(f64::from(share) / f64::from(u32::MAX) / 2.0)
    }

    fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
