//! Errors as AWS's REST-JSON services send them.

use serde_json::json;

/// An error for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The error's name, sent as `x-amzn-ErrorType`.
    pub code: String,
    /// The text.
    pub message: String,
    modelled: bool,
}

impl ApiError {
    fn modelled(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), modelled: true }
    }

    /// ValidationException
    pub fn validation(message: impl Into<String>) -> Self {
        Self::modelled(400, "ValidationException", message)
    }

    /// AccessDeniedException
    pub fn access_denied(message: impl Into<String>) -> Self {
        Self::modelled(403, "AccessDeniedException", message)
    }

    /// ResourceNotFoundException
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::modelled(404, "ResourceNotFoundException", message)
    }

    /// ConflictException
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::modelled(409, "ConflictException", message)
    }

    /// ThrottlingException
    #[must_use]
    pub fn throttling() -> Self {
        Self::modelled(429, "ThrottlingException", "Rate exceeded")
    }

    /// A server error of any name and status.
    #[must_use]
    pub fn server(status: u16, code: &str) -> Self {
        Self::modelled(status, code, "An internal error occurred.")
    }

    /// An error of AWS's front end, before the service has seen the request: its body says
    /// `message`, while the service's model says `Message`.
    pub fn front_end(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { modelled: false, ..Self::modelled(status, code, message) }
    }

    /// ExpiredTokenException
    #[must_use]
    pub fn expired_token() -> Self {
        Self::front_end(403, "ExpiredTokenException", "The security token included in the request is expired")
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> String {
        let key = if self.modelled { "Message" } else { "message" };
        json!({ key: self.message }).to_string()
    }
}
