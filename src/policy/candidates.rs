//! The sessions for which a policy has yet to make an object: the most urgent first, and a bounded number of them. Pure.

use crate::aws::identifiers::{OutputUri, SessionArn};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// Candidates of one policy. Those beyond them are found again by the next scan: it begins seconds later.
const MAX_CANDIDATES: usize = 1000;

/// Which candidate goes first: sessions whose client is disconnected end soon, then the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CandidateOrder {
    /// A client is connected, or may connect.
    pub connected: bool,
    /// `CreatedAt`; the latest possible time if AWS shows none.
    pub created: Timestamp,
    /// The session's key in the registry.
    pub key: u64,
}

/// A session that is to be exported, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SelectedSession {
    /// The session.
    pub arn: SessionArn,
    /// The destination, which the rules allow.
    pub uri: OutputUri,
}

/// The candidates of one policy.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    by_order: BTreeMap<CandidateOrder, SelectedSession>,
    orders: HashMap<u64, CandidateOrder>,
}

impl Candidates {
    /// Adds or replaces a candidate. One too many drops the least urgent.
    pub(crate) fn insert(&mut self, order: CandidateOrder, candidate: SelectedSession) {
        self.remove(order.key);
        self.orders.insert(order.key, order);
        self.by_order.insert(order, candidate);
        if self.by_order.len() > MAX_CANDIDATES
            && let Some((last, _)) = self.by_order.pop_last()
        {
            self.orders.remove(&last.key);
        }
    }

    /// Takes the most urgent one, with its key.
    pub(crate) fn pop_first(&mut self) -> Option<(u64, SelectedSession)> {
        let (order, candidate) = self.by_order.pop_first()?;
        self.orders.remove(&order.key);
        Some((order.key, candidate))
    }

    pub(crate) fn remove(&mut self, key: u64) {
        if let Some(order) = self.orders.remove(&key) {
            self.by_order.remove(&order);
        }
    }

    /// Drops all but these.
    pub(crate) fn retain(&mut self, keep: impl Fn(&CandidateOrder) -> bool) {
        self.by_order.retain(|order, _| keep(order));
        self.orders.retain(|_, order| keep(order));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_order.is_empty()
    }
}
