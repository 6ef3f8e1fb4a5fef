//! Where every export stands, and until when the unaccepted ones can still be accepted: the figures behind the metrics.
//!
//! Pure bookkeeping: a change of one object is one step, and telling the figures looks at reasons and minutes, never at
//! all objects. Who is in it follows the watch alone, so that a pass which outlives its object leaves no trace. It
//! reads conditions back, for it tells what people see; nothing is decided by it.

use super::request::{Export, Uid};
use super::row::Reason;
use super::status::ready_reason;
use crate::api::ExportStatus;
use crate::operator::metrics::{Metrics, NEW, Phase, UNRECOGNIZED, Unaccepted, WITHIN};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Minutes since the epoch.
type Minute = i64;

/// The book.
#[derive(Debug, Default)]
pub struct Ledger {
    exports: HashMap<Uid, Entry>,
    counts: BTreeMap<(Phase, &'static str), usize>,
    /// Of the unaccepted, by reason: how many can be accepted until when. A reason stays when its last one has gone.
    ends: BTreeMap<&'static str, BTreeMap<Minute, usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    phase: Phase,
    reason: &'static str,
    end: Minute,
}

impl Ledger {
    /// Takes in an object as it is stored. Until its session is read, it can be accepted for `bound` after its creation.
    pub fn note(&mut self, export: &Export, bound: Duration) {
        let end = self.exports.get(&export.uid).map_or_else(|| latest(export, bound), |known| known.end);
        self.replace(&export.uid, Entry { phase: phase(export), reason: reason(export), end });
    }

    /// The session of an object must have ended by then.
    pub fn session_ends(&mut self, uid: &Uid, end: Timestamp) {
        if let Some(known) = self.exports.get(uid).copied() {
            self.replace(uid, Entry { end: minute(end), ..known });
        }
    }

    /// An object is gone.
    pub fn forget(&mut self, uid: &str) {
        if let Some(gone) = self.exports.remove(uid) {
            self.strike(gone);
        }
    }

    /// Brings the metrics up to date.
    pub fn show(&self, metrics: &Metrics, now: Timestamp) {
        for ((phase, reason), count) in &self.counts {
            metrics.exports(*phase, reason, *count);
        }
        for (reason, ends) in &self.ends {
            metrics.unaccepted(unaccepted(reason, ends, now));
        }
    }

    fn replace(&mut self, uid: &Uid, entry: Entry) {
        match self.exports.insert(uid.clone(), entry) {
            Some(same) if same == entry => return,
            Some(before) => self.strike(before),
            None => {}
        }
        *self.counts.entry((entry.phase, entry.reason)).or_default() += 1;
        if entry.phase == Phase::Waiting {
            *self.ends.entry(entry.reason).or_default().entry(entry.end).or_default() += 1;
        }
    }

    fn strike(&mut self, entry: Entry) {
        if let Some(count) = self.counts.get_mut(&(entry.phase, entry.reason)) {
            *count -= 1;
        }
        if entry.phase == Phase::Waiting
            && let Some(ends) = self.ends.get_mut(entry.reason)
            && let Some(count) = ends.get_mut(&entry.end)
        {
            *count -= 1;
            if *count == 0 {
                ends.remove(&entry.end);
            }
        }
    }
}

fn unaccepted(reason: &'static str, ends: &BTreeMap<Minute, usize>, now: Timestamp) -> Unaccepted {
    let remaining = |end: Minute| Duration::from_secs(u64::try_from(end * 60 - now.as_second()).unwrap_or_default());
    let until = |bound| ends.iter().take_while(|(end, _)| remaining(**end) <= bound).map(|(_, count)| count).sum();
    Unaccepted {
        reason,
        remaining: ends.first_key_value().map(|(end, _)| remaining(*end)),
        within: WITHIN.map(|(_, bound)| until(bound)),
    }
}

/// Rounded down: an end is never told as later than it is.
fn minute(end: Timestamp) -> Minute {
    end.as_second().div_euclid(60)
}

fn latest(export: &Export, bound: Duration) -> Minute {
    let bound = SignedDuration::try_from(bound).unwrap_or(SignedDuration::MAX);
    minute(export.created.checked_add(bound).unwrap_or(Timestamp::MAX))
}

fn phase(export: &Export) -> Phase {
    match export.status.export_status {
        Some(ExportStatus::Succeeded) if export.finished() => Phase::Succeeded,
        _ if export.finished() => Phase::Failed,
        _ if export.accepted() => Phase::Pending,
        _ => Phase::Waiting,
    }
}

fn reason(export: &Export) -> &'static str {
    let Some(recorded) = ready_reason(&export.status) else { return NEW };
    let known = Reason::ALL.into_iter().map(Reason::as_str);
    known.into_iter().find(|known| *known == recorded).unwrap_or(UNRECOGNIZED)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
