//! The validation rules (CEL) of the spec, with messages for the user whose manifest was refused.
//!
//! The API server prints field and value (escaped) in front of a message, so a message says only what is
//! accepted. Rules across fields print the parts that disagree, and only such parts as a regular
//! expression has already accepted.

use crate::api::MAX_TTL_SECONDS;
use crate::aws::identifiers::ONE_PARTITION;
use kube::core::{Message, Rule};

/// As `aws::identifiers::Region`; its length is checked separately.
pub(super) const REGION: &str = "[a-z]{2}(-[a-z]+)+-[0-9]{1,2}";
const MAX_REGION: usize = 32;
/// How a Region of another partition than `aws` begins, as `aws::identifiers` has it.
const OTHER_PARTITION: &str = "(cn-|us-gov-|us-iso|eu-iso|eusc-)";
pub(super) const ID: &str = "[A-Za-z0-9-]+";
/// The prefix that two ARNs must share: partition, service, Region, account.
pub(super) const ARN_PREFIX: &str = "^arn:aws:gameliftstreams:[a-z0-9-]+:[0-9]{12}:";
const NAME_LABEL: &str = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";

/// A CEL rule whose message is itself an expression.
pub(super) fn explained_rule(rule: String, message: String) -> Rule {
    Rule::new(rule).message(Message::Expression(message))
}

/// Whether `text` (an expression) is an ARN of another partition. The other rules take such a text, so that the refusal
/// has one reason.
pub(super) fn arn_of_other_partition(text: &str) -> String {
    format!("{text}.matches('^arn:(aws-|aws:gameliftstreams:{OTHER_PARTITION})')")
}

/// Whether `text` (an expression) is an `ID` or an ARN whose resource is `resource`. A Region has at most 32 characters.
pub(super) fn valid_identifier(text: &str, resource: &str) -> String {
    format!(
        "{} || ({text}.matches('^({ID}|arn:aws:gameliftstreams:{REGION}:[0-9]{{12}}:{resource})$') \
         && (!{text}.contains(':') || {text}.split(':')[3].size() <= {MAX_REGION}))",
        arn_of_other_partition(text)
    )
}

pub(super) fn arn_of_one_partition() -> Rule {
    Rule::new(format!("!{}", arn_of_other_partition("self")))
        .message(Message::Message(format!("must be {ONE_PARTITION}")))
}

pub(super) fn region_of_one_partition() -> Rule {
    Rule::new(format!("!self.matches('^{OTHER_PARTITION}')"))
        .message(Message::Message(format!("must be {ONE_PARTITION}")))
}

pub(super) fn valid_stream_group() -> Rule {
    Rule::new(valid_identifier("self", &format!("streamgroup/{ID}"))).message(
        "must be the id of a stream group (letters, digits and hyphens), such as sg-1AB2C3De4, \
         or its ARN, such as arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4",
    )
}

pub(super) fn valid_stream_session() -> Rule {
    Rule::new(valid_identifier("self", &format!("streamsession/({ID}/)?{ID}"))).message(
        "must be the id of a stream session (letters, digits and hyphens), such as ABC123def4567, or its ARN, \
         such as arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1AB2C3De4/ABC123def4567",
    )
}

pub(super) fn valid_bucket() -> Rule {
    let is_name = "self.matches('^s3://[A-Za-z0-9._-]{3,255}/')";
    let is_address = "self.matches('^s3://[0-9]{1,3}([.][0-9]{1,3}){3}/')";
    Rule::new(format!("{is_name} && !{is_address}")).message(
        "must begin with s3://BUCKET/, where BUCKET is the name of an S3 bucket (3 to 255 letters, digits, hyphens, \
         dots and underscores, but no IP address), such as s3://exports/sessions/ or s3://exports/crash.zip",
    )
}

pub(super) fn uri_ending() -> Rule {
    Rule::new("self.endsWith('/') || self.matches('[^/][.](zip|ZIP)$')").message(
        "must end in / (AWS names the ZIP) or in the name of a .zip or .ZIP, \
         such as s3://exports/sessions/ or s3://exports/crash.zip",
    )
}

pub(super) fn uri_segments() -> Rule {
    Rule::new("!self.matches('/[.]{1,2}(/|$)') && !self.matches('(?s)^.{5}.*//')")
        .message("must have no empty, . or .. segment between its slashes; such as s3://exports/sessions/2026/")
}

/// S3's "safe characters" and those that "might require special handling", but for `?` and control characters (S3 User
/// Guide, "Naming Amazon S3 objects"). S3 takes the others, such as `%2e%2e`, `\` and `#`, literally; a program that
/// reads the URI as a URL or a path does not.
///
/// Narrower than `aws::identifiers::OutputUri`, which also reads what an older definition has stored. These
/// characters are ASCII, so the maximum length bounds the key in bytes too, as S3 counts it.
///
/// Braces have a rule of their own: [`no_placeholders`], or those of a policy's template.
pub(super) fn uri_characters() -> Rule {
    Rule::new(r#"!self.matches("[^A-Za-z0-9!_.*'()/&$@=;:+ ,{}-]")"#).message(
        "must hold nothing but ASCII letters, digits, spaces and ! - _ . * ' ( ) / & $ @ = ; : + , \
         such as s3://exports/sessions/2026-01-31/",
    )
}

/// S3 lists braces among the characters to avoid (S3 User Guide, "Naming Amazon S3 objects").
pub(super) fn no_placeholders() -> Rule {
    Rule::new("!self.matches('[{}]')").message(
        "must hold no { and no }: placeholders such as {sessionId} are expanded in the template of a \
         SessionExportPolicy only; give the destination in full, such as s3://exports/sessions/crash-4711.zip",
    )
}

pub(super) fn valid_region() -> Rule {
    Rule::new(format!("self.matches('^({REGION}$|{OTHER_PARTITION})')"))
        .message("must be an AWS Region, such as us-west-2")
}

pub(super) fn valid_service_account() -> Rule {
    Rule::new(format!("self.matches('^{NAME_LABEL}([.]{NAME_LABEL})*$')")).message(
        "must be the name of a ServiceAccount in the same namespace: \
         lower-case letters, digits, hyphens and dots, such as game-backend",
    )
}

pub(super) fn valid_ttl() -> Rule {
    let accepted = format!("must be a number of seconds from 0 (delete once finished) to {MAX_TTL_SECONDS} (a year)");
    Rule::new(format!("self >= 0 && self <= {MAX_TTL_SECONDS}")).message(Message::Message(accepted))
}

pub(super) fn immutable_field(kind: &str) -> Rule {
    let accepted = format!("is immutable: create another {kind} for another value");
    Rule::new("self == oldSelf").message(Message::Message(accepted))
}

/// A rule on a field isn't evaluated when the field is added or removed, so this one is on the spec.
pub(super) fn fixed_presence(field: &str, kind: &str) -> Rule {
    let accepted = format!("is immutable: it may be neither added nor removed later; create another {kind}");
    Rule::new(format!("has(self.{field}) == has(oldSelf.{field})"))
        .message(Message::Message(accepted))
        .field_path(format!(".{field}"))
}

/// The group that the session's ARN names is the group of the spec.
pub(super) fn same_group() -> Rule {
    let named = format!("self.streamSessionIdentifier.find(':streamsession/{ID}/')");
    let group = format!("self.streamGroupIdentifier.find('{ID}$')");
    explained_rule(
        format!("{named} == '' || {named} == ':streamsession/' + {group} + '/'"),
        format!(
            "'names the stream group ' + {named}.split('/')[1] + ' but streamGroupIdentifier names ' + {group} \
             + ': both must name the same group, or this one the session by its id alone'"
        ),
    )
    .field_path(".streamSessionIdentifier")
}

/// Of two ARNs, Region and account agree.
pub(super) fn same_account_and_region() -> Rule {
    let group = format!("self.streamGroupIdentifier.find('{ARN_PREFIX}')");
    let session = format!("self.streamSessionIdentifier.find('{ARN_PREFIX}')");
    let words = |home: &str| format!("{home}.split(':')[3] + ', account ' + {home}.split(':')[4]");
    explained_rule(
        format!("{group} == '' || {session} == '' || {group} == {session}"),
        format!(
            "'is in ' + {} + ' but streamGroupIdentifier is in ' + {} + ': both must be in the same Region and account'",
            words(&session),
            words(&group)
        ),
    )
    .field_path(".streamSessionIdentifier")
}

/// A Region beside an ARN agrees with it. An invalid Region is left to [`valid_region`], so the message may print it.
pub(super) fn region_agrees_with(field: &str) -> Rule {
    let home = format!("self.{field}.find('{ARN_PREFIX}')");
    let named = format!("{home}.split(':')[3]");
    explained_rule(
        format!("!has(self.region) || {home} == '' || !self.region.matches('^{REGION}$') || {named} == self.region"),
        format!("self.region + ' is not the Region of the ARN in {field}, ' + {named} + ': give the same, or none'"),
    )
    .field_path(".region")
}
