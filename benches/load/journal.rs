//! What the simulator has written down: calls, and when exports were done.

use crate::oracle::sweep::Page;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub(crate) const EXPORT: &str = "ExportStreamSessionFiles";
pub(crate) const GET: &str = "GetStreamSession";
pub(crate) const LIST: &str = "ListStreamSessions";

/// A line of the journal, as far as it matters here. `ms` is the simulator's clock.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line {
    pub(crate) kind: String,
    pub(crate) ms: f64,
    #[serde(default)]
    pub(crate) operation: String,
    #[serde(default)]
    pub(crate) access_key_id: String,
    #[serde(default)]
    pub(crate) group: String,
    #[serde(default)]
    pub(crate) session: String,
    #[serde(default)]
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) sessions: Vec<String>,
    #[serde(default)]
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) effect_ms: Option<f64>,
    #[serde(default)]
    pub(crate) duration_ms: f64,
    #[serde(default)]
    pub(crate) to: String,
}

impl Line {
    fn is_call(&self, operation: &str) -> bool {
        self.kind == "call" && self.operation == operation
    }

    pub(crate) fn answered(&self) -> f64 {
        self.ms + self.duration_ms
    }
}

/// All lines since a moment.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) lines: Vec<Line>,
}

impl Journal {
    pub(crate) fn read(path: &Path, since: f64) -> Self {
        let file = BufReader::new(std::fs::File::open(path).unwrap());
        let parsed = file.lines().map(|line| serde_json::from_str::<Line>(&line.unwrap()).unwrap());
        Self { lines: parsed.filter(|line| line.ms >= since).collect() }
    }

    /// The calls of one operation with one key, in the order of their arrival.
    pub(crate) fn calls(&self, operation: &str, key: &str) -> Vec<&Line> {
        let wanted = |line: &&Line| line.is_call(operation) && line.access_key_id == key;
        let mut calls: Vec<_> = self.lines.iter().filter(wanted).collect();
        calls.sort_by(|a, b| a.ms.total_cmp(&b.ms));
        calls
    }

    /// How often each session's export was made PENDING for another destination or again: more than once is one too
    /// many.
    pub(crate) fn first_accepted(&self, key: &str) -> HashMap<&str, f64> {
        let mut all = HashMap::new();
        for call in self.calls(EXPORT, key) {
            if let Some(at) = call.effect_ms {
                all.entry(call.session.as_str()).or_insert(at);
            }
        }
        all
    }

    /// When the ZIP of each session was there.
    pub(crate) fn succeeded(&self) -> HashMap<&str, f64> {
        let done = self.lines.iter().filter(|line| line.kind == "export" && line.to == "SUCCEEDED");
        done.map(|line| (line.session.as_str(), line.ms)).collect()
    }

    /// When each session was first shown to this key, by a list or by a Get, in answers to what was asked from a moment
    /// on; of sessions without one, nothing.
    pub(crate) fn first_read(&self, key: &str, from: impl Fn(&str) -> Option<f64>) -> HashMap<&str, f64> {
        let mut all: HashMap<&str, f64> = HashMap::new();
        let pages = self.calls(LIST, key).into_iter().flat_map(|call| call.sessions.iter().map(move |one| (one, call)));
        let gets = self.calls(GET, key).into_iter().filter(|call| call.error.is_empty());
        for (session, call) in pages.chain(gets.map(|call| (&call.session, call))) {
            if from(session).is_some_and(|from| call.ms >= from) {
                let first = all.entry(session).or_insert(f64::MAX);
                *first = first.min(call.answered());
            }
        }
        all
    }

    /// The pages of the lists whose filter is `filter`, such as `ExportFilesStatus=PENDING`.
    pub(crate) fn pages(&self, key: &str, filter: &str) -> Vec<Page> {
        let fits = |call: &&Line| call.query.contains(filter) && call.error.is_empty();
        let page = |call: &Line| Page {
            list: call.group.clone(),
            first: !call.query.contains("NextToken"),
            begin: call.ms,
            end: call.answered(),
        };
        self.calls(LIST, key).into_iter().filter(fits).map(page).collect()
    }
}
