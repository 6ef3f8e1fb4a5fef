//! The status: the fields that users read.
//!
//! The schema keeps unknown fields of the status, so that an object written by a newer version loses nothing when the
//! CRD is rolled back with the operator. (An `exportStatus` of a newer version survives as well: the API server doesn't
//! revalidate an unchanged value.) If the CRD is not rolled back, it keeps everything anyway.

use crate::api::condition::Condition;
use crate::api::schema;
use crate::aws::identifiers::MAX_OUTPUT_URI;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest text of AWS's that a status holds, in characters; longer ones are cut, or left out.
pub const MAX_REASON: usize = 256;

/// Longest ARN of a session, in characters: both ids have 128 at most.
pub const MAX_ARN: usize = 512;

/// The state of the export. Written by the operator only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(
    transform = schema::restrict_to_portable_formats,
    transform = schema::unwrap_descriptions,
    extend("default" = schema::default_status(), "x-kubernetes-preserve-unknown-fields" = true)
)]
pub struct SessionExportStatus {
    /// AWS's status of the export: `PENDING` (AWS has accepted it; the ZIP arrives after the session has ended),
    /// `SUCCEEDED` (the ZIP is in S3), `FAILED` (there is no ZIP; also if AWS did not accept the export in time).
    /// Absent: not requested yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExportStatus")]
    pub export_status: Option<ExportStatus>,

    /// Why the export FAILED: AWS's reason or the operator's. At most 256 characters, control characters escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_REASON))]
    pub export_status_reason: Option<String>,

    /// Where the ZIP is once `exportStatus` is SUCCEEDED, or where it would be if FAILED, as AWS reported it. If
    /// `spec.outputUri` is a prefix, this has the name that AWS gave the object, such as
    /// `s3://exports/team-a/20260131-120000-a-9ZY8X7Wv6-sg-1AB2C3De4-ABC123def4567.zip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_OUTPUT_URI))]
    pub output_uri: Option<String>,

    /// The session, as AWS showed it when `status` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SessionStatusView")]
    pub session: Option<SessionStatusView>,

    /// When the operator first saw this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub start_time: Option<Time>,

    /// When the operator was about to request the export for the first time. AWS may have accepted it since then, even
    /// if its answer was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub request_attempt_time: Option<Time>,

    /// When AWS accepted the export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub request_time: Option<Time>,

    /// When the export succeeded or failed. An object has finished if and only if this is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Time")]
    pub completion_time: Option<Time>,

    /// The `metadata.generation` that this status is about; -1 until the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// `Accepted` (AWS has accepted the export), `Succeeded` (the outcome; Unknown until the end), `Ready`
    /// (`spec.readyWhen` is met). Present only while True: `Reconciling` (under way) and `Stalled` (failed, or a person
    /// has to act; the message says how).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        with = "Vec<v1::Condition>",
        transform = schema::bounded_conditions,
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// AWS's status of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportStatus {
    /// Accepted, not finished.
    Pending,
    /// The ZIP is in S3.
    Succeeded,
    /// There is no ZIP.
    Failed,
    /// A word of a newer version: never concluded from, and never written.
    #[serde(other)]
    #[schemars(skip)]
    Unrecognized,
}

/// The session as AWS showed it when the status last changed. Never the user id, signal blobs, environment or launch
/// arguments: they are secrets or personal data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct SessionStatusView {
    /// Its ARN in full, such as
    /// `arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1AB2C3De4/ABC123def4567`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_ARN))]
    pub arn: Option<String>,

    /// Its status as AWS shows it, such as `ACTIVE` or `TERMINATED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_REASON))]
    pub status: Option<String>,

    /// AWS's reason for its status, such as `idleTimeout` or `apiTerminated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_REASON))]
    pub status_reason: Option<String>,

    /// ARN of the application that was streamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_REASON))]
    pub application_arn: Option<String>,

    /// The location that hosted it, such as `us-east-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_REASON))]
    pub location: Option<String>,

    /// Where AWS uploads the log files that the application's `ApplicationLogPaths` name, if it has any. They are no
    /// part of the export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = MAX_OUTPUT_URI))]
    pub log_file_location_uri: Option<String>,
}
