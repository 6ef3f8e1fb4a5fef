//! A session on a roll, and what is known of it there.

use crate::export::request::Uid;
use crate::export::uids::Uids;
use std::sync::Arc;
use tokio::time::Instant;

/// A session, and who waits for it.
#[derive(Debug)]
pub(in crate::export::sweep) struct Member {
    pub(in crate::export::sweep) uids: Uids,
    /// Of the first of these.
    pub(in crate::export::sweep) namespace: Arc<str>,
    /// Only rounds begun after this can miss it.
    pub(in crate::export::sweep) since: Instant,
    /// When it is due.
    pub(in crate::export::sweep) at: Instant,
    pub(in crate::export::sweep) ends: Option<Instant>,
    /// An export depends on its first reading.
    pub(in crate::export::sweep) urgent: bool,
    /// Only lists are to read it, and it is nobody's loss if they don't.
    pub(in crate::export::sweep) list_only: bool,
    /// Its end needs no URI.
    pub(in crate::export::sweep) zip: bool,
    /// The last round that showed it; and whether one that is going on has yet to.
    pub(in crate::export::sweep) round: u64,
    pub(in crate::export::sweep) awaited: bool,
    /// Missing from a complete round.
    pub(in crate::export::sweep) missing: bool,
    /// And its Get waits for its turn.
    pub(in crate::export::sweep) to_be_read: bool,
    /// How often a Get found it all the same, and until when it is not missed again.
    pub(in crate::export::sweep) refuted: u32,
    pub(in crate::export::sweep) spared: Instant,
}

/// What an object brings to a roll.
#[derive(Debug, Clone, Copy)]
pub(in crate::export::sweep) struct Wish {
    pub(in crate::export::sweep) at: Instant,
    pub(in crate::export::sweep) ends: Option<Instant>,
    pub(in crate::export::sweep) urgent: bool,
    pub(in crate::export::sweep) list_only: bool,
    pub(in crate::export::sweep) zip: bool,
    /// Lists may not show it before this.
    pub(in crate::export::sweep) shows_from: Option<Instant>,
}

impl Member {
    pub(super) fn new(namespace: Arc<str>, wish: Wish, now: Instant) -> Self {
        Self {
            uids: Uids::default(),
            namespace,
            since: now,
            at: wish.at,
            ends: None,
            urgent: false,
            list_only: true,
            zip: wish.zip,
            round: 0,
            awaited: false,
            missing: false,
            to_be_read: false,
            refuted: 0,
            spared: now,
        }
    }

    /// One more object, or one that waits for something else than before.
    pub(super) fn waits(&mut self, uid: &Uid, wish: Wish) {
        self.uids.insert(uid.clone());
        // Once a list has shown it, lists no longer lag behind its promise.
        let lags_until = wish.shows_from.filter(|_| self.round == 0);
        self.since = lags_until.map_or(self.since, |until| self.since.max(until));
        self.at = wish.at;
        self.ends = wish.ends;
        let alone = self.uids.len() == 1;
        self.urgent = wish.urgent || (self.urgent && !alone);
        self.list_only = wish.list_only && (self.list_only || alone);
    }

    /// It has been seen, or read. True if it was missing.
    pub(super) fn is_found(&mut self) -> bool {
        self.to_be_read = false;
        std::mem::take(&mut self.missing)
    }
}
