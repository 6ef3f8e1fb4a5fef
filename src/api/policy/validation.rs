//! The validation rules (CEL) of a policy's spec, beyond those that it shares with `api::validation`.
//!
//! Each mistake in an `outputUri` breaks one rule: the others accept a text that has it. `output_template` and
//! `export_metadata` parse the same grammar; `tests/validation` compares them.

use crate::api::policy::export_metadata::{MAX_KEY_PREFIX, OWN_KEYS};
use crate::api::policy::output_template::Placeholder;
use crate::api::policy::{MAX_HISTORY, MAX_POLICY_NAME};
use crate::api::validation::{ARN_PREFIX, ID, REGION, arn_of_other_partition, explained_rule, valid_identifier};
use crate::aws::identifiers::{MAX_OUTPUT_URI, ONE_PARTITION};
use kube::core::{Message, Rule};

const APPLICATIONS: &str = "self.selector.applicationIdentifiers";
/// The bucket of a template, with a brace.
const BRACE_IN_BUCKET: &str = "self.matches('^s3://[^/]*[{}]')";
/// Each brace belongs to a pair with no other brace inside.
const PAIRED_BRACES: &str = "self.matches('^([^{}]|[{][^{}]*[}])*$')";
const DNS_LABEL: &str = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";

/// A rule with a message that is put together here.
fn rule_with_message(rule: String, message: String) -> Rule {
    Rule::new(rule).message(Message::Message(message))
}

/// Rules of the root see no more of the metadata than the name. It is a DNS subdomain in any case, so one without a dot
/// is a DNS label.
pub(super) fn policy_name() -> Rule {
    let name = "self.metadata.name";
    rule_with_message(
        format!("{name}.size() <= {MAX_POLICY_NAME} && !{name}.contains('.')"),
        format!(
            "metadata.name must have at most {MAX_POLICY_NAME} characters and no dot: it becomes the value of a label \
             and part of the names of the SessionExports"
        ),
    )
}

pub(super) fn valid_percent() -> Rule {
    Rule::new("self >= 1 && self <= 100")
        .message("must be a percentage from 1 to 100; to make no exports at all, set suspend to true")
}

pub(super) fn valid_history() -> Rule {
    rule_with_message(
        format!("self >= 0 && self <= {MAX_HISTORY}"),
        format!("must be a number of SessionExports from 0 (keep none) to {MAX_HISTORY}"),
    )
}

pub(super) fn valid_applications() -> Rule {
    Rule::new(format!("self.all(a, {})", valid_identifier("a", &format!("application/{ID}")))).message(
        "must be ids of applications (letters, digits and hyphens), such as a-9ZY8X7Wv6, \
         or ARNs, such as arn:aws:gameliftstreams:us-west-2:111122223333:application/a-9ZY8X7Wv6",
    )
}

pub(super) fn applications_of_one_partition() -> Rule {
    rule_with_message(format!("!self.exists(a, {})", arn_of_other_partition("a")), format!("must be {ONE_PARTITION}"))
}

pub(super) fn valid_locations() -> Rule {
    Rule::new(format!("self.all(l, l.matches('^{ID}$'))"))
        .message("must be names of locations (letters, digits and hyphens), such as us-east-1")
}

/// Whether the spec has no application that `differs` (an expression on `a`).
fn no_application(differs: &str) -> String {
    format!("!has(self.selector) || !has({APPLICATIONS}) || !{APPLICATIONS}.exists(a, {differs})")
}

/// ARNs of applications name the Region and account that the ARN of the group names.
pub(super) fn applications_agree_with_group() -> Rule {
    let (group, application) =
        (format!("self.streamGroupIdentifier.find('{ARN_PREFIX}')"), format!("a.find('{ARN_PREFIX}')"));
    let differs = format!("{application} != '' && {application} != {group}");
    explained_rule(
        format!("{group} == '' || ({})", no_application(&differs)),
        format!(
            "'must be of the Region and account of streamGroupIdentifier, ' + {group}.split(':')[3] + ', account ' \
             + {group}.split(':')[4]"
        ),
    )
    .field_path(".selector.applicationIdentifiers")
}

/// ARNs of applications name the Region of the spec. An invalid Region is left to its own rule.
pub(super) fn applications_agree_with_region() -> Rule {
    let application = format!("a.find('{ARN_PREFIX}')");
    let differs = format!("{application} != '' && {application}.split(':')[3] != self.region");
    explained_rule(
        format!("!has(self.region) || !self.region.matches('^{REGION}$') || {}", no_application(&differs)),
        "'must be of the Region ' + self.region".to_owned(),
    )
    .field_path(".selector.applicationIdentifiers")
}

/// A qualified name, as Kubernetes has it.
pub(super) fn valid_keys() -> Rule {
    let name = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?";
    Rule::new(format!(
        "self.all(k, k.matches('^({DNS_LABEL}([.]{DNS_LABEL})*/)?{name}$') && k.indexOf('/') <= {MAX_KEY_PREFIX})"
    ))
    .message(
        "must have keys that are names of at most 63 letters, digits, -, _ and ., after an optional DNS name and a \
         slash, such as team or example.com/team",
    )
}

pub(super) fn no_reserved_keys() -> Rule {
    let reserved = "^(sessionexport[.]dev|([^/]+[.])?(kubernetes|k8s)[.]io|meta[.]helm[.]sh|[^/]+[.]toolkit[.]fluxcd[.]io\
        |argocd[.]argoproj[.]io)/";
    let is_exception = "k.matches('^app[.]kubernetes[.]io/') && !k.matches('/(instance|managed-by)$')";
    rule_with_message(
        format!(
            "self.all(k, !k.matches('{reserved}') || k == 'argocd.argoproj.io/ignore-resource-updates' \
             || ({is_exception}))"
        ),
        format!("must be {OWN_KEYS}: other programs recognise their objects by such keys"),
    )
}

pub(super) fn valid_label_values() -> Rule {
    Rule::new("self.all(k, self[k].matches('^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$'))").message(
        "must have values of letters, digits, -, _ and . that begin and end with a letter or digit, or are empty",
    )
}

pub(super) fn valid_bucket() -> Rule {
    let is_name = "self.matches('^s3://[A-Za-z0-9._-]{3,255}/')";
    let is_address = "self.matches('^s3://[0-9]{1,3}([.][0-9]{1,3}){3}/')";
    Rule::new(format!("{BRACE_IN_BUCKET} || ({is_name} && !{is_address})")).message(
        "must begin with s3://BUCKET/, where BUCKET is the name of an S3 bucket (3 to 255 letters, digits, hyphens, \
         dots and underscores, but no IP address), such as s3://exports/{sessionId}.zip",
    )
}

pub(super) fn no_placeholder_in_bucket() -> Rule {
    Rule::new(format!("!{BRACE_IN_BUCKET}")).message(
        "must have no placeholder in the bucket: the administrator's rules and IAM allow buckets by name; \
         such as s3://exports/{namespace}/{sessionId}.zip",
    )
}

pub(super) fn uri_ending() -> Rule {
    Rule::new("self.endsWith('/') || self.matches('[^/][.](zip|ZIP)$')").message(
        "must end in the name of a .zip or .ZIP with {sessionId}, or in / (AWS names the ZIP); \
         such as s3://exports/{sessionId}.zip or s3://exports/{location}/",
    )
}

pub(super) fn paired_braces() -> Rule {
    Rule::new(PAIRED_BRACES).message(
        "must have no brace that is alone: { and } enclose the name of a placeholder, such as {sessionId}; \
         a brace itself can't be part of a destination",
    )
}

/// Names in braces, of any case: AWS's ids differ by case, and so do placeholders.
pub(super) fn known_placeholders() -> Rule {
    let names = Placeholder::ALL.map(Placeholder::as_str).join("|");
    let list = Placeholder::ALL.map(|placeholder| placeholder.to_string()).join(", ");
    rule_with_message(
        format!("!{PAIRED_BRACES} || self.matches('^([^{{}}]|[{{]({names})[}}])*$')"),
        format!("must have no other placeholders than {list}, in this spelling"),
    )
}

pub(super) fn session_in_zip() -> Rule {
    Rule::new("self.contains('{sessionId}') || !self.matches('[^/][.](zip|ZIP)$')").message(
        "must have {sessionId} if it ends in .zip or .ZIP, such as s3://exports/{sessionId}.zip: \
         or else each session would overwrite the ZIP of the one before",
    )
}

/// All characters are ASCII, so this bounds the key in bytes, too.
pub(super) fn max_expanded_length() -> Rule {
    let growth = |placeholder: Placeholder| {
        let count = format!("(self.split('{placeholder}').size() - 1)");
        let written = placeholder.to_string().len();
        match placeholder.max_length().checked_sub(written) {
            Some(longer) => format!(" + {count} * {longer}"),
            None => format!(" - {count} * {}", written - placeholder.max_length()),
        }
    };
    rule_with_message(
        format!("self.size(){} <= {MAX_OUTPUT_URI}", Placeholder::ALL.map(growth).concat()),
        format!(
            "must be shorter: with the longest values of its placeholders (ids 70, location 20, namespace and policy 63 \
             characters) it could exceed {MAX_OUTPUT_URI} characters, the most that AWS accepts"
        ),
    )
}
