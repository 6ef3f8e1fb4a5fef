//! What the environment says: Region, endpoints, credentials.

use super::super::bounded_body::PAGE_BOUND;
use super::super::*;
use super::server::{Reply, endless, http, json, serve};
use super::{SESSION, arn, timing};
use crate::streams::observation::ExportFilesStatus;
use std::process::Command;
use std::sync::atomic::Ordering;

/// Seconds that a call may take in that process.
const CALL_TIMEOUT: &str = "STREAMS_TEST_CALL_TIMEOUT";

/// Runs [`as_the_environment_says`] in a process with this environment alone.
fn child(environment: &[(&str, &str)]) -> String {
    child_running("as_the_environment_says", environment)
}

fn child_running(function: &str, environment: &[(&str, &str)]) -> String {
    let name = format!("streams::client::tests::environment::{function}");
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
    let mut timing = timing();
    if let Some(seconds) = std::env::var(CALL_TIMEOUT).ok().and_then(|text| text.parse().ok()) {
        timing.call_timeout = Duration::from_secs(seconds);
    }
    let client = Client::load(None, &timing, Arc::new(())).await;
    let outcome = client.get(&arn()).await.map_err(|failure| failure.class);
    println!("region {:?} outcome {:?}", client.resolved_region(), outcome.map(|reading| reading.found.is_some()));
    println!("peak {} MiB", peak_memory());
}

#[tokio::test]
#[ignore = "run by the tests below, in a process of its own"]
async fn many_pages_at_once() {
    let timing = Timing { call_timeout: Duration::from_secs(5), ..Timing::default() };
    let (client, group) = (Client::load(None, &timing, Arc::new(())).await, arn().stream_group());
    let pending = || Filter::Export(ExportFilesStatus::Pending);
    let pages = futures::future::join_all((0..MAX_IN_FLIGHT).map(|_| client.list(&group, pending(), None))).await;
    let refused = pages.iter().filter(|page| page.as_ref().is_err_and(|failure| failure.http.is_some())).count();
    println!("{refused} refused of {} peak {} MiB", pages.len(), peak_memory());
}

/// The most that this process has ever had in memory, in MiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// What a child has said of its peak memory.
fn peak_told(told: &str) -> u64 {
    let (_, peak) = told.split_once("peak ").unwrap();
    peak.split(' ').next().unwrap().parse().unwrap()
}

/// Peak memory, in MiB, of a process whose source of credentials answers without an end. Measured: 25 to 27, and 330 to
/// 490 without a bound.
const MOST_MEMORY: u64 = 64;
/// The same, with as many pages at once as may be unanswered. Measured: 90 to 100, of which 32 are the bodies' shared room
/// and up to 20 their free room; 758 without a bound for all together.
const MOST_MEMORY_OF_MANY: u64 = 160;
/// The most requests that the SDK sends to a source that fails so: aws-config tries three times, and asks instance
/// metadata for a token first.
const SOURCE_REQUESTS: usize = 4;

#[tokio::test]
async fn the_environment_gives_region_keys_and_endpoint() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let told = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ])
    });
    let told = told.await.unwrap();
    assert!(told.contains("region Some(Region(\"eu-central-1\")) outcome Ok(true)"), "{told}");
    assert_eq!(seen.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn missing_credentials_come_out_as_such_and_send_nothing() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let told = tokio::task::spawn_blocking(move || child(&[("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url)])).await.unwrap();
    assert!(told.contains("region None outcome Err(Credentials)"), "{told}");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_sts_that_hangs_is_an_outage_and_sends_nothing() {
    let (sts, _) = serve(Reply::Silence).await;
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let token = std::env::temp_dir().join(format!("streams-test-token-{}", std::process::id()));
    std::fs::write(&token, "token").unwrap();
    let path = token.to_str().unwrap().to_owned();
    let told = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url),
            ("AWS_ENDPOINT_URL_STS", &sts),
            ("AWS_REGION", "us-west-2"),
            ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &path),
        ])
    });
    let told = told.await.unwrap();
    std::fs::remove_file(&token).unwrap();
    assert!(told.contains("outcome Err(Unreachable)"), "{told}");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

/// A client whose source of credentials, by this environment, gives such answers: it counts as down, no call is sent, and
/// memory stays as it is.
async fn source_is_down(reply: Reply, environment: impl FnOnce(&str) -> Vec<(&'static str, String)>) {
    let (source, asked) = serve(reply).await;
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let mut environment = environment(&source);
    environment.push(("AWS_REGION", "us-west-2".to_owned()));
    environment.push(("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", url));
    // Longer than all attempts of a source take: it is the answers that fail, and no time-out.
    environment.push((CALL_TIMEOUT, "20".to_owned()));
    let told = tokio::task::spawn_blocking(move || {
        let borrowed: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        child(&borrowed)
    });
    let told = told.await.unwrap();
    assert!(told.contains("outcome Err(Unreachable)"), "{told}");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0, "no call without credentials");
    asked.until_cut_off().await;
    assert!(asked.requests.lock().unwrap().len() <= SOURCE_REQUESTS, "{told}");
    assert!(peak_told(&told) <= MOST_MEMORY, "{told}");
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
    let token = std::env::temp_dir().join(format!("streams-test-token-endless-{}", std::process::id()));
    std::fs::write(&token, "token").unwrap();
    for status in ["200 OK", "403 Forbidden"] {
        source_is_down(endless(status, ""), |source| {
            vec![
                ("AWS_ENDPOINT_URL_STS", source.to_owned()),
                ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r".to_owned()),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap().to_owned()),
            ]
        })
        .await;
    }
    std::fs::remove_file(&token).unwrap();
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
    let told = tokio::task::spawn_blocking(move || {
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
    let told = told.await.unwrap();
    assert_eq!(seen.requests.lock().unwrap().len(), MAX_IN_FLIGHT);
    assert!(!told.contains("\n0 refused"), "{told}");
    assert!(peak_told(&told) <= MOST_MEMORY_OF_MANY, "{told}");
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
        let told = tokio::task::spawn_blocking(move || {
            let token = std::env::current_exe().unwrap();
            let sts = child(&[
                ("AWS_REGION", "us-west-2"),
                ("AWS_ENDPOINT_URL_STS", &source),
                ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r"),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
            ]);
            [sts, child(&[("AWS_REGION", "us-west-2"), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &source)])]
        });
        for told in told.await.unwrap() {
            assert!(told.contains("outcome Err("), "{told}");
        }
    }
}

#[tokio::test]
async fn calls_go_through_the_proxy_that_the_environment_names() {
    let (proxy, seen) = serve(json("200 OK", "", SESSION)).await;
    let told = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", "http://nowhere.invalid"),
            ("AWS_REGION", "us-west-2"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("HTTP_PROXY", &proxy),
        ])
    });
    let told = told.await.unwrap();
    assert!(told.contains("outcome Ok(true)"), "{told}");
    let requests = seen.requests.lock().unwrap();
    assert!(requests[0].starts_with("GET http://nowhere.invalid/streamgroups/"), "{}", requests[0]);
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
async fn all_who_wait_for_the_same_credentials_learn_that_they_failed() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).endpoint_url(url);
    let config = config.credentials_provider(SharedCredentialsProvider::new(Hanging)).build();
    let (client, arn) = (Client::new(config, &timing(), seen.clone()), arn());
    for call in futures::future::join_all((0..20).map(|_| client.get(&arn))).await {
        assert_eq!(call.unwrap_err().class, FailureClass::Unreachable);
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}
