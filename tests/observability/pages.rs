//! The pages: what they list is all there is.

use crate::catalogue::{Metric, catalogue};
use session_export_operator::api::Reason;
use session_export_operator::metrics::WITHIN;
use std::path::Path;

pub(crate) fn page(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const HEAD: &str = "# Metrics

Written by `make docs` from the registry. Every replica serves them on port 8080 at `/metrics`. Those of exports, quota and
queue come from the leader; on other replicas they are zero or absent.

No label holds the name of a session, an object or a namespace, so the number of series is bounded. All series exist from
the start, at zero, except those of the quota and of the remaining time.

| metric | type | labels | |
|---|---|---|---|
";

fn table() -> String {
    catalogue().iter().fold(HEAD.to_owned(), |page, metric| page + &row(metric)) + &values()
}

fn row(metric: &Metric) -> String {
    let labels: Vec<String> = metric.labels.keys().filter(|label| *label != "le").map(|l| format!("`{l}`")).collect();
    format!("| `{}` | {} | {} | {} |\n", metric.stored(), metric.kind, labels.join(", "), metric.help)
}

/// The values of each label, over all metrics.
fn values() -> String {
    let mut page = "\n## Values of labels\n\n| label | |\n|---|---|\n".to_owned();
    let catalogue = catalogue();
    for label in ["phase", "reason", "within", "operation", "class", "result", "outcome", "kind"] {
        let mut all: Vec<&String> = catalogue.iter().filter_map(|metric| metric.labels.get(label)).flatten().collect();
        all.sort_by_key(|value| (WITHIN.iter().position(|(step, _)| step == value), *value));
        all.dedup();
        let all: Vec<String> = all.iter().map(|value| format!("`{value}`")).collect();
        page += &format!("| `{label}` | {} |\n", all.join(", "));
    }
    page + "\n- `reason` is that of the condition `Ready`. `New` means that there is no status yet, `Unrecognized` that a newer\n  \
            version wrote the status.\n\
            - `class` is `ok`, or how a call to AWS failed.\n\
            - `result` is how a scan ended. An `abandoned` scan has read more pages than one GetStreamSession for each of its\n  \
            sessions would have cost.\n\
            - `kind`, and `outcome` other than `written`, say how a request to the API server failed.\n"
}

#[test]
fn the_committed_table_of_metrics_is_the_registrys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, table()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == table(), "docs/metrics.md is not what the registry says: run `make docs`");
}

/// A series for each of a label's values: together they stay few, whatever the load.
#[test]
fn the_number_of_series_has_a_bound() {
    let exposition = crate::catalogue::exposition();
    let series = exposition.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 400, "{series}");
    let labels: Vec<String> = catalogue().into_iter().flat_map(|metric| metric.labels.into_keys()).collect();
    for unbounded in ["namespace", "name", "session", "uid", "stream_group", "bucket"] {
        assert!(!labels.iter().any(|label| label == unbounded), "{unbounded}");
    }
}

/// Each reason that a status can show has a heading, in the page's own order.
#[test]
fn every_reason_has_its_cause_and_remedy() {
    let page = page("docs/why-is-my-export-not-done.md");
    let mut headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    headings.sort_unstable();
    let mut reasons: Vec<&str> = Reason::ALL.map(Reason::as_str).to_vec();
    reasons.sort_unstable();
    assert_eq!(headings, reasons);
    for (heading, rest) in page.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap()) {
        let section = rest.split("\n## ").next().unwrap();
        for part in ["**Why:**", "**Do:**"] {
            assert!(section.contains(part), "{heading} lacks {part}");
        }
    }
}
