//! An ideal scheduler: it knows every end, loses no time, and makes one call after the other at the full rate.

/// How many of these sessions it saves, given when each ends (ms), when it begins and its calls per second.
///
/// Equal work, all there at the start: by earliest end, leaving out what can no longer be reached. No order saves more.
pub(crate) fn saved(ends: &[f64], from: f64, per_second: f64) -> usize {
    let mut by_end = ends.to_vec();
    by_end.sort_by(f64::total_cmp);
    let mut calls = 0_usize;
    for end in by_end {
        if from + calls as f64 * 1000.0 / per_second < end {
            calls += 1;
        }
    }
    calls
}
