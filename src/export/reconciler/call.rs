//! The reconciler's AWS side: read subscriptions, quota reservations, the export call, and the state update after it.

use crate::aws::failure::CallFailure;
use crate::aws::operation::Operation;
use crate::export::reconciler::{Controller, Evaluation, Flow};
use crate::polling::poller::count_denial;
use crate::polling::request::ReadRequest;
use crate::polling::subscriptions::ReadSubscription;
use crate::quota::breaker::Denial;
use crate::quota::gateway::{Admission, CallRequest, Destination};
use crate::quota::scheduler::{Permit, Priority, PriorityClass, Requester};
use crate::state::FailureStreak;
use crate::state::ownership::Observation;
use std::sync::Arc;
use tokio::time::Instant;

impl Controller {
    /// Subscribes to the read that the object needs, and returns when to reconcile again without it.
    pub(super) fn subscribe_to_read(&self, evaluation: &Evaluation, read: ReadRequest) -> Flow {
        let Evaluation { covered, snapshot, now, .. } = evaluation;
        let due = read.due <= now.mono && !covered.accepted();
        let since = snapshot.attempt.waiting_since.unwrap_or(now.mono);
        // A read on its way is no wait for quota, and must not be written as RateLimited. The wait begins before the
        // subscription, because the poller ends it on another thread as soon as it makes the read.
        let in_flight = self.poller.plan().is_get_in_flight(&covered.uid);
        let status_due = due.then(|| {
            let mut state = self.state();
            if in_flight {
                state.end_quota_wait(&covered.uid);
                return now.mono + self.timing.held_status_delay;
            }
            state.start_quota_wait(&covered.uid, since, now.mono)
        });
        self.request_read(evaluation, read);
        status_due.into_iter().chain(read.decide_again_at).min().map_or(Flow::Done, Flow::At)
    }

    /// Subscribes to a read.
    pub(super) fn request_read(&self, evaluation: &Evaluation, read: ReadRequest) {
        let Evaluation { covered, snapshot, now, .. } = evaluation;
        let waiter = ReadSubscription {
            uid: covered.uid.clone(),
            namespace: covered.namespace.clone(),
            arn: covered.target().arn.clone(),
            read,
            urgency: priority_of(Operation::Get, evaluation),
            zip: covered.target().uri.is_zip(),
            visible_from: snapshot.last_call.map(|call| call + self.timing.consistency_window),
        };
        self.poller.subscribe(waiter, now.mono);
    }

    /// Keeps a permit for its object's next reconcile, and returns the namespace and name of the object to requeue.
    pub(crate) fn on_permit(&self, permit: Permit) -> Option<(Arc<str>, Arc<str>)> {
        let uid = permit.uid().clone();
        self.inventory().keep_permit(permit);
        self.on_retry(&uid)
    }

    /// A denied call may be retried now. Returns the namespace and name of the object to requeue.
    pub(crate) fn on_retry(&self, uid: &str) -> Option<(Arc<str>, Arc<str>)> {
        self.state().clear_denied_backoff(uid, Instant::now())
    }

    /// Reserves quota for the call. A granted reservation leads to another decision, which makes the call.
    pub(super) fn reserve_call(&self, evaluation: &Evaluation, permit: &mut Option<Permit>, deadline: Instant) -> Flow {
        match self.try_reserve(evaluation) {
            Ok(granted) => {
                *permit = Some(granted);
                Flow::Again
            }
            Err(Flow::At(then)) => Flow::At(then.min(deadline)),
            Err(next) => next,
        }
    }

    /// Calls ExportStreamSessionFiles. The intent is recorded and the claim acquired before.
    pub(super) async fn request_export(&self, evaluation: &Evaluation, permit: &mut Option<Permit>) -> Flow {
        let Some(permit) = permit.take() else { return Flow::Done };
        let uid = &evaluation.covered.uid;
        let Some(token) = self.aws.acquire_send_permit(permit).await else { return Flow::Again };
        if !self.fence.holds(Instant::now()) {
            return Flow::Again;
        }
        let Some(before) = self.state().call_begun(uid, Instant::now()) else { return Flow::Done };
        let answer = self.aws.export_session(token, &call_request(evaluation), destination_of(evaluation)).await;
        let mut state = self.state();
        match answer {
            Ok(request_id) => state.call_accepted(uid, request_id),
            Err(failure) => {
                self.log_failure(evaluation, &failure);
                state.call_failed(uid, &before, &failure, Instant::now());
            }
        }
        Flow::Again
    }

    /// Returns the permit, or when to try again.
    fn try_reserve(&self, evaluation: &Evaluation) -> Result<Permit, Flow> {
        let now = Instant::now();
        let uid = &evaluation.covered.uid;
        let granted = self.inventory().take_permit(uid);
        let asked = self.aws.reserve_export(call_request(evaluation), destination_of(evaluation), granted, now);
        let mut state = self.state();
        match asked {
            Admission::Granted(permit) => {
                state.end_quota_wait(uid);
                Ok(permit)
            }
            Admission::Waiting { since } => Err(Flow::At(state.start_quota_wait(uid, since, now))),
            Admission::Denied { denial, since, next } => {
                let Denial { class, detail } = denial;
                let operation = Operation::Export;
                let streak =
                    FailureStreak { class, operation, detail, since, failed_at: now, tries: 0, retry_at: next };
                state.set_denied(uid, false, streak);
                Err(Flow::At(next.min(now + self.timing.held_status_delay)))
            }
        }
    }

    fn log_failure(&self, evaluation: &Evaluation, failure: &CallFailure) {
        let covered = &evaluation.covered;
        tracing::debug!(
            namespace = &*covered.namespace,
            name = &*covered.name,
            uid = &*covered.uid,
            awsRequestId = failure.request_id.as_deref(),
            "{failure}"
        );
        count_denial(&self.recorder.metrics, failure);
    }
}

fn call_request(evaluation: &Evaluation) -> CallRequest<'_> {
    let covered = &evaluation.covered;
    CallRequest {
        holder: Requester { uid: covered.uid.clone(), namespace: covered.namespace.clone() },
        arn: &covered.target().arn,
        urgency: priority_of(Operation::Export, evaluation),
    }
}

fn destination_of(evaluation: &Evaluation) -> Destination<'_> {
    let covered = &evaluation.covered;
    Destination { uri: &covered.target().uri, prefix: covered.prefix().as_str() }
}

/// Reads and calls that an export depends on come before those that only confirm or poll; then the session nearest
/// its end.
fn priority_of(operation: Operation, evaluation: &Evaluation) -> Priority {
    let accepted = evaluation.covered.accepted();
    let purpose = match (&evaluation.snapshot.evidence, operation) {
        (_, Operation::Export) => PriorityClass::First,
        (Observation::Missing { .. } | Observation::Stale, _) => PriorityClass::Confirm,
        (Observation::Empty { status, .. }, _) if status.is_terminal() => PriorityClass::Confirm,
        (Observation::Unread | Observation::Export { .. } | Observation::Empty { .. }, _) if accepted => {
            PriorityClass::Poll
        }
        (Observation::Unread | Observation::Export { .. } | Observation::Empty { .. }, _) => PriorityClass::First,
    };
    match &evaluation.snapshot.view {
        Some(view) => Priority::for_session(purpose, view),
        None => Priority::for_unread(purpose),
    }
}
