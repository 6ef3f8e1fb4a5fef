//! What this process has written itself, until the watch shows it: a cache that lags must not undo it.

use super::request::Uid;
use crate::api::SessionExport;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The newest copies of objects that this process has written or read live.
#[derive(Debug, Default)]
pub struct OwnWrites(Mutex<HashMap<Uid, Arc<SessionExport>>>);

impl OwnWrites {
    /// Remembers what the API server answered.
    pub fn remember(&self, object: Arc<SessionExport>) {
        if let Some(uid) = object.metadata.uid.as_deref() {
            self.lock().insert(uid.into(), object);
        }
    }

    /// The newer of the cache's copy and our own. Ours is dropped once the cache has caught up.
    pub fn newest(&self, cached: Arc<SessionExport>) -> Arc<SessionExport> {
        let Some(uid) = cached.metadata.uid.as_deref() else { return cached };
        let mut own = self.lock();
        match own.get(uid) {
            Some(ours) if is_behind(&cached, ours) => ours.clone(),
            Some(_) => {
                own.remove(uid);
                cached
            }
            None => cached,
        }
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uid, Arc<SessionExport>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resource versions of one resource compare as integers (KEP-5504); where one is no integer, the cache is believed.
fn is_behind(cached: &SessionExport, ours: &SessionExport) -> bool {
    let version = |object: &SessionExport| object.metadata.resource_version.as_deref()?.parse::<u64>().ok();
    matches!((version(cached), version(ours)), (Some(cached), Some(ours)) if cached < ours)
}
