//! One stream session and its export.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, ListMetadata, PendingOutputUri};
use crate::clock::Millis;
use crate::identity::Scope;
use crate::service::history::History;
use crate::service::status_reason::StatusReason;
use crate::wire::request::Start;

/// `StreamSessionStatus`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Starting.
    Activating,
    /// Waiting for a client.
    Active,
    /// A client is there.
    Connected,
    /// The client has gone and may come back.
    PendingClientReconnection,
    /// The client is coming back.
    Reconnecting,
    /// Ending.
    Terminating,
    /// Ended.
    Terminated,
    /// Never came to be.
    Error,
}

impl Status {
    const ALL: [Self; 8] = [
        Self::Activating,
        Self::Active,
        Self::Connected,
        Self::PendingClientReconnection,
        Self::Reconnecting,
        Self::Terminating,
        Self::Terminated,
        Self::Error,
    ];

    /// AWS's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Activating => "ACTIVATING",
            Self::Active => "ACTIVE",
            Self::Connected => "CONNECTED",
            Self::PendingClientReconnection => "PENDING_CLIENT_RECONNECTION",
            Self::Reconnecting => "RECONNECTING",
            Self::Terminating => "TERMINATING",
            Self::Terminated => "TERMINATED",
            Self::Error => "ERROR",
        }
    }

    /// The status of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether an export can be asked for.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::Connected | Self::PendingClientReconnection | Self::Reconnecting)
    }

    /// Whether the session is over.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Terminated | Self::Error)
    }
}

/// `ExportFilesStatus`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportStatus {
    /// Promised.
    Pending,
    /// Delivered.
    Succeeded,
    /// Lost.
    Failed,
}

impl ExportStatus {
    /// AWS's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
        }
    }

    /// The status of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Succeeded, Self::Failed].into_iter().find(|status| status.word() == word)
    }
}

/// A session's status and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The status.
    pub status: Status,
    /// The StatusReason.
    pub reason: Option<StatusReason>,
}

/// An export that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// How it stands.
    pub status: ExportStatus,
    /// The URI as given; absent only in seeded exports that are to show none.
    pub given: Option<String>,
    /// The object's URI.
    pub object: Option<String>,
    /// The StatusReason.
    pub reason: Option<String>,
    /// The key that asked for it, and whose authority the upload uses.
    pub access_key_id: Option<String>,
    /// Whether it stays as it is, whatever becomes of the session.
    pub frozen: bool,
}

impl Export {
    /// The URI to show.
    #[must_use]
    pub fn shown_uri(&self, pending: PendingOutputUri) -> Option<&str> {
        match (self.status, pending) {
            (ExportStatus::Pending, PendingOutputUri::Absent) => None,
            (ExportStatus::Pending, PendingOutputUri::Given) => self.given.as_deref(),
            (ExportStatus::Pending, PendingOutputUri::FinalKey)
            | (ExportStatus::Succeeded | ExportStatus::Failed, _) => self.object.as_deref(),
        }
    }
}

/// The time in which a session could be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveTime {
    /// When it became ACTIVE.
    pub from: Millis,
    /// When it began to end.
    pub until: Millis,
}

/// What the client and the application of a session do by themselves, in milliseconds from ACTIVE on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// A client connects.
    pub connect_after: Millis,
    /// The client leaves; none: it stays until the application exits.
    pub disconnect_after: Option<Millis>,
    /// The session ends.
    pub end_after: Millis,
}

/// A stream session.
pub struct Session {
    /// Counted from 1 in the order of creation; what lists are ordered by.
    pub seq: u64,
    /// Its id, unique in the simulator.
    pub id: String,
    /// Its account and Region.
    pub scope: Arc<Scope>,
    /// Its stream group's id.
    pub group: Arc<str>,
    /// Its application's id.
    pub application: Arc<str>,
    /// Where it runs.
    pub location: Arc<str>,
    /// When it was started.
    pub created_at: Millis,
    /// When it first became ACTIVE.
    pub activated_at: Option<Millis>,
    /// When a client first connected.
    pub connected_at: Option<Millis>,
    /// Status, now and before.
    pub state: History<State>,
    /// Export, now and before.
    pub export: History<Option<Arc<Export>>>,
    /// How long it waits for a client.
    pub connection_timeout_seconds: u32,
    /// Its longest life.
    pub length_seconds: u32,
    /// What it was started with.
    pub input: Arc<Start>,
    /// Whether it ends at once when its client leaves, as sessions of stream URLs do.
    pub ends_on_disconnect: bool,
    /// Where the application's log files are uploaded.
    pub log_file_location_uri: Option<Arc<str>>,
    /// What happens to it without a request, if it has arrived by itself.
    pub course: Option<Course>,
    /// Whether it stays in its status until it is told otherwise (its length still ends it).
    pub held: bool,
    /// Whether its upload is on the way.
    pub uploading: bool,
    /// Counts its changes, so that plans made before are known to be stale.
    pub generation: u32,
}

/// What a session begins with.
pub struct Beginning {
    /// Its id.
    pub id: String,
    /// Its account and Region.
    pub scope: Arc<Scope>,
    /// Its stream group's id.
    pub group: Arc<str>,
    /// Its application's id.
    pub application: Arc<str>,
    /// Where it runs.
    pub location: Arc<str>,
    /// When it is started.
    pub created_at: Millis,
    /// How long it waits for a client.
    pub connection_timeout_seconds: u32,
    /// Its longest life.
    pub length_seconds: u32,
    /// What it is started with.
    pub input: Arc<Start>,
}

impl Session {
    /// A session that is starting; it gets its number when a world takes it in.
    #[must_use]
    pub fn start(beginning: Beginning) -> Self {
        let Beginning { id, scope, group, application, location, created_at, .. } = beginning;
        Self {
            seq: 0,
            id,
            scope,
            group,
            application,
            location,
            created_at,
            activated_at: None,
            connected_at: None,
            state: History::new(created_at, State { status: Status::Activating, reason: None }),
            export: History::new(created_at, None),
            connection_timeout_seconds: beginning.connection_timeout_seconds,
            length_seconds: beginning.length_seconds,
            input: beginning.input,
            ends_on_disconnect: false,
            log_file_location_uri: None,
            course: None,
            held: false,
            uploading: false,
            generation: 0,
        }
    }

    /// Its status now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.state.current().status
    }

    /// The status of its export now.
    #[must_use]
    pub fn export_status(&self) -> Option<ExportStatus> {
        self.export.current().as_ref().map(|export| export.status)
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        self.scope.arn(&format!("streamsession/{}/{}", self.group, self.id))
    }

    /// Its application's ARN.
    #[must_use]
    pub fn application_arn(&self) -> String {
        self.scope.arn(&format!("application/{}", self.application))
    }

    /// When it began to end: TERMINATING, or without that TERMINATED or ERROR.
    #[must_use]
    pub fn ended_at(&self) -> Option<Millis> {
        let is_over = |state: &State| !state.status.is_live() && state.status != Status::Activating;
        self.state.first_since(is_over)
    }

    /// From ACTIVE to its end; nothing for one that was never ACTIVE or has not ended.
    #[must_use]
    pub fn active_time(&self) -> Option<ActiveTime> {
        Some(ActiveTime { from: self.activated_at?, until: self.ended_at()? })
    }

    /// When its first export was asked for.
    #[must_use]
    pub fn export_accepted_at(&self) -> Option<Millis> {
        self.export.first_since(Option::is_some)
    }

    /// When anything about it last changed.
    #[must_use]
    pub fn updated_at(&self) -> Millis {
        self.state.since().max(self.export.since()).max(self.created_at)
    }

    /// The export that is PENDING and may go on by itself.
    #[must_use]
    pub fn pending_export(&self) -> Option<&Arc<Export>> {
        let export = self.export.current().as_ref()?;
        (export.status == ExportStatus::Pending && !export.frozen && export.object.is_some()).then_some(export)
    }
}

/// How a read sees sessions: what it shows and how far it lags.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The time that the status is of.
    pub status_at: Millis,
    /// The time that the export is of.
    pub export_at: Millis,
    /// How much of the export it shows.
    pub metadata: ListMetadata,
    /// Which URI it shows while PENDING.
    pub pending_uri: PendingOutputUri,
}

impl View {
    /// GetStreamSession's view.
    #[must_use]
    pub fn of_get(behaviour: &Behaviour, now: Millis) -> Self {
        Self {
            status_at: before(now, behaviour.get_status_lag_ms),
            export_at: before(now, behaviour.get_lag_ms),
            metadata: ListMetadata::Full,
            pending_uri: behaviour.pending_output_uri,
        }
    }

    /// A list's view.
    #[must_use]
    pub fn of_list(behaviour: &Behaviour, now: Millis, by_account: bool) -> Self {
        let metadata = if by_account { behaviour.account_list_metadata } else { behaviour.list_metadata };
        Self {
            status_at: before(now, behaviour.list_status_lag_ms),
            export_at: before(now, behaviour.list_lag_ms),
            metadata,
            pending_uri: behaviour.pending_output_uri,
        }
    }

    /// The same view, lagging further.
    #[must_use]
    pub fn lagging(mut self, now: Millis, ms: u64, status_too: bool) -> Self {
        self.export_at = self.export_at.min(before(now, ms));
        if status_too {
            self.status_at = self.status_at.min(before(now, ms));
        }
        self
    }
}

/// So long before `now`.
#[must_use]
pub fn before(now: Millis, ms: u64) -> Millis {
    now.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// So long after `at`.
#[must_use]
pub fn after(at: Millis, ms: u64) -> Millis {
    at.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
}
