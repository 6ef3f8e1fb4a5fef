//! What has been read of one session, and since when.

use crate::export::request::Uid;
use crate::streams::observation::{Reading, SessionView};
use std::collections::BTreeSet;
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) members: BTreeSet<Uid>,
    pub(super) reading: Option<Reading>,
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
