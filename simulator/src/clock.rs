//! The simulated clock: real time plus whatever `POST /_simulator/time` has added.
//!
//! Session lengths, retention, read lags and the expiry of credentials follow it. Signatures, the
//! `Date` header, quotas and the journal stay on real time, because the callers live there.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tokio::time::Instant;

/// Milliseconds; as a point in time, since the Unix epoch.
pub type Millis = i64;

/// A clock that only goes forward and can be pushed ahead.
#[derive(Debug)]
pub struct Clock {
    origin: Instant,
    origin_wall: Millis,
    ahead: AtomicI64,
}

impl Clock {
    /// A clock that starts at the real time.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: Instant::now(), origin_wall: wall(), ahead: AtomicI64::new(0) }
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> Millis {
        let elapsed = as_millis(self.origin.elapsed());
        self.origin_wall + elapsed + self.ahead.load(Ordering::SeqCst)
    }

    /// Real milliseconds since the start, with their fraction.
    #[must_use]
    pub fn since_start(&self) -> f64 {
        rounded(self.origin.elapsed().as_secs_f64() * 1e3)
    }

    /// Pushes the simulated time ahead and returns the new one.
    pub fn advance(&self, by: Duration) -> Millis {
        self.ahead.fetch_add(as_millis(by), Ordering::SeqCst);
        self.now()
    }

    /// How far the simulated time runs ahead of the real one.
    #[must_use]
    pub fn ahead(&self) -> Millis {
        self.ahead.load(Ordering::SeqCst)
    }
}

/// Milliseconds, to the microsecond.
#[must_use]
pub fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// The real time of day.
#[must_use]
pub fn wall() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, as_millis)
}

/// A duration in milliseconds; absurdly long ones end at the largest value.
#[must_use]
pub fn as_millis(duration: Duration) -> Millis {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A number of whole seconds in milliseconds.
#[must_use]
pub fn seconds(count: u32) -> Millis {
    i64::from(count) * 1000
}

/// `2026-01-31T12:00:00.123Z`
#[must_use]
pub fn rfc3339(at: Millis) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `20260131-120000`, as in the names of exported objects.
#[must_use]
pub fn compact(at: Millis) -> String {
    timestamp(at).strftime("%Y%m%d-%H%M%S").to_string()
}

/// `20260131T120000Z`, as in signatures.
#[must_use]
pub fn amz_date(at: Millis) -> String {
    timestamp(at).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Reads what [`amz_date`] writes.
#[must_use]
pub fn parse_amz_date(text: &str) -> Option<Millis> {
    if text.len() != 16 {
        return None;
    }
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let zoned = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

fn timestamp(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn simulated_time_goes_on_by_itself_and_can_be_pushed() {
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(clock.now() - before, 250);
        clock.advance(Duration::from_secs(3600));
        assert_eq!(clock.now() - before, 3_600_250);
        assert!((clock.since_start() - 250.0).abs() < 1.0, "the journal stays on real time");
    }

    #[test]
    fn times_are_written_as_aws_writes_them() {
        let at = parse_amz_date("20150830T123600Z").expect("a date");
        assert_eq!(at, 1_440_938_160_000);
        assert_eq!(amz_date(at), "20150830T123600Z");
        assert_eq!(compact(at), "20150830-123600");
        assert_eq!(rfc3339(at + 7), "2015-08-30T12:36:00.007Z");
        assert_eq!(parse_amz_date("2015-08-30T12:36:00Z"), None);
        assert_eq!(parse_amz_date("20151330T123600Z"), None);
    }
}
