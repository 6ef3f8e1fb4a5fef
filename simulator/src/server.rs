//! Connections: one task each, and a way to reset one, which a web framework doesn't have.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::app::App;
use crate::{complain, wire};

/// A request that gets no answer: its connection is to be reset.
#[derive(Debug, thiserror::Error)]
#[error("the connection is to be reset")]
pub struct Reset;

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Reset>> + Send>>;

/// Serves AWS's paths and the simulator's own.
pub async fn serve_aws(listener: TcpListener, app: Arc<App>, control: Router) {
    loop {
        let Some((stream, peer)) = accept(&listener).await else { continue };
        let (app, control) = (app.clone(), control.clone());
        let service = service_fn(move |request| answer(app.clone(), control.clone(), peer, request));
        tokio::spawn(connection(stream, service));
    }
}

/// Serves the embedded S3.
pub async fn serve_s3(listener: TcpListener, service: s3s::service::S3Service) {
    loop {
        let Some((stream, _)) = accept(&listener).await else { continue };
        let service = service.clone();
        tokio::spawn(async move {
            let served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            // A client that goes away is none of our business.
            drop(served.await);
        });
    }
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            drop(stream.set_nodelay(true));
            Some((stream, peer))
        }
        Err(error) => {
            complain(&format!("cannot accept a connection: {error}"));
            // Out of file descriptors: wait for some to come back instead of spinning.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

fn answer(app: Arc<App>, control: Router, peer: SocketAddr, request: Request<Incoming>) -> Answering {
    Box::pin(async move {
        if !request.uri().path().starts_with("/_simulator/") {
            // In a task of its own, so that it has its effect although the caller has gone.
            let answered = tokio::spawn(wire::handle(app, request.map(Body::new)));
            return answered.await.unwrap_or(Err(Reset));
        }
        if !peer.ip().is_loopback() {
            let mut refusal = Response::new(Body::from("only from this machine\n"));
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            return Ok(refusal);
        }
        let Ok(response) = control.oneshot(request.map(Body::new)).await;
        Ok(response)
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
