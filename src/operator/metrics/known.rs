//! The label values that are known beforehand: each of their series is there from the start, at zero.

use super::{
    ByClass, ByKind, ByOperation, ByOperationAndClass, ByOutcome, ByReason, ByResult, Metrics, Phase, SCAN_RESULTS,
    Unaccepted, WITHIN,
};
use crate::export::row::Reason;
use crate::operator::client::ERROR_CLASSES;
use crate::streams::observation::FailureClass;
use crate::streams::operation::Operation;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use std::hash::Hash;

/// The reason of an export whose status has not been written yet.
pub const NEW: &str = "New";
/// The reason of an export whose status was written by another version, with a word that this one doesn't know.
pub const UNRECOGNIZED: &str = "Unrecognized";
/// The outcomes of a status write beside the classes of errors.
const OUTCOMES: [&str; 2] = ["written", "conflict"];

/// Where an export may stand for a reason.
const fn phases(reason: Reason) -> &'static [Phase] {
    match reason {
        Reason::Requesting => &[Phase::Waiting],
        // What was never accepted fails in the end with the reason that held it.
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
    pub(super) fn begin_at_zero(&self) {
        self.exports_at_zero();
        let facts = &self.0.facts;
        for operation in Operation::ALL.map(Operation::name) {
            zero(&facts.aws_duration, ByOperation { operation });
            zero(&facts.queue_length, ByOperation { operation });
            for class in FailureClass::ALL.map(FailureClass::label).into_iter().chain(["ok"]) {
                zero(&facts.aws_requests, ByOperationAndClass { operation, class });
            }
        }
        for operation in [Operation::Get, Operation::List].map(Operation::name) {
            zero(&facts.unknown_enum_values, ByOperation { operation });
        }
        for class in [FailureClass::Credentials, FailureClass::AccessDenied].map(FailureClass::label) {
            zero(&facts.denials, ByClass { class });
        }
        for result in SCAN_RESULTS {
            zero(&facts.scans, ByResult { result });
        }
        for outcome in OUTCOMES.into_iter().chain(ERROR_CLASSES) {
            zero(&facts.status_writes, ByOutcome { outcome });
        }
        for kind in ERROR_CLASSES {
            zero(&facts.kube_errors, ByKind { kind });
        }
        self.watch_stalled([]);
    }

    fn exports_at_zero(&self) {
        for reason in Reason::ALL {
            zero(&self.0.facts.transitions, ByReason { reason: reason.as_str() });
            for phase in phases(reason) {
                self.none(*phase, reason.as_str());
            }
        }
        self.none(Phase::Waiting, NEW);
        self.none(Phase::Waiting, UNRECOGNIZED);
    }

    fn none(&self, phase: Phase, reason: &'static str) {
        self.exports(phase, reason, 0);
        if phase == Phase::Waiting {
            self.unaccepted(Unaccepted { reason, remaining: None, within: [0; WITHIN.len()] });
        }
    }
}

fn zero<S: Clone + Hash + Eq, M, C: MetricConstructor<M>>(family: &Family<S, M, C>, labels: S) {
    drop(family.get_or_create(&labels));
}
