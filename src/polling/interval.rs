//! Every interval, weight and share of polling, and which configuration key moves what.
//!
//! | key | moves |
//! |---|---|
//! | `timing.activatingPollInterval` | shortest interval of live scans, and of Gets for a session that should be live |
//! | `timing.pendingPollIntervalMin` | shortest interval of pending scans, and of Gets for an accepted export |
//! | `timing.pendingPollIntervalMax` | longest interval of Gets for an accepted export; of scans it is [`MAX_SCAN_INTERVAL`] |
//! | `timing.discoveryInterval` | shortest interval of discovery scans |
//! | `timing.reconnectScanInterval` | interval in which discovery reads the lists of reconnecting sessions, and in which the groups of suspended policies are scanned |
//! | `timing.consistencyWindow` | for how long after its call an export that no list has shown yet is not missing (the reconciler sets it) |
//! | `timing.overduePollInterval` | interval of Gets for an overdue export (the decision sets it, not the plan) |
//! | `timing.retryMin`, `timing.retryMax` | delays after failed lists and after Gets that contradict a list |
//! | `timing.deniedRetryMin`, `timing.deniedRetryMax` | retries of denied reads (the circuit breakers set them); the maximum is the interval of discovery scans that fail |
//! | `quota.get` | how long Gets for accepted exports take together: see [`pending_get_interval`] |
//! | `quota.list` | how long one scan of every group takes: see [`scan_interval`] |
//! | `quota.discoveryShare` | the part of `quota.list` that discovery scans have before all others |
//!
//! Owns: the numbers, and how an interval follows from the load. Never: state, or a clock.

use crate::config::Timing;
use crate::polling::ScanSet;
use crate::runtime::backoff::ExponentialBackoff;
use std::time::Duration;

// Gets.

/// Delay of the first Get for an accepted export: more of them may follow, which one list serves together.
pub(crate) const FIRST_GET_DELAY: Duration = Duration::from_millis(500);
/// Up to this many first reads per namespace get a Get each, at once. With one more, lists may serve all of them.
pub(crate) const FIRST_READ_GET_LIMIT: usize = 3;
/// Gets at once per namespace, until their results show that the list can be trusted.
pub(crate) const MAX_GETS_AT_ONCE: usize = 10;
/// Lists aren't trusted once Gets have found this many of the missing sessions in a row.
pub(crate) const MIN_FALSE_MISSING: u32 = 3;
/// A session found ended doesn't count as missing for this long: its objects need time to be reconciled.
pub(crate) const NOT_MISSING_PERIOD: Duration = Duration::from_secs(5);

// Lists instead of Gets.

/// Scan groups of up to this many sessions are read with Gets unless Gets are scarce: lists would not be faster.
pub(crate) const MAX_SESSIONS_WITHOUT_LISTS: usize = 20;
/// Delay of a scan for a few first reads: more of them may follow, which the same pages serve. No Get waits for it.
pub(crate) const FIRST_SCAN_DELAY: Duration = Duration::from_millis(200);
/// Lists are used for small scan groups, too, once the Gets that all of these need would take this many seconds.
pub(crate) const GET_BACKLOG_SECONDS: f64 = 2.0;
/// Sessions on a page of ListStreamSessions.
pub(crate) const SESSIONS_PER_PAGE: f64 = 100.0;
/// The measured cost of a scan is used for this long.
pub(crate) const SCAN_COST_TTL: Duration = Duration::from_secs(600);
/// No scan reads more pages than this, whatever it is worth: the pages of a list may never end.
pub(crate) const MAX_PAGES: f64 = 5_000.0;

// How often groups are scanned.

/// Scans take this part of the List share on average; the rest is for reads that exports depend on. All groups have the
/// same interval. In the model of the tests, 10,000 ends in 20 groups were detected in 22 s (p99) so, in 25 s where groups
/// with ends were scanned twice as often as others, in 52 to 62 s where four times.
pub(crate) const SCAN_SHARE: f64 = 0.5;
/// The part while sessions end: users wait for their files.
pub(crate) const SCAN_SHARE_WHILE_ENDING: f64 = 0.6;
/// Sessions of a group count as ending for this long after one ended, and this long before a foreseen end.
pub(crate) const ENDING_PERIOD: Duration = Duration::from_secs(60);
/// Upper bound of every scan interval; scans of unknown cost get it, too.
pub(crate) const MAX_SCAN_INTERVAL: Duration = Duration::from_secs(3600);

// Discovery.

/// First scans may take the whole List share for this long after the first policy is known to a leader: sessions may have
/// waited for them since before the leader term. Not longer, and not for each new policy: many policies of one tenant
/// would take the share from all others' scans.
pub(crate) const FIRST_SCANS_PERIOD: Duration = Duration::from_secs(15);
/// No page of a discovery scan is read while this many events wait for the consumer: each may hold a page of 100
/// sessions, about 50 KB.
pub(crate) const MAX_UNREAD_EVENTS: usize = 64;

// Failures.

/// Failures in a row after which a scan is abandoned.
pub(crate) const MAX_FAILURES_IN_A_ROW: u32 = 6;
/// Lists that AWS rejects are retried after this; until then Gets are used.
pub(crate) const REJECTED_LIST_RETRY_DELAY: Duration = Duration::from_secs(60);
/// The plan is evaluated at least this often.
pub(crate) const MAX_SLEEP: Duration = Duration::from_secs(60);

/// Gets for accepted exports take at most this part of the Get share.
const PENDING_GET_SHARE: f64 = 0.5;
/// Near its end, a session is read this many times as often with a Get.
const ENDING_GET_FACTOR: u32 = 8;

/// The intervals that the configuration fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PollIntervals {
    /// Shortest scan interval of a live scan group.
    pub live: Duration,
    /// Shortest scan interval of a pending scan group.
    pub pending: Duration,
    /// Shortest interval of the discovery scans of a group.
    pub discovery: Duration,
    /// Interval in which discovery reads the lists of reconnecting sessions.
    pub reconnect_scan: Duration,
    /// Interval of discovery scans that are denied or fail.
    pub failed_discovery: Duration,
    /// Delays after failed lists, and after a Get that found a session that a list had missed.
    pub retry: ExponentialBackoff,
}

impl PollIntervals {
    /// The configured intervals.
    pub(crate) fn new(timing: &Timing) -> Self {
        Self {
            live: timing.activating_poll_interval,
            pending: timing.pending_poll_interval_min,
            discovery: timing.discovery_interval,
            reconnect_scan: timing.reconnect_scan_interval,
            failed_discovery: timing.denied_retry_max,
            retry: timing.retry_backoff(),
        }
    }

    /// The shortest interval of a scan group.
    pub(crate) const fn of(&self, scan_set: ScanSet) -> Duration {
        match scan_set {
            ScanSet::Live => self.live,
            ScanSet::Pending => self.pending,
        }
    }

    /// The interval of a session's Gets if it shows no change; `usual` is that of all others at the present load.
    pub(crate) fn get_interval(&self, scan_set: ScanSet, usual: Duration, ends_soon: bool) -> Duration {
        let usual = if ends_soon { usual / ENDING_GET_FACTOR } else { usual };
        usual.max(self.of(scan_set))
    }
}

/// The interval of Gets for accepted exports while `gets` are scheduled and `rate` Gets a second are allowed: all of
/// them take at most [`PENDING_GET_SHARE`].
pub(crate) fn pending_get_interval(gets: usize, rate: f64, timing: &Timing) -> Duration {
    let (min, max) = (timing.pending_poll_interval_min, timing.pending_poll_interval_max);
    Duration::try_from_secs_f64(gets as f64 / (PENDING_GET_SHARE * rate)).unwrap_or(max).clamp(min, max.max(min))
}

/// How long a scan of this many pages takes at a part of the List share; `rate` is in pages a second.
pub(crate) fn scan_interval(pages: f64, rate: f64, ends_expected: bool) -> Duration {
    let share = if ends_expected { SCAN_SHARE_WHILE_ENDING } else { SCAN_SHARE };
    Duration::try_from_secs_f64(pages / (rate * share)).unwrap_or(MAX_SCAN_INTERVAL).min(MAX_SCAN_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::timing;

    #[test]
    fn gets_of_pending_exports_take_half_of_the_share_within_the_configured_bounds() {
        let interval = |gets, rate| pending_get_interval(gets, rate, &timing());
        assert_eq!(interval(0, 10.0), timing().pending_poll_interval_min);
        assert_eq!(interval(100, 10.0), Duration::from_secs(20));
        assert_eq!(interval(1_000_000, 10.0), timing().pending_poll_interval_max);
        assert_eq!(interval(1, 0.0), timing().pending_poll_interval_max);
    }

    #[test]
    fn a_scan_takes_its_part_of_the_share_and_an_hour_at_most() {
        assert_eq!(scan_interval(50.0, 10.0, false), Duration::from_secs(10));
        assert!(scan_interval(60.0, 10.0, true) < Duration::from_secs(11));
        assert_eq!(scan_interval(1e12, 10.0, false), MAX_SCAN_INTERVAL);
        assert_eq!(scan_interval(f64::NAN, 10.0, false), MAX_SCAN_INTERVAL);
    }

    #[test]
    fn near_its_end_a_session_is_read_more_often_but_never_below_the_minimum() {
        let intervals = PollIntervals::new(&timing());
        let get = |usual, soon| intervals.get_interval(ScanSet::Pending, Duration::from_secs(usual), soon);
        assert_eq!(
            (get(160, false), get(160, true), get(8, true)),
            (Duration::from_secs(160), Duration::from_secs(20), timing().pending_poll_interval_min,)
        );
    }
}
