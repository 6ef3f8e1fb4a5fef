//! The HTTP client of the AWS SDK, with a bound on the body of every answer, and on all of them together.
//!
//! The SDK buffers each body whole before it parses it, however long it is; an endless one of AWS, or of a proxy on
//! the way there, takes all memory within the call's time-out.
//!
//! Owns: the bounds, and the error of a body beyond them. Connections, TLS and time-outs are those of the client that
//! it wraps ([`crate::aws::client::https`]).
//! Never: interprets a body, retries, or undoes a Content-Encoding (nor does the SDK: a body is kept as it arrives).

#[cfg(test)]
mod tests;

use crate::aws::client::https::https_client;
use aws_smithy_http_client::tls::TlsContext;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use hyper::body::{Body, Bytes, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest body of any answer but a page of a list: a session, an export's answer, an error, credentials.
///
/// By the service's API model (2018-05-10), the fields of a session that have a limit take 410 KB at the most: 51,200
/// characters of environment variables' values and 17,000 others, 6 bytes each where JSON escapes them. SignalRequest,
/// SignalResponse and launch arguments have no limit; an SDP offer takes some KB. STS, ECS, EKS Pod Identity and
/// instance metadata answer with one session token, which has no documented limit; it takes some KB.
pub(super) const ANSWER_BOUND: usize = 1024 * 1024;
/// Longest body of a page of ListStreamSessions.
///
/// By the model, the fields of a summary have 3,400 characters at the most: 2.1 MB for a page of 100, 6 bytes each.
pub(super) const PAGE_BOUND: usize = 4 * 1024 * 1024;

/// Bytes that each body may take regardless of others, so that usual answers always come through: a page of 100
/// sessions without user ids has 40 KB in the simulator.
const FREE_BYTES: usize = 128 * 1024;
/// Bytes that all bodies of a client being read may take together beyond that. At the default quota and time-out 72
/// pages can be unanswered at once: if each stopped shortly before its bound, they would take 288 MiB.
const SHARED_BYTES: usize = 32 * 1024 * 1024;

/// The body of an answer is longer than its bound, or than there is room for. Nothing follows from it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OversizedBody {
    /// It is longer than any answer of its kind.
    #[error("the body of the answer is longer than {0} bytes")]
    TooLong(usize),
    /// Other long bodies that are being read have left no room for it.
    #[error("the bodies of the answers that are being read are longer than {SHARED_BYTES} bytes")]
    NoRoom,
}

/// An HTTPS client with bounded answers.
pub(super) fn bounded_https_client(trust: &TlsContext) -> SharedHttpClient {
    let room = Arc::new(Semaphore::new(SHARED_BYTES));
    SharedHttpClient::new(BoundedClient { client: https_client(trust), room })
}

/// The most bytes that the body of the answer to a request may have, by the request's URI.
fn bound_of(uri: &str) -> usize {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let mut segments = path.rsplit('/');
    // ListStreamSessions is `/streamgroups/{Identifier}/streamsessions`. A session may have the name `streamsessions`.
    let is_list = segments.next() == Some("streamsessions") && segments.nth(1) == Some("streamgroups");
    if is_list { PAGE_BOUND } else { ANSWER_BOUND }
}

/// Wraps a client so that its connectors have bounded answers.
#[derive(Debug)]
struct BoundedClient {
    client: SharedHttpClient,
    /// Bytes of [`SHARED_BYTES`] that are left.
    room: Arc<Semaphore>,
}

impl HttpClient for BoundedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(BoundedConnector { connector, room: self.room.clone() })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        HttpClient::validate_base_client_config(&self.client, components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        HttpClient::validate_final_config(&self.client, components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.client.connector_metadata()
    }
}

#[derive(Debug)]
struct BoundedConnector {
    connector: SharedHttpConnector,
    room: Arc<Semaphore>,
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (bound, room) = (bound_of(request.uri()), self.room.clone());
        let answer = self.connector.call(request);
        HttpConnectorFuture::new(async move {
            Ok(answer.await?.map(|body| SdkBody::from_body_1_x(BoundedBody::new(body, bound, room.clone()))))
        })
    }
}

/// A body that fails with [`OversizedBody`] as soon as more than its bound, or than there is room for, has arrived, or
/// more than its bound is announced.
///
/// It is returned in one piece: the SDK collects the pieces of a body before it joins them, and each chunk of one byte
/// would take 32 bytes and more.
struct BoundedBody {
    /// The body that is read.
    body: SdkBody,
    /// The most bytes that it may have.
    bound: usize,
    /// The bytes so far.
    arrived: Vec<u8>,
    /// Bytes of [`SHARED_BYTES`] that are left.
    room: Arc<Semaphore>,
    /// The bytes it has taken of the shared room, until it is dropped.
    taken: Option<OwnedSemaphorePermit>,
    /// The body has ended, and its one piece has been handed on.
    has_ended: bool,
}

impl BoundedBody {
    fn new(body: SdkBody, bound: usize, room: Arc<Semaphore>) -> Self {
        Self { body, bound, arrived: Vec::new(), room, taken: None, has_ended: false }
    }

    /// Fails if what has arrived, with `more` bytes, goes beyond the bound.
    fn ensure_within_bound(&self, more: u64) -> Result<(), OversizedBody> {
        let left = self.bound.saturating_sub(self.arrived.len());
        let fits = usize::try_from(more).is_ok_and(|more| more <= left);
        fits.then_some(()).ok_or(OversizedBody::TooLong(self.bound))
    }

    /// Takes shared room for what goes beyond the free room with `more` bytes. Fails if there is none.
    fn take_room(&mut self, more: usize) -> Result<(), OversizedBody> {
        let taken = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = (self.arrived.len() + more).saturating_sub(FREE_BYTES + taken);
        let missing = u32::try_from(missing).map_err(|_| OversizedBody::NoRoom)?;
        let permit = self.room.clone().try_acquire_many_owned(missing).map_err(|_| OversizedBody::NoRoom)?;
        match &mut self.taken {
            Some(taken) => taken.merge(permit),
            None => self.taken = Some(permit),
        }
        Ok(())
    }

    /// Appends a piece of the body. Trailers are left out: the SDK doesn't read them.
    fn append_frame(&mut self, frame: Frame<Bytes>) -> Result<(), OversizedBody> {
        if let Ok(piece) = frame.into_data() {
            self.ensure_within_bound(piece.len() as u64)?;
            self.take_room(piece.len())?;
            self.arrived.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// Takes what has arrived as the one piece of the body. Returns `None` for an empty body.
    fn take_arrived(&mut self) -> Option<Frame<Bytes>> {
        let arrived = std::mem::take(&mut self.arrived);
        (!arrived.is_empty()).then(|| Frame::data(Bytes::from(arrived)))
    }
}

impl Body for BoundedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while !self.has_ended {
            // With a Content-Length, the lower limit is the number of bytes still to come.
            let announced = self.body.size_hint().lower();
            self.ensure_within_bound(announced)?;
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(frame) => self.append_frame(frame?)?,
                None => self.has_ended = true,
            }
        }
        Poll::Ready(self.take_arrived().map(Ok))
    }
}
