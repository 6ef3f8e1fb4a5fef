//! Calls in the wrong order: a less urgent export was called while a more urgent one, already read, waited.

/// One export, as the journal, the audit log and the seeded data tell of it.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    /// Reservations are fair between namespaces: the order holds within one.
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
/// Reservations that are granted together reach the API server in any order.
const TOGETHER: f64 = 250.0;

/// How many exports were chosen before one that was more urgent, had been read in time, and was not in flight. A slow
/// machine takes `slack` times as long for both.
pub(crate) fn inversions(exports: &[Chosen], slack: f64) -> usize {
    exports.iter().filter(|one| exports.iter().any(|other| passed_over(other, one, slack))).count()
}

fn passed_over(other: &Chosen, chosen: &Chosen, slack: f64) -> bool {
    let before = |a: &Chosen, b: &Chosen| (!a.disconnected, a.created) < (!b.disconnected, b.created);
    other.namespace == chosen.namespace
        && before(other, chosen)
        && other.read + TAKE_IN * slack < chosen.decided
        && other.decided > chosen.decided + TOGETHER * slack
}
