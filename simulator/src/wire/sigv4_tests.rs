use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::{Method, Request};

use super::*;
use crate::identity::{EXAMPLE_KEY_ID, EXAMPLE_SECRET, Key, example_key};

const NOW: Millis = 1_440_938_160_000;
const PATH_OF_ARN: &str = "/streamgroups/sg-1/streamsessions/arn%3Aaws%3Agameliftstreams%3Aus-west-2%3A111122223333%3Astreamsession%2Fsg-1%2Fs1";

fn ring(keys: impl IntoIterator<Item = Key>) -> KeyRing {
    let mut ring = KeyRing::default();
    for key in keys {
        ring.add(key, "111122223333", NOW);
    }
    ring
}

fn key(change: impl FnOnce(&mut Key)) -> Key {
    let mut key = example_key();
    change(&mut key);
    key
}

/// How a client signs.
#[derive(Clone)]
struct Client {
    method: Method,
    path: &'static str,
    body: &'static str,
    secret: &'static str,
    key_id: &'static str,
    token: Option<&'static str>,
    region: &'static str,
    service: &'static str,
    at: Millis,
    hash_in_header: bool,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            method: Method::GET,
            path: "/streamgroups/sg-1/streamsessions",
            body: "",
            secret: EXAMPLE_SECRET,
            key_id: EXAMPLE_KEY_ID,
            token: None,
            region: "us-west-2",
            service: SERVICE,
            at: NOW,
            hash_in_header: false,
        }
    }
}

impl Client {
    fn sign(&self) -> Parts {
        let uri = format!("http://127.0.0.1:8474{}", self.path);
        let identity = Credentials::new(self.key_id, self.secret, self.token.map(str::to_owned), None, "test").into();
        let mut settings = SigningSettings::default();
        if self.hash_in_header {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_millis(self.at as u64))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers = [("host", "127.0.0.1:8474"), ("x-odd", "  a   b ")];
        let body = SignableBody::Bytes(self.body.as_bytes());
        let signable = SignableRequest::new(self.method.as_str(), &uri, headers.into_iter(), body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let mut request = Request::builder().method(&self.method).uri(self.path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(()).unwrap();
        instructions.apply_to_request_http1x(&mut request);
        request.into_parts().0
    }

    fn verdict(&self, keys: &KeyRing) -> Result<Caller, ApiError> {
        verdict(&self.sign(), self.body, keys)
    }
}

fn verdict(parts: &Parts, body: &str, keys: &KeyRing) -> Result<Caller, ApiError> {
    let regions = ["us-west-2".to_owned(), "eu-central-1".to_owned()];
    Judge { keys, regions: &regions, service: SERVICE, wall: NOW, now: NOW }.verify(parts, body.as_bytes())
}

fn code(result: Result<Caller, ApiError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.status, 403);
    error.code
}

#[test]
fn awss_published_example_verifies() {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let keys = ring([key(|key| {
        key.access_key_id = "AKIDEXAMPLE".to_owned();
        key.secret_access_key = secret.to_owned();
    })]);
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date, \
        Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    let request = |authorization: &str| {
        let request = Request::get("/?Action=ListUsers&Version=2010-05-08")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .header("host", "iam.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .header("authorization", authorization);
        request.body(()).unwrap().into_parts().0
    };
    let regions = ["us-east-1".to_owned()];
    let judge = Judge { keys: &keys, regions: &regions, service: "iam", wall: NOW, now: NOW };
    assert!(judge.verify(&request(authorization), b"").is_ok());
    let wrong = authorization.replace("5d672d79", "5d672d78");
    assert_eq!(code(judge.verify(&request(&wrong), b"")), "InvalidSignatureException");
}

#[test]
fn what_the_sdk_signs_verifies() {
    let keys = ring([example_key()]);
    for client in [
        Client::default(),
        Client { path: PATH_OF_ARN, ..Client::default() },
        Client { path: "/streamsessions?Status=ACTIVE&NextToken=a%2Fb%3D&MaxResults=5", ..Client::default() },
        Client { path: "/streamgroups/../streamsessions", ..Client::default() },
        Client { method: Method::PUT, body: r#"{"OutputUri":"s3://b/"}"#, ..Client::default() },
        Client { region: "eu-central-1", ..Client::default() },
    ] {
        let caller = client.verdict(&keys).unwrap_or_else(|error| panic!("{}: {error:?}", client.path));
        assert_eq!(caller.scope, Scope::new("111122223333", client.region));
    }
}

#[test]
fn every_change_after_signing_is_noticed() {
    let keys = ring([example_key()]);
    let client = Client { path: PATH_OF_ARN, method: Method::PUT, body: "{}", ..Client::default() };
    let spoil = |change: &dyn Fn(&mut Parts)| {
        let mut parts = client.sign();
        change(&mut parts);
        code(verdict(&parts, "{}", &keys))
    };
    let invalid = "InvalidSignatureException";
    assert_eq!(spoil(&|parts| parts.method = Method::DELETE), invalid);
    assert_eq!(spoil(&|parts| parts.uri = PATH_OF_ARN.replace("s1", "s2").parse().unwrap()), invalid);
    assert_eq!(spoil(&|parts| parts.uri = format!("{PATH_OF_ARN}?a=b").parse().unwrap()), invalid);
    assert_eq!(spoil(&|parts| drop(parts.headers.insert("host", "other".parse().unwrap()))), invalid);
    assert_eq!(spoil(&|parts| drop(parts.headers.insert("x-odd", "c".parse().unwrap()))), invalid);
    assert_eq!(spoil(&|parts| drop(parts.headers.remove("x-odd"))), invalid);
    assert_eq!(code(verdict(&client.sign(), r#"{"a":1}"#, &keys)), invalid);
    assert!(client.verdict(&keys).is_ok());
    let client = Client { hash_in_header: true, ..client };
    assert_eq!(code(verdict(&client.sign(), r#"{"a":1}"#, &keys)), invalid, "the header claims another body");
    assert!(client.verdict(&keys).is_ok());
}

#[test]
fn each_mistake_has_awss_error() {
    let keys = ring([example_key()]);
    for (client, expected, words) in [
        (Client { secret: "wrong", ..Client::default() }, "InvalidSignatureException", "does not match"),
        (Client { key_id: "AKIAUNKNOWN", ..Client::default() }, "UnrecognizedClientException", "token"),
        (Client { token: Some("t"), ..Client::default() }, "UnrecognizedClientException", "token"),
        (Client { region: "us-east-1", ..Client::default() }, "InvalidSignatureException", "valid region"),
        (Client { service: "s3", ..Client::default() }, "InvalidSignatureException", "gameliftstreams"),
        (
            Client { at: NOW - 301_000, ..Client::default() },
            "InvalidSignatureException",
            "Signature expired: 20150830T123059Z is now earlier than 20150830T123100Z (20150830T123600Z - 5 min.)",
        ),
        (Client { at: NOW + 301_000, ..Client::default() }, "InvalidSignatureException", "Signature not yet current"),
    ] {
        let error = client.verdict(&keys).unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (403, expected));
        assert!(error.message.contains(words), "{}", error.message);
    }
    for at in [NOW - 299_000, NOW + 299_000] {
        assert!(Client { at, ..Client::default() }.verdict(&keys).is_ok());
    }
}

#[test]
fn unsigned_and_half_signed_requests_are_refused() {
    let keys = ring([example_key()]);
    let mut parts = Client::default().sign();
    let mut with = |authorization: &str| {
        parts.headers.insert("authorization", authorization.parse().unwrap());
        code(verdict(&parts, "", &keys))
    };
    assert_eq!(with("Bearer x"), "MissingAuthenticationTokenException");
    assert_eq!(with("AWS4-HMAC-SHA256 Credential=a/b"), "IncompleteSignatureException");
    assert_eq!(with("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x"), "IncompleteSignatureException");
    parts.headers.remove("authorization");
    assert_eq!(code(verdict(&parts, "", &keys)), "MissingAuthenticationTokenException");
}

#[test]
fn temporary_credentials_need_their_token_and_expire() {
    let temporary = |seconds| {
        key(|key| {
            key.session_token = Some("t".to_owned());
            key.account = Some("444455556666".to_owned());
            key.expires_in_seconds = Some(seconds);
        })
    };
    let client = Client { token: Some("t"), ..Client::default() };
    assert_eq!(client.verdict(&ring([temporary(60)])).unwrap().scope.account, "444455556666");
    assert_eq!(code(client.verdict(&ring([temporary(0)]))), "ExpiredTokenException");
    let wrong = Client { token: Some("u"), ..client };
    assert_eq!(code(wrong.verdict(&ring([temporary(60)]))), "UnrecognizedClientException");
}
