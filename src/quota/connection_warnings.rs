//! Warnings about hosts that don't answer: a status has the cause without addresses, the log has the host.
//!
//! Owns: that one cause at one host is logged once in ten minutes, however many calls meet it and however the causes
//! alternate. Never: decides anything.

use crate::aws::failure::{CallFailure, ConnectionFailure, FailureDetail};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Time between two warnings about one cause at one host.
const INTERVAL: Duration = Duration::from_secs(600);
/// Causes that are remembered: hosts are those of the Regions in use and of the source of credentials.
const MAX_REMEMBERED: usize = 256;

/// The time of the last warning about each host and cause.
#[derive(Debug, Default)]
pub(super) struct ConnectionWarnings(Mutex<HashMap<(Option<String>, ConnectionFailure), Instant>>);

impl ConnectionWarnings {
    /// Logs a failure without an answer, unless the same has been logged lately.
    pub(super) fn log_warning(&self, failure: &CallFailure, now: Instant) {
        let (cause, what) = match failure.detail {
            FailureDetail::Connection(cause) => (cause, "AWS can't be reached"),
            FailureDetail::CredentialsSource(cause) => (cause, "the source of credentials can't be reached"),
            FailureDetail::Unknown | FailureDetail::Answer(_) | FailureDetail::ForeignAnswer(_) => return,
        };
        if self.is_due(failure.host.clone(), cause, now) {
            let (host, error) = (failure.host.as_deref(), failure.original.as_deref());
            tracing::warn!(operation = %failure.operation, host, error, "{what}: {cause}");
        }
    }

    fn is_due(&self, host: Option<String>, cause: ConnectionFailure, now: Instant) -> bool {
        let mut logged = self.0.lock();
        let key = (host, cause);
        if logged.get(&key).is_some_and(|at| now < *at + INTERVAL) {
            return false;
        }
        if logged.len() >= MAX_REMEMBERED {
            logged.clear();
        }
        logged.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_at_each_host_is_logged_once_in_ten_minutes() {
        let (warnings, start) = (ConnectionWarnings::default(), Instant::now());
        let is_due = |host: &str, cause, after| warnings.is_due(Some(host.to_owned()), cause, start + after);
        let (refused, timeout) = (ConnectionFailure::Refused, ConnectionFailure::Timeout);
        assert!(is_due("a", refused, Duration::ZERO));
        for round in 1..100 {
            assert_eq!(is_due("a", timeout, INTERVAL * round / 200), round == 1);
            assert!(!is_due("a", refused, INTERVAL * round / 200));
        }
        assert!(is_due("b", refused, INTERVAL / 2));
        assert!(is_due("a", refused, INTERVAL));
        (0..1000).for_each(|host| assert!(is_due(&host.to_string(), refused, INTERVAL)));
        assert!(warnings.0.lock().len() <= MAX_REMEMBERED);
    }
}
