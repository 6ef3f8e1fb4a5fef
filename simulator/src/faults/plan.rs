//! What the rules together do to one call.

use std::time::Duration;

use crate::clock::Millis;
use crate::faults::{Action, Field};
use crate::glob::Glob;
use crate::service::session::View;

/// What the caller gets instead of the service's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// ThrottlingException
    Throttling,
    /// AccessDeniedException
    AccessDenied,
    /// ExpiredTokenException
    ExpiredToken,
    /// ResourceNotFoundException
    NotFound,
    /// ValidationException with this message
    Validation(String),
    /// A server error of this status and name.
    Server(u16, String),
    /// A proxy's page.
    Html503,
    /// Nothing: the connection is reset.
    Reset,
}

/// What an answer says that is not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Falsehood {
    /// A field has this text.
    Text(Field, &'static str, String),
    /// `ExportFilesMetadata` is empty.
    EmptyExport,
    /// There is no `ExportFilesMetadata`.
    NoExport,
    /// `ExportFilesMetadata` has no OutputUri.
    NoOutputUri,
    /// The list does not show the session.
    Unlisted,
    /// The session has no such field.
    NoField(&'static str),
}

/// How long a body is made with blanks at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Bytes(u64),
    /// It never ends.
    Endless,
}

/// What is wrong with the bytes of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// The body breaks off.
    pub broken_json: bool,
    /// The body is longer than it would be.
    pub length: Option<Length>,
    /// The Date header is off by so many seconds.
    pub date_offset: Option<i64>,
}

/// Everything that goes wrong with one call.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The names of the actions, for the journal.
    pub names: Vec<&'static str>,
    /// How long to wait before the call reaches the service.
    pub wait_before: Duration,
    /// How long to wait once it has had its effect.
    pub wait_after: Duration,
    /// What ends the call before it reaches the service.
    pub instead_before: Option<Instead>,
    /// What is answered although the call has had its effect.
    pub instead_after: Option<Instead>,
    /// What is wrong with the bytes.
    pub damage: Damage,
    /// What is said of sessions that is not so.
    pub falsehoods: Vec<(Glob, Falsehood)>,
    lags: Vec<(Glob, u64, bool)>,
}

impl Plan {
    /// Adds what a rule does to the sessions of its pattern; of two that end a call the first wins.
    pub fn take(&mut self, sessions: &Glob, action: &Action) {
        self.names.push(action.name());
        match action {
            Action::Throttle => self.end(false, Instead::Throttling),
            Action::AccessDenied => self.end(false, Instead::AccessDenied),
            Action::ExpiredToken => self.end(false, Instead::ExpiredToken),
            Action::NotFound => self.end(false, Instead::NotFound),
            Action::Validation { message } => self.end(false, Instead::Validation(message.clone())),
            Action::Error5xx { status, code, after_effect } => {
                self.end(*after_effect, Instead::Server(*status, code.clone()));
            }
            Action::Html503 { after_effect } => self.end(*after_effect, Instead::Html503),
            Action::ResetBefore => self.end(false, Instead::Reset),
            Action::ResetAfter => self.end(true, Instead::Reset),
            Action::Latency { ms, after_effect: false } => self.wait_before += Duration::from_millis(*ms),
            Action::Latency { ms, after_effect: true } => self.wait_after += Duration::from_millis(*ms),
            Action::BrokenJson => self.damage.broken_json = true,
            Action::EndlessBody => self.lengthen(Length::Endless),
            Action::OversizedBody { bytes } => self.lengthen(Length::Bytes(*bytes)),
            Action::WrongDate { offset_seconds } => self.damage.date_offset = Some(*offset_seconds),
            Action::ReadLag { ms, status } => self.lags.push((sessions.clone(), *ms, *status)),
            Action::EmptyExportMetadata => self.lie(sessions, Falsehood::EmptyExport),
            Action::OmitExportMetadata => self.lie(sessions, Falsehood::NoExport),
            Action::OmitOutputUri => self.lie(sessions, Falsehood::NoOutputUri),
            Action::OmitSession => self.lie(sessions, Falsehood::Unlisted),
            Action::OmitFields { fields } => {
                fields.iter().for_each(|field| self.lie(sessions, Falsehood::NoField(field.name())));
            }
            Action::OutputUri { value } => self.lie_text(sessions, Field::Export, "OutputUri", value.clone()),
            Action::Arn { value } => self.lie_text(sessions, Field::Session, "Arn", value.clone()),
            Action::UnknownEnum { field, value } => self.lie_text(sessions, *field, "Status", value.clone()),
            Action::StatusReason { field, value } => {
                let text = value.clone().unwrap_or_else(hostile_reason);
                self.lie_text(sessions, *field, "StatusReason", text);
            }
        }
    }

    /// The view of a session as this call has it.
    #[must_use]
    pub fn lagging(&self, id: &str, view: View, now: Millis) -> View {
        let lags = self.lags.iter().filter(|(sessions, _, _)| sessions.matches(id));
        lags.fold(view, |view, (_, ms, status_too)| view.lagging(now, *ms, *status_too))
    }

    fn end(&mut self, after_effect: bool, instead: Instead) {
        let slot = if after_effect { &mut self.instead_after } else { &mut self.instead_before };
        slot.get_or_insert(instead);
    }

    fn lengthen(&mut self, length: Length) {
        self.damage.length.get_or_insert(length);
    }

    fn lie(&mut self, sessions: &Glob, falsehood: Falsehood) {
        self.falsehoods.push((sessions.clone(), falsehood));
    }

    fn lie_text(&mut self, sessions: &Glob, field: Field, name: &'static str, text: String) {
        self.lie(sessions, Falsehood::Text(field, name, text));
    }
}

/// A StatusReason as an attacker, or a careless program, might leave it: 1,024 characters.
fn hostile_reason() -> String {
    "\u{1b}[31mred\u{1b}[0m\r\nsecond line\u{202e}gnp.exe\u{2066}\u{0}\u{7}\u{9b}<script>%s{{x}}"
        .chars()
        .cycle()
        .take(1024)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hostile_reason_is_as_long_as_aws_allows() {
        assert_eq!(hostile_reason().chars().count(), 1024);
    }
}
