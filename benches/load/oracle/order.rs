//! Calls in the wrong order: somebody less urgent was chosen while somebody more urgent, already read, stood by.

/// One export, as the journal, the audit log and the seeded data tell of it.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    /// Turns are fair between namespaces: the order holds within one.
    pub(crate) namespace: String,
    /// The session had no client: it goes first.
    pub(crate) disconnected: bool,
    /// When the session was created: among the rest the oldest goes first.
    pub(crate) created: f64,
    /// When the first answer that showed the session had been sent.
    pub(crate) read: f64,
    /// When its intent reached the API server: from then on it is in flight.
    pub(crate) decided: f64,
}

/// What an answer that has just come may take until its sessions stand in the queue.
const TAKE_IN: f64 = 1000.0;
/// Turns that are granted together reach the API server in any order.
const TOGETHER: f64 = 250.0;

/// How many exports were chosen before one that was more urgent, had been read in time, and was not in flight.
pub(crate) fn inversions(exports: &[Chosen]) -> usize {
    exports.iter().filter(|one| exports.iter().any(|other| passed_over(other, one))).count()
}

fn passed_over(other: &Chosen, chosen: &Chosen) -> bool {
    let before = |a: &Chosen, b: &Chosen| (!a.disconnected, a.created) < (!b.disconnected, b.created);
    other.namespace == chosen.namespace
        && before(other, chosen)
        && other.read + TAKE_IN < chosen.decided
        && other.decided > chosen.decided + TOGETHER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn export(disconnected: bool, created: f64, read: f64, decided: f64) -> Chosen {
        Chosen { namespace: "a".to_owned(), disconnected, created, read, decided }
    }

    #[test]
    fn disconnected_first_then_the_oldest() {
        let right = [export(true, 9.0, 0.0, 5_000.0), export(false, 1.0, 0.0, 6_000.0), export(false, 2.0, 0.0, 7_000.0)];
        assert_eq!(inversions(&right), 0);
        let connected_first = [export(true, 9.0, 0.0, 6_000.0), export(false, 1.0, 0.0, 5_000.0)];
        assert_eq!(inversions(&connected_first), 1);
        let youngest_first = [export(false, 1.0, 0.0, 6_000.0), export(false, 2.0, 0.0, 5_000.0)];
        assert_eq!(inversions(&youngest_first), 1);
    }

    #[test]
    fn what_was_not_read_in_flight_or_elsewhere_was_not_passed_over() {
        let late = [export(true, 1.0, 4_500.0, 6_000.0), export(false, 2.0, 0.0, 5_000.0)];
        assert_eq!(inversions(&late), 0, "read too late to be chosen");
        let together = [export(true, 1.0, 0.0, 5_100.0), export(false, 2.0, 0.0, 5_000.0)];
        assert_eq!(inversions(&together), 0, "granted together");
        let mut elsewhere = [export(true, 1.0, 0.0, 9_000.0), export(false, 2.0, 0.0, 5_000.0)];
        elsewhere[0].namespace = "b".to_owned();
        assert_eq!(inversions(&elsewhere), 0, "another namespace");
    }

    #[test]
    fn each_that_was_chosen_too_early_counts_once() {
        let mut all = vec![export(true, 0.0, 0.0, 99_000.0)];
        all.extend((1..=5).map(|n| export(false, f64::from(n), 0.0, 5_000.0 + 1_000.0 * f64::from(n))));
        assert_eq!(inversions(&all), 5);
    }
}
