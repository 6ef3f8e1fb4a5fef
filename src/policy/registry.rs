//! All policies of one leader term, and what they do next. Pure: the clock is an argument, no IO.
//!
//! Owns: which groups are discovered, which sessions are selected, which object is made next, and what each status says.
//! Never: concludes from one scan that a session has ended: pages shift while they are read.

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod tests;

use crate::api::SessionExport;
use crate::api::condition::ready_reason;
use crate::api::policy::export_identity::export_name;
use crate::api::policy::request::{Policy, Selection, SessionFacts};
use crate::api::policy::status::{ExportSummary, SessionCounts};
use crate::api::policy::{PolicyReason, SessionExportPolicyStatus};
use crate::api::request::{Export, Uid};
use crate::authorization::OperatorIdentity;
use crate::authorization::policies::CoveredPolicy;
use crate::aws::failure::FailureClass;
use crate::aws::identifiers::{OutputUri, Region, SessionArn, StreamGroupArn};
use crate::aws::model::{SessionStatus, SessionView};
use crate::config::Timing;
use crate::policy::candidates::{CandidateOrder, Candidates, SelectedSession};
use crate::policy::owned_exports::{FinishedExport, OwnedExports};
use crate::policy::row::{PolicyRow, allowed_scan_age};
use crate::policy::status::{build_conditions, has_same_conditions};
use crate::polling::discovery::{DiscoveryEvent, DiscoveryPace, DiscoveryScan, ScanOutcome, ShownSessions};
use crate::runtime::selector::LabelSelector;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A group that AWS doesn't know is reported after so many scans.
const MIN_NOT_FOUND_SCANS: u32 = 3;
/// A new leader leaves the status of a policy as it is for this long, unless it learns otherwise: two scans.
const KEEP_STATUS_FOR: Duration = Duration::from_secs(15);
/// Waits after the API server has refused an object: then one is tried again.
const REFUSED_RETRIES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(30)];

/// Everything that a policy does.
#[derive(Debug)]
pub(crate) struct PolicyRegistry {
    identity: OperatorIdentity,
    /// What the operator watches: objects without these labels are another operator's.
    selector: LabelSelector,
    /// The selector's text, for messages.
    selector_text: String,
    timing: Timing,
    /// The most objects of a Region that wait for nothing but their turn to call. More would only wait longer in line,
    /// while the most urgent of the sessions found meanwhile should come first.
    max_awaiting_turn: usize,
    /// For the keys of sessions.
    hasher: RandomState,
    entries: BTreeMap<Uid, PolicyEntry>,
    groups: HashMap<Arc<StreamGroupArn>, GroupScans>,
    exports: OwnedExports,
    /// The first lists of exports are complete: until then objects of others may be unknown.
    exports_listed: bool,
}

/// One policy.
#[derive(Debug)]
struct PolicyEntry {
    policy: Arc<Policy>,
    coverage: PolicyCoverage,
    /// When this process first saw it.
    seen_at: Instant,
    /// The sessions for which it has made or met an object, by key.
    handled: HashSet<u64>,
    candidates: Candidates,
    /// Counts of the scan in progress.
    counting: SessionCounts,
    /// Counts of the last complete scan.
    sessions: Option<SessionCounts>,
    /// Objects being created.
    creating: usize,
    refusal: Option<RefusedCreation>,
    last_export: Option<ExportSummary>,
    /// When the status was last written.
    written_at: Option<Instant>,
    /// A write of the status is under way.
    writing: bool,
}

/// Whether a policy may do anything.
#[derive(Debug)]
enum PolicyCoverage {
    Covered(CoveredPolicy),
    Held(PolicyRow),
}

/// The API server refuses the objects of a policy.
#[derive(Debug)]
struct RefusedCreation {
    words: String,
    retry_at: Instant,
    tries: usize,
}

/// The discovery scans of one group.
#[derive(Debug, Default)]
struct GroupScans {
    /// The sessions that the scan in progress has shown, by key.
    shown: HashSet<u64>,
    /// Those of them that can be exported.
    live: i64,
    last_complete: Option<CompleteScan>,
    failure: Option<GroupFailure>,
    /// Since when the last complete scan has been too old.
    behind_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct CompleteScan {
    began: Instant,
    took: Duration,
    pages: usize,
}

/// Scans that fail in a row, for the same cause.
#[derive(Debug, Clone, Copy)]
struct GroupFailure {
    class: FailureClass,
    since: Instant,
    scans: u32,
}

/// An object to be made.
#[derive(Debug, Clone)]
pub(crate) struct Creation {
    /// The policy.
    pub policy: CoveredPolicy,
    /// The session's key.
    pub key: u64,
    /// The session and its destination.
    pub candidate: SelectedSession,
}

impl Creation {
    /// The object's name.
    pub(crate) fn name(&self) -> String {
        export_name(&self.policy.name, &self.candidate.arn)
    }

    /// The object.
    pub(crate) fn object(&self) -> SessionExport {
        self.policy.export_of(self.policy.request(), &self.candidate.arn, &self.candidate.uri)
    }
}

/// How the creation of an object ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CreationOutcome {
    /// The object exists: made now, or by this policy earlier (`uid` is `None`).
    Made {
        /// The uid of an object made now.
        uid: Option<Uid>,
    },
    /// The name is taken by an object that is no policy's, or by one that is controlled by something else.
    NameTaken,
    /// The name is taken by an object of a deleted policy of this name, or one that is being deleted: the next scan tries
    /// again.
    NotYet,
    /// The API server refuses it, in these words.
    Refused(String),
    /// The request failed: the next scan tries again.
    Failed,
}

/// A status to be written.
#[derive(Debug, Clone)]
pub(crate) struct StatusChange {
    /// The policy, with the recorded status.
    pub policy: Arc<Policy>,
    /// The status to be.
    pub status: SessionExportPolicyStatus,
    /// The row that is entered, for the Event; `None` if the reason stays.
    pub entered: Option<PolicyRow>,
}

/// Sessions that policies found on pages, for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FoundSessions {
    /// Live sessions that a page showed for the first time in its scan.
    pub discovered: u64,
    /// Policies' selections of these.
    pub selected: u64,
    /// Selected without a destination that the rules allow.
    pub refused: u64,
}

impl PolicyRegistry {
    /// Without policies.
    pub(crate) fn new(
        identity: OperatorIdentity,
        label_selector: &str,
        timing: Timing,
        max_awaiting_turn: usize,
    ) -> Self {
        Self {
            identity,
            selector: label_selector.parse().unwrap_or_default(),
            selector_text: label_selector.to_owned(),
            timing,
            max_awaiting_turn,
            hasher: RandomState::new(),
            entries: BTreeMap::new(),
            groups: HashMap::new(),
            exports: OwnedExports::default(),
            exports_listed: false,
        }
    }

    /// Adds or updates a stored policy. An older version than the known one changes nothing.
    pub(crate) fn upsert_policy(&mut self, policy: &Arc<Policy>, now: Instant) {
        let coverage = self.judge(policy);
        match self.entries.get_mut(&policy.uid) {
            Some(entry) if policy.is_older_than(&entry.policy) => return,
            Some(entry) => {
                if entry.policy.generation != policy.generation {
                    // Others may be selected now, or have other destinations: the next scan finds them.
                    entry.candidates = Candidates::default();
                }
                (entry.policy, entry.coverage) = (policy.clone(), coverage);
            }
            None => {
                let entry = PolicyEntry::new(policy.clone(), coverage, now);
                self.entries.insert(policy.uid.clone(), entry);
            }
        }
        self.drop_unused_groups();
    }

    /// Removes a deleted policy.
    pub(crate) fn forget_policy(&mut self, uid: &str) {
        self.entries.remove(uid);
        self.drop_unused_groups();
    }

    fn judge(&self, policy: &Arc<Policy>) -> PolicyCoverage {
        let covered = match self.identity.authorize_policy(policy) {
            Ok(covered) => covered,
            Err(why) => return PolicyCoverage::Held(PolicyRow::of_uncovered(why)),
        };
        let labels = covered.request().template.metadata.labels_of(&policy.name);
        if !self.selector.matches(&labels) {
            return PolicyCoverage::Held(PolicyRow::OutOfScope { selector: self.selector_text.clone() });
        }
        PolicyCoverage::Covered(covered)
    }

    fn drop_unused_groups(&mut self) {
        let used: HashSet<_> =
            self.entries.values().filter_map(PolicyEntry::covered).map(CoveredPolicy::group).collect();
        self.groups.retain(|group, _| used.contains(group));
    }

    /// The groups to discover, and how often.
    pub(crate) fn discovered_groups(&self) -> BTreeMap<StreamGroupArn, DiscoveryPace> {
        let mut groups = BTreeMap::new();
        for covered in self.entries.values().filter_map(PolicyEntry::covered).filter(|policy| !policy.is_terminating) {
            let pace = groups.entry(StreamGroupArn::clone(covered.group())).or_insert(DiscoveryPace::Counting);
            if !covered.request().suspend {
                *pace = DiscoveryPace::Continuous;
            }
        }
        groups
    }

    /// The first lists of exports are complete.
    pub(crate) const fn mark_exports_listed(&mut self) {
        self.exports_listed = true;
    }

    /// Adds or updates a stored export.
    pub(crate) fn upsert_export(&mut self, export: &Export) {
        let arn = self.session_of(export);
        self.exports.upsert(export, arn);
    }

    fn session_of(&self, export: &Export) -> Option<SessionArn> {
        let request = export.request.as_ref().ok()?;
        let account = self.identity.account.as_ref()?;
        let is_ours = request.named_account().is_none_or(|named| named == account);
        is_ours.then(|| request.session_arn(request.region_or(&self.identity.region), account))
    }

    /// Removes a deleted export. If it had not finished, its session is selected again by the policies of the namespace:
    /// somebody else deleted it, or the garbage collector did, because it was of a policy that is gone.
    pub(crate) fn forget_export(&mut self, uid: &Uid) {
        let Some(deleted) = self.exports.forget(uid) else { return };
        let key = self.hasher.hash_one(&deleted.arn);
        for entry in self.entries.values_mut().filter(|entry| entry.policy.namespace == deleted.namespace) {
            entry.handled.remove(&key);
        }
    }

    /// Takes in what discovery has found. `is_claimed` tells whether an object of another namespace holds a claim on a
    /// session.
    pub(crate) fn apply_discovery(
        &mut self,
        event: DiscoveryEvent,
        is_claimed: impl Fn(&SessionArn, &str) -> bool,
        now: Instant,
    ) -> FoundSessions {
        match event {
            DiscoveryEvent::Shown(page) => self.apply_page(&page, is_claimed),
            DiscoveryEvent::Ended(scan) => {
                self.end_scan(&scan, now);
                FoundSessions::default()
            }
        }
    }

    fn apply_page(&mut self, page: &ShownSessions, is_claimed: impl Fn(&SessionArn, &str) -> bool) -> FoundSessions {
        let mut found = FoundSessions::default();
        let Self { identity, hasher, entries, groups, exports, .. } = self;
        let mut policies: Vec<&mut PolicyEntry> = entries
            .values_mut()
            .filter(|entry| entry.covered().is_some_and(|one| *one.group() == page.group))
            .collect();
        policies.sort_by_key(|entry| (entry.policy.namespace.clone(), entry.policy.precedence()));
        let scans = groups.entry(page.group.clone()).or_default();
        for (id, view) in page.sessions.iter().filter(|(_, view)| is_exportable(view.status)) {
            let arn = page.group.session(id.clone());
            let key = hasher.hash_one(&arn);
            let is_new = scans.shown.insert(key);
            scans.live += i64::from(is_new);
            found.discovered += u64::from(is_new);
            let facts = SessionFacts::from_view(arn, view);
            let mut taken_in: Option<Arc<str>> = None;
            for entry in &mut policies {
                let taken = taken_in.as_ref() == Some(&entry.policy.namespace);
                let context = SessionContext { identity, exports, facts: &facts, view, key, is_new };
                let verdict = entry.consider(&context, taken, &is_claimed);
                if verdict.is_taken {
                    taken_in = Some(entry.policy.namespace.clone());
                }
                found.selected += u64::from(is_new && verdict.is_selected);
                found.refused += u64::from(is_new && verdict.is_refused);
            }
        }
        found
    }

    fn end_scan(&mut self, scan: &DiscoveryScan, now: Instant) {
        let scans = self.groups.entry(scan.group.clone()).or_default();
        let shown = std::mem::take(&mut scans.shown);
        let live = std::mem::take(&mut scans.live);
        let complete = match scan.outcome {
            ScanOutcome::Complete => {
                scans.failure = None;
                scans.last_complete = Some(CompleteScan { began: scan.began, took: scan.took, pages: scan.pages });
                true
            }
            ScanOutcome::Incomplete => false,
            ScanOutcome::Failed(class) => {
                let last = scans.failure.filter(|failure| failure.class == class);
                let (since, before) = last.map_or((now, 0), |failure| (failure.since, failure.scans));
                scans.failure = Some(GroupFailure { class, since, scans: before.saturating_add(1) });
                false
            }
        };
        for entry in self.entries.values_mut() {
            if entry.covered().is_none_or(|covered| *covered.group() != scan.group) {
                continue;
            }
            let counted = std::mem::take(&mut entry.counting);
            if complete {
                entry.sessions = Some(SessionCounts { live, ..counted });
                // Without the lists of reconnecting sessions, one that was not shown may be live.
                entry.candidates.retain(|order| shown.contains(&order.key) || !(order.connected || scan.reconnecting));
            }
            if complete && scan.reconnecting {
                entry.handled.retain(|key| shown.contains(key));
            }
        }
    }

    /// Takes the next object to make: of the namespace, then the policy, with the fewest objects that wait for their
    /// turn; of that policy, the most urgent session. `None` if all places are taken, or there is no candidate.
    pub(crate) fn next_creation(&mut self, now: Instant) -> Option<Creation> {
        if !self.exports_listed {
            return None;
        }
        let mut waiting_by_namespace: HashMap<Arc<str>, usize> = HashMap::new();
        let mut waiting_by_region: HashMap<_, usize> = HashMap::new();
        let mut ready = Vec::new();
        for (uid, entry) in &self.entries {
            let waiting = self.exports.awaiting_turn(uid, now) + entry.creating;
            *waiting_by_namespace.entry(entry.policy.namespace.clone()).or_default() += waiting;
            let Some(covered) = entry.covered() else { continue };
            *waiting_by_region.entry(covered.group().region.clone()).or_default() += waiting;
            if entry.may_create(now) {
                ready.push((uid.clone(), entry.policy.namespace.clone(), covered.group().region.clone(), waiting));
            }
        }
        let has_place =
            |region: &Region| waiting_by_region.get(region).is_none_or(|waiting| *waiting < self.max_awaiting_turn);
        let (uid, ..) = ready
            .into_iter()
            .filter(|(_, _, region, _)| has_place(region))
            .min_by_key(|(_, namespace, _, waiting)| (waiting_by_namespace.get(namespace).copied(), *waiting))?;
        let entry = self.entries.get_mut(&uid)?;
        let (key, candidate) = entry.candidates.pop_first()?;
        let policy = entry.covered()?.clone();
        entry.creating += 1;
        Some(Creation { policy, key, candidate })
    }

    /// Records how a creation ended.
    pub(crate) fn end_creation(&mut self, creation: &Creation, outcome: CreationOutcome, now: (Instant, Timestamp)) {
        let Some(entry) = self.entries.get_mut(&creation.policy.uid) else { return };
        entry.creating = entry.creating.saturating_sub(1);
        match outcome {
            CreationOutcome::Made { uid } => {
                entry.handled.insert(creation.key);
                entry.refusal = None;
                if let Some(uid) = uid {
                    entry.last_export = Some(ExportSummary {
                        session: Some(creation.candidate.arn.session.to_string()),
                        name: Some(creation.name()),
                        time: Some(Time(Timestamp::from_second(now.1.as_second()).unwrap_or(now.1))),
                    });
                    self.exports.record_created(&creation.policy.uid, uid, now.0);
                }
            }
            // Left alone until the session is over: whoever owns the name keeps it.
            CreationOutcome::NameTaken => drop(entry.handled.insert(creation.key)),
            CreationOutcome::NotYet | CreationOutcome::Failed => {}
            CreationOutcome::Refused(words) => {
                let tries = entry.refusal.take().map_or(0, |refusal| refusal.tries + 1);
                let wait = REFUSED_RETRIES.get(tries).or(REFUSED_RETRIES.last()).copied().unwrap_or_default();
                entry.refusal = Some(RefusedCreation { words, retry_at: now.0 + wait, tries });
            }
        }
    }

    /// The statuses to write now. Each is marked as being written until [`Self::end_write`].
    pub(crate) fn status_changes(&mut self, now: Instant, wall: Timestamp) -> Vec<StatusChange> {
        self.note_late_scans(now);
        let Self { entries, groups, exports, timing, .. } = self;
        let idle = entries.values_mut().filter(|entry| !entry.writing && !entry.policy.is_terminating);
        let changes = idle.filter_map(|entry| {
            let group = entry.covered().and_then(|covered| groups.get(covered.group()));
            let change = entry.status_change(group, exports, timing, (now, wall))?;
            entry.writing = true;
            Some(change)
        });
        changes.collect()
    }

    fn note_late_scans(&mut self, now: Instant) {
        for scans in self.groups.values_mut() {
            let late = scans.last_complete.is_some_and(|scan| {
                now.saturating_duration_since(scan.began)
                    > allowed_scan_age(scan.took).max(2 * self.timing.discovery_interval)
            });
            scans.behind_since = if late { scans.behind_since.or(Some(now)) } else { None };
        }
    }

    /// A write of the status ended, however.
    pub(crate) fn end_write(&mut self, uid: &str, now: Instant) {
        if let Some(entry) = self.entries.get_mut(uid) {
            (entry.writing, entry.written_at) = (false, Some(now));
        }
    }

    /// The finished objects beyond the history limits of their policies.
    pub(crate) fn beyond_limits(&self) -> Vec<FinishedExport> {
        let covered = self.entries.values().filter_map(|entry| Some((entry, entry.policy.request.as_ref().ok()?)));
        let beyond = covered.flat_map(|(entry, request)| {
            self.exports.beyond_limits(&entry.policy.uid, (request.successful_limit, request.failed_limit))
        });
        beyond.collect()
    }

    /// The number of policies by the reason that their status shows.
    pub(crate) fn counts_by_reason(&self) -> BTreeMap<PolicyReason, usize> {
        let mut counts: BTreeMap<_, _> = PolicyReason::ALL.into_iter().map(|reason| (reason, 0)).collect();
        for entry in self.entries.values() {
            let shown = ready_reason(&entry.policy.status.conditions);
            let reason = PolicyReason::ALL.into_iter().find(|reason| shown == Some(reason.as_str()));
            *counts.entry(reason.unwrap_or(PolicyReason::Discovering)).or_default() += 1;
        }
        counts
    }
}

/// One session on a page, for one policy.
struct SessionContext<'a> {
    identity: &'a OperatorIdentity,
    exports: &'a OwnedExports,
    facts: &'a SessionFacts,
    view: &'a SessionView,
    key: u64,
    /// The scan shows it for the first time.
    is_new: bool,
}

/// What a policy makes of a session.
#[derive(Debug, Default, Clone, Copy)]
struct Verdict {
    is_selected: bool,
    /// Younger policies of the namespace leave it alone.
    is_taken: bool,
    is_refused: bool,
}

impl PolicyEntry {
    fn new(policy: Arc<Policy>, coverage: PolicyCoverage, now: Instant) -> Self {
        Self {
            policy,
            coverage,
            seen_at: now,
            handled: HashSet::new(),
            candidates: Candidates::default(),
            counting: SessionCounts::default(),
            sessions: None,
            creating: 0,
            refusal: None,
            last_export: None,
            written_at: None,
            writing: false,
        }
    }

    const fn covered(&self) -> Option<&CoveredPolicy> {
        match &self.coverage {
            PolicyCoverage::Covered(covered) => Some(covered),
            PolicyCoverage::Held(_) => None,
        }
    }

    fn is_active(&self) -> bool {
        self.covered().is_some_and(|covered| !covered.is_terminating && !covered.request().suspend)
    }

    /// One object at a time while the API server refuses them, and none before its time.
    fn may_create(&self, now: Instant) -> bool {
        let allowed = self.refusal.as_ref().is_none_or(|refusal| refusal.retry_at <= now && self.creating == 0);
        self.is_active() && allowed && !self.candidates.is_empty()
    }

    fn consider(
        &mut self,
        session: &SessionContext<'_>,
        is_taken: bool,
        is_claimed: impl Fn(&SessionArn, &str) -> bool,
    ) -> Verdict {
        let SessionContext { identity, exports, facts, view, key, is_new } = *session;
        let is_active = self.is_active();
        let PolicyCoverage::Covered(covered) = &self.coverage else { return Verdict::default() };
        match covered.request().select(facts) {
            Selection::NotSelected => return Verdict::default(),
            Selection::Unknown(_) => return Verdict { is_refused: true, ..Verdict::default() },
            Selection::Selected => {}
        }
        self.counting.selected += i64::from(is_new);
        let selected = Verdict { is_selected: true, is_taken: is_taken || is_active, is_refused: false };
        if is_taken || !is_active || self.handled.contains(&key) {
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
        let Ok(uri) = identity.authorize_destination(covered, facts) else {
            return Verdict { is_refused: true, ..selected };
        };
        if view.export.as_ref().is_some_and(|export| !is_ours(export.output_uri.as_deref(), &uri)) {
            self.counting.elsewhere += i64::from(is_new);
            return selected;
        }
        let order = CandidateOrder {
            connected: !is_disconnected(view.status),
            created: facts.created.unwrap_or(Timestamp::MAX),
            key,
        };
        self.candidates.insert(order, SelectedSession { arn: facts.arn.clone(), uri });
        selected
    }

    fn row(&self, group: Option<&GroupScans>, timing: &Timing, now: Instant) -> Option<PolicyRow> {
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
        let lasts = |since: Instant| now.saturating_duration_since(since) >= timing.denial_stalled_after / 2;
        match group.and_then(|scans| Some((scans.last_complete?, scans.behind_since))) {
            Some((scan, Some(since))) if lasts(since) => Some(PolicyRow::Behind { pages: scan.pages }),
            Some((scan, _)) if scan.began >= self.seen_at => Some(PolicyRow::Watching),
            Some(_) | None => {
                let shown = self.policy.status.observed_generation == Some(self.policy.generation);
                let keeps = shown && now.saturating_duration_since(self.seen_at) < KEEP_STATUS_FOR;
                (!keeps).then_some(PolicyRow::Discovering)
            }
        }
    }

    fn status_change(
        &self,
        group: Option<&GroupScans>,
        exports: &OwnedExports,
        timing: &Timing,
        (now, wall): (Instant, Timestamp),
    ) -> Option<StatusChange> {
        let row = self.row(group, timing, now)?;
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

impl GroupFailure {
    /// The row of scans that fail, once they have failed for long enough. What passes by itself shows as scans that are
    /// late.
    fn row(&self, covered: &CoveredPolicy, timing: &Timing, now: Instant) -> Option<PolicyRow> {
        let group = StreamGroupArn::clone(covered.group());
        let lasts = |span: Duration| now.saturating_duration_since(self.since) >= span;
        match self.class {
            FailureClass::AccessDenied => {
                lasts(timing.denial_stalled_after).then_some(PolicyRow::AccessDenied { group })
            }
            FailureClass::Credentials => {
                lasts(timing.denial_stalled_after).then_some(PolicyRow::CredentialsUnavailable)
            }
            FailureClass::NotFound => (self.scans >= MIN_NOT_FOUND_SCANS && lasts(timing.denial_stalled_after / 2))
                .then_some(PolicyRow::StreamGroupNotFound { group }),
            FailureClass::Throttled
            | FailureClass::Unavailable
            | FailureClass::Unreachable
            | FailureClass::Rejected => None,
        }
    }
}

/// True if a session in this state can be exported.
const fn is_exportable(status: SessionStatus) -> bool {
    match status {
        SessionStatus::Active | SessionStatus::Connected => true,
        SessionStatus::Activating
        | SessionStatus::Terminating
        | SessionStatus::Terminated
        | SessionStatus::Error
        | SessionStatus::Unknown => false,
        SessionStatus::PendingClientReconnection | SessionStatus::Reconnecting => true,
    }
}

/// True if no client is connected: AWS ends such a session soon.
const fn is_disconnected(status: SessionStatus) -> bool {
    matches!(status, SessionStatus::PendingClientReconnection | SessionStatus::Reconnecting)
}

/// True if AWS shows an export that can be the policy's own. Without a URI it can't be told: it is left alone, for a
/// policy's own exports have an object.
fn is_ours(reported: Option<&str>, wanted: &OutputUri) -> bool {
    reported.is_some_and(|uri| if wanted.is_zip() { uri == wanted.as_str() } else { uri.starts_with(wanted.as_str()) })
}
