//! A session of a scan group, and its state in the scans.

use crate::polling::request::ReadKind;
use crate::polling::subscriptions::ReadSubscription;
use crate::polling::uid_set::UidSet;
use std::sync::Arc;
use tokio::time::Instant;

/// What the scans know of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Listed or read since the last scan began, or new.
    Present,
    /// The scan in progress has not shown it yet.
    Expected,
    /// Missing from a complete scan; the lists of ended exports are being read.
    Missing,
    /// Missing, and queued for a Get.
    Queued,
    /// Missing, and its Get is due or in flight.
    Confirming,
}

impl Presence {
    pub(super) const fn is_missing(self) -> bool {
        match self {
            Self::Present | Self::Expected => false,
            Self::Missing | Self::Queued | Self::Confirming => true,
        }
    }
}

/// A session, and the objects that wait for its reads.
#[derive(Debug)]
pub(crate) struct ScanMember {
    /// The objects that wait for it.
    pub(crate) uids: UidSet,
    /// Namespace of the object that was added first.
    pub(crate) namespace: Arc<str>,
    /// When it was added.
    pub(crate) since: Instant,
    /// When its next read is due.
    pub(crate) at: Instant,
    /// When the session ends at the latest, if known.
    pub(crate) ends: Option<Instant>,
    /// An export depends on its first read.
    pub(crate) urgent: bool,
    /// Refreshed by list scans only; never triggers a Get.
    pub(crate) list_only: bool,
    /// The destination is a `.zip`: the end of the export is recognised without its URI.
    pub(crate) zip: bool,
    /// What the scans know of it.
    pub(crate) presence: Presence,
    /// How often in a row a Get found it although a scan had not.
    pub(crate) false_missing: u32,
    /// A list has shown it.
    pub(crate) listed: bool,
    /// A scan that began before this can't find it missing.
    pub(crate) not_missing_before: Instant,
    /// When it was left to discovery, or last shown by it: an older discovery scan doesn't release it.
    pub(crate) discovered_at: Instant,
}

impl ScanMember {
    pub(super) fn new(first: &ReadSubscription, now: Instant) -> Self {
        Self {
            uids: UidSet::default(),
            namespace: first.namespace.clone(),
            since: now,
            at: first.read.due,
            ends: None,
            urgent: false,
            list_only: true,
            zip: first.zip,
            presence: Presence::Present,
            false_missing: 0,
            listed: false,
            not_missing_before: now,
            discovered_at: now,
        }
    }

    /// Adds an object, or replaces its subscription.
    pub(super) fn update_subscription(&mut self, waiter: &ReadSubscription, now: Instant) {
        let ReadSubscription { uid, read, visible_from, .. } = waiter;
        self.uids.insert(uid.clone());
        if let Some(visible_from) = visible_from.filter(|_| !self.listed) {
            self.not_missing_before = self.not_missing_before.max(visible_from);
        }
        (self.at, self.ends) = (read.due, read.session_ends);
        let is_only_one = self.uids.len() == 1;
        self.urgent = read.is_first(now) || (self.urgent && !is_only_one);
        self.list_only = read.kind == ReadKind::Fresh && (self.list_only || is_only_one);
    }

    /// A list of the scan group shows it. Once one has, the next that doesn't has not merely fallen behind.
    pub(super) fn mark_listed(&mut self, now: Instant) {
        self.false_missing = 0;
        if !std::mem::replace(&mut self.listed, true) {
            self.not_missing_before = self.not_missing_before.min(now);
        }
    }

    /// It was listed or read. Returns its presence before.
    pub(super) fn mark_present(&mut self) -> Presence {
        self.urgent = false;
        std::mem::replace(&mut self.presence, Presence::Present)
    }
}
