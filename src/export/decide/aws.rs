//! What AWS shows: an export and whose, or a session that can have none any more.

use super::{Next, Scene, Verdict, later, remaining};
use crate::api::ExportStatus;
use crate::export::evidence::{Evidence, Rival, Whose};
use crate::export::row::{Held, Outcome, Row};
use crate::export::status::showable;
use crate::streams::identifiers::OutputUri;
use crate::streams::observation::{ExportFilesStatus, ExportView, LONGEST_SESSION, Source};
use jiff::Timestamp;
use tokio::time::Instant;

impl Scene<'_> {
    /// AWS shows an export.
    pub(super) fn exported(&self) -> Option<Verdict> {
        let Evidence::Export { whose, shown, source } = &self.seen.evidence else { return None };
        if self.must_be_read_in_full(*whose, shown, *source) {
            let row = self.accepted().then(|| self.promised()).flatten();
            return Some(Verdict { row, next: Next::LookAt(self.now.mono) });
        }
        Some(match whose {
            Whose::Ours => self.ours(shown),
            Whose::Anothers => self.anothers(shown),
            Whose::Rivals => self.conflict(shown),
            Whose::Unstated => match shown.status {
                ExportFilesStatus::Pending | ExportFilesStatus::Unknown => {
                    Verdict::held(Held::DestinationUnknown, self.look_in(self.observed.pace))
                }
                ExportFilesStatus::Succeeded | ExportFilesStatus::Failed => self.conflict(shown),
            },
        })
    }

    /// True if a list has left out what the matter turns on: a Get must tell.
    pub(super) fn must_be_read_in_full(&self, whose: Whose, shown: &ExportView, source: Source) -> bool {
        source == Source::List && self.left_out(whose, shown)
    }

    fn left_out(&self, whose: Whose, shown: &ExportView) -> bool {
        match (whose, shown.status) {
            (Whose::Anothers, _) | (Whose::Ours, ExportFilesStatus::Pending | ExportFilesStatus::Unknown) => false,
            (Whose::Unstated | Whose::Rivals, _) => true,
            (Whose::Ours, ExportFilesStatus::Succeeded) => shown.output_uri.is_none() && self.zip().is_none(),
            (Whose::Ours, ExportFilesStatus::Failed) => shown.reason.is_none(),
        }
    }

    /// The fixed key that is asked for, if it is one.
    pub(super) fn zip(&self) -> Option<&OutputUri> {
        self.export.request.as_ref().ok().map(|request| &request.uri).filter(|uri| uri.is_zip())
    }

    pub(super) fn ours(&self, shown: &ExportView) -> Verdict {
        let reported = shown.output_uri.as_deref().and_then(showable);
        match shown.status {
            ExportFilesStatus::Pending | ExportFilesStatus::Unknown => self.pending(),
            ExportFilesStatus::Succeeded => {
                let output_uri = reported.or_else(|| self.zip().map(OutputUri::to_string));
                Verdict::ended(Outcome::Exported { output_uri })
            }
            ExportFilesStatus::Failed => {
                let reason = shown.reason.clone().filter(|reason| !reason.trim().is_empty());
                Verdict::ended(Outcome::ExportFailed { reason, output_uri: reported })
            }
        }
    }

    /// Promised; nothing to do but to look from time to time.
    pub(super) fn pending(&self) -> Verdict {
        let latest_end = self.latest_end();
        let overdue = remaining(latest_end, self.timing.overdue_after, self.now.wall).is_zero();
        let (row, every) = if overdue {
            (Row::Overdue, self.timing.overdue_poll_interval)
        } else {
            (Row::Pending, self.observed.pace)
        };
        Verdict { row: Some(row), next: self.look_in(every) }
    }

    /// Promised, and nothing new to tell: written only where the promise itself is not on record.
    pub(super) fn promised(&self) -> Option<Row> {
        (!self.export.accepted()).then_some(Row::Pending)
    }

    /// The latest moment at which the session can end: its length after its creation, a day at most.
    pub(super) fn latest_end(&self) -> Timestamp {
        let view = self.seen.view.as_ref();
        let created = view
            .and_then(|view| view.created_at)
            .and_then(|at| Timestamp::try_from(at).ok())
            .or(self.export.status.request_time.as_ref().map(|time| time.0))
            .unwrap_or(self.now.wall);
        let length = view.and_then(|view| view.session_length).unwrap_or(LONGEST_SESSION);
        later(created, length)
    }

    /// Another destination. After an intent, also one for the same destination, a lagging read may show what our own
    /// call has just replaced, or is about to.
    pub(super) fn anothers(&self, shown: &ExportView) -> Verdict {
        let settle = self.timing.consistency_window;
        let confirmed = match (self.seen.attempt.foreign_since, self.seen.read_at) {
            (Some(first), Some(last)) => last.duration_since(first) >= settle,
            _ => false,
        };
        if confirmed || !(self.intended() || self.accepted() || self.seen.twin_intended) {
            return self.conflict(shown);
        }
        let again = self.seen.attempt.foreign_since.map_or(self.now.mono, |first| first + settle);
        let row = self.accepted().then(|| self.promised()).flatten();
        Verdict { row, next: Next::LookAt(again) }
    }

    pub(super) fn conflict(&self, shown: &ExportView) -> Verdict {
        let shown = self.accepted().then_some(match shown.status {
            ExportFilesStatus::Pending | ExportFilesStatus::Unknown => ExportStatus::Pending,
            ExportFilesStatus::Succeeded => ExportStatus::Succeeded,
            ExportFilesStatus::Failed => ExportStatus::Failed,
        });
        let rival = match &self.seen.rival {
            Rival::Accepted { name } => name.clone(),
            Rival::None | Rival::Undecided { .. } => None,
        };
        Verdict::ended(Outcome::ExportConflict { shown, rival })
    }

    /// No export, and none can be asked for any more; or AWS doesn't know the session.
    pub(super) fn ended(&self) -> Option<Verdict> {
        match self.seen.evidence {
            Evidence::Missing { since, reads } => Some(self.missing(since, reads)),
            Evidence::Empty { status, ended_since } if status.is_over() => Some(self.over(ended_since)),
            Evidence::Stale if self.accepted() => Some(self.pending()),
            Evidence::Stale | Evidence::Unread | Evidence::Export { .. } | Evidence::Empty { .. } => None,
        }
    }

    pub(super) fn over(&self, ended_since: Option<Instant>) -> Verdict {
        let settle = self.timing.consistency_window;
        let confirmed = match (ended_since, self.seen.read_at) {
            (Some(first), Some(last)) => last.duration_since(first) >= settle,
            _ => false,
        };
        if self.accepted() {
            return self.pending();
        }
        if confirmed {
            return Verdict::ended(Outcome::SessionEnded);
        }
        let again = ended_since.map_or(self.now.mono, |first| first + settle);
        Verdict::held(Held::ConfirmingSessionEnd, Next::LookAt(again))
    }

    pub(super) fn missing(&self, since: Instant, reads: u32) -> Verdict {
        let window = self.timing.not_found_window;
        let lasted = self.seen.read_at.is_some_and(|last| last.duration_since(since) >= window);
        if lasted && reads >= self.timing.not_found_reads {
            let outcome = if self.accepted() { Outcome::OutcomeUnknown } else { Outcome::SessionNotFound };
            return Verdict::ended(outcome);
        }
        let gap = window / self.timing.not_found_reads.saturating_sub(1).max(1);
        let row = if self.accepted() { self.promised() } else { Some(Row::Held(Held::ConfirmingSessionEnd)) };
        Verdict { row, next: self.look_in(gap) }
    }
}
