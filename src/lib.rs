//! The Session Export Operator: a SessionExport becomes a call to ExportStreamSessionFiles while the stream session is
//! live, and its status tells what became of it.
//!
//! Data flows one way:
//!
//! ```text
//!  API server                                                                Amazon GameLift Streams
//!      │ list, watch                                                                   ▲
//!      ▼                                                                               │
//!  operator::watch ─► operator::mirror ─► operator::queue ─► export::reconcile ─► streams::access
//!                        (store)              ▲                 │  observe: export::memory, authority
//!                                             │                 │  decide:  export::decide      (pure)
//!                                             │                 │  record:  export::status ──► PATCH /status
//!                                             │                 │  act:     export::calls  ──► ask, call
//!                                             │                 │           or wait for a reading
//!                          turns, timers, news┘                 ▼
//!                                             └─── export::sweep: reads by Get or by lists ──► streams::access
//! ```
//!
//! - [`api`]: the CRD types; their doc comments are the users' `kubectl explain`. No IO.
//! - [`authority`]: who may send what where. Pure.
//! - [`export`]: one SessionExport from spec to result: a pure decision, and the shell that carries it out.
//! - [`streams`]: Amazon GameLift Streams. The only place that names the AWS SDK; knows no Kubernetes type.
//! - [`operator`]: what every controller needs: watch and queue, leader lease, probes, metrics, Events, shutdown.
//! - [`config`], [`cli`]: flags and one file, parsed once into types.
//! - [`run`](mod@run): the process; `term`: one term of office as the leader.

pub mod api;
pub mod authority;
pub mod cli;
pub mod config;
pub mod export;
pub mod operator;
#[cfg(test)]
mod property;
pub mod run;
pub mod streams;
mod term;
mod typed;

pub use run::{RunError, RunOptions, run};
