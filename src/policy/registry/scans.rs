//! The discovery scans of one stream group, as its policies see them.

use crate::authorization::policies::CoveredPolicy;
use crate::aws::failure::FailureClass;
use crate::aws::identifiers::StreamGroupArn;
use crate::aws::model::SessionView;
use crate::config::Timing;
use crate::policy::row::PolicyRow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// A group that AWS doesn't know is reported after so many scans.
const MIN_NOT_FOUND_SCANS: u32 = 3;

/// A scan that is younger than this is not late.
const MIN_ALLOWED_AGE: Duration = Duration::from_secs(15);
/// Gets of a group that wait for their answer. The next scan asks for more: it begins seconds later.
const MAX_OPEN_READS: usize = 100;
/// A Get without an answer for so long has failed, and is tried again.
const READ_RETRY_DELAY: Duration = Duration::from_secs(60);

/// The discovery scans of one group.
#[derive(Debug, Default)]
pub(super) struct GroupScans {
    /// The sessions that the scan in progress has shown, by key.
    pub(super) shown: HashSet<u64>,
    /// Those of them that can be exported.
    pub(super) live: i64,
    pub(super) last_complete: Option<CompleteScan>,
    pub(super) failure: Option<GroupFailure>,
    /// Since when the last complete scan has been too old.
    pub(super) behind_since: Option<Instant>,
    /// The sessions of which pages lack what a policy needs: when their Get was asked for, by key.
    requested_reads: HashMap<u64, Instant>,
    /// What those Gets show. A value that is missing here, too, AWS does not tell.
    answered_reads: HashMap<u64, SessionView>,
}

impl GroupScans {
    /// What the session's Get shows.
    pub(super) fn answer(&self, key: u64) -> Option<&SessionView> {
        self.answered_reads.get(&key)
    }

    /// Whether the session's one Get is to be asked for now. If so, it counts as asked for.
    pub(super) fn request_read(&mut self, key: u64, now: Instant) -> bool {
        self.requested_reads.retain(|_, at| now.saturating_duration_since(*at) < READ_RETRY_DELAY);
        let is_done = self.answered_reads.contains_key(&key) || self.requested_reads.contains_key(&key);
        let may_begin = !is_done && self.requested_reads.len() < MAX_OPEN_READS;
        if may_begin {
            self.requested_reads.insert(key, now);
        }
        may_begin
    }

    /// A session's Get was answered: the next page that shows the session is completed by it.
    pub(super) fn apply_answer(&mut self, key: u64, view: SessionView) {
        self.requested_reads.remove(&key);
        self.answered_reads.insert(key, view);
    }

    /// Forgets the answers for all sessions but these.
    pub(super) fn retain_answers(&mut self, live: &HashSet<u64>) {
        self.answered_reads.retain(|key, _| live.contains(key));
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct CompleteScan {
    pub(super) began: Instant,
    pub(super) took: Duration,
    pub(super) pages: usize,
}

impl CompleteScan {
    /// The last complete scan may have begun so long ago.
    pub(super) fn allowed_age(&self, timing: &Timing) -> Duration {
        MIN_ALLOWED_AGE.max(2 * self.took).max(2 * timing.discovery_interval)
    }
}

/// Scans that fail in a row, for the same cause.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupFailure {
    pub(super) class: FailureClass,
    pub(super) since: Instant,
    pub(super) scans: u32,
}

impl GroupFailure {
    /// The row of scans that fail, once they have failed for long enough. What passes by itself shows as scans that are
    /// late.
    pub(super) fn row(&self, covered: &CoveredPolicy, timing: &Timing, now: Instant) -> Option<PolicyRow> {
        let group = StreamGroupArn::clone(covered.group());
        let lasts = |span: Duration| now.saturating_duration_since(self.since) >= span;
        match self.class {
            FailureClass::AccessDenied => {
                lasts(timing.denial_stalled_after).then_some(PolicyRow::AccessDenied { group })
            }
            FailureClass::Credentials => {
                lasts(timing.denial_stalled_after).then_some(PolicyRow::CredentialsUnavailable)
            }
            FailureClass::NotFound => (self.scans >= MIN_NOT_FOUND_SCANS && lasts(timing.denial_stalled_after / 2))
                .then_some(PolicyRow::StreamGroupNotFound { group }),
            FailureClass::Throttled
            | FailureClass::Unavailable
            | FailureClass::Unreachable
            | FailureClass::Rejected => None,
        }
    }
}
