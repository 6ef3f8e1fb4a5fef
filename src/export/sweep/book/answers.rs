//! What has been granted, read or refused.

use super::super::roll::Then;
use super::super::{Got, Kind, PageOrder, Shown, Speeds};
use super::Book;
use crate::export::decide::Sight;
use crate::export::request::Uid;
use crate::streams::identifiers::SessionArn;
use crate::streams::observation::{ExportFilesStatus, FailureClass, FailureFamily, Filter, Page};
use crate::streams::turns::Urgency;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Lists that AWS refuses are tried again after this; meanwhile Gets do.
const REFUSED: Duration = Duration::from_secs(60);

impl Book {
    /// A turn has been granted, or what was denied may be tried again. `None`: the book has not asked for one. Else
    /// whether the object itself must be looked at, too.
    pub fn called(&mut self, uid: &Arc<str>, now: Instant) -> Option<bool> {
        if let Some((key, kind)) = self.holders.get(uid) {
            if let Some(group) = self.groups.get_mut(key) {
                group.roll(*kind).called();
            }
            return Some(false);
        }
        let entry = self.entries.get(uid).filter(|entry| entry.asked)?;
        let promised = entry.sight == Sight::Pending;
        self.schedule(uid, now);
        Some(!promised)
    }

    /// Which session to read for an object, and its place in the queue.
    pub fn errand(&self, uid: &Uid) -> Option<Urgency> {
        self.entries.get(uid).map(|entry| entry.urgency)
    }

    /// The Get has gone out, or can't: its turn is used up.
    pub fn got_its_turn(&mut self, uid: &Uid) {
        let Some(entry) = self.entries.get_mut(uid) else { return };
        (entry.asked, entry.flying) = (false, true);
        if let Some(at) = entry.at.take() {
            self.agenda.remove(&(at, uid.clone()));
        }
    }

    /// Its turn was granted, but no token came: it is at the head of its queue and will be called again.
    pub fn call_again(&mut self, uid: &Uid, now: Instant) {
        if let Some(entry) = self.entries.get_mut(uid) {
            (entry.asked, entry.flying) = (true, false);
        }
        self.schedule(uid, now);
    }

    /// A Get has been made for a session; these are its objects. Returns those to be woken even if it is no news.
    pub fn got(&mut self, arn: &SessionArn, uids: &[Uid], got: Got, now: Instant) -> Vec<Uid> {
        if let Some(group) = self.groups.get_mut(&arn.stream_group()) {
            group.rolls.iter_mut().for_each(|roll| roll.got(&arn.session, got, now, &self.waits));
        }
        let mut waited = Vec::new();
        for uid in uids {
            self.unschedule(uid);
            waited.extend(self.has_waited(uid));
            if let Some(kind) = self.entries.get(uid).and_then(|entry| Kind::of(entry.sight)) {
                self.look_again(arn, kind, uid, now);
            }
        }
        waited
    }

    fn has_waited(&mut self, uid: &Uid) -> Option<Uid> {
        self.newcomers.leave(uid);
        let entry = self.entries.get_mut(uid)?;
        entry.flying = false;
        std::mem::take(&mut entry.waits).then(|| uid.clone())
    }

    /// It has been read, and waits for the next reading.
    fn look_again(&mut self, arn: &SessionArn, kind: Kind, uid: &Uid, now: Instant) {
        let Some(group) = self.groups.get_mut(&arn.stream_group()) else { return };
        let (roll, pace) = (group.roll(kind), self.pace);
        let Some(ends) = roll.members.get(&arn.session).map(|member| member.ends) else { return };
        let urgent = self.entries.get(uid).is_some_and(|entry| entry.sight == Sight::First);
        let pace = if urgent { self.waits.live } else { pace };
        let at = roll.again(now, ends, pace, &self.waits);
        let (by_list, list_only) = (roll.by_list, roll.members.get(&arn.session).is_some_and(|m| m.list_only));
        if let Some(member) = roll.members.get_mut(&arn.session) {
            member.at = at;
        }
        if !by_list && !list_only {
            self.schedule(uid, at);
        }
    }

    /// The page was not sent after all.
    pub fn lands(&mut self, order: &PageOrder) {
        if let Some(group) = self.groups.get_mut(&*order.group) {
            group.roll(order.kind).lands();
        }
    }

    /// The page is on its way.
    pub fn flies(&mut self, order: &PageOrder, now: Instant, speeds: Speeds) {
        if let Some(group) = self.groups.get_mut(&*order.group) {
            group.roll(order.kind).flies(now, speeds);
        }
    }

    /// A page has come. Returns those to be woken even if what it shows is no news.
    pub fn page(&mut self, order: &PageOrder, page: &Page, now: Instant, speeds: Speeds) -> Vec<Uid> {
        let shown: Vec<Shown> = page.sessions.iter().map(|(session, view)| Shown::of(session, view)).collect();
        if order.filter == Filter::Export(ExportFilesStatus::Succeeded) {
            let told = shown.iter().filter_map(|one| one.names_uri).max();
            self.names_uris = told.or(self.names_uris);
        }
        let names_uris = self.names_uris;
        let Some(group) = self.groups.get_mut(&*order.group) else { return Vec::new() };
        let mut waited = Vec::new();
        let seen = group.roll(order.kind).page(&shown, page.next.clone(), now, speeds, names_uris);
        if order.kind == Kind::Live {
            *self.finds.entry(order.filter).or_default() += seen.len();
        }
        for uid in seen {
            let Some(entry) = self.entries.get(&uid) else { continue };
            let arn = order.group.session(entry.session.clone());
            self.unschedule(&uid);
            waited.extend(self.has_waited(&uid));
            self.look_again(&arn, order.kind, &uid, now);
        }
        waited
    }

    /// A page was refused or got lost. `until`: when what is denied may be tried again.
    pub fn page_failed(&mut self, order: &PageOrder, class: FailureClass, until: Option<Instant>, now: Instant) {
        let Some(group) = self.groups.get_mut(&*order.group) else { return };
        let roll = group.roll(order.kind);
        let (until, then) = match class.family() {
            // It passes; but what exports depend on must not wait for it.
            FailureFamily::Service if order.kind == Kind::Live => (until, Then::Gets),
            FailureFamily::Service => (until, Then::SamePage),
            FailureFamily::Credentials | FailureFamily::Denied => {
                (until.or(Some(now + self.waits.retry.1)), Then::Gets)
            }
            // Perhaps only the token was too old.
            FailureFamily::Request if roll.failures() < 2 => (None, Then::NewRound),
            FailureFamily::Request => (Some(now + REFUSED), Then::Gets),
        };
        roll.failed(until, then, now, &self.waits);
    }
}
