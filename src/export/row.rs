//! The rows of the condition table: every situation that a status can show.

use crate::api::ExportStatus;
use std::time::Duration;

/// Why a condition has its status. One constant for each reason that users and tools may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is documented where its row is")]
pub enum Reason {
    WaitingForSession,
    Suspended,
    WaitingForOtherExport,
    DestinationUnknown,
    RateLimited,
    Requesting,
    ServiceUnavailable,
    CredentialsUnavailable,
    AccessDenied,
    DestinationForbidden,
    AccountMismatch,
    ServiceAccountNotSupported,
    RequestRejected,
    ConfirmingSessionEnd,
    ExportPending,
    UploadOverdue,
    Exported,
    ExportFailed,
    SessionEnded,
    SessionNotFound,
    ExportConflict,
}

impl Reason {
    /// Every reason, for documentation, metrics and tests.
    pub const ALL: [Self; 21] = [
        Self::WaitingForSession,
        Self::Suspended,
        Self::WaitingForOtherExport,
        Self::DestinationUnknown,
        Self::RateLimited,
        Self::Requesting,
        Self::ServiceUnavailable,
        Self::CredentialsUnavailable,
        Self::AccessDenied,
        Self::DestinationForbidden,
        Self::AccountMismatch,
        Self::ServiceAccountNotSupported,
        Self::RequestRejected,
        Self::ConfirmingSessionEnd,
        Self::ExportPending,
        Self::UploadOverdue,
        Self::Exported,
        Self::ExportFailed,
        Self::SessionEnded,
        Self::SessionNotFound,
        Self::ExportConflict,
    ];

    /// The word as it stands in conditions, Events, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WaitingForSession => "WaitingForSession",
            Self::Suspended => "Suspended",
            Self::WaitingForOtherExport => "WaitingForOtherExport",
            Self::DestinationUnknown => "DestinationUnknown",
            Self::RateLimited => "RateLimited",
            Self::Requesting => "Requesting",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::CredentialsUnavailable => "CredentialsUnavailable",
            Self::AccessDenied => "AccessDenied",
            Self::DestinationForbidden => "DestinationForbidden",
            Self::AccountMismatch => "AccountMismatch",
            Self::ServiceAccountNotSupported => "ServiceAccountNotSupported",
            Self::RequestRejected => "RequestRejected",
            Self::ConfirmingSessionEnd => "ConfirmingSessionEnd",
            Self::ExportPending => "ExportPending",
            Self::UploadOverdue => "UploadOverdue",
            Self::Exported => "Exported",
            Self::ExportFailed => "ExportFailed",
            Self::SessionEnded => "SessionEnded",
            Self::SessionNotFound => "SessionNotFound",
            Self::ExportConflict => "ExportConflict",
        }
    }
}

/// One row of the condition table, with what its message needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Not finished, and AWS has not promised anything.
    Held(Held),
    /// The intent: about to call.
    Requesting,
    /// AWS has promised the export.
    Pending,
    /// Promised, but without a result long after the session must have ended.
    Overdue,
    /// The end, either way.
    Final(Outcome),
    /// Finished before: nothing changes but the generation that was looked at.
    AtRest,
}

/// What holds an export back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// ACTIVATING.
    WaitingForSession,
    /// `spec.suspend`.
    Suspended,
    /// A rival's claim on the session or the `.zip` has no answer yet.
    WaitingForOtherExport {
        /// The rival's name, if it lives in the same namespace.
        rival: Option<String>,
    },
    /// AWS shows a PENDING export without a URI, and we never asked.
    DestinationUnknown,
    /// Waiting for a turn in the quota.
    RateLimited,
    /// AWS can't be reached or does not answer usefully.
    ServiceUnavailable,
    /// AWS does not accept the operator's credentials, or there are none.
    CredentialsUnavailable {
        /// For longer than new IAM rules take.
        stalled: bool,
    },
    /// IAM refuses.
    AccessDenied {
        /// For longer than new IAM rules take.
        stalled: bool,
        /// AWS's name of the refused operation.
        operation: &'static str,
    },
    /// No rule covers the destination.
    DestinationForbidden {
        /// The rule that an administrator would have to add.
        missing_rule: String,
    },
    /// An ARN of another account than the identity's.
    AccountMismatch {
        /// The account that the ARN names.
        named: String,
        /// The account that the operator works for.
        ours: String,
    },
    /// `spec.serviceAccountName` is not supported.
    ServiceAccountNotSupported,
    /// AWS refuses the request though the session is live, or the spec is not what the API accepts.
    RequestRejected {
        /// What is wrong, if it is known better than "AWS refuses it".
        detail: Option<String>,
    },
    /// Looks ended, or is not visible, without an export: to be confirmed.
    ConfirmingSessionEnd,
}

/// How an export ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The ZIP is in S3; the URI as AWS reported it, if it did.
    Exported {
        /// `None` if AWS reported none.
        output_uri: Option<String>,
    },
    /// AWS says FAILED.
    ExportFailed {
        /// AWS's reason, raw.
        reason: Option<String>,
        /// The URI as AWS reported it.
        output_uri: Option<String>,
    },
    /// The session ended before anyone asked.
    SessionEnded,
    /// AWS does not know the session or its group.
    SessionNotFound,
    /// The same, after AWS had promised the export.
    OutcomeUnknown,
    /// The session, or the `.zip`, belongs to another destination or object.
    ExportConflict {
        /// What AWS shows, after our own acceptance.
        shown: Option<ExportStatus>,
        /// The rival's name, if it lives in the same namespace.
        rival: Option<String>,
    },
    /// Not accepted before the deadline; keeps what held it.
    GaveUp {
        /// The last held row.
        held: Box<Held>,
        /// The deadline: this long after the object's creation (`timing.acceptanceBound`).
        bound: Duration,
    },
}

impl Held {
    /// The reason that names this row.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::WaitingForSession => Reason::WaitingForSession,
            Self::Suspended => Reason::Suspended,
            Self::WaitingForOtherExport { .. } => Reason::WaitingForOtherExport,
            Self::DestinationUnknown => Reason::DestinationUnknown,
            Self::RateLimited => Reason::RateLimited,
            Self::ServiceUnavailable => Reason::ServiceUnavailable,
            Self::CredentialsUnavailable { .. } => Reason::CredentialsUnavailable,
            Self::AccessDenied { .. } => Reason::AccessDenied,
            Self::DestinationForbidden { .. } => Reason::DestinationForbidden,
            Self::AccountMismatch { .. } => Reason::AccountMismatch,
            Self::ServiceAccountNotSupported => Reason::ServiceAccountNotSupported,
            Self::RequestRejected { .. } => Reason::RequestRejected,
            Self::ConfirmingSessionEnd => Reason::ConfirmingSessionEnd,
        }
    }

    /// Nothing moves until somebody acts (kstatus: Stalled); else it moves by itself (Reconciling).
    pub const fn is_stalled(&self) -> bool {
        match self {
            Self::CredentialsUnavailable { stalled } | Self::AccessDenied { stalled, .. } => *stalled,
            Self::DestinationForbidden { .. }
            | Self::AccountMismatch { .. }
            | Self::ServiceAccountNotSupported
            | Self::RequestRejected { .. } => true,
            Self::WaitingForSession
            | Self::Suspended
            | Self::WaitingForOtherExport { .. }
            | Self::DestinationUnknown
            | Self::RateLimited
            | Self::ServiceUnavailable
            | Self::ConfirmingSessionEnd => false,
        }
    }

    /// Written as soon as it is entered; the others only after a while in them, for most pass by themselves.
    /// RequestRejected has had its while: three tries spread over a minute.
    pub const fn shows_at_once(&self) -> bool {
        match self {
            Self::WaitingForSession
            | Self::Suspended
            | Self::CredentialsUnavailable { .. }
            | Self::AccessDenied { .. }
            | Self::DestinationForbidden { .. }
            | Self::AccountMismatch { .. }
            | Self::ServiceAccountNotSupported
            | Self::RequestRejected { .. } => true,
            Self::WaitingForOtherExport { .. }
            | Self::DestinationUnknown
            | Self::RateLimited
            | Self::ServiceUnavailable
            | Self::ConfirmingSessionEnd => false,
        }
    }
}

impl Outcome {
    /// The reason that names this row.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Exported { .. } => Reason::Exported,
            Self::ExportFailed { .. } => Reason::ExportFailed,
            Self::SessionEnded => Reason::SessionEnded,
            Self::SessionNotFound | Self::OutcomeUnknown => Reason::SessionNotFound,
            Self::ExportConflict { .. } => Reason::ExportConflict,
            Self::GaveUp { held, .. } => held.reason(),
        }
    }
}

impl Row {
    /// The reason that names this row; `None` where nothing new is said.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Held(held) => Some(held.reason()),
            Self::Requesting => Some(Reason::Requesting),
            Self::Pending => Some(Reason::ExportPending),
            Self::Overdue => Some(Reason::UploadOverdue),
            Self::Final(outcome) => Some(outcome.reason()),
            Self::AtRest => None,
        }
    }
}
