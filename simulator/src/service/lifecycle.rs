//! What becomes of a session by itself, and when: one pure function.

use crate::behaviour::{Behaviour, ErrorExport};
use crate::clock::{Millis, seconds};
use crate::service::session::{Session, Status, after};
use crate::service::status_reason::StatusReason;

/// The next thing that happens to a session without an intervention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It becomes ACTIVE.
    Activate,
    /// It begins to end, for this reason.
    End(StatusReason),
    /// It is over.
    Terminate,
    /// Its export is packed and uploaded.
    Upload,
    /// Its export is FAILED without an upload.
    FailExport,
    /// It can't be read any more.
    Forget,
}

/// The next step and its time.
#[must_use]
pub fn next_step(session: &Session, behaviour: &Behaviour) -> Option<(Millis, Step)> {
    let since = session.state.since();
    let length = session.created_at + seconds(session.length_seconds);
    let by_length = (length, Step::End(StatusReason::MaxSessionLengthTimeout));
    let no_client = since + seconds(session.connection_timeout_seconds);
    let timeout = match session.status() {
        Status::Activating | Status::Terminating if session.held => return None,
        Status::Activating => return Some((after(since, behaviour.activation_delay_ms), Step::Activate)),
        Status::Terminating => return Some((after(since, behaviour.end_delay_ms), Step::Terminate)),
        Status::Terminated | Status::Error => return after_the_end(session, behaviour),
        Status::Active => (no_client, Step::End(StatusReason::ConnectionTimeout)),
        Status::PendingClientReconnection => (no_client, Step::End(StatusReason::ReconnectionTimeout)),
        Status::Connected => (after(since, behaviour.idle_timeout_ms), Step::End(StatusReason::IdleTimeout)),
        Status::Reconnecting => by_length,
    };
    if session.held || by_length.0 <= timeout.0 { Some(by_length) } else { Some(timeout) }
}

fn after_the_end(session: &Session, behaviour: &Behaviour) -> Option<(Millis, Step)> {
    if session.uploading {
        return None;
    }
    let ended = session.state.since();
    let forget = (after(ended, behaviour.retention_ms), Step::Forget);
    if session.pending_export().is_none() {
        return Some(forget);
    }
    let ready = after(ended.max(session.export.since()), behaviour.upload_delay_ms);
    let rule = if session.status() == Status::Error { behaviour.error_export } else { ErrorExport::Upload };
    match rule {
        ErrorExport::Upload => Some((ready, Step::Upload)),
        ErrorExport::Fail => Some((ready, Step::FailExport)),
        ErrorExport::Pending => Some(forget),
    }
}
