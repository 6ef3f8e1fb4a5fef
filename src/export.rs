//! The reconciliation of one SessionExport, from spec to result.
//!
//! Owns: [`decision`] (what to do next), [`status`] (rows, messages, patches), [`inventory`] (counts for gauges),
//! [`retention`] (what is kept of a finished object): all pure, with the clock as an argument; and [`reconciler`] (IO).
//! Never: names the AWS SDK.

#[cfg(test)]
mod bounded_model_tests;
pub(crate) mod decision;
mod decode;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
pub(crate) mod forgery;
#[cfg(test)]
mod history_tests;
pub(crate) mod inventory;
pub(crate) mod reconciler;
pub(crate) mod retention;
pub(crate) mod status;
#[cfg(test)]
pub(crate) mod world;
#[cfg(test)]
pub(crate) mod world_aws;
#[cfg(test)]
pub(crate) mod world_tests;
