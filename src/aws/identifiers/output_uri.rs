//! `OutputUri`: the destination of a ZIP.
//!
//! Owns: the grammar of stored URIs: the API server takes fewer characters at creation, and an object stored by an
//! older definition keeps its URI. Never: checks that the bucket exists or is writable.

use crate::aws::identifiers::{Malformed, malformed};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest `OutputUri` that AWS accepts, in characters (`OutputUri` in the service's API model of 2018-05-10).
pub const MAX_OUTPUT_URI: usize = 1024;
/// Longest S3 key, in bytes of UTF-8 (S3 User Guide, "Naming Amazon S3 objects").
const MAX_KEY_BYTES: usize = 1024;

/// Where an export goes: `s3://bucket/prefix/` or `s3://bucket/name.zip`.
///
/// Two of them are the same destination exactly if they are the same text: S3 keys are compared byte by byte. They are
/// ordered as the texts are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutputUri {
    uri: Arc<str>,
    bucket_end: usize,
}

const SCHEME: &str = "s3://";

impl OutputUri {
    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The S3 bucket.
    pub fn bucket(&self) -> &str {
        self.uri.get(SCHEME.len()..self.bucket_end).unwrap_or_default()
    }

    /// The key, or the prefix below which AWS names the object. Empty for the bucket's root.
    pub fn key(&self) -> &str {
        self.uri.get(self.bucket_end + 1..).unwrap_or_default()
    }

    /// True for a fixed key (`.zip` or `.ZIP`), false for a prefix, below which AWS names the object.
    pub fn is_zip(&self) -> bool {
        !self.uri.ends_with('/')
    }
}

impl fmt::Display for OutputUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

impl FromStr for OutputUri {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse_output_uri(text).ok_or(malformed(
            "outputUri",
            "s3://bucket/prefix/ or s3://bucket/name.zip, at most 1024 characters, without control characters and without . or .. segments",
        ))
    }
}

fn parse_output_uri(text: &str) -> Option<OutputUri> {
    let rest = text.strip_prefix(SCHEME)?;
    let (bucket, key) = rest.split_once('/')?;
    let fits = text.chars().count() <= MAX_OUTPUT_URI && is_bucket(bucket) && is_key(key);
    fits.then(|| OutputUri { uri: text.into(), bucket_end: SCHEME.len() + bucket.len() })
}

/// What S3 ever took as the name of a bucket: in us-east-1, before March 2018, up to 255 letters, digits, dots, hyphens
/// and underscores (S3 User Guide, "General purpose bucket naming rules"). Such buckets still exist. The narrower rules
/// for newer names are left to AWS.
fn is_bucket(name: &str) -> bool {
    let has_characters = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let is_address = name.split('.').count() == 4 && name.split('.').all(is_number);
    (3..=255).contains(&name.len()) && has_characters && !is_address
}

/// A folder or a `.zip`, without empty, `.` or `..` segments and control characters. `s3://bucket/` is a folder.
fn is_key(key: &str) -> bool {
    if key.len() > MAX_KEY_BYTES {
        return false;
    }
    let segments: Vec<&str> = key.split('/').collect();
    let (last, folders) = match segments.split_last() {
        Some((last, folders)) => (*last, folders),
        None => return false,
    };
    let plain = |s: &&str| !matches!(*s, "." | "..");
    let stem = last.strip_suffix(".zip").or_else(|| last.strip_suffix(".ZIP"));
    let ending = last.is_empty() || stem.is_some_and(|s| !s.is_empty());
    ending && segments.iter().all(plain) && !folders.iter().any(|s| s.is_empty()) && !key.chars().any(char::is_control)
}
