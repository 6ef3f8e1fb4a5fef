//! The result of reading a session of Amazon GameLift Streams, stripped of everything secret.
//!
//! Owns: the plain shapes in which answers and failures leave `aws`, and what a failure means.
//! Never: user ids, signal blobs, environment and launch arguments; they don't leave the client module.

use crate::aws::identifiers::StreamSessionId;
use crate::aws::operation::Operation;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A session lasts no longer than this (`SessionLengthSeconds` is at most 86,400 in the service's API model).
pub const MAX_SESSION_LENGTH: Duration = Duration::from_secs(86_400);

/// One read of one session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRead {
    /// When the request was begun, on this process's monotonic clock. An answer can't be older than that
    /// by more than AWS's own read lag.
    pub begun: Instant,
    /// Whether the read could have shown everything (GetStreamSession), or may leave fields out (a list).
    pub source: ReadSource,
    /// The session, or `None` for ResourceNotFoundException.
    pub found: Option<SessionView>,
}

/// Which operation an observation came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadSource {
    /// GetStreamSession: complete.
    Get,
    /// ListStreamSessions: may leave out the export's URI and reason, and the session's length.
    List,
}

/// Which sessions of a group to list: ListStreamSessions takes one of these for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// By `Status`.
    Session(SessionStatus),
    /// By `ExportFilesStatus`.
    Export(ExportFilesStatus),
}

/// One page of ListStreamSessions.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionPage {
    /// When the request was begun: nothing on the page is a newer read than that.
    pub begun: Instant,
    /// The sessions on the page. A session that isn't on it has not been read.
    pub sessions: Vec<(StreamSessionId, SessionView)>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<PageToken>,
}

/// AWS's `NextToken`, opaque.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PageToken(String);

impl PageToken {
    /// A token as AWS returned it.
    pub fn new(token: &str) -> Self {
        Self(token.to_owned())
    }

    /// The token to send back to AWS.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageToken")
    }
}

/// A stream session, reduced to the fields that this operator uses.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    /// Life-cycle state.
    pub status: SessionStatus,
    /// AWS's enum value for why it has this state, such as `idleTimeout`.
    pub status_reason: Option<String>,
    /// ARN of the application that streams.
    pub application_arn: Option<String>,
    /// Location that hosts the session, such as `us-east-1`.
    pub location: Option<String>,
    /// When AWS created the session (AWS's clock).
    pub created_at: Option<SystemTime>,
    /// `SessionLengthSeconds`: how long the session may last after its creation.
    pub session_length: Option<Duration>,
    /// `LogFileLocationUri`: where the application's own log files are uploaded to when the session ends. Lists omit it.
    pub log_file_location_uri: Option<String>,
    /// `ExportFilesMetadata`: absent before an export was requested.
    pub export: Option<ExportView>,
}

/// `StreamSessionStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// Starting: too early to export.
    Activating,
    /// Ready for a client.
    Active,
    /// A client is connected.
    Connected,
    /// The client is gone and may come back.
    PendingClientReconnection,
    /// The client is coming back.
    Reconnecting,
    /// Ending: too late to request an export.
    Terminating,
    /// Ended.
    Terminated,
    /// Failed.
    Error,
    /// A value unknown to this version. Nothing is concluded from it.
    Unknown,
}

/// `ExportFilesMetadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportView {
    /// The state of the export.
    pub status: ExportFilesStatus,
    /// AWS's reason, raw: must be escaped before it is shown.
    pub reason: Option<String>,
    /// The URI as AWS reports it.
    pub output_uri: Option<String>,
}

/// `ExportFilesStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFilesStatus {
    /// Requested; the session or the upload is still going on.
    Pending,
    /// The ZIP is in S3.
    Succeeded,
    /// AWS gave up.
    Failed,
    /// A value unknown to this version. Nothing is concluded from it.
    Unknown,
}

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

impl SessionView {
    /// When the session must have ended (AWS's clock). If its length isn't known (lists omit it), the longest possible
    /// one is assumed, so that of two sessions the older one ends first.
    pub fn latest_end(&self) -> Option<SystemTime> {
        self.created_at?.checked_add(self.session_length.unwrap_or(MAX_SESSION_LENGTH))
    }

    /// How many of its two statuses this version doesn't know.
    pub fn unknown_enum_values(&self) -> usize {
        let export = self.export.as_ref().is_some_and(|export| export.status == ExportFilesStatus::Unknown);
        usize::from(self.status == SessionStatus::Unknown) + usize::from(export)
    }
}

impl SessionStatus {
    /// Whether it is too late to request an export.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Terminating | Self::Terminated | Self::Error => true,
            Self::Activating
            | Self::Active
            | Self::Connected
            | Self::PendingClientReconnection
            | Self::Reconnecting
            | Self::Unknown => false,
        }
    }

    /// The value as the API writes it; `None` for an unknown one.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Activating => Some("ACTIVATING"),
            Self::Active => Some("ACTIVE"),
            Self::Connected => Some("CONNECTED"),
            Self::PendingClientReconnection => Some("PENDING_CLIENT_RECONNECTION"),
            Self::Reconnecting => Some("RECONNECTING"),
            Self::Terminating => Some("TERMINATING"),
            Self::Terminated => Some("TERMINATED"),
            Self::Error => Some("ERROR"),
            Self::Unknown => None,
        }
    }
}

impl ExportFilesStatus {
    /// The value as the API writes it; `None` for an unknown one.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Pending => Some("PENDING"),
            Self::Succeeded => Some("SUCCEEDED"),
            Self::Failed => Some("FAILED"),
            Self::Unknown => None,
        }
    }
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
