//! What becomes of a session by itself, and when: one pure function.

use crate::behaviour::{Behaviour, ErrorExport};
use crate::clock::{Millis, seconds};
use crate::service::session::{Course, Session, Status, after};
use crate::service::status_reason::StatusReason;

/// The next thing that happens to a session without an intervention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It becomes ACTIVE.
    Activate,
    /// A client connects.
    Connect,
    /// Its client leaves.
    Disconnect,
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
        // The clients of sessions with a course give input.
        Status::Connected if session.course.is_some() => by_length,
        Status::Connected => (after(since, behaviour.idle_timeout_ms), Step::End(StatusReason::IdleTimeout)),
        Status::Reconnecting => by_length,
    };
    if session.held {
        return Some(by_length);
    }
    let of_course = session.course.and_then(|course| step_of_course(session, course));
    [Some(by_length), Some(timeout), of_course].into_iter().flatten().min_by_key(|(at, _)| *at)
}

/// What the client or the application does next.
fn step_of_course(session: &Session, course: Course) -> Option<(Millis, Step)> {
    let (after_active, step) = match session.status() {
        Status::Active if course.connect_after < course.end_after => (course.connect_after, Step::Connect),
        Status::Active => (course.end_after, Step::End(StatusReason::ConnectionTimeout)),
        Status::Connected | Status::Reconnecting => match course.disconnect_after {
            Some(after) => (after, Step::Disconnect),
            None => (course.end_after, Step::End(StatusReason::ApplicationExit)),
        },
        Status::PendingClientReconnection => (course.end_after, Step::End(StatusReason::ReconnectionTimeout)),
        Status::Activating | Status::Terminating | Status::Terminated | Status::Error => return None,
    };
    // A session whose status was set by hand may be behind its course.
    let at = session.activated_at?.saturating_add(after_active).max(session.state.since());
    Some((at, step))
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
