//! Programs of others that read what the operator shows or what the chart renders: kube-state-metrics, promtool, the
//! Prometheus operator's definitions, backends in Python and Go.
//! `make test-all` gets or builds them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests, helpers included"
)]
#![allow(dead_code, reason = "the harness is shared with the end-to-end tests and those of the chart")]

mod backend;
#[path = "../observability/catalogue.rs"]
mod catalogue;
#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../chart/helm.rs"]
mod helm;
mod kube_state_metrics;
#[path = "../e2e/operator.rs"]
mod operator;
mod prometheus;
mod prometheus_operator;
#[path = "../observability/rendered.rs"]
mod rendered;
#[path = "../e2e/simulator.rs"]
mod simulator;
#[path = "../e2e/status.rs"]
mod status;
#[path = "../e2e/world.rs"]
mod world;
