//! A small HTTP server; the process runs two: one for the probes, one for the metrics.
//!
//! Owns: accepting connections, their time limits, HTTP/1.1.
//! Never: decides which connection is closed for a new one ([`connections`]) or what is answered ([`endpoints`]).
//!
//! Any Pod of the cluster may connect, so a connection costs little and the newest is never refused: any number of
//! connections that send nothing can't keep a probe from its answer.

pub(crate) mod connections;
pub(crate) mod endpoints;
pub(crate) mod health;
#[cfg(test)]
mod tests;

pub(crate) use endpoints::Endpoints;

use connections::{Admitted, ConnectionId, ConnectionLimits, Connections};
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

/// Limits of each listener. Both together stay well below 1,024 file descriptors, the smallest usual limit of a
/// container.
const LIMITS: ConnectionLimits = ConnectionLimits { per_peer: 224, total: 256 };
/// Connections that the kernel queues until they are accepted. Beyond that it drops a connection's first packet, which
/// is repeated after a second: too late for a probe. Tokio's default is 128.
const BACKLOG: u32 = 1024;
/// A request's head has to arrive within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection is closed after this in any case.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request. Hyper's own limit of 400 KB for each connection would add up to 200 MB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Linux' error for a family of addresses that the kernel lacks. `io::ErrorKind` has no name for it.
const EAFNOSUPPORT: i32 = 97;

/// The server, bound to its address.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    endpoints: Endpoints,
    limits: ConnectionLimits,
}

impl Server {
    /// Binds `address`; port 0 takes a free one. `[::]` takes connections of both IP versions, and of IPv4 where the
    /// kernel has no IPv6.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(crate) fn bind_listener(address: SocketAddr, endpoints: Endpoints) -> io::Result<Self> {
        let listener = bind_address(address).or_else(|error| match ipv4_instead_of(address, &error) {
            Some(address) => bind_address(address),
            None => Err(error),
        })?;
        Ok(Self { listener, endpoints, limits: LIMITS })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// If the system call fails.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the future is dropped.
    pub(crate) async fn serve(self) {
        let open = OpenConnections::new(self.limits);
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let connection = open.admit_connection(peer.ip());
                    tokio::spawn(serve_connection(stream, self.endpoints.clone(), connection));
                    // In a burst, requests that have arrived are read before the next connection is accepted.
                    yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(listener = %self.endpoints, %error, "cannot accept a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

fn bind_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the connections of its predecessor to expire.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The IPv4 address for `[::]` if the error says that the kernel has no IPv6.
fn ipv4_instead_of(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let no_ipv6 = error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable;
    let any = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    (any && no_ipv6).then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
}

/// The open connections, shared by the tasks that serve them. Dropping a sender displaces its connection.
#[derive(Debug, Clone)]
struct OpenConnections(Arc<Mutex<Connections<oneshot::Sender<()>>>>);

impl OpenConnections {
    fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Mutex::new(Connections::new(limits))))
    }

    fn admit_connection(&self, address: IpAddr) -> OpenConnection {
        let (handle, displaced) = oneshot::channel();
        let admission = self.0.lock().admit_peer(address, handle);
        let Admitted { id, displaced: other } = admission;
        drop(other);
        OpenConnection { open: self.clone(), id, displaced }
    }
}

/// One open connection; it is removed when this is dropped.
#[derive(Debug)]
struct OpenConnection {
    open: OpenConnections,
    id: ConnectionId,
    /// Resolves when this connection has to make room for another.
    displaced: oneshot::Receiver<()>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.open.0.lock().remove(self.id);
    }
}

async fn serve_connection(stream: TcpStream, endpoints: Endpoints, mut connection: OpenConnection) {
    let (open, id) = (connection.open.clone(), connection.id);
    let service = service_fn(|request: Request<Incoming>| {
        open.0.lock().mark_busy(id);
        let answer = endpoints.respond_to(request.method(), request.uri().path(), request.headers());
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A request that has arrived is answered before the connection gives way.
        biased;
        result = timeout(CONNECTION_TIMEOUT, served) => match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(listener = %endpoints, %error, "a connection failed"),
            Err(_) => tracing::debug!(listener = %endpoints, "a connection took too long"),
        },
        _ = &mut connection.displaced => tracing::debug!(listener = %endpoints, "a connection was closed in favor of a newer one"),
    }
}
