//! The pure parts of `make bench`: what it is judged by, its table and its plots. The bench itself has no harness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, reason = "tests of the bench's own parts")]

#[path = "../benches/load/oracle/mod.rs"]
mod oracle;
#[path = "../benches/load/plot.rs"]
mod plot;
#[path = "../benches/load/report.rs"]
mod report;
