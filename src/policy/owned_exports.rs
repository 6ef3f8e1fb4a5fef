//! The SessionExports as policies see them: which sessions have an unfinished one in a namespace, and how far those of a
//! policy have come. Pure.
//!
//! Owns: counts by policy, the order in which finished objects are deleted, and what the watch has not shown yet of the
//! objects made here.

use crate::api::condition::{STALLED, ready_reason};
use crate::api::policy::status::ExportCounts;
use crate::api::request::{Export, Uid};
use crate::api::{ExportStatus, Reason};
use crate::aws::identifiers::SessionArn;
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A watch that shows a new object later than this shows it with its next list: until then its place is free again.
const UNSEEN_FOR: Duration = Duration::from_secs(90);

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing holds it but its turn to call.
    AwaitingTurn,
    /// Not accepted, for another reason.
    Held,
    /// Accepted.
    Pending,
    /// Finished, at this time.
    Succeeded(Timestamp),
    /// Finished without a ZIP, at this time.
    Failed(Timestamp),
}

impl Stage {
    fn of(export: &Export) -> Self {
        let turns = [Reason::RateLimited.as_str(), Reason::Requesting.as_str()];
        let status = &export.status;
        match (&status.completion_time, status.export_status) {
            (Some(ended), Some(ExportStatus::Succeeded)) => Self::Succeeded(ended.0),
            (Some(ended), _) => Self::Failed(ended.0),
            (None, _) if export.accepted() => Self::Pending,
            (None, _) if ready_reason(&status.conditions).is_none_or(|reason| turns.contains(&reason)) => {
                Self::AwaitingTurn
            }
            (None, _) => Self::Held,
        }
    }

    const fn is_unaccepted(self) -> bool {
        matches!(self, Self::AwaitingTurn | Self::Held)
    }

    const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded(_) | Self::Failed(_))
    }
}

/// Since when an object has been Stalled, and why.
fn stalled(export: &Export) -> Option<(Timestamp, Reason)> {
    let mut conditions = export.status.conditions.iter();
    let stalled = conditions.find(|condition| condition.type_ == STALLED && condition.status == "True")?;
    let reason = Reason::ALL.into_iter().find(|reason| reason.as_str() == stalled.reason)?;
    Some((stalled.last_transition_time.0, reason))
}

/// What is kept of an object: of a finished one only if a policy made it.
#[derive(Debug)]
struct Record {
    policy: Option<Uid>,
    namespace: Arc<str>,
    name: Arc<str>,
    /// Its session, while it is unfinished.
    arn: Option<Box<SessionArn>>,
    /// The id of its session, as the spec names it.
    session: Box<str>,
    stage: Stage,
    created: Timestamp,
    /// Since when it has been Stalled, and why; `None` if it is not, and once AWS has accepted it.
    stalled: Option<(Timestamp, Reason)>,
}

/// The objects of one policy.
#[derive(Debug, Default)]
struct PolicyExports {
    awaiting_turn: usize,
    /// Those that await their turn, and those that are held; the oldest first.
    unaccepted: BTreeSet<(Timestamp, Uid)>,
    pending: usize,
    succeeded: BTreeSet<(Timestamp, Uid)>,
    failed: BTreeSet<(Timestamp, Uid)>,
    /// Made by this process, and not shown by the watch yet.
    unseen: HashMap<Uid, Instant>,
}

/// A finished object of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FinishedExport {
    /// Its uid.
    pub uid: Uid,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The id of its session.
    pub session: Box<str>,
    /// When it finished.
    pub ended: Timestamp,
}

/// An object that AWS has not accepted and for which a person must act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StalledExport {
    /// Its name.
    pub name: Arc<str>,
    /// Since when.
    pub since: Timestamp,
    /// The reason in its status.
    pub reason: Reason,
}

/// An object that was deleted before it had finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeletedUnfinished {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its session.
    pub arn: SessionArn,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct OwnedExports {
    records: HashMap<Uid, Record>,
    policies: HashMap<Uid, PolicyExports>,
    /// The number of unfinished objects, by namespace and session.
    unfinished: HashMap<(Arc<str>, SessionArn), usize>,
}

impl OwnedExports {
    /// Adds or updates a stored object. `arn` is its session, if its spec names one of the operator's account.
    pub(crate) fn upsert(&mut self, export: &Export, arn: Option<SessionArn>) {
        self.remove(&export.uid);
        let stage = Stage::of(export);
        if let Some(policy) = &export.policy {
            self.policies.entry(policy.clone()).or_default().unseen.remove(&export.uid);
        }
        if stage.is_finished() && export.policy.is_none() {
            return;
        }
        let session = export.request.as_ref().map(|request| request.session.id.as_str().into()).unwrap_or_default();
        let record = Record {
            policy: export.policy.clone(),
            namespace: export.namespace.clone(),
            name: export.name.clone(),
            arn: arn.filter(|_| !stage.is_finished()).map(Box::new),
            session,
            stage,
            created: export.created,
            stalled: stalled(export).filter(|_| stage.is_unaccepted()),
        };
        if let Some(arn) = &record.arn {
            *self.unfinished.entry((record.namespace.clone(), SessionArn::clone(arn))).or_default() += 1;
        }
        if let Some(policy) = &record.policy {
            let exports = self.policies.entry(policy.clone()).or_default();
            if stage.is_unaccepted() {
                exports.unaccepted.insert((record.created, export.uid.clone()));
            }
            match stage {
                Stage::AwaitingTurn => exports.awaiting_turn += 1,
                Stage::Held => {}
                Stage::Pending => exports.pending += 1,
                Stage::Succeeded(ended) => drop(exports.succeeded.insert((ended, export.uid.clone()))),
                Stage::Failed(ended) => drop(exports.failed.insert((ended, export.uid.clone()))),
            }
        }
        self.records.insert(export.uid.clone(), record);
    }

    /// Removes a deleted object. Returns what it was if it had not finished.
    pub(crate) fn forget(&mut self, uid: &Uid) -> Option<DeletedUnfinished> {
        for exports in self.policies.values_mut() {
            exports.unseen.remove(uid);
        }
        let Record { policy, namespace, arn, .. } = self.remove(uid)?;
        policy.iter().for_each(|policy| self.drop_if_empty(policy));
        Some(DeletedUnfinished { namespace, arn: *arn? })
    }

    fn remove(&mut self, uid: &Uid) -> Option<Record> {
        let record = self.records.remove(uid)?;
        if let Some(arn) = &record.arn {
            let key = (record.namespace.clone(), SessionArn::clone(arn));
            if let Some(count) = self.unfinished.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.unfinished.remove(&key);
                }
            }
        }
        if let Some(exports) = record.policy.as_ref().and_then(|policy| self.policies.get_mut(policy)) {
            exports.unaccepted.remove(&(record.created, uid.clone()));
            match record.stage {
                Stage::AwaitingTurn => exports.awaiting_turn -= 1,
                Stage::Held => {}
                Stage::Pending => exports.pending -= 1,
                Stage::Succeeded(ended) => drop(exports.succeeded.remove(&(ended, uid.clone()))),
                Stage::Failed(ended) => drop(exports.failed.remove(&(ended, uid.clone()))),
            }
        }
        Some(record)
    }

    fn drop_if_empty(&mut self, policy: &Uid) {
        let is_empty = self.policies.get(policy).is_some_and(|exports| {
            let PolicyExports { awaiting_turn: _, unaccepted, pending, succeeded, failed, unseen } = exports;
            unaccepted.is_empty() && *pending == 0 && succeeded.is_empty() && failed.is_empty() && unseen.is_empty()
        });
        if is_empty {
            self.policies.remove(policy);
        }
    }

    /// True if the namespace has an unfinished object for the session, whoever made it, and whether it is suspended or
    /// covered by a rule.
    pub(crate) fn has_unfinished(&self, namespace: &Arc<str>, arn: &SessionArn) -> bool {
        self.unfinished.contains_key(&(namespace.clone(), arn.clone()))
    }

    /// Records an object that this process has made for a policy, unless the watch has shown it already.
    pub(crate) fn record_created(&mut self, policy: &Uid, uid: Uid, now: Instant) {
        if !self.records.contains_key(&uid) {
            self.policies.entry(policy.clone()).or_default().unseen.insert(uid, now);
        }
    }

    /// How many objects of the policy wait for nothing but their turn to call, those that the watch has not shown
    /// included.
    pub(crate) fn awaiting_turn(&mut self, policy: &Uid, now: Instant) -> usize {
        let Some(exports) = self.policies.get_mut(policy) else { return 0 };
        exports.unseen.retain(|_, made| now.saturating_duration_since(*made) < UNSEEN_FOR);
        exports.awaiting_turn + exports.unseen.len()
    }

    /// The counts for the status of the policy.
    pub(crate) fn counts(&self, policy: &Uid) -> ExportCounts {
        let Some(exports) = self.policies.get(policy) else { return ExportCounts::default() };
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        ExportCounts {
            waiting: signed(exports.unaccepted.len()),
            pending: signed(exports.pending),
            succeeded: signed(exports.succeeded.len()),
            failed: signed(exports.failed.len()),
        }
    }

    /// The most urgent object of the policy that AWS has not accepted, if it is Stalled: the session of the oldest object
    /// ends first, as far as is known.
    pub(crate) fn stalled_first(&self, policy: &Uid) -> Option<StalledExport> {
        let (_, uid) = self.policies.get(policy)?.unaccepted.first()?;
        let Record { name, stalled, .. } = self.records.get(uid)?;
        let (since, reason) = (*stalled)?;
        Some(StalledExport { name: name.clone(), since, reason })
    }

    /// The object of the policy that failed last.
    pub(crate) fn last_failure(&self, policy: &Uid) -> Option<FinishedExport> {
        self.finished(self.policies.get(policy)?.failed.last()?)
    }

    /// The oldest finished objects of the policy beyond its limits: of those that succeeded, and of those that failed.
    pub(crate) fn beyond_limits(
        &self,
        policy: &Uid,
        (succeeded, failed): (usize, usize),
    ) -> impl Iterator<Item = FinishedExport> {
        let exports = self.policies.get(policy).into_iter();
        let sets = exports.flat_map(move |exports| [(&exports.succeeded, succeeded), (&exports.failed, failed)]);
        let oldest = sets.flat_map(|(all, limit)| all.iter().take(all.len().saturating_sub(limit)));
        oldest.filter_map(|entry| self.finished(entry))
    }

    fn finished(&self, (ended, uid): &(Timestamp, Uid)) -> Option<FinishedExport> {
        let Record { namespace, name, session, .. } = self.records.get(uid)?;
        Some(FinishedExport {
            uid: uid.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
            session: session.clone(),
            ended: *ended,
        })
    }
}
