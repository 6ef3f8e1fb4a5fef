//! The elector: holds the lease, or waits for it. The IO around `record`.

use super::fence::Fence;
use super::leadership::Leadership;
use super::news::News;
use super::record::{Candidate, Seen, Step, Timing, held_by, next, released};
use crate::operator::client::{error_class, sentence, write_params};
use crate::operator::health::Pulse;
use crate::operator::scope::Scope;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// A request is given up after this, so that a second one fits into the renew deadline.
const REQUEST: Duration = Duration::from_secs(4);
/// The release at shutdown may take this long; then the lease runs out by itself.
const RELEASE: Duration = Duration::from_secs(2);

/// Competes for one Lease until it is told to stop.
pub struct Elector {
    lease: Api<Lease>,
    news: News,
    me: Candidate,
    timing: Timing,
    pulse: Option<Pulse>,
    /// Nothing until the first answer.
    seen: Option<Seen>,
    fence: Option<Fence>,
    terms: u64,
    last_answer: Instant,
    /// The class of the last try's error: one log line for each change.
    trouble: Option<&'static str>,
}

/// Why the elector looks at the lease again: time has passed, so it reads it first, or the watch has just shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    Time,
    News,
}

/// When to look again.
enum Pause {
    /// After the usual pause between tries.
    Retry,
    /// Another holds it, at least until then.
    Free(Instant),
}

impl Elector {
    /// For the Lease `namespace`/`name`. `client` is the lease's own (`lease_client`), `watch` may be shared by watches.
    /// `identity` must differ between any two processes that may live at the same time. A restarted container of the
    /// same Pod may keep it: its predecessor is gone, and it takes the unexpired lease over at once. `scope` is written
    /// on the Lease for other operators to see.
    #[must_use]
    pub fn new(
        client: Client,
        watch: Client,
        (namespace, name): (&str, &str),
        identity: String,
        scope: &Scope,
        timing: Timing,
    ) -> Self {
        Self {
            lease: Api::namespaced(client, namespace),
            news: News::new(Api::namespaced(watch, namespace), name),
            me: Candidate { name: name.to_owned(), identity, scope: scope.to_annotation() },
            timing,
            pulse: None,
            seen: None,
            fence: None,
            terms: 0,
            last_answer: Instant::now(),
            trouble: None,
        }
    }

    /// Shows on `pulse` that the elector makes progress, whether or not the API server answers.
    #[must_use]
    pub fn with_pulse(mut self, pulse: Pulse) -> Self {
        self.pulse = Some(pulse);
        self
    }

    /// Competes until `shutdown` resolves, then releases the lease if it holds it. `shutdown` shall come after the
    /// work has stopped: the next leader starts at once.
    pub async fn run(mut self, leadership: watch::Sender<Leadership>, shutdown: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = shutdown => {}
            () = self.compete(&leadership) => {}
        }
        self.release(&leadership).await;
    }

    async fn compete(&mut self, leadership: &watch::Sender<Leadership>) {
        let mut wake = Wake::Time;
        loop {
            if let Some(pulse) = &self.pulse {
                pulse.tick();
            }
            let pause = self.turn(wake, leadership).await;
            wake = self.pause(pause).await;
        }
    }

    /// One look at the lease and at most one step, or two where the first met a conflict.
    async fn turn(&mut self, wake: Wake, leadership: &watch::Sender<Leadership>) -> Pause {
        // With no time left, the try fails at once.
        let outcome = match timeout(self.request_limit(), self.step(wake)).await {
            Ok(outcome) => outcome.map_err(|error| (error_class(&error), sentence(&error))),
            Err(_) => Err(("timeout", "no answer in time".to_owned())),
        };
        match outcome {
            Ok(pause) => {
                self.note_answer();
                self.publish(leadership);
                pause
            }
            Err((class, error)) => {
                self.note_trouble(class, error, leadership);
                Pause::Retry
            }
        }
    }

    /// How long a try may take: a leader's ends with its term.
    fn request_limit(&self) -> Duration {
        let left = self.fence.as_ref().map(|fence| fence.until().saturating_duration_since(Instant::now()));
        left.map_or(REQUEST, |left| left.min(REQUEST))
    }

    async fn step(&mut self, wake: Wake) -> kube::Result<Pause> {
        if self.seen.is_none() || (self.fence.is_none() && wake == Wake::Time) {
            self.look().await?;
        }
        match self.take_or_wait().await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                // Somebody was faster, edited it or deleted it.
                self.look().await?;
                self.take_or_wait().await
            }
            outcome => outcome,
        }
    }

    async fn look(&mut self) -> kube::Result<()> {
        let lease = self.lease.get_opt(&self.me.name).await?;
        self.saw(lease);
        Ok(())
    }

    fn saw(&mut self, lease: Option<Lease>) {
        let now = Instant::now();
        match &mut self.seen {
            Some(seen) => seen.update(lease, now),
            None => self.seen = Some(Seen::new(lease, now)),
        }
    }

    async fn take_or_wait(&mut self) -> kube::Result<Pause> {
        let started = Instant::now();
        let Some(seen) = &self.seen else { return Ok(Pause::Retry) };
        let step = next(seen, &self.me.identity, started, self.timing);
        let wanted = held_by(seen.lease(), &self.me, Timestamp::now(), self.timing);
        let params = write_params();
        let written = match step {
            Step::Wait(free_at) => {
                self.end_term("another replica holds the lease");
                return Ok(Pause::Free(free_at));
            }
            Step::Create => self.lease.create(&params, &wanted).await?,
            Step::Acquire | Step::Renew => self.lease.replace(&self.me.name, &params, &wanted).await?,
        };
        self.saw(Some(written));
        self.hold(started, step);
        Ok(Pause::Retry)
    }

    /// The term counts from the start of the request that the server granted.
    fn hold(&mut self, started: Instant, step: Step) {
        let until = started + self.timing.renew_deadline;
        self.news.close();
        if self.fence.as_ref().is_some_and(|fence| fence.holds(Instant::now()) && fence.extend(until)) {
            return;
        }
        self.end_term("renewed too late");
        self.terms += 1;
        self.fence = Some(Fence::new(self.terms, started, until));
        tracing::info!(lease = self.me.name, identity = self.me.identity, term = self.terms, ?step, "leading");
    }

    fn end_term(&mut self, why: &str) {
        if let Some(fence) = self.fence.take() {
            fence.revoke();
            let holder = self.seen.as_ref().map_or("", Seen::holder);
            tracing::warn!(lease = self.me.name, holder, term = fence.term(), why, "no longer leading, standing by");
        }
    }

    fn note_answer(&mut self) {
        self.last_answer = Instant::now();
        if self.trouble.take().is_some() {
            tracing::info!(lease = self.me.name, "the lease can be read and written again");
        }
    }

    /// One line for each change of trouble, not for each try.
    fn note_trouble(&mut self, class: &'static str, error: String, leadership: &watch::Sender<Leadership>) {
        self.news.close();
        let now = Instant::now();
        if self.trouble.replace(class) != Some(class) {
            tracing::warn!(lease = self.me.name, class, error, "cannot read or write the lease, trying again");
        }
        if self.fence.as_ref().is_some_and(|fence| !fence.holds(now)) {
            self.end_term("the lease could not be renewed in time");
        }
        let first = self.seen.is_none();
        if self.fence.is_none() && (first || now >= self.last_answer + self.timing.renew_deadline) {
            leadership.send_replace(Leadership::Unknown(error));
        } else {
            self.publish(leadership);
        }
    }

    /// Tells the others, where something has changed for them.
    fn publish(&self, leadership: &watch::Sender<Leadership>) {
        leadership.send_if_modified(|told| {
            let stale = match (&self.fence, &*told) {
                (Some(fence), told) => !told.is_term_of(fence),
                (None, Leadership::Standby) => false,
                // One failed try of a standby is no news; after an answer or a lost term it is.
                (None, Leadership::Unknown(_) | Leadership::Leading(_)) => true,
            };
            if stale {
                *told = self.fence.clone().map_or(Leadership::Standby, Leadership::Leading);
            }
            stale
        });
    }

    async fn pause(&mut self, pause: Pause) -> Wake {
        match pause {
            Pause::Retry => {
                let end = Instant::now() + self.timing.retry;
                let term_ends = self.fence.as_ref().map_or(end, Fence::until);
                sleep_until(end.min(term_ends)).await;
                Wake::Time
            }
            Pause::Free(free_at) => self.await_news(free_at).await,
        }
    }

    /// A holder that lives renews every `retry`; after twice that without news, and at the expiry, it is asked for.
    async fn await_news(&mut self, free_at: Instant) -> Wake {
        let end = free_at.min(Instant::now() + 2 * self.timing.retry);
        let version =
            self.seen.as_ref().and_then(Seen::lease).and_then(|lease| lease.metadata.resource_version.clone());
        match self.news.next(version, self.timing.retry, end).await {
            Some(lease) => {
                self.saw(lease);
                Wake::News
            }
            None => Wake::Time,
        }
    }

    async fn release(&mut self, leadership: &watch::Sender<Leadership>) {
        self.end_term("shutting down");
        self.publish(leadership);
        // Also where the term has run out, but nobody has taken the lease since.
        if self.seen.as_ref().is_none_or(|seen| seen.holder() != self.me.identity) {
            return;
        }
        match timeout(RELEASE, self.give_up()).await {
            Ok(Ok(())) => tracing::info!(lease = self.me.name, "lease released"),
            Ok(Err(error)) => {
                let error = sentence(&error);
                tracing::warn!(lease = self.me.name, error, "lease not released, it will run out");
            }
            Err(_) => tracing::warn!(lease = self.me.name, "lease not released in time, it will run out"),
        }
    }

    /// Twice, for a renewal may have been on its way when the shutdown came.
    async fn give_up(&mut self) -> kube::Result<()> {
        for last in [false, true] {
            let Some(lease) = self.seen.as_ref().filter(|seen| seen.holder() == self.me.identity).and_then(Seen::lease)
            else {
                return Ok(());
            };
            let free = released(lease, Timestamp::now());
            match self.lease.replace(&self.me.name, &write_params(), &free).await {
                Err(kube::Error::Api(status)) if status.code == 409 && !last => self.look().await?,
                outcome => return outcome.map(drop),
            }
        }
        Ok(())
    }
}
