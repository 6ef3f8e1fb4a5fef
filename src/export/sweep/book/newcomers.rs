//! Whose first reading is due, by namespace: where they are few, each gets a Get at once, however crowded its group is by
//! others. Turns are fair between namespaces, so that nobody can keep such a Get waiting.

use crate::export::request::Uid;
use std::collections::HashMap;
use std::sync::Arc;

/// So many are few. Less than where rolls begin: the first of a crowd are few, too, and it is to cost no Gets.
const FEW: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Newcomers {
    namespaces: HashMap<Uid, Arc<str>>,
    counts: HashMap<Arc<str>, usize>,
}

impl Newcomers {
    pub(super) fn enter(&mut self, uid: &Uid, namespace: Arc<str>) {
        if self.namespaces.insert(uid.clone(), namespace.clone()).is_none() {
            *self.counts.entry(namespace).or_default() += 1;
        }
    }

    pub(super) fn leave(&mut self, uid: &Uid) {
        let Some(namespace) = self.namespaces.remove(uid) else { return };
        let left = self.counts.remove(&namespace).map_or(0, |count| count - 1);
        if left > 0 {
            self.counts.insert(namespace, left);
        }
    }

    /// Its namespace has no more of them.
    pub(super) fn is_one_of_few(&self, uid: &Uid) -> bool {
        let count = self.namespaces.get(uid).and_then(|namespace| self.counts.get(namespace));
        count.is_some_and(|count| *count <= FEW)
    }
}
