//! Whether a victim's export is late: against one of an undisturbed operator at the same moment, because all that runs on
//! the machine slows both down.

use crate::cluster::Cluster;
use futures::future::{Either, select};
use std::pin::pin;
use std::time::Duration;
use tokio::join;
use tokio::time::timeout;

/// How often a victim that was late is tried again: what other objects do to it they do each time, a pause of the
/// machine comes once.
pub(crate) const TRIES: usize = 3;
/// What a victim's export may take longer than three undisturbed ones.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(1);
/// Longest that a late victim is waited for.
const LONGEST: Duration = Duration::from_secs(30);

/// Whether what a victim waits for comes within three times what an undisturbed one takes, and a tolerance. Both begin
/// now. A victim that is late is waited for, so that what delays it is over when it is tried again.
pub(crate) async fn is_in_time(
    victim: impl Future<Output = Duration>,
    undisturbed: impl Future<Output = Duration>,
    tolerance: Duration,
) -> bool {
    match select(pin!(victim), pin!(undisturbed)).await {
        Either::Left((took, _)) => {
            println!("a victim: {took:?}, before an undisturbed one");
            true
        }
        Either::Right((undisturbed, victim)) => {
            let took = timeout(LONGEST, victim).await;
            println!("a victim: {took:?}, an undisturbed one: {undisturbed:?}");
            took.is_ok_and(|took| took <= 3 * undisturbed + tolerance)
        }
    }
}

impl Cluster {
    /// Whether a victim's export is accepted in time, in one of a few tries.
    pub(crate) async fn victim_is_unharmed(&self, undisturbed: &Self) -> bool {
        for _ in 0..TRIES {
            if is_in_time(self.victim_accepted_after(), undisturbed.victim_accepted_after(), TOLERANCE).await {
                return true;
            }
        }
        false
    }

    /// The same, each created while the next operator starts: the first list is part of what it takes.
    pub(crate) async fn victim_is_unharmed_after_restart(&mut self, undisturbed: &mut Self) -> bool {
        for _ in 0..TRIES {
            join!(self.start_next(), undisturbed.start_next());
            if is_in_time(self.victim_accepted_after(), undisturbed.victim_accepted_after(), TOLERANCE).await {
                return true;
            }
        }
        false
    }

    /// A victim's export is accepted in time, before and after a restart; and the probes say so.
    pub(crate) async fn victims_are_unharmed(&mut self, undisturbed: &mut Self) {
        assert!(self.victim_is_unharmed(undisturbed).await, "{}", self.world.logs());
        self.operator().ready("leading").await;
        assert!(self.victim_is_unharmed_after_restart(undisturbed).await, "{}", self.world.logs());
        self.operator().ready("leading").await;
    }
}
