//! One open breaker.
//!
//! Owns: its queued holders, and which of them may probe.
//! Never: reads a clock, takes a lock.

use crate::quota::breaker::{BreakerState, Denial};
use crate::quota::scheduler::Priority;
use crate::runtime::backoff::ExponentialBackoff;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The elected holder has this long to start its probe; then the next holder that checks gets it.
pub(super) const PROBE_CLAIM_TIMEOUT: Duration = Duration::from_secs(2);
/// A probe without a recorded result is over after this long.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// Order of election: fewest probes first, then the most urgent.
type ProbeOrder = (u32, Priority, Arc<str>);

#[derive(Debug)]
pub(super) struct OpenBreaker {
    /// The last denial.
    denial: Denial,
    /// When AWS first denied the call.
    since: Instant,
    /// Delays between two probes.
    backoff: ExponentialBackoff,
    /// Probes that were denied in a row, which set the delay.
    denied_probes: u32,
    /// When the next probe is due.
    next: Instant,
    /// The probing holder, and until when its result is awaited.
    probe: Option<(Arc<str>, Instant)>,
    /// Queued holders in order of election.
    order: BTreeSet<ProbeOrder>,
    /// Priority of each queued holder.
    urgencies: HashMap<Arc<str>, Priority>,
    /// Probes of each holder.
    probed: HashMap<Arc<str>, u32>,
}

impl OpenBreaker {
    /// A breaker opened by a denial of this holder's call.
    pub(super) fn new(uid: Arc<str>, denial: Denial, backoff: ExponentialBackoff, now: Instant) -> Self {
        let probed = HashMap::from([(uid, 1)]);
        let (order, urgencies) = (BTreeSet::new(), HashMap::new());
        let next = now + backoff.delay_after(0);
        Self { denial, since: now, backoff, denied_probes: 0, next, probe: None, order, urgencies, probed }
    }

    pub(super) fn check(&mut self, uid: &Arc<str>, urgency: Priority, now: Instant) -> BreakerState {
        self.enqueue(uid, urgency);
        if let Some((prober, until)) = &self.probe
            && now < *until
        {
            return if prober == uid { BreakerState::HalfOpen } else { self.open_state(*until) };
        }
        if now < self.next {
            return self.open_state(self.next);
        }
        match self.order.first().map(|(_, _, elected)| elected.clone()) {
            Some(elected) if elected != *uid && now < self.next + PROBE_CLAIM_TIMEOUT => {
                return self.open_state(self.next + PROBE_CLAIM_TIMEOUT);
            }
            Some(elected) if elected != *uid => self.count_probe(&elected),
            Some(_) | None => {}
        }
        self.count_probe(uid);
        self.probe = Some((uid.clone(), now + PROBE_TIMEOUT));
        BreakerState::HalfOpen
    }

    pub(super) fn record_denial(&mut self, uid: &Arc<str>, denial: Denial, now: Instant) {
        if self.end_probe(uid) {
            self.denial = denial;
            self.denied_probes = self.denied_probes.saturating_add(1);
            self.next = now + self.backoff.delay_after(self.denied_probes);
        }
    }

    pub(super) fn record_inconclusive(&mut self, uid: &Arc<str>, now: Instant) {
        if self.end_probe(uid) {
            self.next = now + self.backoff.delay_after(self.denied_probes);
        }
    }

    pub(super) fn cancel(&mut self, uid: &str) {
        if let Some((uid, urgency)) = self.urgencies.remove_entry(uid) {
            let probed = self.probed.get(&uid).copied().unwrap_or_default();
            self.order.remove(&(probed, urgency, uid));
        }
        self.probed.remove(uid);
        self.probe.take_if(|(prober, _)| **prober == *uid);
    }

    pub(super) fn into_queued(self) -> Vec<Arc<str>> {
        self.order.into_iter().map(|(_, _, uid)| uid).collect()
    }

    /// The holder that may probe, if a probe is due.
    pub(super) fn probe_candidate(&self, now: Instant) -> Option<Arc<str>> {
        let due = now >= self.next && self.probe.as_ref().is_none_or(|(_, until)| now >= *until);
        self.order.first().filter(|_| due).map(|(_, _, uid)| uid.clone())
    }

    /// When [`Self::probe_candidate`] may change next.
    pub(super) fn next_look(&self, now: Instant) -> Instant {
        let probe = self.probe.as_ref().map(|(_, until)| *until);
        let later = |at: &Instant| *at > now;
        [Some(self.next), probe].into_iter().flatten().filter(later).max().unwrap_or(now + PROBE_CLAIM_TIMEOUT)
    }

    /// True if no holder is queued, and a probe has been due for ten times the longest delay.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.order.is_empty() && now >= self.next + self.backoff.longest * 10
    }

    fn open_state(&self, next: Instant) -> BreakerState {
        BreakerState::Open { denial: self.denial.clone(), since: self.since, next }
    }

    fn end_probe(&mut self, uid: &Arc<str>) -> bool {
        self.probe.take_if(|(prober, _)| prober == uid).is_some()
    }

    fn enqueue(&mut self, uid: &Arc<str>, urgency: Priority) {
        let probed = self.probed.get(uid).copied().unwrap_or_default();
        if let Some(before) = self.urgencies.insert(uid.clone(), urgency) {
            self.order.remove(&(probed, before, uid.clone()));
        }
        self.order.insert((probed, urgency, uid.clone()));
    }

    /// Counts a probe of this holder.
    fn count_probe(&mut self, uid: &Arc<str>) {
        let probed = self.probed.get(uid).copied().unwrap_or_default();
        if let Some(urgency) = self.urgencies.get(uid).copied() {
            self.order.remove(&(probed, urgency, uid.clone()));
            self.order.insert((probed + 1, urgency, uid.clone()));
        }
        self.probed.insert(uid.clone(), probed + 1);
    }
}
