//! Every metric of this program.
//!
//! Owns: label sets and a method for each fact; names and help texts are in `registry`, the preset label values in
//! `preset`. Labels are bounded: values of this program or of AWS's API. `docs/metrics.md` is written from the
//! registry.
//! Never: puts a session, an object, a namespace or a message in a label.

pub(crate) mod format;
pub(crate) mod preset;
pub(crate) mod registry;
#[cfg(test)]
mod tests;

pub use format::TextFormat;
pub use preset::{ERROR_CLASSES, NEW, SILENT_KIND, UNRECOGNIZED};

use crate::aws::failure::FailureClass;
use crate::aws::operation::{CallMetrics, Operation};
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

/// The cumulative steps of remaining time in `sessionexport_unaccepted_exports`; the last has no bound.
pub const WITHIN: [(&str, Duration); 5] = [
    ("5m", Duration::from_secs(300)),
    ("15m", Duration::from_secs(900)),
    ("1h", Duration::from_secs(3600)),
    ("4h", Duration::from_secs(14_400)),
    ("any", Duration::MAX),
];

/// How a scan by ListStreamSessions ends, as counted by `sessionexport_list_scans_total`.
const SCAN_RESULTS: [&str; 3] = ["complete", "abandoned", "failed"];

/// What becomes of a session that discovery shows, as counted by `sessionexport_discovered_sessions_total`.
const FOUND_RESULTS: [&str; 3] = ["discovered", "selected", "refused"];

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

/// The exports with one reason that AWS has not accepted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unaccepted {
    /// The reason of their Ready condition.
    pub reason: &'static str,
    /// Time left for the acceptance of the most urgent one; `None` if there are none.
    pub remaining: Option<Duration>,
    /// How many can be accepted for no longer than each step of [`WITHIN`].
    pub within: [usize; WITHIN.len()],
}

/// Quota gauges of one operation: of all accounts and Regions, the lowest share and tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuotaStats {
    /// AWS's name of the operation.
    pub operation: &'static str,
    /// Requests per second that the configuration allows.
    pub configured: f64,
    /// Requests per second in force.
    pub share: f64,
    /// Requests that could be sent at once; below 1 the next has to wait.
    pub tokens: f64,
    /// SessionExports in the queue for this operation.
    pub waiting: usize,
}

/// Ended scans by result, and the number of sessions that were on no page of a complete one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanStats {
    /// Scans read to the end, or until all sessions were found.
    pub complete: u64,
    /// Scans that cost more than one Get per session, or whose page tokens repeated.
    pub given_up: u64,
    /// Scans with a page that was refused or could not be read.
    pub failed: u64,
    /// Sessions missing from complete scans.
    pub missing: u64,
}

impl ScanStats {
    pub(crate) const fn add(&mut self, more: Self) {
        self.complete += more.complete;
        self.given_up += more.given_up;
        self.failed += more.failed;
        self.missing += more.missing;
    }
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
    facts: Families,
}

struct Families {
    /// 1 while this replica holds the lease.
    leader: Gauge,
    /// 1 while the readiness probe passes.
    ready: Gauge,
    /// SessionExports by phase and reason of the Ready condition.
    exports: Family<ByPhaseAndReason, Gauge>,
    /// Unaccepted SessionExports, by remaining time; the steps of [`WITHIN`] are cumulative.
    unaccepted: Family<ByReasonAndTime, Gauge>,
    /// Seconds left for the most urgent unaccepted SessionExport; absent without one.
    remaining: Family<ByReason, Amount>,
    /// Seconds from creation to acceptance.
    acceptance: Histogram,
    /// Requested, unfinished SessionExports that no rule covers any longer.
    uncovered: Gauge,
    /// States entered.
    transitions: Family<ByReason, Counter>,
    /// Calls to AWS; the class is that of the error, or `ok`.
    aws_requests: Family<ByOperationAndClass, Counter>,
    /// Seconds that calls to AWS took.
    aws_duration: Durations,
    /// Requests per second configured.
    quota_configured: Family<ByOperation, Amount>,
    /// Requests per second in force, reduced after throttling.
    quota_share: Family<ByOperation, Amount>,
    /// Requests that could be sent at once.
    quota_tokens: Family<ByOperation, Amount>,
    /// SessionExports that wait for a slot in the quota.
    queue_length: Family<ByOperation, Gauge>,
    /// Statuses returned by AWS that this version doesn't know.
    unknown_enum_values: Family<ByOperation, Counter>,
    /// Calls refused for lack of credentials or permission.
    denials: Family<ByClass, Counter>,
    /// Scans with ListStreamSessions.
    scans: Family<ByResult, Counter>,
    /// Sessions on no page of a complete scan.
    scan_missing: Counter,
    /// Seconds since the oldest stream group's last complete scan began.
    scan_age: Amount,
    /// Seconds that complete discovery scans took.
    discovery_duration: Histogram,
    /// Seconds since the oldest stream group's last complete discovery scan began.
    discovery_age: Amount,
    /// Objects due for a reconcile that has not started.
    queue_depth: Gauge,
    /// Reconciles started.
    reconciles: Counter,
    /// Reconciles and watch callbacks that panicked.
    panics: Counter,
    /// Status writes.
    status_writes: Family<ByOutcome, Counter>,
    /// Failed requests to the API server.
    kube_errors: Family<ByKind, Counter>,
    /// Kubernetes Events given up.
    events_dropped: Counter,
    /// Lists and watches that failed.
    watch_restarts: Counter,
    /// Watches without a complete list for two periods.
    watch_stalled: Family<ByKind, Gauge>,
    /// SessionExports that can't be decoded.
    unreadable_objects: Gauge,
    /// SessionExportPolicies by the reason of the Ready condition.
    policies: Family<ByReason, Gauge>,
    /// Live sessions in the scans of discovery.
    found_sessions: Family<ByResult, Counter>,
    /// SessionExports that policies made, or could not make.
    policy_creations: Family<ByOutcome, Counter>,
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
    /// All metrics, with zeros for all preset labels: Prometheus sees no increase in a counter that appears with its
    /// first event.
    #[must_use]
    pub fn new() -> Self {
        let facts = Families::default();
        let registry = facts.build_registry();
        let metrics = Self(Arc::new(Inner { registry, facts }));
        metrics.init_all_series();
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

    /// The metrics in a text format.
    ///
    /// # Errors
    /// As [`Metrics::encode`].
    pub fn encode_as(&self, format: TextFormat) -> Result<String, fmt::Error> {
        let open_metrics = self.encode()?;
        Ok(match format {
            TextFormat::OpenMetrics => open_metrics,
            TextFormat::Prometheus => format::convert_to_prometheus(&open_metrics),
        })
    }

    /// Whether this replica leads.
    pub fn set_leader(&self, leads: bool) {
        self.0.facts.leader.set(i64::from(leads));
    }

    /// Resets the gauges that only a leader reports; the next leader reports them.
    pub fn reset_leader_metrics(&self) {
        let facts = &self.0.facts;
        self.set_leader(false);
        facts.queue_depth.set(0);
        facts.unreadable_objects.set(0);
        facts.policies.clear();
        facts.exports.clear();
        facts.unaccepted.clear();
        facts.remaining.clear();
        facts.uncovered.set(0);
        facts.quota_configured.clear();
        facts.quota_share.clear();
        facts.quota_tokens.clear();
        facts.queue_length.clear();
        facts.scan_age.set(0.0);
        facts.discovery_age.set(0.0);
        self.init_all_series();
    }

    /// Whether the readiness probe passes.
    pub fn set_ready(&self, ready: bool) {
        self.0.facts.ready.set(i64::from(ready));
    }

    /// How many exports are in `phase` for `reason` now.
    pub fn set_exports(&self, phase: Phase, reason: &'static str, count: usize) {
        self.0.facts.exports.get_or_create(&ByPhaseAndReason { phase, reason }).set(to_gauge(count));
    }

    /// The exports with one reason that AWS has not accepted yet, by remaining time.
    pub fn set_unaccepted(&self, Unaccepted { reason, remaining, within }: Unaccepted) {
        let facts = &self.0.facts;
        for ((step, _), count) in WITHIN.into_iter().zip(within) {
            facts.unaccepted.get_or_create(&ByReasonAndTime { reason, within: step }).set(to_gauge(count));
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

    /// How many exports have been requested, are unfinished, and are no longer covered by a rule.
    pub fn set_uncovered_exports(&self, count: usize) {
        self.0.facts.uncovered.set(to_gauge(count));
    }

    /// AWS has accepted an export, this long after its creation.
    pub fn record_acceptance(&self, after: Duration) {
        self.0.facts.acceptance.observe(after.as_secs_f64());
    }

    /// An export's status has changed to `reason`.
    pub fn record_transition(&self, reason: &'static str) {
        self.0.facts.transitions.get_or_create(&ByReason { reason }).inc();
    }

    /// A call to AWS has ended; `class` is the class of its error, or `ok`.
    pub fn record_aws_request(&self, operation: &'static str, class: &'static str, took: Duration) {
        self.0.facts.aws_requests.get_or_create(&ByOperationAndClass { operation, class }).inc();
        self.0.facts.aws_duration.get_or_create(&ByOperation { operation }).observe(took.as_secs_f64());
    }

    /// The quota gauges of an operation.
    pub fn set_quota(&self, quota: QuotaStats) {
        let facts = &self.0.facts;
        let by = ByOperation { operation: quota.operation };
        facts.quota_configured.get_or_create(&by).set(quota.configured);
        facts.quota_share.get_or_create(&by).set(quota.share);
        facts.quota_tokens.get_or_create(&by).set(quota.tokens);
        facts.queue_length.get_or_create(&by).set(to_gauge(quota.waiting));
    }

    /// AWS has denied a call; `class` is the class of its error.
    pub fn record_denial(&self, class: &'static str) {
        self.0.facts.denials.get_or_create(&ByClass { class }).inc();
    }

    /// The scans that have ended since the last call, and the time since the oldest one that counts began.
    pub fn record_scans(&self, tally: ScanStats, age: Duration) {
        let facts = &self.0.facts;
        for (result, scans) in SCAN_RESULTS.into_iter().zip([tally.complete, tally.given_up, tally.failed]) {
            facts.scans.get_or_create(&ByResult { result }).inc_by(scans);
        }
        facts.scan_missing.inc_by(tally.missing);
        facts.scan_age.set(age.as_secs_f64());
    }

    /// A discovery scan is complete; it took so long.
    pub fn record_discovery_scan(&self, took: Duration) {
        self.0.facts.discovery_duration.observe(took.as_secs_f64());
    }

    /// The time since the oldest discovery scan that counts began.
    pub fn set_discovery_age(&self, age: Duration) {
        self.0.facts.discovery_age.set(age.as_secs_f64());
    }

    /// How many objects are due for a reconcile that has not started.
    pub fn set_queue_depth(&self, count: usize) {
        self.0.facts.queue_depth.set(to_gauge(count));
    }

    /// A reconcile has started.
    pub fn record_reconcile(&self) {
        self.0.facts.reconciles.inc();
    }

    /// A reconcile or a watch callback panicked.
    pub fn record_reconcile_panic(&self) {
        self.0.facts.panics.inc();
    }

    /// A status was written, or not; `outcome` is `written`, `conflict` or the class of the error.
    pub fn record_status_write(&self, outcome: &'static str) {
        self.0.facts.status_writes.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// A request to the API server failed; `kind` as in `runtime::client::error_class`.
    pub fn record_kube_error(&self, kind: &'static str) {
        self.0.facts.kube_errors.get_or_create(&ByKind { kind }).inc();
    }

    /// A Kubernetes Event was given up.
    pub fn record_event_dropped(&self) {
        self.0.facts.events_dropped.inc();
    }

    /// The stalled watches, by the class of their last error.
    pub fn set_watch_stalled(&self, kinds: impl IntoIterator<Item = &'static str>) {
        let stalled: Vec<_> = kinds.into_iter().collect();
        for kind in ERROR_CLASSES.into_iter().chain([SILENT_KIND]) {
            let count = stalled.iter().filter(|stalled| **stalled == kind).count();
            self.0.facts.watch_stalled.get_or_create(&ByKind { kind }).set(to_gauge(count));
        }
    }

    /// How many objects can't be decoded now.
    pub fn set_unreadable_objects(&self, count: usize) {
        self.0.facts.unreadable_objects.set(to_gauge(count));
    }

    /// How many policies show a reason now.
    pub fn set_policies(&self, reason: &'static str, count: usize) {
        self.0.facts.policies.get_or_create(&ByReason { reason }).set(to_gauge(count));
    }

    /// Sessions that pages have shown for the first time in a scan: discovered, selected by policies, and selected
    /// without a destination that the rules allow.
    pub fn record_found_sessions(&self, counts: [u64; FOUND_RESULTS.len()]) {
        for (result, count) in FOUND_RESULTS.into_iter().zip(counts) {
            self.0.facts.found_sessions.get_or_create(&ByResult { result }).inc_by(count);
        }
    }

    /// The creation of an object for a policy has ended.
    pub fn record_policy_creation(&self, outcome: &'static str) {
        self.0.facts.policy_creations.get_or_create(&ByOutcome { outcome }).inc();
    }

    /// Counts a failed list or watch.
    pub fn record_watch_restart(&self) {
        self.0.facts.watch_restarts.inc();
    }
}

fn to_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl CallMetrics for Metrics {
    fn record_call(&self, operation: Operation, class: Option<FailureClass>, took: Duration) {
        let class = class.map_or("ok", FailureClass::label);
        self.record_aws_request(operation.name(), class, took);
    }

    fn unknown_enum_values(&self, operation: Operation, count: usize) {
        let by = ByOperation { operation: operation.name() };
        self.0.facts.unknown_enum_values.get_or_create(&by).inc_by(count as u64);
    }
}
