//! What the API server has, as far as we know: the store behind the queue, kept by one or more feeds.
//!
//! Owns what a list or an event changes in the store. A later list is compared with what is known object by object
//! instead of replacing it: unchanged objects keep their place in memory, cost nothing, and cause nothing. Of an object
//! at rest, or one that can't be read, nothing is kept but what tells whether it has changed. No IO.

use super::received::{DecodeError, Received};
use super::store::{Kept, Known, Phrases, Store};
use super::watch::Watched;
use kube::core::ObjectMeta;
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
    /// New or changed, and can't be decoded. What is known of it from before stays as it is, but it gets no pass.
    Unreadable(ObjectRef<K>, DecodeError),
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
    unreadable: usize,
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
        Self { store: Store::new(phrases), prune, feeds, complete: false, unreadable: 0 }
    }

    /// For reading; follows all changes.
    pub(super) fn store(&self) -> Store<K> {
        self.store.clone()
    }

    /// Whether every feed has completed a list.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many objects can't be decoded.
    pub(super) fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// Takes in what feed number `feed` tells.
    pub(super) fn absorb(&mut self, feed: usize, event: Event<Received<K>>) -> Vec<Change<K>> {
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
                let (namespace, name, uid) = place(object.identity());
                if self.uid(namespace, name).as_deref() != Some(uid) {
                    return vec![];
                }
                let version = object.identity().resource_version.as_deref().unwrap_or_default().into();
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

    fn upsert(&mut self, feed: usize, received: Received<K>) -> Vec<Change<K>> {
        let list = self.feeds.get(feed).map_or(0, |listing| listing.list);
        let mut changes = vec![];
        match self.compare(received.identity(), list) {
            Compared::Same => return changes,
            Compared::New | Compared::Changed => {}
            Compared::MadeAgain => {
                let (namespace, name, _) = place(received.identity());
                changes.extend(self.remove(namespace, name, None));
            }
        }
        let identity = received.identity().clone();
        let (kept, change) = self.decode(received);
        self.insert(&identity, list, kept);
        changes.push(change);
        changes
    }

    fn decode(&self, received: Received<K>) -> (Kept, Change<K>) {
        let (namespace, name, _) = place(received.identity());
        let object = ObjectRef::new(name).within(namespace);
        match received.decode() {
            Err(error) => (Kept::Unreadable, Change::Unreadable(object, error)),
            Ok(mut object) => {
                if (self.prune)(&mut object) {
                    let kept = self.store.pack(&object).map_or(Kept::AtRest, Kept::Packed);
                    (kept, Change::Applied(Arc::new(object)))
                } else {
                    (Kept::AtRest, Change::Rests(Arc::new(object)))
                }
            }
        }
    }

    fn insert(&mut self, identity: &ObjectMeta, list: u32, kept: Kept) {
        let (namespace, name, uid) = place(identity);
        let version = identity.resource_version.as_deref().unwrap_or_default();
        self.unreadable += usize::from(kept.is_unreadable());
        let known = Known { uid: uid.into(), version: version.into(), list, kept };
        let before = self.store.names().entry(namespace.to_owned()).or_default().insert(name.into(), known);
        self.unreadable -= before.map_or(0, |before| usize::from(before.kept.is_unreadable()));
    }

    /// With what is known of it; if nothing has changed, it is marked as seen.
    fn compare(&self, identity: &ObjectMeta, list: u32) -> Compared {
        let (namespace, name, uid) = place(identity);
        let mut names = self.store.names();
        match names.get_mut(namespace).and_then(|names| names.get_mut(name)) {
            None => Compared::New,
            Some(known) if *known.uid != *uid => Compared::MadeAgain,
            Some(known) if Some(&*known.version) == identity.resource_version.as_deref() => {
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
        self.unreadable -= usize::from(known.kept.is_unreadable());
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
fn place(meta: &ObjectMeta) -> (&str, &str, &str) {
    (
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
        meta.uid.as_deref().unwrap_or_default(),
    )
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
