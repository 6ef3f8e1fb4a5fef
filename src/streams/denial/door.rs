//! One closed gate.
//!
//! Owns: who waits before it, and whose turn it is to probe. Never: reads a clock, takes a lock.

use super::Admission;
use crate::streams::observation::FailureClass;
use crate::streams::turns::Urgency;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The elected holder has this long to come for its probe; then whoever asks gets it.
pub(super) const CLAIM: Duration = Duration::from_secs(2);
/// A probe that nobody reports on is over after this long.
pub(super) const PROBE_LIFE: Duration = Duration::from_secs(30);

/// Order of election: who probed least, then the most urgent.
type Place = (u32, Urgency, Arc<str>);

#[derive(Debug)]
pub(super) struct Door {
    class: FailureClass,
    since: Instant,
    delay: Duration,
    next: Instant,
    probe: Option<(Arc<str>, Instant)>,
    order: BTreeSet<Place>,
    urgencies: HashMap<Arc<str>, Urgency>,
    probed: HashMap<Arc<str>, u32>,
}

impl Door {
    /// Just closed by a denial of this holder's call.
    pub(super) fn new(uid: Arc<str>, class: FailureClass, delay: Duration, now: Instant) -> Self {
        let probed = HashMap::from([(uid, 1)]);
        let (order, urgencies) = (BTreeSet::new(), HashMap::new());
        Self { class, since: now, delay, next: now + delay, probe: None, order, urgencies, probed }
    }

    pub(super) fn admit(&mut self, uid: &Arc<str>, urgency: Urgency, now: Instant) -> Admission {
        self.remember(uid, urgency);
        if let Some((prober, until)) = &self.probe
            && now < *until
        {
            return if prober == uid { Admission::Probe } else { self.closed(*until) };
        }
        if now < self.next {
            return self.closed(self.next);
        }
        match self.order.first().map(|(_, _, elected)| elected.clone()) {
            Some(elected) if elected != *uid && now < self.next + CLAIM => return self.closed(self.next + CLAIM),
            Some(elected) if elected != *uid => self.count(&elected),
            Some(_) | None => {}
        }
        self.count(uid);
        self.probe = Some((uid.clone(), now + PROBE_LIFE));
        Admission::Probe
    }

    pub(super) fn denied(&mut self, uid: &Arc<str>, class: FailureClass, max: Duration, now: Instant) {
        if self.end_probe(uid) {
            self.class = class;
            self.delay = (self.delay * 2).min(max);
            self.next = now + self.delay;
        }
    }

    pub(super) fn inconclusive(&mut self, uid: &Arc<str>, now: Instant) {
        if self.end_probe(uid) {
            self.next = now + self.delay;
        }
    }

    pub(super) fn withdraw(&mut self, uid: &str) {
        if let Some((uid, urgency)) = self.urgencies.remove_entry(uid) {
            let probed = self.probed.get(&uid).copied().unwrap_or_default();
            self.order.remove(&(probed, urgency, uid));
        }
        self.probed.remove(uid);
        self.probe.take_if(|(prober, _)| **prober == *uid);
    }

    pub(super) fn into_waiting(self) -> Vec<Arc<str>> {
        self.order.into_iter().map(|(_, _, uid)| uid).collect()
    }

    /// Whose turn it is, if a probe is due.
    pub(super) fn elected(&self, now: Instant) -> Option<Arc<str>> {
        let due = now >= self.next && self.probe.as_ref().is_none_or(|(_, until)| now >= *until);
        self.order.first().filter(|_| due).map(|(_, _, uid)| uid.clone())
    }

    /// When an election may change next.
    pub(super) fn next_look(&self, now: Instant) -> Instant {
        let probe = self.probe.as_ref().map(|(_, until)| *until);
        let later = |at: &Instant| *at > now;
        [Some(self.next), probe].into_iter().flatten().filter(later).max().unwrap_or(now + CLAIM)
    }

    /// True if nobody has asked for long.
    pub(super) fn is_forgotten(&self, max: Duration, now: Instant) -> bool {
        self.order.is_empty() && now >= self.next + max * 10
    }

    fn closed(&self, next: Instant) -> Admission {
        Admission::Closed { class: self.class, since: self.since, next }
    }

    fn end_probe(&mut self, uid: &Arc<str>) -> bool {
        self.probe.take_if(|(prober, _)| prober == uid).is_some()
    }

    fn remember(&mut self, uid: &Arc<str>, urgency: Urgency) {
        let probed = self.probed.get(uid).copied().unwrap_or_default();
        if let Some(before) = self.urgencies.insert(uid.clone(), urgency) {
            self.order.remove(&(probed, before, uid.clone()));
        }
        self.order.insert((probed, urgency, uid.clone()));
    }

    /// One more probe that was this holder's.
    fn count(&mut self, uid: &Arc<str>) {
        let probed = self.probed.get(uid).copied().unwrap_or_default();
        if let Some(urgency) = self.urgencies.get(uid).copied() {
            self.order.remove(&(probed, urgency, uid.clone()));
            self.order.insert((probed + 1, urgency, uid.clone()));
        }
        self.probed.insert(uid.clone(), probed + 1);
    }
}
