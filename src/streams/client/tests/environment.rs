//! What the environment says: Region, endpoints, credentials.

use super::super::*;
use super::server::{Reply, json, serve};
use super::{SESSION, arn, timing};
use std::process::Command;
use std::sync::atomic::Ordering;

/// Runs [`as_the_environment_says`] in a process with this environment alone.
fn child(environment: &[(&str, &str)]) -> String {
    let name = "streams::client::tests::environment::as_the_environment_says";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
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
    let client = Client::load(None, &timing(), Arc::new(())).await;
    let outcome = client.get(&arn()).await.map_err(|failure| failure.class);
    println!("region {:?} outcome {:?}", client.resolved_region(), outcome.map(|reading| reading.found.is_some()));
}

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
