//! The shell of reading: asks for turns, makes the reads, lets memory judge them, and wakes whom they tell anything new.

use super::book::{Book, Waiter};
use super::{Got, PageOrder, Speeds, Work};
use crate::export::memory::{Memory, Trouble};
use crate::export::reconcile::Controller;
use crate::export::request::Uid;
use crate::streams::access::{Asked, Asker, Called};
use crate::streams::identifiers::SessionArn;
use crate::streams::observation::{CallFailure, ExportFilesStatus, Page, Reading, Source};
use crate::streams::operation::Operation;
use crate::streams::turns::{ClientState, Holder, Permit, Purpose, Urgency};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The book is looked at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// All turns for lists are counted in a namespace of this name, which no real one can have.
const LISTS: &str = "/lists";

/// Where objects leave word of what they wait for.
#[derive(Debug)]
pub struct Desk {
    book: Mutex<Book>,
    changed: Notify,
}

impl Desk {
    /// With an empty book.
    pub fn new(book: Book) -> Self {
        Self { book: Mutex::new(book), changed: Notify::new() }
    }

    /// Somebody waits for a reading.
    pub fn wait(&self, waiter: Waiter, now: Instant) {
        self.book().wait(waiter, now);
        self.changed.notify_one();
    }

    /// Somebody waits no more.
    pub fn leave(&self, uid: &Uid) {
        self.book().leave(uid);
        self.changed.notify_one();
    }

    /// The one lock, never held together with memory's or across IO.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads until it is dropped, or nobody can be called any more.
pub async fn read_for_all(controller: Arc<Controller>, mut called: Called) {
    let mut reads = JoinSet::new();
    loop {
        let next = controller.take_up_work(&mut reads);
        tokio::select! {
            () = sleep_until(next) => {}
            () = controller.desk.changed.notified() => {}
            Some(ended) = reads.join_next(), if !reads.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a read broke off; this is a bug");
                }
            }
            uid = called.next() => match uid {
                Some(uid) => controller.has_its_turn(&uid),
                None => return,
            },
        }
    }
}

impl Controller {
    fn speeds(&self) -> Speeds {
        let load = self.aws.load();
        let of = |operation| load.iter().find(|load| load.operation == operation).map_or(1.0, |load| load.share);
        Speeds { get: of(Operation::Get), list: of(Operation::List) }
    }

    /// Does what the book says, and returns when to look into it again.
    fn take_up_work(self: &Arc<Self>, reads: &mut JoinSet<()>) -> Instant {
        let now = Instant::now();
        let speeds = self.speeds();
        let (work, next) = self.desk.book().work(now, speeds);
        for item in work {
            match item {
                Work::Get(uid) => self.ask_to_get(uid, reads),
                Work::Withdraw(uid) => self.give_back_read(&uid),
                Work::List(order) => self.ask_to_list(order, reads),
            }
        }
        next.unwrap_or(now + LONGEST_SLEEP).min(now + LONGEST_SLEEP)
    }

    /// Who called for a read goes on here; others, and those who may have more to do than to be read, are woken.
    fn has_its_turn(&self, uid: &Arc<str>) {
        let now = Instant::now();
        let ours = self.desk.book().called(uid, now);
        if ours == Some(false) {
            return;
        }
        if let Some((namespace, name)) = self.memory().called(uid, now) {
            self.wake(&namespace, &name);
        }
    }

    fn give_back_read(&self, uid: &Uid) {
        let arn = self.memory().place(uid).map(|(_, _, target)| target.arn.clone());
        match arn {
            Some(arn) => self.aws.withdraw_read(&arn, uid),
            // A roll's turn for its lists, or an object that is gone.
            None => self.aws.withdraw(uid),
        }
    }

    fn ask_to_get(self: &Arc<Self>, uid: Uid, reads: &mut JoinSet<()>) {
        let now = Instant::now();
        let place = self.memory().place(&uid).map(|(namespace, _, target)| (namespace, target.clone()));
        let urgency = self.desk.book().errand(&uid);
        let (Some((namespace, target)), Some(urgency)) = (place, urgency) else {
            return self.desk.book().leave(&uid);
        };
        let holder = Holder { uid: uid.clone(), namespace };
        let asker = Asker { holder, arn: &target.arn, uri: &target.uri, urgency };
        match self.aws.ask(Operation::Get, asker.clone(), now) {
            Asked::Granted(permit) => {
                self.desk.book().got_its_turn(&uid);
                self.memory().waits_no_more(&uid);
                let (controller, holder) = (self.clone(), asker.holder);
                reads.spawn(async move {
                    let asker = Asker { holder, arn: &target.arn, uri: &target.uri, urgency };
                    controller.get(asker, permit).await;
                });
            }
            Asked::Waiting { .. } => {}
            Asked::Denied { class, since, next } => {
                let trouble = Trouble { class, operation: Operation::Get.name(), since, tries: 0, retry_at: next };
                self.memory().held_by_gate(&uid, true, trouble);
                self.desk.book().got_its_turn(&uid);
                self.served(&target.arn, std::slice::from_ref(&uid), Got::Nothing, true);
            }
        }
    }

    async fn get(&self, asker: Asker<'_>, permit: Permit) {
        let uid = asker.holder.uid.clone();
        let Some(token) = self.aws.token(permit).await else {
            // Its turn is back at the head of its queue.
            return self.desk.book().call_again(&uid, Instant::now());
        };
        let answer = self.aws.get(token, &asker).await;
        let (got, news) = {
            let mut memory = self.memory();
            match answer {
                Ok(reading) => (got(&reading), memory.read(asker.arn, reading)),
                Err(failure) => {
                    self.tell(&memory, &uid, &failure);
                    memory.read_failed(&uid, failure.class, failure.operation, Instant::now());
                    (Got::Nothing, false)
                }
            }
        };
        match got {
            Got::Nothing => self.served(asker.arn, &[uid], got, true),
            Got::Present | Got::Gone => {
                let sharers = self.memory().sharers(asker.arn);
                self.served(asker.arn, &sharers, got, news);
            }
        }
    }

    /// A Get has been made for these objects. Those for which it is news are woken, and those who waited for no less.
    fn served(&self, arn: &SessionArn, uids: &[Uid], got: Got, news: bool) {
        let waited = self.desk.book().got(arn, uids, got, Instant::now());
        self.wake_all(if news { uids } else { &waited });
    }

    fn wake_all(&self, uids: &[Uid]) {
        let places: Vec<_> = {
            let memory = self.memory();
            uids.iter().filter_map(|uid| memory.place(uid).map(|(namespace, name, _)| (namespace, name))).collect()
        };
        places.iter().for_each(|(namespace, name)| self.wake(namespace, name));
    }

    fn ask_to_list(self: &Arc<Self>, order: PageOrder, reads: &mut JoinSet<()>) {
        let holder = Holder { uid: order.holder(), namespace: LISTS.into() };
        let now = Instant::now();
        match self.aws.ask_list(&order.group, holder, urgency(&order), now) {
            Asked::Granted(permit) => {
                let speeds = self.speeds();
                self.desk.book().flies(&order, now, speeds);
                let controller = self.clone();
                reads.spawn(async move { controller.list(order, permit).await });
            }
            Asked::Waiting { .. } => {}
            Asked::Denied { class, next, .. } => {
                self.desk.book().page_failed(&order, class, Some(next), now);
                self.desk.changed.notify_one();
            }
        }
    }

    async fn list(&self, order: PageOrder, permit: Permit) {
        let Some(token) = self.aws.token(permit).await else {
            self.desk.book().lands(&order);
            self.desk.changed.notify_one();
            return;
        };
        let answer = self.aws.list(token, &order.holder(), &order.group, (order.filter, order.from.as_ref())).await;
        let now = Instant::now();
        match answer {
            Ok(page) => {
                let mut woken = self.take_in(&order, &page);
                woken.extend(self.desk.book().page(&order, &page, now, self.speeds()));
                woken.sort_unstable();
                woken.dedup();
                self.wake_all(&woken);
            }
            Err(failure) => {
                tracing::debug!(group = %order.group, list = ?order.filter, "{failure}");
                self.count_denial(&failure);
                self.desk.book().page_failed(&order, failure.class, None, now);
            }
        }
    }

    /// What a page shows is a reading of each of its sessions, for all their objects. Returns those it is news for.
    fn take_in(&self, order: &PageOrder, page: &Page) -> Vec<Uid> {
        let mut memory = self.memory();
        let mut woken = Vec::new();
        for (session, view) in &page.sessions {
            let arn = order.group.session(session.clone());
            let reading = Reading { begun: page.begun, source: Source::List, found: Some(view.clone()) };
            if memory.read(&arn, reading) {
                woken.extend(memory.sharers(&arn));
            }
        }
        woken
    }

    fn tell(&self, memory: &Memory, uid: &Uid, failure: &CallFailure) {
        if let Some((namespace, name, _)) = memory.place(uid) {
            let id = failure.request_id.as_deref();
            tracing::debug!(namespace = &*namespace, name = &*name, uid = &**uid, awsRequestId = id, "{failure}");
        }
        self.count_denial(failure);
    }
}

/// What exports depend on goes first, page by page in turn; of the others, a round is ended before the next begins.
fn urgency(order: &PageOrder) -> Urgency {
    match (order.urgent, order.under_way) {
        (true, _) => Urgency::unread(Purpose::First),
        (false, true) => Urgency { client: ClientState::Disconnected, ..Urgency::unread(Purpose::Poll) },
        (false, false) => Urgency::unread(Purpose::Poll),
    }
}

/// Whether the lists of its roll should have shown it.
fn got(reading: &Reading) -> Got {
    let present = reading.found.as_ref().is_some_and(|view| match &view.export {
        Some(export) => matches!(export.status, ExportFilesStatus::Pending | ExportFilesStatus::Unknown),
        None => !view.status.is_over(),
    });
    if present { Got::Present } else { Got::Gone }
}
