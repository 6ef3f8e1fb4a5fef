//! One bucket: its limiter, who waits, and who has been granted a turn and has not sent yet.
//!
//! Owns: how far ahead turns are granted. A turn takes time from the grant to the send (the object is re-queued, its
//! intent is written), so a grant comes that much before its token: late enough that callers don't stand about,
//! early enough that the quota never waits for them. Never: takes a lock, sleeps, reads a clock.

use super::queue::{Queue, Waiter};
use super::{Holder, Urgency};
use crate::streams::quota::Limiter;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A turn that nobody came for, or that was not sent, after this long no longer counts as outstanding.
pub(super) const GRANT_LIFE: Duration = Duration::from_secs(3);
/// A token may be waited for as long as one interval, within these bounds.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));
/// The first guess at the time from grant to send.
const FIRST_GUESS: f64 = 0.02;

/// A turn that was granted and not used yet.
#[derive(Debug)]
struct Grant {
    waiter: Waiter,
    number: u64,
    at: Instant,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The holder has been told, and has not come yet.
    Told,
    /// The holder is about to call.
    Taken,
    /// The holder waits for the token.
    Ready,
}

/// What an asking holder is told.
pub(super) enum Asked {
    Granted { number: u64 },
    Waiting { since: Instant },
}

/// What a ready holder is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Taken,
    At(Instant),
    PutBack,
}

/// The state of one bucket.
#[derive(Debug)]
pub(super) struct Lane {
    limiter: Limiter,
    queue: Queue,
    grants: HashMap<Arc<str>, Grant>,
    numbers: u64,
    /// Smoothed time from grant to readiness, in seconds.
    lead: Option<f64>,
}

impl Lane {
    /// One that is empty at `begun`.
    pub(super) fn new(share: f64, begun: Instant) -> Self {
        let (limiter, queue, grants) = (Limiter::new(share, begun), Queue::default(), HashMap::new());
        Self { limiter, queue, grants, numbers: 0, lead: None }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn limiter(&mut self) -> &mut Limiter {
        &mut self.limiter
    }

    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.queue.is_empty() && self.grants.is_empty() && self.limiter.is_idle(now)
    }

    /// Takes the turn that was granted, or queues.
    pub(super) fn ask(&mut self, holder: Holder, urgency: Urgency, now: Instant, told: &mut Vec<Arc<str>>) -> Asked {
        let uid = holder.uid.clone();
        self.expire(now);
        if !self.grants.contains_key(&uid) {
            self.queue.ask(holder, urgency, now);
        }
        self.grant(now, told);
        match self.grants.get_mut(&uid) {
            Some(grant) if grant.stage == Stage::Told => {
                grant.stage = Stage::Taken;
                told.retain(|told| *told != uid);
                Asked::Granted { number: grant.number }
            }
            Some(grant) => Asked::Waiting { since: grant.waiter.since },
            None => Asked::Waiting { since: self.queue.since(&uid).unwrap_or(now) },
        }
    }

    /// Forgets a holder, waiting or granted.
    pub(super) fn withdraw(&mut self, uid: &str) {
        self.queue.withdraw(uid);
        self.grants.remove(uid);
    }

    /// Grants what is due, and returns when to look again.
    pub(super) fn grant(&mut self, now: Instant, told: &mut Vec<Arc<str>>) -> Option<Instant> {
        self.expire(now);
        while !self.queue.is_empty() {
            let early = self.limiter.wait(self.outstanding(now), now).saturating_sub(self.ahead(now));
            if !early.is_zero() {
                let expiry = self.grants.values().map(|grant| grant.at + GRANT_LIFE).filter(|at| *at > now);
                return expiry.chain(now.checked_add(early)).min();
            }
            let waiter = self.queue.pop()?;
            self.numbers += 1;
            let uid = waiter.holder.uid.clone();
            told.push(uid.clone());
            self.grants.insert(uid, Grant { waiter, number: self.numbers, at: now, stage: Stage::Told });
        }
        None
    }

    /// Forgets turns that nobody came for.
    fn expire(&mut self, now: Instant) {
        self.grants.retain(|_, grant| grant.stage != Stage::Told || now < grant.at + GRANT_LIFE);
    }

    /// The holder of a turn is ready to send: from now on it may wait this long.
    pub(super) fn ready(&mut self, uid: &str, number: u64, now: Instant) -> Duration {
        if let Some(grant) = self.grants.get_mut(uid).filter(|grant| grant.number == number) {
            grant.stage = Stage::Ready;
            let sample = now.saturating_duration_since(grant.at).min(GRANT_LIFE).as_secs_f64();
            self.lead = Some(self.lead.map_or(sample, |lead| lead + (sample - lead) / 8.0));
        }
        self.limiter.interval(now).clamp(PATIENCE.0, PATIENCE.1)
    }

    /// Takes the token of a ready holder, in the order of grants.
    pub(super) fn take(&mut self, uid: &str, number: u64, until: Instant, now: Instant) -> Token {
        let Some(grant) = self.grants.get(uid).filter(|grant| grant.number == number) else {
            return Token::PutBack;
        };
        let before = |other: &&Grant| other.stage == Stage::Ready && other.number < grant.number;
        let wait = self.limiter.wait(self.grants.values().filter(before).count(), now);
        if wait.is_zero() && self.limiter.try_take(now).is_ok() {
            self.grants.remove(uid);
            return Token::Taken;
        }
        if now + wait <= until {
            return Token::At(now + wait);
        }
        if let Some(grant) = self.grants.remove(uid) {
            self.queue.put_back(grant.waiter);
        }
        Token::PutBack
    }

    /// A turn was given up unused.
    pub(super) fn release(&mut self, uid: &str, number: u64) {
        if self.grants.get(uid).is_some_and(|grant| grant.number == number) {
            self.grants.remove(uid);
        }
    }

    /// Turns whose token is still to be taken. One that takes too long is no longer reckoned with; if it comes after
    /// all, it finds a token or is put back.
    fn outstanding(&self, now: Instant) -> usize {
        self.grants.values().filter(|grant| now < grant.at + GRANT_LIFE).count()
    }

    /// How long before its token a turn is granted: what callers take, and a little more, so that one of them stands
    /// ready when a token becomes free.
    fn ahead(&self, now: Instant) -> Duration {
        let takes = Duration::try_from_secs_f64(self.lead.unwrap_or(FIRST_GUESS)).unwrap_or_default();
        takes.min(GRANT_LIFE) + self.limiter.interval(now).min(PATIENCE.0)
    }
}
