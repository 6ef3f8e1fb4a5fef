//! Our share of AWS's request quota, for one (account, Region, operation).
//!
//! Owns: the arithmetic of the limiter: GCRA, kept as a debt of requests that the share pays off.
//! Never: reads a clock, waits, or keeps a queue.
//!
//! A request may go while the debt is at most the tolerance, and adds one. So what was sent in any second is at most
//! the share, plus one, plus the tolerance: with a tolerance below one interval, whole numbers make that the share
//! plus one. The tolerance lets a late request be made up for, where a strict pace would lose its slot.

#[cfg(test)]
mod tests;

use std::time::Duration;
use tokio::time::Instant;

/// Part of an interval by which a request may be early, to make up for a late one.
const TOLERANCE: f64 = 0.8;
/// After the last throttling, the share is whole again after this long. 90 % are reached after 0.974 of it.
const RECOVERY: Duration = Duration::from_secs(56);
/// Throttled answers within this long are one event: they come from calls at the old rate, and AWS has not yet
/// forgotten what we sent before.
const CUT_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// The share never shrinks below this part of itself.
const FLOOR: f64 = 1.0 / 32.0;
/// Nor below this many requests per second.
const FLOOR_PER_SECOND: f64 = 0.25;
/// Forgives the rounding of floating point.
const EPSILON: f64 = 1e-9;

/// The limiter of one bucket.
#[derive(Debug, Clone)]
pub(crate) struct GcraLimiter {
    /// Requests per second without throttling.
    share: f64,
    /// Requests by which the debt may be exceeded.
    tolerance: f64,
    /// Requests not yet paid off, as of `settled`.
    debt: f64,
    /// When `debt` was last updated.
    settled: Instant,
    /// The last throttling, if any.
    cut: Option<Throttle>,
}

/// The last time that AWS throttled us.
#[derive(Debug, Clone, Copy)]
struct Throttle {
    /// The rate just after the last throttled answer.
    low: f64,
    /// When the rate was last halved.
    halved: Instant,
    /// When the last throttled answer came.
    throttled: Instant,
}

impl GcraLimiter {
    /// A limiter of `share` requests per second, which starts empty: the first request may go one interval from
    /// `now`, so that a new leader and the one before it stay within the share together.
    ///
    /// The configuration refuses a share that isn't a positive number; here it counts as the smallest.
    pub(crate) fn new(share: f64, now: Instant) -> Self {
        let share = if share.is_finite() && share > 0.0 { share } else { FLOOR_PER_SECOND };
        // A share with a fraction leaves less room below the next whole request.
        let tolerance = TOLERANCE.min(0.9 * (1.0 - share.fract()));
        Self { share, tolerance, debt: 1.0 + tolerance, settled: now, cut: None }
    }

    /// Takes a token for a request that is sent now, or returns how long none will be free.
    pub(crate) fn try_take(&mut self, now: Instant) -> Result<(), Duration> {
        self.accrue(now);
        if self.debt > self.tolerance + EPSILON {
            return Err(self.wait_for_slot(0, now));
        }
        self.debt += 1.0;
        Ok(())
    }

    /// How long until a token is free after `ahead` others have taken theirs.
    pub(crate) fn wait_for_slot(&self, ahead: usize, now: Instant) -> Duration {
        let debt = self.debt_at(now) + ahead as f64;
        let seconds = (debt - self.tolerance).max(0.0) / self.current_rate(now);
        // Rounded up, or the caller would wake a nanosecond early.
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)
            + Duration::from_nanos(u64::from(seconds > 0.0))
    }

    /// AWS throttled a call that was begun at `begun`. Halves the rate, unless that call was already in flight at the
    /// last halving, or that was less than a second ago; recovery restarts in any case.
    pub(crate) fn on_throttled(&mut self, begun: Instant, now: Instant) {
        self.accrue(now);
        let rate = self.current_rate(now);
        self.cut = Some(match self.cut {
            Some(cut) if begun <= cut.halved || now < cut.halved + CUT_AT_MOST_EVERY => {
                Throttle { low: rate, throttled: now, ..cut }
            }
            Some(_) | None => Throttle { low: (rate / 2.0).max(self.lowest_rate()), halved: now, throttled: now },
        });
    }

    /// Requests per second that are allowed now.
    ///
    /// After throttling it grows with the fourth power of the time: slowly near the rate that was too much, which
    /// spares the customer's own calls, and fast once AWS has been content for long. (With the third power, a customer
    /// who takes 15 of 20 lost 1.3 % of his calls to our probing; with this one less than 1 %.)
    pub(crate) fn current_rate(&self, now: Instant) -> f64 {
        let Some(cut) = self.cut else { return self.share };
        let part = now.saturating_duration_since(cut.throttled).as_secs_f64() / RECOVERY.as_secs_f64();
        cut.low + (self.share - cut.low) * part.min(1.0).powi(4)
    }

    /// Time between two requests at the rate in force.
    pub(crate) fn slot_interval(&self, now: Instant) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.current_rate(now)).unwrap_or(Duration::MAX / 4)
    }

    /// Requests that could be sent now; below 1 the next one has to wait. For metrics.
    pub(crate) fn available_tokens(&self, now: Instant) -> f64 {
        (1.0 + self.tolerance - self.debt_at(now)).max(0.0)
    }

    /// True if forgetting this limiter changes nothing: the share is whole, and nothing is owed.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.debt_at(now) <= 0.0 && self.current_rate(now) >= self.share
    }

    fn lowest_rate(&self) -> f64 {
        (self.share * FLOOR).max(FLOOR_PER_SECOND).min(self.share)
    }

    /// The debt, paid off at the rate as of `settled`: between two updates the rate only grows.
    fn debt_at(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.settled).as_secs_f64();
        (self.debt - elapsed * self.current_rate(self.settled)).max(0.0)
    }

    fn accrue(&mut self, now: Instant) {
        self.debt = self.debt_at(now);
        self.settled = self.settled.max(now);
    }
}
