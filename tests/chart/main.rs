//! The Helm chart: what it renders, what it refuses, and what the real API server says of it.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test chart rendered` writes `snapshots/` and the chart's copy of its values again;
//! then read the diff.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]

mod collisions;
mod configuration;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod fence;
mod helm;
mod knobs;
mod notes;
mod nulls;
mod ports;
mod process;
mod refused;
mod rendered;
mod rights;
mod schema;
mod server;
mod status_policy;
mod strings;
