//! The queue of one bucket, fair between namespaces.
//!
//! Owns: the order: round-robin over namespaces with queued holders; within one by priority, with a part of the slots
//! kept for each class. Namespaces whose names begin with one prefix may have a share together: they are a queue of their
//! own, which takes that part of the slots, not one turn of the round. All operations are O(log n).
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
pub(crate) struct QueuedRequest {
    pub(crate) holder: Requester,
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
pub(crate) struct FairQueue {
    /// Each holder, with its place in its namespace.
    items: HashMap<Arc<str>, (Key, QueuedRequest)>,
    /// The namespaces of the holders.
    namespaces: HashMap<Arc<str>, NamespaceQueue>,
    /// Each namespace in `namespaces` exactly once.
    namespace_ring: VecDeque<Arc<str>>,
    /// Number of holders of [`PriorityClass::First`].
    first_count: usize,
    /// The namespaces with a share of their own.
    reserved: Option<ReservedShare>,
    /// Number of the last holder that was queued or put back.
    numbers: u64,
}

/// Namespaces that have a part of the slots while others wait, and all of them for their holders of
/// [`PriorityClass::First`]. What they leave, the others take, and the reverse.
#[derive(Debug)]
struct ReservedShare {
    /// What their names begin with.
    prefix: &'static str,
    /// The part of the slots, between 0 and 1.
    share: f64,
    /// The part of a slot that they are owed.
    owed: f64,
    queue: Box<FairQueue>,
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
    /// An empty queue in which the namespaces that begin with this prefix have a share together.
    pub(crate) fn with_reserved(prefix: &'static str, share: f64) -> Self {
        Self { reserved: Some(ReservedShare { prefix, share, owed: 0.0, queue: Box::default() }), ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len() + self.reserved.as_ref().map_or(0, |reserved| reserved.queue.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn queued_since(&self, uid: &str) -> Option<Instant> {
        let own = self.items.get(uid).map(|(_, waiter)| waiter.since);
        own.or_else(|| self.reserved.as_ref()?.queue.queued_since(uid))
    }

    /// The queue of this namespace, if it is one with a share of its own.
    fn reserved_queue(&mut self, namespace: &str) -> Option<&mut Self> {
        let reserved = self.reserved.as_mut().filter(|reserved| namespace.starts_with(reserved.prefix))?;
        Some(&mut reserved.queue)
    }

    /// Queues a holder, or changes the urgency of one that is queued. It keeps its age.
    pub(crate) fn enqueue(&mut self, holder: Requester, urgency: Priority, now: Instant) {
        if let Some(queue) = self.reserved_queue(&holder.namespace) {
            return queue.enqueue(holder, urgency, now);
        }
        let (key, since) = match self.remove(&holder.uid) {
            Some((key, waiter)) => (Key { urgency, ..key }, waiter.since),
            None => (Key { is_new: true, urgency, number: self.queue_number() }, now),
        };
        self.insert(key, QueuedRequest { holder, urgency, since }, false);
    }

    /// Puts a reservation that could not be used back at the head of its class in its namespace.
    pub(super) fn put_back(&mut self, waiter: QueuedRequest) {
        if let Some(queue) = self.reserved_queue(&waiter.holder.namespace) {
            return queue.put_back(waiter);
        }
        let key = Key { is_new: false, urgency: waiter.urgency, number: self.queue_number() };
        self.cancel(&waiter.holder.uid);
        self.insert(key, waiter, true);
    }

    /// Removes a holder. Its namespace stays in the ring until it is next popped.
    pub(crate) fn cancel(&mut self, uid: &str) -> bool {
        self.remove(uid).is_some() || self.reserved.as_mut().is_some_and(|reserved| reserved.queue.cancel(uid))
    }

    /// Removes and returns the next holder.
    pub(crate) fn pop(&mut self) -> Option<QueuedRequest> {
        if self.is_reserved_turn()
            && let Some(waiter) = self.pop_reserved()
        {
            return Some(waiter);
        }
        self.pop_in_turn().or_else(|| self.pop_reserved())
    }

    /// Whether the next slot belongs to the namespaces with a share of their own; counts it if others wait for it, too.
    fn is_reserved_turn(&mut self) -> bool {
        let Some(reserved) = self.reserved.as_mut().filter(|reserved| !reserved.queue.is_empty()) else { return false };
        if self.namespace_ring.is_empty() || reserved.queue.first_count > 0 {
            return true;
        }
        reserved.owed += reserved.share;
        if reserved.owed < 1.0 {
            return false;
        }
        reserved.owed -= 1.0;
        true
    }

    fn pop_reserved(&mut self) -> Option<QueuedRequest> {
        self.reserved.as_mut()?.queue.pop()
    }

    fn pop_in_turn(&mut self) -> Option<QueuedRequest> {
        loop {
            let name = self.namespace_ring.pop_front()?;
            let namespace = self.namespaces.get_mut(&name)?;
            let uid = namespace.pop();
            if namespace.is_empty() {
                self.namespaces.remove(&name);
            } else {
                self.namespace_ring.push_back(name);
            }
            if let Some((_, waiter)) = uid.and_then(|uid| self.take_item(&uid)) {
                return Some(waiter);
            }
        }
    }

    fn take_item(&mut self, uid: &str) -> Option<(Key, QueuedRequest)> {
        let (key, waiter) = self.items.remove(uid)?;
        self.first_count -= usize::from(waiter.urgency.purpose == PriorityClass::First);
        Some((key, waiter))
    }

    fn queue_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn insert(&mut self, key: Key, waiter: QueuedRequest, ahead: bool) {
        let (name, uid) = (waiter.holder.namespace.clone(), waiter.holder.uid.clone());
        self.first_count += usize::from(waiter.urgency.purpose == PriorityClass::First);
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
        let (key, waiter) = self.take_item(uid)?;
        if let Some(namespace) = self.namespaces.get_mut(&waiter.holder.namespace) {
            namespace.class_queue(waiter.urgency.purpose).remove(&key);
        }
        Some((key, waiter))
    }
}
