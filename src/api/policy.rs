//! The `SessionExportPolicy` API: exports for every session of a stream group. No IO, no clock.
//!
//! Owns: the types that users write and read ([`SessionExportPolicySpec`], [`SessionExportPolicyStatus`]; their doc
//! comments are `kubectl explain sessionexportpolicy.spec`), the rules of the definition, and the parsed object
//! [`request::Policy`] with what follows from it alone: the destination, the name and the metadata of each export, and
//! whether a session is in the sample.
//! Never: decides when a session is exported, or what the status says.
//!
//! ```
//! use session_export_operator::api::policy::output_template::{OutputUriTemplate, PlaceholderValues};
//!
//! let template: OutputUriTemplate = "s3://exports/{namespace}/{location}/{sessionId}.zip".parse()?;
//! let session: session_export_operator::aws::identifiers::StreamSessionId = "ABC123def4567".parse()?;
//! let group: session_export_operator::aws::identifiers::StreamGroupId = "sg-1AB2C3De4".parse()?;
//! let location = "us-east-1".parse()?;
//! let values = PlaceholderValues {
//!     namespace: "team-a",
//!     policy: "every-session",
//!     group: &group,
//!     session: &session,
//!     application: None,
//!     location: Some(&location),
//!     created: None,
//! };
//! assert_eq!(template.expand(&values)?.as_str(), "s3://exports/team-a/us-east-1/ABC123def4567.zip");
//! assert_eq!(template.static_prefix("team-a", "every-session", &group), "s3://exports/team-a/");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod export_identity;
pub mod export_metadata;
pub mod output_template;
mod reason;
pub mod request;
pub mod spec;
pub mod status;
#[cfg(test)]
mod tests;
mod validation;

pub use reason::PolicyReason;
pub use spec::{SessionExportPolicy, SessionExportPolicySpec};
pub use status::SessionExportPolicyStatus;

use kube::CustomResourceExt;

/// Kind.
pub const POLICY_KIND: &str = "SessionExportPolicy";
/// The label of each SessionExport that a policy makes; its value is the policy's name.
pub const POLICY_LABEL: &str = "sessionexport.dev/policy";
/// Longest name of a policy, in characters: the name is the value of a label, and part of the names of the exports.
pub const MAX_POLICY_NAME: usize = 63;
/// The most entries of each list of `spec.selector`.
pub const MAX_SELECTED: usize = 32;
/// The most labels, and the most annotations, of `spec.template.metadata`.
pub const MAX_TEMPLATE_METADATA: usize = 8;
/// Longest value of a label, in characters, as Kubernetes has it.
pub const MAX_LABEL_VALUE: usize = 63;
/// Longest value of an annotation of `spec.template.metadata`, in characters.
pub const MAX_ANNOTATION_VALUE: usize = 256;
/// The greatest history limit.
pub const MAX_HISTORY: u32 = 10_000;

/// The CustomResourceDefinition as `session-export-operator crd sessionexportpolicies` prints it.
///
/// # Errors
/// None known: only if YAML can't express the definition.
pub fn policy_crd_yaml() -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&SessionExportPolicy::crd())
}
