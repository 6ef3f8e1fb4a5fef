//! The inputs of the operations, read and validated.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::service::session::{ExportStatus, Status};
use crate::wire::constraint::{self as rule, Checker};
use crate::wire::error::ApiError;
use crate::wire::route::decode;

/// The body of StartStreamSession. Its `Debug` is left out on purpose: it holds secrets.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Start {
    /// Makes the call idempotent.
    pub client_token: Option<String>,
    /// A label.
    pub description: Option<String>,
    /// Only `WebRTC` exists.
    pub protocol: Option<String>,
    /// The offer.
    pub signal_request: Option<String>,
    /// Which application to run.
    pub application_identifier: Option<String>,
    /// The player.
    pub user_id: Option<String>,
    /// Where to run it, most wanted first.
    pub locations: Option<Vec<String>>,
    /// How long to wait for a client.
    pub connection_timeout_seconds: Option<i64>,
    /// The longest that the session may last.
    pub session_length_seconds: Option<i64>,
    /// Echoed.
    pub additional_launch_args: Option<Vec<String>>,
    /// Echoed.
    pub additional_environment_variables: Option<BTreeMap<String, String>>,
    /// Echoed.
    pub performance_stats_configuration: Option<PerformanceStats>,
    /// Echoed.
    pub role_arn: Option<String>,
    /// Echoed.
    pub display_configuration: Option<Display>,
}

/// `PerformanceStatsConfiguration`
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PerformanceStats {
    /// Whether the client sees the figures.
    pub shared_with_client: Option<bool>,
}

/// `DisplayConfiguration`
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Display {
    /// The monitor's size.
    pub resolution: Option<Resolution>,
}

/// `Resolution`
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resolution {
    /// Pixels.
    pub width: Option<i64>,
    /// Pixels.
    pub height: Option<i64>,
}

impl Start {
    /// Reads and validates the body; the group's identifier is validated along with it.
    pub fn read(group: &str, body: &[u8]) -> Result<Self, ApiError> {
        let input: Self = json(body)?;
        let mut check = Checker::default();
        check.text("identifier", group, &rule::IDENTIFIER);
        input.check_required(&mut check);
        input.check_texts(&mut check);
        input.check_numbers(&mut check);
        input.check_lists(&mut check);
        check.finish()?;
        Ok(input)
    }

    fn check_required(&self, check: &mut Checker) {
        match &self.protocol {
            Some(protocol) => check.word("protocol", protocol, rule::PROTOCOLS),
            None => check.absent("protocol"),
        }
        for (member, value, shape) in [
            ("signalRequest", &self.signal_request, &rule::SIGNAL_REQUEST),
            ("applicationIdentifier", &self.application_identifier, &rule::IDENTIFIER),
        ] {
            match value {
                Some(value) => check.text(member, value, shape),
                None => check.absent(member),
            }
        }
    }

    fn check_texts(&self, check: &mut Checker) {
        for (member, value, shape) in [
            ("clientToken", &self.client_token, &rule::CLIENT_TOKEN),
            ("description", &self.description, &rule::DESCRIPTION),
            ("userId", &self.user_id, &rule::USER_ID),
            ("roleArn", &self.role_arn, &rule::ROLE_ARN),
        ] {
            if let Some(value) = value {
                check.text(member, value, shape);
            }
        }
    }

    fn check_numbers(&self, check: &mut Checker) {
        if let Some(value) = self.connection_timeout_seconds {
            check.number("connectionTimeoutSeconds", value, 1, 3600);
        }
        if let Some(value) = self.session_length_seconds {
            check.number("sessionLengthSeconds", value, 1, 86_400);
        }
        let resolution = self.display_configuration.as_ref().and_then(|display| display.resolution.as_ref());
        if let Some(resolution) = resolution {
            for (member, value) in [
                ("displayConfiguration.resolution.width", resolution.width),
                ("displayConfiguration.resolution.height", resolution.height),
            ] {
                match value {
                    Some(value) => check.number(member, value, 320, 4096),
                    None => check.absent(member),
                }
            }
        }
    }

    fn check_lists(&self, check: &mut Checker) {
        if let Some(locations) = &self.locations {
            check.size("locations", locations.len(), 1, usize::MAX);
            for (index, location) in locations.iter().enumerate() {
                check.text(&format!("locations.{}.member", index + 1), location, &rule::LOCATION);
            }
        }
        if let Some(arguments) = &self.additional_launch_args {
            check.size("additionalLaunchArgs", arguments.len(), 0, 100);
        }
        if let Some(variables) = &self.additional_environment_variables {
            check.size("additionalEnvironmentVariables", variables.len(), 0, 50);
            for (name, value) in variables {
                check.text("additionalEnvironmentVariables.key", name, &rule::ENV_KEY);
                check.text("additionalEnvironmentVariables.value", value, &rule::ENV_VALUE);
            }
        }
    }
}

/// The body of ExportStreamSessionFiles.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Export {
    /// Where to.
    #[serde(default)]
    pub output_uri: Option<String>,
}

impl Export {
    /// Reads and validates the body and the identifiers; returns the URI.
    pub fn read(group: &str, session: &str, body: &[u8]) -> Result<String, ApiError> {
        let input: Self = json(body)?;
        let mut check = Checker::default();
        check_identifiers(&mut check, group, session);
        match &input.output_uri {
            Some(uri) => check.text("outputUri", uri, &rule::OUTPUT_URI),
            None => check.absent("outputUri"),
        }
        check.finish()?;
        Ok(input.output_uri.unwrap_or_default())
    }
}

/// Validates the identifiers of the operations that have no other input.
pub fn identifiers(group: &str, session: &str) -> Result<(), ApiError> {
    let mut check = Checker::default();
    check_identifiers(&mut check, group, session);
    check.finish()
}

fn check_identifiers(check: &mut Checker, group: &str, session: &str) {
    check.text("identifier", group, &rule::IDENTIFIER);
    check.text("streamSessionIdentifier", session, &rule::IDENTIFIER);
}

/// The query of the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Only sessions in this status.
    pub status: Option<Status>,
    /// Only sessions with this status of their export.
    pub export_status: Option<ExportStatus>,
    /// Where the last page ended.
    pub next_token: Option<String>,
    /// The size of a page.
    pub max_results: usize,
}

impl List {
    /// Reads and validates the query; the group's identifier, where there is one, along with it.
    pub fn read(group: Option<&str>, query: &str) -> Result<Self, ApiError> {
        let mut check = Checker::default();
        if let Some(group) = group {
            check.text("identifier", group, &rule::IDENTIFIER);
        }
        let mut list = Self { max_results: 25, ..Self::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            list.take(&mut check, &decode(name), decode(value))?;
        }
        check.finish()?;
        Ok(list)
    }

    fn take(&mut self, check: &mut Checker, name: &str, value: String) -> Result<(), ApiError> {
        match name {
            "Status" => {
                check.word("status", &value, rule::SESSION_STATUSES);
                self.status = Status::parse(&value);
            }
            "ExportFilesStatus" => {
                check.word("exportFilesStatus", &value, rule::EXPORT_STATUSES);
                self.export_status = ExportStatus::parse(&value);
            }
            "NextToken" => self.next_token = Some(value),
            "MaxResults" => {
                let number: i64 = value.parse().map_err(|_| unreadable("MaxResults is not an integer"))?;
                check.number("maxResults", number, 1, 100);
                self.max_results = usize::try_from(number).unwrap_or(25);
            }
            _ => {}
        }
        Ok(())
    }
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    // An array would pass for a structure, its items in the order of the fields.
    let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?;
    serde_json::from_value(Value::Object(fields)).map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(why: &str) -> ApiError {
    ApiError::front_end(400, "SerializationException", why)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
