//! The pure parts of `make bench`: what it is judged by, its table and its plots. The bench itself has no
//! harness that would run them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "tests of the bench's own parts")]

#[path = "../../benches/load/oracle/mod.rs"]
mod oracle;
#[path = "../../benches/load/plot.rs"]
mod plot;
#[path = "../../benches/load/report.rs"]
mod report;

mod of_ideal;
mod of_order;
mod of_plot;
mod of_quantile;
mod of_rate;
mod of_report;
mod of_sweep;
