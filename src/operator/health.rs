//! One small HTTP server for `/healthz`, `/readyz` and `/metrics`.
//!
//! Owns what the outside is told about this process: liveness means progress, readiness means "the list is complete,
//! and this replica leads or stands by". It never touches the API server, so a probe answers while that is away.

use super::metrics::Metrics;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

/// A connection beyond these waits.
const CONNECTIONS: usize = 64;
/// A request's head has to arrive within this.
const HEAD: Duration = Duration::from_secs(5);
/// A connection is closed after this, whatever it does.
const CONNECTION: Duration = Duration::from_secs(30);

/// Whether this replica can do its part, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadyState {
    /// Nothing is known yet.
    Starting,
    /// The API server could not be asked, or does not let us do what we need: the sentence that says so.
    Blocked(String),
    /// A permission or the CRD is missing: the sentence that names it.
    MissingPermission(String),
    /// Leads, but has not seen all objects yet.
    ListIncomplete,
    /// Leads, but no list of objects has been complete for two periods; with the class of the last error.
    Stalled(&'static str),
    /// Leads, and has seen all objects.
    Leading,
    /// Another replica leads.
    Standby,
    /// Takes nothing new.
    ShuttingDown,
}

impl ReadyState {
    /// Whether the probe passes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match self {
            Self::Leading | Self::Standby => true,
            Self::Starting
            | Self::Blocked(_)
            | Self::MissingPermission(_)
            | Self::ListIncomplete
            | Self::Stalled(_)
            | Self::ShuttingDown => false,
        }
    }
}

impl fmt::Display for ReadyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Blocked(why) => write!(f, "blocked: {why}"),
            Self::MissingPermission(what) => write!(f, "missing permission: {what}"),
            Self::ListIncomplete => f.write_str("leading, the list of objects is not complete yet"),
            Self::Stalled(kind) => {
                write!(f, "leading, but no list of objects has been complete for two periods ({kind})")
            }
            Self::Leading => f.write_str("leading"),
            Self::Standby => f.write_str("standing by"),
            Self::ShuttingDown => f.write_str("shutting down"),
        }
    }
}

/// What the probes tell. Cheap to clone; all clones share one state.
#[derive(Debug, Clone)]
pub struct Health {
    inner: Arc<Mutex<Inner>>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Inner {
    ready: ReadyState,
    /// By a number that is never used twice, for a loop may start anew before its predecessor is dropped.
    loops: BTreeMap<u64, Heartbeat>,
    next: u64,
}

#[derive(Debug)]
struct Heartbeat {
    name: &'static str,
    last: Instant,
    longest_pause: Duration,
}

impl Health {
    /// Not ready, with no loop to watch yet.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        let inner = Inner { ready: ReadyState::Starting, loops: BTreeMap::new(), next: 0 };
        Self { inner: Arc::new(Mutex::new(inner)), metrics }
    }

    /// Says from now on that this replica is in `state`.
    pub fn set_ready(&self, state: ReadyState) {
        self.metrics.ready(state.is_ready());
        let mut inner = self.lock();
        if inner.ready != state {
            tracing::info!(ready = state.is_ready(), %state, "readiness");
            inner.ready = state;
        }
    }

    /// The state that the probe reports.
    #[must_use]
    pub fn ready(&self) -> ReadyState {
        self.lock().ready.clone()
    }

    /// A loop that has to tick at least every `longest_pause` for this process to count as alive, until the pulse is
    /// dropped.
    #[must_use]
    pub fn pulse(&self, name: &'static str, longest_pause: Duration) -> Pulse {
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        inner.loops.insert(id, Heartbeat { name, last: Instant::now(), longest_pause });
        Pulse { health: self.clone(), id }
    }

    /// The loops that stand still at `now`, in a sentence each.
    fn stuck(&self, now: Instant) -> Vec<String> {
        let inner = self.lock();
        let stuck = inner.loops.values().filter(|beat| now > beat.last + beat.longest_pause);
        stuck.map(|beat| format!("{} made no progress for {:?}", beat.name, now - beat.last)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let known = matches!(path, "/healthz" | "/readyz" | "/metrics");
        if known && !matches!(*method, Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD only\n");
        }
        match path {
            "/healthz" => self.liveness(),
            "/readyz" => {
                let state = self.ready();
                let status = if state.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                text(status, format!("{state}\n"))
            }
            "/metrics" => match self.metrics.encode() {
                Ok(body) => reply(StatusCode::OK, super::metrics::CONTENT_TYPE, body),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
            },
            _ => text(StatusCode::NOT_FOUND, "/healthz, /readyz or /metrics\n"),
        }
    }

    fn liveness(&self) -> Response<Full<Bytes>> {
        let stuck = self.stuck(Instant::now());
        if stuck.is_empty() {
            return text(StatusCode::OK, "alive\n");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, stuck.join("\n") + "\n")
    }
}

/// A loop's sign of life. Dropping it ends the watch over the loop.
#[derive(Debug)]
pub struct Pulse {
    health: Health,
    id: u64,
}

impl Pulse {
    /// The loop has made progress.
    pub fn tick(&self) {
        if let Some(beat) = self.health.lock().loops.get_mut(&self.id) {
            beat.last = Instant::now();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.health.lock().loops.remove(&self.id);
    }
}

/// The server, bound to its address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    health: Health,
}

impl Server {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: SocketAddr, health: Health) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, health })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the future is dropped.
    pub async fn serve(self) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, self.health.clone(), place));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection on the health port");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, health: Health, place: OwnedSemaphorePermit) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = health.answer(request.method(), request.uri().path());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection on the health port broke off"),
        Err(_) => tracing::debug!("a connection on the health port took too long"),
    }
    drop(place);
}

fn text(status: StatusCode, body: impl Into<String>) -> Response<Full<Bytes>> {
    reply(status, "text/plain; charset=utf-8", body.into())
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
