//! The reconcile function: observe, decide, record, act, repeated until nothing is left to do at once.
//!
//! Owns: all IO for one object. Never: decides; waits for quota or credentials (a granted reservation requeues the
//! object).

pub(crate) mod call;
pub(crate) mod transition;

use crate::api::request::{Export, Uid};
use crate::api::{Reason, SessionExport};
use crate::authorization::{Authorization, Covered, OperatorIdentity, Uncovered};
use crate::aws::identifiers::SessionArn;
use crate::aws::model::SessionView;
use crate::config::Timing;
use crate::export::decision::{Action, Decision, Now, Observed, Retention, Withheld, decide, decide_uncovered};
use crate::export::inventory::ExportInventory;
use crate::export::reconciler::transition::TransitionRecorder;
use crate::export::retention::read_export;
use crate::export::status::build_status;
use crate::export::status::row::Row;
use crate::leader::Fence;
use crate::polling::poller::PollerHandle;
use crate::quota::gateway::AwsGateway;
use crate::quota::scheduler::Permit;
use crate::runtime::backoff::ExponentialBackoff;
use crate::runtime::client::{FIELD_MANAGER, describe_error, error_class};
use crate::runtime::patch::merge_patch;
use crate::runtime::received::Received;
use crate::state::{SessionState, SharedState, Snapshot};
use kube::Resource;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::Request;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Most actions of one reconcile, so that other objects are reconciled too: a whole export takes seven.
const MAX_STEPS_PER_RECONCILE: u32 = 16;
/// Delay until the next reconcile after [`MAX_STEPS_PER_RECONCILE`] actions, or after the leader term has ended.
const YIELD_DELAY: Duration = Duration::from_secs(2);

/// Delays after failed requests to the API server, for each object by itself. The longest bounds how late an object
/// resumes once the API server is back.
const API_BACKOFF: ExponentialBackoff =
    ExponentialBackoff { first: Duration::from_secs(2), longest: Duration::from_secs(30) };

/// The dependencies and shared state of one leader term.
pub(crate) struct Controller {
    /// The operator's own identity and its rules.
    pub identity: OperatorIdentity,
    /// Configured intervals and bounds.
    pub timing: Timing,
    /// Client of the API server.
    pub kube: kube::Client,
    /// Client of AWS, behind the request quota.
    pub aws: AwsGateway,
    /// Prevents side effects once the lease has expired.
    pub fence: Fence,
    /// Records transitions: logs, metrics, Events.
    pub recorder: TransitionRecorder,
    /// State of sessions, claims and retries.
    pub state: SharedState,
    /// The stored objects, and the counts for the gauges. Locked before [`Self::state`] where both are.
    pub inventory: Arc<Mutex<ExportInventory>>,
    /// Poll interval of a pending export, in milliseconds; follows the load.
    pub poll_interval: AtomicU64,
    /// Takes the read subscriptions of objects.
    pub poller: Arc<PollerHandle>,
}

/// How the reconcile of one object continues.
pub(super) enum Flow {
    /// At once.
    Again,
    /// Requeue at this moment.
    At(Instant),
    /// Only when the object changes or is requeued.
    Done,
}

/// An object that the rules cover, its snapshot, and the decision.
pub(super) struct Evaluation {
    pub(super) covered: Covered,
    pub(super) snapshot: Snapshot,
    pub(super) decision: Decision,
    pub(super) now: Now,
}

/// What a status shows beside its row, for an object that the rules cover.
#[derive(Clone, Copy, Default)]
struct StatusFacts<'a> {
    arn: Option<&'a SessionArn>,
    view: Option<&'a SessionView>,
    /// AWS's id of the accepted call.
    request_id: Option<&'a str>,
}

/// Logs at debug level what was decided, why, and in how many seconds the object goes on without a change.
fn log_decision(export: &Export, decision: &Decision, now: Now) {
    let seconds = |at: Instant| at.saturating_duration_since(now.mono).as_secs_f64();
    let read = decision.action.read();
    tracing::debug!(
        namespace = &*export.namespace,
        name = &*export.name,
        uid = &*export.uid,
        action = decision.action.name(),
        reason = decision
            .row
            .as_ref()
            .and_then(Row::reason)
            .or(decision.held.as_ref().map(|held| held.reason))
            .map(Reason::as_str),
        writes = decision.row.is_some(),
        read = read.map(|read| tracing::field::debug(read.kind)),
        readInSeconds = read.map(|read| seconds(read.due)),
        decideInSeconds = decision.action.decide_again_at().map(seconds),
        "decided"
    );
}

/// The version for preconditions; `None` demands none.
fn version_of(export: &Export) -> Option<String> {
    Some(export.resource_version.to_string()).filter(|version| !version.is_empty())
}

fn read_clocks() -> Now {
    Now { mono: Instant::now(), wall: jiff::Timestamp::now() }
}

impl Controller {
    /// Reconciles one object until nothing is left to do at once. Returns the time until the next reconcile; `None` if
    /// only a change or a requeue leads to one.
    pub(crate) async fn reconcile(&self, uid: &Uid) -> Option<Duration> {
        let mut permit = None;
        for _ in 0..MAX_STEPS_PER_RECONCILE {
            if !self.fence.holds(Instant::now()) {
                return Some(YIELD_DELAY);
            }
            let current = self.inventory().current(uid);
            let next = match current? {
                Authorization::Covered(covered) => {
                    let evaluation = self.observe_and_decide(covered, permit.is_some());
                    self.execute(evaluation, &mut permit).await
                }
                Authorization::Uncovered(export, why) => Box::pin(self.handle_uncovered(&export, &why)).await,
            };
            match next {
                Flow::Again => {}
                Flow::At(at) => return Some(at.saturating_duration_since(Instant::now())),
                Flow::Done => return None,
            }
        }
        Some(YIELD_DELAY)
    }

    /// Applies a version of an object that the watch shows.
    pub(crate) fn apply_watched(&self, export: &Arc<Export>) {
        self.apply_version(&mut self.inventory(), export);
    }

    /// Applies a version of an object that the API server returned, unless the watch has shown its deletion.
    fn apply_returned(&self, export: &Arc<Export>) {
        let mut inventory = self.inventory();
        if inventory.contains(&export.uid) {
            self.apply_version(&mut inventory, export);
        }
    }

    /// Evaluates the rules for a new version of an object, before anything in its status is trusted, and updates the
    /// state: once for each version, and never with an older one.
    fn apply_version(&self, inventory: &mut ExportInventory, export: &Arc<Export>) {
        if !inventory.is_news(export) {
            return;
        }
        let mut state = self.state();
        let requested = state.has_requested(&export.uid);
        let authorization = self.identity.authorize(export.clone(), requested);
        match &authorization {
            Authorization::Covered(covered) => state.upsert_object(covered, Instant::now()),
            Authorization::Uncovered(..) => {}
        }
        inventory.upsert(authorization, self.timing.acceptance_bound);
    }

    /// Observes and decides under one lock, so that checking and acquiring a claim are atomic.
    fn observe_and_decide(&self, covered: Covered, has_permit: bool) -> Evaluation {
        let now = read_clocks();
        let mut state = self.state();
        let snapshot = state.snapshot(&covered.uid, now.mono).unwrap_or_default();
        let poll_interval = Duration::from_millis(self.poll_interval.load(Ordering::Relaxed));
        let observed = Observed { may_request: covered.may_request(), snapshot, has_permit, poll_interval };
        let decision = decide(&covered, &observed, now, &self.timing);
        state.set_held(&covered.uid, decision.held.clone());
        if decision.action == Action::Call {
            state.acquire_claim(&covered.uid);
        } else {
            state.release_claim(&covered.uid, covered.intended());
        }
        drop(state);
        let Observed { snapshot, .. } = observed;
        if let Some(end) = snapshot.view.as_ref().and_then(SessionView::latest_end).and_then(|end| end.try_into().ok())
        {
            self.inventory().set_session_end(&covered.uid, end);
        }
        log_decision(&covered, &decision, now);
        Evaluation { covered, snapshot, decision, now }
    }

    // Rare branches are boxed: hundreds of reconciles may be in flight, and each future reserves room for all branches.
    async fn execute(&self, evaluation: Evaluation, permit: &mut Option<Permit>) -> Flow {
        if let Some(row) = &evaluation.decision.row {
            let Evaluation { covered, snapshot, now, .. } = &evaluation;
            let request_id = snapshot.attempt.request_id.as_deref().filter(|_| *row == Row::Pending);
            let facts = StatusFacts { arn: Some(&covered.target().arn), view: snapshot.view.as_ref(), request_id };
            if let Some(next) = self.record_status(covered, row, facts, *now).await {
                return next;
            }
        }
        self.release_unneeded_quota(&evaluation, permit);
        match evaluation.decision.action {
            Action::Done => Flow::Done,
            Action::WaitUntil(at) => Flow::At(at),
            Action::AwaitRead(read) => self.subscribe_to_read(&evaluation, read),
            Action::ReserveCall { deadline, refresh } => {
                self.request_read(&evaluation, refresh);
                self.reserve_call(&evaluation, permit, deadline)
            }
            Action::Call => Box::pin(self.request_export(&evaluation, permit)).await,
            Action::Delete => Box::pin(self.delete_expired(&evaluation.covered)).await,
        }
    }

    /// Records the row of an object that no rule covers, or leaves its status unchanged; deletes it after its TTL.
    async fn handle_uncovered(&self, export: &Export, why: &Uncovered) -> Flow {
        let now = read_clocks();
        let (row, then) = match decide_uncovered(export, why, now, &self.timing) {
            Withheld::Finished(retention) => (Row::Unchanged, retention),
            Withheld::Shown { row, again } => (row, again.map_or(Retention::Keep, Retention::Until)),
            Withheld::StatusUnchanged(held) => {
                self.recorder.warn_uncovered(export, &held);
                return Flow::Done;
            }
        };
        if let Some(next) = self.record_status(export, &row, StatusFacts::default(), now).await {
            return next;
        }
        match then {
            Retention::Keep => Flow::Done,
            Retention::Until(at) => Flow::At(at),
            Retention::Delete => self.delete_expired(export).await,
        }
    }

    /// Gives back what the action doesn't need: the permit of a call, the subscription to a read, the reservation.
    fn release_unneeded_quota(&self, evaluation: &Evaluation, permit: &mut Option<Permit>) {
        let Evaluation { covered, snapshot, decision, now } = evaluation;
        let calls = match &decision.action {
            Action::ReserveCall { .. } | Action::Call => true,
            Action::Done | Action::WaitUntil(_) | Action::AwaitRead(_) | Action::Delete => false,
        };
        if decision.action.read().is_none() {
            self.poller.unsubscribe(&covered.uid);
        }
        if !calls {
            *permit = None;
            self.inventory().take_permit(&covered.uid);
        }
        if !calls && !decision.action.awaits_quota(now.mono) && snapshot.attempt.waiting_since.is_some() {
            self.aws.cancel(&covered.uid);
            self.state().end_quota_wait(&covered.uid);
        }
    }

    /// Writes the row if the status differs from it. Returns `None` if there is nothing to write.
    async fn record_status(&self, export: &Export, row: &Row, facts: StatusFacts<'_>, now: Now) -> Option<Flow> {
        let status = build_status(export, row, facts.arn, facts.view, now.wall);
        let patch = match merge_patch(&export.status, &status) {
            Ok(patch) if patch.is_empty() => return None,
            Ok(patch) => patch,
            Err(error) => return Some(self.on_patch_error(export, &error)),
        };
        Some(Box::pin(self.patch_status(export, row, patch, facts.request_id)).await)
    }

    fn on_patch_error(&self, export: &Export, error: &dyn std::fmt::Display) -> Flow {
        tracing::error!(namespace = &*export.namespace, name = &*export.name, "status can't be written: {error}");
        Flow::At(Instant::now() + API_BACKOFF.delay_after(self.inventory().count_failure(&export.uid)))
    }

    async fn patch_status(
        &self,
        export: &Export,
        row: &Row,
        patch: serde_json::Map<String, serde_json::Value>,
        request_id: Option<&str>,
    ) -> Flow {
        let body = serde_json::json!({
            "metadata": {"uid": &*export.uid, "resourceVersion": version_of(export)},
            "status": patch,
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let written =
            self.exports_api(&export.namespace).patch_status(&export.name, &params, &Patch::Merge(body)).await;
        match written {
            Ok(answer) => {
                self.inventory().reset_failures(&export.uid);
                self.recorder.metrics.record_status_write("written");
                self.continue_with(answer, |fresh| self.recorder.record(export, &fresh.status, row, request_id))
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.recorder.metrics.record_status_write("conflict");
                self.get_live(export).await
            }
            Err(error) => {
                self.recorder.metrics.record_status_write(error_class(&error));
                self.on_api_error(export, "status write", &error)
            }
        }
    }

    /// Reads the object from the API server after a conflict, and continues with that copy.
    async fn get_live(&self, export: &Export) -> Flow {
        match self.exports_api(&export.namespace).get_opt(&export.name).await {
            Ok(Some(answer)) if answer.identity().uid.as_deref() == Some(&*export.uid) => {
                self.continue_with(answer, |_| ())
            }
            Ok(_) => Flow::Done,
            Err(error) => self.on_api_error(export, "read", &error),
        }
    }

    fn on_api_error(&self, export: &Export, doing: &str, error: &kube::Error) -> Flow {
        if matches!(error, kube::Error::Api(status) if status.code == 404) {
            return Flow::Done;
        }
        let kind = error_class(error);
        self.recorder.metrics.record_kube_error(kind);
        tracing::warn!(
            namespace = &*export.namespace,
            name = &*export.name,
            kind,
            "{doing} failed: {}",
            describe_error(error)
        );
        Flow::At(Instant::now() + API_BACKOFF.delay_after(self.inventory().count_failure(&export.uid)))
    }

    /// Goes on with the version that the API server returned. One that can't be decoded leads to nothing until the watch
    /// shows another change.
    fn continue_with(&self, answer: Received<SessionExport>, then: impl FnOnce(&Export)) -> Flow {
        let Some(fresh) = answer.decode().ok().and_then(read_export) else { return Flow::Done };
        then(&fresh);
        self.apply_returned(&fresh);
        Flow::Again
    }

    async fn delete_expired(&self, export: &Export) -> Flow {
        let preconditions = Preconditions { uid: Some(export.uid.to_string()), resource_version: version_of(export) };
        let params = DeleteParams::default().preconditions(preconditions);
        // The answer is not used, and may be an object that can't be decoded.
        let url = SessionExport::url_path(&(), Some(&export.namespace));
        let deleted = match Request::new(url).delete(&export.name, &params) {
            Ok(request) => self.kube.request_text(request).await,
            Err(error) => Err(kube::Error::BuildRequest(error)),
        };
        match deleted {
            Ok(_) => {
                tracing::info!(
                    namespace = &*export.namespace,
                    name = &*export.name,
                    "deleted: ttlSecondsAfterFinished is over"
                );
                Flow::Done
            }
            Err(kube::Error::Api(status)) if status.code == 409 => self.get_live(export).await,
            Err(error) => self.on_api_error(export, "delete", &error),
        }
    }

    fn exports_api(&self, namespace: &str) -> Api<Received<SessionExport>> {
        Api::namespaced(self.kube.clone(), namespace)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock()
    }

    /// Locks the counts for the gauges.
    pub(crate) fn inventory(&self) -> MutexGuard<'_, ExportInventory> {
        self.inventory.lock()
    }
}
