//! An index of the objects that share a session or a `.zip`.
//!
//! Sorted by standing, then by destination or session, so that binary searches find conflicting claims: each of 2,000
//! objects of one session costs what one of two does. It is a sorted vector because it nearly always holds one object;
//! moving one among 2,000 moves 100 KB at most.

use crate::api::request::Uid;
use crate::state::Claim;
use std::cmp::Ordering;

/// An object's claim and life cycle, as far as other objects of the same session or `.zip` depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Standing {
    pub(crate) claim: Claim,
    /// It has finished, successfully or not.
    pub(crate) finished: bool,
    /// It has finished as FAILED.
    pub(crate) failed: bool,
    /// It has been deleted; its claim outlives it.
    pub(crate) deleted: bool,
}

impl Standing {
    /// True if its claim on its session (and, unless deleted, on its `.zip`) excludes other objects.
    pub(crate) fn holds(self) -> bool {
        !self.failed && (self.claim.is_open() || self.accepted())
    }

    pub(crate) fn intended(self) -> bool {
        self.claim != Claim::None
    }

    pub(crate) fn accepted(self) -> bool {
        self.claim == Claim::Accepted
    }

    /// True if it may still need reads or a call.
    pub(crate) fn unfinished(self) -> bool {
        !self.finished && !self.deleted
    }
}

/// The objects of a session, by destination; or the objects of a `.zip`, by session.
#[derive(Debug, Clone)]
pub(crate) struct Peers<K>(Vec<(Standing, K, Uid)>);

impl<K> Default for Peers<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Clone> Peers<K> {
    pub(super) fn insert(&mut self, standing: Standing, key: &K, uid: &Uid) {
        if let Err(at) = self.find(standing, key, uid) {
            self.0.reserve_exact(1);
            self.0.insert(at, (standing, key.clone(), uid.clone()));
        }
    }

    pub(super) fn remove(&mut self, standing: Standing, key: &K, uid: &Uid) {
        if let Ok(at) = self.find(standing, key, uid) {
            self.0.remove(at);
        }
    }

    fn find(&self, standing: Standing, key: &K, uid: &Uid) -> Result<usize, usize> {
        self.0.binary_search_by(|(s, k, u)| (s, k, u).cmp(&(&standing, key, uid)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn uids(&self) -> impl Iterator<Item = &Uid> {
        self.0.iter().map(|(_, _, uid)| uid)
    }

    /// True if any object's standing is `wanted`.
    pub(super) fn any(&self, wanted: impl Fn(Standing) -> bool) -> bool {
        self.groups(wanted).next().is_some()
    }

    /// The first object other than `uid` with a `wanted` standing.
    pub(crate) fn other(&self, uid: &Uid, wanted: impl Fn(Standing) -> bool) -> Option<&Uid> {
        self.groups(wanted).find_map(|group| uids_of(group).find(|other| *other != uid))
    }

    /// The first object with a `wanted` standing and a key other than `key`.
    pub(crate) fn elsewhere(&self, key: &K, wanted: impl Fn(Standing) -> bool) -> Option<&Uid> {
        self.groups(wanted).find_map(|group| {
            let ends = group.first().into_iter().chain(group.last());
            ends.filter(|(_, other, _)| other != key).map(|(_, _, uid)| uid).next()
        })
    }

    /// An object other than `uid` with a `wanted` standing and a key for which `order` returns `Equal`.
    pub(crate) fn beside(
        &self,
        uid: &Uid,
        order: impl Fn(&K) -> Ordering,
        wanted: impl Fn(Standing) -> bool,
    ) -> Option<&Uid> {
        self.groups(wanted).find_map(|group| {
            let from = group.partition_point(|(_, key, _)| order(key) == Ordering::Less);
            let equal = group.get(from..)?.iter().take_while(|(_, key, _)| order(key) == Ordering::Equal);
            equal.map(|(_, _, other)| other).find(|other| *other != uid)
        })
    }

    /// The objects of each `wanted` standing, sorted by key.
    fn groups(&self, wanted: impl Fn(Standing) -> bool) -> impl Iterator<Item = &[(Standing, K, Uid)]> {
        let mut rest = self.0.as_slice();
        let groups = std::iter::from_fn(move || {
            let standing = rest.first()?.0;
            let (group, others) = rest.split_at(rest.partition_point(|(other, _, _)| *other == standing));
            rest = others;
            Some((standing, group))
        });
        groups.filter(move |(standing, _)| wanted(*standing)).map(|(_, group)| group)
    }
}

fn uids_of<K>(group: &[(Standing, K, Uid)]) -> impl Iterator<Item = &Uid> {
    group.iter().map(|(_, _, uid)| uid)
}
