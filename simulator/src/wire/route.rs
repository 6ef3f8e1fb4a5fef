//! From a request's method and raw path to an operation and its path parameters.

use http::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// The operations that are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operation {
    /// `POST /streamgroups/{Identifier}/streamsessions`
    StartStreamSession,
    /// `GET /streamgroups/{Identifier}/streamsessions/{StreamSessionIdentifier}`
    GetStreamSession,
    /// `GET /streamgroups/{Identifier}/streamsessions`
    ListStreamSessions,
    /// `GET /streamsessions`
    ListStreamSessionsByAccount,
    /// `PUT /streamgroups/{Identifier}/streamsessions/{StreamSessionIdentifier}/exportfiles`
    ExportStreamSessionFiles,
    /// `DELETE /streamgroups/{Identifier}/streamsessions/{StreamSessionIdentifier}`
    TerminateStreamSession,
}

impl Operation {
    /// The name as AWS writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StartStreamSession => "StartStreamSession",
            Self::GetStreamSession => "GetStreamSession",
            Self::ListStreamSessions => "ListStreamSessions",
            Self::ListStreamSessionsByAccount => "ListStreamSessionsByAccount",
            Self::ExportStreamSessionFiles => "ExportStreamSessionFiles",
            Self::TerminateStreamSession => "TerminateStreamSession",
        }
    }
}

/// A request's operation and what its path says, decoded but not validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The operation.
    pub operation: Operation,
    /// `Identifier`: the stream group.
    pub group: Option<String>,
    /// `StreamSessionIdentifier`.
    pub session: Option<String>,
}

impl Route {
    /// The route of a request, if AWS knows one.
    #[must_use]
    pub fn of(method: &Method, path: &str) -> Option<Self> {
        let mut segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        if segments.len() > 1 && segments.last() == Some(&"") {
            segments.pop();
        }
        let (operation, group, session) = match (method.as_str(), segments.as_slice()) {
            ("GET", ["streamsessions"]) => (Operation::ListStreamSessionsByAccount, None, None),
            ("GET", ["streamgroups", g, "streamsessions"]) => (Operation::ListStreamSessions, Some(g), None),
            ("POST", ["streamgroups", g, "streamsessions"]) => (Operation::StartStreamSession, Some(g), None),
            ("GET", ["streamgroups", g, "streamsessions", s]) => (Operation::GetStreamSession, Some(g), Some(s)),
            ("DELETE", ["streamgroups", g, "streamsessions", s]) => {
                (Operation::TerminateStreamSession, Some(g), Some(s))
            }
            ("PUT", ["streamgroups", g, "streamsessions", s, "exportfiles"]) => {
                (Operation::ExportStreamSessionFiles, Some(g), Some(s))
            }
            _ => return None,
        };
        Some(Self { operation, group: group.map(|g| decode(g)), session: session.map(|s| decode(s)) })
    }
}

/// What percent-encoding hides; broken UTF-8 is replaced and so fails the validation later.
#[must_use]
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The id at the end of an ARN, or the text itself.
#[must_use]
pub fn bare_id(identifier: &str) -> &str {
    identifier.rsplit('/').next().unwrap_or(identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_method_and_path() {
        for (method, path, operation) in [
            ("POST", "/streamgroups/sg-1/streamsessions", Operation::StartStreamSession),
            ("GET", "/streamgroups/sg-1/streamsessions", Operation::ListStreamSessions),
            ("GET", "/streamsessions", Operation::ListStreamSessionsByAccount),
            ("GET", "/streamgroups/sg-1/streamsessions/s", Operation::GetStreamSession),
            ("DELETE", "/streamgroups/sg-1/streamsessions/s", Operation::TerminateStreamSession),
            ("PUT", "/streamgroups/sg-1/streamsessions/s/exportfiles", Operation::ExportStreamSessionFiles),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(Route::of(&method, path).unwrap().operation, operation);
        }
        for (method, path) in [("POST", "/streamsessions"), ("GET", "/"), ("PUT", "/streamgroups/g/streamsessions/s")] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(Route::of(&method, path), None, "{path}");
        }
    }

    #[test]
    fn an_encoded_arn_is_one_segment() {
        let path = "/streamgroups/sg-1/streamsessions/arn%3Aaws%3Agameliftstreams%3Aus-west-2%3A111122223333%3Astreamsession%2Fsg-1%2Fs1";
        let session = Route::of(&Method::GET, path).unwrap().session.unwrap();
        assert_eq!(session, "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1/s1");
        assert_eq!(bare_id(&session), "s1");
        assert_eq!(bare_id("s1"), "s1");
    }
}
