//! The whole job against the real thing: a real kube-apiserver, the operator and the simulator as processes, real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]

#[path = "../control_plane/mod.rs"]
mod control_plane;
mod denial;
mod happy;
mod operator;
mod rows;
mod shown;
mod simulator;
mod world;
