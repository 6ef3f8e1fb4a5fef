//! Puts ZIPs into buckets, over HTTP and signed, as AWS would with the caller's authority.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::export::destination;
use crate::identity::Identity;

const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);
const TRIES: u32 = 3;

/// What S3 answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; absent when S3 could not be reached.
    pub status: Option<u16>,
    /// Why it refused; nothing when it did not.
    pub refusal: Option<String>,
}

/// A client of one S3 endpoint.
#[derive(Debug)]
pub struct Uploader {
    endpoint: String,
    client: Client<HttpConnector, Full<Bytes>>,
    /// Bounds the ZIPs that are in memory at the same time.
    turns: Semaphore,
}

impl Uploader {
    /// A client of this endpoint, `http://host:port`.
    #[must_use]
    pub fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// Waits until there is room for one more upload.
    pub async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// Puts an object.
    pub async fn put(&self, uri: &str, body: Bytes, identity: &Identity, region: &str) -> Answer {
        let Some((bucket, key)) = destination::split(uri) else {
            return refused(None, "InvalidURI: Couldn't parse the specified URI.");
        };
        self.send(Method::PUT, bucket, key, body, identity, region).await
    }

    /// Asks whether a bucket is there and accessible.
    pub async fn head_bucket(&self, uri: &str, identity: &Identity, region: &str) -> Answer {
        let bucket = destination::split(uri).map_or("", |(bucket, _)| bucket);
        self.send(Method::HEAD, bucket, "", Bytes::new(), identity, region).await
    }

    /// Only an S3 that cannot be reached is tried again: an answer is an answer.
    async fn send(&self, method: Method, bucket: &str, key: &str, body: Bytes, who: &Identity, region: &str) -> Answer {
        let mut answer = refused(None, "");
        for attempt in 0..TRIES {
            sleep(Duration::from_millis(200) * attempt).await;
            let request = match self.request(&method, bucket, key, body.clone(), who, region) {
                Ok(request) => request,
                Err(error) => return refused(None, &format!("InternalError: {error}")),
            };
            answer = match timeout(PATIENCE, self.once(request)).await {
                Ok(answer) => answer,
                Err(_) => refused(None, "RequestTimeout: the bucket did not answer in time."),
            };
            if answer.status.is_some() {
                break;
            }
        }
        answer
    }

    fn request(
        &self,
        method: &Method,
        bucket: &str,
        key: &str,
        body: Bytes,
        who: &Identity,
        region: &str,
    ) -> Result<Request<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let path = format!("{bucket}/{key}");
        let path = percent_encode(path.as_bytes(), KEY);
        let uri = format!("{}/{path}", self.endpoint);
        let identity =
            Credentials::new(&who.access_key_id, &who.secret, who.session_token.clone(), None, "simulator").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("s3")
            .time(SystemTime::now())
            .settings(s3_settings())
            .build()?
            .into();
        let signable = SignableRequest::new(method.as_str(), &uri, std::iter::empty(), SignableBody::Bytes(&body))?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let mut request = Request::builder().method(method).uri(&uri).body(Full::new(body.clone()))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }

    async fn once(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => {
                return refused(None, &format!("ServiceUnavailable: the bucket cannot be reached ({error})."));
            }
        };
        let status = response.status();
        if status.is_success() {
            return Answer { status: Some(status.as_u16()), refusal: None };
        }
        let body = Limited::new(response.into_body(), 64 * 1024).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        refused(Some(status.as_u16()), &reason(status.as_u16(), &String::from_utf8_lossy(&body)))
    }
}

fn refused(status: Option<u16>, why: &str) -> Answer {
    Answer { status, refusal: Some(why.to_owned()) }
}

/// S3 signs paths as they are, encoded once, and wants the payload's hash in a header.
fn s3_settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings
}

/// `Code: Message` out of S3's XML, or what the HTTP status says.
fn reason(status: u16, xml: &str) -> String {
    match (element(xml, "Code"), element(xml, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => match code {
            "NoSuchBucket" => "NoSuchBucket: The specified bucket does not exist".to_owned(),
            other => other.to_owned(),
        },
        (None, _) => match status {
            403 => "AccessDenied: Access Denied".to_owned(),
            404 => "NoSuchBucket: The specified bucket does not exist".to_owned(),
            other => format!("S3 answered with HTTP status {other}"),
        },
    }
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_s3s_own() {
        let xml = "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>No.</Message></Error>";
        assert_eq!(reason(403, xml), "AccessDenied: No.");
        assert_eq!(reason(404, ""), "NoSuchBucket: The specified bucket does not exist");
        assert_eq!(
            reason(404, "<Error><Code>NoSuchBucket</Code></Error>"),
            "NoSuchBucket: The specified bucket does not exist"
        );
        assert_eq!(reason(500, "<html>"), "S3 answered with HTTP status 500");
    }
}
