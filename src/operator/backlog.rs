//! Which objects are due for a pass that has not begun: kube's own queue does not tell.

use super::metrics::Metrics;
use kube::runtime::reflector::{Lookup, ObjectRef};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Namespace and name.
type Place = (Option<String>, String);

/// The waiting objects, each once. Clones share them.
#[derive(Clone)]
pub(super) struct Backlog {
    waiting: Arc<Mutex<HashSet<Place>>>,
    metrics: Metrics,
}

impl Backlog {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { waiting: Arc::default(), metrics }
    }

    /// A pass was asked for.
    pub(super) fn enter<K: Lookup>(&self, object: &ObjectRef<K>) {
        self.change(|waiting| waiting.insert(place(object)));
    }

    /// Its pass has begun, or it is gone.
    pub(super) fn leave<K: Lookup>(&self, object: &ObjectRef<K>) {
        self.change(|waiting| waiting.remove(&place(object)));
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<Place>) -> bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if change(&mut waiting) {
            self.metrics.queue_depth(waiting.len());
        }
    }
}

fn place<K: Lookup>(object: &ObjectRef<K>) -> Place {
    (object.namespace.clone(), object.name.clone())
}
