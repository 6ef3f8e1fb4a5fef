//! The shell around the decision: observe, decide, record, act, and again until there is nothing to do at once.
//!
//! All IO for one object stands here; nothing is decided here. No pass waits for quota or credentials: a turn is
//! asked for, and being granted one re-queues the object.

use super::announce::Announcer;
use super::decide::{Decision, Now, Observed, Step, decide};
use super::ledger::Ledger;
use super::memory::{Memory, Recollection, Target};
use super::own_writes::OwnWrites;
use super::request::Export;
use super::retries::Retries;
use super::row::Row;
use super::status::{compose, difference};
use super::sweep::reader::Desk;
use crate::api::{FIELD_MANAGER, SessionExport};
use crate::authority::OperatorIdentity;
use crate::config::Timing;
use crate::operator::client::{error_class, sentence};
use crate::operator::lease::Fence;
use crate::operator::received::Received;
use crate::streams::access::Access;
use crate::streams::observation::SessionView;
use crate::streams::turns::Permit;
use kube::Resource;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::Request;
use kube::runtime::reflector::ObjectRef;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Passes over one object before others get their turn: a whole export takes seven.
const MAX_PASSES: u32 = 16;
/// Before an object that takes no rest, or whose term of office is over, is looked at again.
const PAUSE: Duration = Duration::from_secs(2);

/// Everything that one leadership works with.
pub struct Controller {
    /// The operator's own identity and its rules.
    pub identity: OperatorIdentity,
    /// Waits and bounds.
    pub timing: Timing,
    /// The API server.
    pub kube: kube::Client,
    /// AWS, behind its quota.
    pub aws: Access,
    /// No side effect once the lease has run out.
    pub fence: Fence,
    /// Logs, metrics, Events.
    pub announcer: Announcer,
    /// What is remembered; one lock, never held across IO.
    pub memory: Mutex<Memory>,
    /// Who stands where, for the metrics.
    pub ledger: Mutex<Ledger>,
    /// What we wrote ourselves.
    pub own: OwnWrites,
    /// What the API server has not taken.
    pub retries: Retries,
    /// How often a pending export is looked at, in milliseconds; follows the load.
    pub pace: AtomicU64,
    /// Where objects leave word of the readings that they wait for.
    pub desk: Desk,
    /// Re-queues objects.
    pub wake: mpsc::UnboundedSender<ObjectRef<SessionExport>>,
}

/// How the work on one object goes on.
pub(super) enum Next {
    /// At once, with this copy.
    Again(Arc<SessionExport>),
    /// At this moment.
    At(Instant),
    /// When it changes.
    Done,
}

/// One object as it stands, and what was decided for it.
pub(super) struct Considered {
    pub(super) export: Export,
    pub(super) target: Option<Target>,
    pub(super) seen: Recollection,
    pub(super) decision: Decision,
    pub(super) now: Now,
}

impl Controller {
    /// Brings one object as far as it goes at this moment. Returns how long to wait before it is looked at again;
    /// `None`: until it changes or is woken.
    pub async fn reconcile(&self, cached: Arc<SessionExport>) -> Option<Duration> {
        let mut object = self.own.newest(cached);
        let mut turn = None;
        for _ in 0..MAX_PASSES {
            let considered = self.consider(&object, turn.is_some())?;
            match self.carry_out(&object, considered, &mut turn).await {
                Next::Again(fresh) => object = fresh,
                Next::At(at) => return Some(at.saturating_duration_since(Instant::now())),
                Next::Done => return None,
            }
        }
        Some(PAUSE)
    }

    /// Observes and decides, under the one lock, so that a claim is checked and taken in one step.
    fn consider(&self, object: &SessionExport, turn: bool) -> Option<Considered> {
        let export = Export::read(object)?;
        let now = Now { mono: Instant::now(), wall: jiff::Timestamp::now() };
        let (authority, target) = self.identity.judge(&export);
        let mut memory = self.memory();
        if let Some(target) = &target {
            memory.learn(&export, target);
        }
        let seen = memory.recall(&export.uid, now.mono).unwrap_or_default();
        let pace = Duration::from_millis(self.pace.load(Ordering::Relaxed));
        let observed = Observed { authority, recollection: seen.clone(), turn, pace };
        let decision = decide(&export, &observed, now, &self.timing);
        memory.hold(&export.uid, decision.held, now.mono);
        if decision.step == Step::Call {
            memory.claim(&export.uid);
        } else {
            memory.unclaim(&export.uid, export.intended());
        }
        drop(memory);
        if let Some(end) = seen.view.as_ref().and_then(SessionView::latest_end).and_then(|end| end.try_into().ok()) {
            self.ledger().session_ends(&export.uid, end);
        }
        Some(Considered { export, target, seen, decision, now })
    }

    // What most passes never do is boxed: hundreds of passes may be under way at a time, and each has room for all of it.
    async fn carry_out(&self, object: &Arc<SessionExport>, considered: Considered, turn: &mut Option<Permit>) -> Next {
        if !self.fence.holds(Instant::now()) {
            return Next::At(Instant::now() + PAUSE);
        }
        if let Some(next) = self.record(object, &considered).await {
            return next;
        }
        self.give_back(&considered, turn);
        let look = considered.decision.look;
        if look.is_none() {
            self.desk.leave(&considered.export.uid);
        }
        match considered.decision.step {
            Step::Rest => Next::Done,
            Step::Wait(at) => look.map_or(Next::At(at), |look| self.look(&considered, look)),
            Step::Read => look.map_or(Next::Done, |look| self.look(&considered, look)),
            Step::AskTurn(at) => {
                look.iter().for_each(|look| self.leave_word(&considered, *look));
                self.ask(object, &considered, turn, at)
            }
            Step::Call => Box::pin(self.call(object, &considered, turn)).await,
            Step::Delete => Box::pin(self.delete(object, &considered.export)).await,
        }
    }

    /// Who needs no turn any more holds no place.
    fn give_back(&self, considered: &Considered, turn: &mut Option<Permit>) {
        match considered.decision.step {
            Step::AskTurn(_) | Step::Call => {}
            Step::Read => *turn = None,
            Step::Rest | Step::Wait(_) | Step::Delete => {
                *turn = None;
                if considered.seen.attempt.waiting_since.is_some() {
                    self.aws.withdraw(&considered.export.uid);
                    self.memory().waits_no_more(&considered.export.uid);
                }
            }
        }
    }

    /// Writes the row, if it is not on record yet.
    async fn record(&self, object: &Arc<SessionExport>, considered: &Considered) -> Option<Next> {
        let Considered { export, target, seen, decision, now } = considered;
        let row = decision.row.as_ref()?;
        let arn = target.as_ref().map(|target| &target.arn);
        let status = compose(export, row, arn, seen.view.as_ref(), now.wall);
        let patch = match difference(&export.status, &status) {
            Ok(patch) if patch.is_empty() => return None,
            Ok(patch) => patch,
            Err(error) => return Some(self.cannot_write(export, &error)),
        };
        let request_id = seen.attempt.request_id.as_deref().filter(|_| *row == Row::Pending);
        Some(Box::pin(self.write(object, export, row, patch, request_id)).await)
    }

    fn cannot_write(&self, export: &Export, error: &dyn std::fmt::Display) -> Next {
        tracing::error!(namespace = &*export.namespace, name = &*export.name, "status can't be written: {error}");
        Next::At(Instant::now() + self.retries.failed(&export.uid))
    }

    async fn write(
        &self,
        object: &Arc<SessionExport>,
        export: &Export,
        row: &Row,
        patch: serde_json::Map<String, serde_json::Value>,
        request_id: Option<&str>,
    ) -> Next {
        let body = serde_json::json!({
            "metadata": {"uid": &*export.uid, "resourceVersion": object.metadata.resource_version},
            "status": patch,
        });
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let written = self.api(&export.namespace).patch_status(&export.name, &params, &Patch::Merge(body)).await;
        match written {
            Ok(answer) => {
                self.retries.forget(&export.uid);
                self.announcer.metrics.status_write("written");
                // What can't be decoded any more is left alone until the watch shows another change.
                let Ok(fresh) = answer.decode() else { return Next::Done };
                self.announcer.transition(export, &fresh, row, request_id);
                Next::Again(self.remember(fresh))
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.announcer.metrics.status_write("conflict");
                self.read_live(export).await
            }
            Err(error) => {
                self.announcer.metrics.status_write(error_class(&error));
                self.kube_trouble(export, "status write", &error)
            }
        }
    }

    /// Somebody else was faster: the newest copy decides.
    async fn read_live(&self, export: &Export) -> Next {
        match self.api(&export.namespace).get_opt(&export.name).await {
            Ok(Some(answer)) if answer.identity().uid.as_deref() == Some(&*export.uid) => match answer.decode() {
                Ok(fresh) => Next::Again(self.remember(fresh)),
                Err(_) => Next::Done,
            },
            Ok(_) => Next::Done,
            Err(error) => self.kube_trouble(export, "read", &error),
        }
    }

    fn kube_trouble(&self, export: &Export, doing: &str, error: &kube::Error) -> Next {
        if matches!(error, kube::Error::Api(status) if status.code == 404) {
            return Next::Done;
        }
        let kind = error_class(error);
        self.announcer.metrics.kube_error(kind);
        tracing::warn!(
            namespace = &*export.namespace,
            name = &*export.name,
            kind,
            "{doing} failed: {}",
            sentence(error)
        );
        Next::At(Instant::now() + self.retries.failed(&export.uid))
    }

    fn remember(&self, fresh: SessionExport) -> Arc<SessionExport> {
        let fresh = Arc::new(fresh);
        self.own.remember(fresh.clone());
        fresh
    }

    async fn delete(&self, object: &SessionExport, export: &Export) -> Next {
        let preconditions = Preconditions {
            uid: object.metadata.uid.clone(),
            resource_version: object.metadata.resource_version.clone(),
        };
        let params = DeleteParams::default().preconditions(preconditions);
        // The answer says nothing that is used, and may be an object that can't be decoded.
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
                    "deleted: its time to live is over"
                );
                Next::Done
            }
            Err(kube::Error::Api(status)) if status.code == 409 => self.read_live(export).await,
            Err(error) => self.kube_trouble(export, "delete", &error),
        }
    }

    fn api(&self, namespace: &str) -> Api<Received<SessionExport>> {
        Api::namespaced(self.kube.clone(), namespace)
    }

    /// Has an object looked at soon.
    pub fn wake(&self, namespace: &str, name: &str) {
        // Nobody listens any more only at the end of the term.
        drop(self.wake.send(ObjectRef::new(name).within(namespace)));
    }

    /// The one lock. A panic elsewhere leaves plain data behind, which stays usable.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The book behind the metrics.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
