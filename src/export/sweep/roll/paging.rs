//! What pages and Gets make of a roll: who has been seen, and who is missing.

use super::super::round::{Round, Stage, Turned};
use super::super::{FEW, Got, Kind, Shown, Speeds, Waits};
use super::{HOT, Member, Roll};
use crate::export::request::Uid;
use crate::streams::identifiers::StreamSessionId;
use crate::streams::observation::PageToken;
use std::time::Duration;
use tokio::time::Instant;

/// Whoever has just been found elsewhere is not missed before its objects have had time to move on.
const SPARED: Duration = Duration::from_secs(5);
/// Even a few that are missing are looked for in lists that took so many times less than their Gets would, the last time.
const CHEAP: f64 = 2.0;

impl Roll {
    /// A page has come. Returns the objects whose sessions it shows.
    pub(in crate::export::sweep) fn page(
        &mut self,
        shown: &[Shown],
        next: Option<PageToken>,
        now: Instant,
        speeds: Speeds,
        names_uris: Option<bool>,
    ) -> Vec<Uid> {
        let Some(stage) = self.round.as_ref().map(|round| round.stage) else { return Vec::new() };
        let mut seen = Vec::new();
        let mut found = 0;
        for one in shown {
            if let Some(useful) = self.sight(one, stage, now) {
                found += usize::from(useful);
                seen.extend(self.members.get(&one.session).into_iter().flat_map(|member| member.uids.iter().cloned()));
            }
        }
        self.failures = 0;
        let turned = match &mut self.round {
            Some(round) => round.turn(found, next),
            None => Turned::Complete,
        };
        self.go_on(turned, stage, now, speeds, names_uris);
        seen
    }

    /// One line of a page. `None` if it is none of ours; else whether that is what the page was read for.
    fn sight(&mut self, shown: &Shown, stage: Stage, now: Instant) -> Option<bool> {
        let member = self.members.get_mut(&shown.session)?;
        if shown.over {
            self.hot = Some(now + HOT);
        }
        let was_missing = member.is_found();
        self.probes.ended(&shown.session);
        match stage {
            Stage::Roll => {
                let first = std::mem::take(&mut member.awaited);
                member.round = self.number;
                member.since = member.since.min(now);
                member.refuted = 0;
                self.unseen -= usize::from(first);
                Some(first)
            }
            Stage::History => {
                // Its objects are awake; the next round won't miss it before they are done.
                member.spared = now + SPARED;
                if was_missing {
                    self.probes.was_right();
                }
                Some(was_missing && (shown.names_uri == Some(true) || member.zip))
            }
        }
    }

    fn go_on(&mut self, turned: Turned, stage: Stage, now: Instant, speeds: Speeds, names_uris: Option<bool>) {
        let all_seen = match stage {
            Stage::Roll => self.unseen == 0,
            Stage::History => !self.members.values().any(|member| member.missing),
        };
        let turned = if all_seen { Turned::Complete } else { turned };
        match (turned, stage) {
            (Turned::On, Stage::Roll) => {}
            (Turned::On, Stage::History) => self.read_slow_ones_meanwhile(speeds),
            (Turned::Complete, Stage::Roll) => self.complete(now, speeds, names_uris),
            (Turned::GivenUp, Stage::Roll) => {
                self.tally.given_up += 1;
                self.cost = Some((f64::INFINITY, self.sought, now));
                self.finish(now);
            }
            (Turned::Complete | Turned::GivenUp, Stage::History) => {
                self.history = self.round.as_ref().map_or(0.0, |round| round.pages);
                self.last_history = Some(self.history).filter(|_| turned == Turned::Complete);
                self.probe_missing();
                self.finish(now);
            }
        }
    }

    /// Everybody who is not on any page of a complete round is missing.
    fn complete(&mut self, now: Instant, speeds: Speeds, names_uris: Option<bool>) {
        let Some(round) = &self.round else { return };
        self.best = round.best();
        let (began, number) = (round.began, self.number);
        self.cost = Some((round.pages, self.members.len(), now));
        self.history = 0.0;
        let mut useful = 0;
        let mut missing = 0;
        for member in self.members.values_mut().filter(|member| !member.list_only) {
            let absent = member.round != number && member.since <= began && member.spared <= now;
            if absent && !member.missing {
                member.missing = true;
                missing += 1;
                useful += usize::from(member.zip || names_uris != Some(false));
            }
        }
        self.tally.complete += 1;
        self.tally.missing += missing as u64;
        self.looked = Some(began);
        if missing > 0 {
            self.hot = Some(now + HOT);
        }
        let worth = speeds.pages_worth(useful);
        let lists = self.kind.history();
        let cheap = self.last_history.is_some_and(|pages| worth >= CHEAP * pages);
        if !lists.is_empty() && worth > lists.len() as f64 && (cheap || missing > FEW || self.crowded) {
            self.round = Some(Round::new(self.kind, Stage::History, worth, began));
        } else {
            self.probe_missing();
            self.finish(now);
        }
    }

    /// A history that brings fewer than Gets would have is no reason to wait. But where all had been found in the end the
    /// last time, those who ended before may stand first.
    fn read_slow_ones_meanwhile(&mut self, speeds: Speeds) {
        let patience = self.last_history.unwrap_or_default();
        let slow = self.round.as_ref().is_some_and(|round| speeds.pages_worth(round.found) + patience < round.pages);
        if slow {
            self.probe_missing();
        }
    }

    pub(super) fn probe_missing(&mut self) {
        for (session, member) in self.members.iter_mut().filter(|(_, member)| member.missing) {
            if !std::mem::replace(&mut member.to_be_read, true) {
                self.probes.add(session.clone(), member.namespace.clone());
            }
        }
    }

    pub(super) fn finish(&mut self, now: Instant) {
        let began = self.round.take().map_or(now, |round| round.began);
        self.unseen = 0;
        self.members.values_mut().for_each(|member| member.awaited = false);
        let free = |member: &&Member| !member.missing;
        self.due = self.members.values().filter(free).map(|member| member.at).min();
        self.soonest = self.members.values().filter_map(|member| member.ends).filter(|ends| *ends + HOT > now).min();
        let new = |member: &Member| member.urgent && member.since > began && member.round != self.number;
        self.urgent = self.members.values().any(new);
    }

    /// A Get has been made for a session.
    pub(in crate::export::sweep) fn got(&mut self, session: &StreamSessionId, got: Got, now: Instant, waits: &Waits) {
        let probed = self.probes.ended(session);
        if let Some(member) = self.members.get_mut(session) {
            member.is_found();
            member.spared = match (probed, got) {
                (true, Got::Present) => now + waits.after(member.refuted + 2),
                (true, Got::Gone) => now + SPARED,
                (true, Got::Nothing) => now + waits.retry.0,
                (false, _) => member.spared,
            };
            member.refuted += u32::from(probed && got == Got::Present);
        }
        match got {
            Got::Gone if probed => {
                self.probes.was_right();
                self.hot = Some(now + HOT);
            }
            Got::Present if probed => self.was_wrong(),
            Got::Present | Got::Gone | Got::Nothing => {}
        }
    }

    fn was_wrong(&mut self) {
        // Exports depend on the readings of a live roll.
        for session in self.probes.was_wrong(self.kind == Kind::Pending) {
            if let Some(member) = self.members.get_mut(&session) {
                member.is_found();
            }
        }
    }
}
