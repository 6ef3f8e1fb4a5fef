//! The Session Export Operator: turns each SessionExport into a call to ExportStreamSessionFiles while the stream
//! session is live, and reports the outcome in its status.
//!
//! Data flows one way:
//!
//! ```text
//!  API server                                                                  Amazon GameLift Streams
//!      │ list, watch                                                                     ▲
//!      ▼                                                                                 │
//!  runtime::watch ─► runtime::cache ─► runtime::event_loop ─► export::reconciler ─► quota::gateway
//!                        (store)              ▲                 │  authorize: authorization   (pure)
//!                                             │                 │  observe:   state
//!                                             │                 │  decide:    export::decision (pure)
//!                                             │                 │  record:    export::status ──► PATCH /status
//!                                             │                 │  act:       reserve, call, or subscribe to a read
//!                      grants, timers, reads  ┘                 ▼
//!                                             └─── polling: reads by Get or by lists ──► quota::gateway ──► aws::client
//! ```
//!
//! Each module uses only modules above it in this list; `tests/architecture.rs` has the edges.
//!
//! - [`aws`]: Amazon GameLift Streams. The only module that names the AWS SDK; uses no Kubernetes type.
//! - [`api`]: the CRD types; their doc comments are the users' `kubectl explain`. No IO.
//! - [`metrics`]: every metric, with its preset labels.
//! - [`runtime`]: the controller runtime: watch, cache, event loop, Events, shutdown. Uses no SessionExport and no AWS.
//! - [`authorization`]: which namespace may export what to where. Pure.
//! - [`config`]: one file, parsed once into types.
//! - `quota`: when a call to AWS may be sent: limiter, fair queue, circuit breakers, and the gateway of every call.
//! - `state`: a leader's state of sessions and objects. Pure, behind one lock.
//! - `leader`: leader election with a Lease.
//! - `polling`: reads for many objects, by Get or by lists.
//! - `export`: one SessionExport from spec to result: a pure decision, and the reconciler that carries it out.
//! - `policy`: every session that a SessionExportPolicy selects gets a SessionExport.
//! - `server`: probes and metrics over HTTP.
//! - [`app`]: the process, and the work of one leader term. [`cli`]: the command line.

pub mod api;
pub mod app;
pub mod authorization;
pub mod aws;
pub mod cli;
pub mod config;
mod de;
mod export;
mod leader;
pub mod metrics;
mod policy;
mod polling;
#[cfg(test)]
mod property;
mod quota;
pub mod runtime;
mod server;
mod state;
