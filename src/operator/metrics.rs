//! Every metric of this program, in one place.
//!
//! Owns label sets and a method for each fact; names and help texts are in `registered`, the label values that every
//! series begins with in `known`. Labels are bounded: words of our own or of AWS's API, never a session, an object, a
//! namespace or a message. `docs/metrics.md` is written from the registry.

mod known;
mod registered;

pub use known::{NEW, UNRECOGNIZED};

use super::client::ERROR_CLASSES;
use super::watch::SILENT_KIND;
use crate::export::sweep::Tally;
use crate::streams::observation::FailureClass;
use crate::streams::operation::{Observer, Operation};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What [`Metrics::encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The steps in which `sessionexport_unaccepted_exports` counts by remaining time: each holds those before it. The
/// last has no bound.
pub const WITHIN: [(&str, Duration); 5] = [
    ("5m", Duration::from_secs(300)),
    ("15m", Duration::from_secs(900)),
    ("1h", Duration::from_secs(3600)),
    ("4h", Duration::from_secs(14_400)),
    ("any", Duration::MAX),
];

/// How a scan by ListStreamSessions ends, as counted by `sessionexport_list_scans_total`.
const SCAN_RESULTS: [&str; 3] = ["complete", "abandoned", "failed"];

/// How far an export has come, as counted by `sessionexport_exports`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelValue)]
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

/// Those of one reason that AWS has not accepted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unaccepted {
    /// The reason in their Ready condition.
    pub reason: &'static str,
    /// How long the most urgent one can still be accepted; `None` if there are none.
    pub remaining: Option<Duration>,
    /// How many can be accepted for no longer than each step of [`WITHIN`].
    pub within: [usize; WITHIN.len()],
}

/// How one operation's share of the quota fares: the tightest of all accounts and Regions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// AWS's name of the operation.
    pub operation: &'static str,
    /// Requests per second that the configuration allows.
    pub configured: f64,
    /// Requests per second in force.
    pub share: f64,
    /// Requests that could go at once; the next has to wait below 1.
    pub tokens: f64,
    /// SessionExports in the queue for this operation.
    pub waiting: usize,
}

macro_rules! label {
    ($name:ident, $field:ident: $type:ty) => {
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name {
            $field: $type,
        }
    };
}

label!(ByReason, reason: &'static str);
label!(ByOperation, operation: &'static str);
label!(ByOutcome, outcome: &'static str);
label!(ByKind, kind: &'static str);
label!(ByClass, class: &'static str);
label!(ByResult, result: &'static str);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPhaseAndReason {
    phase: Phase,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReasonAndTime {
    reason: &'static str,
    within: &'static str,
}

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
    exports: Family<ByPhaseAndReason, Gauge>,
    unaccepted: Family<ByReasonAndTime, Gauge>,
    remaining: Family<ByReason, Amount>,
    acceptance: Histogram,
    transitions: Family<ByReason, Counter>,
    aws_requests: Family<ByOperationAndClass, Counter>,
    aws_duration: Durations,
    quota_configured: Family<ByOperation, Amount>,
    quota_share: Family<ByOperation, Amount>,
    quota_tokens: Family<ByOperation, Amount>,
    queue_length: Family<ByOperation, Gauge>,
    unknown_enum_values: Family<ByOperation, Counter>,
    denials: Family<ByClass, Counter>,
    scans: Family<ByResult, Counter>,
    scan_missing: Counter,
    scan_age: Amount,
    queue_depth: Gauge,
    reconciles: Counter,
    panics: Counter,
    status_writes: Family<ByOutcome, Counter>,
    kube_errors: Family<ByKind, Counter>,
    events_dropped: Counter,
    watch_restarts: Counter,
    watch_stalled: Family<ByKind, Gauge>,
    unreadable_objects: Gauge,
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
    /// All metrics, with zeros for all labels that are known beforehand: a counter that appears with its first event
    /// shows no increase to Prometheus.
    #[must_use]
    pub fn new() -> Self {
        let facts = Facts::default();
        let registry = facts.registered();
        let metrics = Self(Arc::new(Inner { registry, facts }));
        metrics.begin_at_zero();
        metrics
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

    /// This replica leads no more: what it saw as the leader is the next one's to tell.
    pub fn term_over(&self) {
        let facts = &self.0.facts;
        self.leader(false);
        facts.queue_depth.set(0);
        facts.unreadable_objects.set(0);
        facts.exports.clear();
        facts.unaccepted.clear();
        facts.remaining.clear();
        facts.quota_configured.clear();
        facts.quota_share.clear();
        facts.quota_tokens.clear();
        facts.queue_length.clear();
        facts.scan_age.set(0.0);
        self.begin_at_zero();
    }

    /// Whether the readiness probe passes.
    pub fn ready(&self, ready: bool) {
        self.0.facts.ready.set(i64::from(ready));
    }

    /// How many exports stand in `phase` for `reason` now.
    pub fn exports(&self, phase: Phase, reason: &'static str, count: usize) {
        self.0.facts.exports.get_or_create(&ByPhaseAndReason { phase, reason }).set(whole(count));
    }

    /// How urgent those are that AWS has not accepted yet.
    pub fn unaccepted(&self, Unaccepted { reason, remaining, within }: Unaccepted) {
        let facts = &self.0.facts;
        for ((step, _), count) in WITHIN.into_iter().zip(within) {
            facts.unaccepted.get_or_create(&ByReasonAndTime { reason, within: step }).set(whole(count));
        }
        match remaining {
            Some(left) => {
                facts.remaining.get_or_create(&ByReason { reason }).set(left.as_secs_f64());
            }
            None => {
                facts.remaining.remove(&ByReason { reason });
            }
        }
    }

    /// AWS has accepted an export that was created so long ago.
    pub fn accepted(&self, after: Duration) {
        self.0.facts.acceptance.observe(after.as_secs_f64());
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

    /// How the quota of an operation fares.
    pub fn quota(&self, quota: Quota) {
        let facts = &self.0.facts;
        let by = ByOperation { operation: quota.operation };
        facts.quota_configured.get_or_create(&by).set(quota.configured);
        facts.quota_share.get_or_create(&by).set(quota.share);
        facts.quota_tokens.get_or_create(&by).set(quota.tokens);
        facts.queue_length.get_or_create(&by).set(whole(quota.waiting));
    }

    /// AWS has said no; `class` is the class of its error.
    pub fn denial(&self, class: &'static str) {
        self.0.facts.denials.get_or_create(&ByClass { class }).inc();
    }

    /// The scans that have ended since the last call, and the time since the oldest one that counts began.
    pub fn swept(&self, tally: Tally, age: Duration) {
        let facts = &self.0.facts;
        for (result, scans) in SCAN_RESULTS.into_iter().zip([tally.complete, tally.given_up, tally.failed]) {
            facts.scans.get_or_create(&ByResult { result }).inc_by(scans);
        }
        facts.scan_missing.inc_by(tally.missing);
        facts.scan_age.set(age.as_secs_f64());
    }

    /// How many objects are due for a pass that has not begun.
    pub fn queue_depth(&self, count: usize) {
        self.0.facts.queue_depth.set(whole(count));
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

    /// The streams that stand still, by the class of their last error.
    pub fn watch_stalled(&self, kinds: impl IntoIterator<Item = &'static str>) {
        let stalled: Vec<_> = kinds.into_iter().collect();
        for kind in ERROR_CLASSES.into_iter().chain([SILENT_KIND]) {
            let count = stalled.iter().filter(|stalled| **stalled == kind).count();
            self.0.facts.watch_stalled.get_or_create(&ByKind { kind }).set(whole(count));
        }
    }

    /// How many objects can't be decoded now.
    pub fn unreadable_objects(&self, count: usize) {
        self.0.facts.unreadable_objects.set(whole(count));
    }

    /// A list or watch broke off.
    pub fn watch_restart(&self) {
        self.0.facts.watch_restarts.inc();
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;

impl Observer for Metrics {
    fn call(&self, operation: Operation, class: Option<FailureClass>, took: Duration) {
        let class = class.map_or("ok", FailureClass::label);
        self.aws_request(operation.name(), class, took);
    }

    fn unknown_enum_values(&self, operation: Operation, count: usize) {
        let by = ByOperation { operation: operation.name() };
        self.0.facts.unknown_enum_values.get_or_create(&by).inc_by(count as u64);
    }
}
