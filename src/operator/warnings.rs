//! Warnings of objects that can't be decoded, one a minute for each namespace: a tenant that changes them all the time
//! fills no log.

use super::received::DecodeError;
use super::watch::Watched;
use kube::runtime::reflector::ObjectRef;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Between two warnings of one namespace.
const INTERVAL: Duration = Duration::from_secs(60);

/// By namespace.
#[derive(Debug, Default)]
pub(super) struct Warnings(HashMap<String, LastWarning>);

#[derive(Debug)]
struct LastWarning {
    next: Instant,
    /// Changes to unreadable objects since the last warning.
    suppressed: usize,
}

impl Warnings {
    /// Names the object, or only counts it.
    pub(super) fn warn<K: Watched>(&mut self, object: &ObjectRef<K>, error: &DecodeError) {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        if let Some(count) = self.count(namespace, Instant::now()) {
            let name = &*object.name;
            tracing::warn!(namespace, name, count, %error, "an object can't be decoded and is left alone");
        }
    }

    /// How many there have been since the last warning, this one included, if a warning is due.
    fn count(&mut self, namespace: &str, now: Instant) -> Option<usize> {
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
        assert_eq!(warnings.count("a", start), Some(1));
        assert_eq!(warnings.count("a", start + INTERVAL / 2), None);
        assert_eq!(warnings.count("b", start + INTERVAL / 2), Some(1));
        assert_eq!(warnings.count("a", start + INTERVAL), Some(2));
        assert_eq!(warnings.count("a", start + INTERVAL), None);
    }
}
