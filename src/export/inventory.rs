//! One record for each stored object, and the counts behind the gauges: exports by phase and reason, and how long the
//! unaccepted ones can still be accepted.
//!
//! Owns: what a leader term keeps of an object by its uid, beside the state of its session: removing the record forgets
//! all of it. Only watch events add or remove records; a reconcile that finishes after its object was deleted can't
//! re-add it. An update changes one record; publishing is O(reasons x minutes), not O(objects). Reasons come from
//! recorded conditions, so that the metrics match the statuses. Never: IO.

#[cfg(test)]
mod tests;

use crate::api::condition::ready_reason;
use crate::api::request::{Export, Uid};
use crate::api::{ExportStatus, Reason};
use crate::authorization::Authorization;
use crate::metrics::{Metrics, NEW, Phase, UNRECOGNIZED, Unaccepted, WITHIN};
use crate::quota::permit::Permit;
use crate::runtime::received::is_older_version;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Minutes since the epoch.
type Minute = i64;

/// The records of all stored objects, and the counts derived from them.
#[derive(Debug, Default)]
pub(crate) struct ExportInventory {
    records: HashMap<Uid, ExportRecord>,
    counts: BTreeMap<(Phase, &'static str), usize>,
    /// Unaccepted exports by reason and by the minute in which their acceptance ends. A reason stays when its count is
    /// 0, so that its gauge is reset.
    ends: BTreeMap<&'static str, BTreeMap<Minute, usize>>,
    /// Unfinished exports whose status claims a request but which no rule covers.
    left_as_they_stand: usize,
}

/// What is kept of one object.
#[derive(Debug)]
struct ExportRecord {
    /// The newest version: the watch's, or what this process has written since, so that a lagging watch undoes no
    /// write (client-go's mutation cache). `None` if the object is finished and needs no reconcile.
    current: Option<Authorization>,
    /// How the gauges count it.
    counted: Counted,
    /// Consecutive failed requests to the API server.
    failures: u32,
    /// True once its Warning Event was published in this leader term: a status shows only the last row.
    warned: bool,
    /// The permit of its export call, until the next reconcile uses it or gives it back.
    permit: Option<Permit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    phase: Phase,
    reason: &'static str,
    end: Minute,
    left_as_it_stands: bool,
}

impl ExportInventory {
    /// Adds or updates a stored object. Until its session is read, it can be accepted for `bound` after its creation.
    pub(crate) fn upsert(&mut self, authorization: Authorization, bound: Duration) {
        let export = authorization.export().clone();
        let before = self.records.get(&export.uid).map(|record| record.counted);
        let end = before.map_or_else(|| latest_minute(&export, bound), |counted| counted.end);
        let left_as_it_stands = authorization.is_left_as_it_stands();
        let counted = Counted { phase: phase(&export), reason: reason(&export), end, left_as_it_stands };
        self.recount(before, Some(counted));
        match self.records.get_mut(&export.uid) {
            Some(record) => (record.current, record.counted) = (Some(authorization), counted),
            None => {
                let record =
                    ExportRecord { current: Some(authorization), counted, failures: 0, warned: false, permit: None };
                self.records.insert(export.uid.clone(), record);
            }
        }
    }

    /// The newest version of an object; `None` if it is deleted, or finished and needs no reconcile.
    pub(crate) fn current(&self, uid: &str) -> Option<Authorization> {
        self.records.get(uid)?.current.clone()
    }

    /// True if a version from the watch is newer than the record's; a finished one also if it is the same, because the
    /// watch's is pruned.
    pub(crate) fn is_news(&self, export: &Export) -> bool {
        let current = self.records.get(&export.uid).and_then(|record| record.current.as_ref());
        current.map(Authorization::export).is_none_or(|current| {
            !is_older_version(&export.resource_version, &current.resource_version)
                && (export.finished() || export.resource_version != current.resource_version)
        })
    }

    /// True if the object is stored.
    pub(crate) fn contains(&self, uid: &str) -> bool {
        self.records.contains_key(uid)
    }

    /// Drops the version, the failures and the permit of an object that needs no more reconciles.
    pub(crate) fn retire(&mut self, uid: &str) {
        if let Some(record) = self.records.get_mut(uid) {
            (record.current, record.failures, record.permit) = (None, 0, None);
        }
    }

    /// Keeps the permit of an object's export call for its next reconcile; drops it if the object is deleted.
    pub(crate) fn keep_permit(&mut self, permit: Permit) {
        if let Some(record) = self.records.get_mut(permit.uid()) {
            record.permit = Some(permit);
        }
    }

    /// Takes the permit of an object's export call.
    pub(crate) fn take_permit(&mut self, uid: &str) -> Option<Permit> {
        self.records.get_mut(uid)?.permit.take()
    }

    /// Sets the latest end of an object's session: it can't be accepted later.
    pub(crate) fn set_session_end(&mut self, uid: &Uid, end: Timestamp) {
        let Some(record) = self.records.get_mut(uid) else { return };
        let before = record.counted;
        record.counted.end = minute_of(end);
        let after = record.counted;
        self.recount(Some(before), Some(after));
    }

    /// Counts a failed request to the API server. Returns how many preceded it without a success.
    pub(crate) fn count_failure(&mut self, uid: &str) -> u32 {
        let Some(record) = self.records.get_mut(uid) else { return 0 };
        let before = record.failures;
        record.failures = before.saturating_add(1);
        before
    }

    /// Ends a series of failed requests.
    pub(crate) fn reset_failures(&mut self, uid: &str) {
        if let Some(record) = self.records.get_mut(uid) {
            record.failures = 0;
        }
    }

    /// True the first time for each object in this leader term.
    pub(crate) fn warn_once(&mut self, uid: &str) -> bool {
        self.records.get_mut(uid).is_some_and(|record| !std::mem::replace(&mut record.warned, true))
    }

    /// Removes a deleted object.
    pub(crate) fn forget(&mut self, uid: &str) {
        if let Some(gone) = self.records.remove(uid) {
            self.recount(Some(gone.counted), None);
        }
    }

    /// Sets the gauges.
    pub(crate) fn publish(&self, metrics: &Metrics, now: Timestamp) {
        for ((phase, reason), count) in &self.counts {
            metrics.set_exports(*phase, reason, *count);
        }
        for (reason, ends) in &self.ends {
            metrics.set_unaccepted(unaccepted_exports(reason, ends, now));
        }
        metrics.set_uncovered_exports(self.left_as_they_stand);
    }

    fn recount(&mut self, before: Option<Counted>, after: Option<Counted>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.decrement(before);
        }
        let Some(after) = after else { return };
        *self.counts.entry((after.phase, after.reason)).or_default() += 1;
        self.left_as_they_stand += usize::from(after.left_as_it_stands);
        if after.phase == Phase::Waiting {
            *self.ends.entry(after.reason).or_default().entry(after.end).or_default() += 1;
        }
    }

    fn decrement(&mut self, entry: Counted) {
        self.left_as_they_stand -= usize::from(entry.left_as_it_stands);
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

fn unaccepted_exports(reason: &'static str, ends: &BTreeMap<Minute, usize>, now: Timestamp) -> Unaccepted {
    let remaining = |end: Minute| Duration::from_secs(u64::try_from(end * 60 - now.as_second()).unwrap_or_default());
    let until = |bound| ends.iter().take_while(|(end, _)| remaining(**end) <= bound).map(|(_, count)| count).sum();
    Unaccepted {
        reason,
        remaining: ends.first_key_value().map(|(end, _)| remaining(*end)),
        within: WITHIN.map(|(_, bound)| until(bound)),
    }
}

/// Rounded down: an end is never reported as later than it is.
fn minute_of(end: Timestamp) -> Minute {
    end.as_second().div_euclid(60)
}

fn latest_minute(export: &Export, bound: Duration) -> Minute {
    let bound = SignedDuration::try_from(bound).unwrap_or(SignedDuration::MAX);
    minute_of(export.created.checked_add(bound).unwrap_or(Timestamp::MAX))
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
    let Some(recorded) = ready_reason(&export.status.conditions) else { return NEW };
    Reason::ALL.into_iter().map(Reason::as_str).find(|known| *known == recorded).unwrap_or(UNRECOGNIZED)
}
