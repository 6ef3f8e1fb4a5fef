//! The chart and the image on a real node: what only a running Pod can prove. `make cluster-test` runs these tests, on
//! Linux and as root; a plain `cargo test` shows them as ignored.
//!
//! One story on one cluster, because what happens to an installation happens one after the other. Its first part is
//! without policies, its second with them. Each ends with the audit log: from the beginning of the story, every right
//! that the chart gives was used, and none was missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]
#![allow(dead_code, reason = "the harness is shared with other tests")]

mod cluster;
mod exports;
#[path = "../chart/helm.rs"]
mod helm;
mod load;
mod newer;
mod node;
mod pods;
mod policies;
mod release;
mod rights;
#[path = "../e2e/simulator.rs"]
mod simulator;
mod story;
