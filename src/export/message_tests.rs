//! Messages: safe whatever AWS or a spec says, and the same for the same row.

use super::message::{is_plain, message, safe};
use super::row::{Held, Outcome, Row};
use crate::property;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};

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
        let once = safe(&text);
        assert!(once.chars().count() <= 256);
        assert!(once.chars().all(is_plain));
        assert_eq!(safe(&once), once);
    }

    #[test]
    fn plain_short_text_is_kept(text in "[ -~äöü]{0,256}") {
        assert_eq!(safe(&text), text);
    }

    #[test]
    fn no_message_holds_what_could_mislead(text in hostile()) {
        let rows = [
            Row::Final(Outcome::ExportFailed { reason: Some(text.clone()), output_uri: None }),
            Row::Held(Held::DestinationForbidden { missing_rule: text.clone() }),
        ];
        for row in rows {
            assert!(message(&row).chars().all(is_plain));
            assert_eq!(message(&row), message(&row.clone()));
        }
    }
}

#[test]
fn hostile_text_is_cut_and_escaped() {
    assert_eq!(safe(&"x".repeat(1024)), "x".repeat(256));
    assert_eq!(safe("a\u{1b}[31mred\nnext\u{202e}gnp"), "a\\u{1b}[31mred\\u{a}next\\u{202e}gnp");
    // An escape is never cut in two.
    assert_eq!(safe(&format!("{}\n", "x".repeat(254))), "x".repeat(254));
}

#[test]
fn the_rule_to_add_stays_yaml() {
    let missing_rule = "{outputPrefixes: [\"s3://b/\u{202e}x\u{E0041}/\"]}".to_owned();
    let text = message(&Row::Held(Held::DestinationForbidden { missing_rule: missing_rule.clone() }));
    let (_, rule) = text.split_once("rules: ").unwrap();
    let read = |yaml: &str| serde_yaml::from_str::<serde_yaml::Value>(yaml).unwrap();
    assert_eq!(rule, "{outputPrefixes: [\"s3://b/\\u202Ex\\U000E0041/\"]}");
    assert_eq!(read(rule), read(&missing_rule));
}

#[test]
fn a_rival_is_named_only_where_it_may_be() {
    let named = message(&Row::Held(Held::WaitingForOtherExport { rival: Some("y".to_owned()) }));
    let unnamed = message(&Row::Held(Held::WaitingForOtherExport { rival: None }));
    assert!(named.starts_with("SessionExport y has claimed"));
    assert!(unnamed.starts_with("Another SessionExport has claimed"));
}
