//! The schema and the operator's parsers accept the same texts, but for the characters of a destination: the parsers
//! read what older definitions took, and new ones have S3's plain characters only.

use super::rows::{KEY_CHARACTERS, NO_PLACEHOLDERS};
use super::{answer, dry_run, exports, object, parses, with};
use futures::{StreamExt, future, stream};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use session_export_operator::aws::identifiers::StreamSessionIdentifier;

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
    "eusc-de-east-1",
    "arn:aws-cn:gameliftstreams:",
    "arn:aws:gameliftstreams:us-gov-west-1:111122223333:",
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
    "%2e%2e",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

pub(crate) fn texts(strategy: impl Strategy<Value = String>, count: usize) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Whether the API server takes all characters of the destination.
fn has_plain_characters(spec: &Value) -> bool {
    spec["outputUri"].as_str().unwrap().chars().all(is_plain)
}

pub(crate) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!-_.*'()/&$@=;:+ ,".contains(c)
}

#[tokio::test]
async fn the_schema_accepts_what_the_operator_can_parse_if_its_characters_are_plain() {
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
        (change, accepted, parses(&spec) && has_plain_characters(&spec) && !other_group)
    });
    let judged: Vec<_> = judged.buffer_unordered(16).collect().await;
    let wrong: Vec<_> = judged.iter().filter(|(_, accepted, parsed)| accepted != parsed).collect();
    assert!(wrong.is_empty(), "(text, accepted by the server, by the parsers):\n{wrong:#?}");
    for field in ["streamGroupIdentifier", "streamSessionIdentifier", "outputUri"] {
        let accepted = judged.iter().filter(|(change, accepted, _)| change.get(field).is_some() && *accepted).count();
        assert!(accepted >= 20, "only {accepted} texts for {field} were accepted: the comparison is empty");
    }
}

/// All of ASCII, and of the rest what is nearest to it, what looks like it, and some of each length in UTF-8.
pub(crate) fn characters() -> Vec<char> {
    let beyond = "\u{80}\u{85}\u{a0}é\u{ff}\u{100}\u{200b}\u{2028}\u{2029}\u{202e}\u{2024}\u{2044}\u{2215}／．％\u{feff}\u{fffd}😀\u{e0041}\u{10ffff}";
    let drawn =
        texts(any::<char>().prop_map(String::from), 100).into_iter().flat_map(|text| text.chars().collect::<Vec<_>>());
    ('\0'..='\u{7f}').chain(beyond.chars()).chain(drawn).collect()
}

#[tokio::test]
async fn each_character_of_a_destination_is_either_plain_or_refused_with_those_that_are() {
    let exports = &exports("characters").await;
    let places =
        |c: char| [format!("s3://exports/a{c}b/"), format!("s3://exports/a/b{c}c.zip"), format!("s3://exports/{c}a/")];
    // Without those that make an empty segment.
    let candidates = characters()
        .into_iter()
        .flat_map(|c| places(c).map(|uri| (c, uri)))
        .filter(|(_, uri)| !uri[5..].contains("//"));
    let judged = stream::iter(candidates).map(|(c, uri)| async move {
        let said = answer(exports.create(&dry_run(), &object("row", with(&json!({ "outputUri": uri })))).await);
        let fine = match &said {
            None => is_plain(c),
            Some(message) => {
                let accepted = if matches!(c, '{' | '}') { NO_PLACEHOLDERS } else { KEY_CHARACTERS };
                !is_plain(c) && message.contains("spec.outputUri") && message.contains(accepted)
            }
        };
        (!fine).then(|| format!("{uri:?}: {said:?}"))
    });
    let wrong: Vec<_> = judged.buffer_unordered(16).filter_map(future::ready).collect().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
