//! Names, help texts and buckets.

use crate::metrics::{Durations, Families};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

/// Seconds; a call to AWS is given up after 4.
const CALL_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
/// Seconds; from the time of one read and one call to the 25 h after which an export is given up.
const ACCEPTANCE_BUCKETS: [f64; 12] =
    [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 90_000.0];

/// Seconds; from a page of each list to the bound of `Behind` with 100 stream groups.
const DISCOVERY_BUCKETS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0];

impl Default for Families {
    fn default() -> Self {
        let calls: fn() -> Histogram = || Histogram::new(CALL_BUCKETS);
        Self {
            leader: Gauge::default(),
            ready: Gauge::default(),
            exports: Family::default(),
            unaccepted: Family::default(),
            remaining: Family::default(),
            acceptance: Histogram::new(ACCEPTANCE_BUCKETS),
            uncovered: Gauge::default(),
            transitions: Family::default(),
            aws_requests: Family::default(),
            aws_duration: Durations::new_with_constructor(calls),
            quota_configured: Family::default(),
            quota_share: Family::default(),
            quota_tokens: Family::default(),
            queue_length: Family::default(),
            unknown_enum_values: Family::default(),
            denials: Family::default(),
            scans: Family::default(),
            scan_missing: Counter::default(),
            scan_age: Gauge::default(),
            discovery_duration: Histogram::new(DISCOVERY_BUCKETS),
            discovery_age: Gauge::default(),
            queue_depth: Gauge::default(),
            reconciles: Counter::default(),
            panics: Counter::default(),
            status_writes: Family::default(),
            kube_errors: Family::default(),
            events_dropped: Counter::default(),
            watch_restarts: Counter::default(),
            watch_stalled: Family::default(),
            unreadable_objects: Gauge::default(),
            policies: Family::default(),
            found_sessions: Family::default(),
            policy_creations: Family::default(),
        }
    }
}

/// One call for each metric: its name without prefix (the encoder adds a counter's `_total`), its help text (the
/// encoder ends the sentence), and its field.
impl Families {
    pub(super) fn build_registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("sessionexport");
        self.register_exports(&mut registry);
        self.register_policies(&mut registry);
        self.register_aws(&mut registry);
        self.register_quota(&mut registry);
        self.register_runtime(&mut registry);
        registry
    }

    fn register_exports(&self, registry: &mut Registry) {
        register_family(
            registry,
            "exports",
            "SessionExports by phase and by the reason of their condition Ready",
            &self.exports,
        );
        register_family(
            registry,
            "unaccepted_exports",
            "SessionExports that AWS has not accepted, by the time within which their session must have ended; each \
             step holds those before it",
            &self.unaccepted,
        );
        register_family(
            registry,
            "unaccepted_remaining_seconds",
            "Time until the session of the most urgent unaccepted SessionExport must have ended, to the minute; absent \
             where there is none. A session that was never read counts until its SessionExport is given up",
            &self.remaining,
        );
        register_family(
            registry,
            "acceptance_duration_seconds",
            "Time from a SessionExport's creation until AWS accepted it, suspension and activation included",
            &self.acceptance,
        );
        register_family(
            registry,
            "uncovered_exports",
            "SessionExports whose status says that the export was requested, and that no rule covers any more: each \
             keeps its status until a rule covers it again",
            &self.uncovered,
        );
        register_family(
            registry,
            "transitions",
            "States that SessionExports have entered, by reason",
            &self.transitions,
        );
    }

    fn register_aws(&self, registry: &mut Registry) {
        register_family(
            registry,
            "aws_requests",
            "Calls to Amazon GameLift Streams, by operation and class of the answer",
            &self.aws_requests,
        );
        register_family(
            registry,
            "aws_request_duration_seconds",
            "How long calls to Amazon GameLift Streams took",
            &self.aws_duration,
        );
        register_family(
            registry,
            "aws_unknown_enum_values",
            "Session and export statuses returned by Amazon GameLift Streams that this version does not know, by operation. \
             Nothing is concluded from them: the session is polled again",
            &self.unknown_enum_values,
        );
        register_family(
            registry,
            "denials",
            "Calls that AWS refused for want of credentials or permission, by class",
            &self.denials,
        );
        register_family(
            registry,
            "list_scans",
            "Scans of a stream group's sessions with ListStreamSessions, by result",
            &self.scans,
        );
        register_family(
            registry,
            "list_scan_missing_sessions",
            "Sessions that were on no page of a complete scan. Each is searched for elsewhere before anything is concluded",
            &self.scan_missing,
        );
        register_family(
            registry,
            "list_scan_age_seconds",
            "Time since the start of the last complete scan for accepted exports; the longest of all stream groups that \
             are polled with ListStreamSessions, zero without any",
            &self.scan_age,
        );
    }

    fn register_policies(&self, registry: &mut Registry) {
        register_family(
            registry,
            "policies",
            "SessionExportPolicies by the reason of their condition Ready",
            &self.policies,
        );
        register_family(
            registry,
            "discovered_sessions",
            "Live sessions that discovery scans showed: each counts once in each scan. discovered, selected by a policy, \
             or refused: selected, but without a destination that the rules allow",
            &self.found_sessions,
        );
        register_family(
            registry,
            "policy_creations",
            "SessionExports that policies made or tried to make: created, existing (made earlier), name_taken (by another \
             object, which is left alone), not_yet (a namesake is being deleted), refused by the API server, or failed",
            &self.policy_creations,
        );
        register_family(
            registry,
            "discovery_scan_duration_seconds",
            "How long a complete scan took that finds the live sessions of a stream group with a policy",
            &self.discovery_duration,
        );
        register_family(
            registry,
            "discovery_scan_age_seconds",
            "Time since the start of the last complete scan that finds the live sessions of a stream group with a policy; \
             the longest of all these groups, those aside whose policies are all suspended; zero without any. A session \
             that lives shorter than that may be missed",
            &self.discovery_age,
        );
    }

    fn register_quota(&self, registry: &mut Registry) {
        register_family(
            registry,
            "quota_share_configured",
            "Requests per second that the configuration lets this operator send",
            &self.quota_configured,
        );
        register_family(
            registry,
            "quota_share",
            "Requests per second that this operator allows itself at present: less than configured after AWS has \
             throttled; the lowest of all accounts and Regions",
            &self.quota_share,
        );
        register_family(
            registry,
            "quota_tokens",
            "Requests that could be sent at once; below 1 the next one waits; the lowest of all accounts and Regions",
            &self.quota_tokens,
        );
        register_family(
            registry,
            "aws_quota_queue_length",
            "SessionExports that wait for a slot in the AWS request quota, by operation",
            &self.queue_length,
        );
    }

    fn register_runtime(&self, registry: &mut Registry) {
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this program", version);
        register_family(registry, "leader", "1 while this replica holds the lease", &self.leader);
        register_family(registry, "ready", "1 while the readiness probe passes", &self.ready);
        register_family(
            registry,
            "queue_depth",
            "SessionExports that are due for a reconcile that has not started",
            &self.queue_depth,
        );
        register_family(registry, "reconciles", "Reconciles of a SessionExport", &self.reconciles);
        register_family(
            registry,
            "reconcile_panics",
            "Reconciles that panicked: each is a bug in this program",
            &self.panics,
        );
        register_family(
            registry,
            "status_writes",
            "Writes of status to the API server, by outcome",
            &self.status_writes,
        );
        register_family(registry, "kube_errors", "Failed requests to the API server, by kind", &self.kube_errors);
        register_family(
            registry,
            "events_dropped",
            "Kubernetes Events given up because there were too many or the API server refused them",
            &self.events_dropped,
        );
        register_family(registry, "watch_restarts", "Lists and watches that failed", &self.watch_restarts);
        register_family(
            registry,
            "watch_stalled",
            "Watches for which no list has been complete for two periods, by the kind of their last error",
            &self.watch_stalled,
        );
        register_family(
            registry,
            "unreadable_objects",
            "SessionExports that this version can't decode: each is ignored until it changes, and a warning in the log \
             names some of them",
            &self.unreadable_objects,
        );
    }
}

fn register_family(registry: &mut Registry, name: &str, help: &str, metric: &(impl Metric + Clone)) {
    registry.register(name, help, metric.clone());
}
