//! What pages and Gets change in a scan group: which members are present, and which are missing.

use crate::api::request::Uid;
use crate::aws::identifiers::StreamSessionId;
use crate::aws::model::{SessionPage, SessionView};
use crate::polling::interval::{ENDING_PERIOD, MAX_SESSIONS_WITHOUT_LISTS, NOT_MISSING_PERIOD, PollIntervals};
use crate::polling::list_scan::{ListScan, ScanPhase, ScanProgress};
use crate::polling::scan_group::{Presence, ScanCost, ScanGroup, ScanMember};
use crate::polling::{GetOutcome, QuotaRates, ScanSet, min_instant};
use tokio::time::Instant;

impl ScanGroup {
    /// Applies a page. Returns the objects whose sessions it shows.
    pub(crate) fn on_page(
        &mut self,
        page: &SessionPage,
        now: Instant,
        rates: QuotaRates,
        names_uris: Option<bool>,
    ) -> Vec<Uid> {
        let Some(phase) = self.scan.as_ref().map(|scan| scan.phase) else { return Vec::new() };
        let mut shown = Vec::new();
        let mut found = 0;
        for (session, view) in &page.sessions {
            if let Some(sought) = self.apply_listed_session(session, view, phase, now) {
                found += usize::from(sought);
                shown.extend(self.members.get(session).iter().flat_map(|member| member.uids.iter().cloned()));
            }
        }
        self.failures = 0;
        let progress = self.scan.as_mut().map_or(ScanProgress::Complete, |scan| scan.advance(found, page.next.clone()));
        self.continue_scan(progress, phase, now, rates, names_uris);
        shown
    }

    /// Applies one listed session. Returns `None` if it is no member, else whether the page was read to find it.
    fn apply_listed_session(
        &mut self,
        session: &StreamSessionId,
        view: &SessionView,
        phase: ScanPhase,
        now: Instant,
    ) -> Option<bool> {
        let before = self.mark_present(session)?;
        if view.status.is_terminal() {
            self.ending_until = Some(now + ENDING_PERIOD);
        }
        let member = self.members.get_mut(session)?;
        match phase {
            ScanPhase::Active => {
                member.mark_listed(now);
                Some(before == Presence::Expected)
            }
            ScanPhase::Terminal => {
                // Its objects are requeued; the next scan must not count it as missing before they are reconciled.
                member.not_missing_before = now + NOT_MISSING_PERIOD;
                if before.is_missing() {
                    self.missing.record_true_missing();
                }
                let names_uri = view.export.as_ref().is_some_and(|export| export.output_uri.is_some());
                Some(before.is_missing() && (names_uri || member.zip))
            }
        }
    }

    /// A member was listed or read. Returns its presence before; `None` if it is no member.
    fn mark_present(&mut self, session: &StreamSessionId) -> Option<Presence> {
        let member = self.members.get_mut(session)?;
        let before = member.mark_present();
        match before {
            Presence::Expected => self.scan.iter_mut().for_each(|scan| scan.unseen -= 1),
            Presence::Confirming => self.missing.finish_get(&member.namespace),
            Presence::Present | Presence::Missing | Presence::Queued => {}
        }
        Some(before)
    }

    /// Applies a page of a discovery scan. Returns the objects whose sessions it shows.
    pub(crate) fn on_discovery_page(&mut self, page: &SessionPage, now: Instant) -> Vec<Uid> {
        let mut shown = Vec::new();
        for (session, view) in &page.sessions {
            if self.mark_present(session).is_some() && self.with_discovery {
                let member = self.members.remove(session);
                self.discovered.extend(member.map(|member| (session.clone(), member)));
            }
            let Some(member) = self.discovered.get_mut(session).or_else(|| self.members.get_mut(session)) else {
                continue;
            };
            member.mark_present();
            member.discovered_at = now;
            shown.extend(member.uids.iter().cloned());
            if view.status.is_terminal() {
                self.ending_until = Some(now + ENDING_PERIOD);
            }
        }
        shown
    }

    /// A complete discovery scan that began at `began` has ended: what it didn't show is left to this group.
    pub(crate) fn release_unshown(&mut self, began: Instant) {
        let unshown: Vec<_> = self.discovered.extract_if(|_, member| member.discovered_at < began).collect();
        self.take_back(unshown);
    }

    /// Sets whether discovery scans read the group's ACTIVE and CONNECTED sessions.
    pub(crate) fn set_with_discovery(&mut self, with_discovery: bool, now: Instant) {
        if self.with_discovery == with_discovery {
            return;
        }
        self.with_discovery = with_discovery;
        if !with_discovery {
            let all = std::mem::take(&mut self.discovered).into_iter().collect();
            self.take_back(all);
        } else if self.scan.is_none() {
            let left = self.members.extract_if(|_, member| !member.presence.is_missing());
            self.discovered
                .extend(left.map(|(session, member)| (session, ScanMember { discovered_at: now, ..member })));
            (self.due, self.urgent, self.next_end) = (None, false, None);
        }
    }

    fn take_back(&mut self, members: Vec<(StreamSessionId, ScanMember)>) {
        for (session, member) in members {
            self.due = min_instant(self.due, Some(member.at));
            self.next_end = min_instant(self.next_end, member.ends);
            self.urgent |= member.urgent;
            self.released.push(session.clone());
            self.members.insert(session, member);
        }
    }

    fn continue_scan(
        &mut self,
        progress: ScanProgress,
        phase: ScanPhase,
        now: Instant,
        rates: QuotaRates,
        names_uris: Option<bool>,
    ) {
        let all_found = match phase {
            ScanPhase::Active => self.scan.as_ref().is_none_or(|scan| scan.unseen == 0),
            ScanPhase::Terminal => !self.members.values().any(|member| member.presence.is_missing()),
        };
        let progress = if all_found { ScanProgress::Complete } else { progress };
        match (progress, phase) {
            (ScanProgress::On, ScanPhase::Active) => {}
            (ScanProgress::On, ScanPhase::Terminal) => self.get_missing_if_lookup_is_slow(rates),
            (ScanProgress::Complete, ScanPhase::Active) => self.complete_scan(now, rates, names_uris),
            (ScanProgress::GivenUp, ScanPhase::Active) => {
                self.stats.given_up += 1;
                let members = self.scan.as_ref().map_or(0, |scan| scan.sought);
                self.cost = Some(ScanCost { pages: f64::INFINITY, members, measured: now });
                self.finish_scan(now);
            }
            (ScanProgress::Complete | ScanProgress::GivenUp, ScanPhase::Terminal) => {
                self.lookup_pages = self.scan.as_ref().map_or(0.0, |scan| scan.pages);
                self.last_lookup = Some(self.lookup_pages).filter(|_| progress == ScanProgress::Complete);
                self.queue_missing_gets();
                self.finish_scan(now);
            }
        }
    }

    /// Marks the members that a complete scan didn't show as missing; they are looked up in the lists of ended exports
    /// where that pays, else read with Gets.
    fn complete_scan(&mut self, now: Instant, rates: QuotaRates, names_uris: Option<bool>) {
        let Some(scan) = &self.scan else { return };
        let began = scan.began;
        self.best_filter = scan.best();
        self.cost = Some(ScanCost { pages: scan.pages, members: self.members.len(), measured: now });
        self.lookup_pages = 0.0;
        let (mut missing, mut useful) = (0, 0);
        for member in self.members.values_mut().filter(|member| member.presence == Presence::Expected) {
            let may_lag = member.list_only || member.not_missing_before > began;
            member.presence = if may_lag { Presence::Present } else { Presence::Missing };
            missing += usize::from(!may_lag);
            useful += usize::from(!may_lag && (member.zip || names_uris != Some(false)));
        }
        self.stats.complete += 1;
        self.stats.missing += missing as u64;
        self.last_complete = Some(began);
        if missing > 0 {
            self.ending_until = Some(now + ENDING_PERIOD);
        }
        let worth = rates.pages_worth(useful);
        let lists = self.scan_set.history().len();
        let cheap = self.last_lookup.is_some_and(|pages| worth >= pages);
        if lists > 0 && worth > lists as f64 && (cheap || missing > MAX_SESSIONS_WITHOUT_LISTS) {
            let lists = self.scan_set.history().iter().copied().collect();
            self.scan = Some(ListScan::new(lists, ScanPhase::Terminal, worth, began));
        } else {
            self.queue_missing_gets();
            self.finish_scan(now);
        }
    }

    /// Starts the Gets in parallel if the scan of ended exports finds fewer sessions than Gets would. Allows for as
    /// many pages as the last such scan took if it was complete: older exports may be listed first.
    fn get_missing_if_lookup_is_slow(&mut self, rates: QuotaRates) {
        let patience = self.last_lookup.unwrap_or_default();
        if self.scan.as_ref().is_some_and(|scan| rates.pages_worth(scan.found) + patience < scan.pages) {
            self.queue_missing_gets();
        }
    }

    pub(super) fn queue_missing_gets(&mut self) {
        for (session, member) in &mut self.members {
            if member.presence == Presence::Missing {
                member.presence = Presence::Queued;
                self.missing.enqueue_session(session.clone(), member.namespace.clone());
            }
        }
    }

    pub(super) fn finish_scan(&mut self, now: Instant) {
        self.scan = None;
        for member in self.members.values_mut().filter(|member| member.presence == Presence::Expected) {
            member.presence = Presence::Present;
        }
        let waiting = || self.members.values().filter(|member| !member.presence.is_missing());
        (self.due, self.urgent) = (waiting().map(|member| member.at).min(), waiting().any(|member| member.urgent));
        let ends = self.members.values().filter_map(|member| member.ends);
        self.next_end = ends.filter(|ends| *ends + ENDING_PERIOD > now).min();
    }

    /// Applies the result of a Get for a session.
    pub(crate) fn on_get(
        &mut self,
        session: &StreamSessionId,
        got: GetOutcome,
        now: Instant,
        intervals: &PollIntervals,
    ) {
        if self.mark_present(session) != Some(Presence::Confirming) {
            return;
        }
        let Some(member) = self.members.get_mut(session) else { return };
        match got {
            GetOutcome::Present => {
                member.not_missing_before = now + intervals.retry.delay_after(member.false_missing + 2);
                member.false_missing += 1;
                // Gets of a live scan group are never dropped: exports depend on them.
                for session in self.missing.record_false_missing(self.scan_set == ScanSet::Pending) {
                    let member = self.members.get_mut(&session).filter(|member| member.presence == Presence::Queued);
                    member.into_iter().for_each(|member| member.presence = Presence::Present);
                }
            }
            GetOutcome::Gone => {
                member.not_missing_before = now + NOT_MISSING_PERIOD;
                self.missing.record_true_missing();
                self.ending_until = Some(now + ENDING_PERIOD);
            }
            GetOutcome::Nothing => member.not_missing_before = now + intervals.retry.first,
        }
    }
}
