//! One feed of one kind's changes: list, watch, and list again.
//!
//! Owns when a list is taken afresh, and the waits after errors. It stores nothing.
//!
//! What each layer heals:
//! - a cut watch, and one that the server closes after 60 s: kube resumes at the last version seen;
//! - a silent connection: kube gives it up 65 s after the last sign of life;
//! - 410: kube lists again where the server says so in the stream; where it says so by status code, kube would ask for
//!   the same version for ever, so this module lists again;
//! - an event that could not be read, or was never sent (a watch cache that stands still): resuming cannot heal that,
//!   for the version has moved on. A fresh list can, one that the server answers by quorum: it is taken after each
//!   broken stream, and every 60 s (longer beyond 10,000 objects). What it shows unchanged costs no reconcile.

use super::client::{error_class, sentence};
use super::scope::Scope;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// The server closes a watch after this.
const WATCH: u32 = 60;
/// A list is taken afresh this long after the last one.
const RELIST: Duration = Duration::from_secs(60);
/// With more objects than these, proportionally later.
const RELIST_OBJECTS: u32 = 10_000;
/// A list that shows nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(30);
/// Wait after the first error; doubles.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// Longest wait after an error.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A namespaced kind that can be watched.
pub trait Watched:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

impl<K> Watched for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

impl Scope {
    /// A feed for each namespace, or one for all.
    pub(super) fn feeds<K: Watched>(&self, client: &Client) -> Vec<BoxStream<'static, Signal<K>>> {
        let mut config = watcher::Config::default().timeout(WATCH).page_size(500);
        if !self.label_selector.is_empty() {
            config = config.labels(&self.label_selector);
        }
        let apis = if self.namespaces.is_empty() {
            vec![Api::<K>::all(client.clone())]
        } else {
            self.namespaces.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect()
        };
        apis.into_iter()
            .map(|api| {
                let config = config.clone();
                feed(move || watcher(api.clone(), config.clone()).boxed()).boxed()
            })
            .collect()
    }
}

/// What a feed has to tell.
#[derive(Debug)]
pub(super) enum Signal<K> {
    /// As kube's watcher tells it; `Init` starts a list, also in the middle of another.
    Event(Event<K>),
    /// A list or watch broke off, with the class of its error. It will be taken up again.
    Broke(&'static str, String),
}

type Source<K> = BoxStream<'static, watcher::Result<Event<K>>>;

struct Feed<K, F> {
    open: F,
    source: Source<K>,
    /// When to list afresh, if nothing else happens.
    relist_at: Instant,
    listed: u32,
    backoff: Backoff,
    wait: Option<Duration>,
}

/// Never ends. `open` starts a new list and watch.
fn feed<K: Watched>(open: impl Fn() -> Source<K> + Send) -> impl Stream<Item = Signal<K>> + Send {
    let source = open();
    let relist_at = Instant::now() + STALLED;
    let feed = Feed { open, source, relist_at, listed: 0, backoff: Backoff::new(), wait: None };
    stream::unfold(feed, |mut feed| async move {
        let signal = feed.next().await;
        Some((signal, feed))
    })
}

impl<K: Watched, F: Fn() -> Source<K>> Feed<K, F> {
    async fn next(&mut self) -> Signal<K> {
        // After the error was told, not before: its receiver shall know at once.
        if let Some(wait) = self.wait.take() {
            sleep(wait).await;
        }
        loop {
            match timeout_at(self.relist_at, self.source.next()).await {
                Ok(Some(Ok(event))) => return Signal::Event(self.took(event)),
                Ok(Some(Err(error))) => return self.broke(&error),
                Ok(None) | Err(_) => self.open_anew(),
            }
        }
    }

    fn open_anew(&mut self) {
        self.source = (self.open)();
        self.relist_at = Instant::now() + STALLED;
    }

    fn took(&mut self, mut event: Event<K>) -> Event<K> {
        let now = Instant::now();
        match &mut event {
            Event::Init => {
                self.listed = 0;
                self.relist_at = now + STALLED;
            }
            Event::InitApply(object) => {
                prune(object);
                self.listed = self.listed.saturating_add(1);
                self.relist_at = now + STALLED;
            }
            Event::InitDone => {
                self.backoff.reset();
                self.relist_at = now + relist_after(self.listed);
            }
            Event::Apply(object) | Event::Delete(object) => prune(object),
        }
        event
    }

    fn broke(&mut self, error: &watcher::Error) -> Signal<K> {
        self.wait = Some(self.backoff.next());
        let (class, anew) = match error {
            watcher::Error::InitialListFailed(source) => (error_class(source), false),
            watcher::Error::WatchStartFailed(source) => (error_class(source), is_gone(source)),
            // An event may be lost: only a list tells.
            watcher::Error::WatchFailed(source) => (error_class(source), true),
            // kube lists by itself where the code is 410.
            watcher::Error::WatchError(status) => ("server", status.code != 410),
            watcher::Error::NoResourceVersion => ("decode", true),
        };
        if anew {
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

fn relist_after(objects: u32) -> Duration {
    RELIST.mul_f64(f64::from(objects.max(RELIST_OBJECTS)) / f64::from(RELIST_OBJECTS))
}

/// What nobody here reads is half of the memory.
fn prune<K: Resource>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
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
