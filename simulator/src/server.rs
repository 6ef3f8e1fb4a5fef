//! Connections: one task each, and a way to reset one, which a web framework doesn't have.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::service::S3Service;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::app::App;
use crate::control::Refusal;
use crate::host_policy::HostPolicy;
use crate::{complain, s3, wire};

/// A request that gets no answer: its connection is to be reset.
#[derive(Debug, thiserror::Error)]
#[error("the connection is to be reset")]
pub struct Reset;

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Reset>> + Send>>;

/// What answers on AWS's port.
#[derive(Clone)]
pub struct AwsSide {
    /// The simulator.
    pub app: Arc<App>,
    /// Its own endpoints.
    pub control: Router,
    /// Which hosts requests may name.
    pub hosts: Arc<HostPolicy>,
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    local: IpAddr,
    peer: IpAddr,
}

/// Serves AWS's paths and the simulator's own.
pub async fn serve_aws(listener: TcpListener, side: AwsSide) {
    loop {
        let Some((stream, ends)) = accept(&listener).await else { continue };
        let side = side.clone();
        let service = service_fn(move |request| answer(side.clone(), ends, request));
        tokio::spawn(connection(stream, service));
    }
}

/// Serves the embedded S3.
pub async fn serve_s3(listener: TcpListener, service: S3Service, hosts: Arc<HostPolicy>) {
    loop {
        let Some((stream, ends)) = accept(&listener).await else { continue };
        let (service, hosts) = (service.clone(), hosts.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let checked = hosts.check(ends.local, request.uri(), request.headers());
            let service = service.clone();
            async move {
                match checked {
                    Ok(()) => Service::call(&service, request).await,
                    Err(refused) => Ok(s3::refuse(&refused.to_string())),
                }
            }
        });
        tokio::spawn(async move {
            let served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            // A client that goes away is none of our business.
            drop(served.await);
        });
    }
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, Ends)> {
    let accepted = listener.accept().await.and_then(|(stream, peer)| {
        let local = stream.local_addr()?.ip();
        Ok((stream, Ends { local, peer: peer.ip() }))
    });
    match accepted {
        Ok((stream, ends)) => {
            drop(stream.set_nodelay(true));
            Some((stream, ends))
        }
        Err(error) => {
            complain(&format!("cannot accept a connection: {error}"));
            // Out of file descriptors: wait for some to come back instead of spinning.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

fn answer(side: AwsSide, ends: Ends, request: Request<Incoming>) -> Answering {
    Box::pin(async move {
        let checked = side.hosts.check(ends.local, request.uri(), request.headers());
        let is_control = request.uri().path().starts_with("/_simulator/");
        match checked {
            Err(refused) if is_control => Ok(Refusal::forbidden(refused.to_string()).into_response()),
            Err(refused) => wire::refuse(refused.to_string()),
            Ok(()) if !is_control => {
                // In a task of its own, so that it has its effect although the caller has gone.
                let answered = tokio::spawn(wire::handle(side.app, request.map(Body::new)));
                answered.await.unwrap_or(Err(Reset))
            }
            Ok(()) if !ends.peer.is_loopback() => {
                Ok(Refusal::forbidden("the peer's address was refused; accepted are those of loopback").into_response())
            }
            Ok(()) => {
                let Ok(response) = side.control.oneshot(request.map(Body::new)).await;
                Ok(response)
            }
        }
    })
}

async fn connection<S>(stream: TcpStream, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Reset, Future = Answering> + Unpin,
{
    let mut served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| served.poll_without_shutdown(context)).await;
    let stream = served.into_parts().io.into_inner();
    if ended.is_err_and(|error| error.is_user()) {
        // Zero linger: closing sends RST instead of FIN.
        drop(SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
    }
}
