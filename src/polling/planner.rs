//! Plans the next reads: scans within their part of the List share, and Gets when they are due.

use crate::api::request::Uid;
use crate::aws::identifiers::{AccountId, Region, StreamGroupArn};
use crate::aws::model::{Filter, PageToken};
use crate::polling::discovery::{Discovery, reconnecting_due};
use crate::polling::interval::{
    FIRST_SCANS_PERIOD, GET_BACKLOG_SECONDS, MAX_SESSIONS_WITHOUT_LISTS, MAX_UNREAD_EVENTS, scan_interval,
};
use crate::polling::scan_group::ScanGroup;
use crate::polling::subscriptions::{GetState, Group, PollPlan};
use crate::polling::{PageRequest, PlannedRead, PollBudget, QuotaRates, ScanOwner, ScanSet, holder, min_instant};
use crate::quota::scheduler::{DISCOVERY_PREFIX, LISTS_NAMESPACE};
use std::collections::HashMap;
use tokio::time::Instant;

impl PollPlan {
    /// Returns what to do now, and when to plan again.
    pub(crate) fn plan_reads(&mut self, now: Instant, rates: QuotaRates) -> (Vec<PlannedRead>, Option<Instant>) {
        // Withdrawn first: the same object may need another Get.
        let mut reads: Vec<_> = self.withdrawn.drain(..).map(PlannedRead::Withdraw).collect();
        let mut next = None;
        let mut budgets = self.poll_budgets(now, rates);
        let mut groups = std::mem::take(&mut self.groups);
        for (key, group) in &mut groups {
            let Some(budget) = budgets.get_mut(&key.into()) else { continue };
            if group.discovery.is_some() {
                next = min_instant(next, self.plan_discovery(group, budget.discovered_before, now, &mut reads));
                budget.discovered_before += 1;
            }
            for scan_set in ScanSet::ALL {
                next = min_instant(next, self.plan_scan(group, scan_set, *budget, now, &mut reads));
            }
        }
        groups.retain(|_, group| {
            let is_in_use = group.is_in_use();
            if !is_in_use {
                reads.extend(self.forget_group(group));
            }
            is_in_use
        });
        self.groups = groups;
        next = min_instant(next, self.plan_gets(now, &mut reads));
        (reads, next)
    }

    /// Plans the next page of a group's discovery scan. `index` is the group's place among those of its account and
    /// Region.
    fn plan_discovery(
        &mut self,
        group: &mut Group,
        index: usize,
        now: Instant,
        reads: &mut Vec<PlannedRead>,
    ) -> Option<Instant> {
        // The consumer is behind.
        if self.events.len() >= MAX_UNREAD_EVENTS {
            return None;
        }
        let (turn, interval) = ((index, self.discovery_demand(&group.arn).groups), self.intervals.reconnect_scan);
        let due = self.discovery_epoch.and_then(|epoch| reconnecting_due(epoch, turn, interval, now));
        let step = group.discovery.as_mut()?.next_step(now, due, &self.intervals);
        if let Some(page) = step.page {
            self.plan_page(group, ScanOwner::Discovery, page, reads);
        }
        step.next
    }

    fn plan_page(
        &mut self,
        group: &Group,
        owner: ScanOwner,
        page: (Filter, Option<PageToken>),
        reads: &mut Vec<PlannedRead>,
    ) {
        let request = self.page_request(group, owner, page);
        self.holders.entry(request.holder()).or_insert_with(|| (StreamGroupArn::clone(&group.arn), owner));
        reads.push(PlannedRead::List(request));
    }

    /// The rates in force, of the List rate what discovery scans leave.
    pub(super) fn rates_without_discovery(&self, group: &StreamGroupArn, rates: QuotaRates) -> QuotaRates {
        self.discovery_demand(group).rates_left(rates)
    }

    /// What discovery needs in the group's account and Region.
    fn discovery_demand(&self, group: &StreamGroupArn) -> DiscoveryDemand {
        self.discovery_demands.get(&group.into()).copied().unwrap_or_default()
    }

    /// Computes the budget of each account and Region.
    fn poll_budgets(&mut self, now: Instant, rates: QuotaRates) -> HashMap<QuotaScope, PollBudget> {
        let mut demands: HashMap<QuotaScope, Demand> = HashMap::new();
        let hurries = self.discovery_epoch.is_some_and(|epoch| now < epoch + FIRST_SCANS_PERIOD);
        for (key, group) in &self.groups {
            let demand = demands.entry(key.into()).or_default();
            for scan_group in group.scan_groups.iter().filter(|scan_group| scan_group.polled_by_list) {
                demand.pages += scan_group.expected_pages_total(now);
                demand.ends_expected |= scan_group.ends_expected(now);
            }
            demand.gets += group.scan_groups.iter().map(ScanGroup::pending_gets).sum::<usize>();
            if let Some(discovery) = &group.discovery {
                demand.discovery.groups += 1;
                demand.discovery.page_rate += discovery.page_rate(now, &self.intervals);
                demand.discovery.first_scan |= hurries && discovery.is_first_scan(now);
            }
        }
        let enough_gets = (GET_BACKLOG_SECONDS * rates.get).max(MAX_SESSIONS_WITHOUT_LISTS as f64);
        self.discovery_demands = demands.iter().map(|(scope, demand)| (scope.clone(), demand.discovery)).collect();
        let budget = |demand: Demand| {
            let rates = demand.discovery.rates_left(rates);
            PollBudget {
                rates,
                scan_interval: scan_interval(demand.pages, rates.list, demand.ends_expected),
                gets_are_scarce: demand.gets as f64 > enough_gets,
                discovered_before: 0,
            }
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
        let scan_group = group.scan_group_mut(scan_set);
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
        for member in step.released.iter().filter_map(|session| scan_group.members.get(session)) {
            let uids = member.uids.iter().filter(|_| !member.list_only);
            uids.for_each(|uid| self.schedule_get(uid, member.at.max(now)));
        }
        if let Some(page) = step.page {
            self.plan_page(group, ScanOwner::Members(scan_set), page, reads);
        }
        step.next
    }

    /// Forgets a group without members. Returns its reservations for lists, to be cancelled.
    fn forget_group(&mut self, group: &Group) -> impl Iterator<Item = PlannedRead> {
        group.scan_groups.iter().for_each(|scan_group| self.stats.add(scan_group.stats));
        let holders = ScanOwner::ALL.map(|owner| holder(&group.arn, owner));
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
    fn needs_get(&self, uid: &Uid) -> bool {
        let Some(entry) = self.entries.get(uid) else { return false };
        let Some(scan_set) = ScanSet::of(entry.kind) else { return true };
        let is_one_of_few = entry.get == GetState::Queued || self.is_below_first_read_limit(entry);
        let Some(group) = self.groups.get(&*entry.group) else { return true };
        let scan_group = group.scan_group(scan_set);
        is_one_of_few || !scan_group.is_read_by_list(&entry.session) || scan_group.is_confirming(&entry.session)
    }

    fn page_request(
        &self,
        group: &Group,
        owner: ScanOwner,
        (filter, from): (Filter, Option<PageToken>),
    ) -> PageRequest {
        let discovery = group.discovery.as_ref();
        let (urgent, under_way, turns_of) = match owner {
            // While one group is scanned for the first time, the others keep their turns beside it.
            ScanOwner::Discovery => (
                self.discovery_demand(&group.arn).first_scan,
                discovery.is_some_and(Discovery::is_scan_under_way),
                discovery
                    .map_or_else(String::new, |discovery| format!("{DISCOVERY_PREFIX}{}", discovery.wanted.namespace)),
            ),
            ScanOwner::Members(scan_set) => {
                (scan_set == ScanSet::Live, group.scan_group(scan_set).is_scan_under_way(), LISTS_NAMESPACE.to_owned())
            }
        };
        PageRequest { group: group.arn.clone(), owner, turns_of: turns_of.into(), filter, from, urgent, under_way }
    }

    /// The read whose reservation was granted; `None` if it is no longer needed.
    pub(crate) fn granted_read(&self, uid: &Uid) -> Option<PlannedRead> {
        if let Some((key, owner)) = self.holders.get(uid) {
            let group = self.groups.get(key)?;
            let page = match owner {
                ScanOwner::Discovery => group.discovery.as_ref()?.queued_page(),
                ScanOwner::Members(scan_set) => group.scan_group(*scan_set).queued_page(),
            };
            return Some(PlannedRead::List(self.page_request(group, *owner, page?)));
        }
        let is_queued = self.entries.get(uid).is_some_and(|entry| entry.get == GetState::Queued);
        is_queued.then(|| PlannedRead::Get(uid.clone()))
    }
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
    /// What discovery needs.
    discovery: DiscoveryDemand,
}

/// What discovery needs in one account and Region.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DiscoveryDemand {
    /// Groups with a policy.
    groups: usize,
    /// Pages per second, if no share bounds them.
    page_rate: f64,
    /// A group is being scanned for the first time.
    first_scan: bool,
}

impl DiscoveryDemand {
    /// The rates in force, of the List rate what discovery leaves.
    fn rates_left(self, rates: QuotaRates) -> QuotaRates {
        QuotaRates { list: rates.list - self.page_rate.min(rates.list * rates.discovery_share), ..rates }
    }
}

/// What AWS counts the quota by: the account and the Region.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct QuotaScope(AccountId, Region);

impl From<&StreamGroupArn> for QuotaScope {
    fn from(group: &StreamGroupArn) -> Self {
        Self(group.account.clone(), group.region.clone())
    }
}
