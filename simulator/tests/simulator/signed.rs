//! Requests with a good signature of the published example key, which any page of the web can make.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::process::{ACCESS_KEY_ID, Answer, SECRET_ACCESS_KEY, send};

const REGION: &str = "us-west-2";

/// A request to be signed for `host`, and sent to the port on loopback.
pub(crate) struct Signed<'a> {
    pub(crate) service: &'static str,
    pub(crate) port: u16,
    pub(crate) host: &'a str,
    pub(crate) method: &'a str,
    /// Path and query as they go over the wire.
    pub(crate) target: &'a str,
    /// Headers beside those of the signature.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

impl Signed<'_> {
    pub(crate) fn send(&self) -> Answer {
        let target = if self.service == "s3" { canonical(self.target) } else { self.target.to_owned() };
        let uri = format!("http://{}{target}", self.host);
        let identity = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "tests").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(self.service)
            .time(SystemTime::now())
            .settings(settings(self.service))
            .build()
            .unwrap()
            .into();
        let body = SignableBody::Bytes(self.body);
        let request = SignableRequest::new(self.method, &uri, self.headers.iter().copied(), body).unwrap();
        let (instructions, _) = sign(request, &parameters).unwrap().into_parts();
        let mut lines = vec![format!("Host: {}", self.host)];
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.extend(instructions.headers().map(|(name, value)| format!("{name}: {value}")));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        send(self.port, &format!("{} {} HTTP/1.1", self.method, self.target), &lines, self.body)
    }
}

/// The target as S3 signs it: its path decoded and encoded once more, whatever of it is encoded on the wire.
fn canonical(target: &str) -> String {
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let path: Vec<u8> = percent_decode_str(path).collect();
    format!("{}{query}", percent_encode(&path, UNRESERVED))
}

fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

/// The fields of an HTML form that puts an object into the bucket `exports`, as multipart/form-data. Such a form goes
/// to another site without a preflight.
pub(crate) fn form(key: &str, content: &str, boundary: &str) -> String {
    let now = SystemTime::now();
    let time = jiff::Timestamp::try_from(now).unwrap();
    let (day, second) = (time.strftime("%Y%m%d"), time.strftime("%Y%m%dT%H%M%SZ"));
    let expiration = time + Duration::from_secs(600);
    let credential = format!("{ACCESS_KEY_ID}/{day}/{REGION}/s3/aws4_request");
    let policy = serde_json::json!({"expiration": format!("{expiration:.3}"), "conditions": [
        {"bucket": "exports"}, ["starts-with", "$key", ""], {"x-amz-credential": credential},
        {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-date": second.to_string()},
    ]});
    let policy = base64(policy.to_string().as_bytes());
    let signing_key = v4::generate_signing_key(SECRET_ACCESS_KEY, now, REGION, "s3");
    let fields = [
        ("key", key.to_owned()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("x-amz-credential", credential),
        ("x-amz-date", second.to_string()),
        ("x-amz-signature", v4::calculate_signature(signing_key, policy.as_bytes())),
        ("policy", policy),
        ("file", content.to_owned()),
    ];
    let part = |(name, value): (&str, String)| {
        let file = if name == "file" { "; filename=\"f\"" } else { "" };
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
    };
    fields.map(part).concat() + &format!("--{boundary}--\r\n")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = (0..3).fold(0_usize, |bits, n| bits << 8 | usize::from(chunk.get(n).copied().unwrap_or(0)));
        let digit = |n: usize| if n > chunk.len() { '=' } else { char::from(DIGITS[bits >> (18 - 6 * n) & 63]) };
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}
