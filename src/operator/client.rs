//! Clients of the API server, each with its own connections, so that no kind of work can take another's place.
//!
//! Owns every timeout and limit towards the API server. It never retries: kube's own retries sleep for minutes, and
//! the callers know better when to try again.

use crate::api::FIELD_MANAGER;
use kube::Client;
use kube::api::PostParams;
use kube::client::ClientBuilder;
use std::time::Duration;
use tower::buffer::BufferLayer;
use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer};
use tower::timeout::TimeoutLayer;

/// How long a TCP and TLS connection may take to come up.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a write may make no progress.
const WRITE: Duration = Duration::from_secs(10);
/// Requests that wait for their place; more fail at once in the queue's own order of arrival.
const WAITING: usize = 1024;

/// What one client may do, and for how long.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// From asking to the response's head, waiting for a place included.
    answer: Duration,
    /// Between two pieces of a response's body.
    read: Duration,
    /// Requests each second.
    rate: u64,
    /// Requests without an answer yet.
    in_flight: usize,
}

/// For gets and guarded writes: 300 requests/s, 64 at once, each given up after 10 s.
///
/// # Errors
/// When `config` cannot be turned into a client (TLS material, authentication).
pub fn api_client(config: kube::Config) -> kube::Result<Client> {
    build(config, Limits { answer: secs(10), read: secs(10), rate: 300, in_flight: 64 })
}

/// For the leader lease alone: a request is given up after 4 s, so that two fit into the renew deadline.
///
/// # Errors
/// As [`api_client`].
pub fn lease_client(config: kube::Config) -> kube::Result<Client> {
    build(config, Limits { answer: secs(4), read: secs(4), rate: 20, in_flight: 4 })
}

/// For Events: 50 a second, so that they cannot take the others' places.
///
/// # Errors
/// As [`api_client`].
pub fn events_client(config: kube::Config) -> kube::Result<Client> {
    build(config, Limits { answer: secs(5), read: secs(5), rate: 50, in_flight: 4 })
}

/// For lists and watches. A watch is closed by the server after 60 s, and sends nothing while nothing changes: the
/// read timeout lies beyond that.
///
/// # Errors
/// As [`api_client`].
pub fn watch_client(config: kube::Config) -> kube::Result<Client> {
    build(config, Limits { answer: secs(10), read: secs(75), rate: 50, in_flight: 64 })
}

fn build(mut config: kube::Config, limits: Limits) -> kube::Result<Client> {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    config.read_timeout = Some(limits.read);
    config.reset_reader_on_write = true;
    // The timeout stands outside of the buffer: it covers the wait for a place as well.
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&ConcurrencyLimitLayer::new(limits.in_flight))
        .with_layer(&RateLimitLayer::new(limits.rate, Duration::from_secs(1)))
        .with_layer(&BufferLayer::new(WAITING))
        .with_layer(&TimeoutLayer::new(limits.answer))
        .build())
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// For creating and replacing, in our name.
#[must_use]
pub fn write_params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// What went wrong with a request, in a sentence for a person: the API server's own, where it has answered.
#[must_use]
pub fn sentence(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else { return with_sources(error) };
    if status.is_forbidden() {
        return format!("permission missing: {}", status.message);
    }
    format!("{} ({})", status.message, status.code)
}

/// "client error (Connect)" alone helps nobody.
fn with_sources(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = text + ": " + &cause_text;
        }
        source = cause.source();
    }
    text
}

/// All that [`error_class`] answers.
pub const ERROR_CLASSES: [&str; 10] = [
    "unauthorized",
    "forbidden",
    "not_found",
    "conflict",
    "throttled",
    "server",
    "refused",
    "decode",
    "timeout",
    "connection",
];

/// What went wrong with a request, in a word fit for a metric's label.
#[must_use]
pub fn error_class(error: &kube::Error) -> &'static str {
    if let kube::Error::Api(status) = error {
        return match status.code {
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            409 => "conflict",
            429 => "throttled",
            500.. => "server",
            _ => "refused",
        };
    }
    let timed_out = |source: &tower::BoxError| source.is::<tower::timeout::error::Elapsed>();
    if matches!(error, kube::Error::SerdeError(_)) {
        "decode"
    } else if matches!(error, kube::Error::Service(source) if timed_out(source)) {
        "timeout"
    } else {
        "connection"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use std::time::Instant;

    fn config_for(listener: &std::net::TcpListener) -> kube::Config {
        let address = listener.local_addr().unwrap();
        kube::Config::new(format!("http://{address}/").parse().unwrap())
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let limits = Limits { answer: Duration::from_millis(200), read: secs(5), rate: 300, in_flight: 1 };
        let client = build(config_for(&listener), limits).unwrap();
        let api = Api::<ConfigMap>::namespaced(client, "default");
        let started = Instant::now();
        // With one place, the second waits for the first: its wait counts too.
        let (first, second) = tokio::join!(api.get("a"), api.get("b"));
        assert!(started.elapsed() < secs(2), "{:?}", started.elapsed());
        assert_eq!(error_class(&first.unwrap_err()), "timeout");
        assert_eq!(error_class(&second.unwrap_err()), "timeout");
    }

    #[tokio::test]
    async fn a_refused_connection_fails_at_once_without_hidden_retries() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config = config_for(&listener);
        drop(listener);
        let api = Api::<ConfigMap>::namespaced(api_client(config).unwrap(), "default");
        let started = Instant::now();
        let error = api.get("a").await.unwrap_err();
        assert_eq!(error_class(&error), "connection");
        assert!(sentence(&error).contains("Connection refused"), "{}", sentence(&error));
        assert!(started.elapsed() < secs(1));
    }
}
