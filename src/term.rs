//! One term of office: what a leader works with, from its fresh list to the loss of its lease.

use crate::api::{FIELD_MANAGER, SessionExport};
use crate::authority::OperatorIdentity;
use crate::export::announce::{Announcer, Warned};
use crate::export::ledger::Ledger;
use crate::export::memory::Memory;
use crate::export::own_writes::OwnWrites;
use crate::export::phrases::PHRASES;
use crate::export::reconcile::Controller;
use crate::export::request::Export;
use crate::export::rest;
use crate::export::retries::Retries;
use crate::export::sweep::Waits;
use crate::export::sweep::book::Book;
use crate::export::sweep::reader::{Desk, read_for_all};
use crate::operator::health::{Health, Pulse, ReadyState};
use crate::operator::lease::Fence;
use crate::operator::metrics::Quota;
use crate::operator::queue::{self, Handler, Setup};
use crate::run::Process;
use crate::streams::access::{Access, OperationLoad};
use crate::streams::turns::Shares;
use kube::runtime::reflector::ObjectRef;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How often the load is measured.
const CENSUS: Duration = Duration::from_secs(1);

/// What one term is served with.
pub(crate) struct Post<'a> {
    pub(crate) process: &'a Process,
    pub(crate) fence: Fence,
    pub(crate) pulse: Pulse,
}

/// Serves until `over` resolves; it says how long work in hand may still take.
pub(crate) async fn serve(post: Post<'_>, over: impl Future<Output = Duration> + Send) {
    let Post { process, fence, pulse } = post;
    let (wake, triggers) = mpsc::unbounded_channel::<ObjectRef<SessionExport>>();
    let timing = &process.config.timing;
    let denied_retry = (timing.denied_retry_min, timing.denied_retry_max);
    let (access, called) = Access::new(process.aws.clone(), FIELD_MANAGER, shares(process), denied_retry);
    let controller = Arc::new(controller(process, fence, access.clone(), wake));
    let term = Arc::new(Term { controller: controller.clone(), health: process.health.clone() });
    let setup =
        Setup { client: process.watch.clone(), scope: process.scope(), metrics: process.metrics.clone(), pulse };
    tokio::select! {
        () = queue::run(setup, term, triggers, over) => {}
        () = access.serve() => {}
        () = read_for_all(controller.clone(), called) => {}
        () = take_census(&controller, process) => {}
    }
}

fn shares(process: &Process) -> Shares {
    let quota = &process.config.quota;
    Shares { export: quota.export, get: quota.get, list: quota.list }
}

fn controller(
    process: &Process,
    fence: Fence,
    aws: Access,
    wake: mpsc::UnboundedSender<ObjectRef<SessionExport>>,
) -> Controller {
    let config = &process.config;
    Controller {
        identity: OperatorIdentity {
            region: process.region.clone(),
            account: config.aws.account_id.clone(),
            rules: config.rules.clone(),
        },
        timing: config.timing.clone(),
        kube: process.kube.clone(),
        aws,
        fence,
        announcer: Announcer {
            events: process.events.clone(),
            metrics: process.metrics.clone(),
            warned: Warned::default(),
        },
        memory: Mutex::new(Memory::new(config.timing.clone(), Instant::now())),
        ledger: Mutex::new(Ledger::default()),
        own: OwnWrites::default(),
        retries: Retries::default(),
        pace: AtomicU64::new(millis(config.timing.pending_poll_interval_min)),
        desk: Desk::new(Book::new(Waits {
            live: config.timing.activating_poll_interval,
            pending: config.timing.pending_poll_interval_min,
            retry: (config.timing.retry_min, config.timing.retry_max),
        })),
        wake,
    }
}

/// Measures the load: the gauges follow it, and so does the pace at which pending exports are looked at one by one,
/// which takes half of the share at most.
async fn take_census(controller: &Controller, process: &Process) {
    let timing = &controller.timing;
    loop {
        controller.ledger().show(&process.metrics, jiff::Timestamp::now());
        for load in controller.aws.load() {
            process.metrics.quota(quota(load));
        }
        let looks = f64::from(u32::try_from(controller.desk.book().by_get()).unwrap_or(u32::MAX));
        let round = Duration::try_from_secs_f64(2.0 * looks / process.config.quota.get)
            .unwrap_or(timing.pending_poll_interval_max);
        let pace = round.clamp(
            timing.pending_poll_interval_min,
            timing.pending_poll_interval_max.max(timing.pending_poll_interval_min),
        );
        controller.pace.store(millis(pace), Ordering::Relaxed);
        let (tally, age) = {
            let mut book = controller.desk.book();
            book.set_pace(pace);
            (book.take_tally(), book.age(Instant::now()))
        };
        process.metrics.swept(tally, age);
        tokio::time::sleep(CENSUS).await;
    }
}

fn quota(OperationLoad { operation, configured, share, tokens, waiting }: OperationLoad) -> Quota {
    Quota { operation: operation.name(), configured, share, tokens, waiting }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

struct Term {
    controller: Arc<Controller>,
    health: Health,
}

impl Term {
    fn learn(&self, object: &SessionExport) {
        let Some(export) = Export::read(object) else { return };
        self.controller.ledger().note(&export, self.controller.timing.acceptance_bound);
        if let (_, Some(target)) = self.controller.identity.judge(&export) {
            self.controller.memory().learn(&export, &target);
        }
    }
}

impl Handler<SessionExport> for Term {
    const PHRASES: &'static [&'static str] = &PHRASES;

    fn prune(object: &mut SessionExport) -> bool {
        rest::prune(object)
    }

    fn rests(&self, object: &Arc<SessionExport>) {
        self.learn(&self.controller.own.newest(object.clone()));
        if let Some(uid) = object.metadata.uid.as_deref() {
            self.controller.retries.forget(uid);
            self.controller.desk.leave(&uid.into());
            self.controller.aws.withdraw(uid);
        }
    }

    fn listed(&self) {
        self.health.set_ready(ReadyState::Leading);
    }

    fn stalled(&self, kind: Option<&'static str>) {
        self.health.set_ready(kind.map_or(ReadyState::Leading, ReadyState::Stalled));
    }

    fn applied(&self, object: &Arc<SessionExport>) {
        self.learn(&self.controller.own.newest(object.clone()));
    }

    fn deleted(&self, object: &ObjectRef<SessionExport>) {
        let Some(uid) = object.extra.uid.as_deref() else { return };
        self.controller.memory().forget(&uid.into(), Instant::now());
        self.controller.ledger().forget(uid);
        self.controller.own.forget(uid);
        self.controller.retries.forget(uid);
        self.controller.desk.leave(&uid.into());
        self.controller.aws.withdraw(uid);
        self.controller.announcer.warned.forget(uid);
    }

    async fn reconcile(&self, object: Arc<SessionExport>) -> Option<Duration> {
        self.controller.reconcile(object).await
    }
}
