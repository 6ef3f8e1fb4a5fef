//! The queue of one bucket, fair between namespaces.
//!
//! Owns: the order: round-robin over namespaces with queued holders; within one by priority, with a part of the slots
//! kept for each class. All operations are O(log n).
//! Never: reads a clock, or decides how many are granted.

use crate::quota::scheduler::{Priority, PriorityClass, Requester};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::time::Instant;

/// The class that each slot of a namespace goes to, in a cycle. A class without queued holders leaves its slot to the
/// first class that has some: calls that an export depends on get three of four slots, and no class starves.
const WRR_SCHEDULE: [PriorityClass; 8] = [
    PriorityClass::First,
    PriorityClass::First,
    PriorityClass::First,
    PriorityClass::Confirm,
    PriorityClass::First,
    PriorityClass::First,
    PriorityClass::First,
    PriorityClass::Poll,
];

/// A queued holder.
#[derive(Debug, Clone)]
pub(super) struct QueuedRequest {
    pub(super) holder: Requester,
    pub(super) urgency: Priority,
    /// When it first requested its reservation.
    pub(super) since: Instant,
}

/// Order within a namespace and class. Reservations that were put back come first; equal ones go in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    is_new: bool,
    urgency: Priority,
    number: u64,
}

/// The waiting holders of one bucket.
#[derive(Debug, Default)]
pub(super) struct FairQueue {
    items: HashMap<Arc<str>, (Key, QueuedRequest)>,
    namespaces: HashMap<Arc<str>, NamespaceQueue>,
    /// Each namespace in `namespaces` exactly once.
    namespace_ring: VecDeque<Arc<str>>,
    numbers: u64,
}

#[derive(Debug, Default)]
struct NamespaceQueue {
    first: BTreeMap<Key, Arc<str>>,
    confirm: BTreeMap<Key, Arc<str>>,
    poll: BTreeMap<Key, Arc<str>>,
    beat: usize,
}

impl NamespaceQueue {
    fn class_queue(&mut self, purpose: PriorityClass) -> &mut BTreeMap<Key, Arc<str>> {
        match purpose {
            PriorityClass::First => &mut self.first,
            PriorityClass::Confirm => &mut self.confirm,
            PriorityClass::Poll => &mut self.poll,
        }
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.confirm.is_empty() && self.poll.is_empty()
    }

    fn pop(&mut self) -> Option<Arc<str>> {
        let beat = WRR_SCHEDULE.get(self.beat % WRR_SCHEDULE.len()).copied().unwrap_or(PriorityClass::First);
        self.beat = self.beat.wrapping_add(1);
        [beat, PriorityClass::First, PriorityClass::Confirm, PriorityClass::Poll]
            .into_iter()
            .find_map(|purpose| self.class_queue(purpose).pop_first())
            .map(|(_, uid)| uid)
    }
}

impl FairQueue {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn queued_since(&self, uid: &str) -> Option<Instant> {
        self.items.get(uid).map(|(_, waiter)| waiter.since)
    }

    /// Queues a holder, or changes the urgency of one that is queued. It keeps its age.
    pub(super) fn enqueue(&mut self, holder: Requester, urgency: Priority, now: Instant) {
        let (key, since) = match self.remove(&holder.uid) {
            Some((key, waiter)) => (Key { urgency, ..key }, waiter.since),
            None => (Key { is_new: true, urgency, number: self.queue_number() }, now),
        };
        self.insert(key, QueuedRequest { holder, urgency, since }, false);
    }

    /// Puts a reservation that could not be used back at the head of its class in its namespace.
    pub(super) fn put_back(&mut self, waiter: QueuedRequest) {
        let key = Key { is_new: false, urgency: waiter.urgency, number: self.queue_number() };
        self.cancel(&waiter.holder.uid);
        self.insert(key, waiter, true);
    }

    /// Removes a holder. Its namespace stays in the ring until it is next popped.
    pub(super) fn cancel(&mut self, uid: &str) -> bool {
        self.remove(uid).is_some()
    }

    /// Removes and returns the next holder.
    pub(super) fn pop(&mut self) -> Option<QueuedRequest> {
        loop {
            let name = self.namespace_ring.pop_front()?;
            let namespace = self.namespaces.get_mut(&name)?;
            let uid = namespace.pop();
            if namespace.is_empty() {
                self.namespaces.remove(&name);
            } else {
                self.namespace_ring.push_back(name);
            }
            if let Some((_, waiter)) = uid.and_then(|uid| self.items.remove(&uid)) {
                return Some(waiter);
            }
        }
    }

    fn queue_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn insert(&mut self, key: Key, waiter: QueuedRequest, ahead: bool) {
        let (name, uid) = (waiter.holder.namespace.clone(), waiter.holder.uid.clone());
        if !self.namespaces.contains_key(&name) {
            if ahead {
                self.namespace_ring.push_front(name.clone());
            } else {
                self.namespace_ring.push_back(name.clone());
            }
        }
        self.namespaces.entry(name).or_default().class_queue(waiter.urgency.purpose).insert(key, uid.clone());
        self.items.insert(uid, (key, waiter));
    }

    fn remove(&mut self, uid: &str) -> Option<(Key, QueuedRequest)> {
        let (key, waiter) = self.items.remove(uid)?;
        if let Some(namespace) = self.namespaces.get_mut(&waiter.holder.namespace) {
            namespace.class_queue(waiter.urgency.purpose).remove(&key);
        }
        Some((key, waiter))
    }
}
