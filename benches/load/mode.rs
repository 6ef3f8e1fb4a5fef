//! How much of everything: quick (counts only), usual, or full.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Small, for its counts: part of `make test-all`.
    Quick,
    /// Everything; what one Get each bounds with fewer objects. An hour and a half.
    Usual,
    /// Everything with 10,000, for as long as it takes.
    Full,
}

/// Numbers of objects, and lengths of time.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) mode: Mode,
    pub(crate) groups: usize,
    pub(crate) pending: usize,
    pub(crate) idle: Duration,
    /// In which all `pending` sessions end; fewer end in as much less.
    pub(crate) end_window: Duration,
    pub(crate) bound_by_gets: usize,
    pub(crate) older: usize,
    pub(crate) burst: usize,
    /// How many times as long as usual turns may be in flight before they count as out of order.
    pub(crate) slack: f64,
    pub(crate) crowd: usize,
    pub(crate) storm: usize,
    pub(crate) singles: usize,
    pub(crate) steady: usize,
    /// How long sessions that nobody names arrive, and how many a second in all groups.
    pub(crate) arrivals: Duration,
    pub(crate) arrivals_per_second: f64,
    /// Groups with a policy and without a session.
    pub(crate) idle_groups: Vec<usize>,
    /// Live sessions of a group when its policy is created.
    pub(crate) backlog: usize,
    /// How long leaders are killed while sessions arrive.
    pub(crate) takeover: Duration,
    /// Minutes in which sessions come and go.
    pub(crate) endurance: u64,
    /// Finished exports that policies keep.
    pub(crate) kept: usize,
    /// Beside 0.
    pub(crate) memory: Vec<usize>,
    /// Beside `pending`: the other points of the plots.
    pub(crate) smaller: Vec<usize>,
}

impl Mode {
    /// As `QUICK=1` and `FULL=1` say.
    pub(crate) fn from_environment() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        match (is_set("QUICK"), is_set("FULL")) {
            (true, _) => Self::Quick,
            (false, true) => Self::Full,
            (false, false) => Self::Usual,
        }
    }

    pub(crate) fn scale(self) -> Scale {
        match self {
            Self::Quick => Scale {
                mode: self,
                groups: 3,
                pending: 120,
                idle: Duration::from_secs(20),
                end_window: Duration::from_secs(10),
                bound_by_gets: 0,
                older: 0,
                burst: 180,
                slack: 4.0,
                crowd: 0,
                storm: 0,
                singles: 0,
                steady: 45,
                arrivals: Duration::from_secs(10),
                arrivals_per_second: 3.0,
                idle_groups: vec![5],
                backlog: 0,
                takeover: Duration::ZERO,
                endurance: 0,
                kept: 0,
                memory: Vec::new(),
                smaller: Vec::new(),
            },
            Self::Usual => Scale {
                mode: self,
                groups: 20,
                pending: 10_000,
                idle: Duration::from_secs(300),
                end_window: Duration::from_secs(120),
                bound_by_gets: 1_500,
                older: 50_000,
                burst: 1_000,
                slack: 1.0,
                crowd: 10_000,
                storm: 2_200,
                singles: 20,
                steady: 1_000,
                arrivals: Duration::from_secs(300),
                arrivals_per_second: 10.0,
                idle_groups: vec![1, 5, 20, 40],
                backlog: 10_000,
                takeover: Duration::from_secs(150),
                endurance: 10,
                kept: 100_000,
                memory: vec![1_000, 10_000, 100_000],
                smaller: vec![30, 300, 3_000],
            },
            Self::Full => Scale { mode: self, bound_by_gets: 10_000, singles: 100, ..Self::Usual.scale() },
        }
    }
}

impl Scale {
    /// As many a second as when all of them end in the window.
    pub(crate) fn window_for(&self, objects: usize) -> Duration {
        self.end_window.mul_f64((objects as f64 / self.pending as f64).min(1.0))
    }
}
