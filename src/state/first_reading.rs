//! First readings: what lists have just shown of sessions without an object. An object that is made a moment later, by
//! a policy or by a backend that has seen the same list, starts with it and needs no Get.
//!
//! Owns: these reads, for at most `timing.observationMaxAge`. Never: a read of a session that has ended, or more than
//! 20,000 reads: at about 500 bytes each, 10 MB.

use crate::aws::identifiers::SessionArn;
use crate::aws::model::SessionRead;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Reads of one generation. There are two.
const MAX_READS: usize = 10_000;

/// The reads, in two generations: once the younger one is full, or as old as a read may be, the older one is dropped.
/// That takes no list of ages, and no work for each read that expires.
#[derive(Debug, Clone)]
pub(super) struct FirstReadings {
    /// A read that is older is not used.
    max_age: Duration,
    /// When the younger generation began.
    began: Instant,
    younger: HashMap<SessionArn, Box<SessionRead>>,
    older: HashMap<SessionArn, Box<SessionRead>>,
}

impl FirstReadings {
    pub(super) fn new(max_age: Duration, now: Instant) -> Self {
        Self { max_age, began: now, younger: HashMap::new(), older: HashMap::new() }
    }

    /// Keeps the read of a live session, unless a newer one is there; one that shows the session's end removes it.
    pub(super) fn store_read(&mut self, arn: &SessionArn, reading: SessionRead) {
        let known = self.older.remove(arn).or_else(|| self.younger.remove(arn));
        if reading.found.as_ref().is_none_or(|view| view.status.is_terminal()) {
            return;
        }
        if self.younger.len() >= MAX_READS || reading.begun.saturating_duration_since(self.began) >= self.max_age {
            self.older = std::mem::take(&mut self.younger);
            self.began = reading.begun;
        }
        let kept = match known {
            Some(known) if known.begun >= reading.begun => known,
            // The allocations of large list pages are freed.
            Some(mut known) if known.found == reading.found => {
                known.begun = reading.begun;
                known
            }
            Some(_) | None => Box::new(reading),
        };
        self.younger.insert(arn.clone(), kept);
    }

    /// Takes the read of a session, unless it is too old.
    pub(super) fn take_read(&mut self, arn: &SessionArn, now: Instant) -> Option<SessionRead> {
        let reading = self.younger.remove(arn).or_else(|| self.older.remove(arn))?;
        (now.saturating_duration_since(reading.begun) <= self.max_age).then_some(*reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::model::{ReadSource, SessionStatus, SessionView};
    use crate::export::fixtures::{arn, at, session};

    const MAX_AGE: Duration = Duration::from_secs(60);

    fn listed(seconds: u64, view: SessionView) -> SessionRead {
        SessionRead { begun: at(seconds).mono, source: ReadSource::List, found: Some(view) }
    }

    fn begun(reading: Option<SessionRead>) -> Option<Instant> {
        reading.map(|reading| reading.begun)
    }

    #[test]
    fn a_read_is_given_once_and_not_if_it_is_too_old() {
        for (taken, given) in [(0, true), (60, true), (61, false)] {
            let mut reads = FirstReadings::new(MAX_AGE, at(0).mono);
            reads.store_read(&arn("s"), listed(0, session()));
            assert_eq!(reads.take_read(&arn("s"), at(taken).mono).is_some(), given, "{taken}");
            assert_eq!(reads.take_read(&arn("s"), at(taken).mono), None);
        }
    }

    #[test]
    fn the_newest_read_is_kept_and_an_end_removes_it() {
        let mut reads = FirstReadings::new(MAX_AGE, at(0).mono);
        for (seconds, kept) in [(5, 5), (70, 70), (69, 70), (140, 140)] {
            reads.store_read(&arn("s"), listed(seconds, session()));
            let reading = reads.take_read(&arn("s"), at(seconds).mono).unwrap();
            assert_eq!(reading.begun, at(kept).mono, "{seconds}");
            reads.store_read(&arn("s"), reading);
        }
        reads.store_read(&arn("s"), listed(141, session().in_state(SessionStatus::Terminated)));
        assert_eq!(begun(reads.take_read(&arn("s"), at(141).mono)), None);
    }

    #[test]
    fn reads_of_many_sessions_are_kept_and_of_one_what_it_shows_last() {
        let mut reads = FirstReadings::new(MAX_AGE, at(0).mono);
        for name in ["a", "b", "c"] {
            reads.store_read(&arn(name), listed(1, session()));
        }
        let reconnecting = session().in_state(SessionStatus::Reconnecting);
        reads.store_read(&arn("a"), listed(2, reconnecting.clone()));
        assert_eq!(reads.take_read(&arn("a"), at(2).mono), Some(listed(2, reconnecting)));
        assert!(["b", "c"].iter().all(|name| reads.take_read(&arn(name), at(2).mono).is_some()));
    }

    #[test]
    fn neither_age_nor_number_has_no_bound() {
        let mut reads = FirstReadings::new(MAX_AGE, at(0).mono);
        for n in 0..3 * MAX_READS {
            reads.store_read(&arn(&format!("s{n}")), listed(1, session()));
            assert!(reads.younger.len() + reads.older.len() <= 2 * MAX_READS);
        }
        assert!(begun(reads.take_read(&arn(&format!("s{}", 3 * MAX_READS - 1)), at(1).mono)).is_some());
        // Two more generations.
        reads.store_read(&arn("a"), listed(61, session()));
        reads.store_read(&arn("b"), listed(121, session()));
        assert_eq!((reads.younger.len(), reads.older.len()), (1, 1));
    }
}
