//! The object cache behind the work queue, kept up to date by one or more feeds.
//!
//! Owns: what a list or an event changes in the store. A later list is compared with the store object by object instead
//! of replacing it: an unchanged object is neither decoded nor reconciled again. Of a finished or undecodable object
//! only uid and version are kept, to detect a change. While a later list is read, the watch before it goes on, and is
//! ahead of the list: what the list then shows in an older version, or after its deletion, changes nothing.
//! Never: IO.

#[cfg(test)]
mod tests;

use crate::runtime::event_loop::ParsedObject;
use crate::runtime::received::{DecodeError, Received, is_older_version};
use crate::runtime::store::{CacheEntry, Kept, Store};
use crate::runtime::watch::WatchableResource;
use kube::core::ObjectMeta;
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher::Event;
use std::collections::HashMap;
use std::sync::Arc;

/// A change of one object, or the end of the first lists.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CacheChange<K: WatchableResource, P> {
    /// New or changed. Those of the first lists come before [`CacheChange::Listed`].
    Applied(ObjectRef<K>, Arc<P>),
    /// New or changed, and finished: not kept.
    Finished(ObjectRef<K>, Arc<P>),
    /// New or changed, and can't be decoded. State recorded for it earlier stays, but it is not reconciled.
    Unreadable(ObjectRef<K>, DecodeError),
    /// Every feed has completed its first list: these are all objects that are kept. Comes once.
    Listed(Vec<ObjectRef<K>>),
    /// Gone; as last seen.
    Deleted(ObjectRef<K>),
}

pub(crate) struct ObjectCache<K: WatchableResource, P> {
    /// The entries, shared with the workers.
    store: Store<K, P>,
    /// Parses an object.
    parse: fn(K) -> Result<ParsedObject<P>, DecodeError>,
    /// Progress of each feed's list, by feed number.
    feeds: Vec<FeedSync>,
    /// True once every feed has completed a list.
    complete: bool,
    /// Entries that can't be decoded.
    unreadable: usize,
}

/// The progress of one feed's list.
struct FeedSync {
    /// Number of the current list, counted from 1.
    list: u32,
    /// The namespace that the feed covers; `None` if it covers all.
    namespace: Option<String>,
    complete: bool,
    /// The objects deleted since the current list began, by uid, and the versions of their deletions. (An object whose
    /// labels left the selection may come back.)
    deleted: HashMap<Box<str>, Box<str>>,
}

impl<K: WatchableResource, P> ObjectCache<K, P> {
    /// One feed for each of `namespaces`, in that order, or one feed for all namespaces if the list is empty.
    pub(crate) fn new(namespaces: &[String], parse: fn(K) -> Result<ParsedObject<P>, DecodeError>) -> Self {
        let sync = |namespace| FeedSync { list: 0, namespace, complete: false, deleted: HashMap::new() };
        let feeds = match namespaces {
            [] => vec![sync(None)],
            some => some.iter().cloned().map(Some).map(sync).collect(),
        };
        Self { store: Store::default(), parse, feeds, complete: false, unreadable: 0 }
    }

    /// A handle for reading that sees all later changes.
    pub(super) fn shared_store(&self) -> Store<K, P> {
        self.store.clone()
    }

    /// Whether every feed has completed a list.
    pub(super) fn has_synced(&self) -> bool {
        self.complete
    }

    /// How many objects can't be decoded.
    pub(super) fn unreadable_count(&self) -> usize {
        self.unreadable
    }

    /// Applies one event of feed number `feed`.
    pub(crate) fn apply(&mut self, feed: usize, event: Event<Received<K>>) -> Vec<CacheChange<K, P>> {
        match event {
            Event::Init => {
                if let Some(sync) = self.feeds.get_mut(feed) {
                    sync.list += 1;
                    sync.deleted = HashMap::new();
                }
                vec![]
            }
            Event::InitApply(object) | Event::Apply(object) => self.upsert_object(feed, object),
            Event::InitDone => self.finish_list(feed),
            Event::Delete(object) => self.delete_object(feed, object.identity()),
        }
    }

    fn finish_list(&mut self, feed: usize) -> Vec<CacheChange<K, P>> {
        let Some(sync) = self.feeds.get_mut(feed) else { return vec![] };
        sync.complete = true;
        let mut gone = vec![];
        for (namespace, names) in &*self.store.lock_entries() {
            if sync.namespace.as_ref().is_none_or(|only| only == namespace) {
                let unseen = names.iter().filter(|(_, known)| known.list != sync.list);
                gone.extend(unseen.map(|(name, _)| (namespace.clone(), name.clone())));
            }
        }
        let mut changes: Vec<_> =
            gone.iter().filter_map(|(namespace, name)| self.remove_entry(namespace, name, None)).collect();
        if !self.complete && self.feeds.iter().all(|sync| sync.complete) {
            self.complete = true;
            changes.push(CacheChange::Listed(self.store.active_objects()));
        }
        changes
    }

    fn upsert_object(&mut self, feed: usize, received: Received<K>) -> Vec<CacheChange<K, P>> {
        let Some(sync) = self.feeds.get(feed) else { return vec![] };
        let list = sync.list;
        let mut changes = vec![];
        match self.compare_versions(received.identity(), sync) {
            Comparison::Same | Comparison::Older => return changes,
            Comparison::New | Comparison::Changed => {}
            Comparison::MadeAgain => {
                let (namespace, name, _) = key_of(received.identity());
                changes.extend(self.remove_entry(namespace, name, None));
            }
        }
        let identity = received.identity().clone();
        let (kept, change) = self.decode_object(received);
        self.insert_entry(&identity, list, kept);
        changes.push(change);
        changes
    }

    fn delete_object(&mut self, feed: usize, identity: &ObjectMeta) -> Vec<CacheChange<K, P>> {
        let Some(sync) = self.feeds.get(feed) else { return vec![] };
        let (namespace, name, uid) = key_of(identity);
        let version: Box<str> = resource_version(identity).into();
        let gone = match self.compare_versions(identity, sync) {
            Comparison::Older => return vec![],
            Comparison::New | Comparison::MadeAgain => None,
            Comparison::Same | Comparison::Changed => self.remove_entry(namespace, name, Some(version.clone())),
        };
        if let Some(sync) = self.feeds.get_mut(feed) {
            sync.deleted.insert(uid.into(), version);
        }
        gone.into_iter().collect()
    }

    fn decode_object(&self, received: Received<K>) -> (Kept<P>, CacheChange<K, P>) {
        let (namespace, name, _) = key_of(received.identity());
        let object_ref = ObjectRef::new(name).within(namespace);
        match received.decode().and_then(self.parse) {
            Err(error) => (Kept::Unreadable, CacheChange::Unreadable(object_ref, error)),
            Ok(ParsedObject::Active(object)) => {
                (Kept::Active(object.clone()), CacheChange::Applied(object_ref, object))
            }
            Ok(ParsedObject::Finished(object)) => (Kept::Finished, CacheChange::Finished(object_ref, object)),
        }
    }

    fn insert_entry(&mut self, identity: &ObjectMeta, list: u32, kept: Kept<P>) {
        let (namespace, name, uid) = key_of(identity);
        let version = resource_version(identity);
        self.unreadable += usize::from(kept.is_unreadable());
        let known = CacheEntry { uid: uid.into(), version: version.into(), list, kept };
        let before = self.store.lock_entries().entry(namespace.to_owned()).or_default().insert(name.into(), known);
        self.unreadable -= before.map_or(0, |before| usize::from(before.kept.is_unreadable()));
    }

    /// Compares an object with its entry; an unchanged one is marked as seen by this list.
    fn compare_versions(&self, identity: &ObjectMeta, sync: &FeedSync) -> Comparison {
        let (namespace, name, uid) = key_of(identity);
        let version = resource_version(identity);
        if sync.deleted.get(uid).is_some_and(|deleted| is_older_version(version, deleted)) {
            return Comparison::Older;
        }
        let mut names = self.store.lock_entries();
        match names.get_mut(namespace).and_then(|names| names.get_mut(name)) {
            None => Comparison::New,
            Some(known) if *known.uid != *uid => Comparison::MadeAgain,
            Some(known) if *known.version == *version => {
                known.list = sync.list;
                Comparison::Same
            }
            Some(known) if known.list == sync.list && is_older_version(version, &known.version) => Comparison::Older,
            Some(_) => Comparison::Changed,
        }
    }

    /// `version` is that of the deletion; `None` if the deletion itself was not seen.
    fn remove_entry(&mut self, namespace: &str, name: &str, version: Option<Box<str>>) -> Option<CacheChange<K, P>> {
        let mut all = self.store.lock_entries();
        let names = all.get_mut(namespace)?;
        let known = names.remove(name)?;
        if names.is_empty() {
            all.remove(namespace);
        }
        self.unreadable -= usize::from(known.kept.is_unreadable());
        let mut gone = ObjectRef::new(name).within(namespace);
        gone.extra.uid = Some(known.uid.into());
        gone.extra.resource_version = Some(version.unwrap_or(known.version).into());
        Some(CacheChange::Deleted(gone))
    }
}

/// How an object compares with its entry.
enum Comparison {
    New,
    Same,
    /// Older than the entry, or than its deletion, since the current list began. (What is newer from before that was
    /// there before the API server's data was restored from a backup: then the list is right.)
    Older,
    Changed,
    /// Deleted and created again in between: another uid.
    MadeAgain,
}

fn resource_version(meta: &ObjectMeta) -> &str {
    meta.resource_version.as_deref().unwrap_or_default()
}

/// Namespace, name and uid.
fn key_of(meta: &ObjectMeta) -> (&str, &str, &str) {
    (
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
        meta.uid.as_deref().unwrap_or_default(),
    )
}
