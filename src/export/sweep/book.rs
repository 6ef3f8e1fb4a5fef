//! Who waits for which reading, and what is read next. Pure: the clock is an argument, nothing here does IO.

mod answers;
mod newcomers;
mod plan;
#[cfg(test)]
mod tests;

use self::newcomers::Newcomers;
use self::plan::Place;
use super::roll::{Roll, Wish};
use super::{Kind, Tally, Waits};
use crate::export::decide::{Look, Sight};
use crate::export::request::Uid;
use crate::streams::identifiers::{SessionArn, StreamGroupArn, StreamSessionId};
use crate::streams::observation::Filter;
use crate::streams::turns::Urgency;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A promised export is first looked at after this, in case others come that a list serves as well.
const GATHER: Duration = Duration::from_millis(500);

/// One object that waits for a reading.
#[derive(Debug, Clone)]
pub struct Waiter {
    /// Which object.
    pub uid: Uid,
    /// Turns are fair between these.
    pub namespace: Arc<str>,
    /// Which session.
    pub arn: SessionArn,
    /// What it waits for.
    pub look: Look,
    /// Its place among those who want a Get.
    pub urgency: Urgency,
    /// Its destination is a `.zip`, so that its end needs no URI.
    pub zip: bool,
    /// Lists may not show its export before this: it has just been asked for.
    pub shows_from: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    group: Arc<StreamGroupArn>,
    session: StreamSessionId,
    sight: Sight,
    urgency: Urgency,
    /// Its place in the agenda.
    at: Option<Instant>,
    /// Waits for a turn to read by Get; or has had it, and the Get is on its way.
    asked: bool,
    flying: bool,
    /// Must be woken by its next reading, whether or not that is news.
    waits: bool,
}

#[derive(Debug)]
struct Group {
    arn: Arc<StreamGroupArn>,
    rolls: [Roll; 2],
}

impl Group {
    fn roll(&mut self, kind: Kind) -> &mut Roll {
        let [live, pending] = &mut self.rolls;
        match kind {
            Kind::Live => live,
            Kind::Pending => pending,
        }
    }
}

/// Everybody who waits.
#[derive(Debug)]
pub struct Book {
    waits: Waits,
    entries: HashMap<Uid, Entry>,
    groups: BTreeMap<StreamGroupArn, Group>,
    holders: HashMap<Arc<str>, (StreamGroupArn, Kind)>,
    /// When who is to be read by Get.
    agenda: BTreeSet<(Instant, Uid)>,
    newcomers: Newcomers,
    /// Whose turns go to others.
    withdrawn: Vec<Uid>,
    /// How often a promised export is looked at by Get, at the present load.
    pace: Duration,
    /// When the last sweep began.
    sweeps: HashMap<Place, Instant>,
    /// Where live sessions have been found.
    finds: HashMap<Filter, usize>,
    /// Whether summaries of ended exports name the URI.
    names_uris: Option<bool>,
    /// Of groups for which nobody waits any more.
    tally: Tally,
}

impl Book {
    /// Nobody waits.
    pub fn new(waits: Waits) -> Self {
        Self {
            waits,
            entries: HashMap::new(),
            groups: BTreeMap::new(),
            holders: HashMap::new(),
            agenda: BTreeSet::new(),
            newcomers: Newcomers::default(),
            withdrawn: Vec::new(),
            pace: waits.pending,
            sweeps: HashMap::new(),
            finds: HashMap::new(),
            names_uris: None,
            tally: Tally::default(),
        }
    }

    /// How rounds have ended since this was last asked.
    pub fn take_tally(&mut self) -> Tally {
        let mut tally = std::mem::take(&mut self.tally);
        for roll in self.groups.values_mut().flat_map(|group| &mut group.rolls) {
            tally.add(std::mem::take(&mut roll.tally));
        }
        tally
    }

    /// For how long somebody who is read by lists, and promised an export, has not been looked for in a complete round,
    /// at the most.
    pub fn age(&self, now: Instant) -> Duration {
        let pending = self.groups.values().flat_map(|group| &group.rolls).filter(|roll| roll.kind() == Kind::Pending);
        pending.filter_map(|roll| roll.age(now)).max().unwrap_or_default()
    }

    /// How often a promised export is looked at by Get from now on.
    pub fn set_pace(&mut self, pace: Duration) {
        self.pace = pace;
    }

    /// How many are looked at by a Get each, again and again.
    pub fn by_get(&self) -> usize {
        self.agenda.len()
    }

    /// Somebody waits for a reading, or for another than before.
    pub fn wait(&mut self, waiter: Waiter, now: Instant) {
        let Waiter { uid, namespace, arn, look, urgency, zip, shows_from } = waiter;
        let urgent = look.sight == Sight::First && look.at <= now;
        if urgent {
            self.newcomers.enter(&uid, namespace.clone());
        } else {
            self.newcomers.leave(&uid);
        }
        let key = arn.stream_group();
        let kind = Kind::of(look.sight);
        let before = self.entries.get(&uid).map(|entry| Kind::of(entry.sight));
        if before.is_some_and(|old| old != kind) {
            self.leave_roll(&uid);
        }
        let group = self
            .groups
            .entry(key.clone())
            .or_insert_with(|| Group { arn: Arc::new(key), rolls: Kind::ALL.map(Roll::new) });
        let (mut by_list, mut missing) = (false, false);
        if let Some(kind) = kind {
            let list_only = look.sight == Sight::Fresh;
            let wish = Wish { at: look.at, ends: look.ends, urgent, list_only, zip, shows_from };
            let roll = group.roll(kind);
            roll.join(&arn.session, (&uid, &namespace), wish, now);
            by_list = roll.by_list || list_only;
            missing = roll.is_probing(&arn.session);
        }
        let (group, session, sight) = (group.arn.clone(), arn.session, look.sight);
        // Lists won't show who is missing from them: whatever it waits for now, its Get must be made.
        let due = missing || (look.at <= now && sight != Sight::Fresh);
        let waits = sight == Sight::Exact || urgent;
        match self.entries.get_mut(&uid) {
            // It waits for its turn or its reading already; its place in the queue may have changed.
            Some(entry) if (entry.asked || entry.flying) && due => {
                (entry.sight, entry.urgency, entry.waits) = (sight, urgency, waits);
                if entry.asked {
                    self.schedule(&uid, now);
                }
                return;
            }
            Some(_) => self.unschedule(&uid),
            None => {}
        }
        let entry = Entry { group, session, sight, urgency, at: None, asked: false, flying: false, waits };
        self.entries.insert(uid.clone(), entry);
        if !by_list || urgent || missing {
            let gathers = kind == Some(Kind::Pending) && before != Some(kind);
            let at = if gathers { look.at.max(now + GATHER) } else { look.at };
            self.schedule(&uid, if missing { now } else { at });
        }
    }

    /// Somebody waits no more.
    pub fn leave(&mut self, uid: &Uid) {
        self.leave_roll(uid);
        self.newcomers.leave(uid);
        if let Some(entry) = self.entries.remove(uid) {
            if let Some(at) = entry.at {
                self.agenda.remove(&(at, uid.clone()));
            }
            if entry.asked {
                self.withdrawn.push(uid.clone());
            }
        }
    }

    fn leave_roll(&mut self, uid: &Uid) {
        let Some(entry) = self.entries.get(uid) else { return };
        let Some(kind) = Kind::of(entry.sight) else { return };
        if let Some(group) = self.groups.get_mut(&*entry.group) {
            group.roll(kind).leave(&entry.session, uid);
        }
    }

    fn schedule(&mut self, uid: &Uid, at: Instant) {
        let Some(entry) = self.entries.get_mut(uid) else { return };
        if let Some(old) = entry.at.replace(at) {
            self.agenda.remove(&(old, uid.clone()));
        }
        self.agenda.insert((at, uid.clone()));
    }

    fn unschedule(&mut self, uid: &Uid) {
        let Some(entry) = self.entries.get_mut(uid) else { return };
        if let Some(at) = entry.at.take() {
            self.agenda.remove(&(at, uid.clone()));
        }
        if std::mem::take(&mut entry.asked) {
            self.withdrawn.push(uid.clone());
        }
    }
}
