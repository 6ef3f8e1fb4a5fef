//! Every controller needs these: leader lease, probes and metrics, Events, the API-server client, shutdown.
//!
//! Owns the machinery around the work: when to run, what to run it on, and how to tell the world about it. It never
//! decides anything about an export and never talks to AWS.

mod backlog;
pub mod client;
pub mod events;
#[cfg(test)]
mod fixtures;
pub mod health;
pub mod lease;
mod list;
pub mod metrics;
mod mirror;
mod passes;
pub mod preflight;
pub mod queue;
pub mod received;
pub mod scope;
pub mod selector;
pub mod server;
pub mod shutdown;
mod store;
mod warnings;
pub mod watch;
