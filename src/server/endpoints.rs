//! The endpoints of a listener: the probes on one, the metrics on the other.
//!
//! Owns: paths, methods, status codes and bodies. Liveness means progress, readiness means "the list is complete, and
//! this replica leads or stands by".
//! Never: calls the API server, so a probe is answered while that is unreachable.

#[cfg(test)]
mod tests;

use crate::metrics::{Metrics, TextFormat};
use crate::server::health::Health;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use std::fmt;
use tokio::time::Instant;

/// The endpoints of one listener. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Endpoints {
    /// `/healthz` and `/readyz`.
    Probes(Health),
    /// `/metrics`.
    Metrics(Metrics),
}

/// The name of the listener in messages.
impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probes(_) => "probes",
            Self::Metrics(_) => "metrics",
        })
    }
}

impl Endpoints {
    pub(super) fn respond_to(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match (self, path) {
            (Self::Probes(_), "/healthz" | "/readyz") | (Self::Metrics(_), "/metrics") if !is_read => {
                plain_text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD only\n")
            }
            (Self::Probes(health), "/healthz") => report_liveness(health),
            (Self::Probes(health), "/readyz") => report_readiness(health),
            (Self::Metrics(metrics), "/metrics") => encode_metrics(metrics, requested_format(headers)),
            (Self::Probes(_), _) => plain_text(StatusCode::NOT_FOUND, "/healthz or /readyz\n"),
            (Self::Metrics(_), _) => plain_text(StatusCode::NOT_FOUND, "/metrics\n"),
        }
    }
}

fn report_liveness(health: &Health) -> Response<Full<Bytes>> {
    let stuck = health.watchdog().stalled_loops(Instant::now());
    if stuck.is_empty() {
        return plain_text(StatusCode::OK, "alive\n");
    }
    plain_text(StatusCode::SERVICE_UNAVAILABLE, stuck.join("\n") + "\n")
}

fn report_readiness(health: &Health) -> Response<Full<Bytes>> {
    let state = health.ready();
    let status = if state.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    plain_text(status, format!("{state}\n"))
}

fn requested_format(headers: &HeaderMap) -> TextFormat {
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    TextFormat::negotiate(&accept.join(","))
}

fn encode_metrics(metrics: &Metrics, format: TextFormat) -> Response<Full<Bytes>> {
    match metrics.encode_as(format) {
        Ok(body) => reply_to(StatusCode::OK, format.content_type(), body),
        Err(error) => plain_text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn plain_text(status: StatusCode, body: impl Into<String>) -> Response<Full<Bytes>> {
    reply_to(status, "text/plain; charset=utf-8", body.into())
}

fn reply_to(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
