//! Gates before what AWS denies, so that ten thousand objects don't ask for what one has just been refused.
//!
//! Owns: which (identity, Region, operation, group, bucket) is denied, and who may try it again when: one holder at a
//! time, after 10, 20, 40, then every 60 s (from the configuration), a different one each time, the most urgent
//! first. Never: reads a clock, makes a call, or spends quota: ask here before asking for a turn.

mod door;
#[cfg(test)]
mod tests;

use self::door::Door;
use super::identifiers::{OutputUri, Region, SessionArn, StreamGroupArn, StreamGroupId};
use super::observation::FailureClass;
use super::operation::Operation;
use super::turns::Urgency;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What a denial holds for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Gate {
    /// [`FailureClass::AccessDenied`]: IAM decides by operation, group and, for an export, bucket.
    Permission {
        /// Whose permission, an opaque name.
        identity: Arc<str>,
        /// Where.
        region: Region,
        /// To do what.
        operation: Operation,
        /// With which stream group.
        group: StreamGroupId,
        /// Into which bucket; `None` for reads.
        bucket: Option<Box<str>>,
    },
    /// [`FailureClass::Credentials`]: holds for everything that the identity does in the Region.
    Credentials {
        /// Whose credentials, an opaque name.
        identity: Arc<str>,
        /// Where.
        region: Region,
    },
}

impl Gate {
    /// The gate of a read.
    pub fn read(identity: Arc<str>, operation: Operation, group: &StreamGroupArn) -> Self {
        let StreamGroupArn { region, account: _, group } = group.clone();
        Self::Permission { identity, region, operation, group, bucket: None }
    }

    /// The gate of an export.
    pub fn export(identity: Arc<str>, arn: &SessionArn, uri: &OutputUri) -> Self {
        let (region, group) = (arn.region.clone(), arn.group.clone());
        Self::Permission { identity, region, operation: Operation::Export, group, bucket: Some(uri.bucket().into()) }
    }

    /// The gate of an identity's credentials.
    pub fn credentials(identity: Arc<str>, region: Region) -> Self {
        Self::Credentials { identity, region }
    }
}

/// The answer to [`Gates::admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Go on.
    Open,
    /// Denied to others, but this holder may try: it must report what came of it ([`Gates::denied`],
    /// [`Gates::succeeded`] or [`Gates::inconclusive`]).
    Probe,
    /// Don't call.
    Closed {
        /// Why.
        class: FailureClass,
        /// When AWS denied it first.
        since: Instant,
        /// When it is worth asking again. [`Gates::due`] names the one holder whose turn it will be.
        next: Instant,
    },
}

/// All gates of this process.
#[derive(Debug)]
pub struct Gates {
    min: Duration,
    max: Duration,
    doors: Mutex<HashMap<Gate, Door>>,
}

impl Gates {
    /// All open. The first retry comes after `min`; the wait doubles up to `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max: max.max(min), doors: Mutex::default() }
    }

    /// May this holder call? One that is told to wait is remembered until it is withdrawn or the gate opens.
    pub fn admit(&self, gate: &Gate, uid: &Arc<str>, urgency: Urgency, now: Instant) -> Admission {
        self.lock().get_mut(gate).map_or(Admission::Open, |door| door.admit(uid, urgency, now))
    }

    /// AWS denied this holder's call. Closes an open gate; after a probe, waits twice as long. A call that had been
    /// on its way when the gate closed changes nothing.
    pub fn denied(&self, gate: &Gate, uid: &Arc<str>, class: FailureClass, now: Instant) {
        let mut doors = self.lock();
        if let Some(door) = doors.get_mut(gate) {
            door.denied(uid, class, self.max, now);
        } else {
            doors.insert(gate.clone(), Door::new(uid.clone(), class, self.min, now));
        }
    }

    /// AWS allowed it: opens the gate, and returns the uids of all who were told to wait, to be woken.
    pub fn succeeded(&self, gate: &Gate) -> Vec<Arc<str>> {
        self.lock().remove(gate).map(Door::into_waiting).unwrap_or_default()
    }

    /// The probe told nothing (no answer, throttled, refused for another reason): the next one comes after the same
    /// wait.
    pub fn inconclusive(&self, gate: &Gate, uid: &Arc<str>, now: Instant) {
        if let Some(door) = self.lock().get_mut(gate) {
            door.inconclusive(uid, now);
        }
    }

    /// Forgets a holder: it is deleted, suspended or finished.
    pub fn withdraw(&self, uid: &str) {
        self.lock().values_mut().for_each(|door| door.withdraw(uid));
    }

    /// Whose turn it is to probe now, to be woken, and when to look again. Forgets gates that nobody asks at.
    pub fn due(&self, now: Instant) -> (Vec<Arc<str>>, Option<Instant>) {
        let mut doors = self.lock();
        doors.retain(|_, door| !door.is_forgotten(self.max, now));
        let next = doors.values().map(|door| door.next_look(now)).min();
        (doors.values().filter_map(|door| door.elected(now)).collect(), next)
    }

    /// How many gates are closed, for metrics.
    pub fn closed(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Gate, Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
