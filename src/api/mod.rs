//! The `SessionExport` API: what users write, and what they read back. No IO.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// API group; the one place that names it.
pub const GROUP: &str = "sessionexport.dev";

/// One request to export the files of one stream session.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "sessionexport.dev",
    version = "v1alpha1",
    kind = "SessionExport",
    namespaced,
    status = "SessionExportStatus",
    shortname = "sx",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct SessionExportSpec {
    /// Stream group.
    pub stream_group_identifier: String,
    /// Stream session.
    pub stream_session_identifier: String,
    /// Destination.
    pub output_uri: String,
    /// Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// When Ready turns True.
    #[serde(default)]
    pub ready_when: ReadyWhen,
    /// Hold the request.
    #[serde(default)]
    pub suspend: bool,
    /// Delete the object this long after it finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds_after_finished: Option<u32>,
}

/// When `Ready` turns True.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReadyWhen {
    /// When the ZIP is in S3.
    #[default]
    Exported,
    /// When AWS has promised the export.
    Accepted,
}

/// What the operator found out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionExportStatus {
    /// AWS's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_status: Option<ExportStatus>,
    /// Reason for FAILED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_status_reason: Option<String>,
    /// URI as AWS reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_uri: Option<String>,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionStatusView>,
    /// First seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_attempt_time: Option<Time>,
    /// Accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_time: Option<Time>,
    /// Finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Generation that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// AWS's word for the state of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportStatus {
    /// Accepted, not finished.
    Pending,
    /// The ZIP is in S3.
    Succeeded,
    /// There is no ZIP.
    Failed,
    /// A word of a newer version: kept, never concluded from.
    #[serde(other)]
    Unrecognized,
}

/// The session as last seen at a transition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionStatusView {
    /// Canonical ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// AWS's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// AWS's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// Application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_arn: Option<String>,
    /// Location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}
