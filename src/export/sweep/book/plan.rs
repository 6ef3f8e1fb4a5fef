//! What is read next.

use super::super::roll::{HOT_WEIGHT, Roll};
use super::super::{ASK_AGAIN, FEW, Kind, Load, PageOrder, Speeds, Work, holder, sooner};
use super::{Book, Group};
use crate::export::request::Uid;
use crate::streams::identifiers::{AccountId, Region, StreamGroupArn};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Rounds take this part of the List share, over time; the rest is for what exports depend on.
const PART: f64 = 0.5;
/// And this while sessions end, for somebody waits for their files.
const HOT_PART: f64 = 0.6;
/// A roll in which nothing ends waits for its round so many times as long as if nothing ended anywhere, at the most: or
/// its first end would be found last. But no less than those in which something ends.
const HELD_BACK: f64 = 2.0;
/// A few are looked for in lists, too, once one Get for each of the few of all rolls would take so many seconds.
const CROWD: f64 = 2.0;
/// The pace of rounds that would take longer than can be reckoned.
const SLOWEST: Duration = Duration::from_secs(3600);

impl Book {
    /// What to do now, and when to ask again.
    pub fn work(&mut self, now: Instant, speeds: Speeds) -> (Vec<Work>, Option<Instant>) {
        let mut work: Vec<Work> = Vec::new();
        let mut next = None;
        let loads = self.loads(now, speeds);
        let mut groups = std::mem::take(&mut self.groups);
        for (key, group) in &mut groups {
            for kind in Kind::ALL {
                let Some(load) = loads.get(&key.into()) else { continue };
                next = sooner(next, self.call_roll(group, kind, *load, now, &mut work));
            }
        }
        groups.retain(|_, group| group.rolls.iter().any(|roll| !roll.members.is_empty()) || self.dismiss(group));
        self.groups = groups;
        next = sooner(next, self.read_by_get(now, &mut work));
        work.extend(self.withdrawn.drain(..).map(Work::Withdraw));
        (work, next)
    }

    /// For each account and Region: all rounds together take their part of the share. Those in which nothing happens
    /// begin together, one sweep over all of them at the whole share, and then rest together.
    fn loads(&mut self, now: Instant, speeds: Speeds) -> HashMap<Place, Load> {
        let mut sums: HashMap<Place, Sums> = HashMap::new();
        for (key, group) in &self.groups {
            let sums = sums.entry(key.into()).or_default();
            for roll in group.rolls.iter().filter(|roll| roll.by_list) {
                sums.weighted += roll.expected(now) * roll.weight(now);
                sums.pages += roll.expected_roll(now);
                sums.hot |= roll.is_hot(now);
            }
            sums.few += group.rolls.iter().map(Roll::gets_wanted).sum::<usize>();
        }
        let begun = std::mem::take(&mut self.sweeps);
        let load = |(place, Sums { weighted, pages, hot, few }): (Place, Sums)| {
            let speed = speeds.list * if hot { HOT_PART } else { PART };
            let pace = |pages: f64| Duration::try_from_secs_f64(pages / speed).unwrap_or(SLOWEST).min(SLOWEST);
            let slowest = pace((pages * HELD_BACK).max(weighted / HOT_WEIGHT));
            let pause = pace(weighted).min(slowest).max(self.waits.pending);
            let sweep = begun.get(&place).copied().filter(|sweep| now < *sweep + pause).unwrap_or(now);
            let crowded = few as f64 > (CROWD * speeds.get).max(FEW as f64);
            (place, Load { speeds, pace: pace(weighted), slowest, sweep: (sweep, sweep + pause), crowded })
        };
        let loads: HashMap<Place, Load> = sums.into_iter().map(load).collect();
        self.sweeps = loads.iter().map(|(place, load)| (place.clone(), load.sweep.0)).collect();
        loads
    }

    fn call_roll(
        &mut self,
        group: &mut Group,
        kind: Kind,
        load: Load,
        now: Instant,
        work: &mut Vec<Work>,
    ) -> Option<Instant> {
        let likeliest = self.finds.iter().max_by_key(|(_, finds)| **finds).map(|(filter, _)| *filter);
        let arn = group.arn.clone();
        let roll = group.roll(kind);
        let pace = load.pace.div_f64(roll.weight(now)).min(load.slowest).max(self.waits.of(kind));
        let wants = roll.wants(now, Load { pace, ..load }, (&self.waits, likeliest));
        for session in &wants.probes {
            if let Some(uid) = roll.members.get(session).and_then(|member| member.uids.first()) {
                self.schedule(uid, now);
            }
        }
        if wants.disbanded {
            for member in roll.members.values().filter(|member| !member.list_only) {
                member.uids.iter().for_each(|uid| self.schedule(uid, member.at.max(now)));
            }
        }
        if let Some((filter, from)) = wants.page {
            let (urgent, under_way) = (kind == Kind::Live, wants.under_way);
            let order = PageOrder { group: arn.clone(), kind, filter, from, urgent, under_way };
            self.holders.entry(order.holder()).or_insert_with(|| (StreamGroupArn::clone(&arn), kind));
            work.push(Work::List(order));
        }
        wants.next
    }

    /// Nobody of the group waits for anything: its turns for lists go to others.
    fn dismiss(&mut self, group: &Group) -> bool {
        group.rolls.iter().for_each(|roll| self.tally.add(roll.tally));
        for kind in Kind::ALL {
            let holder = holder(&group.arn, kind);
            if self.holders.remove(&holder).is_some() {
                self.withdrawn.push(holder);
            }
        }
        false
    }

    fn read_by_get(&mut self, now: Instant, work: &mut Vec<Work>) -> Option<Instant> {
        let mut due = Vec::new();
        while let Some((at, uid)) = self.agenda.pop_first() {
            if at > now {
                self.agenda.insert((at, uid));
                break;
            }
            due.push(uid);
        }
        for uid in due {
            if let Some(entry) = self.entries.get_mut(&uid) {
                entry.at = None;
            }
            if self.needs_get(&uid) {
                self.schedule(&uid, now + ASK_AGAIN);
                if let Some(entry) = self.entries.get_mut(&uid) {
                    entry.asked = true;
                }
                work.push(Work::Get(uid));
            }
        }
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Whose roll is called by lists waits for those, unless it is missing from them, is one of a few newcomers of its
    /// namespace, or has asked already.
    fn needs_get(&mut self, uid: &Uid) -> bool {
        let Some(entry) = self.entries.get(uid) else { return false };
        let Some(kind) = Kind::of(entry.sight) else { return true };
        let Some(group) = self.groups.get_mut(&*entry.group) else { return true };
        let roll = group.roll(kind);
        !roll.by_list || entry.asked || roll.is_probing(&entry.session) || self.newcomers.is_one_of_few(uid)
    }
}

/// What is to be read where a share of the quota counts.
#[derive(Debug, Default)]
struct Sums {
    /// Pages of one round of all rolls, by how often each is called; and without that, and without what has ended.
    weighted: f64,
    pages: f64,
    /// Sessions end.
    hot: bool,
    /// Gets that rolls of a few want.
    few: usize,
}

/// Where a share of the quota counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place(AccountId, Region);

impl From<&StreamGroupArn> for Place {
    fn from(group: &StreamGroupArn) -> Self {
        Self(group.account.clone(), group.region.clone())
    }
}
