//! Real Flux: its kustomize-controller as a process beside a real API server, the operator and the simulator. What Git
//! holds is an artifact on loopback, as Flux's source-controller would serve it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]
#![allow(dead_code, reason = "the harness is shared with the end-to-end tests and those of the chart")]

#[path = "../control_plane/mod.rs"]
mod control_plane;
mod controller;
mod exports;
#[path = "../chart/helm.rs"]
mod helm;
mod installation;
#[path = "../e2e/operator.rs"]
mod operator;
mod policies;
#[path = "../e2e/policy_world.rs"]
mod policy_world;
mod repository;
#[path = "../e2e/simulator.rs"]
mod simulator;
#[path = "../e2e/world.rs"]
mod world;
