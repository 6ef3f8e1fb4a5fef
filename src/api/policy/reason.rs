//! The reasons of a policy's conditions: values of the public contract.

/// The reason of a condition of a SessionExportPolicy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyReason {
    /// The first complete scan for this object has not ended.
    Discovering,
    /// Sessions are discovered, and nothing is in the way.
    Watching,
    /// `spec.suspend`.
    Suspended,
    /// The last complete scan is too old.
    Behind,
    /// Exports are made, and the most urgent of them is Stalled.
    ExportsHeld,
    /// This version does not accept the spec: the definition in the cluster is laxer.
    SpecRejected,
    /// No rule that allows policies covers the destination.
    DestinationForbidden,
    /// `spec.serviceAccountName`, which this operator does not support.
    ServiceAccountNotSupported,
    /// AWS denies ListStreamSessions.
    AccessDenied,
    /// The operator has no credentials.
    CredentialsUnavailable,
    /// An ARN of another account.
    AccountMismatch,
    /// AWS does not know the stream group.
    StreamGroupNotFound,
    /// The operator's label selector does not match what the template makes.
    OutOfScope,
    /// The API server refuses to create the SessionExports.
    ExportsRefused,
}

impl PolicyReason {
    /// Every reason, for documentation, metrics and tests.
    pub const ALL: [Self; 14] = [
        Self::Discovering,
        Self::Watching,
        Self::Suspended,
        Self::Behind,
        Self::ExportsHeld,
        Self::SpecRejected,
        Self::DestinationForbidden,
        Self::ServiceAccountNotSupported,
        Self::AccessDenied,
        Self::CredentialsUnavailable,
        Self::AccountMismatch,
        Self::StreamGroupNotFound,
        Self::OutOfScope,
        Self::ExportsRefused,
    ];

    /// The value in conditions, Events, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discovering => "Discovering",
            Self::Watching => "Watching",
            Self::Suspended => "Suspended",
            Self::Behind => "Behind",
            Self::ExportsHeld => "ExportsHeld",
            Self::SpecRejected => "SpecRejected",
            Self::DestinationForbidden => "DestinationForbidden",
            Self::ServiceAccountNotSupported => "ServiceAccountNotSupported",
            Self::AccessDenied => "AccessDenied",
            Self::CredentialsUnavailable => "CredentialsUnavailable",
            Self::AccountMismatch => "AccountMismatch",
            Self::StreamGroupNotFound => "StreamGroupNotFound",
            Self::OutOfScope => "OutOfScope",
            Self::ExportsRefused => "ExportsRefused",
        }
    }
}
