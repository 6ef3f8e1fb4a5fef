//! How calls to AWS fail: what it means for the operator, and what a status may show of the cause.

use crate::aws::operation::Operation;
use std::sync::Arc;

/// How a call to AWS failed. Its text is for the log: it has AWS's own words, with the operator's principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed ({class:?}, HTTP {http:?}): {}", original.as_deref().unwrap_or("no text"))]
pub struct CallFailure {
    /// The operation.
    pub operation: Operation,
    /// The class of the failure.
    pub class: FailureClass,
    /// HTTP status, if there was an answer.
    pub http: Option<u16>,
    /// What a status may show of the cause.
    pub detail: FailureDetail,
    /// The cause in the words of AWS or of the connection, for the log only: at most 1,024 bytes without control
    /// characters.
    pub original: Option<String>,
    /// Host and port of the request without an answer, for the log only.
    pub host: Option<String>,
    /// AWS's request id, for logs and Events only.
    pub request_id: Option<String>,
}

/// What a status may show of the cause of a failure. The same cause gives an equal value, whichever Pod made the call.
/// Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FailureDetail {
    /// Nothing but the class is known.
    #[default]
    Unknown,
    /// AWS's own words.
    Answer(Arc<ErrorAnswer>),
    /// An answer without an error code, with this HTTP status: a proxy's or a captive portal's, not AWS's.
    ForeignAnswer(u16),
    /// No answer of AWS.
    Connection(ConnectionFailure),
    /// No answer of the source of credentials: STS, EKS Pod Identity, ECS, instance metadata.
    CredentialsSource(ConnectionFailure),
}

/// An error as AWS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The error code: printable ASCII, at most 64 characters.
    pub code: String,
    /// The text without principals and request ids, at most 1,024 bytes; must be escaped before it is shown. Empty if
    /// there is none.
    pub text: String,
}

/// Why there is no answer. Without addresses: tenants see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ConnectionFailure {
    /// DNS.
    #[error("the name of the host can't be resolved")]
    NameResolution,
    /// Nothing listens at the address, or a firewall rejects the connection.
    #[error("the connection is refused")]
    Refused,
    /// The certificate is not trusted, has expired, or is another host's.
    #[error("the TLS certificate is not valid or not trusted")]
    Certificate,
    /// No connection was established in time.
    #[error("no connection is established in time")]
    ConnectTimeout,
    /// The proxy of the environment does not pass the connection on.
    #[error("the proxy refuses to connect")]
    Proxy,
    /// No connection was established, for another reason.
    #[error("no connection can be established")]
    Connect,
    /// The request may have been sent.
    #[error("there is no answer in time")]
    Timeout,
    /// The request may have been sent.
    #[error("the connection broke off before the answer was complete")]
    Broken,
    /// The answer is longer than any answer of AWS.
    #[error("the answer is too long")]
    Oversized,
    /// As many requests as may be in flight at once have no answer yet.
    #[error("too many earlier requests have no answer yet")]
    Saturated,
}

impl ConnectionFailure {
    /// All of them, for the page that says what to do about each.
    pub const ALL: [Self; 10] = [
        Self::NameResolution,
        Self::Refused,
        Self::Certificate,
        Self::ConnectTimeout,
        Self::Proxy,
        Self::Connect,
        Self::Timeout,
        Self::Broken,
        Self::Oversized,
        Self::Saturated,
    ];
}

impl FailureDetail {
    /// AWS's error code.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Answer(answer) => Some(&answer.code),
            Self::Unknown | Self::ForeignAnswer(_) | Self::Connection(_) | Self::CredentialsSource(_) => None,
        }
    }

    /// The same without AWS's text, which may name the session and the destination of the export that was refused.
    #[must_use]
    pub fn without_text(&self) -> Self {
        match self {
            Self::Answer(answer) => {
                Self::Answer(Arc::new(ErrorAnswer { code: answer.code.clone(), text: String::new() }))
            }
            Self::Unknown | Self::ForeignAnswer(_) | Self::Connection(_) | Self::CredentialsSource(_) => self.clone(),
        }
    }
}

/// What a failure means for the caller. Exhaustive on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// 429, or a throttling code: refused, nothing happened.
    Throttled,
    /// 5xx, broken or oversized body, time-out, reset, an answer that isn't AWS's: the call may have taken effect.
    Unavailable,
    /// The request was not sent (DNS, refused, TLS, STS down, too many unanswered calls of this identity), or AWS
    /// refused it because of clock skew, which the SDK corrects from then on: nothing happened, retry soon.
    Unreachable,
    /// No credentials (none configured, or their source, such as STS, refuses them), or AWS doesn't accept them
    /// (expired, unknown key, wrong signature): refused.
    Credentials,
    /// 403 AccessDenied: refused.
    AccessDenied,
    /// 404 ResourceNotFoundException: no such session or group: refused. A read answers this with `found: None`.
    NotFound,
    /// 400 and other 4xx: AWS refuses this very request.
    Rejected,
}

/// What must change before a failed call can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCategory {
    /// AWS can't be reached, is busy or broken: passes without action.
    Service,
    /// The identity is not accepted: an administrator must act, or new credentials must arrive.
    Credentials,
    /// The identity lacks a permission: an administrator must act.
    Denied,
    /// This very request is refused.
    Request,
}

impl FailureClass {
    /// The category of the class.
    pub const fn category(self) -> FailureCategory {
        match self {
            Self::Throttled | Self::Unavailable | Self::Unreachable => FailureCategory::Service,
            Self::Credentials => FailureCategory::Credentials,
            Self::AccessDenied => FailureCategory::Denied,
            Self::NotFound | Self::Rejected => FailureCategory::Request,
        }
    }

    /// All of them, for metrics that show zeros.
    pub const ALL: [Self; 7] = [
        Self::Throttled,
        Self::Unavailable,
        Self::Unreachable,
        Self::Credentials,
        Self::AccessDenied,
        Self::NotFound,
        Self::Rejected,
    ];

    /// A bounded label for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Unreachable => "unreachable",
            Self::Credentials => "credentials",
            Self::AccessDenied => "access-denied",
            Self::NotFound => "not-found",
            Self::Rejected => "rejected",
        }
    }

    /// True if the call certainly had no effect.
    pub const fn is_refusal(self) -> bool {
        match self {
            Self::Throttled
            | Self::Unreachable
            | Self::Credentials
            | Self::AccessDenied
            | Self::NotFound
            | Self::Rejected => true,
            Self::Unavailable => false,
        }
    }
}
