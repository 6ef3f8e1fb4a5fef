//! The classification of failed calls to AWS.
//!
//! Owns: the one classification, a pure function over plain facts, and the adapter that gets those facts out of
//! the SDK's error. Never: decides what to do next, prints an SDK error (its Debug form holds the response).
//!
//! Two rules stand behind the table. Only an answer with an error code counts as AWS's own: proxies and captive portals
//! answer without one. And a failure that is not certainly a refusal is [`FailureClass::Unavailable`]: the call may
//! have taken effect.

pub(crate) mod sdk;
#[cfg(test)]
mod tests;

pub(super) use sdk::{printable_word, to_call_failure, to_source_failure};

use crate::aws::failure::FailureClass;

/// The facts that the class of a failure depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorFacts<'a> {
    /// How far the call got.
    pub variant: Variant,
    /// HTTP status, if there was an answer.
    pub http: Option<u16>,
    /// AWS's error code, if the answer had one.
    pub code: Option<&'a str>,
    /// The cause found in the error's `source()` chain.
    pub cause: Cause,
}

/// The variants of the SDK's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The request could not be built. Nothing was sent.
    Construction,
    /// Given up after a time-out. It may have been sent.
    Timeout,
    /// No answer. It may have been sent.
    Dispatch,
    /// An answer that could not be read to its end.
    Response,
    /// An answer other than success, or one that makes no sense.
    Service,
    /// A variant that this version doesn't know.
    Unknown,
}

/// The cause of a failure beyond the variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A credentials provider failed: nothing was sent.
    Credentials,
    /// No connection was established, to AWS or to the source of credentials (DNS, refused, TLS, time-out while
    /// connecting, STS down): nothing was sent.
    Connect,
    /// AWS reports that the signature's time is off.
    Clock,
    /// The answer is longer than any answer of AWS's, or than there is room for. It decides nothing, whatever its
    /// status.
    Oversized,
    /// Anything else.
    Other,
}

/// The class of a failure.
pub(crate) fn classify(symptom: ErrorFacts<'_>) -> FailureClass {
    let ErrorFacts { variant, http, code, cause } = symptom;
    match (variant, cause) {
        (Variant::Construction | Variant::Dispatch, Cause::Credentials) => FailureClass::Credentials,
        (Variant::Construction | Variant::Dispatch, Cause::Connect) => FailureClass::Unreachable,
        (Variant::Construction, Cause::Clock | Cause::Other) => FailureClass::Rejected,
        (Variant::Dispatch, Cause::Clock | Cause::Other)
        | (Variant::Timeout | Variant::Unknown, _)
        | (_, Cause::Oversized) => FailureClass::Unavailable,
        (Variant::Response | Variant::Service, cause) => classify_response(http, code, cause == Cause::Clock),
    }
}

/// The class of an answer.
///
/// 403 with a code that isn't listed is [`FailureClass::AccessDenied`] (AWS refuses for a reason of its own, such as
/// an account that isn't signed up); without a code it is a proxy's and means nothing. 404 is
/// [`FailureClass::NotFound`] for ResourceNotFoundException only.
fn classify_response(http: Option<u16>, code: Option<&str>, clock: bool) -> FailureClass {
    let class = code.map(CodeClass::of);
    match (http, class) {
        (Some(429), _) | (Some(400..=599), Some(CodeClass::Throttled)) => FailureClass::Throttled,
        (Some(408), _) | (Some(400..=499), Some(CodeClass::TimedOut)) => FailureClass::Unavailable,
        (Some(400..=499), Some(CodeClass::Clock)) => FailureClass::Unreachable,
        // The SDK has learned AWS's time from this very answer: the next call is signed with it.
        (Some(400..=499), Some(CodeClass::Credentials)) if clock => FailureClass::Unreachable,
        (Some(400..=499), Some(CodeClass::Credentials)) | (Some(401), Some(CodeClass::Other)) => {
            FailureClass::Credentials
        }
        (Some(400..=499), Some(CodeClass::Denied)) | (Some(403), Some(CodeClass::Other)) => FailureClass::AccessDenied,
        (Some(404), Some(CodeClass::NotFound)) => FailureClass::NotFound,
        (Some(404), Some(CodeClass::Other)) => FailureClass::Unavailable,
        (Some(400..=499), Some(CodeClass::NotFound | CodeClass::Other)) => FailureClass::Rejected,
        (
            _,
            Some(
                CodeClass::Throttled
                | CodeClass::TimedOut
                | CodeClass::Clock
                | CodeClass::Credentials
                | CodeClass::Denied,
            ),
        )
        | (_, Some(CodeClass::NotFound | CodeClass::Other) | None) => FailureClass::Unavailable,
    }
}

/// The families of AWS's error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodeClass {
    Throttled,
    TimedOut,
    Clock,
    Credentials,
    Denied,
    NotFound,
    Other,
}

impl CodeClass {
    /// Sources: the service's API model; "Common errors" of its API reference; the lists of throttling and
    /// clock-skew codes in aws-runtime 1.10 (without TransactionInProgressException, which is no refusal).
    fn of(code: &str) -> Self {
        match code {
            "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestThrottled"
            | "SlowDown"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceededException"
            | "ProvisionedThroughputExceededException"
            | "PriorRequestNotComplete"
            | "EC2ThrottledException" => Self::Throttled,
            "RequestTimeout" | "RequestTimeoutException" => Self::TimedOut,
            "RequestTimeTooSkewed" | "RequestExpired" => Self::Clock,
            "UnrecognizedClientException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "AuthFailure" => Self::Credentials,
            "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "UnauthorizedOperation" => Self::Denied,
            "ResourceNotFoundException" => Self::NotFound,
            _ => Self::Other,
        }
    }
}
