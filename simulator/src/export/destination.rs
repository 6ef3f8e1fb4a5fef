//! Where an export goes.

use crate::clock;
use crate::service::session::Session;

/// The URI of the object for what was given: itself, or for a prefix with a generated name,
/// `YYYYMMDD-HHMMSS-appId-sg-Id-sessionId.zip`. AWS doesn't say whose time it is; here it is the
/// session's creation, so that asking twice means the same object.
#[must_use]
pub fn object_uri(given: &str, session: &Session) -> String {
    if !given.ends_with('/') {
        return given.to_owned();
    }
    let time = clock::compact(session.created_at);
    format!("{given}{time}-{}-{}-{}.zip", session.application, session.group, session.id)
}

/// Bucket and key of an object's URI.
#[must_use]
pub fn split(uri: &str) -> Option<(&str, &str)> {
    uri.strip_prefix("s3://")?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_ends_at_the_first_slash() {
        assert_eq!(split("s3://b/p/q.zip"), Some(("b", "p/q.zip")));
        assert_eq!(split("s3://b/"), Some(("b", "")));
        assert_eq!(split("s3://b"), None);
        assert_eq!(split("b/p"), None);
    }
}
