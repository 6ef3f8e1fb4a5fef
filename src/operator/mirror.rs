//! What the API server has, as far as we know: the store behind the queue, kept by one or more feeds.
//!
//! Owns what a list or an event changes in the store. A later list is compared with what is known object by object
//! instead of replacing it: unchanged objects keep their place in memory, cost nothing, and cause nothing. Of an object
//! at rest nothing is kept but what tells whether it has changed. No IO.

use super::store::{Known, Phrases, Store};
use super::watch::Watched;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use std::sync::Arc;

/// What has changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change<K: Watched> {
    /// New or changed. The first come before [`Change::Listed`].
    Applied(Arc<K>),
    /// New, or has come to rest: not kept.
    Rests(Arc<K>),
    /// Every feed has completed its first list: these are all objects that are kept. Comes once.
    Listed(Vec<ObjectRef<K>>),
    /// Gone; as last seen.
    Deleted(ObjectRef<K>),
}

pub(super) struct Mirror<K: Watched> {
    store: Store<K>,
    prune: fn(&mut K) -> bool,
    feeds: Vec<Listing>,
    complete: bool,
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
    /// nobody reads, and says whether the rest is to be kept. `phrases`: see [`Phrases`].
    pub(super) fn new(namespaces: &[String], prune: fn(&mut K) -> bool, phrases: Phrases) -> Self {
        let listing = |namespace| Listing { list: 0, namespace, complete: false };
        let feeds = match namespaces {
            [] => vec![listing(None)],
            some => some.iter().cloned().map(Some).map(listing).collect(),
        };
        Self { store: Store::new(phrases), prune, feeds, complete: false }
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
                if self.uid(namespace, name).as_deref() != Some(uid) {
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
        for (namespace, names) in &*self.store.names() {
            if listing.namespace.as_ref().is_none_or(|only| only == namespace) {
                let unseen = names.iter().filter(|(_, known)| known.list != listing.list);
                gone.extend(unseen.map(|(name, _)| (namespace.clone(), name.clone())));
            }
        }
        let mut changes: Vec<_> =
            gone.iter().filter_map(|(namespace, name)| self.remove(namespace, name, None)).collect();
        if !self.complete && self.feeds.iter().all(|listing| listing.complete) {
            self.complete = true;
            changes.push(Change::Listed(self.store.awake()));
        }
        changes
    }

    fn upsert(&mut self, feed: usize, mut object: K) -> Vec<Change<K>> {
        let list = self.feeds.get(feed).map_or(0, |listing| listing.list);
        let mut changes = vec![];
        match self.compare(&object, list) {
            Compared::Same => return changes,
            Compared::New | Compared::Changed => {}
            Compared::MadeAgain => {
                let (namespace, name, _) = place(&object);
                changes.extend(self.remove(namespace, name, None));
            }
        }
        let rests = !(self.prune)(&mut object);
        let (namespace, name, uid) = place(&object);
        let version = object.meta().resource_version.as_deref().unwrap_or_default();
        let packed = if rests { None } else { self.store.pack(&object) };
        let known = Known { uid: uid.into(), version: version.into(), list, packed };
        self.store.names().entry(namespace.to_owned()).or_default().insert(name.into(), known);
        let object = Arc::new(object);
        changes.push(if rests { Change::Rests(object) } else { Change::Applied(object) });
        changes
    }

    /// With what is known of it; if nothing has changed, it is marked as seen.
    fn compare(&self, object: &K, list: u32) -> Compared {
        let (namespace, name, uid) = place(object);
        let mut names = self.store.names();
        match names.get_mut(namespace).and_then(|names| names.get_mut(name)) {
            None => Compared::New,
            Some(known) if *known.uid != *uid => Compared::MadeAgain,
            Some(known) if Some(&*known.version) == object.meta().resource_version.as_deref() => {
                known.list = list;
                Compared::Same
            }
            Some(_) => Compared::Changed,
        }
    }

    fn uid(&self, namespace: &str, name: &str) -> Option<Box<str>> {
        Some(self.store.names().get(namespace)?.get(name)?.uid.clone())
    }

    /// `version`: that of its deletion, where that was seen.
    fn remove(&mut self, namespace: &str, name: &str, version: Option<Box<str>>) -> Option<Change<K>> {
        let mut all = self.store.names();
        let names = all.get_mut(namespace)?;
        let known = names.remove(name)?;
        if names.is_empty() {
            all.remove(namespace);
        }
        let mut gone = ObjectRef::new(name).within(namespace);
        gone.extra.uid = Some(known.uid.into());
        gone.extra.resource_version = Some(version.unwrap_or(known.version).into());
        Some(Change::Deleted(gone))
    }
}

/// An object beside what is known of it.
enum Compared {
    New,
    Same,
    Changed,
    /// Deleted and made again in between.
    MadeAgain,
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
