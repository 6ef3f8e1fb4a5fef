//! What has been read of one session, and since when.

use crate::export::uids::Uids;
use crate::streams::observation::{Reading, SessionView, Source};
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) members: Uids,
    pub(super) reading: Option<Box<Reading>>,
    pub(super) export_seen: bool,
    pub(super) marks: Marks,
}

/// How long what has been going on, as far as reads begun after the last call tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) last_call: Option<Instant>,
    pub(super) empty_since: Option<Instant>,
    pub(super) ended_since: Option<Instant>,
    pub(super) missing: Option<(Instant, u32)>,
}

/// How things stood before a call went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeforeCall {
    pub(super) unanswered: bool,
    pub(super) marks: Marks,
    pub(super) begun: Instant,
}

impl Session {
    pub(super) fn counts(&self, begun: Instant) -> bool {
        self.marks.last_call.is_none_or(|call| begun > call)
    }
}
impl Session {
    /// True if a list shows the same export as the last reading, only without its URI: unlike the last reading, it
    /// can't tell whose the export is.
    pub(super) fn says_less(&self, listed: &Reading) -> bool {
        let Some(last) = self.reading.as_ref().filter(|last| self.counts(last.begun)) else { return false };
        let (Some(known), Some(shown)) = (&last.found, &listed.found) else { return false };
        let (Some(export), Some(summary)) = (&known.export, &shown.export) else { return false };
        let same = known.status == shown.status && export.status == summary.status;
        same && summary.output_uri.is_none() && (last.source == Source::Get || export.output_uri.is_some())
    }

    /// Lists don't tell how long a session may last; that never changes.
    pub(super) fn with_known_facts(&self, mut reading: Reading) -> Reading {
        let known = self.reading.as_ref().and_then(|last| last.found.as_ref());
        if let (Some(known), Some(view)) = (known, &mut reading.found) {
            view.session_length = view.session_length.or(known.session_length);
        }
        if reading.source == Source::List && self.reading.as_ref().is_some_and(|last| last.found == reading.found) {
            reading.source = self.reading.as_ref().map_or(Source::List, |last| last.source);
        }
        reading
    }

    /// What shows unchanged keeps its place in memory: pages of lists are large, and nothing of them shall outlive them.
    pub(super) fn keep(&mut self, reading: Reading) {
        match &mut self.reading {
            Some(last) if last.found == reading.found => {
                (last.begun, last.source) = (reading.begun, reading.source);
            }
            _ => self.reading = Some(Box::new(reading)),
        }
    }

    /// True if the decision may come out otherwise for it than for the last reading.
    pub(super) fn is_news(&self, reading: &Reading) -> bool {
        let last = self.reading.as_ref().filter(|last| self.counts(last.begun));
        let repeated = last.is_some_and(|last| last.found == reading.found && last.source == reading.source);
        // That the same shows again, later, is what these wait for.
        let counted = reading.found.as_ref().is_none_or(|view| view.export.is_none() && view.status.is_over());
        !repeated || counted
    }

    pub(super) fn saw_export(&mut self) {
        self.export_seen = true;
        self.marks.empty_since = None;
        self.marks.ended_since = None;
    }

    pub(super) fn note(&mut self, view: &SessionView, begun: Instant, counts: bool) {
        let marks = &mut self.marks;
        marks.missing = None;
        if view.export.is_some() {
            self.saw_export();
        } else if counts && !self.export_seen {
            marks.empty_since.get_or_insert(begun);
            if view.status.is_over() {
                marks.ended_since.get_or_insert(begun);
            } else {
                marks.ended_since = None;
            }
        }
    }
}
