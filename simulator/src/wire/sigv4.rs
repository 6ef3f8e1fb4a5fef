//! Verifies Signature Version 4 of a request, with AWS's errors for each way to get it wrong.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::HeaderMap;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest, Sha256};
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::{self, Millis};
use crate::identity::{Identity, KeyRing, Scope};
use crate::service::identifier::Asker;
use crate::wire::error::ApiError;
use crate::wire::route::{Operation, Route, bare_id};

/// The name that requests are signed for.
pub const SERVICE: &str = "gameliftstreams";
/// How far the caller's clock may be off.
const TOLERANCE: Millis = 5 * 60 * 1000;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// The signer of a request, and the Region it signed for.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key's owner.
    pub identity: Identity,
    /// The account and Region that the call is for.
    pub scope: Scope,
}

impl Caller {
    /// The caller with what they want to do.
    #[must_use]
    pub fn asks(&self, operation: Operation) -> Asker<'_> {
        Asker { scope: &self.scope, principal: &self.identity.principal, operation }
    }

    /// IAM's refusal of a call.
    #[must_use]
    pub fn denied(&self, route: &Route) -> ApiError {
        let group = route.group.as_deref().map_or("*", bare_id);
        self.asks(route.operation).denied(&self.scope.arn(&format!("streamgroup/{group}")))
    }
}

/// What signatures are judged by.
#[derive(Debug)]
pub struct Judge<'a> {
    /// The keys known.
    pub keys: &'a KeyRing,
    /// The Regions served.
    pub regions: &'a [String],
    /// The service's name.
    pub service: &'a str,
    /// Real time, for the signature's date.
    pub wall: Millis,
    /// Simulated time, for the expiry of keys.
    pub now: Millis,
}

/// The parts of an `Authorization` header.
struct Authorization<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl Judge<'_> {
    /// Verifies the request.
    pub fn verify(&self, parts: &Parts, body: &[u8]) -> Result<Caller, ApiError> {
        let header = text(&parts.headers, "authorization").ok_or_else(missing)?;
        let auth = parse(header)?;
        let amz_date = text(&parts.headers, "x-amz-date").ok_or_else(|| {
            incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        })?;
        let identity = self.identity(&auth, parts)?;
        self.check_scope(&auth)?;
        self.check_date(&auth, amz_date)?;
        check_signature(parts, body, &auth, amz_date, &identity.secret)?;
        if identity.expired(self.now) {
            return Err(ApiError::expired_token());
        }
        let scope = Scope::new(identity.account.clone(), auth.region);
        Ok(Caller { identity: identity.clone(), scope })
    }

    fn identity(&self, auth: &Authorization<'_>, parts: &Parts) -> Result<&Identity, ApiError> {
        let token = text(&parts.headers, "x-amz-security-token");
        self.keys.get(auth.access_key_id).filter(|identity| identity.session_token.as_deref() == token).ok_or_else(
            || {
                ApiError::front_end(
                    403,
                    "UnrecognizedClientException",
                    "The security token included in the request is invalid.",
                )
            },
        )
    }

    fn check_scope(&self, auth: &Authorization<'_>) -> Result<(), ApiError> {
        if auth.service != self.service {
            return Err(invalid(format!("Credential should be scoped to correct service: '{}'.", self.service)));
        }
        if auth.terminator != "aws4_request" || !self.regions.iter().any(|region| region == auth.region) {
            return Err(invalid("Credential should be scoped to a valid region."));
        }
        Ok(())
    }

    fn check_date(&self, auth: &Authorization<'_>, amz_date: &str) -> Result<(), ApiError> {
        let Some(signed_at) = clock::parse_amz_date(amz_date) else {
            return Err(incomplete("Date must be in ISO-8601 'basic format'."));
        };
        if !amz_date.starts_with(auth.date) {
            return Err(invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
            ));
        }
        let now = clock::amz_date(self.wall);
        if signed_at < self.wall - TOLERANCE {
            let limit = clock::amz_date(self.wall - TOLERANCE);
            return Err(invalid(format!("Signature expired: {amz_date} is now earlier than {limit} ({now} - 5 min.)")));
        }
        if signed_at > self.wall + TOLERANCE {
            let limit = clock::amz_date(self.wall + TOLERANCE);
            return Err(invalid(format!(
                "Signature not yet current: {amz_date} is still later than {limit} ({now} + 5 min.)"
            )));
        }
        Ok(())
    }
}

fn missing() -> ApiError {
    ApiError::front_end(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
}

fn incomplete(message: impl Into<String>) -> ApiError {
    ApiError::front_end(403, "IncompleteSignatureException", message)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::front_end(403, "InvalidSignatureException", message)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn parse(header: &str) -> Result<Authorization<'_>, ApiError> {
    let fields = header.strip_prefix(ALGORITHM).ok_or_else(missing)?;
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
    };
    let credential = field("Credential")?;
    let mut scope = credential.rsplitn(5, '/');
    let mut next = || {
        scope.next().filter(|part| !part.is_empty()).ok_or_else(|| {
            incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
        })
    };
    Ok(Authorization {
        terminator: next()?,
        service: next()?,
        region: next()?,
        date: next()?,
        access_key_id: next()?,
        signed_headers: field("SignedHeaders")?,
        signature: field("Signature")?,
    })
}

fn check_signature(
    parts: &Parts,
    body: &[u8],
    auth: &Authorization<'_>,
    amz_date: &str,
    secret: &str,
) -> Result<(), ApiError> {
    let canonical = canonical_request(parts, body, auth.signed_headers)?;
    let to_sign = format!(
        "{ALGORITHM}\n{amz_date}\n{}/{}/{}/{}\n{}",
        auth.date,
        auth.region,
        auth.service,
        auth.terminator,
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let at = clock::parse_amz_date(amz_date).unwrap_or_default();
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0));
    let key = generate_signing_key(secret, at, auth.region, auth.service);
    if calculate_signature(key, to_sign.as_bytes()) == auth.signature {
        Ok(())
    } else {
        Err(invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ))
    }
}

fn canonical_request(parts: &Parts, body: &[u8], signed_headers: &str) -> Result<String, ApiError> {
    if !signed_headers.split(';').any(|name| name == "host") {
        return Err(invalid("'Host' must be a 'SignedHeader' in the AWS Authorization."));
    }
    let mut headers = String::new();
    for name in signed_headers.split(';') {
        let value = header_value(&parts.headers, name)
            .ok_or_else(|| invalid(format!("'{name}' is a 'SignedHeader' that the request does not have.")))?;
        headers.push_str(&format!("{name}:{value}\n"));
    }
    Ok(format!(
        "{}\n{}\n{}\n{headers}\n{signed_headers}\n{}",
        parts.method,
        canonical_path(parts.uri.path()),
        canonical_query(parts.uri.query().unwrap_or_default()),
        payload_hash(&parts.headers, body)?
    ))
}

/// The values joined, inner runs of spaces made one.
fn header_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// The body's own hash: what the header claims must be true, or the signature covers another body.
fn payload_hash(headers: &HeaderMap, body: &[u8]) -> Result<String, ApiError> {
    let actual = hex(&Sha256::digest(body));
    match text(headers, "x-amz-content-sha256") {
        None => Ok(actual),
        Some("UNSIGNED-PAYLOAD") => Ok("UNSIGNED-PAYLOAD".to_owned()),
        Some(claimed) if claimed == actual => Ok(actual),
        Some(_) => Err(invalid("The provided 'x-amz-content-sha256' header does not match what was computed.")),
    }
}

/// Dot segments and empty ones removed, then every segment encoded once more: all services but S3
/// sign the path encoded twice.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut normal = format!("/{}", segments.join("/"));
    if path.ends_with('/') && normal.len() > 1 {
        normal.push('/');
    }
    percent_encode(normal.as_bytes(), PATH).to_string()
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (recode(name), recode(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn recode(text: &str) -> String {
    let decoded: Vec<u8> = percent_decode_str(text).collect();
    percent_encode(&decoded, UNRESERVED).to_string()
}

/// The key id that a request claims, for the journal.
#[must_use]
pub fn claimed_key(parts: &Parts) -> Option<String> {
    let auth = parse(text(&parts.headers, "authorization")?).ok()?;
    Some(auth.access_key_id.chars().take(128).collect())
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;
