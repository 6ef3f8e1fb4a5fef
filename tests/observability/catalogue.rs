//! The metrics as the registry itself tells them.

use session_export_operator::api::Reason;
use session_export_operator::aws::operation::Operation;
use session_export_operator::metrics::{Metrics, NEW, QuotaStats, UNRECOGNIZED, Unaccepted, WITHIN};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One metric: what Prometheus stores of it.
#[derive(Debug, Clone)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    /// Label names, and the values that are known beforehand.
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
    /// The names of its series.
    pub(crate) series: BTreeSet<String>,
}

/// What a leader at work shows.
pub(crate) fn exposition() -> String {
    leader_metrics().encode().unwrap()
}

/// The metrics of a leader at work.
pub(crate) fn leader_metrics() -> Metrics {
    let metrics = Metrics::new();
    for operation in Operation::ALL.map(Operation::name) {
        metrics.set_quota(QuotaStats { operation, configured: 10.0, share: 10.0, tokens: 1.0, waiting: 0 });
    }
    let begun = metrics.encode().unwrap();
    let holds_back = |reason: &&str| begun.contains(&format!("unaccepted_exports{{reason=\"{reason}\""));
    for reason in Reason::ALL.map(Reason::as_str).into_iter().chain([NEW, UNRECOGNIZED]).filter(holds_back) {
        let remaining = Some(Duration::from_secs(60));
        metrics.set_unaccepted(Unaccepted { reason, remaining, within: [1; WITHIN.len()] });
    }
    metrics
}

/// All metrics, in the order of the registry.
pub(crate) fn catalogue() -> Vec<Metric> {
    let mut all: Vec<Metric> = Vec::new();
    for line in exposition().lines() {
        match line.split_once(' ') {
            Some(("#", comment)) => describe(&mut all, comment),
            Some((series, _)) => all.last_mut().unwrap().count(series),
            None => panic!("{line}"),
        }
    }
    all
}

fn describe(all: &mut Vec<Metric>, comment: &str) {
    let words: Vec<&str> = comment.splitn(3, ' ').collect();
    match words[..] {
        ["HELP", name, help] => all.push(Metric {
            name: name.to_owned(),
            kind: String::new(),
            help: help.to_owned(),
            labels: BTreeMap::new(),
            series: BTreeSet::new(),
        }),
        ["TYPE", _, kind] => kind.clone_into(&mut all.last_mut().unwrap().kind),
        ["EOF"] => {}
        _ => panic!("{comment}"),
    }
}

impl Metric {
    fn count(&mut self, series: &str) {
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        self.series.insert(name.to_owned());
        for pair in labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty()) {
            let (label, value) = pair.split_once('=').unwrap();
            self.labels.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }

    /// As Prometheus stores it: counters and infos have an ending.
    pub(crate) fn stored(&self) -> String {
        match self.kind.as_str() {
            "counter" => format!("{}_total", self.name),
            "info" => format!("{}_info", self.name),
            _ => self.name.clone(),
        }
    }
}
