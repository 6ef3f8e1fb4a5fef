//! How long it takes to read the lists of all groups once.

use std::collections::BTreeMap;

/// One page of a list.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// What is listed: the group and the filter.
    pub(crate) list: String,
    /// It has no token: a list begins here.
    pub(crate) first: bool,
    /// When it was asked for.
    pub(crate) begin: f64,
    /// When it was answered.
    pub(crate) end: f64,
}

/// One list from its first page to its last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ListScan {
    /// When its first page was asked for.
    pub(crate) begin: f64,
    /// When its last page was answered.
    pub(crate) end: f64,
    pages: usize,
}

/// The rounds of each list, in order. Those of fewer than `each` pages were given up, or still under way at the end.
pub(crate) fn rounds(pages: &[Page], each: usize) -> BTreeMap<&str, Vec<ListScan>> {
    let mut sorted: Vec<&Page> = pages.iter().collect();
    sorted.sort_by(|a, b| a.begin.total_cmp(&b.begin));
    let mut all: BTreeMap<&str, Vec<ListScan>> = BTreeMap::new();
    for page in sorted {
        let of = all.entry(&page.list).or_default();
        match of.last_mut() {
            Some(round) if !page.first => {
                round.end = round.end.max(page.end);
                round.pages += 1;
            }
            _ => of.push(ListScan { begin: page.begin, end: page.end, pages: 1 }),
        }
    }
    all.values_mut().for_each(|of| of.retain(|round| round.pages >= each));
    all
}

/// From `since` until every one of `lists` lists has been read from its first page to its last; none if that never
/// came.
pub(crate) fn complete(rounds: &BTreeMap<&str, Vec<ListScan>>, lists: usize, since: f64) -> Option<f64> {
    if rounds.len() < lists {
        return None;
    }
    let first = |of: &Vec<ListScan>| of.iter().find(|round| round.begin >= since).map(|round| round.end);
    let ends: Option<Vec<f64>> = rounds.values().map(first).collect();
    ends?.into_iter().max_by(f64::total_cmp).map(|end| end - since)
}

/// All lists read once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sweep {
    /// When its first page was asked for.
    pub(crate) begin: f64,
    /// When the last page of its last list was answered.
    pub(crate) end: f64,
}

/// One sweep after the other, as far as they come to an end: the next begins with the first round after the last one.
/// Where the first one begins, a pause shows; so it is the beginning from which sweeps come out shortest.
pub(crate) fn sweeps(rounds: &BTreeMap<&str, Vec<ListScan>>, lists: usize) -> Vec<Sweep> {
    let mut starts: Vec<f64> = rounds.values().flatten().map(|round| round.begin).collect();
    starts.sort_by(f64::total_cmp);
    let tries = (0..starts.len().min(2 * lists)).map(|first| from(rounds, lists, &starts[first..]));
    let mean = |all: &Vec<Sweep>| all.iter().map(|sweep| sweep.end - sweep.begin).sum::<f64>() / all.len() as f64;
    tries.filter(|all| !all.is_empty()).min_by(|a, b| mean(a).total_cmp(&mean(b))).unwrap_or_default()
}

fn from(rounds: &BTreeMap<&str, Vec<ListScan>>, lists: usize, starts: &[f64]) -> Vec<Sweep> {
    let mut all: Vec<Sweep> = Vec::new();
    for &begin in starts {
        if all.last().is_none_or(|last| begin >= last.end)
            && let Some(took) = complete(rounds, lists, begin)
        {
            all.push(Sweep { begin, end: begin + took });
        }
    }
    all
}
