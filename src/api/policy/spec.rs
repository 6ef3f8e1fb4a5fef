//! The spec of a policy: the fields that users write.

#![allow(clippy::duplicated_attributes, reason = "print columns of one type are not the same column")]
#![allow(unreachable_pub, reason = "KubeSchema copies the struct into a function")]

use crate::api::policy::{
    MAX_ANNOTATION_VALUE, MAX_LABEL_VALUE, MAX_SELECTED, MAX_TEMPLATE_METADATA, POLICY_KIND, SessionExportPolicyStatus,
    validation as rules,
};
use crate::api::{ReadyWhen, schema, validation};
use crate::aws::identifiers::{MAX_IDENTIFIER, MAX_LOCATION, MAX_OUTPUT_URI};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which sessions are exported, and what each export looks like. `streamGroupIdentifier`, `region` and
/// `serviceAccountName` are immutable: for another stream group create another SessionExportPolicy. All else may be
/// changed at any time; SessionExports that exist already stay as they are.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "sessionexport.dev",
    version = "v1alpha1",
    kind = "SessionExportPolicy",
    plural = "sessionexportpolicies",
    namespaced,
    status = "SessionExportPolicyStatus",
    shortname = "sxp",
    category = "gameliftstreams",
    derive = "PartialEq",
    validation = rules::policy_name(),
    doc = "Keeps the files of every session of one stream group of Amazon GameLift Streams, also of sessions that no \
           backend of yours starts. AWS must be asked while a session lives, and nobody knows then how it will end. So \
           \"only when it failed\" cannot be asked for: keep everything, or a sample, and let an S3 lifecycle rule \
           delete what you do not need. \
           While the policy exists, the operator lists the sessions of the group and creates one SessionExport for \
           each, in the namespace of the policy. A session that lives shorter than one scan is missed. \
           Deleting the policy deletes its SessionExports (`--cascade=orphan` keeps them), and with them what AWS has \
           not accepted yet: set `spec.suspend` first. AWS goes on with what it has accepted, and no ZIP is deleted.",
    printcolumn(name = "Group", type_ = "string", json_path = ".spec.streamGroupIdentifier"),
    printcolumn(
        name = "Live",
        type_ = "integer",
        json_path = ".status.sessions.live",
        description = "Sessions that can be exported now"
    ),
    printcolumn(
        name = "Pending",
        type_ = "integer",
        json_path = ".status.exports.pending",
        description = "Exports that AWS has accepted and not finished"
    ),
    printcolumn(name = "Succeeded", type_ = "integer", json_path = ".status.exports.succeeded"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.exports.failed"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::unwrap_descriptions)]
#[x_kube(
    validation = validation::region_agrees_with("streamGroupIdentifier"),
    validation = rules::applications_agree_with_group(),
    validation = rules::applications_agree_with_region(),
    validation = validation::fixed_presence("region", POLICY_KIND),
    validation = validation::fixed_presence("serviceAccountName", POLICY_KIND)
)]
pub struct SessionExportPolicySpec {
    /// The stream group whose sessions are exported: its id, such as `sg-1AB2C3De4`, or its ARN, such as
    /// `arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4`. Upper and lower case differ.
    /// At most 128 characters. Immutable.
    #[schemars(length(max = MAX_IDENTIFIER))]
    #[x_kube(
        validation = validation::valid_stream_group(),
        validation = validation::arn_of_one_partition(),
        validation = validation::immutable_field(POLICY_KIND)
    )]
    pub stream_group_identifier: String,

    /// The AWS Region of the stream group, such as `us-west-2` (the Region that manages it, also when its sessions run
    /// in other locations). Default: the Region of the ARN if streamGroupIdentifier is one, else the operator's. Must
    /// agree with the ARNs. Immutable: may be neither added nor removed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 32))]
    #[x_kube(
        validation = validation::valid_region(),
        validation = validation::region_of_one_partition(),
        validation = validation::immutable_field(POLICY_KIND)
    )]
    pub region: Option<String>,

    /// The ServiceAccount in this namespace, such as `exports`, whose IAM role (annotation
    /// `eks.amazonaws.com/role-arn`) makes the calls to AWS, instead of the operator's own. Default: the operator's own
    /// role, within the administrator's rules. Where the operator does not support this, the policy makes no exports and
    /// shows the reason `ServiceAccountNotSupported`; the operator's own role is never used in its place.
    /// Immutable: may be neither added nor removed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 253))]
    #[x_kube(validation = validation::valid_service_account(), validation = validation::immutable_field(POLICY_KIND))]
    pub service_account_name: Option<String>,

    /// While true, no new exports are made. Exports that exist already go on. The sessions are still counted in
    /// `status.sessions`, once a minute: so a new policy can be tried without an export. May be changed at any time.
    #[serde(default)]
    pub suspend: bool,

    /// Which sessions of the group are exported. A session must match each list that is given; it matches a list if it
    /// matches one of its entries. Default: all sessions. May be changed at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SessionSelector")]
    pub selector: Option<SessionSelector>,

    /// How many of 100 selected sessions are exported: 1 to 100, such as 10 for a tenth of them. S3 and the transfer of
    /// ZIPs cost money. The choice is made by a hash of the session's ARN: it is the same after a restart, and a greater
    /// percentage keeps the sessions of a smaller one. May be changed at any time.
    #[serde(default = "all_sessions")]
    #[schemars(with = "i64")]
    #[x_kube(validation = rules::valid_percent())]
    pub sample_percent: u8,

    /// How many SessionExports of this policy that have succeeded are kept: 0 to 10000. The oldest beyond them are
    /// deleted, also before their `ttlSecondsAfterFinished` is over. No ZIP is ever deleted. May be changed at any time.
    #[serde(default = "default_history")]
    #[schemars(with = "i64")]
    #[x_kube(validation = rules::valid_history())]
    pub successful_exports_history_limit: u32,

    /// How many SessionExports of this policy that have failed are kept: 0 to 10000. The oldest beyond them are deleted,
    /// also before their `ttlSecondsAfterFinished` is over. May be changed at any time.
    #[serde(default = "default_history")]
    #[schemars(with = "i64")]
    #[x_kube(validation = rules::valid_history())]
    pub failed_exports_history_limit: u32,

    /// What each SessionExport of this policy looks like. The operator adds the session, the name
    /// (`POLICY-SESSIONID-` in lower case and 8 hexadecimal digits), the label `sessionexport.dev/policy` and an owner
    /// reference. May be changed at any time; SessionExports that exist already stay as they are.
    pub template: ExportTemplate,
}

/// Which sessions of the group are exported. A session must match each list that is given.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSelector {
    /// The applications whose sessions are exported: 1 to 32 ids, such as `a-9ZY8X7Wv6`, or ARNs, such as
    /// `arn:aws:gameliftstreams:us-west-2:111122223333:application/a-9ZY8X7Wv6`. ARNs must be of the Region and account
    /// of the stream group. Upper and lower case differ. Default: all applications.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = MAX_SELECTED),
        inner(length(max = MAX_IDENTIFIER)),
        extend("x-kubernetes-list-type" = "set")
    )]
    #[x_kube(validation = rules::valid_applications(), validation = rules::applications_of_one_partition())]
    pub application_identifiers: Vec<String>,

    /// The locations whose sessions are exported: 1 to 32 names, such as `us-east-1`. Default: all locations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = MAX_SELECTED),
        inner(length(max = MAX_LOCATION)),
        extend("x-kubernetes-list-type" = "set")
    )]
    #[x_kube(validation = rules::valid_locations())]
    pub locations: Vec<String>,
}

/// What each SessionExport of a policy looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportTemplate {
    /// Labels and annotations of each SessionExport, for example to select them with `kubectl get sx -l`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExportTemplateMetadata")]
    pub metadata: Option<ExportTemplateMetadata>,

    /// The spec of each SessionExport. The operator adds stream group, session, Region and ServiceAccount.
    pub spec: ExportTemplateSpec,
}

/// Labels and annotations of each SessionExport of a policy.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportTemplateMetadata {
    /// At most 8 labels, such as `team: streaming`. Keys by which other programs recognise their objects are refused:
    /// those of `sessionexport.dev/`, `kubernetes.io/`, `k8s.io/`, `meta.helm.sh/`, `*.toolkit.fluxcd.io/` and
    /// `argocd.argoproj.io/`. Accepted are `app.kubernetes.io/` (except `instance` and `managed-by`) and
    /// `argocd.argoproj.io/ignore-resource-updates`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = schema::BoundedMap { entries: MAX_TEMPLATE_METADATA, value: MAX_LABEL_VALUE })]
    #[x_kube(
        validation = rules::valid_keys(),
        validation = rules::no_reserved_keys(),
        validation = rules::valid_label_values()
    )]
    pub labels: BTreeMap<String, String>,

    /// At most 8 annotations, with values of at most 256 characters. The keys that are refused are those of `labels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = schema::BoundedMap { entries: MAX_TEMPLATE_METADATA, value: MAX_ANNOTATION_VALUE })]
    #[x_kube(validation = rules::valid_keys(), validation = rules::no_reserved_keys())]
    pub annotations: BTreeMap<String, String>,
}

/// The spec of each SessionExport of a policy.
#[derive(KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportTemplateSpec {
    /// Where each ZIP goes, with placeholders that are replaced for each session, such as
    /// `s3://exports/team-a/{applicationId}/{year}/{month}/{day}/{sessionId}.zip`. Write it in quotes.
    /// Either the name of one object that ends in `.zip` or `.ZIP` and has `{sessionId}`, as recommended, or a prefix
    /// that ends in `/`: AWS then names the object. Placeholders: `{sessionId}`, `{streamGroupId}`, `{applicationId}`,
    /// `{location}`, `{year}`, `{month}`, `{day}`, `{hour}` (of the time when AWS created the session, in UTC),
    /// `{namespace}` and `{policy}` (the name of this object). A placeholder never becomes empty: a session whose value
    /// AWS does not show is not exported. The bucket has no placeholder. With the longest values (ids 70, location 20,
    /// namespace and policy 63 characters) at most 1024 characters: ASCII letters, digits, spaces and
    /// `! - _ . * ' ( ) / & $ @ = ; : + ,`. No empty, `.` or `..` segments. The administrator's rules decide which
    /// destinations a namespace may use, and whether by a policy.
    #[schemars(length(max = MAX_OUTPUT_URI))]
    #[x_kube(
        validation = rules::valid_bucket(),
        validation = rules::no_placeholder_in_bucket(),
        validation = rules::uri_ending(),
        validation = validation::uri_segments(),
        validation = validation::uri_characters(),
        validation = rules::paired_braces(),
        validation = rules::known_placeholders(),
        validation = rules::session_in_zip(),
        validation = rules::max_expanded_length()
    )]
    pub output_uri: String,

    /// When the condition `Ready` of each SessionExport becomes True. `Exported`: when the ZIP is in S3. `Accepted`:
    /// when AWS has accepted the export.
    #[serde(default)]
    pub ready_when: ReadyWhen,

    /// The number of seconds after which each SessionExport (never the ZIP) is deleted once it has succeeded or failed:
    /// 0 to 31536000 (a year). Each object that is kept takes memory of the cluster, so the default is an hour.
    #[serde(default = "default_ttl")]
    #[schemars(with = "i64")]
    #[x_kube(validation = validation::valid_ttl())]
    pub ttl_seconds_after_finished: u32,
}

const fn all_sessions() -> u8 {
    100
}

const fn default_history() -> u32 {
    1000
}

const fn default_ttl() -> u32 {
    3600
}
