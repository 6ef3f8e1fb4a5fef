//! The spec: the fields that users write.

#![allow(clippy::duplicated_attributes, reason = "print columns of one type are not the same column")]
#![allow(unreachable_pub, reason = "KubeSchema copies the struct into a function")]

use crate::api::{KIND, SessionExportStatus, schema, validation};
use crate::aws::identifiers::{MAX_IDENTIFIER, MAX_OUTPUT_URI};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which session of Amazon GameLift Streams, and where its files go. All fields but `suspend` and
/// `ttlSecondsAfterFinished` are immutable: for another session or destination create another SessionExport.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "sessionexport.dev",
    version = "v1alpha1",
    kind = "SessionExport",
    namespaced,
    status = "SessionExportStatus",
    shortname = "sx",
    category = "gameliftstreams",
    derive = "PartialEq",
    doc = "One request to export the files of one stream session of Amazon GameLift Streams to S3. One-shot, like a \
           Job: create it while the session is live, and read in `status` where the ZIP is, or why there is none. \
           AWS collects the files and uploads them when the session ends, and only if the export was requested before. \
           After `status.completionTime` is set, the operator does nothing more. Deleting the object neither cancels \
           the export nor deletes the ZIP. To wait for either outcome: \
           kubectl wait sessionexport NAME --for=jsonpath='{.status.completionTime}' --timeout=25h",
    printcolumn(name = "Session", type_ = "string", json_path = ".spec.streamSessionIdentifier"),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.exportStatus",
        description = "AWS's status of the export"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Output", type_ = "string", json_path = ".status.outputUri", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    selectable = ".spec.streamSessionIdentifier",
    selectable = ".spec.streamGroupIdentifier"
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::unwrap_descriptions)]
#[x_kube(
    validation = validation::same_group(),
    validation = validation::same_account_and_region(),
    validation = validation::region_agrees_with("streamGroupIdentifier"),
    validation = validation::region_agrees_with("streamSessionIdentifier"),
    validation = validation::fixed_presence("region", KIND),
    validation = validation::fixed_presence("serviceAccountName", KIND)
)]
pub struct SessionExportSpec {
    /// The stream group that the session belongs to: its id, such as `sg-1AB2C3De4`, or its ARN, such as
    /// `arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4`. Upper and lower case differ.
    /// At most 128 characters. Immutable.
    #[schemars(length(max = MAX_IDENTIFIER))]
    #[x_kube(
        validation = validation::valid_stream_group(),
        validation = validation::arn_of_one_partition(),
        validation = validation::immutable_field(KIND)
    )]
    pub stream_group_identifier: String,

    /// The stream session whose files are exported: its id, such as `ABC123def4567` (StartStreamSession returns it),
    /// or its ARN, such as
    /// `arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1AB2C3De4/ABC123def4567`.
    /// If both identifiers are ARNs, they must be of the same Region and account; a group that this ARN names must be
    /// the one of streamGroupIdentifier. Upper and lower case differ. At most 128 characters. Immutable.
    #[schemars(length(max = MAX_IDENTIFIER))]
    #[x_kube(
        validation = validation::valid_stream_session(),
        validation = validation::arn_of_one_partition(),
        validation = validation::immutable_field(KIND)
    )]
    pub stream_session_identifier: String,

    /// Where the ZIP goes. Either a prefix that ends in `/`, such as `s3://exports/team-a/`: AWS then names the
    /// object, and `status.outputUri` shows the name. Or the name of one object that ends in `.zip` or `.ZIP`, such as
    /// `s3://exports/team-a/crash-4711.zip`: an existing object is overwritten. At most 1024 characters:
    /// ASCII letters, digits, spaces and `! - _ . * ' ( ) / & $ @ = ; : + ,`. No empty, `.` or `..` segments, and no braces:
    /// only the template of a SessionExportPolicy has placeholders. The
    /// administrator's rules decide which destinations a namespace may use; a forbidden one shows as
    /// `DestinationForbidden` in the conditions, with the rule that is missing. Immutable.
    #[schemars(length(max = MAX_OUTPUT_URI))]
    #[x_kube(
        validation = validation::valid_bucket(),
        validation = validation::uri_ending(),
        validation = validation::uri_segments(),
        validation = validation::uri_characters(),
        validation = validation::no_placeholders(),
        validation = validation::immutable_field(KIND)
    )]
    pub output_uri: String,

    /// The AWS Region of the stream group, such as `us-west-2` (the Region that manages it, also when the session runs
    /// in another location). Default: the Region of the ARN if one is given above, else the operator's. Must agree with
    /// the ARNs. Immutable: may be neither added nor removed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 32))]
    #[x_kube(
        validation = validation::valid_region(),
        validation = validation::region_of_one_partition(),
        validation = validation::immutable_field(KIND)
    )]
    pub region: Option<String>,

    /// The ServiceAccount in this namespace, such as `game-backend`, whose IAM role
    /// (annotation `eks.amazonaws.com/role-arn`) makes the calls to AWS, instead of the operator's own. Default: the
    /// operator's own role, within the administrator's rules. Where the operator does not support this, the object is
    /// held with the reason `ServiceAccountNotSupported`; the operator's own role is never used in its place.
    /// Immutable: may be neither added nor removed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 253))]
    #[x_kube(validation = validation::valid_service_account(), validation = validation::immutable_field(KIND))]
    pub service_account_name: Option<String>,

    /// When the condition `Ready` becomes True. kubectl wait, Helm, Argo CD and Flux wait for it.
    /// `Exported`: when the ZIP is in S3. The session has to end first, which may take a day. `Accepted`: when AWS has
    /// accepted the export. Immutable.
    #[serde(default)]
    #[x_kube(validation = validation::immutable_field(KIND))]
    pub ready_when: ReadyWhen,

    /// While true, no export is requested. A backend may create the object suspended when a session starts, and set
    /// this to false after a crash. That works only while the session is live: once it has ended, it is too late. An
    /// export that AWS has accepted goes on. May be changed at any time.
    #[serde(default)]
    pub suspend: bool,

    /// The number of seconds after which this object (never the ZIP) is deleted once it has succeeded or failed: 0 to
    /// 31536000 (a year), such as 86400 for a day. Absent: the object is kept. May be changed, added and removed at any
    /// time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    #[x_kube(validation = validation::valid_ttl())]
    pub ttl_seconds_after_finished: Option<u32>,
}

/// When `Ready` turns True.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReadyWhen {
    /// When AWS has accepted the export.
    Accepted,
    /// When the ZIP is in S3. Also what a word of a newer version is taken for: the stricter of the two.
    #[default]
    #[serde(other)]
    Exported,
}
