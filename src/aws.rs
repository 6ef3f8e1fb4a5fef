//! Amazon GameLift Streams: the only module that names the AWS SDK.
//!
//! Owns: identifiers, calls, which fields of their answers may leave it, and the classes of failure.
//! Never: Kubernetes types beyond opaque ids, quota, or the content of a status.

pub(crate) mod client;
pub(crate) mod error_class;
pub(crate) mod error_text;
pub mod failure;
pub mod identifiers;
pub mod model;
pub mod operation;
pub(crate) mod principals;
