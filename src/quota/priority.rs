//! The priority of a reservation.
//!
//! Owns: the order of queued holders within a namespace.
//! Never: decides between namespaces.

use crate::aws::model::{SessionStatus, SessionView};
use std::time::SystemTime;

/// What a call is for. Each class has a part of a namespace's slots that the others can't take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PriorityClass {
    /// An export depends on it: the export call, a first read, a poll of an ACTIVATING session.
    First,
    /// A read that confirms that a session has ended, or is gone.
    Confirm,
    /// A poll of an accepted export.
    Poll,
}

/// Whether a client keeps the session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ClientState {
    /// No client is connected: the session may end within its connection timeout.
    Disconnected,
    /// Unknown: the session has not been read, or its status is unknown to this version.
    Unread,
    /// A client is connected, or the session is not ready for one yet, or it has ended.
    Connected,
}

/// A smaller value is more urgent. The order of the fields is the order of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Priority {
    /// What the call is for.
    pub purpose: PriorityClass,
    /// A disconnected client before a connected one.
    pub client: ClientState,
    /// When the session ends at the latest (AWS's clock), as far as it is known; unknown goes first.
    pub end: Option<SystemTime>,
}

impl Priority {
    /// The priority of an unread session.
    pub(crate) const fn for_unread(purpose: PriorityClass) -> Self {
        Self { purpose, client: ClientState::Unread, end: None }
    }

    /// The priority of a session as last read.
    pub(crate) fn for_session(purpose: PriorityClass, session: &SessionView) -> Self {
        Self { purpose, client: client_state(session.status), end: session.latest_end() }
    }
}

const fn client_state(status: SessionStatus) -> ClientState {
    match status {
        SessionStatus::Active | SessionStatus::PendingClientReconnection | SessionStatus::Reconnecting => {
            ClientState::Disconnected
        }
        SessionStatus::Unknown => ClientState::Unread,
        SessionStatus::Activating
        | SessionStatus::Connected
        | SessionStatus::Terminating
        | SessionStatus::Terminated
        | SessionStatus::Error => ClientState::Connected,
    }
}
