//! What one tenant can do to another: the inputs that once did harm, by the kind of fault, and objects at random over
//! everything that the API server accepts. A victim's export in another namespace is accepted in time anyway,
//! before and after a restart of the operator.
//!
//! `ALL_CASES=1` runs all batches of random objects. Labels that come later (kind 9) and rights to write statuses are
//! judged by the API server: `tests/chart`. What a web page or a key can't do to the simulator (kind 14):
//! `simulator/tests`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]
#![allow(dead_code, reason = "the harness is shared with the end-to-end tests")]

mod answers;
mod cluster;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod crowd;
mod decoding;
mod definition;
mod destinations;
mod lateness;
mod memory;
#[path = "../e2e/operator.rs"]
mod operator;
#[path = "../e2e/oracle.rs"]
mod oracle;
mod policies;
mod probes;
mod random;
mod rules;
#[path = "../e2e/simulator.rs"]
mod simulator;
#[path = "../e2e/status.rs"]
mod status;
mod statuses;
#[path = "../e2e/world.rs"]
mod world;

/// Whether to run all of it, as `make test-all` does.
fn all_cases() -> bool {
    std::env::var_os("ALL_CASES").is_some()
}
