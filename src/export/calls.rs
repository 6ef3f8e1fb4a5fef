//! The part of the shell that talks to AWS: reads, turns and the call, and what memory makes of the answers.

use super::evidence::Evidence;
use super::memory::{Target, Trouble};
use super::reconcile::{Considered, Controller, Next};
use crate::api::SessionExport;
use crate::streams::access::{Asked, Asker};
use crate::streams::observation::{CallFailure, FailureClass};
use crate::streams::operation::Operation;
use crate::streams::turns::{Holder, Permit, Purpose, Urgency};
use std::sync::Arc;
use tokio::time::Instant;

impl Controller {
    /// Reads the session, if it is this object's turn. One read serves all objects of the session.
    pub(super) async fn read(&self, object: &Arc<SessionExport>, considered: &Considered) -> Next {
        let Some(target) = &considered.target else { return Next::Done };
        let permit = match self.turn(Operation::Get, considered) {
            Ok(permit) => permit,
            Err(next) => return next,
        };
        let Some(token) = self.aws.token(permit).await else { return Next::Again(object.clone()) };
        let answer = self.aws.get(token, &asker(Operation::Get, considered, target)).await;
        let now = Instant::now();
        let sharers = {
            let mut memory = self.memory();
            match answer {
                Ok(reading) => memory.read(&target.arn, reading),
                Err(failure) => {
                    self.note(considered, &failure);
                    memory.read_failed(&considered.export.uid, failure.class, failure.operation, now);
                }
            }
            memory.sharers(&target.arn)
        };
        let own = (&considered.export.namespace, &considered.export.name);
        for (namespace, name) in sharers.iter().filter(|(namespace, name)| (namespace, name) != own) {
            self.wake(namespace, name);
        }
        Next::Again(object.clone())
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
                memory.wait(&export.uid, None);
                Ok(permit)
            }
            Asked::Waiting { since } => {
                memory.wait(&export.uid, Some(since));
                let shows = since + self.timing.held_after;
                let again = if shows > now { shows } else { now + self.timing.held_after };
                Err(Next::At(again))
            }
            Asked::Denied { class, since, next } => {
                let trouble = Trouble { class, operation: operation.name(), since, tries: 0, retry_at: next };
                memory.held_by_gate(&export.uid, operation == Operation::Get, trouble);
                Err(Next::At(next.min(now + self.timing.held_after)))
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
