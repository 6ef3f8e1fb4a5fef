//! All policies of one leader term, and what they do next. Pure: the clock is an argument, no IO.
//!
//! Owns: which groups are discovered, which sessions are selected, which object is made next, and what each status says.
//! Never: concludes from one scan that a session has ended: pages shift while they are read.

mod entry;
#[cfg(test)]
mod history_tests;
mod scans;
#[cfg(test)]
mod tests;

use crate::api::condition::ready_reason;
use crate::api::policy::request::{Policy, SessionFacts};
use crate::api::policy::status::{ExportSummary, SessionCounts};
use crate::api::policy::{PolicyReason, SessionExportPolicyStatus};
use crate::api::request::{Export, Uid};
use crate::authorization::OperatorIdentity;
use crate::authorization::policies::CoveredPolicy;
use crate::aws::identifiers::{Region, SessionArn, StreamGroupArn};
use crate::aws::model::SessionStatus;
use crate::config::Timing;
use crate::export::status::whole_seconds;
use crate::policy::candidates::Candidates;
use crate::policy::creation::{Creation, CreationOutcome};
use crate::policy::owned_exports::{FinishedExport, OwnedExports};
use crate::policy::registry::entry::{PolicyCoverage, PolicyEntry, RefusedCreation, SessionContext};
use crate::policy::registry::scans::{CompleteScan, GroupFailure, GroupScans};
use crate::policy::row::PolicyRow;
use crate::polling::discovery::{
    DiscoveredGroup, DiscoveryEvent, DiscoveryPace, DiscoveryScan, ScanOutcome, ShownSessions,
};
use crate::runtime::received::is_older_version;
use crate::runtime::selector::LabelSelector;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

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
    /// The sessions to read with a Get, each for a namespace, until they are taken.
    wanted_reads: Vec<(SessionArn, Arc<str>)>,
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
            wanted_reads: Vec::new(),
        }
    }

    /// Adds or updates a stored policy. An older version than the known one changes nothing.
    pub(crate) fn upsert_policy(&mut self, policy: &Arc<Policy>, now: Instant) {
        let coverage = self.judge(policy);
        match self.entries.get_mut(&policy.uid) {
            Some(entry) if is_older_version(&policy.resource_version, &entry.policy.resource_version) => return,
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

    /// The groups to discover, and how often. A group's pages take the turns of the namespace that has the fewest groups,
    /// of those with a policy for it: a tenant with many groups delays none of another's.
    pub(crate) fn discovered_groups(&self) -> BTreeMap<StreamGroupArn, DiscoveredGroup> {
        let covered = self.entries.values().filter_map(PolicyEntry::covered).filter(|policy| !policy.is_terminating);
        let mut policies: BTreeMap<&Arc<StreamGroupArn>, Vec<&CoveredPolicy>> = BTreeMap::new();
        covered.for_each(|policy| policies.entry(policy.group()).or_default().push(policy));
        let mut groups_of: HashMap<&str, usize> = HashMap::new();
        for policies in policies.values() {
            let namespaces: HashSet<&str> = policies.iter().map(|policy| &*policy.namespace).collect();
            namespaces.into_iter().for_each(|namespace| *groups_of.entry(namespace).or_default() += 1);
        }
        let wanted = policies.into_iter().filter_map(|(group, policies)| {
            let is_active = policies.iter().any(|policy| !policy.request().suspend);
            let pace = if is_active { DiscoveryPace::Continuous } else { DiscoveryPace::Counting };
            let namespaces = policies.iter().map(|policy| &policy.namespace);
            let namespace = namespaces.min_by_key(|namespace| (groups_of.get(&***namespace), (*namespace).clone()))?;
            Some((StreamGroupArn::clone(group), DiscoveredGroup { pace, namespace: namespace.clone() }))
        });
        wanted.collect()
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
            DiscoveryEvent::Shown(page) => self.apply_page(&page, is_claimed, now),
            DiscoveryEvent::Read(arn, view) => {
                let key = self.hasher.hash_one(&arn);
                if let Some(scans) = self.groups.get_mut(&arn.stream_group()) {
                    scans.apply_answer(key, view);
                }
                FoundSessions::default()
            }
            DiscoveryEvent::Ended(scan) => {
                self.end_scan(&scan, now);
                FoundSessions::default()
            }
        }
    }

    /// Takes the sessions to read with a Get, each for a namespace: what pages show of them doesn't suffice.
    pub(crate) fn take_wanted_reads(&mut self) -> Vec<(SessionArn, Arc<str>)> {
        std::mem::take(&mut self.wanted_reads)
    }

    fn apply_page(
        &mut self,
        page: &ShownSessions,
        is_claimed: impl Fn(&SessionArn, &str) -> bool,
        now: Instant,
    ) -> FoundSessions {
        let mut found = FoundSessions::default();
        let Self { identity, hasher, entries, groups, exports, wanted_reads, .. } = self;
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
            let exact = scans.answer(key).map(|answer| view.clone().completed_by(answer));
            let (view, is_exact) = (exact.as_ref().unwrap_or(view), exact.is_some());
            let facts = SessionFacts::from_view(arn, view);
            let mut taken_in: Option<Arc<str>> = None;
            let mut reader = None;
            for entry in &mut policies {
                let taken = taken_in.as_ref() == Some(&entry.policy.namespace);
                let context = SessionContext { identity, exports, facts: &facts, view, key, is_new, is_exact };
                let verdict = entry.consider(&context, taken, &is_claimed);
                if verdict.is_taken {
                    taken_in = Some(entry.policy.namespace.clone());
                }
                found.selected += u64::from(is_new && verdict.is_selected);
                found.refused += u64::from(is_new && verdict.is_refused);
                if verdict.needs_get {
                    reader.get_or_insert_with(|| entry.policy.namespace.clone());
                }
            }
            if let Some(namespace) = reader
                && scans.request_read(key, now)
            {
                wanted_reads.push((facts.arn, namespace));
            }
        }
        found
    }

    fn end_scan(&mut self, scan: &DiscoveryScan, now: Instant) {
        let scans = self.groups.entry(scan.group.clone()).or_default();
        let shown = std::mem::take(&mut scans.shown);
        if scan.reconnecting && scan.outcome == ScanOutcome::Complete {
            scans.retain_answers(&shown);
        }
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
    /// `is_claimed` is that of [`Self::apply_discovery`]: since a page showed a session, an object for it may have
    /// appeared.
    pub(crate) fn next_creation(
        &mut self,
        is_claimed: impl Fn(&SessionArn, &str) -> bool,
        now: Instant,
    ) -> Option<Creation> {
        if !self.exports_listed {
            return None;
        }
        while let Some(uid) = self.next_policy(now) {
            let entry = self.entries.get_mut(&uid)?;
            let (key, candidate) = entry.candidates.pop_first()?;
            let namespace = &entry.policy.namespace;
            if self.exports.has_unfinished(namespace, &candidate.arn) {
                entry.handled.insert(key);
            } else if !is_claimed(&candidate.arn, namespace) {
                let policy = entry.covered()?.clone();
                entry.creating.insert(key);
                return Some(Creation { policy, key, candidate });
            }
        }
        None
    }

    fn next_policy(&mut self, now: Instant) -> Option<Uid> {
        let mut waiting_by_namespace: HashMap<Arc<str>, usize> = HashMap::new();
        let mut waiting_by_region: HashMap<_, usize> = HashMap::new();
        let mut ready = Vec::new();
        for (uid, entry) in &self.entries {
            let waiting = self.exports.awaiting_turn(uid, now) + entry.creating.len();
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
        Some(uid)
    }

    /// Records how a creation ended.
    pub(crate) fn end_creation(&mut self, creation: &Creation, outcome: CreationOutcome, now: (Instant, Timestamp)) {
        let Some(entry) = self.entries.get_mut(&creation.policy.uid) else { return };
        entry.creating.remove(&creation.key);
        match outcome {
            CreationOutcome::Made { uid } => {
                entry.handled.insert(creation.key);
                entry.refusal = None;
                if let Some(uid) = uid {
                    entry.last_export = Some(ExportSummary {
                        session: Some(creation.candidate.arn.session.to_string()),
                        name: Some(creation.name()),
                        time: Some(whole_seconds(now.1)),
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

    /// At most so many of the statuses to write now, of all namespaces in turn, in each the one first that was written
    /// longest ago. Each is marked as being written until [`Self::end_write`].
    pub(crate) fn status_changes(&mut self, limit: usize, now: Instant, wall: Timestamp) -> Vec<StatusChange> {
        self.note_late_scans(now);
        let Self { entries, groups, exports, timing, .. } = self;
        let mut idle: Vec<_> =
            entries.values().filter(|entry| !entry.writing && !entry.policy.is_terminating).collect();
        idle.sort_by_key(|entry| entry.written_at);
        let changes = idle.into_iter().filter_map(|entry| {
            let group = entry.covered().and_then(|covered| groups.get(covered.group()));
            entry.status_change(group, exports, timing, (now, wall))
        });
        let changes = take_in_turn(changes, limit, |change| &change.policy.namespace);
        for change in &changes {
            entries.entry(change.policy.uid.clone()).and_modify(|entry| entry.writing = true);
        }
        changes
    }

    fn note_late_scans(&mut self, now: Instant) {
        for scans in self.groups.values_mut() {
            let late = scans
                .last_complete
                .is_some_and(|scan| now.saturating_duration_since(scan.began) > scan.allowed_age(&self.timing));
            scans.behind_since = if late { scans.behind_since.or(Some(now)) } else { None };
        }
    }

    /// A write of the status ended, however.
    pub(crate) fn end_write(&mut self, uid: &str, now: Instant) {
        if let Some(entry) = self.entries.get_mut(uid) {
            (entry.writing, entry.written_at) = (false, Some(now));
        }
    }

    /// At most so many of the finished objects beyond the history limits of their policies, of all namespaces in turn.
    pub(crate) fn beyond_limits(&self, limit: usize) -> Vec<FinishedExport> {
        let readable = self.entries.values().filter_map(|entry| Some((entry, entry.policy.request.as_ref().ok()?)));
        let beyond = readable.flat_map(|(entry, request)| {
            let limits = (request.successful_limit, request.failed_limit);
            self.exports.beyond_limits(&entry.policy.uid, limits).take(limit)
        });
        take_in_turn(beyond, limit, |export| &export.namespace)
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

/// The first of these, one of each namespace in turn.
fn take_in_turn<T>(items: impl Iterator<Item = T>, limit: usize, namespace: impl Fn(&T) -> &Arc<str>) -> Vec<T> {
    let mut turns: HashMap<Arc<str>, usize> = HashMap::new();
    let mut numbered: Vec<(usize, T)> = items
        .map(|item| {
            let turn = turns.entry(namespace(&item).clone()).or_default();
            *turn += 1;
            (*turn, item)
        })
        .collect();
    numbered.sort_by_key(|(turn, _)| *turn);
    numbered.truncate(limit);
    numbered.into_iter().map(|(_, item)| item).collect()
}

/// True if a session in this state can be exported.
const fn is_exportable(status: SessionStatus) -> bool {
    match status {
        SessionStatus::Active
        | SessionStatus::Connected
        | SessionStatus::PendingClientReconnection
        | SessionStatus::Reconnecting => true,
        SessionStatus::Activating
        | SessionStatus::Terminating
        | SessionStatus::Terminated
        | SessionStatus::Error
        | SessionStatus::Unknown => false,
    }
}
