//! The schema and the operator's parsers accept the same texts.

use super::{answer, dry_run, exports, object, parses, with};
use futures::{StreamExt, stream};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use session_export_operator::streams::identifiers::StreamSessionIdentifier;

/// Texts that look almost right, for each field that the operator parses.
fn near_misses(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..most).prop_map(|pieces| pieces.concat())
}

fn near_uris() -> impl Strategy<Value = String> {
    let start = prop::sample::select(&["s3://exports/", "s3://exports/a", "s3://", ""][..]);
    let end = prop::sample::select(&["/", ".zip", ".ZIP", ""][..]);
    (start, near_misses(URIS, 4), end).prop_map(|(start, middle, end)| format!("{start}{middle}{end}"))
}

const IDENTIFIERS: &[&str] = &[
    "a",
    "0",
    "-",
    "sg-1AB2C3De4",
    "arn:aws:gameliftstreams:us-west-2:111122223333:",
    "arn:aws:gameliftstreams:",
    "us-west-2",
    "us-gov-west-1",
    ":",
    "111122223333",
    "streamgroup/",
    "streamsession/",
    "/",
    ".",
    "..",
    "\n",
    "é",
    " ",
    "\u{0}",
    "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/",
    "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];
const URIS: &[&str] = &[
    "s3://",
    "s3://exports/",
    "s3://exports/",
    "s3://a.b",
    "exports",
    "/",
    "/",
    ".",
    "..",
    ".zip",
    ".ZIP",
    "-",
    "a",
    "1",
    "A",
    "_",
    "\n",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "é",
    " ",
    "*",
    "?",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

fn texts(strategy: impl Strategy<Value = String>, count: usize) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test]
async fn the_schema_accepts_exactly_what_the_operator_can_parse() {
    let exports = &exports("agreement").await;
    let of = |field: &'static str, texts: Vec<String>| texts.into_iter().map(move |text| json!({ field: text }));
    let candidates = of("streamGroupIdentifier", texts(near_misses(IDENTIFIERS, 4), 400))
        .chain(of("streamSessionIdentifier", texts(near_misses(IDENTIFIERS, 5), 400)))
        .chain(of("outputUri", texts(near_uris(), 800)));
    let judged = stream::iter(candidates).map(|change| async move {
        let spec = with(&change);
        let accepted = answer(exports.create(&dry_run(), &object("row", spec.clone())).await).is_none();
        let named = spec["streamSessionIdentifier"].as_str().and_then(|t| t.parse::<StreamSessionIdentifier>().ok());
        let other_group = named.and_then(|s| s.group).is_some_and(|group| group.as_str() != "sg-1AB2C3De4");
        (change, accepted, parses(&spec) && !other_group)
    });
    let judged: Vec<_> = judged.buffer_unordered(16).collect().await;
    let wrong: Vec<_> = judged.iter().filter(|(_, accepted, parsed)| accepted != parsed).collect();
    assert!(wrong.is_empty(), "(text, accepted by the server, by the parsers):\n{wrong:#?}");
    for field in ["streamGroupIdentifier", "streamSessionIdentifier", "outputUri"] {
        let accepted = judged.iter().filter(|(change, accepted, _)| change.get(field).is_some() && *accepted).count();
        assert!(accepted >= 20, "only {accepted} texts for {field} were accepted: the comparison is empty");
    }
}
