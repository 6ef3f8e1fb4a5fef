//! The configuration of property tests: how many cases they run, and from which seed.
//!
//! A failing test shows its seed. `PROPTEST_RNG_SEED=SEED` runs the same cases again, on any machine.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;
use std::hash::{BuildHasher, RandomState};

/// Proptest's own number of cases, which takes a moment.
pub(crate) const DEFAULT: u32 = 256;

/// The variable `ALL_CASES` is set, as in `make test-all`.
pub(crate) fn all_cases() -> bool {
    std::env::var_os("ALL_CASES").is_some()
}

/// `quick` cases in the quick loop; `all` of them where `ALL_CASES` is set. `PROPTEST_CASES` overrides both.
pub(crate) fn config(quick: u32, all: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = match (std::env::var_os("PROPTEST_CASES").is_some(), all_cases()) {
        (true, _) => default.cases,
        (false, true) => all,
        (false, false) => quick,
    };
    let seed = match default.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(0),
    };
    // Captured: only a failing test shows it.
    println!("to run the same cases again: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases}");
    ProptestConfig {
        cases,
        max_shrink_iters: 20_000,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..default
    }
}
