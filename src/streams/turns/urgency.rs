//! How urgent a turn is.
//!
//! Owns: the order of those who wait within a namespace. Never: decides between namespaces.

use crate::streams::observation::{SessionStatus, SessionView};
use std::time::SystemTime;

/// What a turn is for. Each has a part of a namespace's turns that the others can't take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// An export depends on it: the call itself, a first read, a look at an ACTIVATING session.
    First,
    /// A read that confirms that a session has ended, or is gone.
    Confirm,
    /// A look at an accepted export.
    Poll,
}

/// Whether a client keeps the session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientState {
    /// None is connected: the session may end within its connection timeout.
    Disconnected,
    /// Not known: nothing of the session has been read.
    Unread,
    /// One is connected, or the session is not ready for one yet, or it has ended.
    Connected,
}

/// The smaller, the more urgent. The order of the fields is the order of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Urgency {
    /// What the turn is for.
    pub purpose: Purpose,
    /// A disconnected client before a connected one.
    pub client: ClientState,
    /// When the session ends at the latest (AWS's clock), as far as it is known; unknown goes first.
    pub end: Option<SystemTime>,
}

impl Urgency {
    /// The urgency of a session of which nothing has been read.
    pub const fn unread(purpose: Purpose) -> Self {
        Self { purpose, client: ClientState::Unread, end: None }
    }

    /// The urgency of a session as last read.
    pub fn of(purpose: Purpose, session: &SessionView) -> Self {
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
