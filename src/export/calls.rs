//! The part of the shell that turns to AWS: what is waited for, turns and the call, and what memory makes of the answer.

use super::decide::Look;
use super::evidence::Evidence;
use super::memory::{Target, Trouble};
use super::reconcile::{Considered, Controller, Next};
use super::sweep::book::Waiter;
use crate::api::SessionExport;
use crate::streams::access::{Asked, Asker};
use crate::streams::observation::{CallFailure, FailureClass};
use crate::streams::operation::Operation;
use crate::streams::turns::{Holder, Permit, Purpose, Urgency};
use std::sync::Arc;
use tokio::time::Instant;

impl Controller {
    /// Leaves word of the reading that the object waits for, and rests until that brings news.
    pub(super) fn look(&self, considered: &Considered, look: Look) -> Next {
        self.leave_word(considered, look);
        let Considered { export, seen, now, .. } = considered;
        let due = look.at <= now.mono && !export.accepted();
        let since = seen.attempt.waiting_since.unwrap_or(now.mono);
        let told = due.then(|| self.memory().waits(&export.uid, since, now.mono));
        told.into_iter().chain(look.again).min().map_or(Next::Done, Next::At)
    }

    /// Leaves word of a reading that would move the object on.
    pub(super) fn leave_word(&self, considered: &Considered, look: Look) {
        let Some(target) = &considered.target else { return };
        let Considered { export, seen, now, .. } = considered;
        let waiter = Waiter {
            uid: export.uid.clone(),
            namespace: export.namespace.clone(),
            arn: target.arn.clone(),
            look,
            urgency: urgency(Operation::Get, considered),
            zip: target.uri.is_zip(),
            shows_from: seen.last_call.map(|call| call + self.timing.consistency_window),
        };
        self.desk.wait(waiter, now.mono);
    }

    /// Asks for a turn to call; the call itself is decided afresh once it is granted.
    pub(super) fn ask(
        &self,
        object: &Arc<SessionExport>,
        considered: &Considered,
        turn: &mut Option<Permit>,
        at: Instant,
    ) -> Next {
        match self.turn(Operation::Export, considered) {
            Ok(permit) => {
                *turn = Some(permit);
                Next::Again(object.clone())
            }
            Err(Next::At(then)) => Next::At(then.min(at)),
            Err(next) => next,
        }
    }

    /// Calls, with the intent on record and the claim taken.
    pub(super) async fn call(
        &self,
        object: &Arc<SessionExport>,
        considered: &Considered,
        turn: &mut Option<Permit>,
    ) -> Next {
        let (Some(target), Some(permit)) = (&considered.target, turn.take()) else { return Next::Done };
        let uid = &considered.export.uid;
        let Some(token) = self.aws.token(permit).await else { return Next::Again(object.clone()) };
        if !self.fence.holds(Instant::now()) {
            return Next::Again(object.clone());
        }
        let Some(before) = self.memory().call_begun(uid, Instant::now()) else { return Next::Done };
        let answer = self.aws.export(token, &asker(Operation::Export, considered, target)).await;
        let mut memory = self.memory();
        match answer {
            Ok(request_id) => memory.call_accepted(uid, request_id),
            Err(failure) => {
                self.note(considered, &failure);
                memory.call_failed(uid, &before, failure.class, failure.operation, Instant::now());
            }
        }
        Next::Again(object.clone())
    }

    /// A turn, or when to ask again.
    fn turn(&self, operation: Operation, considered: &Considered) -> Result<Permit, Next> {
        let Some(target) = &considered.target else { return Err(Next::Done) };
        let now = Instant::now();
        let export = &considered.export;
        let asked = self.aws.ask(operation, asker(operation, considered, target), now);
        let mut memory = self.memory();
        match asked {
            Asked::Granted(permit) => {
                memory.waits_no_more(&export.uid);
                Ok(permit)
            }
            Asked::Waiting { since } => Err(Next::At(memory.waits(&export.uid, since, now))),
            Asked::Denied { class, since, next } => {
                let trouble = Trouble { class, operation: operation.name(), since, tries: 0, retry_at: next };
                memory.held_by_gate(&export.uid, operation == Operation::Get, trouble);
                Err(Next::At(next.min(now + self.timing.held_status_delay)))
            }
        }
    }

    fn note(&self, considered: &Considered, failure: &CallFailure) {
        let export = &considered.export;
        tracing::debug!(
            namespace = &*export.namespace,
            name = &*export.name,
            uid = &*export.uid,
            awsRequestId = failure.request_id.as_deref(),
            "{failure}"
        );
        self.count_denial(failure);
    }

    /// Denials have a metric of their own.
    pub(in crate::export) fn count_denial(&self, failure: &CallFailure) {
        if matches!(failure.class, FailureClass::AccessDenied | FailureClass::Credentials) {
            self.announcer.metrics.denial(failure.class.label());
        }
    }
}

fn asker<'a>(operation: Operation, considered: &Considered, target: &'a Target) -> Asker<'a> {
    let export = &considered.export;
    Asker {
        holder: Holder { uid: export.uid.clone(), namespace: export.namespace.clone() },
        arn: &target.arn,
        uri: &target.uri,
        urgency: urgency(operation, considered),
    }
}

/// The session nearest its end goes first; what an export depends on before what only confirms or follows it.
fn urgency(operation: Operation, considered: &Considered) -> Urgency {
    let accepted = considered.export.accepted();
    let purpose = match (&considered.seen.evidence, operation) {
        (_, Operation::Export) => Purpose::First,
        (Evidence::Missing { .. } | Evidence::Stale, _) => Purpose::Confirm,
        (Evidence::Empty { status, .. }, _) if status.is_over() => Purpose::Confirm,
        (Evidence::Unread | Evidence::Export { .. } | Evidence::Empty { .. }, _) if accepted => Purpose::Poll,
        (Evidence::Unread | Evidence::Export { .. } | Evidence::Empty { .. }, _) => Purpose::First,
    };
    match &considered.seen.view {
        Some(view) => Urgency::of(purpose, view),
        None => Urgency::unread(purpose),
    }
}
