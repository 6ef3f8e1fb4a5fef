//! SIGTERM and SIGINT, as something that every part can wait for.
//!
//! Owns the signals. It never ends the process: the first signal asks for an orderly end, the second for one at once,
//! and `main` decides what that means.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How urgently the process shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    None,
    Requested,
    Forced,
}

/// Tells whether, and how urgently, the process shall end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Urgency>);

/// The other end of a [`Shutdown`]: asks for the end.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Urgency>);

impl Trigger {
    /// The first call requests an orderly end, every further one forces it.
    pub fn pull(&self) {
        self.0.send_modify(|urgency| {
            *urgency = if *urgency == Urgency::None { Urgency::Requested } else { Urgency::Forced }
        });
    }
}

impl Shutdown {
    /// A shutdown that nothing but its trigger asks for.
    #[must_use]
    pub fn manual() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(Urgency::None);
        (Trigger(sender), Self(receiver))
    }

    /// Listens for SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let (trigger, shutdown) = Self::manual();
        tokio::spawn(listen(terminate, interrupt, trigger));
        Ok(shutdown)
    }

    /// Whether the end has been asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() >= Urgency::Requested
    }

    /// Resolves once the end has been asked for.
    pub async fn requested(&self) {
        self.reaches(Urgency::Requested).await;
    }

    /// Resolves once it has been asked for again: nothing in hand is waited for any more.
    pub async fn forced(&self) {
        self.reaches(Urgency::Forced).await;
    }

    async fn reaches(&self, wanted: Urgency) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|urgency| *urgency >= wanted).await.is_err() {
            // The trigger is gone, so nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }
}

async fn listen(mut terminate: Signal, mut interrupt: Signal, trigger: Trigger) {
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "asked to end");
        trigger.pull();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn the_first_pull_requests_and_the_second_forces() {
        let (trigger, shutdown) = Shutdown::manual();
        let late = shutdown.clone();
        assert!(!shutdown.is_requested());
        assert!(shutdown.requested().now_or_never().is_none());
        trigger.pull();
        shutdown.requested().await;
        assert!(late.is_requested() && late.forced().now_or_never().is_none());
        trigger.pull();
        late.forced().await;
        late.requested().await;
    }

    #[tokio::test]
    async fn a_lost_trigger_asks_for_nothing() {
        let (trigger, shutdown) = Shutdown::manual();
        drop(trigger);
        assert!(shutdown.requested().now_or_never().is_none());
    }
}
