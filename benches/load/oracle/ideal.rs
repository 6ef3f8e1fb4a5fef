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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_saves_what_fits_and_no_more() {
        assert_eq!(saved(&[], 0.0, 10.0), 0);
        assert_eq!(saved(&[50.0, 50.0, 50.0], 0.0, 10.0), 1, "one call at 0, the next at 100");
        assert_eq!(saved(&[250.0, 150.0, 50.0], 0.0, 10.0), 3, "in whatever order they come");
        assert_eq!(saved(&[50.0, 150.0], 100.0, 10.0), 1, "what ended before it began is lost");
    }

    #[test]
    fn no_other_order_saves_more() {
        let ends = [130.0, 110.0, 90.0, 410.0, 205.0, 10.0];
        let mut best = 0;
        permute(&mut ends.to_vec(), 0, &mut |order| {
            let mut calls = 0;
            order.iter().for_each(|&end| calls += usize::from(calls as f64 * 100.0 < end));
            best = best.max(calls);
        });
        assert_eq!(saved(&ends, 0.0, 10.0), best);
    }

    fn permute(items: &mut Vec<f64>, from: usize, each: &mut impl FnMut(&[f64])) {
        if from == items.len() {
            return each(items);
        }
        for n in from..items.len() {
            items.swap(from, n);
            permute(items, from + 1, each);
            items.swap(from, n);
        }
    }
}
