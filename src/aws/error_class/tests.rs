use super::*;
use crate::aws::failure::{ConnectionFailure, FailureDetail};
use crate::aws::operation::Operation;
use FailureClass::{AccessDenied, Credentials, NotFound, Rejected, Throttled, Unavailable, Unreachable};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_gameliftstreams::error::{ErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::body::SdkBody;
use std::time::Duration;

fn answer(variant: Variant, http: u16, code: Option<&str>, cause: Cause) -> FailureClass {
    classify(ErrorFacts { variant, http: Some(http), code, cause })
}

#[test]
fn without_an_answer() {
    use Cause::{Clock, Connect, Credentials as NoCredentials, Other, Oversized};
    let rows = [
        (Variant::Construction, [Credentials, Unreachable, Rejected, Rejected, Unavailable]),
        (Variant::Timeout, [Unavailable; 5]),
        (Variant::Dispatch, [Credentials, Unreachable, Unavailable, Unavailable, Unavailable]),
        (Variant::Response, [Unavailable; 5]),
        (Variant::Service, [Unavailable; 5]),
        (Variant::Unknown, [Unavailable; 5]),
    ];
    for (variant, classes) in rows {
        for (cause, expected) in [NoCredentials, Connect, Clock, Other, Oversized].into_iter().zip(classes) {
            let symptom = ErrorFacts { variant, http: None, code: None, cause };
            assert_eq!(classify(symptom), expected, "{symptom:?}");
        }
    }
}

const STATUSES: [u16; 20] =
    [100, 200, 204, 301, 302, 307, 400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 502, 503, 504];

/// The classes of each family of codes on 4xx (other than 401, 403, 404, 408, 429), 401, 403, 404.
const FAMILIES: [(&[&str], [FailureClass; 4]); 7] = [
    (
        &[
            "ThrottlingException",
            "Throttling",
            "ThrottledException",
            "RequestThrottled",
            "RequestThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "LimitExceededException",
            "ProvisionedThroughputExceededException",
            "PriorRequestNotComplete",
            "EC2ThrottledException",
            "SlowDown",
        ],
        [Throttled; 4],
    ),
    (&["RequestTimeout", "RequestTimeoutException"], [Unavailable; 4]),
    (&["RequestTimeTooSkewed", "RequestExpired"], [Unreachable; 4]),
    (
        &[
            "UnrecognizedClientException",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidToken",
            "TokenRefreshRequired",
            "AuthFailure",
        ],
        [Credentials; 4],
    ),
    (&["AccessDeniedException", "AccessDenied", "NotAuthorized", "UnauthorizedOperation"], [AccessDenied; 4]),
    (&["ResourceNotFoundException"], [Rejected, Rejected, Rejected, NotFound]),
    (
        &["ValidationException", "ConflictException", "OptInRequired", "SomethingNew", "resourcenotfoundexception"],
        [Rejected, Credentials, AccessDenied, Unavailable],
    ),
];

#[test]
fn every_status_with_every_code() {
    for variant in [Variant::Response, Variant::Service] {
        for (codes, [other, http_401, http_403, http_404]) in FAMILIES {
            for (code, status) in codes.iter().flat_map(|code| STATUSES.map(|status| (*code, status))) {
                let expected = match status {
                    429 => Throttled,
                    400..=599 if other == Throttled => Throttled,
                    408 => Unavailable,
                    401 => http_401,
                    403 => http_403,
                    404 => http_404,
                    400..=499 => other,
                    _ => Unavailable,
                };
                assert_eq!(answer(variant, status, Some(code), Cause::Other), expected, "{status} {code}");
            }
        }
    }
}

#[test]
fn an_answer_without_a_code_is_not_from_aws() {
    for status in STATUSES {
        let expected = if status == 429 { Throttled } else { Unavailable };
        assert_eq!(answer(Variant::Service, status, None, Cause::Other), expected, "{status}");
    }
}

#[test]
fn an_oversized_answer_decides_nothing_whatever_its_status() {
    for (variant, status) in [Variant::Response, Variant::Service].into_iter().flat_map(|v| STATUSES.map(|s| (v, s))) {
        for code in [None, Some("ThrottlingException"), Some("AccessDeniedException")] {
            assert_eq!(answer(variant, status, code, Cause::Oversized), Unavailable, "{status} {code:?}");
        }
    }
}

#[test]
fn a_signature_refused_for_its_time_is_no_trouble_with_credentials() {
    assert_eq!(answer(Variant::Service, 403, Some("InvalidSignatureException"), Cause::Clock), Unreachable);
    assert_eq!(answer(Variant::Service, 403, Some("AccessDeniedException"), Cause::Clock), AccessDenied);
    assert_eq!(answer(Variant::Service, 500, Some("InvalidSignatureException"), Cause::Clock), Unavailable);
}

#[test]
fn only_unavailable_leaves_the_outcome_open() {
    for class in FailureClass::ALL {
        assert_eq!(class.is_refusal(), class != Unavailable);
    }
}

#[test]
fn odd_words_are_dropped() {
    assert_eq!(printable_word("AccessDeniedException").as_deref(), Some("AccessDeniedException"));
    for odd in ["", "a b", "a\nb", "é", "\u{1b}[31m", &"x".repeat(65)] {
        assert_eq!(printable_word(odd), None);
    }
}

#[test]
fn each_kind_of_sdk_error_has_its_class() {
    type Failure = SdkError<ErrorMetadata, Response>;
    let response = |status: u16| Response::new(status.try_into().unwrap(), SdkBody::empty());
    let denied = || ErrorMetadata::builder().code("AccessDeniedException").build();
    let rows: [(Failure, FailureClass); 5] = [
        (SdkError::construction_failure("no endpoint"), Rejected),
        (SdkError::timeout_error("5 s"), Unavailable),
        (SdkError::dispatch_failure(ConnectorError::io("refused".into())), Unavailable),
        (SdkError::response_error("no JSON", response(429)), Throttled),
        (SdkError::service_error(denied(), response(403)), AccessDenied),
    ];
    for (error, class) in rows {
        assert_eq!(to_call_failure(Operation::Get, &error).class, class, "{error:?}");
    }
}

#[test]
fn of_a_request_that_was_never_made_nothing_is_known() {
    let unmade = SdkError::<ErrorMetadata, Response>::construction_failure("no endpoint");
    assert_eq!(to_call_failure(Operation::Get, &unmade).detail, FailureDetail::Unknown);
    let missing = to_source_failure(&CredentialsError::not_loaded("no source"));
    assert_eq!((missing.down, missing.detail), (false, FailureDetail::Unknown));
    let late = to_source_failure(&CredentialsError::provider_timed_out(Duration::from_secs(5)));
    assert_eq!((late.down, late.detail), (true, FailureDetail::CredentialsSource(ConnectionFailure::Timeout)));
}
