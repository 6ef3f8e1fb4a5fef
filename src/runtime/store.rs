//! The parsed objects that a reconcile can need.

use crate::runtime::watch::WatchableResource;
use kube_runtime::reflector::ObjectRef;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::marker::PhantomData;
use std::sync::Arc;

/// By namespace and name.
type Entries<P> = BTreeMap<String, HashMap<Box<str>, CacheEntry<P>>>;

/// The entries of all objects of the kind `K`, parsed to `P`. Clones share them.
pub(super) struct Store<K, P> {
    entries: Arc<Mutex<Entries<P>>>,
    kind: PhantomData<fn() -> K>,
}

/// Uid and version, to detect a change; and the object itself, unless it is finished or undecodable.
pub(super) struct CacheEntry<P> {
    pub(super) uid: Box<str>,
    pub(super) version: Box<str>,
    /// The last list of its feed that showed it.
    pub(super) list: u32,
    pub(super) kept: Kept<P>,
}

/// What is kept of an object.
pub(super) enum Kept<P> {
    /// The object, because a reconcile may be needed.
    Active(Arc<P>),
    /// Nothing: the object is finished, and there is nothing to do until it changes.
    Finished,
    /// Nothing: it can't be decoded.
    Unreadable,
}

impl<P> Kept<P> {
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable)
    }

    fn active(&self) -> Option<&Arc<P>> {
        match self {
            Self::Active(object) => Some(object),
            Self::Finished | Self::Unreadable => None,
        }
    }
}

impl<K, P> Clone for Store<K, P> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries), kind: PhantomData }
    }
}

impl<K, P> Default for Store<K, P> {
    fn default() -> Self {
        Self { entries: Arc::default(), kind: PhantomData }
    }
}

impl<K: WatchableResource, P> Store<K, P> {
    /// Locks the entries.
    pub(super) fn lock_entries(&self) -> MutexGuard<'_, Entries<P>> {
        self.entries.lock()
    }

    /// Returns an object as last seen; `None` if it is gone, finished, or can't be decoded.
    pub(super) fn get(&self, object: &ObjectRef<K>) -> Option<Arc<P>> {
        self.lock_entries().get(object.namespace.as_deref()?)?.get(&*object.name)?.kept.active().cloned()
    }

    /// References to all objects that are kept.
    pub(super) fn active_objects(&self) -> Vec<ObjectRef<K>> {
        let entries = self.lock_entries();
        let all = entries.iter().flat_map(|(namespace, names)| names.iter().map(move |entry| (namespace, entry)));
        let active = all.filter(|(_, (_, entry))| entry.kept.active().is_some());
        active.map(|(namespace, (name, _))| ObjectRef::new(name).within(namespace)).collect()
    }

    /// The number of objects, finished and undecodable ones included.
    pub(super) fn len(&self) -> usize {
        self.lock_entries().values().map(HashMap::len).sum()
    }
}
