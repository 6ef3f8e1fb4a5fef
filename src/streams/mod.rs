//! Amazon GameLift Streams: the only place that knows the AWS SDK.
//!
//! Owns: identifiers, what a read may tell, the classes of failure, the quota. Never: Kubernetes types.

pub mod identifiers;
pub mod observation;
