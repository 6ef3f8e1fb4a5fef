//! The whole job against the real thing: a real kube-apiserver, the operator and the simulator as processes, real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]

mod api_server;
// The slowest tests, early in the alphabet: what runs last runs alone.
mod api_server_watch;
mod conditions;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod crash;
mod denial;
mod documented;
mod events;
mod fairness;
mod happy;
mod latency;
mod lists;
#[path = "../docs/markdown.rs"]
mod markdown;
mod metrics;
mod operator;
mod oracle;
mod policies;
mod policy_choice;
mod policy_world;
mod proxy;
mod quota;
mod replicas;
mod restore;
mod rivals;
mod shards;
mod simulator;
mod status;
mod status_fixtures;
mod status_policy;

mod world;
