//! `timing`: every interval and deadline of the protocol. Tests shorten them; users rarely should.

use crate::config::scalars::ConfigDuration;
use crate::runtime::backoff::ExponentialBackoff;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Every interval and deadline of the protocol. Change them in tests, or if AWS behaves differently from its
/// documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping of durations and limits, such as consistencyWindow: 30s")]
pub struct Timing {
    /// How long AWS's reads may lag behind a write. Two reads that show no export are believed if they lie at least
    /// this far apart. Must be longer than `callTimeout`.
    #[serde(with = "ConfigDuration")]
    pub consistency_window: Duration,
    /// A reason that soon passes by itself is written to the status only after it has lasted this long; so is
    /// another cause of the same reason. `RateLimited` is written to at most 20 objects a second. The counts of a policy
    /// are written this often at most.
    #[serde(with = "ConfigDuration")]
    pub held_status_delay: Duration,
    /// `AccessDenied` and `CredentialsUnavailable` become Stalled after this long: new IAM policies take time.
    #[serde(with = "ConfigDuration")]
    pub denial_stalled_after: Duration,
    /// Delay before a denied call, or one without credentials, is tried again. It doubles up to `deniedRetryMax`.
    #[serde(with = "ConfigDuration")]
    pub denied_retry_min: Duration,
    /// Longest delay before a denied call, or one without credentials, is tried again.
    #[serde(with = "ConfigDuration")]
    pub denied_retry_max: Duration,
    /// The operator reads the session again before its call if the last read is older than this.
    #[serde(with = "ConfigDuration")]
    pub observation_max_age: Duration,
    /// `SessionNotFound` needs `notFoundReads` reads over this time: a new session may not be visible yet.
    #[serde(with = "ConfigDuration")]
    pub not_found_window: Duration,
    /// Number of reads for `SessionNotFound`, from 1 to 100.
    pub not_found_reads: u32,
    /// Number of refused calls for `RequestRejected`, from 1 to 100.
    pub rejected_tries: u32,
    /// The calls for `RequestRejected` are spread over this time.
    #[serde(with = "ConfigDuration")]
    pub rejected_window: Duration,
    /// Interval of tries after `RequestRejected`.
    #[serde(with = "ConfigDuration")]
    pub rejected_retry: Duration,
    /// Delay before a throttled, failed or unanswered call is tried again. It doubles up to `retryMax`.
    #[serde(with = "ConfigDuration")]
    pub retry_min: Duration,
    /// Longest delay before a throttled, failed or unanswered call is tried again.
    #[serde(with = "ConfigDuration")]
    pub retry_max: Duration,
    /// An export that AWS has not accepted this long after the creation of its object is FAILED.
    #[serde(with = "ConfigDuration")]
    pub acceptance_bound: Duration,
    /// An accepted export without a result this long after the latest possible end of its session is `UploadOverdue`.
    #[serde(with = "ConfigDuration")]
    pub overdue_after: Duration,
    /// Interval of reads of an overdue export.
    #[serde(with = "ConfigDuration")]
    pub overdue_poll_interval: Duration,
    /// Interval of reads of an ACTIVATING session.
    #[serde(with = "ConfigDuration")]
    pub activating_poll_interval: Duration,
    /// Shortest interval of reads of an accepted export.
    #[serde(with = "ConfigDuration")]
    pub pending_poll_interval_min: Duration,
    /// Longest interval of reads of an accepted export. The quota may make it longer.
    #[serde(with = "ConfigDuration")]
    pub pending_poll_interval_max: Duration,
    /// Shortest interval of the scans that find the sessions of a stream group with a policy. With many groups the
    /// quota makes it longer.
    #[serde(with = "ConfigDuration")]
    pub discovery_interval: Duration,
    /// Interval in which these scans also read the lists of reconnecting sessions. Must not be shorter than
    /// `discoveryInterval`.
    #[serde(with = "ConfigDuration")]
    pub reconnect_scan_interval: Duration,
    /// Time-out of a call to AWS. With `leaseRenewDeadline` it must not exceed `leaseDuration`, so that no call
    /// outlives the Lease.
    #[serde(with = "ConfigDuration")]
    pub call_timeout: Duration,
    /// Reconciles in progress may continue this long after SIGTERM.
    #[serde(with = "ConfigDuration")]
    pub shutdown_grace_period: Duration,
    /// A Lease that has not been renewed for this long is free. Whole seconds.
    #[serde(with = "ConfigDuration")]
    pub lease_duration: Duration,
    /// A leader that could not renew its Lease for this long stops. Must be shorter than `leaseDuration`.
    #[serde(with = "ConfigDuration")]
    pub lease_renew_deadline: Duration,
    /// Interval of tries to acquire or renew the Lease. Must be shorter than `leaseRenewDeadline`.
    #[serde(with = "ConfigDuration")]
    pub lease_retry: Duration,
}

impl Timing {
    /// Delays after denied calls.
    pub(crate) fn denied_backoff(&self) -> ExponentialBackoff {
        ExponentialBackoff { first: self.denied_retry_min, longest: self.denied_retry_max }
    }

    /// Delays after calls that failed for another reason, and after failed lists.
    pub(crate) fn retry_backoff(&self) -> ExponentialBackoff {
        ExponentialBackoff { first: self.retry_min, longest: self.retry_max }
    }
}

impl Default for Timing {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            consistency_window: s(30),
            held_status_delay: s(30),
            denial_stalled_after: s(120),
            denied_retry_min: s(10),
            denied_retry_max: s(60),
            observation_max_age: s(60),
            not_found_window: s(60),
            not_found_reads: 3,
            rejected_tries: 3,
            rejected_window: s(60),
            rejected_retry: s(300),
            retry_min: s(1),
            retry_max: s(30),
            acceptance_bound: s(25 * 3600),
            overdue_after: s(24 * 3600),
            overdue_poll_interval: s(3600),
            activating_poll_interval: s(2),
            pending_poll_interval_min: s(2),
            pending_poll_interval_max: s(60),
            discovery_interval: s(2),
            reconnect_scan_interval: s(60),
            call_timeout: s(4),
            shutdown_grace_period: s(2),
            lease_duration: s(15),
            lease_renew_deadline: s(10),
            lease_retry: s(2),
        }
    }
}
