//! The whole job against the real thing: a real kube-apiserver, the operator and the simulator as processes, real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]

mod api_server;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod crash;
mod denial;
mod happy;
mod kube_state_metrics;
mod latency;
mod measured;
mod operator;
mod oracle;
mod proxy;
mod replicas;
mod rivals;
mod rows;
mod shown;
mod simulator;
mod told;
mod world;
