//! The preset label values: each of their series exists from the start, at zero.

use crate::api::Reason;
use crate::api::policy::PolicyReason;
use crate::aws::failure::FailureClass;
use crate::aws::operation::Operation;
use crate::metrics::{
    ByClass, ByKind, ByOperation, ByOperationAndClass, ByOutcome, ByReason, ByResult, FOUND_RESULTS, Metrics, Phase,
    SCAN_RESULTS, Unaccepted, WITHIN,
};
use prometheus_client::metrics::family::{Family, MetricConstructor};
use std::hash::Hash;

/// The reason of an export whose status has not been written yet.
pub const NEW: &str = "New";
/// The reason of an export whose status another version has written with a reason unknown to this one.
pub const UNRECOGNIZED: &str = "Unrecognized";
/// The kinds of failed requests to the API server: all that `runtime::client::error_class` returns.
pub const ERROR_CLASSES: [&str; 10] = [
    "unauthorized",
    "forbidden",
    "not_found",
    "conflict",
    "throttled",
    "server",
    "refused",
    "decode",
    "timeout",
    "connection",
];
/// The kind of a stalled watch that had no error.
pub const SILENT_KIND: &str = "silent";
/// The outcomes of a status write beside the classes of errors.
const OUTCOMES: [&str; 2] = ["written", "conflict"];

/// How the creation of an object for a policy ends.
pub(crate) const CREATION_OUTCOMES: [&str; 6] = ["created", "existing", "name_taken", "not_yet", "refused", "failed"];

/// The phases in which an export may have a reason.
const fn phases_of(reason: Reason) -> &'static [Phase] {
    match reason {
        Reason::Requesting => &[Phase::Waiting],
        // An export that is never accepted fails in the end with the reason that held it.
        Reason::WaitingForSession
        | Reason::Suspended
        | Reason::WaitingForOtherExport
        | Reason::DestinationUnknown
        | Reason::RateLimited
        | Reason::ServiceUnavailable
        | Reason::CredentialsUnavailable
        | Reason::AccessDenied
        | Reason::DestinationForbidden
        | Reason::AccountMismatch
        | Reason::ServiceAccountNotSupported
        | Reason::RequestRejected
        | Reason::ConfirmingSessionEnd => &[Phase::Waiting, Phase::Failed],
        Reason::ExportPending | Reason::UploadOverdue => &[Phase::Pending],
        Reason::Exported => &[Phase::Succeeded],
        Reason::ExportFailed | Reason::SessionEnded | Reason::SessionNotFound | Reason::ExportConflict => {
            &[Phase::Failed]
        }
    }
}

impl Metrics {
    pub(super) fn init_all_series(&self) {
        self.init_exports();
        let facts = &self.0.facts;
        for operation in Operation::ALL.map(Operation::name) {
            init_series(&facts.aws_duration, ByOperation { operation });
            init_series(&facts.queue_length, ByOperation { operation });
            for class in FailureClass::ALL.map(FailureClass::label).into_iter().chain(["ok"]) {
                init_series(&facts.aws_requests, ByOperationAndClass { operation, class });
            }
        }
        for operation in [Operation::Get, Operation::List].map(Operation::name) {
            init_series(&facts.unknown_enum_values, ByOperation { operation });
        }
        for class in [FailureClass::Credentials, FailureClass::AccessDenied].map(FailureClass::label) {
            init_series(&facts.denials, ByClass { class });
        }
        for result in SCAN_RESULTS {
            init_series(&facts.scans, ByResult { result });
        }
        for outcome in OUTCOMES.into_iter().chain(ERROR_CLASSES) {
            init_series(&facts.status_writes, ByOutcome { outcome });
        }
        for kind in ERROR_CLASSES {
            init_series(&facts.kube_errors, ByKind { kind });
        }
        self.set_watch_stalled([]);
        for reason in PolicyReason::ALL {
            self.set_policies(reason.as_str(), 0);
        }
        self.record_found_sessions([0; FOUND_RESULTS.len()]);
        for outcome in CREATION_OUTCOMES {
            init_series(&facts.policy_creations, ByOutcome { outcome });
        }
    }

    fn init_exports(&self) {
        for reason in Reason::ALL {
            init_series(&self.0.facts.transitions, ByReason { reason: reason.as_str() });
            for phase in phases_of(reason) {
                self.clear_exports(*phase, reason.as_str());
            }
        }
        self.clear_exports(Phase::Waiting, NEW);
        self.clear_exports(Phase::Waiting, UNRECOGNIZED);
    }

    fn clear_exports(&self, phase: Phase, reason: &'static str) {
        self.set_exports(phase, reason, 0);
        if phase == Phase::Waiting {
            self.set_unaccepted(Unaccepted { reason, remaining: None, within: [0; WITHIN.len()] });
        }
    }
}

fn init_series<S: Clone + Hash + Eq, M, C: MetricConstructor<M>>(family: &Family<S, M, C>, labels: S) {
    drop(family.get_or_create(&labels));
}
