//! What people on call look at: every metric, alert, panel and page names what exists, and says what it means.
//!
//! `make docs` writes docs/metrics.md again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]

mod alerts;
mod catalogue;
mod dashboard;
#[path = "../chart/helm.rs"]
#[allow(dead_code, reason = "the chart's own tests use all of it")]
mod helm;
mod pages;
mod queries;
mod rendered;
