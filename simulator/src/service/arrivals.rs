//! Sessions that arrive by themselves, as if players used the applications of a stream group: each starts, has a client
//! and ends without any request.
//!
//! Owns: when the next session arrives, and what is drawn for it.
//! Never: what becomes of it then; `lifecycle` follows the course that was drawn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Millis, as_millis};
use crate::identity::Scope;
use crate::service::draw::Draw;
use crate::service::session::{Beginning, Course, Session};
use crate::service::world::{World, format_id};
use crate::wire::constraint::{self as rule, Checker};
use crate::wire::request::Start;

const HIGHEST_RATE: f64 = 1000.0;
/// AWS's longest session.
const LONGEST_SECONDS: f64 = 86_400.0;
const LONGEST_PREFIX: usize = 64;

/// Which sessions arrive, how often and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ArrivalPlan {
    /// Sessions a second, evenly spaced; the first arrives at once.
    pub per_second: f64,
    /// The shortest and the longest time from ACTIVE to TERMINATING, in seconds.
    pub lifetime_seconds: [f64; 2],
    /// From ACTIVE to CONNECTED; a client that takes longer than the lifetime never connects.
    pub connect_seconds: [f64; 2],
    /// How long before the end the client leaves: so long the session is PENDING_CLIENT_RECONNECTION. Absent: it stays.
    pub disconnected_seconds: Option<[f64; 2]>,
    /// Whether the sessions end because their client leaves, as those of stream URLs do.
    pub ends_on_disconnect: bool,
    /// The stream groups, one of which is drawn for each; the first one when empty.
    pub groups: Vec<String>,
    /// Their account; the simulator's own when absent.
    pub account: Option<String>,
    /// Their Region; the first one when absent.
    pub region: Option<String>,
    /// The applications' ids, one of which is drawn for each.
    pub applications: Vec<String>,
    /// Where they run, drawn in the same way; in their Region when empty.
    pub locations: Vec<String>,
    /// How many arrive at most.
    pub count: u32,
    /// For how many seconds they arrive; as long as `count` allows when absent.
    pub for_seconds: Option<f64>,
    /// Their longest life.
    pub session_length_seconds: u32,
    /// How long they wait for a client.
    pub connection_timeout_seconds: u32,
    /// What their ids start with.
    pub prefix: String,
    /// What all draws follow from, the ids included.
    pub seed: u64,
    /// Whether the time that the clock is pushed ahead passes without arrivals. Otherwise all of it brings some, at once.
    pub skip_pushed_time: bool,
}

impl Default for ArrivalPlan {
    fn default() -> Self {
        Self {
            per_second: 1.0,
            lifetime_seconds: [20.0, 120.0],
            connect_seconds: [0.0, 2.0],
            disconnected_seconds: None,
            ends_on_disconnect: false,
            groups: Vec::new(),
            account: None,
            region: None,
            applications: vec!["a-9ZY8X7Wv6".to_owned()],
            locations: Vec::new(),
            count: 100_000,
            for_seconds: None,
            session_length_seconds: 86_400,
            connection_timeout_seconds: 120,
            prefix: String::new(),
            seed: 1,
            skip_pushed_time: false,
        }
    }
}

impl ArrivalPlan {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if !(self.per_second > 0.0 && self.per_second <= HIGHEST_RATE) {
            return Err(format!("perSecond is {}, not above 0 and at most {HIGHEST_RATE}", self.per_second));
        }
        check_range("lifetimeSeconds", self.lifetime_seconds)?;
        check_range("connectSeconds", self.connect_seconds)?;
        self.disconnected_seconds.map_or(Ok(()), |range| check_range("disconnectedSeconds", range))?;
        if self.ends_on_disconnect && self.disconnected_seconds.is_some() {
            return Err("disconnectedSeconds is for sessions that go on when their client leaves".to_owned());
        }
        if self.for_seconds.is_some_and(|seconds| !(seconds > 0.0 && Duration::try_from_secs_f64(seconds).is_ok())) {
            return Err("forSeconds is not above 0".to_owned());
        }
        if self.count == 0 || self.applications.is_empty() {
            return Err("count and applications can't be empty".to_owned());
        }
        self.check_words()
    }

    fn check_words(&self) -> Result<(), String> {
        if self.prefix.len() > LONGEST_PREFIX || !self.prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(format!("prefix is {:?}, not up to {LONGEST_PREFIX} letters, digits and hyphens", self.prefix));
        }
        let mut check = Checker::default();
        self.applications.iter().for_each(|id| check.text("applications", id, &rule::IDENTIFIER));
        self.locations.iter().for_each(|name| check.text("locations", name, &rule::LOCATION));
        check.finish().map_err(|error| error.message)
    }
}

fn check_range(name: &str, [least, most]: [f64; 2]) -> Result<(), String> {
    if 0.0 <= least && least <= most && most <= LONGEST_SECONDS {
        Ok(())
    } else {
        Err(format!("{name} is [{least}, {most}], not two numbers in order from 0 to {LONGEST_SECONDS}"))
    }
}

/// Arrivals that have been started.
pub struct Arrivals {
    /// What was asked for.
    pub plan: ArrivalPlan,
    /// When they were started.
    pub started_at: Millis,
    /// The numbers of the sessions that have arrived, in their order.
    pub sessions: Vec<u64>,
    /// When the next session arrives; none when no more do.
    next_at: Option<Millis>,
    /// What the times of arrival are counted from: the start, or later where pushed time is skipped.
    counted_from: Millis,
    scope: Arc<Scope>,
    groups: Vec<Arc<str>>,
    applications: Vec<Arc<str>>,
    locations: Vec<Arc<str>>,
    input: Arc<Start>,
}

impl Arrivals {
    /// Whether more sessions arrive.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.next_at.is_some()
    }

    /// Draws the session that arrives now.
    fn draw_session(&self, at: Millis, is_taken: impl Fn(&str) -> bool) -> Session {
        let plan = &self.plan;
        let mut draw = Draw::new(plan.seed, u64::try_from(self.sessions.len()).unwrap_or(u64::MAX));
        let mut new_id = || {
            let bits = (u128::from(draw.next_u64()) << 64) | u128::from(draw.next_u64());
            format!("{}{}", plan.prefix, format_id(bits))
        };
        let mut id = new_id();
        // The same seed was used before: other ids, again the same in each run.
        while is_taken(&id) {
            id = new_id();
        }
        let pick = |draw: &mut Draw, from: &[Arc<str>]| draw.choose(from).cloned().unwrap_or_default();
        let mut session = Session::start(Beginning {
            id,
            scope: self.scope.clone(),
            group: pick(&mut draw, &self.groups),
            application: pick(&mut draw, &self.applications),
            location: pick(&mut draw, &self.locations),
            created_at: at,
            connection_timeout_seconds: plan.connection_timeout_seconds,
            length_seconds: plan.session_length_seconds,
            input: self.input.clone(),
        });
        session.ends_on_disconnect = plan.ends_on_disconnect;
        session.course = Some(draw_course(plan, &mut draw));
        session
    }

    /// Plans the arrival after those that have come.
    fn plan_next(&mut self) {
        let arrived = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        let after = to_millis(f64::from(arrived) / self.plan.per_second);
        let is_late = self.plan.for_seconds.is_some_and(|seconds| after >= to_millis(seconds));
        self.next_at = (arrived < self.plan.count && !is_late).then(|| self.counted_from.saturating_add(after));
    }
}

fn draw_course(plan: &ArrivalPlan, draw: &mut Draw) -> Course {
    let mut seconds = |[least, most]: [f64; 2]| draw.number_between(to_millis(least), to_millis(most));
    let end_after = seconds(plan.lifetime_seconds);
    let connect_after = seconds(plan.connect_seconds);
    let disconnect_after = match plan.disconnected_seconds {
        Some(range) => Some(end_after.saturating_sub(seconds(range)).max(connect_after)),
        None => plan.ends_on_disconnect.then_some(end_after),
    };
    Course { connect_after, disconnect_after, end_after }
}

/// What `check` lets through always fits.
fn to_millis(seconds: f64) -> Millis {
    Duration::try_from_secs_f64(seconds).map_or(Millis::MAX, as_millis)
}

impl World {
    /// Starts arrivals and returns their number.
    pub fn start_arrivals(&mut self, plan: ArrivalPlan, default: &Scope, now: Millis) -> Result<u64, String> {
        plan.check()?;
        let account = plan.account.as_ref().unwrap_or(&default.account);
        let scope = Scope::new(account, plan.region.as_ref().unwrap_or(&default.region));
        let groups = self.find_groups(&plan, &scope)?;
        let shared = |texts: &[String]| texts.iter().map(|text| Arc::from(text.as_str())).collect::<Vec<Arc<str>>>();
        let mut locations = shared(&plan.locations);
        if locations.is_empty() {
            locations.push(scope.region.as_str().into());
        }
        let arrivals = Arrivals {
            started_at: now,
            sessions: Vec::new(),
            next_at: Some(now),
            counted_from: now,
            scope: Arc::new(scope),
            groups: shared(&groups),
            applications: shared(&plan.applications),
            locations,
            input: Arc::new(Start::default()),
            plan,
        };
        let id = self.arrivals.keys().next_back().copied().unwrap_or(0) + 1;
        self.arrivals.insert(id, arrivals);
        Ok(id)
    }

    /// The groups of a plan; each exists and can run each application.
    fn find_groups(&self, plan: &ArrivalPlan, scope: &Scope) -> Result<Vec<String>, String> {
        let groups = match plan.groups.as_slice() {
            [] => vec![self.group_or_first(None, scope)?],
            groups => groups.iter().map(|id| self.group_or_first(Some(id), scope)).collect::<Result<_, _>>()?,
        };
        for id in &groups {
            let known = self.group(scope, id).map_or(&[][..], |group| &group.applications);
            let lacks = |application: &&String| !known.is_empty() && !known.contains(application);
            if let Some(application) = plan.applications.iter().find(lacks) {
                return Err(format!("there is no application {application} in the group {id}"));
            }
        }
        Ok(groups)
    }

    /// All arrivals, also those of which no more come.
    #[must_use]
    pub fn arrivals(&self) -> &BTreeMap<u64, Arrivals> {
        &self.arrivals
    }

    /// Lets no more sessions of one arrive, or of all; those that have come live on. False when there is no such number.
    pub fn stop_arrivals(&mut self, id: Option<u64>) -> bool {
        let mut found = id.is_none();
        for arrivals in self.arrivals.iter_mut().filter(|(key, _)| id.is_none_or(|id| id == **key)).map(|(_, all)| all)
        {
            arrivals.next_at = None;
            found = true;
        }
        found
    }

    /// The clock is about to be pushed ahead.
    pub fn postpone_arrivals(&mut self, by: Millis) {
        for arrivals in self.arrivals.values_mut().filter(|arrivals| arrivals.plan.skip_pushed_time) {
            arrivals.counted_from = arrivals.counted_from.saturating_add(by);
            arrivals.next_at = arrivals.next_at.map(|at| at.saturating_add(by));
        }
    }

    /// When the next session arrives, and among which arrivals.
    pub(super) fn next_arrival(&self) -> Option<(Millis, u64)> {
        self.arrivals.iter().filter_map(|(id, arrivals)| Some((arrivals.next_at?, *id))).min()
    }

    /// Lets the next session of these arrivals start.
    pub(super) fn admit_arrival(&mut self, id: u64, at: Millis) {
        let Some(arrivals) = self.arrivals.get(&id) else { return };
        let session = arrivals.draw_session(at, |id| self.by_id.contains_key(id));
        let seq = self.insert(session);
        if let Some(arrivals) = self.arrivals.get_mut(&id) {
            arrivals.sessions.push(seq);
            arrivals.plan_next();
        }
    }
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
