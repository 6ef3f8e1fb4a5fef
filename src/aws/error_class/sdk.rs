//! Extracts the plain facts from the SDK's error.
//!
//! Owns: the walk along `source()`. Never: formats an SDK error (its Debug form holds the response); only code, text,
//! request id and host leave, made printable.

use crate::aws::client::{OversizedBody, RequestError, SourceFailure};
use crate::aws::error_class::{Cause, ErrorFacts, Variant, classify};
use crate::aws::error_text::{MAX_TEXT, redact_text};
use crate::aws::failure::{CallFailure, ConnectionFailure, ErrorAnswer, FailureDetail};
use crate::aws::operation::Operation;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_gameliftstreams::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_gameliftstreams::operation::RequestId;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::Response;
use std::error::Error;
use std::io;
use std::sync::Arc;

/// Longest error code or request id that is passed on.
const MAX_WORD: usize = 64;

/// The failure that an SDK error stands for.
pub(crate) fn to_call_failure<E>(operation: Operation, error: &SdkError<E, Response>) -> CallFailure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let http = error.raw_response().map(|answer| answer.status().as_u16());
    let code = error.code();
    let variant = error_variant(error);
    let facts = ErrorFacts { variant, http, code, cause: find_cause(error) };
    let (detail, original) = match (links(error).find_map(|link| link.downcast_ref::<SourceFailure>()), code, http) {
        (Some(source), _, _) => (source.detail.clone(), source.original.clone()),
        (None, Some(code), _) => (answer_detail(code, error.message()), error.message().map(printable_text)),
        (None, None, Some(http)) if !links(error).any(is_broken_body) => (FailureDetail::ForeignAnswer(http), None),
        (None, None, _) if variant == Variant::Construction => (FailureDetail::Unknown, None),
        (None, None, _) => (FailureDetail::Connection(connection_failure(error)), innermost_text(error)),
    };
    CallFailure {
        operation,
        class: classify(facts),
        http,
        detail,
        original,
        host: find_host(error),
        request_id: error.request_id().and_then(printable_word),
    }
}

/// What is known of a failed source of credentials: for [`SourceFailure`].
pub(crate) fn to_source_failure(error: &CredentialsError) -> SourceFailure {
    let refusal = links(error).find_map(|link| {
        let web_identity = link.downcast_ref::<AssumeRoleWithWebIdentityError>().map(ProvideErrorMetadata::meta);
        web_identity.or_else(|| link.downcast_ref::<AssumeRoleError>().map(ProvideErrorMetadata::meta))
    });
    let down = is_source_down(error);
    let (detail, original) = match refusal.map(|refusal| (refusal.code(), refusal.message())) {
        Some((Some(code), message)) => (answer_detail(code, message), message.map(printable_text)),
        Some((None, _)) | None if down => {
            (FailureDetail::CredentialsSource(connection_failure(error)), innermost_text(error))
        }
        Some((None, _)) | None => (FailureDetail::Unknown, None),
    };
    SourceFailure { down, detail, original, host: find_host(error) }
}

fn answer_detail(code: &str, text: Option<&str>) -> FailureDetail {
    let text = redact_text(text.unwrap_or_default());
    match printable_word(code) {
        Some(code) => FailureDetail::Answer(Arc::new(ErrorAnswer { code, text })),
        None => FailureDetail::Unknown,
    }
}

/// Returns the text if it is short printable ASCII without blanks, else `None`.
pub(crate) fn printable_word(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= MAX_WORD && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// The beginning of a text, for the log, with control characters and the like escaped.
fn printable_text(text: &str) -> String {
    let mut printable = text[..text.floor_char_boundary(MAX_TEXT)].escape_debug().to_string();
    printable.truncate(printable.floor_char_boundary(MAX_TEXT));
    printable
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
    for link in links(error) {
        if let Some(error) = link.downcast_ref::<CredentialsError>() {
            return if is_source_down(error) { Cause::Connect } else { Cause::Credentials };
        }
        if link.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|e| e.is_connect()) {
            return Cause::Connect;
        }
        if link.is::<OversizedBody>() {
            return Cause::Oversized;
        }
    }
    if is_clock(error.message()) { Cause::Clock } else { Cause::Other }
}

/// Whether the source of credentials (STS, instance metadata) can't be reached, or its answer is oversized: an outage,
/// not a refusal.
pub(crate) fn is_source_down(error: &CredentialsError) -> bool {
    matches!(error, CredentialsError::ProviderTimedOut(_))
        || links(error).any(|link| {
            let failed = link.downcast_ref::<SourceFailure>();
            failed.is_some_and(|failed| failed.down) || link.is::<ConnectorError>() || link.is::<OversizedBody>()
        })
}

/// Why there is no answer, by the error nearest to the network. hyper-util's errors of names and proxies are private
/// types; tests hold their texts.
fn connection_failure(error: &(dyn Error + 'static)) -> ConnectionFailure {
    let mut failure = None;
    for link in links(error) {
        failure = match (link_failure(link), failure) {
            // That no connection was established says less than that there was no time for it.
            (None | Some(ConnectionFailure::Connect), Some(known)) => Some(known),
            (nearer, _) => nearer,
        };
    }
    let is_broken = || links(error).any(is_broken_body);
    failure.unwrap_or_else(|| if is_broken() { ConnectionFailure::Broken } else { ConnectionFailure::Timeout })
}

fn link_failure(link: &(dyn Error + 'static)) -> Option<ConnectionFailure> {
    if let Some(connector) = link.downcast_ref::<ConnectorError>() {
        return Some(if connector.is_timeout() {
            ConnectionFailure::ConnectTimeout
        } else {
            ConnectionFailure::Broken
        });
    }
    if link.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|e| e.is_connect()) {
        return Some(ConnectionFailure::Connect);
    }
    if let Some(tls) = link.downcast_ref::<rustls::Error>() {
        let is_certificate = matches!(tls, rustls::Error::InvalidCertificate(_));
        return is_certificate.then_some(ConnectionFailure::Certificate);
    }
    if let Some(io) = link.downcast_ref::<io::Error>() {
        return (io.kind() == io::ErrorKind::ConnectionRefused).then_some(ConnectionFailure::Refused);
    }
    if link.is::<OversizedBody>() {
        return Some(ConnectionFailure::Oversized);
    }
    match link.to_string() {
        text if text == "dns error" => Some(ConnectionFailure::NameResolution),
        text if text.starts_with("tunnel error: ") => Some(ConnectionFailure::Proxy),
        _ => None,
    }
}

/// True if an answer could not be read to its end, whatever its status.
fn is_broken_body(link: &(dyn Error + 'static)) -> bool {
    link.is::<OversizedBody>() || link.is::<hyper::Error>()
}

fn find_host(error: &(dyn Error + 'static)) -> Option<String> {
    links(error).find_map(|link| {
        let source = link.downcast_ref::<SourceFailure>().and_then(|failed| failed.host.clone());
        source.or_else(|| link.downcast_ref::<RequestError>().map(|failed| failed.host.clone()))
    })
}

/// The words of the error nearest to the network, such as the reason why a certificate is not trusted.
fn innermost_text(error: &(dyn Error + 'static)) -> Option<String> {
    links(error).last().map(|link| printable_text(&link.to_string()))
}

/// An error and those that it wraps. The `source()` of an `io::Error` skips the error that it carries.
fn links<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| {
        let link: &'a (dyn Error + 'static) = *link;
        match link.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => link.source(),
        }
    })
}

/// InvalidSignatureException has two meanings, and only its message distinguishes them (IAM User Guide, "Troubleshoot
/// Signature Version 4": "Signature expired: ... is now earlier than ...", "Signature not yet current: ...").
fn is_clock(message: Option<&str>) -> bool {
    message.is_some_and(|text| text.starts_with("Signature expired") || text.starts_with("Signature not yet current"))
}
