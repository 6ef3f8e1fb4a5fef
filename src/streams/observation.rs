//! What one read of Amazon GameLift Streams said of one session, stripped of everything secret.
//!
//! Owns: the plain shapes in which answers and failures leave `streams`, and what a failure means.
//! Never: user ids, signal blobs, environment and launch arguments; they don't leave the client module.

use super::identifiers::StreamSessionId;
use std::fmt;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A session lasts no longer than this (`SessionLengthSeconds` is at most 86,400 in the service's API model).
pub const LONGEST_SESSION: Duration = Duration::from_secs(86_400);

/// One read of one session. `found` is `None` if AWS knows no such session or group.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// When the request was begun, on this process's monotonic clock. An answer can't be older than that
    /// by more than AWS's own read lag.
    pub begun: Instant,
    /// Whether the read could have shown everything (GetStreamSession), or may leave fields out (a list).
    pub source: Source,
    /// The session, or `None` for ResourceNotFoundException.
    pub found: Option<SessionView>,
}

/// Which operation an observation came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// GetStreamSession: complete.
    Get,
    /// ListStreamSessions: may leave out the export's URI and reason, and the session's length.
    List,
}

/// Which sessions of a group a list is asked for: ListStreamSessions takes one of these for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// By `Status`.
    Session(SessionStatus),
    /// By `ExportFilesStatus`.
    Export(ExportFilesStatus),
}

/// One page of ListStreamSessions.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// When the request was begun: none of what the page shows is a newer reading than that.
    pub begun: Instant,
    /// What it shows. A session that it doesn't show is not a reading of anything.
    pub sessions: Vec<(StreamSessionId, SessionView)>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<PageToken>,
}

/// AWS's `NextToken`, opaque.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PageToken(String);

impl PageToken {
    /// As AWS gave it.
    pub fn new(token: &str) -> Self {
        Self(token.to_owned())
    }

    /// As AWS wants it back.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageToken")
    }
}

/// A stream session as far as this operator may know it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    /// Life-cycle state.
    pub status: SessionStatus,
    /// AWS's enum word for why it has this state, such as `idleTimeout`.
    pub status_reason: Option<String>,
    /// ARN of the application that streams.
    pub application_arn: Option<String>,
    /// Location that hosts the session, such as `us-east-1`.
    pub location: Option<String>,
    /// When AWS created the session (AWS's clock).
    pub created_at: Option<SystemTime>,
    /// `SessionLengthSeconds`: how long the session may last after its creation.
    pub session_length: Option<Duration>,
    /// `ExportFilesMetadata`: absent before anyone asked for an export.
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
    /// Ending: too late to ask.
    Terminating,
    /// Ended.
    Terminated,
    /// Failed.
    Error,
    /// A word that this version doesn't know. Nothing is concluded from it.
    Unknown,
}

/// `ExportFilesMetadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportView {
    /// AWS's word.
    pub status: ExportFilesStatus,
    /// AWS's reason, raw: hostile until made safe.
    pub reason: Option<String>,
    /// The URI as AWS reports it.
    pub output_uri: Option<String>,
}

/// `ExportFilesStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFilesStatus {
    /// Asked for; the session or the upload is still going on.
    Pending,
    /// The ZIP is in S3.
    Succeeded,
    /// AWS gave up.
    Failed,
    /// A word that this version doesn't know. Nothing is concluded from it.
    Unknown,
}

/// How a call to AWS failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed ({class:?}, HTTP {http:?}, code {code:?})")]
pub struct CallFailure {
    /// AWS's name of the operation.
    pub operation: &'static str,
    /// What to make of it.
    pub class: FailureClass,
    /// HTTP status, if there was an answer.
    pub http: Option<u16>,
    /// AWS's error code, if the answer had one (printable ASCII, at most 64 characters).
    pub code: Option<String>,
    /// AWS's request id, for logs and Events only.
    pub request_id: Option<String>,
}

/// What a failure means for the caller. Exhaustive on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// 429, or a throttling code: refused, nothing happened.
    Throttled,
    /// 5xx, broken or oversized body, time-out, reset, an answer that isn't AWS's: nobody knows whether it happened.
    Unavailable,
    /// The request never left (DNS, refused, TLS, STS down, too many unanswered calls of this identity), or AWS refused it for
    /// our clock's sake, which the SDK corrects from then on: nothing happened, and soon trying again is right.
    Unreachable,
    /// No credentials (none configured, or their source, such as STS, refuses them), or AWS doesn't accept them
    /// (expired, unknown key, wrong signature): refused.
    Credentials,
    /// 403 AccessDenied: refused.
    AccessDenied,
    /// 404 ResourceNotFoundException: no such session or group: refused. A read answers this with `found: None`.
    NotFound,
    /// 400 and the like: AWS refuses this request as it stands.
    Rejected,
}

/// What failures of several classes have in common for whoever waits for them to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureFamily {
    /// AWS can't be reached, is busy or broken: passes by itself.
    Service,
    /// The identity is not accepted: somebody must act, or new credentials must arrive.
    Credentials,
    /// The identity may not: somebody must act.
    Denied,
    /// This very request is refused.
    Request,
}

impl SessionView {
    /// When the session must have ended (AWS's clock). Where its length isn't known (lists don't tell it), the
    /// longest possible stands for it, so that of two the older one ends first.
    pub fn latest_end(&self) -> Option<SystemTime> {
        self.created_at?.checked_add(self.session_length.unwrap_or(LONGEST_SESSION))
    }

    /// How many of its two statuses this version doesn't know.
    pub fn unknown_enum_values(&self) -> usize {
        let export = self.export.as_ref().is_some_and(|export| export.status == ExportFilesStatus::Unknown);
        usize::from(self.status == SessionStatus::Unknown) + usize::from(export)
    }
}

impl SessionStatus {
    /// Too late for ever to ask for an export.
    pub const fn is_over(self) -> bool {
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

    /// AWS's word, as the API writes it; `None` for a word that this version doesn't know.
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
    /// AWS's word, as the API writes it; `None` for a word that this version doesn't know.
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
    /// What it has in common with others.
    pub const fn family(self) -> FailureFamily {
        match self {
            Self::Throttled | Self::Unavailable | Self::Unreachable => FailureFamily::Service,
            Self::Credentials => FailureFamily::Credentials,
            Self::AccessDenied => FailureFamily::Denied,
            Self::NotFound | Self::Rejected => FailureFamily::Request,
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

    /// True if AWS certainly did not do what was asked.
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
