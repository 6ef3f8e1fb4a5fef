//! What one tenant can do to another: the inputs that once did harm, by the kind of fault, and objects at random over
//! everything that the API server accepts. A victim's export in another namespace is accepted in time all the same,
//! before and after a restart of the operator.
//!
//! A kind that is not mended yet is marked `should_panic` with its name; a marked test that passes fails the suite.
//! `ALL_CASES=1` runs all batches of random objects.

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
mod decoding;
mod definition;
#[path = "../chart/helm.rs"]
mod helm;
mod memory;
#[path = "../e2e/operator.rs"]
mod operator;
#[path = "../e2e/oracle.rs"]
mod oracle;
mod probes;
mod random;
#[path = "../e2e/shown.rs"]
mod shown;
#[path = "../e2e/simulator.rs"]
mod simulator;
mod unmended;
#[path = "../e2e/world.rs"]
mod world;

/// Whether to run all of it, as `make test-all` does.
fn all_cases() -> bool {
    std::env::var_os("ALL_CASES").is_some()
}
