//! Polling: which session is read next, by GetStreamSession or from a page of ListStreamSessions.
//!
//! Reconcilers don't read; they subscribe to a read ([`request::ReadRequest`]) and return. Sessions of a stream group
//! that the same list filters would return form a *scan group*: those that should be live, and those whose export
//! should be PENDING. A scan group of more than a few sessions is polled with ListStreamSessions, in *scans*, wherever
//! that takes less quota time than one Get each. A listed session counts as read. A session that is missing from a
//! complete scan is not evidence: it is confirmed by a Get, or, when many are missing, first looked up in the lists of
//! ended exports.
//!
//! Stream groups with a policy are scanned all the time, whether or not an object exists: that is [`discovery`]. Its
//! pages serve the members of the scan groups, too, so that no list is read twice.
//!
//! [`subscriptions`] holds who waits for which read, [`planner`] what is read next, [`results`] what reads change;
//! [`scan_group`], [`list_scan`] and [`missing`] are one group, its scan, and its missing sessions. All of these are
//! pure, with the clock as an argument; [`poller`] is the shell. [`interval`] has every interval, weight and share.
//! What is read goes to [`state`](crate::state), and only objects for which it changes the decision are requeued.

pub(crate) mod discovery;
pub(crate) mod interval;
pub(crate) mod list_scan;
pub(crate) mod missing;
#[cfg(test)]
mod model;
pub(crate) mod planner;
pub(crate) mod poller;
pub(crate) mod request;
pub(crate) mod results;
pub(crate) mod scan_group;
pub(crate) mod subscriptions;
pub(crate) mod uid_set;

use crate::api::request::Uid;
use crate::aws::identifiers::StreamGroupArn;
use crate::aws::model::{ExportFilesStatus, Filter, PageToken, SessionStatus};
use crate::polling::request::ReadKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The kind of a scan group: the sessions of a stream group that the same list filters return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ScanSet {
    /// Sessions that should be live: unread, ACTIVATING, suspended, or waiting for their export call.
    Live,
    /// Sessions with an accepted export and no known result.
    Pending,
}

impl ScanSet {
    /// Both kinds.
    pub(crate) const ALL: [Self; 2] = [Self::Live, Self::Pending];

    /// The scan group that can serve a read of this kind; `None` if only a Get can.
    pub(crate) const fn of(kind: ReadKind) -> Option<Self> {
        match kind {
            ReadKind::Exact => None,
            ReadKind::First | ReadKind::Live | ReadKind::Fresh => Some(Self::Live),
            ReadKind::Pending => Some(Self::Pending),
        }
    }

    /// The filters that together return every session of the scan group, the likeliest first.
    const fn filters(self) -> &'static [Filter] {
        match self {
            Self::Live => &[
                Filter::Session(SessionStatus::Active),
                Filter::Session(SessionStatus::Connected),
                Filter::Session(SessionStatus::PendingClientReconnection),
                Filter::Session(SessionStatus::Reconnecting),
                Filter::Session(SessionStatus::Activating),
            ],
            Self::Pending => &[Filter::Export(ExportFilesStatus::Pending)],
        }
    }

    /// The filters of ended exports, in which missing sessions are looked up.
    const fn history(self) -> &'static [Filter] {
        match self {
            Self::Live => &[],
            Self::Pending => &[Filter::Export(ExportFilesStatus::Succeeded), Filter::Export(ExportFilesStatus::Failed)],
        }
    }
}

/// What a list is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ScanOwner {
    /// The live sessions of a stream group, whether or not an object names them.
    Discovery,
    /// The members of a scan group.
    Members(ScanSet),
}

impl ScanOwner {
    /// All of them.
    const ALL: [Self; 3] = [Self::Discovery, Self::Members(ScanSet::Live), Self::Members(ScanSet::Pending)];

    /// Its part of a [`PageRequest::holder`] name.
    const fn label(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Members(ScanSet::Live) => "live",
            Self::Members(ScanSet::Pending) => "pending",
        }
    }
}

/// Requests per second that are allowed now, by operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct QuotaRates {
    /// GetStreamSession.
    pub get: f64,
    /// ListStreamSessions.
    pub list: f64,
    /// The part of `list` that discovery scans have while there is a policy.
    pub discovery_share: f64,
}

impl QuotaRates {
    /// How many pages can be read in the time that one Get for each of `sessions` would take.
    fn pages_worth(self, sessions: usize) -> f64 {
        sessions as f64 * self.list / self.get.max(f64::MIN_POSITIVE)
    }
}

/// What the reads of one account and Region have.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PollBudget {
    /// The rates in force; of the List rate, what discovery scans leave.
    rates: QuotaRates,
    /// Interval of each group's scans: all groups together take the scans' part of the List share.
    scan_interval: Duration,
    /// Small scan groups need so many Gets that lists are used for them, too.
    gets_are_scarce: bool,
    /// Groups with discovery scans that have been planned.
    discovered_before: usize,
}

/// A step for the poller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PlannedRead {
    /// Reserve a Get for the session of this object.
    Get(Uid),
    /// Cancel this holder's reservation: the read is no longer needed.
    Withdraw(Uid),
    /// Reserve a read of this page.
    List(PageRequest),
}

/// One page of ListStreamSessions to read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PageRequest {
    /// The stream group.
    pub group: Arc<StreamGroupArn>,
    /// What the page is read for.
    pub owner: ScanOwner,
    /// The namespace of the quota's queue whose turns it takes.
    pub turns_of: Arc<str>,
    /// The list's filter.
    pub filter: Filter,
    /// The page's token; `None` for the first page.
    pub from: Option<PageToken>,
    /// An export depends on it, or it is one of discovery while a group is scanned for the first time.
    pub urgent: bool,
    /// Not the first page of its scan. A scan that ends soon sees few shifts of its pages.
    pub under_way: bool,
}

impl PageRequest {
    /// The uid under which its reservation is made: one per scan.
    pub(crate) fn holder(&self) -> Arc<str> {
        holder(&self.group, self.owner)
    }
}

fn holder(group: &StreamGroupArn, owner: ScanOwner) -> Arc<str> {
    format!("list/{}/{group}", owner.label()).into()
}

/// What a scan group uses of a Get's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GetOutcome {
    /// The lists of the scan group should have shown the session.
    Present,
    /// The session no longer belongs in these lists.
    Gone,
    /// The read failed.
    Nothing,
}

/// The earlier of two instants; `None` if both are.
fn min_instant(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
