//! The reads of one session, and since when they show the same.

use crate::aws::identifiers::OutputUri;
use crate::aws::model::{ReadSource, SessionRead, SessionView};
use crate::state::Peers;
use tokio::time::Instant;

#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    /// Its objects, by destination.
    pub(super) peers: Peers<OutputUri>,
    pub(super) reading: Option<Box<SessionRead>>,
    pub(super) export_seen: bool,
    pub(super) marks: ReadHistory,
}

/// Since when reads show what; all but `last_call` come from reads begun after the last call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ReadHistory {
    pub(super) last_call: Option<Instant>,
    pub(super) empty_since: Option<Instant>,
    pub(super) ended_since: Option<Instant>,
    pub(super) missing: Option<(Instant, u32)>,
}

/// The state before a call was sent, restored if AWS refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CallRollback {
    pub(super) unanswered: bool,
    pub(super) marks: ReadHistory,
    pub(super) begun: Instant,
}

impl Session {
    /// True if it has an unfinished object.
    pub(super) fn is_in_use(&self) -> bool {
        self.peers.any(|standing| !standing.finished)
    }

    pub(super) fn is_after_last_call(&self, begun: Instant) -> bool {
        self.marks.last_call.is_none_or(|call| begun > call)
    }

    /// True if a list shows the same export as the last read, but without its URI: the list can't identify the owner,
    /// the last read can.
    pub(super) fn is_less_complete(&self, listed: &SessionRead) -> bool {
        let Some(last) = self.reading.as_ref().filter(|last| self.is_after_last_call(last.begun)) else { return false };
        let (Some(known), Some(shown)) = (&last.found, &listed.found) else { return false };
        let (Some(export), Some(summary)) = (&known.export, &shown.export) else { return false };
        let same = known.status == shown.status && export.status == summary.status;
        same && summary.output_uri.is_none() && (last.source == ReadSource::Get || export.output_uri.is_some())
    }

    /// Carries over what lists omit and never changes: the session's length, and where its logs go. A list that equals the last read
    /// keeps that read's source.
    pub(super) fn with_known_facts(&self, mut reading: SessionRead) -> SessionRead {
        let known = self.reading.as_ref().and_then(|last| last.found.as_ref());
        if let (Some(known), Some(view)) = (known, &mut reading.found) {
            view.session_length = view.session_length.or(known.session_length);
            view.log_file_location_uri =
                view.log_file_location_uri.take().or_else(|| known.log_file_location_uri.clone());
        }
        if reading.source == ReadSource::List && self.reading.as_ref().is_some_and(|last| last.found == reading.found) {
            reading.source = self.reading.as_ref().map_or(ReadSource::List, |last| last.source);
        }
        reading
    }

    /// Keeps the old copy of an unchanged read, so that the allocations of large list pages are freed.
    pub(super) fn store(&mut self, reading: SessionRead) {
        match &mut self.reading {
            Some(last) if last.found == reading.found => {
                (last.begun, last.source) = (reading.begun, reading.source);
            }
            _ => self.reading = Some(Box::new(reading)),
        }
    }

    /// True if the decision may differ from that for the last read.
    pub(super) fn changes_decision(&self, reading: &SessionRead) -> bool {
        let last = self.reading.as_ref().filter(|last| self.is_after_last_call(last.begun));
        let repeated = last.is_some_and(|last| last.found == reading.found && last.source == reading.source);
        // A missing session or an end without an export is confirmed by a later read that shows the same.
        let counted = reading.found.as_ref().is_none_or(|view| view.export.is_none() && view.status.is_terminal());
        !repeated || counted
    }

    pub(super) fn mark_export_seen(&mut self) {
        self.export_seen = true;
        self.marks.empty_since = None;
        self.marks.ended_since = None;
    }

    pub(super) fn record_view(&mut self, view: &SessionView, begun: Instant, counts: bool) {
        let marks = &mut self.marks;
        marks.missing = None;
        if view.export.is_some() {
            self.mark_export_seen();
        } else if counts && !self.export_seen {
            marks.empty_since.get_or_insert(begun);
            if view.status.is_terminal() {
                marks.ended_since.get_or_insert(begun);
            } else {
                marks.ended_since = None;
            }
        }
    }
}
