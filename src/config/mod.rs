//! The operator's configuration: one YAML file, parsed once into types.
//!
//! A value that is no good is refused with its file, line, column and field, and with what is accepted; so are keys
//! that don't exist, and values that contradict each other. `examples/config.yaml` documents every key.

mod check;
mod locate;
mod scalars;
mod timing;

pub use timing::Timing;

use crate::api::FIELD_MANAGER;
use crate::authority::rules::Rules;
use crate::streams::identifiers::{AccountId, Region};
use crate::typed;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Everything the operator can be told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys aws, rules, quota, watch, lease and timing")]
pub struct Config {
    /// `aws`
    #[serde(deserialize_with = "typed::section")]
    pub aws: Aws,
    /// `rules`: what may be exported where with the operator's own identity. Empty: nothing.
    #[serde(deserialize_with = "typed::section")]
    pub rules: Rules,
    /// `quota`
    #[serde(deserialize_with = "typed::section")]
    pub quota: Quota,
    /// `watch`
    #[serde(deserialize_with = "typed::section")]
    pub watch: Watch,
    /// `lease`
    #[serde(deserialize_with = "typed::section")]
    pub lease: Lease,
    /// `timing`
    #[serde(deserialize_with = "typed::section")]
    pub timing: Timing,
}

/// `aws`: where calls go by default, and whose account it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys region and accountId")]
pub struct Aws {
    /// Region for objects that name none. `None`: the SDK's own chain (`AWS_REGION`, profile, instance metadata).
    #[serde(deserialize_with = "typed::optional")]
    pub region: Option<Region>,
    /// The account of the operator's identity. Required when there are rules.
    #[serde(deserialize_with = "typed::optional")]
    pub account_id: Option<AccountId>,
}

/// `quota`: this operator's share, requests per second, for each account and Region.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys export, get, list and allowAboveDefault")]
pub struct Quota {
    /// ExportStreamSessionFiles. Default 18.
    pub export: f64,
    /// GetStreamSession. Default 10.
    pub get: f64,
    /// ListStreamSessions. Default 10.
    pub list: f64,
    /// Whether a share may exceed AWS's default quota of 20, for accounts whose quota was raised.
    pub allow_above_default: bool,
}

impl Default for Quota {
    fn default() -> Self {
        Self { export: 18.0, get: 10.0, list: 10.0, allow_above_default: false }
    }
}

/// `watch`: which objects this operator works on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys namespaces and labelSelector")]
pub struct Watch {
    /// Empty: all namespaces.
    #[serde(deserialize_with = "scalars::namespaces")]
    pub namespaces: Vec<String>,
    /// Empty: all objects. Equality- or set-based, as `kubectl -l` takes it.
    #[serde(deserialize_with = "scalars::label_selector")]
    pub label_selector: String,
}

/// `lease`: where replicas agree on a leader.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[serde(expecting = "a mapping with the keys namespace and name")]
pub struct Lease {
    /// `None`: the Pod's own namespace.
    #[serde(deserialize_with = "scalars::optional_namespace")]
    pub namespace: Option<String>,
    /// Default `session-export-operator`.
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
    /// The file says something that it can't say.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1; 1 if YAML gave no place.
        line: usize,
        /// From 1; 1 if YAML gave no place.
        column: usize,
        /// Field path, what is wrong, and what is accepted.
        message: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`], with the place in the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, path)
    }

    /// Parses and checks the text of a file. `path` is for messages only.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`], with the place in the text.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let invalid = |(line, column): (usize, usize), message| ConfigError::Invalid {
            path: path.to_owned(),
            line,
            column,
            message,
        };
        let config = read(text).map_err(|e| invalid(locate::place(&e), locate::without_place(&e)))?;
        check::contradictions(&config).map_err(|found| {
            invalid(locate::find(text, &found.field), format!("{}: {}", found.field, found.message))
        })?;
        Ok(config)
    }
}

/// A file in which everything is commented out is one without keys.
fn read(text: &str) -> Result<Config, serde_yaml::Error> {
    let says_nothing = |line: &str| matches!(line.trim(), "" | "---") || line.trim().starts_with('#');
    if text.lines().all(says_nothing) {
        return Ok(Config::default());
    }
    serde_yaml::from_str(text)
}

#[cfg(test)]
mod tests;
