//! An Amazon GameLift Streams that runs on a laptop.
//!
//! ```text
//! HTTP ─ server ─┬─ wire      AWS's side: route, signature, validation, answer ─┐
//!                └─ control   the tester's side: /_simulator/...                ├─ service  sessions and
//!                                                                               │           their life cycle
//! engine  the passing of time ──────────────────────────────────────────────────┘
//!    └─ export  packs a ZIP, puts it into a bucket ─ s3  the embedded one, or any other
//! ```
//!
//! `faults` says which calls go wrong, `behaviour` how the service behaves where AWS's documents
//! leave room, `journal` what happened.

use std::io::Write;

pub mod app;
pub mod args;
pub mod behaviour;
pub mod clock;
pub mod config;
pub mod control;
pub mod engine;
pub mod export;
pub mod faults;
pub mod glob;
pub mod host_policy;
pub mod identity;
pub mod journal;
pub mod quota;
pub mod run;
pub mod s3;
pub mod server;
pub mod service;
pub mod wire;

/// Says something on stderr; a closed stderr is no reason to stop.
pub(crate) fn complain(text: &str) {
    drop(writeln!(std::io::stderr(), "gameliftstreams-simulator: {text}"));
}
