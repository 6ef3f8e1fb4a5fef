//! What a Lease says, and what follows from it. Pure: no IO, and every clock is an argument.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use std::time::Duration;
use tokio::time::Instant;

/// The annotation that says which objects the Lease's holder works on; see [`crate::operator::scope::Scope`].
pub(super) const SCOPE: &str = "sessionexport.dev/scope";

/// The durations of the lease; client-go's by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A record that has not changed for this long is free to take.
    pub duration: Duration,
    /// A leader that could not renew for this long stops acting; below `duration`.
    pub renew_deadline: Duration,
    /// Pause between renewals, and between tries.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { duration: secs(15), renew_deadline: secs(10), retry: secs(2) }
    }
}

/// The Lease as last seen, and since when its record has stood there unchanged, by this process's clock.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    lease: Option<Lease>,
    since: Instant,
}

impl Seen {
    pub(super) fn new(lease: Option<Lease>, now: Instant) -> Self {
        Self { lease, since: now }
    }

    /// Takes in what was read at `now`. Only a changed record counts as a sign of life, not a changed label.
    pub(super) fn update(&mut self, lease: Option<Lease>, now: Instant) {
        if lease.as_ref().map(|l| &l.spec) != self.lease.as_ref().map(|l| &l.spec) {
            self.since = now;
        }
        self.lease = lease;
    }

    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    pub(super) fn holder(&self) -> &str {
        self.lease.as_ref().map_or("", holder)
    }
}

/// What to do about the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is none: make one that is ours.
    Create,
    /// It is free: take it.
    Acquire,
    /// It is ours: renew it.
    Renew,
    /// It is another's, at least until then.
    Wait(Instant),
}

/// What follows from what was seen. The record's own duration counts, for that is what its holder relies on.
pub(super) fn next(seen: &Seen, me: &str, now: Instant, timing: Timing) -> Step {
    let Some(lease) = seen.lease() else { return Step::Create };
    let holder = holder(lease);
    if holder == me {
        return Step::Renew;
    }
    match held_until(seen, timing) {
        Some(free_at) if now < free_at => Step::Wait(free_at),
        Some(_) | None => Step::Acquire,
    }
}

/// Until when its record counts as a living holder's, unless it changes before; `None` if nobody holds it.
pub(super) fn held_until(seen: &Seen, timing: Timing) -> Option<Instant> {
    let lease = seen.lease().filter(|lease| !holder(lease).is_empty())?;
    Some(seen.since + promised(lease).unwrap_or(timing.duration))
}

fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

fn promised(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// Who wants a Lease.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Of the Lease.
    pub(super) name: String,
    /// Differs between any two processes that may live at the same time.
    pub(super) identity: String,
    /// Which objects it works on, as an annotation.
    pub(super) scope: String,
}

/// The Lease to write so that `me` holds it: created, taken over or renewed. Keeps what others wrote on it, and the
/// resourceVersion, which makes the write a compare-and-swap.
pub(super) fn held_by(current: Option<&Lease>, me: &Candidate, wall: Timestamp, timing: Timing) -> Lease {
    let mut lease = current.cloned().unwrap_or_else(|| empty(&me.name));
    lease.metadata.annotations.get_or_insert_default().insert(SCOPE.to_owned(), me.scope.clone());
    let me = me.identity.as_str();
    let renews = holder(&lease) == me;
    let spec = lease.spec.get_or_insert_default();
    if !renews {
        spec.lease_transitions = Some(current.map_or(0, |_| spec.lease_transitions.unwrap_or(0).saturating_add(1)));
        spec.holder_identity = Some(me.to_owned());
    }
    if !renews || spec.acquire_time.is_none() {
        spec.acquire_time = Some(MicroTime(wall));
    }
    spec.lease_duration_seconds = Some(whole_seconds(timing.duration));
    spec.renew_time = Some(MicroTime(wall));
    lease
}

/// The Lease to write so that anybody may take it at once.
pub(super) fn released(current: &Lease, wall: Timestamp) -> Lease {
    let mut lease = current.clone();
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.acquire_time = Some(MicroTime(wall));
    spec.renew_time = Some(MicroTime(wall));
    lease
}

fn empty(name: &str) -> Lease {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    Lease { metadata, spec: Some(LeaseSpec::default()) }
}

/// Rounded up: others shall not take it sooner than we mean.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds.max(1)).unwrap_or(i32::MAX)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
