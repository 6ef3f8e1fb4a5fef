//! The process: what starts when, what leads, and how it ends.

use crate::config::Config;
use crate::operator::client::{api_client, events_client, lease_client, watch_client};
use crate::operator::events::EventSink;
use crate::operator::health::{Health, ReadyState};
use crate::operator::lease::{self, Elector, Fence, Leadership, Others, Precedence};
use crate::operator::metrics::Metrics;
use crate::operator::preflight::{self, Missing};
use crate::operator::scope::Scope;
use crate::operator::server::{Endpoints, Server};
use crate::operator::shutdown::Shutdown;
use crate::streams::client::Client as AwsClient;
use crate::streams::identifiers::Region;
use crate::term::{Post, serve};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A loop that shows no sign of life for this long is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// What the command line gives.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Where the metrics are served.
    pub listen: SocketAddr,
    /// Where the probes are served.
    pub health_listen: SocketAddr,
    /// Who holds the Lease: unique among all processes that may live at the same time, such as the Pod's UID.
    pub identity: String,
}

/// Why the process can't start. Trouble that may pass (API server, permissions, AWS) is never among them.
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
    /// No Region anywhere.
    #[error("no AWS Region: set aws.region in the configuration, or AWS_REGION")]
    NoRegion,
}

/// Everything that lives as long as the process.
pub(crate) struct Process {
    pub(crate) config: Config,
    pub(crate) region: Region,
    pub(crate) kube: kube::Client,
    pub(crate) watch: kube::Client,
    pub(crate) aws: AwsClient,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) events: EventSink,
    pub(crate) shutdown: Shutdown,
}

/// Runs the operator until SIGTERM or SIGINT.
///
/// # Errors
/// If it can't start; see [`RunError`].
pub async fn run(config: Config, options: RunOptions) -> Result<(), RunError> {
    let shutdown = Shutdown::on_signals().map_err(RunError::Signals)?;
    let metrics = Metrics::new();
    let health = Health::new(metrics.clone());
    start_server(options.listen, Endpoints::Metrics(metrics.clone()))?;
    start_server(options.health_listen, Endpoints::Probes(health.clone()))?;

    let kube_config = kube::Config::infer().await?;
    let lease_namespace = config.lease.namespace.clone().unwrap_or_else(|| kube_config.default_namespace.clone());
    let leases = lease_client(kube_config.clone())?;
    let (events, worker) = EventSink::new(events_client(kube_config.clone())?, &options.identity, metrics.clone());
    tokio::spawn(worker.run());
    let aws = AwsClient::load(config.aws.region.as_ref(), &config.timing, Arc::new(metrics.clone())).await;
    let region = config.aws.region.clone().or_else(|| aws.resolved_region()).ok_or(RunError::NoRegion)?;
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
    process.work(leases, &lease_namespace, options.identity).await;
    Ok(())
}

/// Serves `endpoints` until the process ends, and logs the bound address on a line of its own.
fn start_server(address: SocketAddr, endpoints: Endpoints) -> Result<(), RunError> {
    let name = endpoints.to_string();
    let cannot_listen = |source| RunError::Listen { endpoints: name.clone(), address, source };
    let server = Server::bind(address, endpoints).map_err(cannot_listen)?;
    tracing::info!(address = %server.address().map_err(cannot_listen)?, "serving {name}");
    tokio::spawn(server.serve());
    Ok(())
}

impl Process {
    async fn work(self, leases: kube::Client, lease_namespace: &str, identity: String) {
        let place = (lease_namespace, self.config.lease.name.as_str());
        let mut others = Others::new(leases.clone(), place, self.scope(), self.lease_timing());
        let allowed = async {
            self.preflight(lease_namespace).await;
            self.alone(&mut others, Precedence::Theirs).await;
        };
        tokio::select! {
            () = allowed => {}
            () = self.shutdown.requested() => return,
        }
        let (elector, mut leadership, release) = self.elect(leases, place, identity);
        while let Some(fence) = self.elected(&mut leadership).await {
            self.lead(fence, leadership.clone(), &mut others).await;
            self.metrics.term_over();
        }
        self.health.set_ready(ReadyState::ShuttingDown);
        drop(release);
        if elector.await.is_err() {
            tracing::error!("the elector panicked; the lease runs out by itself");
        }
        tracing::info!("ended in good order");
    }

    async fn preflight(&self, lease_namespace: &str) {
        let namespaces = &self.config.watch.namespaces;
        let permissions = preflight::needed(namespaces, (lease_namespace, &self.config.lease.name));
        let report = |missing: &Missing| {
            self.health.set_ready(match missing {
                Missing::Permissions(_) | Missing::Crd => ReadyState::MissingPermission(missing.to_string()),
                Missing::Unreachable(_) => ReadyState::Blocked(missing.to_string()),
            });
        };
        preflight::passed(&self.kube, namespaces, &permissions, report).await;
    }

    /// Waits until no other operator works on our objects.
    async fn alone(&self, others: &mut Others, precedence: Precedence) {
        others.gone(precedence, |reason| self.health.set_ready(ReadyState::Blocked(reason))).await;
    }

    pub(crate) fn scope(&self) -> Scope {
        let watch = &self.config.watch;
        Scope { namespaces: watch.namespaces.clone(), label_selector: watch.label_selector.clone() }
    }

    fn lease_timing(&self) -> lease::Timing {
        lease::Timing {
            duration: self.config.timing.lease_duration,
            renew_deadline: self.config.timing.lease_renew_deadline,
            retry: self.config.timing.lease_retry,
        }
    }

    fn elect(
        &self,
        leases: kube::Client,
        place: (&str, &str),
        identity: String,
    ) -> (JoinHandle<()>, watch::Receiver<Leadership>, oneshot::Sender<()>) {
        let elector = Elector::new(leases, self.watch.clone(), place, identity, &self.scope(), self.lease_timing())
            .with_pulse(self.health.pulse("lease", STUCK));
        let (sender, leadership) = watch::channel(Leadership::Standby);
        let (release, released) = oneshot::channel::<()>();
        let until_released = async move {
            // Resolves when the sender is dropped, which is what ends the elector.
            drop(released.await);
        };
        (tokio::spawn(elector.run(sender, until_released)), leadership, release)
    }

    /// Waits for a term of office, showing how things stand; `None` at the end of the process.
    async fn elected(&self, leadership: &mut watch::Receiver<Leadership>) -> Option<Fence> {
        while !self.shutdown.is_requested() {
            let news = leadership.borrow_and_update().clone();
            match news {
                Leadership::Leading(fence) if fence.holds(Instant::now()) => return Some(fence),
                // It ran out before the elector noticed.
                Leadership::Leading(_) => {}
                Leadership::Standby => self.health.set_ready(ReadyState::Standby),
                Leadership::Unknown(why) => self.health.set_ready(ReadyState::Blocked(why)),
            }
            tokio::select! {
                changed = leadership.changed() => changed.ok()?,
                () = self.shutdown.requested() => {}
            }
        }
        None
    }

    /// One term of office, with empty memory and a fresh list.
    async fn lead(&self, fence: Fence, mut leadership: watch::Receiver<Leadership>, others: &mut Others) {
        tokio::select! {
            // Two that overlap may have started at the same moment.
            () = self.alone(others, Precedence::ByName) => {}
            () = fence.lost(&mut leadership) => return,
            () = self.shutdown.requested() => return,
        }
        self.metrics.leader(true);
        self.health.set_ready(ReadyState::ListIncomplete);
        let lost = fence.clone();
        let grace_period = self.config.timing.shutdown_grace_period;
        let over = async move {
            tokio::select! {
                () = lost.lost(&mut leadership) => Duration::ZERO,
                () = self.shutdown.requested() => grace_period,
            }
        };
        serve(Post { process: self, fence, pulse: self.health.pulse("queue", STUCK) }, over).await;
    }
}
