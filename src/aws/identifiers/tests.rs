use super::*;
use crate::property;
use proptest::prelude::*;

const HOME: &str = "arn:aws:gameliftstreams:us-west-2:111122223333:";

/// Texts made of pieces that attacks use, and wholly random ones.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(HOME.to_owned()),
        prop::sample::select(vec![
            "streamsession/",
            "streamgroup/",
            "sg-1",
            "/",
            "..",
            ".",
            ":",
            "%2f",
            "%2e%2e",
            "?",
            "#",
            "\0",
            "\n",
            "\u{202e}",
            "é",
            " ",
            "s3://",
            "a-bucket",
            ".zip",
            ".ZIP",
            "arn:aws:",
            "us-west-2",
            "111122223333",
            "-",
        ])
        .prop_map(str::to_owned),
        "[A-Za-z0-9-]{1,8}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_IDENTIFIER && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    #[test]
    fn a_parsed_group_is_a_plain_path_segment(text in hostile()) {
        if let Ok(group) = text.parse::<StreamGroupIdentifier>() {
            prop_assert!(is_segment(group.id.as_str()));
            prop_assert!(text.ends_with(group.id.as_str()));
        }
    }

    #[test]
    fn a_parsed_session_is_made_of_plain_path_segments(text in hostile()) {
        if let Ok(session) = text.parse::<StreamSessionIdentifier>() {
            prop_assert!(is_segment(session.id.as_str()));
            prop_assert!(session.group.is_none_or(|group| is_segment(group.as_str())));
        }
    }

    #[test]
    fn session_arns_round_trip(group in "[A-Za-z0-9-]{1,20}", session in "[A-Za-z0-9-]{1,20}") {
        let text = format!("{HOME}streamsession/{group}/{session}");
        let parsed: StreamSessionIdentifier = text.parse().unwrap();
        let home = parsed.home.unwrap();
        let arn = SessionArn { region: home.region, account: home.account, group: parsed.group.unwrap(), session: parsed.id };
        prop_assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn hostile_text_makes_no_odd_destination(text in hostile()) {
        if let Ok(uri) = text.parse::<OutputUri>() {
            prop_assert_eq!(uri.as_str(), &text);
            prop_assert_eq!(format!("s3://{}/{}", uri.bucket(), uri.key()), text);
            prop_assert!(!uri.key().chars().any(char::is_control));
            prop_assert!(uri.key().split('/').all(|segment| segment != "." && segment != ".."));
            prop_assert!(uri.is_zip() || uri.key().is_empty() || uri.key().ends_with('/'));
        }
    }

    #[test]
    fn destinations_round_trip(
        bucket in "[A-Za-z0-9._-]{2,254}[a-z]",
        folders in prop::collection::vec("[A-Za-z0-9 _é=.+-]{1,12}[a-z]", 0..4),
        zip in prop::option::of("[a-zé]{1,8}\\.(zip|ZIP)"),
    ) {
        let folders: String = folders.iter().map(|folder| format!("{folder}/")).collect();
        let text = format!("s3://{bucket}/{folders}{}", zip.clone().unwrap_or_default());
        let uri: OutputUri = text.parse().unwrap();
        prop_assert_eq!(uri.to_string(), text);
        prop_assert_eq!(uri.bucket(), bucket);
        prop_assert_eq!(uri.is_zip(), zip.is_some());
    }

    #[test]
    fn nothing_hostile_panics(text in any::<String>()) {
        prop_assert_eq!(text.parse::<Region>().is_ok(), check_region(&text).is_ok());
        prop_assert_eq!(text.parse::<AccountId>().is_ok(), check_account(&text).is_ok());
    }

    #[test]
    fn a_refusal_never_repeats_the_text(text in "[\\x00-\\x1f\u{202e}<>]{1,20}") {
        let refusal = text.parse::<StreamGroupIdentifier>().unwrap_err().to_string();
        prop_assert!(!refusal.contains(&text));
    }
}

#[test]
fn regions() {
    for good in ["us-west-2", "ap-northeast-1", "eu-central-1", "ap-south-10", "mx-central-1"] {
        assert!(good.parse::<Region>().is_ok(), "{good}");
    }
    let bad =
        ["", "us", "us-2", "us-west", "US-west-2", "usa-west-2", "us--2", "us-west-123", "us-west-2 ", "us_west_2"];
    for bad in bad.into_iter().chain(["us-west-2.evil.example", "a1-west-2", "us-west-٢", "us-w3st-2"]) {
        assert!(bad.parse::<Region>().is_err(), "{bad}");
    }
}

/// The Regions of all partitions but `aws`.
const OTHER_PARTITIONS: [&str; 9] = [
    "cn-north-1",
    "cn-northwest-1",
    "us-gov-west-1",
    "us-gov-east-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "us-isof-south-1",
    "eu-isoe-west-1",
    "eusc-de-east-1",
];

#[test]
fn another_partition_is_the_reason_and_not_the_grammar() {
    for region in OTHER_PARTITIONS {
        let refused = region.parse::<Region>().unwrap_err();
        assert_eq!((refused.what, refused.accepted), ("region", ONE_PARTITION), "{region}");
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-eusc"] {
            let arn = |resource: &str| format!("arn:{partition}:gameliftstreams:{region}:111122223333:{resource}");
            let group = arn("streamgroup/sg-1").parse::<StreamGroupIdentifier>().unwrap_err();
            let session = arn("streamsession/sg-1/a").parse::<StreamSessionIdentifier>().unwrap_err();
            assert_eq!([group.accepted, session.accepted], [ONE_PARTITION; 2], "{partition} {region}");
        }
    }
    for bad in ["us_west_2", "arn:aws:gameliftstreams:mars:111122223333:streamgroup/sg-1"] {
        assert_ne!(bad.parse::<Region>().unwrap_err().accepted, ONE_PARTITION, "{bad}");
    }
}

#[test]
fn identifiers() {
    let good =
        ["ABC123def4567".to_owned(), format!("{HOME}streamsession/ABC"), format!("{HOME}streamsession/sg-1/ABC")];
    for good in good {
        assert!(good.parse::<StreamSessionIdentifier>().is_ok(), "{good}");
    }
    let arn = |rest: &str| format!("arn:aws:gameliftstreams:{rest}");
    let bad = [
        String::new(),
        "..".to_owned(),
        "a/b".to_owned(),
        "a".repeat(129),
        arn("us-west-2:111122223333:streamsession/"),
        arn("us-west-2:111122223333:streamsession/.."),
        arn("us-west-2:111122223333:streamsession/a/b/c"),
        arn("us-west-2:111122223333:streamsession//b"),
        arn("us-west-2:111122223333:streamgroup/sg-1"),
        arn("us-west-2:11112222333:streamsession/a"),
        arn(":111122223333:streamsession/a"),
        arn("us-west-2::streamsession/a"),
        "arn:aws2:gameliftstreams:us-west-2:111122223333:streamsession/a".to_owned(),
        "arn:aws:gamelift:us-west-2:111122223333:streamsession/a".to_owned(),
    ];
    for bad in bad {
        assert!(bad.parse::<StreamSessionIdentifier>().is_err(), "{bad}");
    }
    assert!("a".repeat(128).parse::<StreamGroupIdentifier>().is_ok());
}

#[test]
fn applications_and_locations() {
    let arn = format!("{HOME}application/a-9ZY8X7Wv6");
    let parsed: ApplicationIdentifier = arn.parse().unwrap();
    assert_eq!((parsed.id.as_str(), parsed.home.unwrap().region.as_str()), ("a-9ZY8X7Wv6", "us-west-2"));
    assert_eq!("a-9ZY8X7Wv6".parse::<ApplicationIdentifier>().unwrap().home, None);
    let of_group = format!("{HOME}streamgroup/sg-1");
    let deeper = format!("{HOME}application/a/b");
    let long = "a".repeat(129);
    for bad in ["", "..", "a/b", &of_group, &deeper, &long] {
        assert!(bad.parse::<ApplicationIdentifier>().is_err(), "{bad}");
    }
    let other = "arn:aws-cn:gameliftstreams:cn-north-1:111122223333:application/a".parse::<ApplicationIdentifier>();
    assert_eq!(other.unwrap_err().accepted, ONE_PARTITION);
    for (text, is_location) in [("us-east-1", true), ("", false), ("us_east_1", false), ("..", false)] {
        assert_eq!(text.parse::<Location>().is_ok(), is_location, "{text}");
    }
    assert!("a".repeat(MAX_LOCATION).parse::<Location>().is_ok());
    assert!("a".repeat(MAX_LOCATION + 1).parse::<Location>().is_err());
}

#[test]
fn destinations() {
    let long = |n: usize| format!("s3://abc/{}/", "x".repeat(n));
    let good = [
        "s3://abc/",
        "s3://a.b-c.d/x/",
        "s3://Legacy_Bucket/x/",
        "s3://-bc/x/",
        "s3://a..c_/x/",
        "s3://.abc/x/",
        "s3://123/x/",
        "s3://1.2.3/x/",
        "s3://1.2.3.4.5/x/",
        "s3://1234.2.3.4/x/",
        "s3://abc/x.zip",
        "s3://abc/x.ZIP",
        "s3://abc/a b/é/.zip.zip",
        "s3://abc/..a/",
    ];
    let longest_bucket = |n: usize| format!("s3://{}/x/", "B".repeat(n));
    for good in good.into_iter().map(str::to_owned).chain([long(1014), longest_bucket(255)]) {
        assert!(good.parse::<OutputUri>().is_ok(), "{good}");
    }
    let bad = [
        "",
        "s3://",
        "s3://abc",
        "s3:///x/",
        "s3://ab/x/",
        "S3://abc/x/",
        "https://abc/x/",
        "s3://a c/x/",
        "s3://a:c/x/",
        "s3://a%2Fc/x/",
        "s3://éab/x/",
        "s3://1.2.3.4/x/",
        "s3://192.168.005.4/x/",
        "s3://abc//",
        "s3://abc/a//b/",
        "s3://abc/./",
        "s3://abc/../x.zip",
        "s3://abc/a/..",
        "s3://abc/.zip",
        "s3://abc/a/.ZIP",
        "s3://abc/x.Zip",
        "s3://abc/x",
        "s3://abc/x\n/",
        "s3://abc/\u{7f}/",
        "s3://abc/\u{85}/",
        " s3://abc/",
    ];
    for bad in bad.into_iter().map(str::to_owned).chain([
        long(1015),
        longest_bucket(256),
        format!("s3://abc/{}/", "é".repeat(520)),
    ]) {
        assert!(bad.parse::<OutputUri>().is_err(), "{bad}");
    }
}
