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
    waiting: Arc<Mutex<Waiting>>,
    metrics: Metrics,
}

#[derive(Default)]
struct Waiting {
    /// How many of the first list are left; they wait elsewhere.
    first: usize,
    asked: HashSet<Place>,
}

impl Backlog {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { waiting: Arc::default(), metrics }
    }

    /// Passes over all of these were asked for; each is taken from here when its own begins.
    pub(super) fn first<T>(&self, objects: Vec<T>) -> impl Iterator<Item = T> + use<T> {
        let backlog = self.clone();
        let mut left = objects.len();
        backlog.change(|waiting| waiting.first = left);
        objects.into_iter().inspect(move |_| {
            left = left.saturating_sub(1);
            backlog.change(|waiting| waiting.first = left);
        })
    }

    /// A pass was asked for.
    pub(super) fn enter<K: Lookup>(&self, object: &ObjectRef<K>) {
        self.change(|waiting| {
            waiting.asked.insert(place(object));
        });
    }

    /// Its pass has begun, or it is gone.
    pub(super) fn leave<K: Lookup>(&self, object: &ObjectRef<K>) {
        self.change(|waiting| {
            waiting.asked.remove(&place(object));
        });
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut waiting);
        self.metrics.queue_depth(waiting.first + waiting.asked.len());
    }
}

fn place<K: Lookup>(object: &ObjectRef<K>) -> Place {
    (object.namespace.clone(), object.name.clone())
}
