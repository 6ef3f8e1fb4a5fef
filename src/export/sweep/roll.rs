//! One roll of one group: who belongs to it, when it is called, and who is missing. Pure.

mod member;
mod paging;
mod probes;

pub(super) use member::{Member, Wish};

use self::probes::Probes;
use super::round::{Page, Round, Stage};
use super::{ASK_AGAIN, FEW, Kind, Load, PAGE, Speeds, Tally, Waits, sooner};
use crate::export::request::Uid;
use crate::streams::identifiers::StreamSessionId;
use crate::streams::observation::{Filter, PageToken};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a round was found to cost is believed for so long.
const COST_LIFE: Duration = Duration::from_secs(600);
/// A page is tried so many times before its round is given up.
const PATIENCE: u32 = 6;
/// After an end, more are expected for so long; and so long before one that is foreseen.
const HOT: Duration = Duration::from_secs(60);
/// A roll in which sessions end is called so many times as often as one in which nothing happens.
pub(super) const HOT_WEIGHT: f64 = 4.0;
#[derive(Debug)]
pub(super) struct Roll {
    kind: Kind,
    pub(super) members: HashMap<StreamSessionId, Member>,
    /// Called by lists; else each member is read by itself.
    pub(super) by_list: bool,
    round: Option<Round>,
    number: u64,
    began: Option<Instant>,
    due: Option<Instant>,
    urgent: bool,
    /// The list that showed most of it the last time.
    best: Option<Filter>,
    /// Pages that a round takes, for how many members, and when that was seen.
    cost: Option<(f64, usize, Instant)>,
    /// And how many the lists of what has ended took after the last one.
    history: f64,
    /// The same, when those lists were last read; `None` if they were given up.
    last_history: Option<f64>,
    /// How many there were when the round began: what it is worth was reckoned with them.
    sought: usize,
    /// Lists fail, or are denied: not before this again; and whether Gets do meanwhile.
    quiet: Option<Instant>,
    instead: bool,
    failures: u32,
    probes: Probes,
    hot: Option<Instant>,
    soonest: Option<Instant>,
    /// Members that the round has not shown yet; and those who came after it had begun.
    unseen: usize,
    newcomers: usize,
    /// Gets are scarce: others want so many.
    crowded: bool,
    pub(super) tally: Tally,
    /// When the last complete round began, or the roll came to be called by lists.
    looked: Option<Instant>,
}

/// How it goes on after a page that could not be read, once that may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// With the same page.
    SamePage,
    /// With a new round.
    NewRound,
    /// With a new round; meanwhile with Gets.
    Gets,
}

/// What a roll wants at a moment.
#[derive(Debug, Default)]
pub(super) struct Wants {
    pub(super) page: Option<(Filter, Option<PageToken>)>,
    /// It is not the first page of its round.
    pub(super) under_way: bool,
    pub(super) probes: Vec<StreamSessionId>,
    /// Lists are no longer worth it: everybody is to be read by Get.
    pub(super) disbanded: bool,
    pub(super) next: Option<Instant>,
}

impl Roll {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            members: HashMap::new(),
            by_list: false,
            round: None,
            number: 0,
            began: None,
            due: None,
            urgent: false,
            best: None,
            cost: None,
            history: 0.0,
            last_history: Some(kind.history().len() as f64),
            sought: 0,
            quiet: None,
            instead: false,
            failures: 0,
            probes: Probes::default(),
            hot: None,
            soonest: None,
            unseen: 0,
            newcomers: 0,
            crowded: false,
            tally: Tally::default(),
            looked: None,
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// For how long there has been no complete round; `None` if none is due.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.looked.filter(|_| self.by_list).map(|looked| now.saturating_duration_since(looked))
    }

    pub(super) fn join(
        &mut self,
        session: &StreamSessionId,
        (uid, namespace): (&Uid, &Arc<str>),
        wish: Wish,
        now: Instant,
    ) {
        self.due = sooner(self.due, Some(wish.at));
        self.soonest = sooner(self.soonest, wish.ends);
        let before = self.members.len();
        let member = self.members.entry(session.clone()).or_insert_with(|| Member::new(namespace.clone(), wish, now));
        member.waits(uid, wish);
        // Its first reading has been looked for already, and was not there.
        self.urgent |= wish.urgent && !member.missing && member.spared <= now;
        self.newcomers += self.members.len() - before;
    }

    pub(super) fn leave(&mut self, session: &StreamSessionId, uid: &Uid) {
        let Some(member) = self.members.get_mut(session) else { return };
        member.uids.remove(uid);
        if member.uids.is_empty() {
            self.unseen -= usize::from(member.awaited);
            self.members.remove(session);
            self.probes.ended(session);
        } else if self.probes.ended(session) {
            // It may have been the one that was to be read by Get.
            self.probes.add(session.clone(), member.namespace.clone());
        }
    }

    /// Pages that a round is expected to take, and what it may find missing.
    pub(super) fn expected(&self, now: Instant) -> f64 {
        self.expected_roll(now) + self.history
    }

    /// Pages that a round is expected to take by itself.
    pub(super) fn expected_roll(&self, now: Instant) -> f64 {
        let members = self.members.len();
        let known = self.cost.filter(|(_, of, seen)| now < *seen + COST_LIFE && members <= 2 * *of);
        known.map_or((members as f64 / PAGE).ceil().max(1.0), |(pages, _, _)| pages)
    }

    /// How many Gets it takes, or would take if it were not called by lists.
    pub(super) fn gets_wanted(&self) -> usize {
        let few = self.members.len();
        if few <= FEW { few } else { self.probes.len() }
    }

    /// How often it is called in comparison with others, if the share is contended.
    pub(super) fn weight(&self, now: Instant) -> f64 {
        if self.is_hot(now) { HOT_WEIGHT } else { 1.0 }
    }

    /// Sessions have ended lately, or are about to.
    pub(super) fn is_hot(&self, now: Instant) -> bool {
        self.soonest.is_some_and(|ends| ends <= now + HOT) || self.hot.is_some_and(|until| now < until)
    }

    /// Whether lists tell sooner than Gets would, in the quota of each.
    fn lists_pay(&self, now: Instant, load: Load) -> bool {
        let members = self.members.len();
        match self.quiet.filter(|until| now < *until) {
            Some(_) => self.by_list && !self.instead,
            None if members > FEW || load.crowded => self.expected(now) <= load.speeds.pages_worth(members),
            None => false,
        }
    }

    /// When the next round begins: by itself where something happens, with all others elsewhere.
    fn start(&self, now: Instant, Load { pace, sweep: (last, next), .. }: Load, waits: &Waits) -> Instant {
        let distrusted = self.probes.distrust().map_or(Duration::ZERO, |times| waits.after(times));
        let paced = self.began.map_or(now, |began| {
            let by_itself = self.kind == Kind::Live || self.is_hot(now);
            // Whoever was called shortly before a sweep has no need of it.
            let with_all = if began + (next - last) / 2 < last { now } else { next };
            let paced = if by_itself { began + pace } else { with_all };
            let soonest = began + waits.of(self.kind);
            if self.is_filling() { paced.min(soonest) } else { paced }.max(began + distrusted)
        });
        let start = if self.urgent { now } else { paced.max(self.due.unwrap_or(now)) };
        self.quiet.map_or(start, |until| start.max(until))
    }

    /// Many have come since the round began, and nobody has looked for them.
    fn is_filling(&self) -> bool {
        self.newcomers > FEW && self.newcomers * 4 >= self.members.len()
    }

    /// What to do at this moment.
    pub(super) fn wants(&mut self, now: Instant, load: Load, (waits, first): (&Waits, Option<Filter>)) -> Wants {
        self.crowded = load.crowded;
        let mut wants =
            Wants { next: self.quiet.filter(|until| now < *until && !self.members.is_empty()), ..Wants::default() };
        if self.round.is_none() {
            let before = self.by_list;
            self.by_list = !self.members.is_empty() && self.lists_pay(now, load);
            wants.disbanded = before && !self.by_list;
            self.looked = self.looked.filter(|_| before).or(Some(now));
            if self.by_list {
                let start = self.start(now, load, waits);
                if start <= now {
                    self.begin(now, load.speeds, first)
                } else {
                    wants.next = sooner(wants.next, Some(start))
                }
            }
        }
        wants.page = self.page_wanted(now);
        wants.under_way = self.round.as_ref().is_some_and(Round::is_under_way);
        if let Some(Page::Asked(since)) = self.round.as_ref().map(|round| round.page) {
            wants.next = sooner(wants.next, Some(since + ASK_AGAIN));
        }
        let members = &self.members;
        wants.probes = self.probes.due(|session| members.get(session).is_some_and(|member| member.missing));
        wants
    }

    /// Begins a round, with the list in which most have been found so far.
    fn begin(&mut self, now: Instant, speeds: Speeds, first: Option<Filter>) {
        self.number += 1;
        self.began = Some(now);
        // Where the unread are, only others can tell.
        let first = if std::mem::take(&mut self.urgent) { first.or(self.best) } else { self.best.or(first) };
        self.probes.new_round();
        let worth = self.expect_everybody(speeds);
        let mut round = Round::new(self.kind, Stage::Roll, worth, now);
        round.begin_with(first);
        self.round = Some(round);
    }

    /// The round is to show all who are there. Returns how many pages that is worth.
    fn expect_everybody(&mut self, speeds: Speeds) -> f64 {
        (self.unseen, self.sought, self.newcomers) = (self.members.len(), self.members.len(), 0);
        self.members.values_mut().for_each(|member| member.awaited = true);
        speeds.pages_worth(self.members.len())
    }

    fn page_wanted(&mut self, now: Instant) -> Option<(Filter, Option<PageToken>)> {
        let round = self.round.as_mut()?;
        if self.quiet.is_some_and(|until| now < until) {
            return None;
        }
        let wanted = match round.page {
            Page::Wanted => true,
            Page::Asked(since) => now >= since + ASK_AGAIN,
            Page::Flying => false,
        };
        if !wanted {
            return None;
        }
        round.page = Page::Asked(now);
        round.next()
    }

    /// The page's turn has come, or what was denied may be tried again.
    pub(super) fn called(&mut self) {
        self.quiet = None;
        if let Some(round) = self.round.as_mut().filter(|round| round.page != Page::Flying) {
            round.page = Page::Wanted;
        }
    }

    /// The page was not sent after all: its turn was given back, and may have been granted again meanwhile.
    pub(super) fn lands(&mut self) {
        if let Some(round) = &mut self.round {
            round.page = Page::Wanted;
        }
    }

    /// The page is on its way. With the first one the round really begins: it shows those, too, who came while that
    /// waited for its turn.
    pub(super) fn flies(&mut self, now: Instant, speeds: Speeds) {
        if self.round.as_ref().is_some_and(|round| !round.is_under_way()) {
            self.began = Some(now);
            let worth = self.expect_everybody(speeds);
            self.round.iter_mut().for_each(|round| round.begins(now, worth));
        }
        if let Some(round) = &mut self.round {
            round.page = Page::Flying;
        }
    }

    /// How soon a session that shows nothing new is looked at again, if not by rounds.
    pub(super) fn again(&self, now: Instant, ends: Option<Instant>, pace: Duration, waits: &Waits) -> Instant {
        if self.by_list {
            return now + waits.of(self.kind);
        }
        let soon = ends.is_some_and(|ends| ends <= now + HOT);
        now + if soon { waits.of(self.kind).max(pace / 8) } else { pace.max(waits.of(self.kind)) }
    }

    /// A page could not be read.
    pub(super) fn failed(&mut self, until: Option<Instant>, then: Then, now: Instant, waits: &Waits) {
        let wait = now + waits.after(self.failures);
        self.failures += 1;
        self.instead = then == Then::Gets;
        self.quiet = Some(until.unwrap_or(wait));
        if let Some(round) = self.round.as_mut().filter(|_| then == Then::SamePage && self.failures < PATIENCE) {
            round.page = Page::Wanted;
            return;
        }
        if self.round.as_ref().is_some_and(|round| round.stage == Stage::History) {
            self.probe_missing();
        }
        self.tally.failed += 1;
        self.finish(now);
        self.urgent |= self.kind == Kind::Live;
    }

    /// A Get is to find out what became of it.
    pub(super) fn is_probing(&self, session: &StreamSessionId) -> bool {
        self.probes.is_out(session)
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}
