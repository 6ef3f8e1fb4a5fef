//! Who is next among those who wait.
//!
//! Owns: the order: round-robin over namespaces with work; within one by urgency, with a part of the turns kept for
//! each purpose. All operations are O(log n). Never: knows the time, or how many may go.

use super::{Holder, Purpose, Urgency};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::time::Instant;

/// Whose turn it is within a namespace, beat by beat. A purpose without work leaves its beat to the first that has
/// some: what an export depends on gets three of four turns, and nothing starves.
const BEATS: [Purpose; 8] = [
    Purpose::First,
    Purpose::First,
    Purpose::First,
    Purpose::Confirm,
    Purpose::First,
    Purpose::First,
    Purpose::First,
    Purpose::Poll,
];

/// One who waits.
#[derive(Debug, Clone)]
pub(super) struct Waiter {
    pub(super) holder: Holder,
    pub(super) urgency: Urgency,
    /// When it first asked.
    pub(super) since: Instant,
}

/// Order within a namespace and purpose. Returned turns come first, equal ones in the order in which they asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    asked_anew: bool,
    urgency: Urgency,
    number: u64,
}

/// The waiting holders of one bucket.
#[derive(Debug, Default)]
pub(super) struct Queue {
    places: HashMap<Arc<str>, (Key, Waiter)>,
    namespaces: HashMap<Arc<str>, Namespace>,
    /// Each namespace in `namespaces` exactly once.
    ring: VecDeque<Arc<str>>,
    numbers: u64,
}

#[derive(Debug, Default)]
struct Namespace {
    first: BTreeMap<Key, Arc<str>>,
    confirm: BTreeMap<Key, Arc<str>>,
    poll: BTreeMap<Key, Arc<str>>,
    beat: usize,
}

impl Namespace {
    fn line(&mut self, purpose: Purpose) -> &mut BTreeMap<Key, Arc<str>> {
        match purpose {
            Purpose::First => &mut self.first,
            Purpose::Confirm => &mut self.confirm,
            Purpose::Poll => &mut self.poll,
        }
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.confirm.is_empty() && self.poll.is_empty()
    }

    fn pop(&mut self) -> Option<Arc<str>> {
        let beat = BEATS.get(self.beat % BEATS.len()).copied().unwrap_or(Purpose::First);
        self.beat = self.beat.wrapping_add(1);
        [beat, Purpose::First, Purpose::Confirm, Purpose::Poll]
            .into_iter()
            .find_map(|purpose| self.line(purpose).pop_first())
            .map(|(_, uid)| uid)
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn since(&self, uid: &str) -> Option<Instant> {
        self.places.get(uid).map(|(_, waiter)| waiter.since)
    }

    /// Queues a holder, or changes the urgency of one that is queued. It keeps its age.
    pub(super) fn ask(&mut self, holder: Holder, urgency: Urgency, now: Instant) {
        let (key, since) = match self.remove(&holder.uid) {
            Some((key, waiter)) => (Key { urgency, ..key }, waiter.since),
            None => (Key { asked_anew: true, urgency, number: self.number() }, now),
        };
        self.insert(key, Waiter { holder, urgency, since }, false);
    }

    /// Puts a turn that could not be used back to the head of its namespace.
    pub(super) fn put_back(&mut self, waiter: Waiter) {
        let key = Key { asked_anew: false, urgency: waiter.urgency, number: self.number() };
        self.withdraw(&waiter.holder.uid);
        self.insert(key, waiter, true);
    }

    /// Forgets a holder. Its namespace keeps its place in the ring until its turn comes.
    pub(super) fn withdraw(&mut self, uid: &str) -> bool {
        self.remove(uid).is_some()
    }

    /// The next in order, taken out.
    pub(super) fn pop(&mut self) -> Option<Waiter> {
        loop {
            let name = self.ring.pop_front()?;
            let namespace = self.namespaces.get_mut(&name)?;
            let uid = namespace.pop();
            if namespace.is_empty() {
                self.namespaces.remove(&name);
            } else {
                self.ring.push_back(name);
            }
            if let Some((_, waiter)) = uid.and_then(|uid| self.places.remove(&uid)) {
                return Some(waiter);
            }
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn insert(&mut self, key: Key, waiter: Waiter, ahead: bool) {
        let (name, uid) = (waiter.holder.namespace.clone(), waiter.holder.uid.clone());
        if !self.namespaces.contains_key(&name) {
            if ahead {
                self.ring.push_front(name.clone());
            } else {
                self.ring.push_back(name.clone());
            }
        }
        self.namespaces.entry(name).or_default().line(waiter.urgency.purpose).insert(key, uid.clone());
        self.places.insert(uid, (key, waiter));
    }

    fn remove(&mut self, uid: &str) -> Option<(Key, Waiter)> {
        let (key, waiter) = self.places.remove(uid)?;
        if let Some(namespace) = self.namespaces.get_mut(&waiter.holder.namespace) {
            namespace.line(waiter.urgency.purpose).remove(&key);
        }
        Some((key, waiter))
    }
}
