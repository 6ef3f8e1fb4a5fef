//! How urgent a turn is.
//!
//! Owns: the order of those who wait within a namespace. Never: decides between namespaces.

use crate::streams::observation::{SessionStatus, SessionView};
use std::time::{Duration, SystemTime};

/// A session lasts no longer than this (`SessionLengthSeconds` is at most 86,400 in the service's API model).
const LONGEST_SESSION: Duration = Duration::from_secs(86_400);

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

    /// The urgency of a session as last read. Where the length isn't known (lists don't tell it), the longest
    /// possible stands for it, so that the older session goes first.
    pub fn of(purpose: Purpose, session: &SessionView) -> Self {
        let length = session.session_length.unwrap_or(LONGEST_SESSION);
        let end = session.created_at.and_then(|created| created.checked_add(length));
        Self { purpose, client: client_state(session.status), end }
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
