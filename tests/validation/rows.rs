//! The rows: what is tried, and what must come of it.

use serde_json::{Value, json};

const WEST: &str = "arn:aws:gameliftstreams:us-west-2:111122223333";

/// What must become of a row.
pub(crate) enum Expected {
    /// Taken.
    Fine,
    /// Refused, by the parsers of the operator too; the message holds all of these.
    Malformed(&'static [&'static str]),
    /// Refused, though each field alone can be parsed; the message holds all of these.
    Refused(&'static [&'static str]),
}
use Expected::{Fine, Malformed, Refused};

/// What a destination may hold, in the message of its refusal.
pub(crate) const KEY_CHARACTERS: &str = "ASCII letters, digits, spaces and ! - _ . * ' ( ) / & $ @ = ; : + , such as";

/// What a brace in the destination of a SessionExport gets for an answer.
pub(crate) const NO_PLACEHOLDERS: &str = "must hold no { and no }: placeholders such as {sessionId} are expanded in the \
    template of a SessionExportPolicy only";

/// What a row changes in a spec that is fine, and what must become of it.
pub(crate) type Row = (Value, Expected);

pub(crate) fn identifiers() -> Vec<Row> {
    let group = |value: Value| json!({ "streamGroupIdentifier": value });
    let session = |value: Value| json!({ "streamSessionIdentifier": value });
    const GROUP: &[&str] =
        &["spec.streamGroupIdentifier", "Invalid value", "such as sg-1AB2C3De4", "streamgroup/sg-1AB2C3De4"];
    const OTHER_GROUP: &[&str] = &["spec.streamGroupIdentifier", "must be in AWS's partition aws", "us-gov-"];
    const SESSION: &[&str] = &[
        "spec.streamSessionIdentifier",
        "Invalid value",
        "such as ABC123def4567",
        "streamsession/sg-1AB2C3De4/ABC123def4567",
    ];
    vec![
        (group(json!("sg-1AB2C3De4")), Fine),
        (group(json!("-")), Fine),
        (group(json!("a".repeat(128))), Fine),
        (group(json!("a".repeat(129))), Malformed(&["spec.streamGroupIdentifier", "Too long", "128"])),
        (group(json!(format!("{WEST}:streamgroup/sg-1AB2C3De4"))), Fine),
        (group(json!("arn:aws:gameliftstreams:us-gov-west-1:111122223333:streamgroup/sg-1")), Malformed(OTHER_GROUP)),
        (
            group(json!("arn:aws-us-gov:gameliftstreams:us-gov-west-1:111122223333:streamgroup/sg")),
            Malformed(OTHER_GROUP),
        ),
        (
            group(json!("arn:aws-eusc:gameliftstreams:eusc-de-east-1:111122223333:streamgroup/s")),
            Malformed(OTHER_GROUP),
        ),
        (group(json!("")), Malformed(GROUP)),
        (group(json!("..")), Malformed(GROUP)),
        (group(json!("../sg-1")), Malformed(GROUP)),
        (group(json!("sg_1")), Malformed(GROUP)),
        (group(json!("sg-1/")), Malformed(GROUP)),
        (group(json!("sg-1 ")), Malformed(GROUP)),
        (group(json!("sg-1\n")), Malformed(GROUP)),
        (group(json!("sg-é")), Malformed(GROUP)),
        (
            group(json!("sg-1\u{1b}[31m")),
            Malformed(&["spec.streamGroupIdentifier", r"\x1b[31m", "such as sg-1AB2C3De4"]),
        ),
        (group(json!("sg-1\u{202e}")), Malformed(&["spec.streamGroupIdentifier", r"\u202e"])),
        (group(json!(format!("{WEST}:streamgroup/"))), Malformed(GROUP)),
        (group(json!(format!("{WEST}:streamgroup/../x"))), Malformed(GROUP)),
        (group(json!(format!("{WEST}:streamsession/sg-1"))), Malformed(GROUP)),
        (group(json!(format!("{WEST}:streamgroup/sg-1:x"))), Malformed(GROUP)),
        (group(json!(format!(" {WEST}:streamgroup/sg-1"))), Malformed(GROUP)),
        (group(json!("arn:aws-cn:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1")), Malformed(OTHER_GROUP)),
        (group(json!("arn:aws2:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1")), Malformed(GROUP)),
        (group(json!("arn:aws:gamelift:us-west-2:111122223333:streamgroup/sg-1")), Malformed(GROUP)),
        (group(json!("arn:aws:gameliftstreams::111122223333:streamgroup/sg-1")), Malformed(GROUP)),
        (group(json!("arn:aws:gameliftstreams:*:111122223333:streamgroup/sg-1")), Malformed(GROUP)),
        (group(json!("arn:aws:gameliftstreams:mars:111122223333:streamgroup/sg-1")), Malformed(GROUP)),
        (
            group(json!("arn:aws:gameliftstreams:us-aaaaaaaaaaaaaaaaaaaaaaaaaaaa-1:111122223333:streamgroup/sg-1")),
            Malformed(GROUP),
        ),
        (group(json!("arn:aws:gameliftstreams:us-west-2:11112222333:streamgroup/sg-1")), Malformed(GROUP)),
        (group(json!("arn:aws:gameliftstreams:us-west-2:1111222233334:streamgroup/sg-1")), Malformed(GROUP)),
        (group(json!(null)), Malformed(&["spec.streamGroupIdentifier", "Required value"])),
        (group(json!(7)), Malformed(&["spec.streamGroupIdentifier", "must be of type string"])),
        (
            session(json!("arn:aws:gameliftstreams:us-isob-east-1:111122223333:streamsession/a")),
            Malformed(&["spec.streamSessionIdentifier", "must be in AWS's partition aws"]),
        ),
        (session(json!("abc-DEF-0")), Fine),
        (session(json!(format!("{WEST}:streamsession/sg-1AB2C3De4/ABC123def4567"))), Fine),
        (session(json!(format!("{WEST}:streamsession/ABC123def4567"))), Fine),
        (session(json!("")), Malformed(SESSION)),
        (session(json!("..")), Malformed(SESSION)),
        (session(json!("a/b")), Malformed(SESSION)),
        (session(json!("a%2Fb")), Malformed(SESSION)),
        (session(json!("a?b")), Malformed(SESSION)),
        (session(json!("a\u{0}b")), Malformed(SESSION)),
        (session(json!(format!("{WEST}:streamsession/sg-1AB2C3De4/"))), Malformed(SESSION)),
        (session(json!(format!("{WEST}:streamsession//ABC"))), Malformed(SESSION)),
        (session(json!(format!("{WEST}:streamsession/a/b/c"))), Malformed(SESSION)),
        (session(json!(format!("{WEST}:streamgroup/sg-1AB2C3De4"))), Malformed(SESSION)),
        (session(json!(null)), Malformed(&["spec.streamSessionIdentifier", "Required value"])),
        (session(json!("a".repeat(129))), Malformed(&["spec.streamSessionIdentifier", "Too long", "128"])),
    ]
}

pub(crate) fn agreements() -> Vec<Row> {
    let both = |group: &str, session: &str| json!({"streamGroupIdentifier": group, "streamSessionIdentifier": session});
    let group = &*format!("{WEST}:streamgroup/sg-1AB2C3De4");
    let session = &*format!("{WEST}:streamsession/sg-1AB2C3De4/ABC");
    let older = &*format!("{WEST}:streamsession/ABC");
    vec![
        (both(group, session), Fine),
        (both(group, older), Fine),
        (both(group, "ABC"), Fine),
        (both("sg-1AB2C3De4", session), Fine),
        (
            both("sg-1AB2C3De", session),
            Refused(&[
                "spec.streamSessionIdentifier",
                "names the stream group sg-1AB2C3De4 but streamGroupIdentifier names sg-1AB2C3De:",
                "by its id alone",
            ]),
        ),
        (
            both("SG-1AB2C3DE4", session),
            Refused(&["spec.streamSessionIdentifier", "names the stream group sg-1AB2C3De4"]),
        ),
        (
            both("g-1AB2C3De4", session),
            Refused(&["spec.streamSessionIdentifier", "streamGroupIdentifier names g-1AB2C3De4"]),
        ),
        (
            both(&format!("{WEST}:streamgroup/sg-2"), session),
            Refused(&["spec.streamSessionIdentifier", "but streamGroupIdentifier names sg-2"]),
        ),
        (
            both(&group.replace("us-west-2", "us-east-1"), session),
            Refused(&[
                "spec.streamSessionIdentifier",
                "is in us-west-2, account 111122223333",
                "in us-east-1, account 111122223333",
                "same Region and account",
            ]),
        ),
        (
            both(&group.replace("111122223333", "999999999999"), older),
            Refused(&["spec.streamSessionIdentifier", "account 999999999999", "same Region and account"]),
        ),
        (json!({"region": "us-west-2"}), Fine),
        (json!({"streamGroupIdentifier": group, "region": "us-west-2"}), Fine),
        (
            json!({"streamGroupIdentifier": group, "region": "us-west-1"}),
            Refused(&["spec.region", "us-west-1 is not the Region of the ARN in streamGroupIdentifier, us-west-2"]),
        ),
        (
            json!({"streamSessionIdentifier": older, "region": "us-east-1"}),
            Refused(&["spec.region", "us-east-1 is not the Region of the ARN in streamSessionIdentifier, us-west-2"]),
        ),
    ]
}

pub(crate) fn destinations() -> Vec<Row> {
    let to = |uri: &str| json!({ "outputUri": uri });
    const BUCKET: &[&str] = &["spec.outputUri", "Invalid value", "must begin with s3://BUCKET/", "3 to 255 letters"];
    const ENDING: &[&str] = &["spec.outputUri", "Invalid value", "must end in /", ".zip or .ZIP"];
    const SEGMENT: &[&str] = &["spec.outputUri", "Invalid value", "no empty, . or .. segment"];
    const CHARACTERS: &[&str] = &["spec.outputUri", "Invalid value", KEY_CHARACTERS];
    const PLACEHOLDERS: &[&str] = &["spec.outputUri", "Invalid value", NO_PLACEHOLDERS];
    let of_length = |length: usize| format!("s3://exports/{}/", "a".repeat(length - 14));
    vec![
        (to("s3://exports/"), Fine),
        (to("s3://exports/a/b/c/"), Fine),
        (to("s3://exports/crash.zip"), Fine),
        (to("s3://exports/crash.ZIP"), Fine),
        (to("s3://exports/a/..zip"), Fine),
        (to("s3://exports/..a/.b/c./..../"), Fine),
        (to("s3://exports/it's (1) & $x!/_-.*@=;:+ ,/x.zip"), Fine),
        (to("s3://exports/%2e%2e/team-b/"), Refused(CHARACTERS)),
        (to("s3://exports/ü 😀/x.zip"), Refused(CHARACTERS)),
        (to("s3://exports/{sessionId}.zip"), Refused(PLACEHOLDERS)),
        (to("s3://exports/a{/"), Refused(PLACEHOLDERS)),
        (to("s3://exports/}/x.zip"), Refused(PLACEHOLDERS)),
        (to("s3://a.b-c.d1/"), Fine),
        (to(&format!("s3://{}/", "a".repeat(63))), Fine),
        (to(&of_length(1024)), Fine),
        (to(&of_length(1025)), Malformed(&["spec.outputUri", "Too long", "1024"])),
        (to(&format!("s3://exports/{}a/", "é".repeat(511))), Refused(CHARACTERS)),
        (to(&format!("s3://exports/{}/", "é".repeat(512))), Malformed(CHARACTERS)),
        (to(""), Malformed(BUCKET)),
        (to("exports/a/"), Malformed(BUCKET)),
        (to("https://exports/a/"), Malformed(BUCKET)),
        (to("S3://exports/a/"), Malformed(BUCKET)),
        (to("s3:/exports/a/"), Malformed(BUCKET)),
        (to("s3:///a/"), Malformed(BUCKET)),
        (to("s3://exports"), Malformed(BUCKET)),
        (to("s3://exports.zip"), Malformed(BUCKET)),
        (to("s3://ab/"), Malformed(BUCKET)),
        // Buckets of us-east-1 from before March 2018.
        (to(&format!("s3://{}/", "a".repeat(255))), Fine),
        (to("s3://Legacy_Bucket/"), Fine),
        (to("s3://-ex..ports_/a.zip"), Fine),
        (to("s3://2018/"), Fine),
        (to(&format!("s3://{}/", "a".repeat(256))), Malformed(BUCKET)),
        (to("s3://ex ports/"), Malformed(BUCKET)),
        (to("s3://192.168.0.1/"), Malformed(BUCKET)),
        (to("s3://user@exports/"), Malformed(BUCKET)),
        (to("s3://arn:aws:s3:us-west-2:111122223333:accesspoint/x/"), Malformed(BUCKET)),
        (to("s3://../a/"), Malformed(BUCKET)),
        (to("s3://exports/a"), Malformed(ENDING)),
        (to("s3://exports/a.tar"), Malformed(ENDING)),
        (to("s3://exports/a.Zip"), Malformed(ENDING)),
        (to("s3://exports/.zip"), Malformed(ENDING)),
        (to("s3://exports/a/.ZIP"), Malformed(ENDING)),
        (to("s3://exports/zip"), Malformed(ENDING)),
        (to("s3://exports/a.zip?x"), Malformed(ENDING)),
        (to("s3://exports//"), Malformed(SEGMENT)),
        (to("s3://exports//a.zip"), Malformed(SEGMENT)),
        (to("s3://exports/a//b/"), Malformed(SEGMENT)),
        (to("s3://exports/./"), Malformed(SEGMENT)),
        (to("s3://exports/../"), Malformed(SEGMENT)),
        (to("s3://exports/team-a/../team-b/"), Malformed(SEGMENT)),
        (to("s3://exports/team-a/../x.zip"), Malformed(SEGMENT)),
        (to("s3://exports/a/.."), Malformed(SEGMENT)),
        (to("s3://exports/a\nb/"), Malformed(CHARACTERS)),
        (to("s3://exports/\n//"), Malformed(SEGMENT)),
        (to("s3://exports/a\u{0}/"), Malformed(CHARACTERS)),
        (to("s3://exports/a\u{7f}/"), Malformed(CHARACTERS)),
        (to("s3://exports/a\u{9b}31m/"), Malformed(&[KEY_CHARACTERS, r"\u009b31m"])),
        (to("s3://exports/a.zip\n"), Malformed(ENDING)),
        (json!({"outputUri": null}), Malformed(&["spec.outputUri", "Required value"])),
    ]
}

pub(crate) fn others() -> Vec<Row> {
    const REGION: &[&str] = &["spec.region", "Invalid value", "must be an AWS Region, such as us-west-2"];
    const PARTITION: &[&str] = &["spec.region", "Invalid value", "must be in AWS's partition aws, as us-west-2 is"];
    const ACCOUNT: &[&str] = &["spec.serviceAccountName", "Invalid value", "such as game-backend"];
    const TTL: &[&str] = &["spec.ttlSecondsAfterFinished", "Invalid value", "from 0", "31536000 (a year)"];
    let region = |value: &str| json!({ "region": value });
    let account = |value: &str| json!({ "serviceAccountName": value });
    let ttl = |value: Value| json!({ "ttlSecondsAfterFinished": value });
    vec![
        (region("ap-northeast-1"), Fine),
        (json!({"region": null}), Fine),
        (region("us-gov-west-1"), Malformed(PARTITION)),
        (region("cn-north-1"), Malformed(PARTITION)),
        (region("us-isof-south-1"), Malformed(PARTITION)),
        (region("eusc-de-east-1"), Malformed(PARTITION)),
        (region(""), Malformed(REGION)),
        (region("us-west"), Malformed(REGION)),
        (region("US-WEST-2"), Malformed(REGION)),
        (region("us-west-2a"), Malformed(REGION)),
        (region("us-west-2/../x"), Malformed(REGION)),
        (region("us-west-2\n"), Malformed(REGION)),
        (region("us-aaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1"), Malformed(&["spec.region", "Too long", "32"])),
        (account("game-backend.v2"), Fine),
        (account(""), Refused(ACCOUNT)),
        (account("Game"), Refused(ACCOUNT)),
        (account("a/b"), Refused(ACCOUNT)),
        (account("-a"), Refused(ACCOUNT)),
        (account(".."), Refused(ACCOUNT)),
        (json!({"readyWhen": "Accepted"}), Fine),
        (json!({"readyWhen": "Exported"}), Fine),
        (json!({"readyWhen": null}), Fine),
        (
            json!({"readyWhen": "accepted"}),
            Refused(&["spec.readyWhen", "Unsupported value: \"accepted\"", "\"Accepted\", \"Exported\""]),
        ),
        (json!({"readyWhen": ""}), Refused(&["spec.readyWhen", "\"Accepted\", \"Exported\""])),
        (json!({"suspend": true}), Fine),
        (json!({"suspend": "yes"}), Refused(&["spec.suspend", "must be of type boolean"])),
        (ttl(json!(0)), Fine),
        (ttl(json!(31_536_000)), Fine),
        (ttl(json!(null)), Fine),
        (ttl(json!(-1)), Refused(TTL)),
        (ttl(json!(31_536_001)), Refused(TTL)),
        (ttl(json!(i64::MAX)), Refused(TTL)),
        (ttl(json!(1.5)), Refused(&["spec.ttlSecondsAfterFinished", "must be of type int64"])),
        (ttl(json!(1e30)), Refused(&["spec.ttlSecondsAfterFinished", "must be of type int64"])),
        (ttl(json!("1d")), Refused(&["spec.ttlSecondsAfterFinished", "must be of type integer"])),
    ]
}

/// A merge patch of the spec, then what must show when it is refused; nothing: it is accepted.
pub(crate) fn changes() -> Vec<(Value, Value, &'static [&'static str])> {
    const FIXED: &[&str] = &["is immutable", "create another SessionExport"];
    const PRESENCE: &[&str] = &["is immutable", "neither added nor removed"];
    let full = json!({"region": "us-west-2", "serviceAccountName": "game", "readyWhen": "Accepted",
                      "suspend": true, "ttlSecondsAfterFinished": 60});
    vec![
        (json!({}), json!({"streamGroupIdentifier": "sg-2"}), FIXED),
        (json!({}), json!({"streamGroupIdentifier": format!("{WEST}:streamgroup/sg-1AB2C3De4")}), FIXED),
        (json!({}), json!({"streamSessionIdentifier": "DEF"}), FIXED),
        (json!({}), json!({"outputUri": "s3://exports/team-b/"}), FIXED),
        (json!({}), json!({"readyWhen": "Accepted"}), FIXED),
        (json!({}), json!({"region": "us-west-2"}), PRESENCE),
        (json!({}), json!({"serviceAccountName": "game"}), PRESENCE),
        (json!({}), json!({"suspend": true, "ttlSecondsAfterFinished": 60}), &[]),
        (json!({}), json!({"readyWhen": null}), &[]),
        (json!({}), json!({"outputUri": "s3://exports/team-a/"}), &[]),
        (json!({}), json!({"ttlSecondsAfterFinished": -1}), &["spec.ttlSecondsAfterFinished", "31536000"]),
        (full.clone(), json!({"region": "us-east-1"}), FIXED),
        (full.clone(), json!({"region": null}), PRESENCE),
        (full.clone(), json!({"serviceAccountName": "other"}), FIXED),
        (full.clone(), json!({"serviceAccountName": null}), PRESENCE),
        (full.clone(), json!({"readyWhen": null}), FIXED),
        (full.clone(), json!({"suspend": null, "ttlSecondsAfterFinished": null}), &[]),
        (full, json!({"suspend": false, "ttlSecondsAfterFinished": 0}), &[]),
    ]
}
