//! Circuit breakers: after AWS has denied a call, ten thousand objects don't repeat it.
//!
//! Owns: which (identity, Region, operation, group, prefix of a rule) is denied, and which holder may retry it when:
//! one at a time, after 10, 20, 40, then every 60 s (from the configuration), a different one each time, the most
//! urgent first.
//! Never: reads a clock, makes a call, or spends quota: breakers are checked before a reservation is requested.

pub(crate) mod open;
#[cfg(test)]
mod tests;

use crate::aws::failure::{FailureClass, FailureDetail};
use crate::aws::identifiers::{Region, StreamGroupArn, StreamGroupId};
use crate::aws::operation::Operation;
use crate::quota::breaker::open::OpenBreaker;
use crate::quota::scheduler::Priority;
use crate::runtime::backoff::ExponentialBackoff;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;

/// What a denial holds for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum BreakerKey {
    /// [`FailureClass::AccessDenied`]: IAM decides by operation, group and, for an export, destination. A denial below
    /// one prefix of the administrator's rules says nothing about another prefix.
    Permission {
        /// The identity, an opaque name.
        identity: Arc<str>,
        /// The Region.
        region: Region,
        /// The denied operation.
        operation: Operation,
        /// The stream group.
        group: StreamGroupId,
        /// The rule's prefix above the destination; `None` for reads.
        prefix: Option<Box<str>>,
    },
    /// [`FailureClass::Credentials`]: holds for everything that the identity does in the Region.
    Credentials {
        /// The identity, an opaque name.
        identity: Arc<str>,
        /// The Region.
        region: Region,
    },
}

impl BreakerKey {
    /// The key of a read.
    pub(crate) fn for_read(identity: Arc<str>, operation: Operation, group: &StreamGroupArn) -> Self {
        let StreamGroupArn { region, account: _, group } = group.clone();
        Self::Permission { identity, region, operation, group, prefix: None }
    }

    /// The key of exports to destinations below one prefix of a rule.
    pub(crate) fn for_export(identity: Arc<str>, group: &StreamGroupArn, prefix: &str) -> Self {
        let StreamGroupArn { region, account: _, group } = group.clone();
        Self::Permission { identity, region, operation: Operation::Export, group, prefix: Some(prefix.into()) }
    }

    /// The key of an identity's credentials.
    pub(crate) fn for_credentials(identity: Arc<str>, region: Region) -> Self {
        Self::Credentials { identity, region }
    }
}

/// A denial of AWS, as it is shown to others than the object whose call was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denial {
    /// The class.
    pub class: FailureClass,
    /// The cause without AWS's text.
    pub detail: FailureDetail,
}

/// The result of [`CircuitBreakers::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BreakerState {
    /// Calls pass.
    Closed,
    /// Denied to others, but this holder may probe; the result must be recorded ([`CircuitBreakers::record_denial`],
    /// [`CircuitBreakers::record_success`] or [`CircuitBreakers::record_inconclusive`]).
    HalfOpen,
    /// The call must not be made.
    Open {
        /// The last denial.
        denial: Denial,
        /// When AWS first denied it.
        since: Instant,
        /// When to check again. [`CircuitBreakers::probes_due`] returns the holder that may probe then.
        next: Instant,
    },
}

/// All circuit breakers of one leader term.
#[derive(Debug)]
pub(crate) struct CircuitBreakers {
    /// Delays between two probes.
    backoff: ExponentialBackoff,
    breakers: Mutex<HashMap<BreakerKey, OpenBreaker>>,
}

impl CircuitBreakers {
    /// All closed.
    pub(crate) fn new(backoff: ExponentialBackoff) -> Self {
        Self { backoff, breakers: Mutex::default() }
    }

    /// Whether this holder may call. An open breaker queues the holder until it is cancelled or the breaker closes.
    pub(crate) fn check(&self, key: &BreakerKey, uid: &Arc<str>, urgency: Priority, now: Instant) -> BreakerState {
        self.breakers.lock().get_mut(key).map_or(BreakerState::Closed, |breaker| breaker.check(uid, urgency, now))
    }

    /// AWS denied this holder's call. Opens a closed breaker; after a probe, doubles the delay. A call that was in
    /// flight when the breaker opened changes nothing.
    pub(crate) fn record_denial(&self, key: &BreakerKey, uid: &Arc<str>, denial: Denial, now: Instant) {
        let mut breakers = self.breakers.lock();
        if let Some(breaker) = breakers.get_mut(key) {
            breaker.record_denial(uid, denial, now);
        } else {
            breakers.insert(key.clone(), OpenBreaker::new(uid.clone(), denial, self.backoff, now));
        }
    }

    /// AWS allowed the call: closes the breaker, and returns the uids of all queued holders, to be requeued.
    pub(crate) fn record_success(&self, key: &BreakerKey) -> Vec<Arc<str>> {
        self.breakers.lock().remove(key).map(OpenBreaker::into_queued).unwrap_or_default()
    }

    /// The probe had no result (no answer, throttled, rejected for another reason): the next one comes after the same
    /// delay.
    pub(crate) fn record_inconclusive(&self, key: &BreakerKey, uid: &Arc<str>, now: Instant) {
        if let Some(breaker) = self.breakers.lock().get_mut(key) {
            breaker.record_inconclusive(uid, now);
        }
    }

    /// Removes a holder: it is deleted, suspended or finished.
    pub(crate) fn cancel(&self, uid: &str) {
        self.breakers.lock().values_mut().for_each(|breaker| breaker.cancel(uid));
    }

    /// Returns the holders that may probe now, to be requeued, and when to call this again. Drops expired breakers.
    pub(crate) fn probes_due(&self, now: Instant) -> (Vec<Arc<str>>, Option<Instant>) {
        let mut breakers = self.breakers.lock();
        breakers.retain(|_, breaker| !breaker.is_expired(now));
        let next = breakers.values().map(|breaker| breaker.next_look(now)).min();
        (breakers.values().filter_map(|breaker| breaker.probe_candidate(now)).collect(), next)
    }
}
