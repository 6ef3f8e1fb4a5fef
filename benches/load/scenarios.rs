//! The scenarios, one file for each group of them. Each looks from outside only.

pub(crate) mod burst;
pub(crate) mod crowd;
pub(crate) mod discovery;
pub(crate) mod ending;
pub(crate) mod memory;
pub(crate) mod pending;
pub(crate) mod policies;
pub(crate) mod single;
pub(crate) mod steady;
pub(crate) mod storm;

use crate::report::Row;

/// What a scenario has found out.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) points: Vec<Point>,
}

/// A point of a plot.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) plot: Plot,
    pub(crate) series: &'static str,
    /// Of bars: what stands below them.
    pub(crate) name: String,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plot {
    Requests,
    Detection,
    Waits,
    Memory,
    Discovery,
    Arrivals,
}

impl Found {
    pub(crate) fn point(&mut self, plot: Plot, series: &'static str, x: f64, y: f64) {
        self.points.push(Point { plot, series, name: String::new(), x, y });
    }
}
