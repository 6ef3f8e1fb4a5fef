//! The discovery scans of one stream group, as its policies see them.

use crate::authorization::policies::CoveredPolicy;
use crate::aws::failure::FailureClass;
use crate::aws::identifiers::StreamGroupArn;
use crate::config::Timing;
use crate::policy::row::PolicyRow;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// A group that AWS doesn't know is reported after so many scans.
const MIN_NOT_FOUND_SCANS: u32 = 3;

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
}

#[derive(Debug, Clone, Copy)]
pub(super) struct CompleteScan {
    pub(super) began: Instant,
    pub(super) took: Duration,
    pub(super) pages: usize,
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
