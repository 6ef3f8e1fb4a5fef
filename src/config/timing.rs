//! `timing`: every wait and bound of the protocol. Tests shorten them; users hardly ever should.

use super::scalars::duration;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `timing`: every wait and bound of the protocol. Durations are texts with a unit, such as `30s`, `2m` or `25h`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping of waits and bounds, such as consistencyWindow: 30s")]
pub struct Timing {
    /// Two empty reads are believed when they lie at least this far apart. Default 30 s.
    #[serde(with = "duration")]
    pub consistency_window: Duration,
    /// A held state is written to the status only after this long. Default 30 s.
    #[serde(with = "duration")]
    pub held_status_delay: Duration,
    /// AccessDenied and CredentialsUnavailable become Stalled after this. Default 2 min.
    #[serde(with = "duration")]
    pub denial_stalled_after: Duration,
    /// First wait before a denied or credential-less call is tried again; doubles. Default 10 s.
    #[serde(with = "duration")]
    pub denied_retry_min: Duration,
    /// Longest such wait. Default 60 s.
    #[serde(with = "duration")]
    pub denied_retry_max: Duration,
    /// An observation older than this is renewed before the call. Default 60 s.
    #[serde(with = "duration")]
    pub observation_max_age: Duration,
    /// SessionNotFound needs reads over this long. Default 60 s.
    #[serde(with = "duration")]
    pub not_found_window: Duration,
    /// SessionNotFound needs this many reads. Default 3.
    pub not_found_reads: u32,
    /// RequestRejected needs this many refusals. Default 3.
    pub rejected_tries: u32,
    /// Refusals are counted, and retried, over this long. Default 1 min.
    #[serde(with = "duration")]
    pub rejected_window: Duration,
    /// After RequestRejected, the call is retried this often. Default 5 min.
    #[serde(with = "duration")]
    pub rejected_retry: Duration,
    /// First wait after a throttled, failed or unanswered call; doubles. Default 1 s.
    #[serde(with = "duration")]
    pub retry_min: Duration,
    /// Longest such wait. Default 30 s.
    #[serde(with = "duration")]
    pub retry_max: Duration,
    /// Never accepted this long after creation: FAILED. Default 25 h.
    #[serde(with = "duration")]
    pub acceptance_bound: Duration,
    /// No result this long after the session's latest possible end: UploadOverdue. Default 24 h.
    #[serde(with = "duration")]
    pub overdue_after: Duration,
    /// How often an overdue export is read. Default 1 h.
    #[serde(with = "duration")]
    pub overdue_poll_interval: Duration,
    /// How often an ACTIVATING session is read. Default 2 s.
    #[serde(with = "duration")]
    pub activating_poll_interval: Duration,
    /// Shortest time between two reads of an accepted export. Default 2 s.
    #[serde(with = "duration")]
    pub pending_poll_interval_min: Duration,
    /// Longest time between two reads of an accepted export (the quota may make it longer). Default 60 s.
    #[serde(with = "duration")]
    pub pending_poll_interval_max: Duration,
    /// A call to AWS is given up after this. Default 4 s; must be below the consistency window, and with
    /// `leaseRenewDeadline` not above `leaseDuration`, so that no call outlives the lease.
    #[serde(with = "duration")]
    pub call_timeout: Duration,
    /// Reconciles in progress may go on this long after SIGTERM. Default 2 s.
    #[serde(with = "duration")]
    pub shutdown_grace_period: Duration,
    /// A lease not renewed for this long is free. Whole seconds. Default 15 s.
    #[serde(with = "duration")]
    pub lease_duration: Duration,
    /// A leader that could not renew for this long stops. Default 10 s.
    #[serde(with = "duration")]
    pub lease_renew_deadline: Duration,
    /// Pause between tries to take or renew the lease. Default 2 s.
    #[serde(with = "duration")]
    pub lease_retry: Duration,
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
            call_timeout: s(4),
            shutdown_grace_period: s(2),
            lease_duration: s(15),
            lease_renew_deadline: s(10),
            lease_retry: s(2),
        }
    }
}
