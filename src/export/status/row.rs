//! The rows of the condition table: every state that a status can show.

use crate::api::{ExportStatus, Reason};
use crate::aws::failure::FailureDetail;
use crate::aws::operation::Operation;
use std::time::Duration;

/// One row of the condition table, with what its message needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Row {
    /// Not finished, and AWS has not accepted the export.
    Held(Held),
    /// The intent, recorded before the call.
    Requesting,
    /// AWS has accepted the export.
    Pending,
    /// Accepted, but without a result long after the session must have ended.
    Overdue,
    /// Finished.
    Final(Outcome),
    /// Finished before: only the observed generation changes.
    Unchanged,
}

/// What holds an export back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// The session is ACTIVATING.
    WaitingForSession,
    /// `spec.suspend` is true.
    Suspended,
    /// Another object's claim on the session or the `.zip` has no answer yet.
    WaitingForOtherExport {
        /// The other object's name; `None` if it is in another namespace or unknown.
        rival: Option<String>,
    },
    /// AWS shows a PENDING export without a URI that can't be attributed to this object.
    DestinationUnknown,
    /// Waiting for a slot in the AWS request quota.
    RateLimited,
    /// AWS can't be reached or does not answer usefully.
    ServiceUnavailable {
        /// Why.
        detail: FailureDetail,
    },
    /// AWS does not accept the operator's credentials, or there are none.
    CredentialsUnavailable {
        /// For longer than new IAM rules take.
        stalled: bool,
        /// Why.
        detail: FailureDetail,
    },
    /// IAM denies the operation.
    AccessDenied {
        /// For longer than new IAM rules take.
        stalled: bool,
        /// AWS's name of the refused operation.
        operation: Operation,
        /// AWS's words.
        detail: FailureDetail,
    },
    /// No rule covers the destination.
    DestinationForbidden {
        /// The rule that an administrator would have to add; `None` if a rule with `exports: false` covers it.
        missing_rule: Option<String>,
    },
    /// An ARN of another account than the identity's.
    AccountMismatch {
        /// The account that the ARN names.
        named: String,
    },
    /// `spec.serviceAccountName` is not supported.
    ServiceAccountNotSupported,
    /// AWS rejects the request though the session is live.
    RequestRejected {
        /// AWS's words.
        detail: FailureDetail,
    },
    /// This version does not accept the spec.
    SpecRejected {
        /// What is wrong with it.
        problem: String,
    },
    /// AWS shows the session as ended, or not at all, without an export: another read must confirm it.
    ConfirmingSessionEnd,
}

/// How an export ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The ZIP is in S3.
    Exported {
        /// The URI; `None` if AWS reported none and the spec names no `.zip`.
        output_uri: Option<String>,
    },
    /// AWS says FAILED.
    ExportFailed {
        /// AWS's unchanged reason.
        reason: Option<String>,
        /// The URI as AWS reported it.
        output_uri: Option<String>,
    },
    /// The session ended before the export was requested.
    SessionEnded,
    /// AWS does not know the session or its group.
    SessionNotFound,
    /// The same, after AWS had accepted the export.
    Unknown,
    /// The session, or the `.zip`, belongs to another destination or object.
    ExportConflict {
        /// The export status that AWS shows; `None` if this object's own export was never accepted.
        shown: Option<ExportStatus>,
        /// The other object's name; `None` if it is in another namespace or unknown.
        rival: Option<String>,
    },
    /// Not accepted before the deadline; keeps the last held row.
    GaveUp {
        /// The last held row.
        held: Box<Held>,
        /// The deadline: this long after the object's creation (`timing.acceptanceBound`).
        bound: Duration,
    },
}

impl Held {
    /// The reason that names this row.
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::WaitingForSession => Reason::WaitingForSession,
            Self::Suspended => Reason::Suspended,
            Self::WaitingForOtherExport { .. } => Reason::WaitingForOtherExport,
            Self::DestinationUnknown => Reason::DestinationUnknown,
            Self::RateLimited => Reason::RateLimited,
            Self::ServiceUnavailable { .. } => Reason::ServiceUnavailable,
            Self::CredentialsUnavailable { .. } => Reason::CredentialsUnavailable,
            Self::AccessDenied { .. } => Reason::AccessDenied,
            Self::DestinationForbidden { .. } => Reason::DestinationForbidden,
            Self::AccountMismatch { .. } => Reason::AccountMismatch,
            Self::ServiceAccountNotSupported => Reason::ServiceAccountNotSupported,
            Self::RequestRejected { .. } | Self::SpecRejected { .. } => Reason::RequestRejected,
            Self::ConfirmingSessionEnd => Reason::ConfirmingSessionEnd,
        }
    }

    /// The operation that the row names.
    pub(crate) const fn operation(&self) -> Option<Operation> {
        match self {
            Self::AccessDenied { operation, .. } => Some(*operation),
            Self::WaitingForSession
            | Self::Suspended
            | Self::WaitingForOtherExport { .. }
            | Self::DestinationUnknown
            | Self::RateLimited
            | Self::ServiceUnavailable { .. }
            | Self::CredentialsUnavailable { .. }
            | Self::DestinationForbidden { .. }
            | Self::AccountMismatch { .. }
            | Self::ServiceAccountNotSupported
            | Self::RequestRejected { .. }
            | Self::SpecRejected { .. }
            | Self::ConfirmingSessionEnd => None,
        }
    }

    /// The cause of the failures that the row is about.
    pub(crate) const fn cause_mut(&mut self) -> Option<&mut FailureDetail> {
        match self {
            Self::ServiceUnavailable { detail }
            | Self::CredentialsUnavailable { detail, .. }
            | Self::AccessDenied { detail, .. }
            | Self::RequestRejected { detail } => Some(detail),
            Self::WaitingForSession
            | Self::Suspended
            | Self::WaitingForOtherExport { .. }
            | Self::DestinationUnknown
            | Self::RateLimited
            | Self::DestinationForbidden { .. }
            | Self::AccountMismatch { .. }
            | Self::ServiceAccountNotSupported
            | Self::SpecRejected { .. }
            | Self::ConfirmingSessionEnd => None,
        }
    }

    /// True if an administrator or the object's owner must act (kstatus: Stalled); otherwise the export goes on by
    /// itself (Reconciling).
    pub(crate) const fn is_stalled(&self) -> bool {
        match self {
            Self::CredentialsUnavailable { stalled, .. } | Self::AccessDenied { stalled, .. } => *stalled,
            Self::DestinationForbidden { .. }
            | Self::AccountMismatch { .. }
            | Self::ServiceAccountNotSupported
            | Self::RequestRejected { .. }
            | Self::SpecRejected { .. } => true,
            Self::WaitingForSession
            | Self::Suspended
            | Self::WaitingForOtherExport { .. }
            | Self::DestinationUnknown
            | Self::RateLimited
            | Self::ServiceUnavailable { .. }
            | Self::ConfirmingSessionEnd => false,
        }
    }

    /// True if the row is written at once; the others only after `held_status_delay`, because most are over by then.
    /// RequestRejected needs no further delay: three tries spread over a minute precede it.
    pub(crate) const fn shows_at_once(&self) -> bool {
        match self {
            Self::WaitingForSession
            | Self::Suspended
            | Self::CredentialsUnavailable { .. }
            | Self::AccessDenied { .. }
            | Self::DestinationForbidden { .. }
            | Self::AccountMismatch { .. }
            | Self::ServiceAccountNotSupported
            | Self::RequestRejected { .. }
            | Self::SpecRejected { .. } => true,
            Self::WaitingForOtherExport { .. }
            | Self::DestinationUnknown
            | Self::RateLimited
            | Self::ServiceUnavailable { .. }
            | Self::ConfirmingSessionEnd => false,
        }
    }
}

impl Outcome {
    /// The reason that names this row.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Exported { .. } => Reason::Exported,
            Self::ExportFailed { .. } => Reason::ExportFailed,
            Self::SessionEnded => Reason::SessionEnded,
            Self::SessionNotFound | Self::Unknown => Reason::SessionNotFound,
            Self::ExportConflict { .. } => Reason::ExportConflict,
            Self::GaveUp { held, .. } => held.reason(),
        }
    }
}

impl Row {
    /// The reason that names this row; `None` for [`Row::Unchanged`], which keeps the recorded one.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Self::Held(held) => Some(held.reason()),
            Self::Requesting => Some(Reason::Requesting),
            Self::Pending => Some(Reason::ExportPending),
            Self::Overdue => Some(Reason::UploadOverdue),
            Self::Final(outcome) => Some(outcome.reason()),
            Self::Unchanged => None,
        }
    }
}
