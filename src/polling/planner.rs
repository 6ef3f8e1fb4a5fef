//! Plans the next reads: scans within their part of the List share, and Gets when they are due.

use crate::api::request::Uid;
use crate::aws::identifiers::{AccountId, Region, StreamGroupArn};
use crate::aws::model::{Filter, PageToken};
use crate::polling::interval::{GET_BACKLOG_SECONDS, MAX_SESSIONS_WITHOUT_LISTS, scan_interval};
use crate::polling::scan_group::ScanGroup;
use crate::polling::subscriptions::{GetState, Group, PollPlan};
use crate::polling::{PageRequest, PlannedRead, PollBudget, QuotaRates, ScanSet, holder, min_instant};
use std::collections::HashMap;
use tokio::time::Instant;

impl PollPlan {
    /// Returns what to do now, and when to plan again.
    pub(crate) fn plan_reads(&mut self, now: Instant, rates: QuotaRates) -> (Vec<PlannedRead>, Option<Instant>) {
        // Withdrawn first: the same object may need another Get.
        let mut reads: Vec<_> = self.withdrawn.drain(..).map(PlannedRead::Withdraw).collect();
        let mut next = None;
        let budgets = self.poll_budgets(now, rates);
        let mut groups = std::mem::take(&mut self.groups);
        for (key, group) in &mut groups {
            let Some(budget) = budgets.get(&key.into()) else { continue };
            for scan_set in ScanSet::ALL {
                next = min_instant(next, self.plan_scan(group, scan_set, *budget, now, &mut reads));
            }
        }
        groups.retain(|_, group| {
            let is_in_use = group.scan_groups.iter().any(|scan_group| !scan_group.members.is_empty());
            if !is_in_use {
                reads.extend(self.forget_group(group));
            }
            is_in_use
        });
        self.groups = groups;
        next = min_instant(next, self.plan_gets(now, &mut reads));
        (reads, next)
    }

    /// Computes the budget of each account and Region.
    fn poll_budgets(&self, now: Instant, rates: QuotaRates) -> HashMap<QuotaScope, PollBudget> {
        let mut demands: HashMap<QuotaScope, Demand> = HashMap::new();
        for (key, group) in &self.groups {
            let demand = demands.entry(key.into()).or_default();
            for scan_group in group.scan_groups.iter().filter(|scan_group| scan_group.polled_by_list) {
                demand.pages += scan_group.expected_pages_total(now);
                demand.ends_expected |= scan_group.ends_expected(now);
            }
            demand.gets += group.scan_groups.iter().map(ScanGroup::pending_gets).sum::<usize>();
        }
        let enough_gets = (GET_BACKLOG_SECONDS * rates.get).max(MAX_SESSIONS_WITHOUT_LISTS as f64);
        let budget = |demand: Demand| PollBudget {
            rates,
            scan_interval: scan_interval(demand.pages, rates.list, demand.ends_expected),
            gets_are_scarce: demand.gets as f64 > enough_gets,
        };
        demands.into_iter().map(|(scope, demand)| (scope, budget(demand))).collect()
    }

    fn plan_scan(
        &mut self,
        group: &mut Group,
        scan_set: ScanSet,
        budget: PollBudget,
        now: Instant,
        reads: &mut Vec<PlannedRead>,
    ) -> Option<Instant> {
        let scan_group = group.scan_group(scan_set);
        let step = scan_group.next_step(now, budget, &self.intervals);
        for session in &step.missing_gets {
            if let Some(uid) = scan_group.members.get(session).and_then(|member| member.uids.first()) {
                self.schedule_get(uid, now);
            }
        }
        if step.fell_back_to_gets {
            for member in scan_group.members.values().filter(|member| !member.list_only) {
                member.uids.iter().for_each(|uid| self.schedule_get(uid, member.at.max(now)));
            }
        }
        if let Some(page) = step.page {
            let request = page_request(group, scan_set, page);
            self.holders.entry(request.holder()).or_insert_with(|| (StreamGroupArn::clone(&group.arn), scan_set));
            reads.push(PlannedRead::List(request));
        }
        step.next
    }

    /// Forgets a group without members. Returns its reservations for lists, to be cancelled.
    fn forget_group(&mut self, group: &Group) -> impl Iterator<Item = PlannedRead> {
        group.scan_groups.iter().for_each(|scan_group| self.stats.add(scan_group.stats));
        let holders = ScanSet::ALL.map(|scan_set| holder(&group.arn, scan_set));
        holders.into_iter().filter(|holder| self.holders.remove(holder).is_some()).map(PlannedRead::Withdraw)
    }

    fn plan_gets(&mut self, now: Instant, reads: &mut Vec<PlannedRead>) -> Option<Instant> {
        while let Some((at, uid)) = self.agenda.pop_first() {
            if at > now {
                self.agenda.insert((at, uid));
                return Some(at);
            }
            let needed = self.needs_get(&uid);
            let Some(entry) = self.entries.get_mut(&uid) else { continue };
            entry.at = None;
            if needed {
                entry.get = GetState::Queued;
                reads.push(PlannedRead::Get(uid));
            }
        }
        None
    }

    /// A member of a scan group that is polled with lists waits for the scan, unless it is missing from the lists, is
    /// one of a few first reads of its namespace, or has a queued Get.
    fn needs_get(&mut self, uid: &Uid) -> bool {
        let Some(entry) = self.entries.get(uid) else { return false };
        let Some(scan_set) = ScanSet::of(entry.kind) else { return true };
        let is_one_of_few = entry.get == GetState::Queued || self.is_below_first_read_limit(entry);
        let Some(group) = self.groups.get_mut(&*entry.group) else { return true };
        let scan_group = group.scan_group(scan_set);
        is_one_of_few || !scan_group.polled_by_list || scan_group.is_confirming(&entry.session)
    }

    /// The read whose reservation was granted; `None` if it is no longer needed.
    pub(crate) fn granted_read(&mut self, uid: &Uid) -> Option<PlannedRead> {
        if let Some((key, scan_set)) = self.holders.get(uid) {
            let group = self.groups.get_mut(key)?;
            let page = group.scan_group(*scan_set).queued_page()?;
            return Some(PlannedRead::List(page_request(group, *scan_set, page)));
        }
        let is_queued = self.entries.get(uid).is_some_and(|entry| entry.get == GetState::Queued);
        is_queued.then(|| PlannedRead::Get(uid.clone()))
    }
}

fn page_request(group: &mut Group, scan_set: ScanSet, (filter, from): (Filter, Option<PageToken>)) -> PageRequest {
    let (arn, scan_group) = (group.arn.clone(), group.scan_group(scan_set));
    let (urgent, under_way) = (scan_set == ScanSet::Live, scan_group.is_scan_under_way());
    PageRequest { group: arn, scan_set, filter, from, urgent, under_way }
}

/// The reads that one account and Region needs.
#[derive(Debug, Default)]
struct Demand {
    /// Pages of one scan of all groups.
    pages: f64,
    /// Sessions of a group end.
    ends_expected: bool,
    /// Gets that are needed: one per member of a small group, one per missing member of others.
    gets: usize,
}

/// What AWS counts the quota by: the account and the Region.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct QuotaScope(AccountId, Region);

impl From<&StreamGroupArn> for QuotaScope {
    fn from(group: &StreamGroupArn) -> Self {
        Self(group.account.clone(), group.region.clone())
    }
}
