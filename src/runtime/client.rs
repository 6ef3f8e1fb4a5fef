//! Clients of the API server, each with its own connections, so that no kind of work can starve another.
//!
//! Owns: every timeout and limit towards the API server.
//! Never: retries (kube's own retries sleep for minutes; each caller has its own backoff).

use kube::Client;
use kube::api::PostParams;
use kube::client::ClientBuilder;
use std::time::Duration;
use tower::buffer::BufferLayer;
use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer};
use tower::timeout::TimeoutLayer;

/// Field manager of every write, and default name of the Lease.
pub(crate) const FIELD_MANAGER: &str = "session-export-operator";
/// How long a TCP and TLS connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a write may make no progress.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that the buffer holds while they wait for a permit; further ones wait for room in the buffer.
const BUFFER_SIZE: usize = 1024;

/// Rate, concurrency and timeouts of one client.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// From the request to the response's head, the wait for a permit included.
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
pub(crate) fn api_client(config: kube::Config) -> kube::Result<Client> {
    build_client(config, Limits { answer: as_secs(10), read: as_secs(10), rate: 300, in_flight: 64 })
}

/// For the leader lease alone: a request is given up after 4 s, so that two fit into the renew deadline.
///
/// # Errors
/// As [`api_client`].
pub(crate) fn lease_client(config: kube::Config) -> kube::Result<Client> {
    build_client(config, Limits { answer: as_secs(4), read: as_secs(4), rate: 20, in_flight: 4 })
}

/// For Events: 50 a second, on connections of its own, so that Events delay no other request.
///
/// # Errors
/// As [`api_client`].
pub(crate) fn events_client(config: kube::Config) -> kube::Result<Client> {
    build_client(config, Limits { answer: as_secs(5), read: as_secs(5), rate: 50, in_flight: 4 })
}

/// For lists and watches. Of a watch the server sends a bookmark each minute while nothing changes: the read timeout
/// lies beyond that.
///
/// # Errors
/// As [`api_client`].
pub(crate) fn watch_client(config: kube::Config) -> kube::Result<Client> {
    build_client(config, Limits { answer: as_secs(10), read: as_secs(75), rate: 50, in_flight: 64 })
}

fn build_client(mut config: kube::Config, limits: Limits) -> kube::Result<Client> {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    config.read_timeout = Some(limits.read);
    config.reset_reader_on_write = true;
    // The timeout is outside of the buffer: it covers the wait for a permit as well.
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&ConcurrencyLimitLayer::new(limits.in_flight))
        .with_layer(&RateLimitLayer::new(limits.rate, Duration::from_secs(1)))
        .with_layer(&BufferLayer::new(BUFFER_SIZE))
        .with_layer(&TimeoutLayer::new(limits.answer))
        .build())
}

const fn as_secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Parameters of creations and replacements: the field manager.
#[must_use]
pub(crate) fn write_params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// Describes a failed request for a person: in the API server's own words if it answered.
#[must_use]
pub(crate) fn describe_error(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else { return error_chain(error) };
    if status.is_forbidden() {
        return format!("permission missing: {}", status.message);
    }
    format!("{} ({})", status.message, status.code)
}

/// The error with all its causes: "client error (Connect)" alone doesn't show why.
fn error_chain(error: &kube::Error) -> String {
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

/// The class of a failed request, bounded, as a metric label.
#[must_use]
pub(crate) fn error_class(error: &kube::Error) -> &'static str {
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
        let limits = Limits { answer: Duration::from_millis(200), read: as_secs(60), rate: 300, in_flight: 1 };
        let client = build_client(config_for(&listener), limits).unwrap();
        let api = Api::<ConfigMap>::namespaced(client, "default");
        let started = Instant::now();
        // With one permit, the second request waits for the first: its wait counts too.
        let (first, second) = tokio::join!(api.get("a"), api.get("b"));
        assert!(started.elapsed() < as_secs(30), "{:?}", started.elapsed());
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
        assert!(describe_error(&error).contains("Connection refused"), "{}", describe_error(&error));
        assert!(started.elapsed() < as_secs(1));
    }
}
