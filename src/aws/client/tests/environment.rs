//! Configuration from the environment: Region, endpoints, credentials.

use crate::aws::client::bounded_body::PAGE_BOUND;
use crate::aws::client::tests::server::{Reply, endless, http, json, serve};
use crate::aws::client::tests::{CALL_TIMEOUT, SESSION, arn};
use crate::aws::client::*;
use crate::aws::model::ExportFilesStatus;
use std::process::Command;
use std::sync::atomic::Ordering;
use tempfile::NamedTempFile;

/// The variable with a call's time-out in the child process, in seconds.
pub(super) const TIMEOUT_VARIABLE: &str = "STREAMS_TEST_CALL_TIMEOUT";
/// The variable with the configured Region in the child process.
pub(super) const REGION_VARIABLE: &str = "STREAMS_TEST_REGION";

/// Runs [`as_the_environment_says`] in a child process with only this environment.
pub(super) fn child(environment: &[(&str, &str)]) -> String {
    child_running("as_the_environment_says", environment)
}

fn child_running(function: &str, environment: &[(&str, &str)]) -> String {
    let name = format!("aws::client::tests::environment::{function}");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
#[ignore = "run by the tests below, in a process of its own"]
async fn as_the_environment_says() {
    let mut call_timeout = CALL_TIMEOUT;
    if let Some(seconds) = std::env::var(TIMEOUT_VARIABLE).ok().and_then(|text| text.parse().ok()) {
        call_timeout = Duration::from_secs(seconds);
    }
    let configured = std::env::var(REGION_VARIABLE).ok().map(|region| region.parse::<Region>().unwrap());
    let client = Client::load(configured.as_ref(), call_timeout, Arc::new(())).await.unwrap();
    let outcome = client.get(&arn()).await;
    if let Err(CallFailure { detail, host, original, .. }) = &outcome {
        println!("detail {detail:?} host {host:?} original {original:?}");
    }
    let outcome = outcome.map_err(|failure| failure.class);
    println!(
        "region {:?} outcome {:?}",
        client.resolved_region().unwrap(),
        outcome.map(|reading| reading.found.is_some())
    );
    println!("peak {} MiB", peak_memory());
}

#[tokio::test]
#[ignore = "run by the tests below, in a process of its own"]
async fn many_pages_at_once() {
    let call_timeout = Duration::from_secs(5);
    let (client, group) = (Client::load(None, call_timeout, Arc::new(())).await.unwrap(), arn().stream_group());
    let pending = || Filter::Export(ExportFilesStatus::Pending);
    let pages = futures::future::join_all((0..MAX_IN_FLIGHT).map(|_| client.list(&group, pending(), None))).await;
    let refused = pages.iter().filter(|page| page.as_ref().is_err_and(|failure| failure.http.is_some())).count();
    println!("{refused} refused of {} peak {} MiB", pages.len(), peak_memory());
}

/// The peak memory of this process, in MiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// The peak memory that a child printed, in MiB.
fn peak_printed(printed: &str) -> u64 {
    let (_, peak) = printed.split_once("peak ").unwrap();
    peak.split(' ').next().unwrap().parse().unwrap()
}

/// Peak memory, in MiB, of a process whose source of credentials answers without an end. Measured: 25 to 27, and 330 to
/// 490 without a bound.
const MOST_MEMORY: u64 = 64;
/// The same, with as many pages at once as may be unanswered. Measured: 90 to 100, of which 32 are the bodies' shared
/// room and up to 20 their free room; 758 without a bound for all together.
const MOST_MEMORY_OF_MANY: u64 = 160;
/// The most requests that the SDK sends to a source that fails so: aws-config tries three times, and gets a token from
/// instance metadata first.
const SOURCE_REQUESTS: usize = 4;

#[tokio::test]
async fn the_environment_gives_region_keys_and_endpoint() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let printed = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ])
    });
    let printed = printed.await.unwrap();
    assert!(printed.contains("region Some(Region(\"eu-central-1\")) outcome Ok(true)"), "{printed}");
    assert_eq!(seen.requests.lock().len(), 1);
}

#[tokio::test]
async fn missing_credentials_come_out_as_such_and_send_nothing() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let printed =
        tokio::task::spawn_blocking(move || child(&[("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url)])).await.unwrap();
    assert!(printed.contains("region None outcome Err(Credentials)"), "{printed}");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

/// The token of a service account. What it says matters to STS only.
pub(super) fn web_identity_token() -> NamedTempFile {
    let token = NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "token").unwrap();
    token
}

#[tokio::test]
async fn an_sts_that_hangs_is_an_outage_and_sends_nothing() {
    let (sts, _) = serve(Reply::Silence).await;
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let token = web_identity_token();
    let path = token.path().to_str().unwrap().to_owned();
    let printed = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url),
            ("AWS_ENDPOINT_URL_STS", &sts),
            ("AWS_REGION", "us-west-2"),
            ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &path),
        ])
    });
    let printed = printed.await.unwrap();
    assert!(printed.contains("outcome Err(Unreachable)"), "{printed}");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

/// Asserts, for a source of credentials that answers with `reply`: it counts as down, no call is sent, and memory is
/// bounded.
async fn source_is_down(reply: Reply, environment: impl FnOnce(&str) -> Vec<(&'static str, String)>) {
    let (source, asked) = serve(reply).await;
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let mut environment = environment(&source);
    environment.push(("AWS_REGION", "us-west-2".to_owned()));
    environment.push(("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", url));
    // Longer than all attempts of a source take: the answers fail, not the time-out.
    environment.push((TIMEOUT_VARIABLE, "20".to_owned()));
    let printed = tokio::task::spawn_blocking(move || {
        let borrowed: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        child(&borrowed)
    });
    let printed = printed.await.unwrap();
    assert!(printed.contains("outcome Err(Unreachable)"), "{printed}");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0, "no call without credentials");
    asked.until_cut_off().await;
    assert!(asked.requests.lock().len() <= SOURCE_REQUESTS, "{printed}");
    assert!(peak_printed(&printed) <= MOST_MEMORY, "{printed}");
}

#[tokio::test]
async fn an_endless_answer_of_a_container_is_an_outage_of_the_source() {
    for status in ["200 OK", "403 Forbidden"] {
        source_is_down(endless(status, ""), |source| {
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{source}/v1/credentials")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "token".to_owned()),
            ]
        })
        .await;
    }
}

#[tokio::test]
async fn an_endless_answer_of_sts_is_an_outage_of_the_source() {
    let token = web_identity_token();
    for status in ["200 OK", "403 Forbidden"] {
        source_is_down(endless(status, ""), |source| {
            vec![
                ("AWS_ENDPOINT_URL_STS", source.to_owned()),
                ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r".to_owned()),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().to_str().unwrap().to_owned()),
            ]
        })
        .await;
    }
}

#[tokio::test]
async fn an_endless_answer_of_instance_metadata_is_an_outage_of_the_source() {
    let endless = || endless("200 OK", "");
    let token = http("200 OK", "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n", "token");
    for reply in [endless(), Reply::Then(Box::new(token), Box::new(endless()))] {
        source_is_down(reply, |source| {
            vec![
                ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", source.to_owned()),
            ]
        })
        .await;
    }
}

/// Each page has nearly its bound, and then stalls.
#[tokio::test]
async fn answers_that_stall_below_their_bound_have_a_bound_together() {
    let head = "HTTP/1.1 200 OK\r\nx-amzn-requestid: req-1\r\n";
    let almost = " ".repeat(PAGE_BOUND - 1);
    let (url, seen) = serve(Reply::Text(format!("{head}content-length: {PAGE_BOUND}\r\n\r\n{almost}"))).await;
    let printed = tokio::task::spawn_blocking(move || {
        child_running(
            "many_pages_at_once",
            &[
                ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url),
                ("AWS_REGION", "us-west-2"),
                ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ],
        )
    });
    let printed = printed.await.unwrap();
    assert_eq!(seen.requests.lock().len(), MAX_IN_FLIGHT);
    assert!(!printed.contains("\n0 refused"), "{printed}");
    assert!(peak_printed(&printed) <= MOST_MEMORY_OF_MANY, "{printed}");
}

/// Deeper than a stack holds, if each level were a call.
#[tokio::test]
async fn deeply_nested_credentials_end_nothing() {
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    let bodies = [
        format!(r#"{{"Unknown": {}}}"#, nested("[", "]")),
        nested(r#"{"a":"#, "}"),
        nested("<a>", "</a>"),
        format!(
            "<AssumeRoleWithWebIdentityResponse>{}</AssumeRoleWithWebIdentityResponse>",
            nested("<AssumeRoleWithWebIdentityResult>", "</AssumeRoleWithWebIdentityResult>")
        ),
    ];
    for body in bodies {
        let (source, _) = serve(http("200 OK", "", &body)).await;
        let printed = tokio::task::spawn_blocking(move || {
            let token = std::env::current_exe().unwrap();
            let sts = child(&[
                ("AWS_REGION", "us-west-2"),
                ("AWS_ENDPOINT_URL_STS", &source),
                ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r"),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
            ]);
            [sts, child(&[("AWS_REGION", "us-west-2"), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &source)])]
        });
        for printed in printed.await.unwrap() {
            assert!(printed.contains("outcome Err("), "{printed}");
        }
    }
}

#[derive(Debug)]
struct Hanging;

impl aws_credential_types::provider::ProvideCredentials for Hanging {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        aws_credential_types::provider::future::ProvideCredentials::new(std::future::pending())
    }
}

#[tokio::test]
async fn every_call_that_waits_for_the_same_credentials_fails_with_them() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).endpoint_url(url);
    let config = config.credentials_provider(SharedCredentialsProvider::new(Hanging)).build();
    let (client, arn) = (Client::new(config, CALL_TIMEOUT, seen.clone(), &TlsContext::default()), arn());
    for call in futures::future::join_all((0..20).map(|_| client.get(&arn))).await {
        assert_eq!(call.unwrap_err().class, FailureClass::Unreachable);
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}
