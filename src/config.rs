//! The operator's configuration: one YAML file, parsed once into types.
//!
//! An invalid value is refused with its file, line, column and field, and with what is accepted; so are unknown keys,
//! and values that contradict each other. The doc comments of the fields are the reference: `docs/configuration.md`,
//! which `make docs` writes.

pub(crate) mod scalars;
pub(crate) mod source_location;
#[cfg(test)]
mod tests;
pub(crate) mod timing;
pub(crate) mod validate;

pub use timing::Timing;

use crate::authorization::rules::Rules;
use crate::aws::identifiers::{AccountId, Region};
use crate::aws::operation::Operation;
use crate::de;
use crate::runtime::client::FIELD_MANAGER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The whole configuration.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys aws, rules, quota, watch, policies, lease and timing")]
pub struct Config {
    /// Region and account of the operator's IAM role.
    #[serde(deserialize_with = "de::null_as_default")]
    pub aws: Aws,
    /// Which namespace may export what to where with the operator's role. Empty: nothing is exported.
    #[serde(deserialize_with = "de::null_as_default")]
    pub rules: Rules,
    /// The operator's share of AWS's request quota.
    #[serde(deserialize_with = "de::null_as_default")]
    pub quota: QuotaConfig,
    /// The objects that the operator works on.
    #[serde(deserialize_with = "de::null_as_default")]
    pub watch: Watch,
    /// SessionExportPolicies.
    #[serde(deserialize_with = "de::null_as_default")]
    pub policies: Policies,
    /// The Lease for leader election.
    #[serde(deserialize_with = "de::null_as_default")]
    pub lease: Lease,
    /// Intervals and deadlines.
    #[serde(deserialize_with = "de::null_as_default")]
    pub timing: Timing,
}

/// Region and account of the operator's IAM role.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys region and accountId")]
pub struct Aws {
    /// The Region of objects that name none, neither in `spec.region` nor in an ARN, such as `us-west-2`. Absent: what
    /// the AWS SDK finds (`AWS_REGION`, `AWS_DEFAULT_REGION`, the profile, instance metadata).
    #[serde(deserialize_with = "de::parse_optional")]
    #[schemars(with = "String")]
    pub region: Option<Region>,
    /// The AWS account of the operator's role, 12 digits. Required if there is a rule. A request whose ARN names another
    /// account is held with the reason `AccountMismatch`.
    #[serde(deserialize_with = "de::parse_optional")]
    #[schemars(with = "String")]
    pub account_id: Option<AccountId>,
}

/// The operator's share of AWS's request quota, in requests per second, for each account and Region. AWS's default is
/// 20 for each operation, and the other callers of the account use the same. From 0.01 to 20.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys export, get, list, discoveryShare and allowAboveDefault")]
pub struct QuotaConfig {
    /// For ExportStreamSessionFiles. A late call loses files, so it gets most of the quota.
    pub export: f64,
    /// For GetStreamSession.
    pub get: f64,
    /// For ListStreamSessions.
    pub list: f64,
    /// The part of `list` that the scans of stream groups with a policy have before all other reads of lists, from 0.05
    /// to 0.95. What they leave, the others take, and the reverse.
    pub discovery_share: f64,
    /// Allows a share above 20, up to 10000: only for an account whose quota AWS has raised.
    pub allow_above_default: bool,
}

impl QuotaConfig {
    /// The share of one operation, requests per second.
    pub(crate) const fn share_of(&self, operation: Operation) -> f64 {
        match operation {
            Operation::Export => self.export,
            Operation::Get => self.get,
            Operation::List => self.list,
        }
    }
}

impl Default for QuotaConfig {
    fn default() -> Self {
        Self { export: 18.0, get: 10.0, list: 10.0, discovery_share: 0.65, allow_above_default: false }
    }
}

/// The objects that the operator works on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys namespaces and labelSelector")]
pub struct Watch {
    /// Only these namespaces, by name. Empty: all.
    #[serde(deserialize_with = "scalars::namespaces")]
    pub namespaces: Vec<String>,
    /// Only objects with these labels, as `kubectl -l` takes it, such as `team=a,stage in (prod, canary)`. Empty: all.
    #[serde(deserialize_with = "scalars::label_selector")]
    pub label_selector: String,
}

/// SessionExportPolicies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys enabled and maxWaitingExports")]
pub struct Policies {
    /// Whether the operator acts on policies. It needs their definition and rights of their own for that; without them
    /// policies are held, and SessionExports go on.
    pub enabled: bool,
    /// The most SessionExports of all policies of a Region that wait for nothing but their turn to call, from 1 to 10000.
    /// More are made as these are accepted.
    pub max_waiting_exports: u32,
}

impl Default for Policies {
    fn default() -> Self {
        Self { enabled: true, max_waiting_exports: 100 }
    }
}

/// The Lease for leader election.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys namespace and name")]
pub struct Lease {
    /// The namespace of the Lease. Absent: that of the Pod.
    #[serde(deserialize_with = "scalars::optional_namespace", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub namespace: Option<String>,
    /// The name of the Lease. Replicas have the same, every other operator has its own.
    #[serde(deserialize_with = "scalars::object_name")]
    pub name: String,
}

impl Default for Lease {
    fn default() -> Self {
        Self { namespace: None, name: FIELD_MANAGER.to_owned() }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a valid configuration.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1; 1 if YAML gave no location.
        line: usize,
        /// From 1; 1 if YAML gave no location.
        column: usize,
        /// Field path, what is wrong, and what is accepted.
        message: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`], with the location in the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, path)
    }

    /// Parses and checks the text of a file. `path` is for messages only.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`], with the location in the text.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let invalid = |(line, column): (usize, usize), message| ConfigError::Invalid {
            path: path.to_owned(),
            line,
            column,
            message,
        };
        let config =
            read(text).map_err(|e| invalid(source_location::location_of(&e), source_location::strip_location(&e)))?;
        validate::validate(&config).map_err(|found| {
            invalid(source_location::find_field(text, &found.field), format!("{}: {}", found.field, found.message))
        })?;
        Ok(config)
    }
}

/// Parses the text; a file of comments only is an empty mapping.
fn read(text: &str) -> Result<Config, serde_yaml::Error> {
    let says_nothing = |line: &str| matches!(line.trim(), "" | "---") || line.trim().starts_with('#');
    if text.lines().all(says_nothing) {
        return Ok(Config::default());
    }
    serde_yaml::from_str(text)
}
