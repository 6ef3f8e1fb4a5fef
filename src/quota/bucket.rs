//! One bucket: its limiter, its queue, and the granted reservations that are not used yet.
//!
//! Owns: how far ahead reservations are granted. From the grant to the send takes time (the object is requeued, its
//! intent is written), so a grant comes that much before its token: late enough that callers don't wait for the token,
//! early enough that no quota is lost.
//! Never: takes a lock, sleeps, reads a clock.

#[cfg(test)]
mod tests;

use crate::quota::fair_queue::{FairQueue, QueuedRequest};
use crate::quota::limiter::GcraLimiter;
use crate::quota::scheduler::{Priority, Requester};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A granted reservation whose token isn't taken within this time no longer counts as outstanding.
pub(super) const RESERVATION_TTL: Duration = Duration::from_secs(3);
/// A token may be waited for as long as one interval, within these bounds.
const SEND_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));
/// Initial estimate of the time from grant to send, in seconds.
const INITIAL_LEAD_TIME: f64 = 0.02;

/// A reservation that was granted and not used yet.
#[derive(Debug)]
struct PendingReservation {
    waiter: QueuedRequest,
    number: u64,
    at: Instant,
    /// Its holder waits for the token; else it prepares its call.
    ready: bool,
}

/// A new grant, for which the scheduler makes a [`Permit`](crate::quota::permit::Permit).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) uid: Arc<str>,
    pub(super) number: u64,
}

/// The result of [`QuotaBucket::take_slot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TakeResult {
    Taken,
    At(Instant),
    Requeued,
}

/// The state of one bucket.
#[derive(Debug)]
pub(super) struct QuotaBucket {
    /// Paces the sends.
    limiter: GcraLimiter,
    /// Holders without a grant.
    queue: FairQueue,
    /// Granted reservations by uid.
    grants: HashMap<Arc<str>, PendingReservation>,
    /// Number of the last grant.
    numbers: u64,
    /// Smoothed time from grant to readiness, in seconds.
    lead_time: Option<f64>,
}

impl QuotaBucket {
    /// A bucket whose limiter is empty at `begun`.
    pub(super) fn new(share: f64, queue: FairQueue, begun: Instant) -> Self {
        Self { limiter: GcraLimiter::new(share, begun), queue, grants: HashMap::new(), numbers: 0, lead_time: None }
    }

    pub(super) fn queue_length(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn rate_limiter(&mut self) -> &mut GcraLimiter {
        &mut self.limiter
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.queue.is_empty() && self.grants.is_empty() && self.limiter.is_idle(now)
    }

    /// Queues a holder that has no grant, and grants what is due, perhaps to this holder. Returns since when the holder
    /// has waited.
    pub(super) fn reserve(
        &mut self,
        holder: Requester,
        urgency: Priority,
        now: Instant,
        granted: &mut Vec<Grant>,
    ) -> Instant {
        let uid = holder.uid.clone();
        if !self.grants.contains_key(&uid) {
            self.queue.enqueue(holder, urgency, now);
        }
        self.grant_due(now, granted);
        let since = self.grants.get(&uid).map(|grant| grant.waiter.since).or_else(|| self.queue.queued_since(&uid));
        since.unwrap_or(now)
    }

    /// Removes a holder, queued or granted.
    pub(super) fn cancel(&mut self, uid: &str) {
        self.queue.cancel(uid);
        self.grants.remove(uid);
    }

    /// Grants what is due, adds it to `granted`, and returns when to run again; `None` if the queue is empty.
    pub(super) fn grant_due(&mut self, now: Instant, granted: &mut Vec<Grant>) -> Option<Instant> {
        while !self.queue.is_empty() {
            let early = self.limiter.wait_for_slot(self.in_use(now), now).saturating_sub(self.lead_time(now));
            if !early.is_zero() {
                let expiry = self.grants.values().map(|grant| grant.at + RESERVATION_TTL).filter(|at| *at > now);
                return expiry.chain(now.checked_add(early)).min();
            }
            let waiter = self.queue.pop()?;
            self.numbers += 1;
            let uid = waiter.holder.uid.clone();
            granted.push(Grant { uid: uid.clone(), number: self.numbers });
            self.grants.insert(uid, PendingReservation { waiter, number: self.numbers, at: now, ready: false });
        }
        None
    }

    /// The holder is ready to send. Returns how long it may wait for the token.
    pub(super) fn start_sending(&mut self, uid: &str, number: u64, now: Instant) -> Duration {
        if let Some(grant) = self.grants.get_mut(uid).filter(|grant| grant.number == number) {
            grant.ready = true;
            let sample = now.saturating_duration_since(grant.at).min(RESERVATION_TTL).as_secs_f64();
            self.lead_time = Some(self.lead_time.map_or(sample, |lead_time| lead_time + (sample - lead_time) / 8.0));
        }
        self.limiter.slot_interval(now).clamp(SEND_WAIT.0, SEND_WAIT.1)
    }

    /// Takes the token of a ready holder, in the order of grants.
    pub(super) fn take_slot(&mut self, uid: &str, number: u64, until: Instant, now: Instant) -> TakeResult {
        let Some(grant) = self.grants.get(uid).filter(|grant| grant.number == number) else {
            return TakeResult::Requeued;
        };
        let before = |other: &&PendingReservation| other.ready && other.number < grant.number;
        let wait = self.limiter.wait_for_slot(self.grants.values().filter(before).count(), now);
        if wait.is_zero() && self.limiter.try_take(now).is_ok() {
            self.grants.remove(uid);
            return TakeResult::Taken;
        }
        if now + wait <= until {
            return TakeResult::At(now + wait);
        }
        if let Some(grant) = self.grants.remove(uid) {
            self.queue.put_back(grant.waiter);
        }
        TakeResult::Requeued
    }

    /// Releases a reservation that was not used.
    pub(super) fn release_slot(&mut self, uid: &str, number: u64) {
        if self.grants.get(uid).is_some_and(|grant| grant.number == number) {
            self.grants.remove(uid);
        }
    }

    /// Reservations whose token is still to be taken. One older than `RESERVATION_TTL` doesn't count; if its holder
    /// sends after all, it finds a token or is put back.
    fn in_use(&self, now: Instant) -> usize {
        self.grants.values().filter(|grant| now < grant.at + RESERVATION_TTL).count()
    }

    /// How long before its token a reservation is granted: the time that callers take, and a little more, so that one
    /// of them is ready when a token becomes free.
    fn lead_time(&self, now: Instant) -> Duration {
        let takes = Duration::try_from_secs_f64(self.lead_time.unwrap_or(INITIAL_LEAD_TIME)).unwrap_or_default();
        takes.min(RESERVATION_TTL) + self.limiter.slot_interval(now).min(SEND_WAIT.0)
    }
}
