//! Tests of principals: none is left, and nothing else is changed.

use crate::aws::principals::replace_principals;
use crate::property;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use std::time::{Duration, Instant};

const ACCOUNT: &str = "444455556666";

/// ARNs of principals in each partition, of account [`ACCOUNT`], each with a name that begins with `name-`.
pub(crate) fn arn_of_a_principal() -> impl Strategy<Value = String> {
    let partition = select(vec!["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-eusc"]);
    let resource = select(vec![
        "iam::ACCOUNT:role/",
        "iam::ACCOUNT:role/service-role/team/",
        "iam::ACCOUNT:user/",
        "iam::ACCOUNT:user/division_abc/",
        "iam::ACCOUNT:group/",
        "iam::ACCOUNT:instance-profile/",
        "iam::ACCOUNT:mfa/",
        "sts::ACCOUNT:assumed-role/",
        "sts:us-west-2:ACCOUNT:assumed-role/",
        "sts::ACCOUNT:federated-user/",
        "sts::ACCOUNT:root/",
    ]);
    let name = "name-[A-Za-z0-9_+=,.@-]{0,20}[a-z0-9]";
    let session = prop_oneof![select(vec![String::new()]), "/name-[A-Za-z0-9_+=,.@-]{0,20}[a-z0-9]"];
    (partition, resource, name, session).prop_map(|(partition, resource, name, session)| {
        format!("arn:{partition}:{}{name}{session}", resource.replace("ACCOUNT", ACCOUNT))
    })
}

/// Unique ids and access key ids, some with a session name.
fn unique_id() -> impl Strategy<Value = String> {
    let kind = select(vec!["AROA", "AIDA", "AGPA", "AIPA", "ASIA", "AKIA", "ABIA", "ACCA"]);
    let session = prop_oneof![select(vec![String::new()]), ":name-[A-Za-z0-9_+=,.@-]{0,20}[a-z0-9]"];
    (kind, "[A-Z2-7]{7,17}", session).prop_map(|(kind, id, session)| format!("{kind}{id}{session}"))
}

/// True if a text still contains a part of a principal: its account, name, session or id.
pub(crate) fn is_left(principal: &str, text: &str) -> bool {
    let id = principal.split(':').next().filter(|id| *id != "arn");
    [ACCOUNT, "name-"].into_iter().chain(id).any(|part| text.contains(part))
}

/// Text around a principal.
fn around() -> impl Strategy<Value = String> {
    let pieces = [
        "User: ",
        "\"",
        "'",
        "`",
        "(",
        ")",
        "<",
        ">",
        "[",
        "]",
        "{",
        "}",
        "\\",
        ",",
        ".",
        ";",
        ":",
        "=",
        "/",
        "|",
        "\n",
        "\t",
        "\0",
        "\u{1b}",
        "\u{202e}",
        "\u{200b}",
        " ",
        "é",
        "arn:",
        "arn:aws:",
        "arn:aws:iam::",
        "sts:",
        "policy/",
        "the operator's role",
        "AROA",
        "AKIA ",
        "not authorized to perform: s3:PutObject",
    ];
    let piece = prop_oneof![select(pieces.to_vec()).prop_map(str::to_owned), any::<char>().prop_map(String::from)];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, 20 * property::DEFAULT))]
    #[test]
    fn nothing_is_left_of_an_arn_whatever_stands_around_it(
        texts in proptest::collection::vec((around(), arn_of_a_principal()), 1..4), end in around(),
    ) {
        let text = texts.iter().map(|(before, arn)| format!("{before}{arn} ")).collect::<String>() + &end;
        let shown = replace_principals(&text);
        prop_assert!(!texts.iter().any(|(_, arn)| is_left(arn, &shown)), "{shown}");
    }

    #[test]
    fn nothing_is_left_of_a_unique_id(before in around(), id in unique_id(), end in around()) {
        let shown = replace_principals(&format!("{before} {id} {end}"));
        prop_assert!(!is_left(&id, &shown), "{shown}");
    }

    #[test]
    fn doing_it_again_changes_nothing(
        texts in proptest::collection::vec((around(), arn_of_a_principal(), unique_id()), 0..4),
    ) {
        let text: String = texts.iter().map(|(around, arn, id)| format!("{around}{arn}{around}{id}")).collect();
        let once = replace_principals(&text);
        prop_assert_eq!(replace_principals(&once), once);
    }

    #[test]
    fn a_text_without_a_principal_is_unchanged(text in proptest::collection::vec(any::<char>(), 0..300)) {
        let text = String::from_iter(text);
        prop_assert_eq!(replace_principals(&text), text);
    }
}

/// A text of AWS's, and what is shown instead.
const SHOWN: [(&str, &str); 16] = [
    (
        "User: arn:aws:sts::111122223333:assumed-role/exports/i-0abc is not authorized to perform: s3:PutObject on \
         resource: \"arn:aws:s3:::exports/a.zip\" with an explicit deny in an identity-based policy: \
         arn:aws:iam::111122223333:policy/deny",
        "User: the operator's role is not authorized to perform: s3:PutObject on resource: \"arn:aws:s3:::exports/a.zip\" \
         with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/deny",
    ),
    ("arn:aws:iam::111122223333:role/path/to/exports", "the operator's role"),
    ("(arn:aws-us-gov:iam::111122223333:user/x).", "(the operator's role)."),
    ("arn:aws-cn:sts::111122223333:federated-user/x, again", "the operator's role, again"),
    ("denied to 'arn:aws:iam::111122223333:root'", "denied to 'the operator's role'"),
    ("arn:aws:sts::111122223333:assumed-role/a/b: AccessDenied", "the operator's role: AccessDenied"),
    ("arn:aws:sts::111122223333:assumed-role/a/me@example.com=1,2.", "the operator's role."),
    ("ARN:AWS:IAM::111122223333:ROLE/x", "the operator's role"),
    ("cut off: arn:aws:sts::1111", "cut off: the operator's role"),
    ("arn:aws:iam::1:role/a and arn:aws:iam::2:role/b", "the operator's role and the operator's role"),
    ("AROAEXAMPLE:session-name may not", "the operator's role may not"),
    ("AROA123456789EXAMPLE:botocore-session-1700000000.", "the operator's role."),
    ("UserId=AIDACKCEVSQ6C2EXAMPLE: no", "UserId=the operator's role: no"),
    ("ASIAIOSFODNN7EXAMPLE", "the operator's role"),
    ("The key AKIAIOSFODNN7EXAMPLE, once", "The key the operator's role, once"),
    ("{\"arn\":\"arn:aws:iam::1:role/a\",\"why\":\"denied\"}", "{\"arn\":\"the operator's role\",\"why\":\"denied\"}"),
];

#[test]
fn the_principal_becomes_the_operators_role_and_the_remaining_sentence_stays() {
    for (text, shown) in SHOWN {
        assert_eq!(replace_principals(text), shown);
    }
}

#[test]
fn what_only_looks_like_a_principal_stays() {
    for text in [
        "",
        "The bucket does not exist.",
        "arn:aws:s3:::exports/team-a/",
        "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1/ABC",
        "arn:aws:kms:us-west-2:111122223333:key/1",
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "arn:aws:iam::",
        "arn:aws:iamx::1:role/x",
        "iam::111122223333:role/x",
        "account 111122223333",
        "s3://exports/arn:aws:s3/x.zip",
        "ASIA and AKIA",
        "PANAKIAIOSFODNN7EXAMPLE",
        "AROA:session",
        "Akiaiosfodnn7example",
        "the operator's role",
    ] {
        assert_eq!(replace_principals(text), text);
    }
}

/// AWS's text can be a megabyte long.
#[test]
fn a_long_text_takes_time_in_proportion() {
    let pieces =
        ["arn:", "arn:aws:", "arn:aws:iam:", "arn:aws:iam::1:role/x ", "arn:aws:iam::1:policy/", "AROAEXAMPLE"];
    for piece in pieces.into_iter().chain(["AROAEXAMPLE ", "a", "\u{202e}"]) {
        let begun = Instant::now();
        replace_principals(&piece.repeat(1_000_000 / piece.len()));
        assert!(begun.elapsed() < Duration::from_secs(5), "{piece}: {:?}", begun.elapsed());
    }
}
