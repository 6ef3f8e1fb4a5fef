//! Why a session is in ERROR or has ended.

use serde::{Deserialize, Serialize};

/// `StreamSessionStatusReason`, complete as of AWS's model of November 2026. Other texts are shown by the fault
/// `statusReason` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatusReason {
    /// An error of the service.
    InternalError,
    /// The client's WebRTC offer is not valid.
    InvalidSignalRequest,
    /// There was no capacity in time.
    PlacementTimeout,
    /// The application's log can't be written to its bucket.
    ApplicationLogS3DestinationError,
    /// The session's role can't be assumed.
    AssumeRoleFailed,
    /// The application exited or crashed.
    ApplicationExit,
    /// No client connected in time.
    ConnectionTimeout,
    /// The client did not come back in time.
    ReconnectionTimeout,
    /// The session reached its longest life.
    MaxSessionLengthTimeout,
    /// There was no input for too long.
    IdleTimeout,
    /// TerminateStreamSession was called.
    ApiTerminated,
}

impl StatusReason {
    /// AWS's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::InternalError => "internalError",
            Self::InvalidSignalRequest => "invalidSignalRequest",
            Self::PlacementTimeout => "placementTimeout",
            Self::ApplicationLogS3DestinationError => "applicationLogS3DestinationError",
            Self::AssumeRoleFailed => "assumeRoleFailed",
            Self::ApplicationExit => "applicationExit",
            Self::ConnectionTimeout => "connectionTimeout",
            Self::ReconnectionTimeout => "reconnectionTimeout",
            Self::MaxSessionLengthTimeout => "maxSessionLengthTimeout",
            Self::IdleTimeout => "idleTimeout",
            Self::ApiTerminated => "apiTerminated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The enum of `StreamSessionStatusReason` in AWS's model.
    const WORDS: [&str; 11] = [
        "internalError",
        "invalidSignalRequest",
        "placementTimeout",
        "applicationLogS3DestinationError",
        "assumeRoleFailed",
        "applicationExit",
        "connectionTimeout",
        "reconnectionTimeout",
        "maxSessionLengthTimeout",
        "idleTimeout",
        "apiTerminated",
    ];

    #[test]
    fn every_word_of_awss_model_is_read_and_written_as_it_is_and_no_other() {
        for word in WORDS {
            let reason: StatusReason = serde_json::from_value(word.into()).expect(word);
            assert_eq!((reason.word(), serde_json::to_value(reason).unwrap()), (word, word.into()));
        }
        for other in ["", "ApiTerminated", "applicationLogS3Destinationerror", "crashed"] {
            assert!(serde_json::from_value::<StatusReason>(other.into()).is_err(), "{other}");
        }
    }
}
