//! Exponential backoff: the delay after each of several failures in a row.
//!
//! Owns: the arithmetic. Never: counts failures, or sleeps.

use std::time::Duration;

/// Delays that double from `first` up to `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExponentialBackoff {
    /// The delay after the first failure.
    pub first: Duration,
    /// The longest delay.
    pub longest: Duration,
}

impl ExponentialBackoff {
    /// The delay after a failure that `tries` others precede.
    pub(crate) fn delay_after(self, tries: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_never_overflow() {
        let backoff = ExponentialBackoff { first: Duration::from_secs(2), longest: Duration::from_secs(30) };
        let delays = [0, 1, 2, 3, 4, 5, 31, 32, u32::MAX].map(|tries| backoff.delay_after(tries).as_secs());
        assert_eq!(delays, [2, 4, 8, 16, 30, 30, 30, 30, 30]);
        let endless = ExponentialBackoff { first: Duration::MAX / 2, longest: Duration::MAX };
        assert_eq!(endless.delay_after(u32::MAX), Duration::MAX);
    }
}
