//! Amazon GameLift Streams: the only place that knows the AWS SDK.
//!
//! Owns: identifiers, calls and what may be known of their answers, the classes of failure, the quota and whose turn
//! it is, and the gates before what AWS denies. Never: Kubernetes types beyond opaque ids, or what a status says.

pub mod access;
pub mod classify;
pub mod client;
pub mod denial;
pub mod identifiers;
pub mod observation;
pub mod operation;
pub mod quota;
pub mod turns;
