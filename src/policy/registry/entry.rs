//! One policy: what it makes of a session, and what its status says.

use crate::api::condition::ready_reason;
use crate::api::policy::request::{Policy, Selection, SessionFacts};
use crate::api::policy::status::{ExportSummary, SessionCounts};
use crate::authorization::OperatorIdentity;
use crate::authorization::policies::{CoveredPolicy, NoDestination};
use crate::aws::identifiers::{OutputUri, SessionArn};
use crate::aws::model::{SessionStatus, SessionView};
use crate::config::Timing;
use crate::policy::candidates::{CandidateOrder, Candidates, SelectedSession};
use crate::policy::owned_exports::{FinishedExport, OwnedExports, StalledExport};
use crate::policy::registry::StatusChange;
use crate::policy::registry::scans::GroupScans;
use crate::policy::row::PolicyRow;
use crate::policy::status::{build_conditions, has_same_conditions};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A new leader leaves the status of a policy as it is for this long, unless it learns otherwise: two scans.
const KEEP_STATUS_FOR: Duration = Duration::from_secs(15);

/// One policy.
#[derive(Debug)]
pub(super) struct PolicyEntry {
    pub(super) policy: Arc<Policy>,
    pub(super) coverage: PolicyCoverage,
    /// When this process first saw it.
    pub(super) seen_at: Instant,
    /// The sessions for which it has made or met an object, by key.
    pub(super) handled: HashSet<u64>,
    pub(super) candidates: Candidates,
    /// Counts of the scan in progress.
    pub(super) counting: SessionCounts,
    /// Counts of the last complete scan.
    pub(super) sessions: Option<SessionCounts>,
    /// The sessions whose object is being created, by key: a page may show them meanwhile.
    pub(super) creating: HashSet<u64>,
    pub(super) refusal: Option<RefusedCreation>,
    pub(super) last_export: Option<ExportSummary>,
    /// When the status was last written.
    pub(super) written_at: Option<Instant>,
    /// A write of the status is under way.
    pub(super) writing: bool,
}

/// Whether a policy may do anything.
#[derive(Debug)]
pub(super) enum PolicyCoverage {
    Covered(CoveredPolicy),
    Held(PolicyRow),
}

/// The API server refuses the objects of a policy.
#[derive(Debug)]
pub(super) struct RefusedCreation {
    pub(super) words: String,
    pub(super) retry_at: Instant,
    pub(super) tries: usize,
}

/// One session on a page, for one policy.
pub(super) struct SessionContext<'a> {
    pub(super) identity: &'a OperatorIdentity,
    pub(super) exports: &'a OwnedExports,
    pub(super) facts: &'a SessionFacts,
    pub(super) view: &'a SessionView,
    pub(super) key: u64,
    /// The scan shows it for the first time.
    pub(super) is_new: bool,
    /// The view has what a Get shows.
    pub(super) is_exact: bool,
}

/// What a policy makes of a session.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Verdict {
    pub(super) is_selected: bool,
    /// Younger policies of the namespace leave it alone.
    pub(super) is_taken: bool,
    pub(super) is_refused: bool,
    /// The session has to be read with a Get before the policy can tell.
    pub(super) needs_get: bool,
}

impl PolicyEntry {
    pub(super) fn new(policy: Arc<Policy>, coverage: PolicyCoverage, now: Instant) -> Self {
        Self {
            policy,
            coverage,
            seen_at: now,
            handled: HashSet::new(),
            candidates: Candidates::default(),
            counting: SessionCounts::default(),
            sessions: None,
            creating: HashSet::new(),
            refusal: None,
            last_export: None,
            written_at: None,
            writing: false,
        }
    }

    pub(super) const fn covered(&self) -> Option<&CoveredPolicy> {
        match &self.coverage {
            PolicyCoverage::Covered(covered) => Some(covered),
            PolicyCoverage::Held(_) => None,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.covered().is_some_and(|covered| !covered.is_terminating && !covered.request().suspend)
    }

    /// One object at a time while the API server refuses them, and none before its time.
    pub(super) fn may_create(&self, now: Instant) -> bool {
        let allowed = self.refusal.as_ref().is_none_or(|refusal| refusal.retry_at <= now && self.creating.is_empty());
        self.is_active() && allowed && !self.candidates.is_empty()
    }

    pub(super) fn consider(
        &mut self,
        session: &SessionContext<'_>,
        is_taken: bool,
        is_claimed: impl Fn(&SessionArn, &str) -> bool,
    ) -> Verdict {
        let SessionContext { identity, exports, facts, view, key, is_new, is_exact } = *session;
        let is_active = self.is_active();
        let PolicyCoverage::Covered(covered) = &self.coverage else { return Verdict::default() };
        match covered.request().select(facts) {
            Selection::NotSelected => return Verdict::default(),
            Selection::Unknown(_) => {
                return Verdict { is_refused: is_exact, needs_get: is_active && !is_exact, ..Verdict::default() };
            }
            Selection::Selected => {}
        }
        self.counting.selected += i64::from(is_new);
        let selected = Verdict { is_selected: true, is_taken: is_taken || is_active, ..Verdict::default() };
        if is_taken || !is_active || self.handled.contains(&key) || self.creating.contains(&key) {
            return selected;
        }
        let namespace = &self.policy.namespace;
        if exports.has_unfinished(namespace, &facts.arn) {
            self.handled.insert(key);
            return selected;
        }
        if is_claimed(&facts.arn, namespace) {
            return selected;
        }
        let uri = match identity.authorize_destination(covered, facts) {
            Ok(uri) => uri,
            Err(NoDestination::MissingValue) if !is_exact => return Verdict { needs_get: true, ..selected },
            Err(NoDestination::MissingValue | NoDestination::Refused) => {
                return Verdict { is_refused: true, ..selected };
            }
        };
        if let Some(export) = &view.export {
            if export.output_uri.is_none() && !is_exact {
                return Verdict { needs_get: true, ..selected };
            }
            if !is_ours(export.output_uri.as_deref(), &uri) {
                self.counting.elsewhere += i64::from(is_new);
                return selected;
            }
        }
        let order = CandidateOrder {
            connected: !is_disconnected(view.status),
            created: facts.created.unwrap_or(Timestamp::MAX),
            key,
        };
        self.candidates.insert(order, SelectedSession { arn: facts.arn.clone(), uri });
        selected
    }

    pub(super) fn row(
        &self,
        group: Option<&GroupScans>,
        stalled: Option<StalledExport>,
        timing: &Timing,
        (now, wall): (Instant, Timestamp),
    ) -> Option<PolicyRow> {
        let covered = match &self.coverage {
            PolicyCoverage::Covered(covered) => covered,
            PolicyCoverage::Held(row) => return Some(row.clone()),
        };
        if covered.request().suspend {
            return Some(PolicyRow::Suspended);
        }
        let failing = group.and_then(|scans| scans.failure);
        if let Some(row) = failing.and_then(|failure| failure.row(covered, timing, now)) {
            return Some(row);
        }
        if let Some(refusal) = &self.refusal {
            return Some(PolicyRow::ExportsRefused { words: refusal.words.clone() });
        }
        if let Some(StalledExport { name, since, reason }) = stalled
            && wall.duration_since(since)
                >= SignedDuration::try_from(timing.denial_stalled_after).unwrap_or(SignedDuration::MAX)
        {
            return Some(PolicyRow::ExportsHeld { name, reason });
        }
        let lasts = |since: Instant| now.saturating_duration_since(since) >= timing.denial_stalled_after / 2;
        match group.and_then(|scans| Some((scans.last_complete?, scans.behind_since))) {
            Some((scan, Some(since))) if lasts(since) => {
                Some(PolicyRow::Behind { older_than: scan.allowed_age(timing), pages: scan.pages })
            }
            Some((scan, _)) if scan.began >= self.seen_at => Some(PolicyRow::Watching),
            Some(_) | None => {
                let shown = self.policy.status.observed_generation == Some(self.policy.generation);
                let keeps = shown && now.saturating_duration_since(self.seen_at) < KEEP_STATUS_FOR;
                (!keeps).then_some(PolicyRow::Discovering)
            }
        }
    }

    pub(super) fn status_change(
        &self,
        group: Option<&GroupScans>,
        exports: &OwnedExports,
        timing: &Timing,
        (now, wall): (Instant, Timestamp),
    ) -> Option<StatusChange> {
        let row = self.row(group, exports.stalled_first(&self.policy.uid), timing, (now, wall))?;
        let recorded = &self.policy.status;
        let mut status = recorded.clone();
        status.observed_generation = Some(self.policy.generation);
        status.stream_group_arn = self.covered().map(|covered| covered.group().to_string()).or(status.stream_group_arn);
        status.conditions = build_conditions(&self.policy, &row, wall);
        status.sessions = self.sessions.or(status.sessions);
        status.exports = Some(exports.counts(&self.policy.uid));
        status.last_export = self.last_export.clone().or(status.last_export);
        status.last_failure = exports.last_failure(&self.policy.uid).map(summarize).or(status.last_failure);
        let at_once = !has_same_conditions(recorded, &status);
        let is_due = self.written_at.is_none_or(|at| now.saturating_duration_since(at) >= timing.held_status_delay);
        let entered = ready_reason(&recorded.conditions) != Some(row.reason().as_str());
        (status != *recorded && (at_once || is_due)).then(|| StatusChange {
            policy: self.policy.clone(),
            status,
            entered: entered.then_some(row),
        })
    }
}

fn summarize(export: FinishedExport) -> ExportSummary {
    ExportSummary {
        session: Some(export.session.into()),
        name: Some(export.name.to_string()),
        time: Some(Time(export.ended)),
    }
}

/// True if no client is connected: AWS ends such a session soon.
const fn is_disconnected(status: SessionStatus) -> bool {
    matches!(status, SessionStatus::PendingClientReconnection | SessionStatus::Reconnecting)
}

/// True if AWS shows an export that can be the policy's own. Without a URI it can't be told: it is left alone.
fn is_ours(reported: Option<&str>, wanted: &OutputUri) -> bool {
    reported.is_some_and(|uri| if wanted.is_zip() { uri == wanted.as_str() } else { uri.starts_with(wanted.as_str()) })
}
