//! The stages for an export that AWS shows, and for a session that can have none any more.

use crate::api::ExportStatus;
use crate::aws::identifiers::OutputUri;
use crate::aws::model::{ExportFilesStatus, ExportView, MAX_SESSION_LENGTH, ReadSource};
use crate::export::decision::{CheckResult, DecisionInput, remaining_after, saturating_add};
use crate::export::status::row::{Held, Outcome, Row};
use crate::export::status::uri_if_printable;
use crate::polling::request::ReadKind;
use crate::state::ownership::{ConflictingClaim, Observation, Ownership};
use jiff::Timestamp;
use tokio::time::Instant;

impl DecisionInput<'_> {
    /// Decides by ownership if AWS shows an export.
    pub(super) fn check_existing_export(&self) -> Option<CheckResult> {
        let Observation::Export { ownership, shown, source } = &self.snapshot.evidence else { return None };
        if self.needs_get(*ownership, shown, *source) {
            let row = self.accepted().then(|| self.pending_row_if_unrecorded()).flatten();
            return Some(CheckResult { row, action: self.read_at(self.now.mono) });
        }
        Some(match ownership {
            Ownership::Own => self.finish_own_export(shown),
            Ownership::Foreign => self.foreign_export(shown),
            Ownership::Conflicting => self.conflict_result(shown),
            Ownership::Unstated => match shown.status {
                ExportFilesStatus::Pending | ExportFilesStatus::Unknown => {
                    CheckResult::held_result(Held::DestinationUnknown, self.read_after(self.observed.poll_interval))
                }
                ExportFilesStatus::Succeeded | ExportFilesStatus::Failed => self.conflict_result(shown),
            },
        })
    }

    /// True if a list left out a field that the decision needs: a Get is necessary.
    pub(super) fn needs_get(&self, ownership: Ownership, shown: &ExportView, source: ReadSource) -> bool {
        source == ReadSource::List && self.is_incomplete(ownership, shown)
    }

    fn is_incomplete(&self, ownership: Ownership, shown: &ExportView) -> bool {
        match (ownership, shown.status) {
            (Ownership::Foreign, _) | (Ownership::Own, ExportFilesStatus::Pending | ExportFilesStatus::Unknown) => {
                false
            }
            (Ownership::Unstated | Ownership::Conflicting, _) => true,
            (Ownership::Own, ExportFilesStatus::Succeeded) => shown.output_uri.is_none() && self.fixed_key().is_none(),
            (Ownership::Own, ExportFilesStatus::Failed) => shown.reason.is_none(),
        }
    }

    /// The requested `.zip` key; `None` if the destination is a prefix or the spec is malformed.
    pub(super) fn fixed_key(&self) -> Option<&OutputUri> {
        self.export.request.as_ref().ok().map(|request| &request.uri).filter(|uri| uri.is_zip())
    }

    pub(super) fn finish_own_export(&self, shown: &ExportView) -> CheckResult {
        let reported = shown.output_uri.as_deref().and_then(uri_if_printable);
        match shown.status {
            ExportFilesStatus::Pending | ExportFilesStatus::Unknown => self.keep_polling(),
            ExportFilesStatus::Succeeded => {
                let output_uri = reported.or_else(|| self.fixed_key().map(OutputUri::to_string));
                CheckResult::final_result(Outcome::Exported { output_uri })
            }
            ExportFilesStatus::Failed => {
                let reason = shown.reason.clone().filter(|reason| !reason.trim().is_empty());
                CheckResult::final_result(Outcome::ExportFailed { reason, output_uri: reported })
            }
        }
    }

    /// Accepted: Pending or, long after the session's latest end, Overdue. Only polling remains.
    pub(super) fn keep_polling(&self) -> CheckResult {
        let latest_end = self.latest_end();
        let overdue = remaining_after(latest_end, self.timing.overdue_after, self.now.wall).is_zero();
        let (row, action) = if overdue {
            // The session should have ended long ago: only a Get is sure to show the export.
            let at = self.next_read_at(self.timing.overdue_poll_interval);
            (Row::Overdue, self.await_read(at, ReadKind::Exact))
        } else {
            (Row::Pending, self.read_after(self.observed.poll_interval))
        };
        CheckResult { row: Some(row), action }
    }

    /// Returns Pending if the acceptance is not recorded yet; `None` if it is.
    pub(super) fn pending_row_if_unrecorded(&self) -> Option<Row> {
        (!self.export.accepted()).then_some(Row::Pending)
    }

    /// The latest moment at which the session can end: creation plus session length, by default the longest (a day).
    pub(super) fn latest_end(&self) -> Timestamp {
        let view = self.snapshot.view.as_ref();
        let created = view
            .and_then(|view| view.created_at)
            .and_then(|at| Timestamp::try_from(at).ok())
            .or(self.export.status.request_time.as_ref().map(|time| time.0))
            .unwrap_or(self.now.wall);
        let length = view.and_then(|view| view.session_length).unwrap_or(MAX_SESSION_LENGTH);
        saturating_add(created, length)
    }

    /// AWS shows an export to another destination. If this object, or another one with the same destination, has
    /// intended a call, a lagging read may show what that call is replacing: it takes a second read a consistency
    /// window later to confirm the conflict.
    pub(super) fn foreign_export(&self, shown: &ExportView) -> CheckResult {
        let settle = self.timing.consistency_window;
        let confirmed = self.read_again_after(self.snapshot.attempt.foreign_since, settle);
        if confirmed || !(self.intended() || self.accepted() || self.snapshot.twin_intended) {
            return self.conflict_result(shown);
        }
        let again = self.snapshot.attempt.foreign_since.map_or(self.now.mono, |first| first + settle);
        let row = self.accepted().then(|| self.pending_row_if_unrecorded()).flatten();
        CheckResult { row, action: self.read_at(again) }
    }

    pub(super) fn conflict_result(&self, shown: &ExportView) -> CheckResult {
        let shown = self.accepted().then_some(match shown.status {
            ExportFilesStatus::Pending | ExportFilesStatus::Unknown => ExportStatus::Pending,
            ExportFilesStatus::Succeeded => ExportStatus::Succeeded,
            ExportFilesStatus::Failed => ExportStatus::Failed,
        });
        let rival = match &self.snapshot.rival {
            ConflictingClaim::Accepted { name } => name.clone(),
            ConflictingClaim::None | ConflictingClaim::Undecided { .. } => None,
        };
        CheckResult::final_result(Outcome::ExportConflict { shown, rival })
    }

    /// Decides if the session has ended without an export, or if AWS doesn't know it.
    pub(super) fn check_session_over(&self) -> Option<CheckResult> {
        match self.snapshot.evidence {
            Observation::Missing { since, reads } => Some(self.session_not_found(since, reads)),
            Observation::Empty { status, ended_since } if status.is_terminal() => Some(self.session_over(ended_since)),
            Observation::Stale if self.accepted() => Some(self.keep_polling()),
            Observation::Stale | Observation::Unread | Observation::Export { .. } | Observation::Empty { .. } => None,
        }
    }

    pub(super) fn session_over(&self, ended_since: Option<Instant>) -> CheckResult {
        let settle = self.timing.consistency_window;
        if self.accepted() {
            return self.keep_polling();
        }
        if self.read_again_after(ended_since, settle) {
            return CheckResult::final_result(Outcome::SessionEnded);
        }
        let again = ended_since.map_or(self.now.mono, |first| first + settle);
        CheckResult::held_result(Held::ConfirmingSessionEnd, self.read_at(again))
    }

    pub(super) fn session_not_found(&self, since: Instant, reads: u32) -> CheckResult {
        let window = self.timing.not_found_window;
        if self.read_again_after(Some(since), window) && reads >= self.timing.not_found_reads {
            let outcome = if self.accepted() { Outcome::Unknown } else { Outcome::SessionNotFound };
            return CheckResult::final_result(outcome);
        }
        let gap = window / self.timing.not_found_reads.saturating_sub(1).max(1);
        let row = if self.accepted() {
            self.pending_row_if_unrecorded()
        } else {
            Some(Row::Held(Held::ConfirmingSessionEnd))
        };
        CheckResult { row, action: self.read_after(gap) }
    }
}
