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
mod crowd;
mod denial;
mod happy;
mod latency;
mod left_behind;
mod lists;
mod measured;
mod operator;
mod oracle;
mod proxy;
mod quota;
mod replicas;
mod rivals;
mod rows;
mod shards;
mod shown;
mod simulator;
mod told;
mod watch;
mod world;
