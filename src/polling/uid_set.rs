//! A compact set of object uids: nearly always just one.

use crate::api::request::Uid;
use std::ops::Deref;

/// An ordered set without spare capacity.
#[derive(Debug, Default)]
pub(crate) struct UidSet(Vec<Uid>);

impl UidSet {
    /// Does nothing if the uid is present.
    pub(crate) fn insert(&mut self, uid: Uid) {
        if let Err(at) = self.0.binary_search(&uid) {
            self.0.reserve_exact(1);
            self.0.insert(at, uid);
        }
    }

    /// Does nothing if the uid is absent.
    pub(crate) fn remove(&mut self, uid: &Uid) {
        if let Ok(at) = self.0.binary_search(uid) {
            self.0.remove(at);
        }
    }
}

impl Deref for UidSet {
    type Target = [Uid];

    fn deref(&self) -> &[Uid] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_there_once_in_order() {
        let mut uids = UidSet::default();
        for uid in ["b", "a", "c", "a"] {
            uids.insert(uid.into());
        }
        uids.remove(&"b".into());
        uids.remove(&"z".into());
        assert_eq!(*uids, ["a".into(), "c".into()]);
    }
}
