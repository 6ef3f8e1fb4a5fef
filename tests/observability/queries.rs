//! What a query asks for, against the catalogue. That it is a query at all is promtool's to say.

use crate::catalogue::{Metric, catalogue};
use std::sync::LazyLock;

static METRICS: LazyLock<Vec<Metric>> = LazyLock::new(catalogue);

/// Labels that Prometheus and its operator add.
const ADDED: [&str; 5] = ["namespace", "job", "pod", "instance", "le"];

/// Everything in the query that does not exist: metrics, their labels, their labels' values.
pub(crate) fn unknown(query: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut labels: Vec<&str> = ADDED.to_vec();
    let names = words(query).filter(|(_, word)| word.starts_with("sessionexport_"));
    let mut metrics = 0;
    for (at, name) in names {
        metrics += 1;
        match METRICS.iter().find(|metric| metric.series.contains(name)) {
            Some(metric) => {
                labels.extend(metric.labels.keys().map(String::as_str));
                unknown.extend(matchers(&query[at + name.len()..]).filter_map(|matcher| mismatch(metric, matcher)));
            }
            None => unknown.push(format!("metric {name}")),
        }
    }
    if metrics == 0 {
        unknown.push("no metric of ours".to_owned());
    }
    unknown.extend(grouped(query).filter(|label| !labels.contains(label)).map(|label| format!("label {label}")));
    unknown
}

/// Label names of all metrics of a query, for legends and summaries.
pub(crate) fn labels_of(query: &str) -> Vec<String> {
    let used = |metric: &&Metric| words(query).any(|(_, word)| metric.series.contains(word));
    let own = METRICS.iter().filter(used).flat_map(|metric| metric.labels.keys().cloned());
    own.chain(ADDED.map(str::to_owned)).collect()
}

/// Words and where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(move |c| !is_word(c)).map(move |word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

/// `label`, `operator` and `value` of what stands in the braces right after a metric.
fn matchers(rest: &str) -> impl Iterator<Item = (&str, &str)> {
    let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
    let pairs = inside.split("\",").map(str::trim).filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (label, value) = pair.split_once('"').unwrap_or_else(|| panic!("{pair}"));
        (label.trim_end_matches(['=', '!', '~']), value.trim_end_matches('"'))
    })
}

fn mismatch(metric: &Metric, (label, value): (&str, &str)) -> Option<String> {
    if ADDED.contains(&label) {
        return None;
    }
    let Some(known) = metric.labels.get(label) else {
        return Some(format!("label {label} of {}", metric.name));
    };
    value
        .split('|')
        .find(|value| !known.contains(*value))
        .map(|value| format!("{label}=\"{value}\" of {}", metric.name))
}

/// The labels of `by (...)`.
fn grouped(query: &str) -> impl Iterator<Item = &str> {
    let lists = query.split("by (").skip(1).map(|rest| rest.split_once(')').unwrap().0);
    lists.flat_map(|list| list.split(',').map(str::trim))
}

#[test]
fn what_does_not_exist_is_noticed() {
    let wrong = [
        ("sum(sessionexport_export)", "metric sessionexport_export"),
        ("sum by (phases) (sessionexport_exports)", "label phases"),
        (r#"sessionexport_exports{phas="Waiting"}"#, "label phas of sessionexport_exports"),
        (
            r#"sessionexport_exports{job=~"x",reason=~"Suspended|Suspendid"}"#,
            "reason=\"Suspendid\" of sessionexport_exports",
        ),
        ("up == 0", "no metric of ours"),
    ];
    for (query, complaint) in wrong {
        assert_eq!(unknown(query), [complaint], "{query}");
    }
    assert!(unknown(r#"sum by (le) (rate(sessionexport_acceptance_duration_seconds_bucket{job="a"}[5m]))"#).is_empty());
}
