//! How fast calls came.

/// Calls per second between the first and the last, whatever came before and after.
pub(crate) fn rate(at: &[f64]) -> Option<f64> {
    let first = at.iter().copied().min_by(f64::total_cmp)?;
    let last = at.iter().copied().max_by(f64::total_cmp)?;
    (last > first).then(|| (at.len() - 1) as f64 / (last - first) * 1000.0)
}

/// The most calls in any `window` (ms), its end not included.
pub(crate) fn peak(at: &[f64], window: f64) -> usize {
    let mut sorted = at.to_vec();
    sorted.sort_by(f64::total_cmp);
    let within = |first: usize| sorted[first..].iter().take_while(|&&t| t < sorted[first] + window).count();
    (0..sorted.len()).map(within).max().unwrap_or(0)
}

/// How long after `since` a `window` (ms) begins in which at least `wanted` calls per second came; none if never.
pub(crate) fn recovered(at: &[f64], since: f64, wanted: f64, window: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = at.iter().copied().filter(|&t| t >= since).collect();
    sorted.sort_by(f64::total_cmp);
    let needed = (wanted * window / 1000.0).ceil() as usize;
    let starts = std::iter::once(since).chain(sorted.iter().copied());
    let enough = |&start: &f64| sorted.iter().filter(|&&t| t >= start && t < start + window).count() >= needed;
    let found = { starts }.find(enough);
    found.map(|start| start - since)
}
