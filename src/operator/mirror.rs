//! What the API server has, as far as we know: the store behind the queue, kept by one or more feeds.
//!
//! Owns the store, and what a list or an event changes in it. A later list is compared with what is known object by
//! object instead of replacing it: unchanged objects keep their place in memory, cost nothing, and cause nothing. Of an
//! object at rest nothing is kept but what tells whether it has changed. No IO.

use super::watch::Watched;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::Event;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What has changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change<K: Watched> {
    /// Every feed has completed its first list: these are all objects that are kept. Comes once, and before any other
    /// change of theirs.
    Listed(Vec<Arc<K>>),
    /// New or changed.
    Applied(Arc<K>),
    /// New, or has come to rest: not kept. The first come before [`Change::Listed`].
    Rests(Arc<K>),
    /// Gone; as last seen.
    Deleted(ObjectRef<K>),
}

pub(super) struct Mirror<K: Watched> {
    store: Store<K>,
    writer: reflector::store::Writer<K>,
    /// All that there is, by namespace and name.
    known: BTreeMap<String, HashMap<Box<str>, Known>>,
    prune: fn(&mut K) -> bool,
    feeds: Vec<Listing>,
    complete: bool,
}

/// Enough to tell whether an object has changed.
struct Known {
    uid: Box<str>,
    version: Box<str>,
    /// The last list of its feed that showed it.
    list: u32,
    rests: bool,
}

/// How far one feed's list has come.
struct Listing {
    /// Which one it is.
    list: u32,
    /// What belongs to this feed. `None`: everything.
    namespace: Option<String>,
    complete: bool,
}

impl<K: Watched> Mirror<K> {
    /// A feed for each of `namespaces`, in that order, or one for all where there are none. `prune` takes away what
    /// nobody reads, and says whether the rest is to be kept.
    pub(super) fn new(namespaces: &[String], prune: fn(&mut K) -> bool) -> Self {
        let (store, mut writer) = reflector::store();
        // kube holds everything back until the store is "ready"; here the first complete list decides.
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        let listing = |namespace| Listing { list: 0, namespace, complete: false };
        let feeds = match namespaces {
            [] => vec![listing(None)],
            some => some.iter().cloned().map(Some).map(listing).collect(),
        };
        Self { store, writer, known: BTreeMap::new(), prune, feeds, complete: false }
    }

    /// For reading; follows all changes. Without the objects at rest.
    pub(super) fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// Whether every feed has completed a list.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many objects there are, those at rest included.
    pub(super) fn len(&self) -> usize {
        self.known.values().map(HashMap::len).sum()
    }

    /// Takes in what feed number `feed` tells.
    pub(super) fn absorb(&mut self, feed: usize, event: Event<K>) -> Vec<Change<K>> {
        match event {
            Event::Init => {
                if let Some(listing) = self.feeds.get_mut(feed) {
                    listing.list += 1;
                }
                vec![]
            }
            Event::InitApply(object) | Event::Apply(object) => self.upsert(feed, object),
            Event::InitDone => self.end_list(feed),
            Event::Delete(object) => {
                let (namespace, name, uid) = place(&object);
                let known = self.known.get(namespace).and_then(|names| names.get(name));
                if known.is_none_or(|known| *known.uid != *uid) {
                    return vec![];
                }
                let version = object.meta().resource_version.as_deref().unwrap_or_default().into();
                self.remove(namespace, name, Some(version)).into_iter().collect()
            }
        }
    }

    fn end_list(&mut self, feed: usize) -> Vec<Change<K>> {
        let Some(listing) = self.feeds.get_mut(feed) else { return vec![] };
        listing.complete = true;
        let mut gone = vec![];
        for (namespace, names) in &self.known {
            if listing.namespace.as_ref().is_none_or(|only| only == namespace) {
                let unseen = names.iter().filter(|(_, known)| known.list != listing.list);
                gone.extend(unseen.map(|(name, _)| (namespace.clone(), name.clone())));
            }
        }
        let mut changes: Vec<_> =
            gone.iter().filter_map(|(namespace, name)| self.remove(namespace, name, None)).collect();
        if !self.complete && self.feeds.iter().all(|listing| listing.complete) {
            self.complete = true;
            changes.push(Change::Listed(self.store.state()));
        }
        changes
    }

    fn upsert(&mut self, feed: usize, mut object: K) -> Vec<Change<K>> {
        let list = self.feeds.get(feed).map_or(0, |listing| listing.list);
        let (namespace, name, uid) = place(&object);
        let version = object.meta().resource_version.as_deref().unwrap_or_default();
        let mut changes = vec![];
        if let Some(known) = self.known.get_mut(namespace).and_then(|names| names.get_mut(name)) {
            if *known.uid != *uid {
                // Deleted and made again in between.
                changes.extend(self.remove(namespace, name, None));
            } else if *known.version == *version {
                known.list = list;
                return vec![];
            }
        }
        let mut known = Known { uid: uid.into(), version: version.into(), list, rests: false };
        let (namespace, name) = (namespace.to_owned(), name.into());
        known.rests = !(self.prune)(&mut object);
        changes.extend(self.keep(object, known.rests));
        self.known.entry(namespace).or_default().insert(name, known);
        changes
    }

    fn keep(&mut self, object: K, rests: bool) -> Option<Change<K>> {
        let key = ObjectRef::from_obj(&object);
        if rests {
            if let Some(before) = self.store.get(&key) {
                self.writer.apply_watcher_event(&Event::Delete(K::clone(&before)));
            }
            return Some(Change::Rests(Arc::new(object)));
        }
        self.writer.apply_watcher_event(&Event::Apply(object));
        self.store.get(&key).filter(|_| self.complete).map(Change::Applied)
    }

    /// `version`: that of its deletion, where that was seen.
    fn remove(&mut self, namespace: &str, name: &str, version: Option<Box<str>>) -> Option<Change<K>> {
        let names = self.known.get_mut(namespace)?;
        let known = names.remove(name)?;
        if names.is_empty() {
            self.known.remove(namespace);
        }
        let mut gone = ObjectRef::new(name).within(namespace);
        if let Some(object) = self.store.get(&gone) {
            self.writer.apply_watcher_event(&Event::Delete(K::clone(&object)));
        }
        gone.extra.uid = Some(known.uid.into());
        gone.extra.resource_version = Some(version.unwrap_or(known.version).into());
        (self.complete || known.rests).then_some(Change::Deleted(gone))
    }
}

/// Namespace, name and uid.
fn place<K: Watched>(object: &K) -> (&str, &str, &str) {
    let meta = object.meta();
    (
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
        meta.uid.as_deref().unwrap_or_default(),
    )
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
