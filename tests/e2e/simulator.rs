//! The simulator as a process of its own, and its control endpoints.

use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// AWS's documentation key pair, which the simulator knows.
pub(crate) const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "us-west-2";
pub(crate) const GROUP: &str = "sg-1AB2C3De4";

pub(crate) struct Simulator {
    child: Child,
    /// What it uploads, unless a flag says where. Removed once the process is gone.
    _folder: TempDir,
    pub(crate) aws: String,
    http: Client<HttpConnector, Full<hyper::body::Bytes>>,
}

impl Simulator {
    /// Starts one on free ports. `flags` beside the usual ones.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let operator = Path::new(env!("CARGO_BIN_EXE_session-export-operator"));
        let program = operator.with_file_name("gameliftstreams-simulator");
        assert!(program.exists(), "{} is missing: run tools/build.sh", program.display());
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut child = tied(&program)
            .env("TMPDIR", folder.path())
            .args(["--port", "0", "--s3-port", "0", "--activation-delay-ms", "300"])
            .args(["--end-delay-ms", "100", "--upload-delay-ms", "100"])
            .args(flags)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let address = |key: &str| said[key].as_str().unwrap().to_owned();
        // A connection that the other side is about to close, as it does with idle ones, can't be taken by mistake.
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { aws: address("aws"), child, _folder: folder, http }
    }

    /// One request to a control endpoint.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}/_simulator/{path}", self.aws))
            .body(Full::from(body))
            .unwrap();
        let answer = self.http.request(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(status.is_success(), "{method} {path}: {status} {}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// Makes one session that stays ACTIVE until it is ended, with what `more` says otherwise.
    pub(crate) async fn session(&self, id: &str, more: Value) {
        let mut seed = json!({"ids": [id]});
        merge(&mut seed, more);
        self.ask("POST", "sessions", seed).await;
    }

    /// Changes a session by hand.
    pub(crate) async fn change(&self, id: &str, change: Value) {
        self.ask("PATCH", &format!("sessions/{id}"), change).await;
    }

    /// Ends a session, as its application would.
    pub(crate) async fn end(&self, id: &str) {
        self.ask("POST", &format!("sessions/{id}/end"), json!({})).await;
    }

    /// Adds a fault rule and returns its id.
    pub(crate) async fn fault(&self, rule: Value) -> Value {
        self.ask("POST", "faults", rule).await
    }

    pub(crate) async fn no_faults(&self) {
        self.ask("DELETE", "faults", Value::Null).await;
    }

    /// Changes switches of its behaviour.
    pub(crate) async fn behave(&self, changes: Value) {
        self.ask("PATCH", "behaviour", changes).await;
    }

    /// All calls of one operation, for one session (empty: all), in order.
    pub(crate) async fn calls(&self, operation: &str, session: &str) -> Vec<Value> {
        let mut path = format!("journal?kind=call&operation={operation}");
        if !session.is_empty() {
            path = format!("{path}&session={session}");
        }
        self.ask("GET", &path, Value::Null).await["records"].as_array().unwrap().clone()
    }

    /// The truth about a session, without lag.
    pub(crate) async fn truth(&self, session: &str) -> Value {
        self.ask("GET", &format!("sessions/{session}"), Value::Null).await
    }

    /// How many calls all fault rules together have touched so far.
    pub(crate) async fn faults_applied(&self) -> u64 {
        let faults = self.ask("GET", "faults", Value::Null).await;
        faults["faults"].as_array().unwrap().iter().map(|fault| fault["applied"].as_u64().unwrap()).sum()
    }

    /// The destinations that an export of a session was ever made PENDING for, in order: more than one is a second
    /// export.
    pub(crate) async fn accepted(&self, session: &str) -> Vec<String> {
        let path = format!("journal?kind=export&session={session}");
        let records = self.ask("GET", &path, Value::Null).await["records"].as_array().unwrap().clone();
        let pending = records.iter().filter(|record| record["to"] == "PENDING");
        pending.map(|record| record["outputUri"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// How often ExportStreamSessionFiles was called for a session, refusals included.
    pub(crate) async fn exports(&self, session: &str) -> usize {
        self.calls("ExportStreamSessionFiles", session).await.len()
    }

    /// The different destinations that ExportStreamSessionFiles was called with for a session.
    pub(crate) async fn destinations(&self, session: &str) -> Vec<String> {
        let calls = self.calls("ExportStreamSessionFiles", session).await;
        let mut uris: Vec<_> = calls.iter().map(|call| call["outputUri"].as_str().unwrap_or("").to_owned()).collect();
        uris.sort();
        uris.dedup();
        uris
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Lays `over` over `base`, objects by key.
pub(crate) fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

/// A command whose process dies with the thread that starts it.
pub(crate) fn tied(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
