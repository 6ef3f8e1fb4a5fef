//! One list scan: the lists of a scan group or of discovery, read page by page. Pure.

use crate::aws::model::{Filter, PageToken};
use crate::polling::interval::MAX_PAGES;
use std::collections::{HashSet, VecDeque};
use tokio::time::Instant;

/// Which lists a scan reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanPhase {
    /// The lists that return the members of the scan group.
    Active,
    /// The lists of ended exports, for missing sessions.
    Terminal,
}

/// The state of the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageState {
    /// To be reserved.
    Wanted,
    /// Waits for its reservation.
    Queued,
    InFlight,
}

/// How the scan continues after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScanProgress {
    /// Read the next page.
    On,
    /// All lists have been read to their end.
    Complete,
    /// Stopped: the scan costs more than Gets, or a page token repeats. Unlisted sessions don't count as missing.
    GivenUp,
}

#[derive(Debug)]
pub(super) struct ListScan {
    /// Which lists are read.
    pub(super) phase: ScanPhase,
    /// When the first page was sent.
    pub(super) began: Instant,
    /// The state of the next page.
    pub(super) page: PageState,
    /// Lists that are not yet read to their end; the front one is being read.
    lists: VecDeque<Filter>,
    /// Token of the next page in the front list; `None` for its first page.
    from: Option<PageToken>,
    /// Tokens that the front list has returned; a repeated one ends the scan.
    tokens: HashSet<PageToken>,
    /// Pages read.
    pub(super) pages: f64,
    /// Number of pages at which the scan is given up.
    worth: f64,
    /// Number of members when it began, from which its worth was computed.
    pub(super) sought: usize,
    /// Expected members that no page has shown yet.
    pub(super) unseen: usize,
    /// Sought sessions found in all lists.
    pub(super) found: usize,
    /// Sought sessions found in the front list.
    found_in_list: usize,
    /// The list with most sought sessions, and how many.
    best: Option<(usize, Filter)>,
}

impl ListScan {
    /// A scan of these lists. It is given up once it has read more pages than `worth`.
    pub(super) fn new(lists: VecDeque<Filter>, phase: ScanPhase, worth: f64, began: Instant) -> Self {
        let worth = clamp_pages(worth, lists.len());
        Self {
            phase,
            began,
            page: PageState::Wanted,
            lists,
            from: None,
            tokens: HashSet::new(),
            pages: 0.0,
            worth,
            sought: 0,
            unseen: 0,
            found: 0,
            found_in_list: 0,
            best: None,
        }
    }

    /// Starts a scan that looks for `sought` members. It is given up once it has read more pages than `worth`.
    pub(super) fn begin_at(&mut self, now: Instant, worth: f64, (sought, unseen): (usize, usize)) {
        (self.began, self.sought, self.unseen) = (now, sought, unseen);
        self.worth = clamp_pages(worth, self.lists.len());
    }

    /// Reads this list first, and the others in their order after it.
    pub(super) fn start_with(&mut self, first: Option<Filter>) {
        if let Some(at) = first.and_then(|first| self.lists.iter().position(|list| *list == first)) {
            self.lists.rotate_left(at);
        }
    }

    /// True once a page has been read.
    pub(super) fn is_under_way(&self) -> bool {
        self.pages > 0.0 || self.phase == ScanPhase::Terminal
    }

    /// The page to read next.
    pub(super) fn next_page(&self) -> Option<(Filter, Option<PageToken>)> {
        self.lists.front().map(|list| (*list, self.from.clone()))
    }

    /// Takes the page to reserve, if one is wanted.
    pub(super) fn take_wanted_page(&mut self) -> Option<(Filter, Option<PageToken>)> {
        if self.page != PageState::Wanted {
            return None;
        }
        self.page = PageState::Queued;
        self.next_page()
    }

    /// The list that showed most of the sought sessions.
    pub(super) fn best(&self) -> Option<Filter> {
        self.best.map(|(_, list)| list)
    }

    /// Records a page that showed `found` of the sought sessions; the list continues at `next`.
    pub(super) fn advance(&mut self, found: usize, next: Option<PageToken>) -> ScanProgress {
        self.found += found;
        self.found_in_list += found;
        if let Some(list) = self.lists.front().filter(|_| self.found_in_list > self.best.map_or(0, |(most, _)| most)) {
            self.best = Some((self.found_in_list, *list));
        }
        self.page = PageState::Wanted;
        self.pages += 1.0;
        match next {
            Some(token) if !self.tokens.insert(token.clone()) => return ScanProgress::GivenUp,
            Some(token) => self.from = Some(token),
            None => {
                self.lists.pop_front();
                self.found_in_list = 0;
                self.tokens.clear();
                self.from = None;
            }
        }
        if self.lists.is_empty() {
            ScanProgress::Complete
        } else if self.pages >= self.worth {
            ScanProgress::GivenUp
        } else {
            ScanProgress::On
        }
    }
}

/// Limits the pages of a scan: at least one for each list, at most `MAX_PAGES`.
fn clamp_pages(worth: f64, lists: usize) -> f64 {
    worth.max(lists as f64).min(MAX_PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::epoch;
    use crate::polling::ScanSet;

    #[test]
    fn the_best_list_is_the_first_of_those_that_showed_most() {
        let lists = ScanSet::Live.filters();
        let mut scan = ListScan::new(lists.iter().copied().collect(), ScanPhase::Active, MAX_PAGES, epoch());
        for (found, next, best) in [(2, None, 0), (1, Some("more"), 0), (2, None, 1), (3, None, 1), (0, None, 1)] {
            scan.advance(found, next.map(PageToken::new));
            assert_eq!(scan.best(), Some(lists[best]));
        }
        assert_eq!((scan.found, scan.pages), (8, 5.0));
    }
}
