//! The reasons of conditions: values of the public contract.

/// The reason of a condition. One variant for each reason that users and tools may rely on.
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

    /// The value in conditions, Events, logs and metrics.
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
