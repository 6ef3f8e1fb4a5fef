//! Warnings about objects that can't be decoded, limited to one a minute for each namespace, so that a tenant that
//! keeps changing them doesn't fill the log.

use crate::runtime::received::DecodeError;
use crate::runtime::watch::WatchableResource;
use kube_runtime::reflector::ObjectRef;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Time between two warnings about one namespace.
const INTERVAL: Duration = Duration::from_secs(60);

/// The last warning, by namespace.
#[derive(Debug, Default)]
pub(crate) struct Warnings(HashMap<String, LastWarning>);

#[derive(Debug)]
struct LastWarning {
    next: Instant,
    /// Changes to unreadable objects since the last warning.
    suppressed: usize,
}

impl Warnings {
    /// Logs a warning that names the object, or only counts it.
    pub(crate) fn log_warning<K: WatchableResource>(&mut self, object: &ObjectRef<K>, error: &DecodeError) {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        if let Some(count) = self.count_unreadable(namespace, Instant::now()) {
            let name = &*object.name;
            tracing::warn!(namespace, name, count, %error, "an object can't be decoded and is ignored until it changes");
        }
    }

    /// Counts one change. If a warning is due, returns the number of changes since the last one, this one included.
    fn count_unreadable(&mut self, namespace: &str, now: Instant) -> Option<usize> {
        let warned = self.0.entry(namespace.to_owned()).or_insert(LastWarning { next: now, suppressed: 0 });
        warned.suppressed += 1;
        if now < warned.next {
            return None;
        }
        warned.next = now + INTERVAL;
        Some(std::mem::take(&mut warned.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_named_once_a_minute_with_a_count_and_no_other_waits_for_it() {
        let (mut warnings, start) = (Warnings::default(), Instant::now());
        assert_eq!(warnings.count_unreadable("a", start), Some(1));
        assert_eq!(warnings.count_unreadable("a", start + INTERVAL / 2), None);
        assert_eq!(warnings.count_unreadable("b", start + INTERVAL / 2), Some(1));
        assert_eq!(warnings.count_unreadable("a", start + INTERVAL), Some(2));
        assert_eq!(warnings.count_unreadable("a", start + INTERVAL), None);
    }
}
