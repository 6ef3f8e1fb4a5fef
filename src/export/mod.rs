//! One SessionExport, from spec to result.
//!
//! Pure, with the clock as an argument: [`request`] (the object, parsed), [`memory`] and [`evidence`] (what is known),
//! [`decide`] (what follows from it), [`row`], [`message`] and [`status`] (how it shows), [`ledger`] (how many stand
//! where), [`rest`] (what is kept of a finished one), [`phrases`] (what all have in common). IO: [`reconcile`] with `calls`, [`own_writes`], [`retries`],
//! [`announce`]; [`sweep`] reads for all objects, by a pure plan. Nothing here knows the AWS SDK.

pub mod announce;
mod calls;
pub mod decide;
pub mod evidence;
pub mod ledger;
pub mod memory;
pub mod message;
pub mod own_writes;
pub mod phrases;
pub mod reconcile;
pub mod request;
pub mod rest;
pub mod retries;
pub mod row;
pub mod status;
pub mod sweep;
pub mod uids;

#[cfg(test)]
mod decide_table_tests;
#[cfg(test)]
mod decide_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod status_tests;
#[cfg(test)]
mod world;
#[cfg(test)]
mod world_aws;
#[cfg(test)]
mod world_tests;
