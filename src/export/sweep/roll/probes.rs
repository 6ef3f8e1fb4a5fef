//! One Get for each of the missing, and whether that shows that the lists can be trusted.

use crate::streams::identifiers::StreamSessionId;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// So many of a namespace at once, until they show that the list can be trusted.
const AT_ONCE: usize = 10;
/// So many that were not missing after all, and more than were: the list can't be trusted.
const REFUTED: u32 = 3;

#[derive(Debug)]
pub(super) struct Probes {
    /// Turns are fair between namespaces: whoever waits for them here must not wait for those of another.
    namespaces: HashMap<Arc<str>, Line>,
    out: HashMap<StreamSessionId, Arc<str>>,
    at_once: usize,
    /// Of this round's missing: how many were so rightly, and wrongly.
    right: u32,
    wrong: u32,
    /// In how many rounds on end the latter were more.
    distrust: u32,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<StreamSessionId>,
    out: usize,
}

impl Default for Probes {
    fn default() -> Self {
        let (namespaces, out) = (HashMap::new(), HashMap::new());
        Self { namespaces, out, at_once: AT_ONCE, right: 0, wrong: 0, distrust: 0 }
    }
}

impl Probes {
    pub(super) fn len(&self) -> usize {
        self.namespaces.values().map(|line| line.waiting.len() + line.out).sum()
    }

    pub(super) fn is_out(&self, session: &StreamSessionId) -> bool {
        self.out.contains_key(session)
    }

    pub(super) fn distrust(&self) -> Option<u32> {
        (self.distrust > 0).then_some(self.distrust)
    }

    pub(super) fn add(&mut self, session: StreamSessionId, namespace: Arc<str>) {
        self.namespaces.entry(namespace).or_default().waiting.push_back(session);
    }

    /// Those to be read now, of whom are still missing.
    pub(super) fn due(&mut self, is_missing: impl Fn(&StreamSessionId) -> bool) -> Vec<StreamSessionId> {
        let mut due = Vec::new();
        for (namespace, line) in &mut self.namespaces {
            while line.out < self.at_once
                && let Some(session) = line.waiting.pop_front()
            {
                if is_missing(&session) && !self.out.contains_key(&session) {
                    self.out.insert(session.clone(), namespace.clone());
                    line.out += 1;
                    due.push(session);
                }
            }
        }
        self.namespaces.retain(|_, line| line.out > 0 || !line.waiting.is_empty());
        due
    }

    /// It has been read, or need not be any more. True if its Get was out.
    pub(super) fn ended(&mut self, session: &StreamSessionId) -> bool {
        let Some(namespace) = self.out.remove(session) else { return false };
        if let Some(line) = self.namespaces.get_mut(&namespace) {
            line.out -= 1;
        }
        true
    }

    pub(super) fn new_round(&mut self) {
        (self.right, self.wrong) = (0, 0);
    }

    pub(super) fn was_right(&mut self) {
        self.right += 1;
        self.at_once += 2;
        self.distrust = 0;
    }

    /// A list that misses what is there must not cost a Get for each. Returns those that are spared theirs.
    pub(super) fn was_wrong(&mut self, gives_up: bool) -> Vec<StreamSessionId> {
        self.wrong += 1;
        if !gives_up || self.wrong < REFUTED || self.wrong <= self.right {
            return Vec::new();
        }
        self.distrust += 1;
        self.at_once = (self.at_once / 2).clamp(1, AT_ONCE);
        self.namespaces.values_mut().flat_map(|line| line.waiting.drain(..)).collect()
    }
}
