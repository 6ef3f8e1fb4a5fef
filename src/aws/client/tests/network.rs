//! Proxies, the Region of STS, and certificates, from the environment.

use crate::aws::client::https::trust_of;
use crate::aws::client::tests::SESSION;
use crate::aws::client::tests::environment::{REGION_VARIABLE, TIMEOUT_VARIABLE, child, web_identity_token};
use crate::aws::client::tests::server::{json, serve};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use tempfile::TempDir;

/// What EKS Pod Identity gives with each request for credentials.
const AUTHORIZATION_TOKEN: &str = "pod-identity-token";

#[tokio::test]
async fn calls_go_through_the_proxy_that_the_environment_names() {
    let (proxy, seen) = serve(json("200 OK", "", SESSION)).await;
    let printed = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", "http://nowhere.invalid"),
            ("AWS_REGION", "us-west-2"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("HTTP_PROXY", &proxy),
        ])
    });
    let printed = printed.await.unwrap();
    assert!(printed.contains("outcome Ok(true)"), "{printed}");
    let requests = seen.requests.lock();
    assert!(requests[0].starts_with("GET http://nowhere.invalid/streamgroups/"), "{}", requests[0]);
}

/// A child whose credentials come from `source`, and whose calls go through `proxy`.
async fn child_behind_a_proxy(proxy: &str, source: &str) -> String {
    let (proxy, source) = (proxy.to_owned(), source.to_owned());
    let running = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", "http://nowhere.invalid"),
            ("AWS_REGION", "us-west-2"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &source),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", AUTHORIZATION_TOKEN),
            ("HTTP_PROXY", &proxy),
            ("HTTPS_PROXY", &proxy),
        ])
    });
    running.await.unwrap()
}

#[tokio::test]
async fn a_proxy_never_gets_a_request_for_credentials() {
    let credentials = r#"{"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
    let (source, asked) = serve(json("200 OK", "", credentials)).await;
    let (proxy, seen) = serve(json("200 OK", "", SESSION)).await;
    let printed = child_behind_a_proxy(&proxy, &source).await;
    assert!(printed.contains("outcome Ok(true)"), "{printed}");
    assert!(asked.requests.lock()[0].contains(AUTHORIZATION_TOKEN));
    let requests = seen.requests.lock();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].starts_with("GET http://nowhere.invalid/streamgroups/"), "{}", requests[0]);
    assert!(!requests[0].contains(AUTHORIZATION_TOKEN));
}

#[tokio::test]
async fn a_proxy_never_gets_a_request_to_a_link_local_address() {
    let (proxy, seen) = serve(json("200 OK", "", SESSION)).await;
    let printed = child_behind_a_proxy(&proxy, "http://169.254.170.23/v1/credentials").await;
    assert!(printed.contains("outcome Err("), "{printed}");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn sts_is_called_in_the_pods_region_and_the_service_in_the_configured_one() {
    let (proxy, seen) = serve(json("200 OK", "", SESSION)).await;
    let token = web_identity_token();
    let printed = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_REGION", "eu-central-1"),
            (REGION_VARIABLE, "us-west-2"),
            ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().to_str().unwrap()),
            ("HTTPS_PROXY", &proxy),
        ])
    });
    let printed = printed.await.unwrap();
    assert!(printed.contains("region Some(Region(\"us-west-2\"))"), "{printed}");
    let requests = seen.requests.lock();
    assert!(requests[0].starts_with("CONNECT sts.eu-central-1."), "{}", requests[0]);
}

#[tokio::test]
async fn the_endpoint_is_that_of_the_region_and_the_fips_endpoint_where_the_environment_says_so() {
    for (fips, host) in [("false", "gameliftstreams"), ("true", "gameliftstreams-fips")] {
        let (proxy, seen) = serve(json("200 OK", "", SESSION)).await;
        let running = tokio::task::spawn_blocking(move || {
            child(&[
                ("AWS_REGION", "us-west-2"),
                ("AWS_USE_FIPS_ENDPOINT", fips),
                ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                ("HTTPS_PROXY", &proxy),
            ])
        });
        running.await.unwrap();
        let requests = seen.requests.lock();
        assert!(requests[0].starts_with(&format!("CONNECT {host}.us-west-2.api.aws:443 ")), "{}", requests[0]);
    }
}

/// Runs openssl in this folder.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A folder with `ca.pem`, and with `leaf.pem` and `leaf.key` of a server at 127.0.0.1, signed by it.
fn own_authority() -> TempDir {
    let authority = tempfile::tempdir().unwrap();
    let folder = authority.path();
    std::fs::write(folder.join("leaf.ext"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(folder, &format!("req -x509 {new} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(folder, &format!("req -new {new} -subj /CN=server -keyout leaf.key -out leaf.csr"));
    openssl(
        folder,
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile leaf.ext -out leaf.pem",
    );
    authority
}

/// A server with the leaf of [`own_authority`], which answers every request with a page. Returns its address.
fn serve_tls(folder: &Path) -> (Child, String) {
    let mut server = Command::new("openssl")
        .args(["s_server", "-www", "-accept", "127.0.0.1:0", "-cert", "leaf.pem", "-key", "leaf.key"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned)).unwrap();
    (server, address)
}

/// A child that calls this address over TLS with this `AWS_CA_BUNDLE`.
fn child_with_bundle(address: &str, bundle: &Path) -> String {
    child(&[
        ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &format!("https://{address}")),
        ("AWS_REGION", "us-west-2"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_CA_BUNDLE", bundle.to_str().unwrap()),
        // A connection fails by its certificate, not by the time that a loaded machine needs for it.
        (TIMEOUT_VARIABLE, "20"),
    ])
}

#[test]
fn only_the_certificates_of_the_bundle_are_trusted() {
    let (trusted, other) = (own_authority(), own_authority());
    let (mut server, address) = serve_tls(trusted.path());
    let by_bundle = child_with_bundle(&address, &trusted.path().join("ca.pem"));
    let by_another = child_with_bundle(&address, &other.path().join("ca.pem"));
    server.kill().unwrap();
    server.wait().unwrap();
    // The server's page is no answer of AWS.
    assert!(by_bundle.contains("outcome Err(Unavailable)"), "{by_bundle}");
    assert!(by_another.contains("outcome Err(Unreachable)"), "{by_another}");
    let cause =
        format!("detail Connection(Certificate) host Some({address:?}) original Some(\"invalid peer certificate");
    assert!(by_another.contains(&cause), "{by_another}");
}

#[test]
fn a_bundle_that_cannot_be_used_is_refused_by_name() {
    let authority = own_authority();
    let folder = authority.path();
    let good = std::fs::read_to_string(folder.join("ca.pem")).unwrap();
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let written = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };
    let bundles = [
        (folder.join("absent.pem"), "No such file"),
        (folder.to_owned(), "Is a directory"),
        (written("empty.pem", ""), "it has no certificate"),
        (folder.join("leaf.key"), "it has no certificate"),
        (written("garbled.pem", garbled), "certificate 1"),
        (written("second.pem", &format!("{good}{garbled}")), "certificate 2"),
        (written("cut.pem", &good[..good.len() / 2]), "certificate 1"),
    ];
    for (bundle, problem) in bundles {
        let error = trust_of(Some(bundle.clone().into())).unwrap_err().to_string();
        for part in ["AWS_CA_BUNDLE", bundle.to_str().unwrap(), problem, "accepted is a file of certificates in PEM"] {
            assert!(error.contains(part), "lacks {part:?}: {error}");
        }
    }
    for usable in [None, Some("".into()), Some(written("two.pem", &format!("{good}\n{good}")).into())] {
        trust_of(usable).unwrap();
    }
}
