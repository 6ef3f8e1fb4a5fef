//! Tests of messages: safe for any text of AWS or a spec, and the same for the same row.

use crate::authorization::patterns::OutputPrefix;
use crate::authorization::rules::{RequestedExport, Rules, print_missing_rule};
use crate::authorization::{Authorization, Uncovered};
use crate::aws::failure::FailureDetail;
use crate::aws::identifiers::{OutputUri, Region, StreamGroupId};
use crate::aws::operation::Operation;
use crate::aws::principals::tests::{arn_of_a_principal, is_left};
use crate::export::fixtures::{aws_answer, export, identity};
use crate::export::status::message::{event_note, is_plain, message, printable_text, shown_aws_text};
use crate::export::status::row::{Held, Outcome, Row};
use crate::property;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use std::sync::Arc;
use std::time::Duration;

fn hostile() -> impl Strategy<Value = String> {
    let nasty = prop_oneof![
        any::<char>(),
        proptest::sample::select(vec!['\u{1b}', '\n', '\r', '\t', '\0', '\u{202e}', '\u{2066}', '\u{feff}', '"', '\\']),
    ];
    proptest::collection::vec(nasty, 0..1100).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    #[test]
    fn safe_text_is_short_plain_and_stays_as_it_is(text in hostile()) {
        let once = printable_text(&text);
        assert!(once.chars().count() <= 256);
        assert!(once.chars().all(is_plain));
        assert_eq!(printable_text(&once), once);
    }

    #[test]
    fn plain_short_text_is_kept(text in "[ -~äöü]{0,256}") {
        assert_eq!(printable_text(&text), text);
    }

    /// Truncation happens after the principal has been replaced, at whichever character.
    #[test]
    fn of_a_principal_no_part_is_shown(before in "[ -9]{0,300}", principal in arn_of_a_principal(), text in hostile()) {
        let text = format!("{before} {principal} {text}");
        let row = Row::Final(Outcome::ExportFailed { reason: Some(text.clone()), output_uri: None });
        for shown in [shown_aws_text(&text), message(&row), event_note(&row, Some(&principal))] {
            assert!(!is_left(&principal, &shown) && !shown.contains("arn:"), "{shown}");
        }
    }

    #[test]
    fn no_message_holds_what_could_mislead(text in hostile()) {
        let rows = [
            Row::Final(Outcome::ExportFailed { reason: Some(text.clone()), output_uri: None }),
            Row::Held(Held::DestinationForbidden { missing_rule: Some(text.clone()) }),
            Row::Held(Held::SpecRejected { problem: printable_text(&text) }),
            Row::Held(Held::RequestRejected { detail: aws_answer("ValidationException", &text) }),
            gave_up(Held::CredentialsUnavailable { stalled: true, detail: aws_answer("AccessDenied", &text) }),
            gave_up(Held::DestinationForbidden { missing_rule: Some(text.clone()) }),
            gave_up(Held::WaitingForOtherExport { rival: Some("x".repeat(253)) }),
        ];
        for row in rows {
            assert!(message(&row).len() <= 512);
            assert!(message(&row).chars().all(is_plain));
            assert_eq!(message(&row), message(&row.clone()));
        }
    }
}

fn gave_up(held: Held) -> Row {
    Row::Final(Outcome::GaveUp { held: Box::new(held), bound: Duration::from_secs(25 * 3600) })
}

/// Names and destinations of any length; escapes make their rule up to six times as long.
fn long_requests() -> impl Strategy<Value = (String, StreamGroupId, OutputUri)> {
    let letter = proptest::sample::select(vec!['a', 'é', '\u{2028}', '😀', '"', '*', '/']);
    let key = proptest::collection::vec(letter, 1..480).prop_map(String::from_iter);
    ("[a-z]{1,63}", "[a-z0-9]{1,128}", "[a-z]{3,63}", key)
        .prop_filter_map("no destination", |(n, group, bucket, key)| {
            Some((n, group.parse().ok()?, format!("s3://{bucket}/a{key}.zip").parse().ok()?))
        })
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    #[test]
    fn a_rule_to_add_is_whole_or_left_out(
        (namespace, group, uri) in long_requests(),
        region in proptest::sample::select(vec!["us-west-2", "eu-central-1"]),
    ) {
        let home: Region = "us-west-2".parse().unwrap();
        let region = region.parse().unwrap();
        let requested = RequestedExport { namespace: &namespace, region: &region, group: &group, uri: &uri };
        let held = Held::DestinationForbidden { missing_rule: Some(print_missing_rule(requested, &home)) };
        for row in [Row::Held(held.clone()), gave_up(held)] {
            let text = message(&row);
            assert!(text.len() <= 512, "{}", text.len());
            let Some((_, rule)) = text.split_once("An administrator may add to rules: ") else {
                assert!(text.ends_with("The rule to add is too long to be shown here."));
                continue;
            };
            let rules: Rules = serde_yaml::from_str(&format!("- {rule}\n")).unwrap();
            assert!(rules.coverage_of(requested, &home).is_some(), "{rule}");
            let narrow = OutputPrefix::enclosing_prefix(&uri).unwrap().to_string();
            assert!(rule.contains("# wider than needed: the whole bucket") || rules.as_slice()[0].output_prefixes[0].to_string() == narrow);
        }
    }
}

#[test]
fn a_short_destination_gets_its_narrowest_rule_and_a_long_one_that_of_its_bucket() {
    let rule = |key: String| {
        let export = export().to(&format!("s3://exports/{key}")).build();
        let Authorization::Uncovered(_, Uncovered::Forbidden { missing_rule }) =
            identity("[]").authorize(Arc::new(export), false)
        else {
            panic!()
        };
        missing_rule
    };
    assert!(rule("team-a/x.zip".to_owned()).ends_with(r#"outputPrefixes: ["s3://exports/team-a/"]}"#));
    let long = rule("é".repeat(480) + "/x.zip");
    assert!(long.ends_with(r#"outputPrefixes: ["s3://exports/"]} # wider than needed: the whole bucket"#), "{long}");
}

#[test]
fn hostile_text_is_cut_and_escaped() {
    assert_eq!(printable_text(&"x".repeat(1024)), "x".repeat(256));
    assert_eq!(printable_text("a\u{1b}[31mred\nnext\u{202e}gnp"), "a\\u{1b}[31mred\\u{a}next\\u{202e}gnp");
    // An escape is never truncated.
    assert_eq!(printable_text(&format!("{}\n", "x".repeat(254))), "x".repeat(254));
}

#[test]
fn the_rule_to_add_stays_yaml() {
    let missing_rule = "{outputPrefixes: [\"s3://b/\u{202e}x\u{E0041}/\"]}".to_owned();
    let text = message(&Row::Held(Held::DestinationForbidden { missing_rule: Some(missing_rule.clone()) }));
    let (_, rule) = text.split_once("rules: ").unwrap();
    let read = |yaml: &str| serde_yaml::from_str::<serde_yaml::Value>(yaml).unwrap();
    assert_eq!(rule, "{outputPrefixes: [\"s3://b/\\u202Ex\\U000E0041/\"]}");
    assert_eq!(read(rule), read(&missing_rule));
}

#[test]
fn a_rival_is_named_only_where_it_may_be() {
    let named = message(&Row::Held(Held::WaitingForOtherExport { rival: Some("y".to_owned()) }));
    let unnamed = message(&Row::Held(Held::WaitingForOtherExport { rival: None }));
    assert!(named.starts_with("SessionExport y exports"));
    assert!(unnamed.starts_with("Another SessionExport exports"));
}

#[test]
fn only_a_denied_export_call_names_the_permission_on_the_destination() {
    for operation in Operation::ALL {
        let text =
            message(&Row::Held(Held::AccessDenied { stalled: false, operation, detail: FailureDetail::Unknown }));
        assert!(text.contains(&format!("gameliftstreams:{operation}")), "{text}");
        assert_eq!(text.contains("s3:PutObject"), operation == Operation::Export, "{text}");
    }
}
