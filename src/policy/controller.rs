//! The IO of policies: their watch, the creation of objects, the statuses. One loop for each leader term.
//!
//! Owns: what runs beside what; the requests are in `requests`. Never: decides; [`registry`](super::registry) does.

use crate::api::policy::SessionExportPolicy;
use crate::api::policy::request::Policy;
use crate::api::request::{Export, Uid};
use crate::aws::identifiers::SessionArn;
use crate::leader::Fence;
use crate::metrics::Metrics;
use crate::policy::creation::{Creation, CreationOutcome};
use crate::policy::registry::PolicyRegistry;
use crate::polling::discovery::{DiscoveryEvent, DiscoveryScan, ScanOutcome};
use crate::polling::poller::PollerHandle;
use crate::runtime::cache::{CacheChange, ObjectCache};
use crate::runtime::event_loop::ParsedObject;
use crate::runtime::events::EventRecorder;
use crate::runtime::received::{DecodeError, INCOMPLETE_METADATA};
use crate::runtime::scope::Scope;
use crate::runtime::warnings::Warnings;
use crate::runtime::watch::StreamItem;
use crate::state::SharedState;
use futures::StreamExt;
use futures::stream::select_all;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

/// Objects made at once. 64 requests may be in flight, and the exports' own statuses come first.
const MAX_CREATIONS_AT_ONCE: usize = 8;
/// Finished objects deleted at once, each second: more than AWS's quota lets begin.
const MAX_DELETIONS_AT_ONCE: usize = 16;
/// Statuses written at once: a thousand policies of one tenant must not delay the statuses of exports.
const MAX_WRITES_AT_ONCE: usize = 16;
/// Statuses and history limits are looked at this often.
const TICK: Duration = Duration::from_secs(1);

/// Everything about policies in one leader term.
pub(crate) struct PolicyController {
    /// The policies.
    pub registry: Mutex<PolicyRegistry>,
    /// Notifies the loop of changes of exports.
    pub changed: Notify,
    /// The objects to watch.
    pub scope: Scope,
    /// The API server, for writes.
    pub kube: kube::Client,
    /// The API server, for lists and watches.
    pub watch: kube::Client,
    /// Prevents side effects once the lease has expired.
    pub fence: Fence,
    /// The Event queue.
    pub events: EventRecorder,
    /// The counters.
    pub metrics: Metrics,
    /// Scans the groups.
    pub poller: Arc<PollerHandle>,
    /// Knows the claims on sessions.
    pub state: SharedState,
}

/// The end of a request.
enum Done {
    Created(Box<Creation>, CreationOutcome),
    Written(Uid, Option<Arc<Policy>>),
    Deleted(Uid, bool),
}

impl PolicyController {
    /// Locks the policies. The lock is never held across IO; the state's lock may be taken inside.
    pub(crate) fn registry(&self) -> MutexGuard<'_, PolicyRegistry> {
        self.registry.lock()
    }

    /// The watch shows an export.
    pub(crate) fn on_export(&self, export: &Export) {
        self.registry().upsert_export(export);
        self.changed.notify_one();
    }

    /// The watch shows that an export is gone.
    pub(crate) fn on_export_deleted(&self, uid: &Uid) {
        self.registry().forget_export(uid);
        self.changed.notify_one();
    }

    /// The first lists of exports are complete.
    pub(crate) fn on_exports_listed(&self) {
        self.registry().mark_exports_listed();
        self.changed.notify_one();
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        let feeds = self.scope.watch_streams::<SessionExportPolicy>(&self.watch);
        let mut feeds =
            select_all(feeds.into_iter().enumerate().map(|(n, feed)| feed.map(move |item| (n, item)).boxed()));
        let mut cache = ObjectCache::new(&self.scope.namespaces, parse_policy);
        let (mut warnings, mut watch_error) = (Warnings::default(), None);
        let (mut creations, mut writes, mut deletions) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        // Not at each event: a look costs as much as there are policies, and exports change many times a second.
        let mut ticks = interval(TICK);
        loop {
            self.start_creations(&mut creations);
            tokio::select! {
                Some((feed, item)) = feeds.next() => match item {
                    StreamItem::Event(event) => {
                        watch_error = None;
                        for change in cache.apply(feed, event) {
                            self.apply_change(change, &mut warnings);
                        }
                    }
                    StreamItem::Broke(class, error) => self.note_watch_error(&mut watch_error, class, &error),
                    StreamItem::Stalled(class) => self.note_watch_error(&mut watch_error, class, "no complete list"),
                },
                events = self.poller.next_discovery_events() => self.apply_events(events),
                Some(done) = creations.join_next(), if !creations.is_empty() => self.finish(done),
                Some(done) = writes.join_next(), if !writes.is_empty() => self.finish(done),
                Some(done) = deletions.join_next(), if !deletions.is_empty() => self.finish(done),
                () = self.changed.notified() => {}
                _ = ticks.tick() => {
                    self.start_writes(&mut writes);
                    self.start_deletions(&mut deletions);
                }
            }
        }
    }

    /// A missing definition or right holds policies only: one line for each change of class.
    fn note_watch_error(&self, last: &mut Option<&'static str>, class: &'static str, error: &str) {
        self.metrics.record_kube_error(class);
        if last.replace(class) != Some(class) {
            tracing::warn!(kind = "SessionExportPolicy", class, error, "list or watch failed, trying again");
        }
    }

    fn apply_change(&self, change: CacheChange<SessionExportPolicy, Policy>, warnings: &mut Warnings) {
        let now = Instant::now();
        match change {
            CacheChange::Applied(_, policy) | CacheChange::Finished(_, policy) => {
                self.registry().upsert_policy(&policy, now);
            }
            CacheChange::Deleted(object) => {
                if let Some(uid) = object.extra.uid.as_deref() {
                    self.registry().forget_policy(uid);
                }
            }
            CacheChange::Unreadable(object, error) => warnings.log_warning(&object, &error),
            CacheChange::Listed(_) => {}
        }
        self.set_discovered(now);
    }

    fn set_discovered(&self, now: Instant) {
        let groups = self.registry().discovered_groups();
        self.poller.set_discovered(groups, now);
    }

    fn apply_events(&self, events: Vec<DiscoveryEvent>) {
        let now = Instant::now();
        for event in events {
            if let DiscoveryEvent::Ended(DiscoveryScan { outcome: ScanOutcome::Complete, took, .. }) = event {
                self.metrics.record_discovery_scan(took);
            }
            let mut registry = self.registry();
            let found = registry.apply_discovery(event, |arn, namespace| self.is_claimed(arn, namespace), now);
            let reads = registry.take_wanted_reads();
            drop(registry);
            self.metrics.record_found_sessions([found.discovered, found.selected, found.refused]);
            self.poller.read_sessions(reads, now);
        }
    }

    /// True if an object of another namespace holds a claim on the session.
    fn is_claimed(&self, arn: &SessionArn, namespace: &str) -> bool {
        self.state.lock().is_claimed_in_other_namespace(arn, namespace)
    }

    fn start_creations(self: &Arc<Self>, creations: &mut JoinSet<Done>) {
        while creations.len() < MAX_CREATIONS_AT_ONCE {
            let is_claimed = |arn: &SessionArn, namespace: &str| self.is_claimed(arn, namespace);
            let Some(creation) = self.registry().next_creation(is_claimed, Instant::now()) else { return };
            let controller = self.clone();
            creations.spawn(async move {
                let outcome = controller.create(&creation).await;
                Done::Created(Box::new(creation), outcome)
            });
        }
    }

    fn start_writes(self: &Arc<Self>, writes: &mut JoinSet<Done>) {
        let places = MAX_WRITES_AT_ONCE.saturating_sub(writes.len());
        if places == 0 || !self.fence.holds(Instant::now()) {
            return;
        }
        let changes = self.registry().status_changes(places, Instant::now(), jiff::Timestamp::now());
        for change in changes {
            let controller = self.clone();
            writes.spawn(async move {
                let uid = change.policy.uid.clone();
                Done::Written(uid, controller.write_status(change).await)
            });
        }
    }

    fn start_deletions(self: &Arc<Self>, deletions: &mut JoinSet<Done>) {
        if !deletions.is_empty() || !self.fence.holds(Instant::now()) {
            return;
        }
        let beyond = self.registry().beyond_limits(MAX_DELETIONS_AT_ONCE);
        for export in beyond {
            let controller = self.clone();
            deletions.spawn(async move {
                let is_gone = controller.delete(&export).await;
                Done::Deleted(export.uid, is_gone)
            });
        }
    }

    fn finish(&self, done: Result<Done, tokio::task::JoinError>) {
        let now = Instant::now();
        match done {
            Ok(Done::Created(creation, outcome)) => {
                self.metrics.record_policy_creation(outcome_label(&outcome));
                if outcome == CreationOutcome::NameTaken {
                    self.tell_name_taken(&creation);
                }
                self.registry().end_creation(&creation, outcome, (now, jiff::Timestamp::now()));
            }
            Ok(Done::Written(uid, policy)) => {
                let mut registry = self.registry();
                registry.end_write(&uid, now);
                policy.iter().for_each(|policy| registry.upsert_policy(policy, now));
                let counts = registry.counts_by_reason();
                drop(registry);
                counts.into_iter().for_each(|(reason, count)| self.metrics.set_policies(reason.as_str(), count));
            }
            Ok(Done::Deleted(uid, is_gone)) => {
                if is_gone {
                    self.registry().forget_export(&uid);
                }
            }
            Err(error) => tracing::error!(%error, "a request for a policy panicked; this is a bug"),
        }
    }
}

fn parse_policy(object: SessionExportPolicy) -> Result<ParsedObject<Policy>, DecodeError> {
    let policy = Policy::read(object).ok_or_else(|| DecodeError::new(&INCOMPLETE_METADATA))?;
    Ok(ParsedObject::Active(Arc::new(policy)))
}

const fn outcome_label(outcome: &CreationOutcome) -> &'static str {
    match outcome {
        CreationOutcome::Made { uid: Some(_) } => "created",
        CreationOutcome::Made { uid: None } => "existing",
        CreationOutcome::NameTaken => "name_taken",
        CreationOutcome::NotYet => "not_yet",
        CreationOutcome::Refused(_) => "refused",
        CreationOutcome::Failed => "failed",
    }
}
