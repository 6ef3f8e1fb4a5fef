//! Extracts the plain facts from the SDK's error.
//!
//! Owns: the walk along `source()`. Never: formats an SDK error; only code and request id leave, made printable.

use crate::aws::client::OversizedBody;
use crate::aws::error_class::{Cause, ErrorFacts, Variant, classify};
use crate::aws::model::CallFailure;
use crate::aws::operation::Operation;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_gameliftstreams::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_gameliftstreams::operation::RequestId;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::Response;
use std::error::Error;
use std::io;

/// Longest error code or request id that is passed on.
const MAX_WORD: usize = 64;

/// The failure that an SDK error stands for.
pub(crate) fn to_call_failure<E>(operation: Operation, error: &SdkError<E, Response>) -> CallFailure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let http = error.raw_response().map(|answer| answer.status().as_u16());
    let code = error.code();
    let symptom = ErrorFacts { variant: error_variant(error), http, code, cause: find_cause(error) };
    CallFailure {
        operation,
        class: classify(symptom),
        http,
        code: code.and_then(printable_word),
        request_id: error.request_id().and_then(printable_word),
    }
}

/// Returns the text if it is short printable ASCII without blanks, else `None`.
pub(crate) fn printable_word(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= MAX_WORD && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

fn error_variant<E>(error: &SdkError<E, Response>) -> Variant {
    match error {
        SdkError::ConstructionFailure(_) => Variant::Construction,
        SdkError::TimeoutError(_) => Variant::Timeout,
        SdkError::DispatchFailure(_) => Variant::Dispatch,
        SdkError::ResponseError(_) => Variant::Response,
        SdkError::ServiceError(_) => Variant::Service,
        _ => Variant::Unknown,
    }
}

fn find_cause<E>(error: &SdkError<E, Response>) -> Cause
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(link) = next {
        if let Some(error) = link.downcast_ref::<CredentialsError>() {
            return if is_source_down(error) { Cause::Connect } else { Cause::Credentials };
        }
        if link.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|e| e.is_connect()) {
            return Cause::Connect;
        }
        if link.is::<OversizedBody>() {
            return Cause::Oversized;
        }
        next = source_of(link);
    }
    if is_clock(error.message()) { Cause::Clock } else { Cause::Other }
}

/// Whether the source of credentials (STS, instance metadata) can't be reached, or its answer is oversized: an outage,
/// not a refusal.
pub(crate) fn is_source_down(error: &CredentialsError) -> bool {
    if matches!(error, CredentialsError::ProviderTimedOut(_)) {
        return true;
    }
    let mut next = error.source();
    while let Some(link) = next {
        if link.is::<ConnectorError>() || link.is::<OversizedBody>() {
            return true;
        }
        next = source_of(link);
    }
    false
}

/// The error that an error wraps. The `source()` of an `io::Error` skips the error that it carries.
fn source_of<'a>(link: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match link.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => link.source(),
    }
}

/// InvalidSignatureException has two meanings, and only its message distinguishes them (IAM User Guide, "Troubleshoot
/// Signature Version 4": "Signature expired: ... is now earlier than ...", "Signature not yet current: ...").
fn is_clock(message: Option<&str>) -> bool {
    message.is_some_and(|text| text.starts_with("Signature expired") || text.starts_with("Signature not yet current"))
}
