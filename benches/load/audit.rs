//! What one operator has asked of the API server, from its audit log, from a mark on.

use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

/// Where reading goes on.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    log: PathBuf,
    user: String,
    from: u64,
}

/// One answered request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    user: User,
    stage: String,
    pub(crate) verb: String,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Response,
    request_received_timestamp: Timestamp,
    stage_timestamp: Timestamp,
}

#[derive(Debug, Clone, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Response {
    code: u16,
}

impl Request {
    /// Such as `patch sessionexports/status`.
    pub(crate) fn what(&self) -> String {
        let Object { resource, subresource, .. } = &self.object_ref;
        let slash = if subresource.is_empty() { "" } else { "/" };
        format!("{} {resource}{slash}{subresource}", self.verb)
    }

    /// The name of the object.
    pub(crate) fn name(&self) -> &str {
        &self.object_ref.name
    }

    /// A status that was written.
    pub(crate) fn is_status_write(&self) -> bool {
        self.what() == "patch sessionexports/status" && self.has_succeeded()
    }

    pub(crate) const fn has_succeeded(&self) -> bool {
        matches!(self.response_status.code, 200..300)
    }

    /// Neither the watch nor the lease.
    pub(crate) fn is_extra(&self) -> bool {
        self.verb != "watch" && self.object_ref.resource != "leases"
    }

    /// Milliseconds of the wall clock.
    pub(crate) fn received(&self) -> f64 {
        millis(self.request_received_timestamp)
    }

    /// Milliseconds of the wall clock.
    pub(crate) fn answered(&self) -> f64 {
        millis(self.stage_timestamp)
    }
}

fn millis(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1000.0
}

impl Audit {
    /// From now on.
    pub(crate) fn mark(log: PathBuf, user: String) -> Self {
        let from = std::fs::metadata(&log).unwrap().len();
        Self { log, user, from }
    }

    /// What has come since the mark, or since the last look.
    pub(crate) fn news(&mut self) -> Vec<Request> {
        let mut file = File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(self.from)).unwrap();
        let mut found = Vec::new();
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            self.from += line.len() as u64;
            if line.contains(&self.user) {
                found.extend(self.own(&line));
            }
            line.clear();
        }
        found
    }

    fn own(&self, line: &str) -> Option<Request> {
        let request: Request = serde_json::from_str(line).unwrap();
        (request.user.username == self.user && request.stage == "ResponseComplete").then_some(request)
    }
}

/// How often each thing was asked, such as `list sessionexports: 20, patch sessionexports/status: 3`.
pub(crate) fn counted(requests: &[&Request]) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    requests.iter().for_each(|request| *kinds.entry(request.what()).or_default() += 1);
    kinds.iter().map(|(what, count)| format!("{what}: {count}")).collect::<Vec<_>>().join(", ")
}
