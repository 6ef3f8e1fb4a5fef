//! Requests a second for each operation, account and Region: a token bucket that holds one
//! second's worth. AWS publishes the rate (20) but not the algorithm; the bucket is a guess.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::identity::Scope;
use crate::wire::route::Operation;

/// What is allowed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Whether requests are limited at all.
    pub enabled: bool,
    /// Requests a second, for operations that have no rate of their own.
    pub per_second: f64,
    /// Requests a second of single operations.
    pub operations: BTreeMap<Operation, f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { enabled: true, per_second: 20.0, operations: BTreeMap::new() }
    }
}

impl Limits {
    fn rate(&self, operation: Operation) -> f64 {
        self.operations.get(&operation).copied().unwrap_or(self.per_second)
    }
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// The buckets of all operations, accounts and Regions.
#[derive(Debug, Default)]
pub struct Quota {
    limits: Limits,
    buckets: HashMap<(Operation, Scope), Bucket>,
}

impl Quota {
    /// Full buckets under these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, buckets: HashMap::new() }
    }

    /// What is allowed now.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sets new limits; the buckets start full.
    pub fn set(&mut self, limits: Limits) {
        *self = Self::new(limits);
    }

    /// Takes one request out of its bucket; false when it is to be throttled, which costs nothing.
    pub fn admit(&mut self, operation: Operation, scope: &Scope, now: Instant) -> bool {
        if !self.limits.enabled {
            return true;
        }
        let rate = self.limits.rate(operation);
        let bucket = self.buckets.entry((operation, scope.clone())).or_insert(Bucket { tokens: rate, filled: now });
        let elapsed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + elapsed * rate).min(rate.max(1.0));
        bucket.filled = now;
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn admitted(quota: &mut Quota, scope: &Scope, now: Instant, tries: usize) -> usize {
        (0..tries).filter(|_| quota.admit(Operation::GetStreamSession, scope, now)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn twenty_a_second_with_a_burst_of_one_second() {
        let mut quota = Quota::default();
        let scope = Scope::new("111122223333", "us-west-2");
        let start = Instant::now();
        assert_eq!(admitted(&mut quota, &scope, start, 100), 20);
        let later = start + Duration::from_millis(500);
        assert_eq!(admitted(&mut quota, &scope, later, 100), 10);
        let much_later = start + Duration::from_secs(60);
        assert_eq!(admitted(&mut quota, &scope, much_later, 100), 20, "nothing is saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn each_operation_account_and_region_has_its_own() {
        let mut quota = Quota::default();
        let now = Instant::now();
        let here = Scope::new("111122223333", "us-west-2");
        assert_eq!(admitted(&mut quota, &here, now, 100), 20);
        for scope in [Scope::new("444455556666", "us-west-2"), Scope::new("111122223333", "eu-central-1")] {
            assert_eq!(admitted(&mut quota, &scope, now, 100), 20);
        }
        assert!(quota.admit(Operation::ExportStreamSessionFiles, &here, now));
    }

    #[tokio::test(start_paused = true)]
    async fn rates_can_be_set_and_switched_off() {
        let scope = Scope::new("111122223333", "us-west-2");
        let now = Instant::now();
        let mut quota = Quota::new(serde_json::from_str(r#"{"operations":{"GetStreamSession":3}}"#).unwrap());
        assert_eq!(admitted(&mut quota, &scope, now, 100), 3);
        quota.set(serde_json::from_str(r#"{"enabled":false}"#).unwrap());
        assert_eq!(admitted(&mut quota, &scope, now, 100), 100);
    }
}
