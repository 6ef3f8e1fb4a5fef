//! Every metric of this program, registered in one place.
//!
//! Owns names, help texts and label sets. Labels are bounded: words of our own or of AWS's API, never a session, an
//! object, a namespace or a message.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What [`Metrics::encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds; a call to AWS is given up after 4.
const CALL_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// How far an export has come, as counted by `sessionexport_exports`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Phase {
    /// Not accepted by AWS yet.
    Waiting,
    /// Accepted, no result yet.
    Pending,
    /// Finished with a ZIP.
    Succeeded,
    /// Finished without.
    Failed,
}

macro_rules! label {
    ($name:ident, $field:ident: $type:ty) => {
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name {
            $field: $type,
        }
    };
}

label!(ByPhase, phase: Phase);
label!(ByReason, reason: &'static str);
label!(ByOperation, operation: &'static str);
label!(ByOutcome, outcome: &'static str);
label!(ByKind, kind: &'static str);
label!(ByClass, class: &'static str);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOperationAndClass {
    operation: &'static str,
    class: &'static str,
}

type Amount = Gauge<f64, AtomicU64>;
type Durations = Family<ByOperation, Histogram, fn() -> Histogram>;

/// The metrics; a method for each fact. Cheap to clone, all clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    facts: Facts,
}

struct Facts {
    leader: Gauge,
    ready: Gauge,
    exports: Family<ByPhase, Gauge>,
    transitions: Family<ByReason, Counter>,
    aws_requests: Family<ByOperationAndClass, Counter>,
    aws_duration: Durations,
    quota_share: Family<ByOperation, Amount>,
    turns_waiting: Family<ByOperation, Gauge>,
    denials: Family<ByClass, Counter>,
    reconciles: Counter,
    panics: Counter,
    status_writes: Family<ByOutcome, Counter>,
    kube_errors: Family<ByKind, Counter>,
    events_dropped: Counter,
    watch_restarts: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// All metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sessionexport");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this program", version);
        let facts = Facts::default();
        facts.register_work(&mut registry);
        facts.register_aws(&mut registry);
        facts.register_machinery(&mut registry);
        Self(Arc::new(Inner { registry, facts }))
    }

    /// The metrics in OpenMetrics text.
    ///
    /// # Errors
    /// When a value cannot be formatted; does not happen with these.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    /// Whether this replica leads.
    pub fn leader(&self, leads: bool) {
        self.0.facts.leader.set(i64::from(leads));
    }

    /// Whether the readiness probe passes.
    pub fn ready(&self, ready: bool) {
        self.0.facts.ready.set(i64::from(ready));
    }

    /// How many exports stand in `phase` now.
    pub fn exports(&self, phase: Phase, count: usize) {
        self.0.facts.exports.get_or_create(&ByPhase { phase }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// An export has entered the state that `reason` names, and its status says so.
    pub fn transition(&self, reason: &'static str) {
        self.0.facts.transitions.get_or_create(&ByReason { reason }).inc();
    }

    /// A call to AWS has ended; `class` is the class of its error, or `ok`.
    pub fn aws_request(&self, operation: &'static str, class: &'static str, took: Duration) {
        self.0.facts.aws_requests.get_or_create(&ByOperationAndClass { operation, class }).inc();
        self.0.facts.aws_duration.get_or_create(&ByOperation { operation }).observe(took.as_secs_f64());
    }

    /// The share of the quota in force, in requests per second.
    pub fn quota_share(&self, operation: &'static str, per_second: f64) {
        self.0.facts.quota_share.get_or_create(&ByOperation { operation }).set(per_second);
    }

    /// How many wait for their turn in the quota now.
    pub fn turns_waiting(&self, operation: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.facts.turns_waiting.get_or_create(&ByOperation { operation }).set(count);
    }

    /// AWS or the rules have said no; `class` is the condition's reason.
    pub fn denial(&self, class: &'static str) {
        self.0.facts.denials.get_or_create(&ByClass { class }).inc();
    }

    /// One pass over one object.
    pub fn reconcile(&self) {
        self.0.facts.reconciles.inc();
    }

    /// A pass over one object panicked.
    pub fn reconcile_panic(&self) {
        self.0.facts.panics.inc();
    }

    /// A status was written, or not; `outcome` is `written`, `conflict` or the class of the error.
    pub fn status_write(&self, outcome: &'static str) {
        self.0.facts.status_writes.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// A request to the API server failed; `kind` as in [`error_class`](super::client::error_class).
    pub fn kube_error(&self, kind: &'static str) {
        self.0.facts.kube_errors.get_or_create(&ByKind { kind }).inc();
    }

    /// An Event was given up.
    pub fn event_dropped(&self) {
        self.0.facts.events_dropped.inc();
    }

    /// A list or watch broke off.
    pub fn watch_restart(&self) {
        self.0.facts.watch_restarts.inc();
    }
}

impl Default for Facts {
    fn default() -> Self {
        let durations: fn() -> Histogram = || Histogram::new(CALL_BUCKETS);
        Self {
            leader: Gauge::default(),
            ready: Gauge::default(),
            exports: Family::default(),
            transitions: Family::default(),
            aws_requests: Family::default(),
            aws_duration: Family::new_with_constructor(durations),
            quota_share: Family::default(),
            turns_waiting: Family::default(),
            denials: Family::default(),
            reconciles: Counter::default(),
            panics: Counter::default(),
            status_writes: Family::default(),
            kube_errors: Family::default(),
            events_dropped: Counter::default(),
            watch_restarts: Counter::default(),
        }
    }
}

/// Names without prefix; a counter's `_total` is added by the encoder.
impl Facts {
    fn register_work(&self, registry: &mut Registry) {
        registry.register("exports", "SessionExport objects by how far they have come", self.exports.clone());
        registry.register(
            "transitions",
            "States entered by exports, by the reason in their Ready condition",
            self.transitions.clone(),
        );
        registry.register("denials", "Refusals by AWS or by the rules, by condition reason", self.denials.clone());
        registry.register("reconciles", "Passes over single objects", self.reconciles.clone());
        registry.register(
            "reconcile_panics",
            "Passes that panicked: each is a bug in this program",
            self.panics.clone(),
        );
    }

    fn register_aws(&self, registry: &mut Registry) {
        registry.register(
            "aws_requests",
            "Calls to Amazon GameLift Streams, by operation and class of the answer",
            self.aws_requests.clone(),
        );
        registry.register(
            "aws_request_duration_seconds",
            "How long calls to Amazon GameLift Streams took",
            self.aws_duration.clone(),
        );
        registry.register(
            "quota_share",
            "Requests per second that this operator allows itself at present",
            self.quota_share.clone(),
        );
        registry.register("turns_waiting", "Calls that wait for their turn in the quota", self.turns_waiting.clone());
    }

    fn register_machinery(&self, registry: &mut Registry) {
        registry.register("leader", "1 while this replica holds the lease", self.leader.clone());
        registry.register("ready", "1 while the readiness probe passes", self.ready.clone());
        registry.register(
            "status_writes",
            "Writes of status to the API server, by outcome",
            self.status_writes.clone(),
        );
        registry.register("kube_errors", "Failed requests to the API server, by kind", self.kube_errors.clone());
        registry.register(
            "events_dropped",
            "Kubernetes Events given up because there were too many or the API server refused them",
            self.events_dropped.clone(),
        );
        registry.register("watch_restarts", "Lists and watches that broke off", self.watch_restarts.clone());
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;

impl crate::streams::operation::Observer for Metrics {
    fn call(
        &self,
        operation: crate::streams::operation::Operation,
        class: Option<crate::streams::observation::FailureClass>,
        took: Duration,
    ) {
        let class = class.map_or("ok", crate::streams::observation::FailureClass::label);
        self.aws_request(operation.name(), class, took);
    }
}
