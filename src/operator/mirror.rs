//! What the API server has, as far as we know: the store behind the queue, kept by one or more feeds.
//!
//! Owns the store, and what a list or an event changes in it. A later list is compared with the store object by object
//! instead of replacing it: unchanged objects keep their place in memory, cost nothing, and cause nothing. No IO.

use super::watch::Watched;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::Event;
use std::collections::HashSet;
use std::sync::Arc;

/// What has changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change<K> {
    /// Every feed has completed its first list: these are all objects. Comes once, and before any other change.
    Listed(Vec<Arc<K>>),
    /// New or changed.
    Applied(Arc<K>),
    /// Gone; as last seen.
    Deleted(Arc<K>),
}

pub(super) struct Mirror<K: Watched> {
    store: Store<K>,
    writer: reflector::store::Writer<K>,
    feeds: Vec<Listing<K>>,
    complete: bool,
}

/// How far one feed's list has come.
struct Listing<K: Watched> {
    /// What the list in progress has shown; only between its start and its end.
    seen: Option<HashSet<ObjectRef<K>>>,
    /// What belongs to this feed. `None`: everything.
    namespace: Option<String>,
    complete: bool,
}

impl<K: Watched> Mirror<K> {
    /// A feed for each of `namespaces`, in that order, or one for all where there are none.
    pub(super) fn new(namespaces: &[String]) -> Self {
        let (store, mut writer) = reflector::store();
        // kube holds everything back until the store is "ready"; here the first complete list decides.
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        let listing = |namespace| Listing { seen: None, namespace, complete: false };
        let feeds = match namespaces {
            [] => vec![listing(None)],
            some => some.iter().cloned().map(Some).map(listing).collect(),
        };
        Self { store, writer, feeds, complete: false }
    }

    /// For reading; follows all changes.
    pub(super) fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// Whether every feed has completed a list.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Takes in what feed number `feed` tells.
    pub(super) fn absorb(&mut self, feed: usize, event: Event<K>) -> Vec<Change<K>> {
        let changes = match event {
            Event::Init => {
                if let Some(listing) = self.feeds.get_mut(feed) {
                    listing.seen = Some(HashSet::new());
                }
                vec![]
            }
            Event::InitApply(object) => {
                if let Some(seen) = self.feeds.get_mut(feed).and_then(|listing| listing.seen.as_mut()) {
                    seen.insert(ObjectRef::from_obj(&object));
                }
                self.upsert(object)
            }
            Event::InitDone => return self.end_list(feed),
            Event::Apply(object) => self.upsert(object),
            Event::Delete(object) => self.remove(object),
        };
        if self.complete { changes } else { vec![] }
    }

    fn end_list(&mut self, feed: usize) -> Vec<Change<K>> {
        let Some(listing) = self.feeds.get_mut(feed) else { return vec![] };
        listing.complete = true;
        let seen = listing.seen.take().unwrap_or_default();
        let namespace = listing.namespace.clone();
        let gone = self.store.state_filter(|object| {
            (namespace.is_none() || object.meta().namespace == namespace)
                && !seen.contains(&ObjectRef::from_obj(object))
        });
        let changes: Vec<_> = gone.into_iter().flat_map(|object| self.remove(K::clone(&object))).collect();
        if self.complete {
            return changes;
        }
        self.complete = self.feeds.iter().all(|listing| listing.complete);
        if self.complete { vec![Change::Listed(self.store.state())] } else { vec![] }
    }

    fn upsert(&mut self, object: K) -> Vec<Change<K>> {
        let key = ObjectRef::from_obj(&object);
        let mut changes = vec![];
        if let Some(known) = self.store.get(&key) {
            if known.meta().uid != object.meta().uid {
                // Deleted and made again in between.
                changes.push(Change::Deleted(known));
            } else if known.meta().resource_version == object.meta().resource_version {
                return vec![];
            }
        }
        self.writer.apply_watcher_event(&Event::Apply(object));
        changes.extend(self.store.get(&key).map(Change::Applied));
        changes
    }

    fn remove(&mut self, object: K) -> Vec<Change<K>> {
        let known = self.store.get(&ObjectRef::from_obj(&object));
        if known.is_none_or(|known| known.meta().uid != object.meta().uid) {
            return vec![];
        }
        let event = Event::Delete(object);
        self.writer.apply_watcher_event(&event);
        if let Event::Delete(object) = event { vec![Change::Deleted(Arc::new(object))] } else { vec![] }
    }
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
