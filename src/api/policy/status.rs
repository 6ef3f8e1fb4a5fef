//! The status of a policy: the fields that users read.
//!
//! The schema keeps unknown fields, as that of SessionExport does. Counts are signed: an object that can't be decoded
//! is ignored until it changes.

use crate::api::condition::Condition;
use crate::api::schema;
use crate::api::status::MAX_ARN;
use crate::aws::identifiers::MAX_IDENTIFIER;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest name of a SessionExport, in characters.
const MAX_NAME: usize = 253;

/// What the policy has done. Written by the operator only. Conditions are written at once, counts every 30 seconds at
/// most.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(
    transform = schema::restrict_to_portable_formats,
    transform = schema::unwrap_descriptions,
    extend("default" = schema::default_status(), "x-kubernetes-preserve-unknown-fields" = true)
)]
pub struct SessionExportPolicyStatus {
    /// The `metadata.generation` that this status is about; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// The stream group's ARN in full, such as
    /// `arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_ARN))]
    pub stream_group_arn: Option<String>,

    /// The sessions of the group in the last complete scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SessionCounts")]
    pub sessions: Option<SessionCounts>,

    /// The SessionExports of this policy that exist. Those that have been deleted are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExportCounts")]
    pub exports: Option<ExportCounts>,

    /// The SessionExport that was created last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExportSummary")]
    pub last_export: Option<ExportSummary>,

    /// The SessionExport that failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExportSummary")]
    pub last_failure: Option<ExportSummary>,

    /// `Ready` (sessions are discovered and exported, or the policy is suspended). Present only while True:
    /// `Reconciling` (the first scan has not ended, or scans are late) and `Stalled` (nothing is exported until a person
    /// acts; the message says how).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        with = "Vec<v1::Condition>",
        transform = schema::bounded_conditions,
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// Numbers of sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SessionCounts {
    /// Sessions of the group that can be exported now.
    #[serde(default)]
    pub live: i64,

    /// Those of them that match the selector and are in the sample.
    #[serde(default)]
    pub selected: i64,

    /// Those that are exported to another destination, which somebody else requested. The policy leaves them alone: AWS
    /// exports a session once.
    #[serde(default)]
    pub elsewhere: i64,
}

/// Numbers of SessionExports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ExportCounts {
    /// Not accepted by AWS yet.
    #[serde(default)]
    pub waiting: i64,

    /// Accepted by AWS and not finished.
    #[serde(default)]
    pub pending: i64,

    /// Finished, with a ZIP in S3.
    #[serde(default)]
    pub succeeded: i64,

    /// Finished without a ZIP.
    #[serde(default)]
    pub failed: i64,
}

/// One SessionExport of the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ExportSummary {
    /// The id of its session, such as `ABC123def4567`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_IDENTIFIER))]
    pub session: Option<String>,

    /// The name of the SessionExport, in the namespace of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_NAME))]
    pub name: Option<String>,

    /// When it was created, or when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub time: Option<Time>,
}
