//! SessionExportPolicy: every session of a stream group that a policy selects gets a SessionExport.
//!
//! ```text
//!  watch of policies ─► registry ──► groups to discover ─► polling (discovery scans)
//!                          ▲                                   │ pages
//!                          ├──────── selects, candidates ◄─────┘
//!  watch of exports ──► owned_exports
//!                          │ next candidate
//!                          ▼
//!                      controller ─► POST sessionexports, PATCH policies' status
//! ```
//!
//! Owns: what a policy does. [`registry`] is pure, with the clock as an argument; [`controller`] does the IO, with
//! the requests of `requests`. Never: calls
//! AWS. From its creation on, the SessionExport of a session is an export like any other.

pub(crate) mod candidates;
pub(crate) mod controller;
mod creation;
pub(crate) mod decode;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod owned_exports;
pub(crate) mod registry;
mod requests;
pub(crate) mod row;
pub(crate) mod status;
