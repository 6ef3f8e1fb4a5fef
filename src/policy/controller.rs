//! The IO of policies: their watch, the creation of objects, the statuses. One loop for each leader term.
//!
//! Owns: every request that a policy causes to the API server. Never: decides; [`registry`](super::registry) does.

use crate::api::SessionExport;
use crate::api::policy::request::Policy;
use crate::api::policy::{PolicyReason, SessionExportPolicy};
use crate::api::request::{Export, Uid, controlling_policy};
use crate::export::status::message::printable_text;
use crate::leader::Fence;
use crate::metrics::Metrics;
use crate::policy::owned_exports::FinishedExport;
use crate::policy::registry::{Creation, CreationOutcome, PolicyRegistry, StatusChange};
use crate::policy::row::{PolicyProgress, PolicyRow};
use crate::polling::discovery::DiscoveryEvent;
use crate::polling::poller::PollerHandle;
use crate::runtime::cache::{CacheChange, ObjectCache};
use crate::runtime::client::{FIELD_MANAGER, describe_error, error_class, write_params};
use crate::runtime::event_loop::ParsedObject;
use crate::runtime::events::{EventKind, EventOrder, EventRecorder, ExportEvent};
use crate::runtime::patch::merge_patch;
use crate::runtime::received::{DecodeError, Received};
use crate::runtime::scope::Scope;
use crate::runtime::warnings::Warnings;
use crate::runtime::watch::StreamItem;
use crate::state::SharedState;
use futures::StreamExt;
use futures::stream::select_all;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{Request, Status};
use kube::{Api, Resource};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Why an object can't be used that lacks metadata which every stored object has.
const INCOMPLETE_METADATA: &str = "metadata without uid, name, namespace or creationTimestamp";
/// Objects made at once. 64 requests may be in flight, and the exports' own statuses come first.
const MAX_CREATIONS_AT_ONCE: usize = 8;
/// Finished objects deleted at once.
const MAX_DELETIONS_AT_ONCE: usize = 4;
/// Statuses written at once.
const MAX_WRITES_AT_ONCE: usize = 4;
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
        loop {
            self.start_creations(&mut creations);
            self.start_writes(&mut writes);
            self.start_deletions(&mut deletions);
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
                () = sleep(TICK) => {}
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
            let mut registry = self.registry();
            let is_claimed = |arn: &_, namespace: &str| self.state.lock().is_claimed_in_other_namespace(arn, namespace);
            let found = registry.apply_discovery(event, is_claimed, now);
            self.metrics.record_found_sessions([found.discovered, found.selected, found.refused]);
        }
    }

    fn start_creations(self: &Arc<Self>, creations: &mut JoinSet<Done>) {
        while creations.len() < MAX_CREATIONS_AT_ONCE {
            let Some(creation) = self.registry().next_creation(Instant::now()) else { return };
            let controller = self.clone();
            creations.spawn(async move {
                let outcome = controller.create(&creation).await;
                Done::Created(Box::new(creation), outcome)
            });
        }
    }

    fn start_writes(self: &Arc<Self>, writes: &mut JoinSet<Done>) {
        if writes.len() >= MAX_WRITES_AT_ONCE || !self.fence.holds(Instant::now()) {
            return;
        }
        let changes = self.registry().status_changes(Instant::now(), jiff::Timestamp::now());
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
        let beyond = self.registry().beyond_limits();
        for export in beyond.into_iter().take(MAX_DELETIONS_AT_ONCE) {
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

    async fn create(&self, creation: &Creation) -> CreationOutcome {
        if !self.fence.holds(Instant::now()) {
            return CreationOutcome::Failed;
        }
        let url = SessionExport::url_path(&(), Some(&creation.policy.namespace));
        let body = match serde_json::to_vec(&creation.object()) {
            Ok(body) => body,
            Err(error) => return CreationOutcome::Refused(error.to_string()),
        };
        let made = match Request::new(url).create(&write_params(), body) {
            Ok(request) => self.kube.request::<Received<SessionExport>>(request).await,
            Err(error) => Err(kube::Error::BuildRequest(error)),
        };
        match made {
            Ok(object) => CreationOutcome::Made { uid: object.identity().uid.as_deref().map(Into::into) },
            Err(kube::Error::Api(status)) if status.code == 409 && status.reason == "AlreadyExists" => {
                self.examine_namesake(creation).await
            }
            Err(kube::Error::Api(status)) if is_terminating(&status) => CreationOutcome::NotYet,
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 422) => {
                CreationOutcome::Refused(printable_text(&status.message))
            }
            Err(error) => self.fail("creation", creation, &error),
        }
    }

    /// An object of this name exists: whose is it?
    async fn examine_namesake(&self, creation: &Creation) -> CreationOutcome {
        let exports: Api<Received<SessionExport>> = Api::namespaced(self.kube.clone(), &creation.policy.namespace);
        let found = match exports.get_opt(&creation.name()).await {
            Ok(Some(found)) => found,
            Ok(None) => return CreationOutcome::NotYet,
            Err(error) => return self.fail("read", creation, &error),
        };
        let Ok(object) = found.decode() else { return CreationOutcome::NameTaken };
        match controlling_policy(&object.metadata) {
            _ if object.metadata.deletion_timestamp.is_some() => CreationOutcome::NotYet,
            Some(uid) if uid == creation.policy.uid => CreationOutcome::Made { uid: None },
            // A policy of this name that is gone, or going: the garbage collector deletes its objects.
            Some(_) => CreationOutcome::NotYet,
            None => CreationOutcome::NameTaken,
        }
    }

    fn fail(&self, doing: &str, creation: &Creation, error: &kube::Error) -> CreationOutcome {
        self.metrics.record_kube_error(error_class(error));
        let (namespace, policy) = (&*creation.policy.namespace, &*creation.policy.name);
        tracing::warn!(namespace, policy, "{doing} of a SessionExport failed: {}", describe_error(error));
        CreationOutcome::Failed
    }

    fn tell_name_taken(&self, creation: &Creation) {
        let note = format!(
            "SessionExport {} exists and is not this policy's. It is left alone, and its session with it.",
            creation.name()
        );
        self.events.publish(ExportEvent {
            regarding: creation.policy.object_ref(),
            kind: EventKind::Warning,
            chapter: EventOrder::Trouble,
            reason: "NameTaken",
            note,
        });
    }

    /// Returns the policy as written.
    async fn write_status(&self, change: StatusChange) -> Option<Arc<Policy>> {
        let StatusChange { policy, status, entered } = change;
        let patch = merge_patch(&policy.status, &status).ok()?;
        let version = Some(&policy.resource_version).filter(|version| !version.is_empty());
        let body = serde_json::json!({
            "metadata": {"uid": &*policy.uid, "resourceVersion": version},
            "status": patch,
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let policies: Api<Received<SessionExportPolicy>> = Api::namespaced(self.kube.clone(), &policy.namespace);
        match policies.patch_status(&policy.name, &params, &Patch::Merge(body)).await {
            Ok(answer) => {
                self.metrics.record_status_write("written");
                if let Some(row) = &entered {
                    self.tell_row(&policy, row);
                }
                Policy::read(answer.decode().ok()?).map(Arc::new)
            }
            // The watch shows the newer version, or that it is gone.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                self.metrics.record_status_write("conflict");
                None
            }
            Err(error) => {
                self.metrics.record_status_write(error_class(&error));
                let (namespace, name) = (&*policy.namespace, &*policy.name);
                tracing::warn!(namespace, name, "the status of a policy can't be written: {}", describe_error(&error));
                None
            }
        }
    }

    fn tell_row(&self, policy: &Policy, row: &PolicyRow) {
        let (namespace, name, reason) = (&*policy.namespace, &*policy.name, row.reason());
        tracing::info!(namespace, name, uid = &*policy.uid, reason = reason.as_str(), "{}", row.message());
        if reason == PolicyReason::Discovering {
            return;
        }
        let kind = match row.progress() {
            PolicyProgress::Ready => EventKind::Normal,
            PolicyProgress::Reconciling | PolicyProgress::Stalled => EventKind::Warning,
        };
        let (regarding, reason, note) = (policy.object_ref(), reason.as_str(), row.message());
        self.events.publish(ExportEvent { regarding, kind, chapter: EventOrder::Trouble, reason, note });
    }

    /// Deletes a finished object beyond a history limit. Returns whether it is gone.
    async fn delete(&self, export: &FinishedExport) -> bool {
        let preconditions = Preconditions { uid: Some(export.uid.to_string()), resource_version: None };
        let params = DeleteParams::default().preconditions(preconditions);
        let url = SessionExport::url_path(&(), Some(&export.namespace));
        let deleted = match Request::new(url).delete(&export.name, &params) {
            Ok(request) => self.kube.request_text(request).await,
            Err(error) => Err(kube::Error::BuildRequest(error)),
        };
        let (namespace, name) = (&*export.namespace, &*export.name);
        match deleted {
            Ok(_) => {
                tracing::info!(namespace, name, "deleted: its policy's history limit is reached");
                true
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => true,
            Err(error) => {
                self.metrics.record_kube_error(error_class(&error));
                tracing::warn!(namespace, name, "a finished export can't be deleted: {}", describe_error(&error));
                false
            }
        }
    }
}

fn parse_policy(object: SessionExportPolicy) -> Result<ParsedObject<Policy>, DecodeError> {
    let policy = Policy::read(object).ok_or_else(|| DecodeError::new(&INCOMPLETE_METADATA))?;
    Ok(ParsedObject::Active(Arc::new(policy)))
}

/// True if the namespace is being deleted.
fn is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
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
