//! What a reading means for one object: whose export it shows, and who else wants the session. Pure.

use super::memory::{Claim, Known};
use crate::streams::identifiers::OutputUri;
use crate::streams::observation::{ExportView, SessionStatus, Source};
use tokio::time::Instant;

/// What AWS says of an object's session, as far as it may be believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing, or nothing since the last call.
    #[default]
    Unread,
    /// An export.
    Export {
        /// Whose it is.
        whose: Whose,
        /// As AWS shows it.
        shown: ExportView,
        /// A list may leave the URI out.
        source: Source,
    },
    /// The session, and no export.
    Empty {
        /// Life-cycle state.
        status: SessionStatus,
        /// Begin of the first of the reads that showed it ended without an export.
        ended_since: Option<Instant>,
    },
    /// No export, although this process has seen one before: decides nothing.
    Stale,
    /// AWS knows no such session or group.
    Missing {
        /// Begin of the first such read.
        since: Instant,
        /// How many so far.
        reads: u32,
    },
}

/// Whose export a reading shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This object's.
    Ours,
    /// It goes to another destination.
    Anothers,
    /// AWS names no destination, and nothing else tells.
    Unstated,
    /// AWS names no destination, and another object's export is recorded as accepted.
    Rivals,
}

/// Another object that holds the same session or the same `.zip`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Rival {
    /// None does.
    #[default]
    None,
    /// One has claimed it and may get it: wait.
    Undecided {
        /// Its name, if it lives in the same namespace.
        name: Option<String>,
    },
    /// AWS has promised it to another one, with another destination or session.
    Accepted {
        /// Its name, if it lives in the same namespace.
        name: Option<String>,
    },
}

/// Decides whose export AWS shows.
pub(super) fn whose<'a>(known: &Known, export: &ExportView, others: impl Iterator<Item = &'a Known> + Clone) -> Whose {
    match export.output_uri.as_deref() {
        Some(uri) if fits(&known.target.uri, uri, known.intended()) => {
            let own = known.target.uri.as_str().len();
            // Once AWS has promised it, one that merely names the very key can't take it away (squatting).
            let squats = |other: &Known| other.target.uri.is_zip() && !other.holds();
            let counts = |other: &Known| known.claim != Claim::Accepted || !squats(other);
            let closer = |other: &Known| {
                fits(&other.target.uri, uri, true) && other.target.uri.as_str().len() > own && counts(other)
            };
            if others.clone().any(closer) { Whose::Anothers } else { Whose::Ours }
        }
        Some(_) => Whose::Anothers,
        None => whose_unstated(known, others),
    }
}

fn whose_unstated<'a>(known: &Known, others: impl Iterator<Item = &'a Known> + Clone) -> Whose {
    if known.claim == Claim::Accepted {
        return Whose::Ours;
    }
    let mut accepted = others.clone().filter(|other| other.claim == Claim::Accepted).peekable();
    if accepted.peek().is_some() {
        return if accepted.any(|other| other.target == known.target) { Whose::Ours } else { Whose::Rivals };
    }
    // Whoever asked for the same destination is no rival: whichever call it was, the export is this one.
    let alone = !others.clone().any(|other| other.intended() && other.target != known.target);
    if known.intended() && !known.attempt.refused_last && alone { Whose::Ours } else { Whose::Unstated }
}

/// True if AWS's URI can be what came of `wanted`. Before an intent, AWS's generated name holds no further slash.
fn fits(wanted: &OutputUri, reported: &str, intended: bool) -> bool {
    if wanted.is_zip() {
        return wanted.as_str() == reported;
    }
    reported.strip_prefix(wanted.as_str()).is_some_and(|name| intended || !name.contains('/'))
}
