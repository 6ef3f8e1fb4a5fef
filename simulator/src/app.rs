//! What all requests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::export::upload::Uploader;
use crate::faults::FaultBook;
use crate::identity::{Identity, KeyRing, Scope};
use crate::journal::Journal;
use crate::quota::Quota;
use crate::service::world::World;

/// The running simulator.
pub struct App {
    /// The simulated clock.
    pub clock: Arc<Clock>,
    /// What happened.
    pub journal: Arc<Journal>,
    /// The Regions served.
    pub regions: Vec<String>,
    /// The simulator's own account, in its first Region.
    pub home: Scope,
    /// The key that uploads without a caller use.
    pub default_key: String,
    /// The client of the S3 endpoint.
    pub uploader: Uploader,
    /// The callers.
    pub keys: Arc<RwLock<KeyRing>>,
    /// Wakes the engine when the agenda or the clock has changed.
    pub wake: Notify,
    pub(crate) world: Mutex<World>,
    pub(crate) faults: Mutex<FaultBook>,
    pub(crate) quota: Mutex<Quota>,
}

impl App {
    /// The state of the service. Nothing panics while it holds a lock, and a poisoned one would
    /// still guard consistent data.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules for faults.
    pub fn faults(&self) -> MutexGuard<'_, FaultBook> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The quotas.
    pub fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys, to read.
    pub fn keys(&self) -> RwLockReadGuard<'_, KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys, to change.
    pub fn keys_mut(&self) -> RwLockWriteGuard<'_, KeyRing> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose authority an upload uses.
    #[must_use]
    pub fn authority(&self, access_key_id: Option<&str>) -> Option<Identity> {
        let keys = self.keys();
        keys.get(access_key_id.unwrap_or(&self.default_key)).cloned()
    }
}
