//! Identifiers of Amazon GameLift Streams and S3, parsed once.
//!
//! Owns: the grammar of identifiers, ARNs and `OutputUri`. The CRD's CEL rules follow the same grammar, and take fewer
//! characters in an `OutputUri`.
//! A value of one of these types is something AWS would accept: in particular a path segment such as
//! `..` cannot be built, because the SDK puts path parameters on the wire unchecked.
//! Never: repeats a refused text, or calls AWS to check that a resource exists.

pub(crate) mod output_uri;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use output_uri::{MAX_OUTPUT_URI, OutputUri};

/// Longest identifier or ARN that AWS accepts (`Identifier` in the service's API model of 2018-05-10).
pub const MAX_IDENTIFIER: usize = 128;

/// Longest name of a location (`LocationName` in the service's API model of 2018-05-10).
pub const MAX_LOCATION: usize = 20;

/// Why a text is not a valid identifier. The text itself is left out: it may be hostile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {accepted}")]
pub struct Malformed {
    /// The field that was parsed.
    pub what: &'static str,
    /// What is accepted instead.
    pub accepted: &'static str,
}

const fn malformed(what: &'static str, accepted: &'static str) -> Malformed {
    Malformed { what, accepted }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                $check(text).map(|()| Self(text.into())).map_err(|accepted| malformed($what, accepted))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// An AWS Region, such as `us-west-2`.
    Region, "region", check_region
);
name_type!(
    /// An AWS account: twelve digits.
    AccountId, "account", check_account
);
name_type!(
    /// The id of a stream group, such as `sg-1AB2C3De4`. Case counts.
    StreamGroupId, "streamGroupIdentifier", check_id
);
name_type!(
    /// The id of a stream session, such as `ABC123def4567`. Case counts.
    StreamSessionId, "streamSessionIdentifier", check_id
);

name_type!(
    /// The id of an application, such as `a-9ZY8X7Wv6`. Case counts.
    ApplicationId, "applicationIdentifiers", check_id
);
name_type!(
    /// A location that hosts sessions, such as `us-east-1`. At most [`MAX_LOCATION`] characters.
    Location, "locations", check_location
);

/// What is accepted, if the text is not.
type Check = Result<(), &'static str>;

fn check_id(text: &str) -> Check {
    is_name(text, MAX_IDENTIFIER).then_some(()).ok_or("letters, digits and hyphens, at most 128")
}

fn check_location(text: &str) -> Check {
    is_name(text, MAX_LOCATION).then_some(()).ok_or("letters, digits and hyphens, at most 20, such as us-east-1")
}

/// `[A-Za-z0-9-]{1,max}`.
fn is_name(text: &str, max: usize) -> bool {
    !text.is_empty() && text.len() <= max && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn check_account(text: &str) -> Check {
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    is_account.then_some(()).ok_or("12 digits")
}

fn check_region(text: &str) -> Check {
    if is_in_other_partition(text) {
        return Err(ONE_PARTITION);
    }
    is_region(text).then_some(()).ok_or("an AWS Region such as us-west-2")
}

/// What is accepted where a text names a Region or an ARN of another partition than `aws`. The pattern of `Identifier`
/// in the service's API model of 2018-05-10 begins with `arn:aws:`.
pub const ONE_PARTITION: &str = "in AWS's partition aws, as us-west-2 is: ARNs of Amazon GameLift Streams know no \
                                 other, so that Regions of cn-, us-gov-, us-iso, eu-iso and eusc- are refused";

/// How Regions of the other partitions begin (`partitions.json` of AWS's SDKs): China, GovCloud, the isolated
/// partitions, the European Sovereign Cloud.
fn is_in_other_partition(region: &str) -> bool {
    ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"].iter().any(|start| region.starts_with(start))
}

/// Whether a text is an ARN of another partition, by its first part or by its Region.
fn is_arn_of_other_partition(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("arn:") else { return false };
    rest.starts_with("aws-") || rest.strip_prefix("aws:gameliftstreams:").is_some_and(is_in_other_partition)
}

/// `us-west-2`, `ap-northeast-1`: `^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`, at most 32 characters.
/// The Region becomes part of a host name, so nothing else may get through.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let word = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase());
    let [first, middle @ .., last] = parts.as_slice() else { return false };
    text.len() <= 32
        && first.len() == 2
        && word(first)
        && !middle.is_empty()
        && middle.iter().all(word)
        && (1..=2).contains(&last.len())
        && last.bytes().all(|b| b.is_ascii_digit())
}

/// The Region and account of an ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Home {
    /// Region of the ARN.
    pub region: Region,
    /// Account of the ARN.
    pub account: AccountId,
}

/// A stream group as a user names it: an id, or an ARN (`arn:aws:gameliftstreams:REGION:ACCOUNT:streamgroup/ID`).
///
/// AWS's own pattern for identifiers accepts any text without a colon or blank as the resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamGroupIdentifier {
    /// The group's id.
    pub id: StreamGroupId,
    /// Present if the user gave an ARN.
    pub home: Option<Home>,
}

/// A stream session as a user names it: an id, or an ARN, which may name the group too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamSessionIdentifier {
    /// The session's id.
    pub id: StreamSessionId,
    /// The group that the ARN names (`streamsession/GROUP/ID`; older ARNs have none).
    pub group: Option<StreamGroupId>,
    /// Present if the user gave an ARN.
    pub home: Option<Home>,
}

/// An application as a user names it: an id, or an ARN (`arn:aws:gameliftstreams:REGION:ACCOUNT:application/ID`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApplicationIdentifier {
    /// The application's id.
    pub id: ApplicationId,
    /// Present if the user gave an ARN.
    pub home: Option<Home>,
}

/// Splits `arn:aws:gameliftstreams:REGION:ACCOUNT:RESOURCE`.
fn split_arn(text: &str) -> Option<(Home, &str)> {
    let rest = text.strip_prefix("arn:aws:gameliftstreams:")?;
    let (region, rest) = rest.split_once(':')?;
    let (account, resource) = rest.split_once(':')?;
    Some((Home { region: region.parse().ok()?, account: account.parse().ok()? }, resource))
}

/// Parses an id, or an ARN; `by_arn` gets what follows the account.
fn parse_identifier<T>(
    text: &str,
    (field, accepted): (&'static str, &'static str),
    by_id: impl FnOnce(&str) -> Option<T>,
    by_arn: impl FnOnce(Home, &str) -> Option<T>,
) -> Result<T, Malformed> {
    if text.len() > MAX_IDENTIFIER {
        return Err(malformed(field, accepted));
    }
    if is_arn_of_other_partition(text) {
        return Err(malformed(field, ONE_PARTITION));
    }
    let parsed = by_id(text).or_else(|| split_arn(text).and_then(|(home, resource)| by_arn(home, resource)));
    parsed.ok_or(malformed(field, accepted))
}

impl FromStr for StreamGroupIdentifier {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let accepted = "an id such as sg-1AB2C3De4 or an ARN such as \
                        arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4";
        parse_identifier(
            text,
            ("streamGroupIdentifier", accepted),
            |id| Some(Self { id: id.parse().ok()?, home: None }),
            |home, resource| Some(Self { id: resource.strip_prefix("streamgroup/")?.parse().ok()?, home: Some(home) }),
        )
    }
}

impl FromStr for StreamSessionIdentifier {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let accepted = "an id such as ABC123def4567 or an ARN such as \
                        arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1AB2C3De4/ABC123def4567";
        parse_identifier(
            text,
            ("streamSessionIdentifier", accepted),
            |id| Some(Self { id: id.parse().ok()?, group: None, home: None }),
            |home, resource| {
                let names = resource.strip_prefix("streamsession/")?;
                let (group, id) = match names.split_once('/') {
                    Some((group, id)) => (Some(group.parse().ok()?), id),
                    None => (None, names),
                };
                Some(Self { id: id.parse().ok()?, group, home: Some(home) })
            },
        )
    }
}

impl FromStr for ApplicationIdentifier {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let accepted = "ids such as a-9ZY8X7Wv6 or ARNs such as \
                        arn:aws:gameliftstreams:us-west-2:111122223333:application/a-9ZY8X7Wv6";
        parse_identifier(
            text,
            ("applicationIdentifiers", accepted),
            |id| Some(Self { id: id.parse().ok()?, home: None }),
            |home, resource| Some(Self { id: resource.strip_prefix("application/")?.parse().ok()?, home: Some(home) }),
        )
    }
}

/// One stream group, named in full.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamGroupArn {
    /// Control Region.
    pub region: Region,
    /// Account that owns it.
    pub account: AccountId,
    /// Stream group.
    pub group: StreamGroupId,
}

impl StreamGroupArn {
    /// One of its sessions.
    pub fn session(&self, session: StreamSessionId) -> SessionArn {
        let Self { region, account, group } = self.clone();
        SessionArn { region, account, group, session }
    }
}

impl fmt::Display for StreamGroupArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, group } = self;
        write!(f, "arn:aws:gameliftstreams:{region}:{account}:streamgroup/{group}")
    }
}

/// One stream session, named in full. Its text form is the canonical ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionArn {
    /// Control Region.
    pub region: Region,
    /// Account that owns the stream group.
    pub account: AccountId,
    /// Stream group.
    pub group: StreamGroupId,
    /// Stream session.
    pub session: StreamSessionId,
}

impl SessionArn {
    /// The group that it belongs to.
    pub fn stream_group(&self) -> StreamGroupArn {
        let Self { region, account, group, session: _ } = self.clone();
        StreamGroupArn { region, account, group }
    }
}

impl fmt::Display for SessionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, account, group, session } = self;
        write!(f, "arn:aws:gameliftstreams:{region}:{account}:streamsession/{group}/{session}")
    }
}
