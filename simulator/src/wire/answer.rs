//! What the service shows, in the shapes of AWS's model. Timestamps are seconds since the epoch.

use serde_json::{Map, Value, json};

use crate::behaviour::ListMetadata;
use crate::clock::Millis;
use crate::service::session::{Session, Status, View};
use crate::service::status_reason::StatusReason;
use crate::wire::request::Start;

/// A successful answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Option<Value>,
    /// The ids of the sessions that it lists; none if it is no list.
    pub listed: Option<Vec<String>>,
    /// The session that it is about, if the call did not name it.
    pub session: Option<String>,
}

impl Answer {
    /// One with a body.
    #[must_use]
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), listed: None, session: None }
    }

    /// One without.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, body: None, listed: None, session: None }
    }
}

/// `StreamSessionSummary`
#[must_use]
pub fn summary(session: &Session, view: &View) -> Value {
    let mut out = Map::new();
    let state = session.state.as_of(view.status_at);
    put(&mut out, "Arn", session.arn());
    put(&mut out, "ApplicationArn", session.application_arn());
    put(&mut out, "CreatedAt", seconds(session.created_at));
    put(&mut out, "LastUpdatedAt", seconds(session.updated_at()));
    put(&mut out, "Location", &*session.location);
    put(&mut out, "Protocol", "WebRTC");
    put(&mut out, "Status", state.status.word());
    put_some(&mut out, "StatusReason", state.reason.map(StatusReason::word));
    put_some(&mut out, "UserId", session.input.user_id.as_deref());
    put_some(&mut out, "RoleArn", session.input.role_arn.as_deref());
    put_some(&mut out, "ExportFilesMetadata", metadata(session, view));
    Value::Object(out)
}

/// `GetStreamSessionOutput` and `StartStreamSessionOutput`, which are alike.
#[must_use]
pub fn full(session: &Session, view: &View) -> Value {
    let Value::Object(mut out) = summary(session, view) else { return Value::Null };
    put(&mut out, "StreamGroupId", &*session.group);
    put(&mut out, "ConnectionTimeoutSeconds", session.connection_timeout_seconds);
    put(&mut out, "SessionLengthSeconds", session.length_seconds);
    put_input(&mut out, &session.input);
    put_some(&mut out, "LogFileLocationUri", session.log_file_location_uri.as_deref());
    if session.state.as_of(view.status_at).status != Status::Activating {
        put(&mut out, "SignalResponse", "simulated-answer");
        put(&mut out, "WebSdkProtocolUrl", "https://websdk.simulator.invalid/gameliftstreams.js");
    }
    put_some(&mut out, "ApplicationStartedAt", session.activated_at.map(seconds));
    put_some(&mut out, "StreamingStartedAt", session.connected_at.map(seconds));
    if session.connected_at.is_some() && session.status().has_ended() {
        put(&mut out, "StreamingEndedAt", seconds(session.state.since()));
    }
    Value::Object(out)
}

fn put_input(out: &mut Map<String, Value>, input: &Start) {
    put_some(out, "Description", input.description.as_deref());
    put_some(out, "SignalRequest", input.signal_request.as_deref());
    put_some(out, "AdditionalLaunchArgs", input.additional_launch_args.clone());
    put_some(out, "AdditionalEnvironmentVariables", input.additional_environment_variables.as_ref().map(|v| json!(v)));
    if let Some(stats) = &input.performance_stats_configuration {
        put(
            out,
            "PerformanceStatsConfiguration",
            json!({ "SharedWithClient": stats.shared_with_client.unwrap_or(false) }),
        );
    }
    let resolution = input.display_configuration.as_ref().and_then(|display| display.resolution.as_ref());
    if let Some(size) = resolution {
        put(out, "DisplayConfiguration", json!({ "Resolution": { "Width": size.width, "Height": size.height } }));
    }
}

fn metadata(session: &Session, view: &View) -> Option<Value> {
    let export = session.export.as_of(view.export_at).as_deref()?;
    let mut out = Map::new();
    put(&mut out, "Status", export.status.word());
    if view.metadata == ListMetadata::Full {
        put_some(&mut out, "StatusReason", export.reason.as_deref());
        put_some(&mut out, "OutputUri", export.shown_uri(view.pending_uri));
    }
    Some(Value::Object(out))
}

fn put(out: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    out.insert(name.to_owned(), value.into());
}

fn put_some(out: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        put(out, name, value);
    }
}

/// Seconds with their milliseconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double's 53 bits")]
fn seconds(at: Millis) -> Value {
    json!(at as f64 / 1000.0)
}
