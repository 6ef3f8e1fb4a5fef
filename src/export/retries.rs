//! When to try again what the API server has not taken: each object by itself, and less and less often.

use super::request::Uid;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After the first failure; doubles.
const FIRST: Duration = Duration::from_secs(2);
/// Longest wait: within it an object goes on once the API server is back.
const LONGEST: Duration = Duration::from_secs(30);

/// Failures in a row, by object. What works is not remembered.
#[derive(Debug, Default)]
pub struct Retries(Mutex<HashMap<Uid, u32>>);

impl Retries {
    /// It has failed (once more): how long to wait.
    pub fn failed(&self, uid: &Uid) -> Duration {
        let mut failures = self.lock();
        let count = failures.entry(uid.clone()).or_default();
        let wait = FIRST.saturating_mul(1_u32.checked_shl(*count).unwrap_or(u32::MAX)).min(LONGEST);
        *count = count.saturating_add(1);
        wait
    }

    /// It has worked, or the object is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uid, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_for_each_object_by_itself_until_it_works() {
        let retries = Retries::default();
        let (one, other): (Uid, Uid) = ("one".into(), "other".into());
        let waits: Vec<u64> = (0..40).map(|_| retries.failed(&one).as_secs()).collect();
        assert_eq!(waits[..6], [2, 4, 8, 16, 30, 30]);
        assert_eq!(waits[39], 30);
        assert_eq!(retries.failed(&other).as_secs(), 2);
        retries.forget("one");
        assert_eq!(retries.failed(&one).as_secs(), 2);
    }
}
