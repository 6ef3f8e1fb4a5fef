//! The result of reading a session of Amazon GameLift Streams, stripped of everything secret.
//!
//! Owns: the plain shapes in which answers leave `aws`.
//! Never: user ids, signal blobs, environment and launch arguments; they don't leave the client module.

use crate::aws::identifiers::StreamSessionId;
use std::fmt;
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

impl SessionView {
    /// This view, with what it lacks taken from a Get: no field of a list's summary is required in AWS's model, nor is
    /// the URI of an export.
    #[must_use]
    pub fn completed_by(self, exact: &Self) -> Self {
        let mut export = self.export.or_else(|| exact.export.clone());
        if let Some(shown) = &mut export {
            let uri = exact.export.as_ref().and_then(|export| export.output_uri.clone());
            shown.output_uri = shown.output_uri.take().or(uri);
        }
        Self {
            application_arn: self.application_arn.or_else(|| exact.application_arn.clone()),
            location: self.location.or_else(|| exact.location.clone()),
            created_at: self.created_at.or(exact.created_at),
            export,
            ..self
        }
    }
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
