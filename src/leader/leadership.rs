//! The leadership state that the elector publishes, and how to await the end of a leader term.

use crate::leader::fence::Fence;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Which replica leads, as last observed by this one.
#[derive(Debug, Clone)]
pub(crate) enum Leadership {
    /// The lease could not be read or written for a renew deadline, for this reason. Not ready.
    Unknown(String),
    /// Another replica leads, or none does yet.
    Standby,
    /// This replica leads for as long as the fence holds.
    Leading(Fence),
}

impl Leadership {
    /// Whether this is the leader term that `fence` belongs to.
    #[must_use]
    pub(crate) fn is_term_of(&self, fence: &Fence) -> bool {
        matches!(self, Self::Leading(now) if now.term() == fence.term())
    }
}

impl Fence {
    /// Resolves when this term is over: the lease was lost or released, the elector has ended, or the renew deadline
    /// has passed unnoticed by the elector.
    pub(crate) async fn wait_until_lost(&self, leadership: &mut watch::Receiver<Leadership>) {
        let ran_out = async {
            while self.holds(Instant::now()) {
                sleep_until(self.until()).await;
            }
        };
        tokio::select! {
            () = ran_out => {}
            _ = leadership.wait_for(|now| !now.is_term_of(self)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::time::Duration;

    async fn won(leadership: &mut watch::Receiver<Leadership>) -> Option<Fence> {
        let leading = leadership.wait_for(|now| matches!(now, Leadership::Leading(_))).await.ok()?;
        if let Leadership::Leading(fence) = &*leading { Some(fence.clone()) } else { None }
    }

    fn fence(term: u64) -> Fence {
        Fence::new(term, Instant::now(), Instant::now() + Duration::from_secs(10))
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_begins_and_ends_with_the_leadership() {
        let (sender, mut leadership) = watch::channel(Leadership::Standby);
        assert!(won(&mut leadership).now_or_never().is_none());
        sender.send_replace(Leadership::Leading(fence(1)));
        let first = won(&mut leadership).await.unwrap();
        assert!(first.wait_until_lost(&mut leadership).now_or_never().is_none());
        sender.send_replace(Leadership::Standby);
        first.wait_until_lost(&mut leadership).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_has_ended_also_if_the_next_began_unnoticed() {
        let (sender, mut leadership) = watch::channel(Leadership::Leading(fence(1)));
        let first = won(&mut leadership).await.unwrap();
        sender.send_replace(Leadership::Leading(fence(2)));
        first.wait_until_lost(&mut leadership).await;
        assert_eq!(won(&mut leadership).await.unwrap().term(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_ends_by_itself_at_the_deadline_that_renewals_move() {
        let (_sender, mut leadership) = watch::channel(Leadership::Leading(fence(1)));
        let term = won(&mut leadership).await.unwrap();
        let started = Instant::now();
        assert!(term.extend(started + Duration::from_secs(12)));
        term.wait_until_lost(&mut leadership).await;
        assert_eq!(started.elapsed().as_secs(), 12);
    }

    #[tokio::test]
    async fn without_an_elector_there_is_nothing_to_win_or_keep() {
        let (sender, mut leadership) = watch::channel(Leadership::Standby);
        drop(sender);
        assert!(won(&mut leadership).await.is_none());
        fence(1).wait_until_lost(&mut leadership).await;
    }
}
