//! The meaning of a read for one object: the owner of the export that it shows, and conflicting claims. Pure.

use crate::api::request::Uid;
use crate::aws::identifiers::{MAX_OUTPUT_URI, OutputUri};
use crate::aws::model::{ExportView, ReadSource, SessionStatus};
use crate::state::{Claim, ExportState, Peers, Standing};
use tokio::time::Instant;

/// Longest destination in bytes of UTF-8: no destination matches a longer prefix of a reported URI.
const MAX_OUTPUT_URI_BYTES: usize = 4 * MAX_OUTPUT_URI;

/// What reads show of an object's session, as far as they are usable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Observation {
    /// No read, or none since the last call.
    #[default]
    Unread,
    /// An export.
    Export {
        /// The owner.
        ownership: Ownership,
        /// As AWS shows it.
        shown: ExportView,
        /// The operation: a list may leave the URI out.
        source: ReadSource,
    },
    /// The session, and no export.
    Empty {
        /// Life-cycle state.
        status: SessionStatus,
        /// Begin of the first read that showed it ended without an export.
        ended_since: Option<Instant>,
    },
    /// No export, although one was seen or accepted before: not usable for a decision.
    Stale,
    /// AWS answers that the session or its group doesn't exist.
    Missing {
        /// Begin of the first such read.
        since: Instant,
        /// Number of such reads.
        reads: u32,
    },
}

/// The owner of the export that a read shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// This object.
    Own,
    /// Another destination, or another object whose destination matches the URI more closely.
    Foreign,
    /// AWS names no destination, and the claims don't decide.
    Unstated,
    /// AWS names no destination, and another object's export is recorded as accepted.
    Conflicting,
}

/// A claim of another object on the same session or the same `.zip`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ConflictingClaim {
    /// There is none.
    #[default]
    None,
    /// Another object has claimed it and may get it: wait.
    Undecided {
        /// The other object's name; `None` if it is in another namespace.
        name: Option<String>,
    },
    /// AWS has accepted the export of another object, with another destination or session.
    Accepted {
        /// The other object's name; `None` if it is in another namespace.
        name: Option<String>,
    },
}

/// Decides which object of a session owns the export that AWS shows.
pub(super) fn ownership(uid: &Uid, known: &ExportState, export: &ExportView, peers: &Peers<OutputUri>) -> Ownership {
    let Standing { claim, .. } = known.standing;
    match export.output_uri.as_deref() {
        Some(uri) if uri_matches(&known.target.uri, uri, known.standing.intended()) => {
            // Once AWS has accepted it, an object that merely names the exact key can't take it away (squatting).
            let counts = |standing: Standing| claim != Claim::Accepted || standing.holds();
            let closer = |text: &str| {
                let zip = !text.ends_with('/');
                let wanted = |standing| !zip || counts(standing);
                peers.beside(uid, |other| other.as_str().cmp(text), wanted).is_some()
            };
            if closer_destinations(uri, &known.target.uri).any(closer) { Ownership::Foreign } else { Ownership::Own }
        }
        Some(_) => Ownership::Foreign,
        None => ownership_without_uri(uid, known, peers),
    }
}

/// The destinations that match AWS's URI more closely than `own`: longer prefixes of it, and the URI itself.
fn closer_destinations<'a>(reported: &'a str, own: &OutputUri) -> impl Iterator<Item = &'a str> {
    let length = own.as_str().len();
    let prefixes = reported.match_indices('/').map(|(at, _)| at + 1).chain([reported.len()]);
    let longer = prefixes.filter(move |end| *end > length).take_while(|end| *end <= MAX_OUTPUT_URI_BYTES);
    longer.filter_map(|end| reported.get(..end))
}

fn ownership_without_uri(uid: &Uid, known: &ExportState, peers: &Peers<OutputUri>) -> Ownership {
    let own = &known.target.uri;
    if known.standing.accepted() {
        return Ownership::Own;
    }
    if peers.other(uid, Standing::accepted).is_some() {
        let twin = peers.beside(uid, |other| other.cmp(own), Standing::accepted);
        return if twin.is_some() { Ownership::Own } else { Ownership::Conflicting };
    }
    // Objects with the same destination don't conflict: whichever call AWS accepted, the export is the same.
    let alone = peers.elsewhere(own, Standing::intended).is_none();
    if known.standing.intended() && !known.attempt.refused_last && alone { Ownership::Own } else { Ownership::Unstated }
}

/// True if the reported URI can be the result of `wanted`. Before an intent, the part that AWS generated must not
/// contain a slash.
fn uri_matches(wanted: &OutputUri, reported: &str, intended: bool) -> bool {
    if wanted.is_zip() {
        return wanted.as_str() == reported;
    }
    reported.strip_prefix(wanted.as_str()).is_some_and(|name| intended || !name.contains('/'))
}
