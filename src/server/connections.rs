//! The open connections of one listener, and which of them is closed to make room for a new one.
//!
//! Owns: the number of connections of each peer and of all, and the choice of the one to close.
//! Never: does IO, reads a clock, or refuses a connection: the newest is always admitted.
//!
//! ```text
//! let Admitted { id, displaced } = connections.admit_peer(address, handle);
//! drop(displaced);              // the handle of the connection that made room, if one had to
//! connections.mark_busy(id);    // the head of its request is complete
//! connections.remove(id);       // it has ended
//! ```

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// The first 64 bits of an IPv6 address.
const IPV6_NETWORK: u128 = !0 << 64;

/// How many connections a listener holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimits {
    /// Connections of one peer.
    pub(super) per_peer: usize,
    /// Connections of all peers: each takes a file descriptor.
    pub(super) total: usize,
}

/// The addresses that share one allowance: an IPv4 address, or an IPv6 /64, because one host often has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Peer(IpAddr);

impl Peer {
    fn from_address(address: IpAddr) -> Self {
        // A listener on [::] reports IPv4 peers as ::ffff:a.b.c.d.
        match address.to_canonical() {
            v4 @ IpAddr::V4(_) => Self(v4),
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & IPV6_NETWORK))),
        }
    }
}

/// Identifies a connection; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    /// No complete request head has arrived yet.
    Idle,
    /// A request is in progress.
    Busy,
}

#[derive(Debug)]
struct Connection<H> {
    id: ConnectionId,
    peer: Peer,
    state: ConnectionState,
    /// Closes the connection when it is dropped.
    handle: H,
}

/// An admitted connection, and the handle of the one that was removed for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted<H> {
    pub(super) id: ConnectionId,
    pub(super) displaced: Option<H>,
}

/// See the head of this module.
#[derive(Debug)]
pub(super) struct Connections<H> {
    limits: ConnectionLimits,
    next_id: u64,
    /// By age, the oldest first, which is also the order of their ids.
    open: Vec<Connection<H>>,
}

impl<H> Connections<H> {
    /// An empty listener.
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, next_id: 0, open: Vec::new() }
    }

    /// Adds a connection from `address`, and removes another one if a limit demands it.
    pub(super) fn admit_peer(&mut self, address: IpAddr, handle: H) -> Admitted<H> {
        let peer = Peer::from_address(address);
        let displaced = self.find_displaced(peer).map(|index| self.open.remove(index).handle);
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        self.open.push(Connection { id, peer, state: ConnectionState::Idle, handle });
        Admitted { id, displaced }
    }

    /// Records that a request is in progress, unless the connection was removed meanwhile.
    pub(super) fn mark_busy(&mut self, id: ConnectionId) {
        if let Some(connection) = self.find_entry(id).and_then(|index| self.open.get_mut(index)) {
            connection.state = ConnectionState::Busy;
        }
    }

    /// Removes a connection that has ended, unless it was removed before.
    pub(super) fn remove(&mut self, id: ConnectionId) {
        if let Some(index) = self.find_entry(id) {
            self.open.remove(index);
        }
    }

    fn find_entry(&self, id: ConnectionId) -> Option<usize> {
        self.open.binary_search_by_key(&id, |connection| connection.id).ok()
    }

    /// The connection that makes room for a new one of `newcomer`: one of its own if it has used its allowance, else,
    /// if the listener is full, one of the peer that holds most, with the new connection counted.
    fn find_displaced(&self, newcomer: Peer) -> Option<usize> {
        let own = self.open.iter().filter(|connection| connection.peer == newcomer).count();
        if own >= self.limits.per_peer {
            return self.find_oldest(|peer| peer == newcomer);
        }
        if self.open.len() < self.limits.total {
            return None;
        }
        let counts = self.count_by_peer(newcomer);
        let most = counts.values().max();
        self.find_oldest(|peer| counts.get(&peer) == most)
    }

    fn count_by_peer(&self, newcomer: Peer) -> BTreeMap<Peer, usize> {
        let mut counts = BTreeMap::from([(newcomer, 1)]);
        for connection in &self.open {
            *counts.entry(connection.peer).or_insert(0) += 1;
        }
        counts
    }

    /// The oldest idle connection of the peers that qualify; if all are busy, the oldest.
    fn find_oldest(&self, qualifies: impl Fn(Peer) -> bool) -> Option<usize> {
        let mut by_age = self.open.iter().enumerate().filter(|(_, connection)| qualifies(connection.peer));
        let (oldest, first) = by_age.next()?;
        if first.state == ConnectionState::Idle {
            return Some(oldest);
        }
        let idle = by_age.find(|(_, connection)| connection.state == ConnectionState::Idle);
        Some(idle.map_or(oldest, |(index, _)| index))
    }
}
