//! The process: start-up, leader election, and shutdown.

pub(crate) mod leader;
pub mod preflight;

use crate::app::leader::{LeaderContext, run_leader_term};
use crate::app::preflight::PreflightError;
use crate::aws::client::{CaBundleError, Client as AwsClient};
use crate::aws::identifiers::{Malformed, Region};
use crate::config::Config;
use crate::leader::{Fence, LeaderElector, Leadership, LeaseDurations, OverlapGuard, TieBreak};
use crate::metrics::Metrics;
use crate::runtime::client::{api_client, events_client, lease_client, watch_client};
use crate::runtime::events::EventRecorder;
use crate::runtime::kubeconfig::load_config;
use crate::runtime::scope::Scope;
use crate::runtime::shutdown::cancel_on_signal;
use crate::server::health::{Health, ReadyState};
use crate::server::{Endpoints, Server};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A loop that doesn't tick for this long fails the liveness probe.
const LIVENESS_DEADLINE: Duration = Duration::from_secs(60);

/// Options from the command line.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Where the metrics are served.
    pub listen: SocketAddr,
    /// Where the probes are served.
    pub health_listen: SocketAddr,
    /// Holder identity in the Lease: unique among all processes that may live at the same time, such as the Pod's UID.
    pub identity: String,
}

/// Why the process can't start. A failure that may pass (API server, permissions, AWS) is never among them.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No kubeconfig, and not in a Pod.
    #[error("no way to reach a Kubernetes API server")]
    KubeConfig(#[from] kube::config::InferConfigError),
    /// The client can't be built.
    #[error("the Kubernetes client can't be built")]
    KubeClient(#[from] kube::Error),
    /// A listener can't be bound.
    #[error("can't serve {endpoints} on {address}")]
    Listen {
        /// What was to be served: probes or metrics.
        endpoints: String,
        /// The address that can't be bound.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Signals can't be received.
    #[error("signals can't be received")]
    Signals(#[source] std::io::Error),
    /// The certificates to trust can't be read.
    #[error(transparent)]
    CaBundle(#[from] CaBundleError),
    /// No Region anywhere.
    #[error("no AWS Region: set aws.region in the configuration, or AWS_REGION")]
    NoRegion,
    /// The Region that was found is none of the service.
    #[error("the AWS Region of the environment or the profile can't be used (aws.region is not set)")]
    UnusableRegion(#[source] Malformed),
}

/// Everything that lives as long as the process.
pub(crate) struct Process {
    /// The parsed configuration.
    pub(crate) config: Config,
    /// The AWS Region for objects that name none.
    pub(crate) region: Region,
    /// The API server, for gets and writes.
    pub(crate) kube: kube::Client,
    /// The API server, for lists and watches.
    pub(crate) watch: kube::Client,
    /// Amazon GameLift Streams, as the operator's own identity.
    pub(crate) aws: AwsClient,
    /// All metrics.
    pub(crate) metrics: Metrics,
    /// The state behind the probes.
    pub(crate) health: Health,
    /// Publishes Kubernetes Events.
    pub(crate) events: EventRecorder,
    /// Cancelled by the first SIGTERM or SIGINT.
    pub(crate) shutdown: CancellationToken,
}

/// Runs the operator until SIGTERM or SIGINT. A second signal ends the process at once, with exit code 1.
///
/// # Errors
/// If it can't start; see [`RunError`].
pub async fn run(config: Config, options: RunOptions) -> Result<(), RunError> {
    let shutdown = cancel_on_signal().map_err(RunError::Signals)?;
    let metrics = Metrics::new();
    let health = Health::new(metrics.clone());
    start_server(options.listen, Endpoints::Metrics(metrics.clone()))?;
    start_server(options.health_listen, Endpoints::Probes(health.clone()))?;

    let kube_config = load_config().await?;
    let lease_namespace = config.lease.namespace.clone().unwrap_or_else(|| kube_config.default_namespace.clone());
    let leases = lease_client(kube_config.clone())?;
    let (events, worker) = EventRecorder::new(events_client(kube_config.clone())?, &options.identity, metrics.clone());
    tokio::spawn(worker.run());
    let aws =
        AwsClient::load(config.aws.region.as_ref(), config.timing.call_timeout, Arc::new(metrics.clone())).await?;
    let region = match &config.aws.region {
        Some(region) => region.clone(),
        None => aws.resolved_region().map_err(RunError::UnusableRegion)?.ok_or(RunError::NoRegion)?,
    };
    let process = Process {
        kube: api_client(kube_config.clone())?,
        watch: watch_client(kube_config)?,
        config,
        region,
        aws,
        metrics,
        health,
        events,
        shutdown,
    };
    process.run_process(leases, &lease_namespace, options.identity).await;
    Ok(())
}

/// Serves `endpoints` until the process ends, and logs the bound address on a line of its own.
fn start_server(address: SocketAddr, endpoints: Endpoints) -> Result<(), RunError> {
    let name = endpoints.to_string();
    let cannot_listen = |source| RunError::Listen { endpoints: name.clone(), address, source };
    let server = Server::bind_listener(address, endpoints).map_err(cannot_listen)?;
    tracing::info!(address = %server.local_address().map_err(cannot_listen)?, "serving {name}");
    tokio::spawn(server.serve());
    Ok(())
}

impl Process {
    async fn run_process(self, leases: kube::Client, lease_namespace: &str, identity: String) {
        let lease_key = (lease_namespace, self.config.lease.name.as_str());
        let mut others = OverlapGuard::new(leases.clone(), lease_key, self.watch_scope(), self.lease_timing());
        let allowed = async {
            self.wait_for_preflight(lease_namespace).await;
            self.wait_until_exclusive(&mut others, TieBreak::Theirs).await;
        };
        tokio::select! {
            () = allowed => {}
            () = self.shutdown.cancelled() => return,
        }
        let (elector, mut leadership, release) = self.start_election(leases, lease_key, identity);
        while let Some(fence) = self.wait_for_leadership(&mut leadership).await {
            self.run_as_leader(fence, leadership.clone(), &mut others).await;
            self.metrics.reset_leader_metrics();
        }
        self.health.set_ready(ReadyState::ShuttingDown);
        drop(release);
        if elector.await.is_err() {
            tracing::error!("the elector panicked; the lease expires by itself");
        }
        tracing::info!("shut down");
    }

    async fn wait_for_preflight(&self, lease_namespace: &str) {
        let namespaces = &self.config.watch.namespaces;
        let permissions = preflight::required_permissions(namespaces, (lease_namespace, &self.config.lease.name));
        let report = |missing: &PreflightError| {
            self.health.set_ready(match missing {
                PreflightError::Permissions(_) | PreflightError::Crd(_) => {
                    ReadyState::MissingPermission(missing.to_string())
                }
                PreflightError::Unreachable(_) => ReadyState::Blocked(missing.to_string()),
            });
        };
        preflight::wait_until_ready(&self.kube, namespaces, &permissions, report).await;
    }

    /// Waits until no other operator's scope overlaps.
    async fn wait_until_exclusive(&self, others: &mut OverlapGuard, precedence: TieBreak) {
        others.wait_until_exclusive(precedence, |reason| self.health.set_ready(ReadyState::Blocked(reason))).await;
    }

    pub(crate) fn watch_scope(&self) -> Scope {
        let watch = &self.config.watch;
        Scope { namespaces: watch.namespaces.clone(), label_selector: watch.label_selector.clone() }
    }

    fn lease_timing(&self) -> LeaseDurations {
        LeaseDurations {
            duration: self.config.timing.lease_duration,
            renew_deadline: self.config.timing.lease_renew_deadline,
            retry: self.config.timing.lease_retry,
        }
    }

    fn start_election(
        &self,
        leases: kube::Client,
        lease_key: (&str, &str),
        identity: String,
    ) -> (JoinHandle<()>, watch::Receiver<Leadership>, oneshot::Sender<()>) {
        let elector = LeaderElector::new(
            leases,
            self.watch.clone(),
            lease_key,
            identity,
            &self.watch_scope(),
            self.lease_timing(),
        )
        .with_heartbeat(self.health.watchdog().register("lease", LIVENESS_DEADLINE));
        let (sender, leadership) = watch::channel(Leadership::Standby);
        let (release, released) = oneshot::channel::<()>();
        let until_released = async move {
            // Resolves when the sender is dropped, which ends the elector.
            drop(released.await);
        };
        (tokio::spawn(elector.run(sender, until_released)), leadership, release)
    }

    /// Waits for a leader term, and sets the readiness meanwhile. Returns `None` at shutdown.
    async fn wait_for_leadership(&self, leadership: &mut watch::Receiver<Leadership>) -> Option<Fence> {
        while !self.shutdown.is_cancelled() {
            let news = leadership.borrow_and_update().clone();
            match news {
                Leadership::Leading(fence) if fence.holds(Instant::now()) => return Some(fence),
                // The term ran out before the elector noticed.
                Leadership::Leading(_) => {}
                Leadership::Standby => self.health.set_ready(ReadyState::Standby),
                Leadership::Unknown(why) => self.health.set_ready(ReadyState::Blocked(why)),
            }
            tokio::select! {
                changed = leadership.changed() => changed.ok()?,
                () = self.shutdown.cancelled() => {}
            }
        }
        None
    }

    /// Runs one leader term, with empty state and a fresh list.
    async fn run_as_leader(
        &self,
        fence: Fence,
        mut leadership: watch::Receiver<Leadership>,
        others: &mut OverlapGuard,
    ) {
        tokio::select! {
            // Two operators that overlap may have started at the same moment.
            () = self.wait_until_exclusive(others, TieBreak::ByName) => {}
            () = fence.wait_until_lost(&mut leadership) => return,
            () = self.shutdown.cancelled() => return,
        }
        self.metrics.set_leader(true);
        self.health.set_ready(ReadyState::ListIncomplete);
        let lost = fence.clone();
        let grace_period = self.config.timing.shutdown_grace_period;
        let over = async move {
            tokio::select! {
                () = lost.wait_until_lost(&mut leadership) => Duration::ZERO,
                () = self.shutdown.cancelled() => grace_period,
            }
        };
        run_leader_term(
            LeaderContext {
                process: self,
                fence,
                heartbeat: self.health.watchdog().register("queue", LIVENESS_DEADLINE),
            },
            over,
        )
        .await;
    }
}
