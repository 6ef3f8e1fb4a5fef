//! A few objects: nearly always one.

use super::request::Uid;
use std::ops::Deref;

/// A set in the order of the uids that takes no more room than it needs.
#[derive(Debug, Default)]
pub struct Uids(Vec<Uid>);

impl Uids {
    /// Does nothing if it is there.
    pub fn insert(&mut self, uid: Uid) {
        if let Err(at) = self.0.binary_search(&uid) {
            self.0.reserve_exact(1);
            self.0.insert(at, uid);
        }
    }

    /// Does nothing if it is not there.
    pub fn remove(&mut self, uid: &Uid) {
        if let Ok(at) = self.0.binary_search(uid) {
            self.0.remove(at);
        }
    }
}

impl Deref for Uids {
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
        let mut uids = Uids::default();
        for uid in ["b", "a", "c", "a"] {
            uids.insert(uid.into());
        }
        uids.remove(&"b".into());
        uids.remove(&"z".into());
        assert_eq!(*uids, ["a".into(), "c".into()]);
    }
}
