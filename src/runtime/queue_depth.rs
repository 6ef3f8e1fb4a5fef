//! Counts the objects that are due for a reconcile that has not started: kube's own queue exposes no depth.

use crate::metrics::Metrics;
use kube_runtime::reflector::{Lookup, ObjectRef};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;

/// Namespace and name.
type ObjectKey = (Option<String>, String);

/// The due objects, each counted once. Clones share them.
#[derive(Clone)]
pub(super) struct QueueDepth {
    waiting: Arc<Mutex<Pending>>,
    metrics: Metrics,
}

#[derive(Default)]
struct Pending {
    /// Objects of the first list that have not started; they are not in `asked`.
    first: usize,
    asked: HashSet<ObjectKey>,
}

impl QueueDepth {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { waiting: Arc::default(), metrics }
    }

    /// Reconciles of all of these were requested; each is removed when its own begins.
    pub(super) fn with_initial<T>(&self, objects: Vec<T>) -> impl Iterator<Item = T> + use<T> {
        let backlog = self.clone();
        let mut left = objects.len();
        backlog.update_gauge(|waiting| waiting.first = left);
        objects.into_iter().inspect(move |_| {
            left = left.saturating_sub(1);
            backlog.update_gauge(|waiting| waiting.first = left);
        })
    }

    /// Records that a reconcile was requested.
    pub(super) fn enqueue<K: Lookup>(&self, object: &ObjectRef<K>) {
        self.update_gauge(|waiting| {
            waiting.asked.insert(key_of(object));
        });
    }

    /// Removes an object whose reconcile has started.
    pub(super) fn dequeue<K: Lookup>(&self, object: &ObjectRef<K>) {
        self.update_gauge(|waiting| {
            waiting.asked.remove(&key_of(object));
        });
    }

    fn update_gauge(&self, change: impl FnOnce(&mut Pending)) {
        let mut waiting = self.waiting.lock();
        change(&mut waiting);
        self.metrics.set_queue_depth(waiting.first + waiting.asked.len());
    }
}

fn key_of<K: Lookup>(object: &ObjectRef<K>) -> ObjectKey {
    (object.namespace.clone(), object.name.clone())
}
