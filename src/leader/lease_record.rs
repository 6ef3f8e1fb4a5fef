//! The Lease record, and the next action that follows from it. Pure: no IO, and every clock is an argument.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use std::time::Duration;
use tokio::time::Instant;

/// The annotation with the scope of the Lease's holder; see [`crate::runtime::scope::Scope`].
pub(super) const SCOPE: &str = "sessionexport.dev/scope";

/// The durations of the lease; client-go's by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseDurations {
    /// A lease whose record has not changed for this long is free.
    pub duration: Duration,
    /// A leader that could not renew for this long stops acting; below `duration`.
    pub renew_deadline: Duration,
    /// Pause between renewals, and between tries.
    pub retry: Duration,
}

impl Default for LeaseDurations {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { duration: secs(15), renew_deadline: secs(10), retry: secs(2) }
    }
}

/// The Lease as last seen, and since when its record is unchanged, by this process's clock.
#[derive(Debug, Clone)]
pub(super) struct ObservedLease {
    lease: Option<Lease>,
    since: Instant,
}

impl ObservedLease {
    pub(super) fn new(lease: Option<Lease>, now: Instant) -> Self {
        Self { lease, since: now }
    }

    /// Records what was read at `now`. Only a changed record counts as a sign of life, not a changed label.
    pub(super) fn updated_lease(&mut self, lease: Option<Lease>, now: Instant) {
        if lease.as_ref().map(|l| &l.spec) != self.lease.as_ref().map(|l| &l.spec) {
            self.since = now;
        }
        self.lease = lease;
    }

    pub(super) fn lease_for(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    pub(super) fn holder_of(&self) -> &str {
        self.lease.as_ref().map_or("", holder_of)
    }
}

/// The next action on the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseAction {
    /// There is none: create it, held by this replica.
    Create,
    /// It is free: take it.
    Acquire,
    /// This replica holds it: renew it.
    Renew,
    /// Another replica holds it, at least until then.
    Wait(Instant),
}

/// The next action for what was seen. The record's own duration counts, because its holder relies on that.
pub(super) fn next(observed: &ObservedLease, me: &str, now: Instant, timing: LeaseDurations) -> LeaseAction {
    let Some(lease) = observed.lease_for() else { return LeaseAction::Create };
    let holder = holder_of(lease);
    if holder == me {
        return LeaseAction::Renew;
    }
    match expires_at(observed, timing) {
        Some(free_at) if now < free_at => LeaseAction::Wait(free_at),
        Some(_) | None => LeaseAction::Acquire,
    }
}

/// Until when the holder counts as alive, unless the record changes before; `None` if the Lease has no holder.
pub(super) fn expires_at(observed: &ObservedLease, timing: LeaseDurations) -> Option<Instant> {
    let lease = observed.lease_for().filter(|lease| !holder_of(lease).is_empty())?;
    Some(observed.since + declared_duration(lease).unwrap_or(timing.duration))
}

fn holder_of(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

fn declared_duration(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// A replica that competes for a Lease.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// The name of the Lease.
    pub(super) name: String,
    /// Differs between any two processes that may live at the same time.
    pub(super) identity: String,
    /// Its scope, as the value of the annotation.
    pub(super) scope: String,
}

/// The Lease to write so that `me` holds it: created, taken over or renewed. Keeps foreign annotations and labels, and
/// the resourceVersion, which makes the write a compare-and-swap.
pub(super) fn held_by(current: Option<&Lease>, me: &Candidate, wall: Timestamp, timing: LeaseDurations) -> Lease {
    let mut lease = current.cloned().unwrap_or_else(|| empty_record(&me.name));
    lease.metadata.annotations.get_or_insert_default().insert(SCOPE.to_owned(), me.scope.clone());
    let me = me.identity.as_str();
    let renews = holder_of(&lease) == me;
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

/// The Lease to write so that any replica may take it at once.
pub(super) fn released_lease(current: &Lease, wall: Timestamp) -> Lease {
    let mut lease = current.clone();
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(1);
    spec.acquire_time = Some(MicroTime(wall));
    spec.renew_time = Some(MicroTime(wall));
    lease
}

fn empty_record(name: &str) -> Lease {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    Lease { metadata, spec: Some(LeaseSpec::default()) }
}

/// Rounded up, so that no replica takes the lease early.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds.max(1)).unwrap_or(i32::MAX)
}
