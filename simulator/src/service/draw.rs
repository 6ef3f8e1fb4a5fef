//! Draws that a seed determines, so that a run can be repeated.

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sequence of draws: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// The sequence of the `number`th of something under a seed. It depends on no other number's.
    #[must_use]
    pub fn new(seed: u64, number: u64) -> Self {
        let mut first = Self { state: seed };
        let base = first.next_u64();
        Self { state: base ^ number.wrapping_mul(GOLDEN_GAMMA) }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from `least` to `most`.
    pub fn number_between(&mut self, least: i64, most: i64) -> i64 {
        let span = most.saturating_sub(least).unsigned_abs().saturating_add(1);
        let offset = i64::try_from(self.next_u64() % span).unwrap_or(0);
        least.saturating_add(offset)
    }

    /// One of several; nothing where there is none.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(from.len()).ok().filter(|count| *count > 0)?;
        from.get(usize::try_from(self.next_u64() % count).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_number_always_draw_the_same() {
        let draw = |seed, number| Draw::new(seed, number).next_u64();
        assert_eq!(draw(1, 7), draw(1, 7));
        assert!(draw(1, 7) != draw(1, 8) && draw(1, 7) != draw(2, 7));
    }

    #[test]
    fn numbers_fill_their_range_and_stay_in_it() {
        let drawn: Vec<i64> = (0..1000).map(|number| Draw::new(1, number).number_between(20, 22)).collect();
        assert!([20, 21, 22].iter().all(|wanted| drawn.iter().filter(|got| *got == wanted).count() > 250));
        assert!(drawn.iter().all(|got| (20..=22).contains(got)));
        assert_eq!(Draw::new(1, 1).number_between(5, 5), 5);
    }
}
