//! One round: a roll's lists, read page by page. Pure.

use super::Kind;
use crate::streams::observation::{Filter, PageToken};
use std::collections::{HashSet, VecDeque};
use tokio::time::Instant;

/// No round reads more pages than this, whatever it is worth: a list may go round in circles for ever.
const MOST_PAGES: f64 = 5_000.0;

/// Which lists are being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Those that show the roll.
    Roll,
    /// Those of what has ended, for who is missing.
    History,
}

/// How far the next page has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// To be asked for.
    Wanted,
    /// Waits for its turn, since then.
    Asked(Instant),
    /// On its way.
    Flying,
}

/// What a page leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// The next page.
    On,
    /// Nothing: all has been read to its end.
    Complete,
    /// Nothing: it costs more than it is worth, or never ends. It proves nobody's absence.
    GivenUp,
}

#[derive(Debug)]
pub(super) struct Round {
    pub(super) stage: Stage,
    pub(super) began: Instant,
    pub(super) page: Page,
    lists: VecDeque<Filter>,
    from: Option<PageToken>,
    tokens: HashSet<PageToken>,
    /// Pages read, and how many more than that are not worth it.
    pub(super) pages: f64,
    worth: f64,
    /// How many of those looked for have been found, in all and in the list that showed most.
    pub(super) found: usize,
    found_in_list: usize,
    best: Option<(usize, Filter)>,
}

impl Round {
    pub(super) fn new(kind: Kind, stage: Stage, worth: f64, began: Instant) -> Self {
        let lists = match stage {
            Stage::Roll => kind.lists(),
            Stage::History => kind.history(),
        };
        Self {
            stage,
            began,
            page: Page::Wanted,
            lists: lists.iter().copied().collect(),
            from: None,
            tokens: HashSet::new(),
            pages: 0.0,
            worth: bounded(worth, lists.len()),
            found: 0,
            found_in_list: 0,
            best: None,
        }
    }

    /// The first page is sent.
    pub(super) fn begins(&mut self, now: Instant, worth: f64) {
        self.began = now;
        self.worth = bounded(worth, self.lists.len());
    }

    /// The list that most of the roll was found in the last time comes first.
    pub(super) fn begin_with(&mut self, first: Option<Filter>) {
        if let Some(at) = first.and_then(|first| self.lists.iter().position(|list| *list == first)) {
            self.lists.rotate_left(at);
        }
    }

    /// Some of it has been read.
    pub(super) fn is_under_way(&self) -> bool {
        self.pages > 0.0 || self.stage == Stage::History
    }

    /// The page to read next.
    pub(super) fn next(&self) -> Option<(Filter, Option<PageToken>)> {
        self.lists.front().map(|list| (*list, self.from.clone()))
    }

    /// The list that showed most of the roll.
    pub(super) fn best(&self) -> Option<Filter> {
        self.best.map(|(_, list)| list)
    }

    fn credit(&mut self, found: usize) {
        self.found += found;
        self.found_in_list += found;
        if let Some(list) = self.lists.front().filter(|_| self.found_in_list > self.best.map_or(0, |(most, _)| most)) {
            self.best = Some((self.found_in_list, *list));
        }
    }

    /// The page has been read, and has shown so many of those looked for; the list goes on at `next`.
    pub(super) fn turn(&mut self, found: usize, next: Option<PageToken>) -> Turned {
        self.credit(found);
        self.page = Page::Wanted;
        self.pages += 1.0;
        match next {
            Some(token) if !self.tokens.insert(token.clone()) => return Turned::GivenUp,
            Some(token) => self.from = Some(token),
            None => {
                self.lists.pop_front();
                self.found_in_list = 0;
                self.tokens.clear();
                self.from = None;
            }
        }
        if self.lists.is_empty() {
            Turned::Complete
        } else if self.pages >= self.worth {
            Turned::GivenUp
        } else {
            Turned::On
        }
    }
}

/// Each list is worth a page.
fn bounded(worth: f64, lists: usize) -> f64 {
    worth.max(lists as f64).min(MOST_PAGES)
}
