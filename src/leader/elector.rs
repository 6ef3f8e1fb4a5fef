//! The elector: holds the lease, or waits for it. The IO around `lease_record`.

use crate::leader::fence::Fence;
use crate::leader::leadership::Leadership;
use crate::leader::lease_record::{
    Candidate, LeaseAction, LeaseDurations, ObservedLease, held_by, next, released_lease,
};
use crate::leader::lease_watch::LeaseWatch;
use crate::runtime::client::{describe_error, error_class, write_params};
use crate::runtime::scope::Scope;
use crate::runtime::watchdog::Heartbeat;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// A request is given up after this, so that a second one fits into the renew deadline. So is the release at shutdown:
/// after that the lease expires by itself.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Competes for one Lease until shutdown.
pub(crate) struct LeaderElector {
    /// Leases of the operator's namespace, on the lease's own connections.
    lease: Api<Lease>,
    /// The watch on this Lease, open while another replica holds it.
    news: LeaseWatch,
    /// The Lease's name, and the identity and scope of this replica.
    me: Candidate,
    /// Lease duration, renew deadline and retry pause.
    timing: LeaseDurations,
    /// Sign of life for the liveness probe.
    heartbeat: Option<Heartbeat>,
    /// The Lease as last seen; `None` until the first answer.
    observed: Option<ObservedLease>,
    /// The current leader term; `None` on a standby.
    fence: Option<Fence>,
    /// Leader terms of this process so far.
    terms: u64,
    /// When a read or write of the Lease last succeeded.
    last_answer: Instant,
    /// The class of the last try's error, so that each change of class is logged once.
    trouble: Option<&'static str>,
}

/// Why the elector continues: time has passed, so it reads the lease first, or the watch has just shown a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    Time,
    Changed,
}

/// How long to wait before the next try.
enum Pause {
    /// After the usual pause between tries.
    Retry,
    /// Another replica holds the lease, at least until then.
    Free(Instant),
}

impl LeaderElector {
    /// For the Lease `namespace`/`name`. `client` is the lease's own (`lease_client`); watches may share `watch`.
    /// `identity` must differ between any two processes that may live at the same time. A restarted container of the
    /// same Pod may keep it: its predecessor is gone, and it takes the unexpired lease over at once. `scope` is written
    /// to an annotation of the Lease for other operators to read.
    #[must_use]
    pub(crate) fn new(
        client: Client,
        watch: Client,
        (namespace, name): (&str, &str),
        identity: String,
        scope: &Scope,
        timing: LeaseDurations,
    ) -> Self {
        Self {
            lease: Api::namespaced(client, namespace),
            news: LeaseWatch::new(Api::namespaced(watch, namespace), name),
            me: Candidate { name: name.to_owned(), identity, scope: scope.to_annotation() },
            timing,
            heartbeat: None,
            observed: None,
            fence: None,
            terms: 0,
            last_answer: Instant::now(),
            trouble: None,
        }
    }

    /// Ticks `heartbeat` with each try, whether or not the API server answers.
    #[must_use]
    pub(crate) fn with_heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.heartbeat = Some(heartbeat);
        self
    }

    /// Competes until `shutdown` resolves, then releases the lease if it holds it. `shutdown` must resolve only after
    /// the work has stopped: the next leader starts at once.
    pub(crate) async fn run(
        mut self,
        leadership: watch::Sender<Leadership>,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        tokio::select! {
            () = shutdown => {}
            () = self.run_election(&leadership) => {}
        }
        self.end_leadership(&leadership).await;
    }

    async fn run_election(&mut self, leadership: &watch::Sender<Leadership>) {
        let mut wake = Wake::Time;
        loop {
            if let Some(heartbeat) = &self.heartbeat {
                heartbeat.tick();
            }
            let pause = self.try_acquire_or_renew(wake, leadership).await;
            wake = self.wait_for_change(pause).await;
        }
    }

    /// Reads the lease if needed and makes at most one write, or two if the first met a conflict.
    async fn try_acquire_or_renew(&mut self, wake: Wake, leadership: &watch::Sender<Leadership>) -> Pause {
        // With no time left, the try fails at once.
        let outcome = match timeout(self.request_limit(), self.next_action(wake)).await {
            Ok(outcome) => outcome.map_err(|error| (error_class(&error), describe_error(&error))),
            Err(_) => Err(("timeout", "no answer in time".to_owned())),
        };
        match outcome {
            Ok(pause) => {
                self.note_answer();
                self.publish_leadership(leadership);
                pause
            }
            Err((class, error)) => {
                self.note_trouble(class, error, leadership);
                Pause::Retry
            }
        }
    }

    /// How long a try may take: that of a leader ends with its term.
    fn request_limit(&self) -> Duration {
        let left = self.fence.as_ref().map(|fence| fence.until().saturating_duration_since(Instant::now()));
        left.map_or(REQUEST_TIMEOUT, |left| left.min(REQUEST_TIMEOUT))
    }

    async fn next_action(&mut self, wake: Wake) -> kube::Result<Pause> {
        if self.observed.is_none() || (self.fence.is_none() && wake == Wake::Time) {
            self.get_lease().await?;
        }
        match self.acquire_or_wait().await {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                // The Lease was taken, edited or deleted since it was read.
                self.get_lease().await?;
                self.acquire_or_wait().await
            }
            outcome => outcome,
        }
    }

    async fn get_lease(&mut self) -> kube::Result<()> {
        let lease = self.lease.get_opt(&self.me.name).await?;
        self.observe(lease);
        Ok(())
    }

    fn observe(&mut self, lease: Option<Lease>) {
        let now = Instant::now();
        match &mut self.observed {
            Some(observed) => observed.updated_lease(lease, now),
            None => self.observed = Some(ObservedLease::new(lease, now)),
        }
    }

    async fn acquire_or_wait(&mut self) -> kube::Result<Pause> {
        let started = Instant::now();
        let Some(observed) = &self.observed else { return Ok(Pause::Retry) };
        let step = next(observed, &self.me.identity, started, self.timing);
        let wanted = held_by(observed.lease_for(), &self.me, Timestamp::now(), self.timing);
        let params = write_params();
        let written = match step {
            LeaseAction::Wait(free_at) => {
                self.end_term("another replica holds the lease");
                return Ok(Pause::Free(free_at));
            }
            LeaseAction::Create => self.lease.create(&params, &wanted).await?,
            LeaseAction::Acquire | LeaseAction::Renew => self.lease.replace(&self.me.name, &params, &wanted).await?,
        };
        self.observe(Some(written));
        self.keep_leading(started, step);
        Ok(Pause::Retry)
    }

    /// The term counts from the start of the request that the server granted.
    fn keep_leading(&mut self, started: Instant, step: LeaseAction) {
        let until = started + self.timing.renew_deadline;
        self.news.close_watch();
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
            let holder = self.observed.as_ref().map_or("", ObservedLease::holder_of);
            tracing::warn!(lease = self.me.name, holder, term = fence.term(), why, "no longer leading, on standby");
        }
    }

    fn note_answer(&mut self) {
        self.last_answer = Instant::now();
        if self.trouble.take().is_some() {
            tracing::info!(lease = self.me.name, "the lease can be read and written again");
        }
    }

    /// Logs once for each change of the error's class, not for each try.
    fn note_trouble(&mut self, class: &'static str, error: String, leadership: &watch::Sender<Leadership>) {
        self.news.close_watch();
        let now = Instant::now();
        if self.trouble.replace(class) != Some(class) {
            tracing::warn!(lease = self.me.name, class, error, "cannot read or write the lease, trying again");
        }
        if self.fence.as_ref().is_some_and(|fence| !fence.holds(now)) {
            self.end_term("the lease could not be renewed in time");
        }
        let first = self.observed.is_none();
        if self.fence.is_none() && (first || now >= self.last_answer + self.timing.renew_deadline) {
            leadership.send_replace(Leadership::Unknown(error));
        } else {
            self.publish_leadership(leadership);
        }
    }

    /// Publishes the current state if it has changed.
    fn publish_leadership(&self, leadership: &watch::Sender<Leadership>) {
        leadership.send_if_modified(|current| {
            let stale = match (&self.fence, &*current) {
                (Some(fence), current) => !current.is_term_of(fence),
                (None, Leadership::Standby) => false,
                // A success after `Unknown`, and a lost term, change the state.
                (None, Leadership::Unknown(_) | Leadership::Leading(_)) => true,
            };
            if stale {
                *current = self.fence.clone().map_or(Leadership::Standby, Leadership::Leading);
            }
            stale
        });
    }

    async fn wait_for_change(&mut self, pause: Pause) -> Wake {
        match pause {
            Pause::Retry => {
                let end = Instant::now() + self.timing.retry;
                let term_ends = self.fence.as_ref().map_or(end, Fence::until);
                sleep_until(end.min(term_ends)).await;
                Wake::Time
            }
            Pause::Free(free_at) => self.wait_for_news(free_at).await,
        }
    }

    /// Waits for a change of the Lease. A live holder renews every `retry`; after twice that without a change, and at
    /// the expiry, the Lease is read.
    async fn wait_for_news(&mut self, free_at: Instant) -> Wake {
        let end = free_at.min(Instant::now() + 2 * self.timing.retry);
        let version = self
            .observed
            .as_ref()
            .and_then(ObservedLease::lease_for)
            .and_then(|lease| lease.metadata.resource_version.clone());
        match self.news.next(version, self.timing.retry, end).await {
            Some(lease) => {
                self.observe(lease);
                Wake::Changed
            }
            None => Wake::Time,
        }
    }

    async fn end_leadership(&mut self, leadership: &watch::Sender<Leadership>) {
        self.end_term("shutting down");
        self.publish_leadership(leadership);
        // Also releases a lease whose term has run out, if no other replica has taken it since.
        if self.observed.as_ref().is_none_or(|observed| observed.holder_of() != self.me.identity) {
            return;
        }
        match timeout(REQUEST_TIMEOUT, self.release_lease()).await {
            Ok(Ok(())) => tracing::info!(lease = self.me.name, "lease released"),
            Ok(Err(error)) => {
                let error = describe_error(&error);
                tracing::warn!(lease = self.me.name, error, "lease not released, it will expire");
            }
            Err(_) => tracing::warn!(lease = self.me.name, "lease not released in time, it will expire"),
        }
    }

    /// Tries twice, because a renewal may have been in flight at the shutdown.
    async fn release_lease(&mut self) -> kube::Result<()> {
        for last in [false, true] {
            let Some(lease) = self
                .observed
                .as_ref()
                .filter(|observed| observed.holder_of() == self.me.identity)
                .and_then(ObservedLease::lease_for)
            else {
                return Ok(());
            };
            let free = released_lease(lease, Timestamp::now());
            match self.lease.replace(&self.me.name, &write_params(), &free).await {
                Err(kube::Error::Api(status)) if status.code == 409 && !last => self.get_lease().await?,
                outcome => return outcome.map(drop),
            }
        }
        Ok(())
    }
}
