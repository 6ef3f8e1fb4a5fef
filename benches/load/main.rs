//! `make bench`: the operator against its limits. The real binary as a process, a real API server, the simulator with
//! its quota enforced; everything is seen from outside. Loads go to loopback only, and end by themselves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that can't go on has nothing to say but why"
)]

mod audit;
#[path = "../../tests/control_plane/mod.rs"]
mod control_plane;
mod journal;
mod mode;
mod objects;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../../tests/e2e/operator.rs"]
mod operator;
mod oracle;
mod output;
mod plot;
mod report;
mod run;
mod scenarios;
mod setup;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../../tests/e2e/simulator.rs"]
mod simulator;
mod timeline;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../../tests/e2e/world.rs"]
mod world;

use mode::Mode;
use std::process::ExitCode;

fn main() -> ExitCode {
    // `cargo test --all-targets` and `cargo bench` would run it by accident.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(wanted) = arguments.iter().position(|argument| argument == "run") else {
        println!("run it by `make bench`; QUICK=1 for its counts only, FULL=1 for everything at 10,000");
        return ExitCode::SUCCESS;
    };
    let only: Vec<String> = arguments[wanted + 1..].iter().filter(|name| !name.starts_with('-')).cloned().collect();
    let mode = Mode::from_environment();
    let report = timeline::run(mode, &only, output::write);
    output::print(&report);
    // Elsewhere a missed bar is a finding; here it is a failure.
    let failed = mode == Mode::Quick && !report.missed().is_empty();
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
