//! The HTTP client of the AWS SDK, with a bound on the body of every answer.
//!
//! The SDK keeps each body whole before it looks at it, however long it is; an endless one of AWS, or of a proxy on
//! the way there, takes all memory within the call's time-out.
//!
//! Owns: the bounds, and the error of a body beyond its bound. Connections, TLS, proxies and time-outs are those of the
//! SDK's default client, which it wraps.
//! Never: interprets a body, retries, or undoes a Content-Encoding (the SDK doesn't either: what arrives is what is kept).

use aws_config::BehaviorVersion;
use aws_smithy_runtime::client::defaults::default_http_client_plugin_v2;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use hyper::body::{Body, Bytes, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Longest body of any answer but a page of a list: a session, an export's answer, an error, credentials.
///
/// By the service's API model (2018-05-10), the fields of a session that have a limit take 410 KB at the most: 51,200
/// characters of environment variables' values and 17,000 others, 6 bytes each where JSON escapes them. SignalRequest,
/// SignalResponse and launch arguments have no limit; an SDP offer takes some KB. STS, ECS, EKS Pod Identity and instance
/// metadata answer with one session token, which has no documented limit; it takes some KB.
pub(super) const ANSWER_BOUND: usize = 1024 * 1024;
/// Longest body of a page of ListStreamSessions.
///
/// By the model, the fields of a summary have 3,400 characters at the most: 2.1 MB for a page of 100, 6 bytes each.
pub(super) const PAGE_BOUND: usize = 4 * 1024 * 1024;

/// The body of an answer is longer than its bound. It is not an answer of AWS, and nothing follows from it.
#[derive(Debug, thiserror::Error)]
#[error("the body of the answer is longer than {bound} bytes")]
pub(in crate::streams) struct OversizedBody {
    bound: usize,
}

/// The SDK's default HTTPS client with bounded answers. Returns `None` if the SDK was built without one: it sends
/// nothing then.
pub(super) fn bounded_https_client() -> Option<SharedHttpClient> {
    let defaults = default_http_client_plugin_v2(BehaviorVersion::latest())?;
    let components = RuntimeComponentsBuilder::new("session-export-operator");
    let client = defaults.runtime_components(&components).http_client()?;
    Some(SharedHttpClient::new(BoundedClient { client }))
}

/// The most bytes that the body of the answer to a request may have, by the request's URI.
fn bound_of(uri: &str) -> usize {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let mut segments = path.rsplit('/');
    // ListStreamSessions is `/streamgroups/{Identifier}/streamsessions`. A session may have the name `streamsessions`.
    let is_list = segments.next() == Some("streamsessions") && segments.nth(1) == Some("streamgroups");
    if is_list { PAGE_BOUND } else { ANSWER_BOUND }
}

/// Gives out connectors with bounded answers. In all else it is the client that it wraps.
#[derive(Debug)]
struct BoundedClient {
    client: SharedHttpClient,
}

impl HttpClient for BoundedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector { connector: self.client.http_connector(settings, components) })
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
}

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let bound = bound_of(request.uri());
        let answer = self.connector.call(request);
        HttpConnectorFuture::new(async move {
            Ok(answer.await?.map(|body| SdkBody::from_body_1_x(BoundedBody::new(body, bound))))
        })
    }
}

/// A body that fails with [`OversizedBody`] as soon as more than its bound has arrived or is announced.
///
/// It comes out in one piece. The SDK collects the pieces of a body first and joins them then; of a body that arrives
/// in chunks of one byte, each would take 32 bytes and more.
struct BoundedBody {
    body: SdkBody,
    bound: usize,
    arrived: Vec<u8>,
    /// The body has ended, and its one piece has been handed on.
    has_ended: bool,
}

impl BoundedBody {
    fn new(body: SdkBody, bound: usize) -> Self {
        Self { body, bound, arrived: Vec::new(), has_ended: false }
    }

    /// Fails if what has arrived, with `more` bytes, goes beyond the bound.
    fn ensure_room(&self, more: u64) -> Result<(), OversizedBody> {
        let room = self.bound.saturating_sub(self.arrived.len());
        let fits = usize::try_from(more).is_ok_and(|more| more <= room);
        fits.then_some(()).ok_or(OversizedBody { bound: self.bound })
    }

    /// Appends a piece of the body. Trailers are left out: the SDK doesn't look at them.
    fn append_frame(&mut self, frame: Frame<Bytes>) -> Result<(), OversizedBody> {
        if let Ok(piece) = frame.into_data() {
            self.ensure_room(piece.len() as u64)?;
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
            // With a Content-Length, its lower limit is what is still to come.
            let announced = self.body.size_hint().lower();
            self.ensure_room(announced)?;
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(frame) => self.append_frame(frame?)?,
                None => self.has_ended = true,
            }
        }
        Poll::Ready(self.take_arrived().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};

    #[test]
    fn only_a_page_of_a_list_has_the_larger_bound() {
        let list = "https://gameliftstreams.us-west-2.api.aws/streamgroups/sg-1/streamsessions";
        let pages = [list.to_owned(), format!("{list}?Status=ACTIVE"), "/streamgroups/a/streamsessions".to_owned()];
        for page in pages {
            assert_eq!(bound_of(&page), PAGE_BOUND, "{page}");
        }
        let others = [
            format!("{list}/ABC123def4567"),
            format!("{list}/streamsessions"),
            format!("{list}/ABC123def4567/exportfiles?/streamgroups/a/streamsessions"),
            format!("{list}/ABC123def4567/exportfiles#/streamgroups/a/streamsessions"),
            "https://sts.us-west-2.amazonaws.com/".to_owned(),
            "http://169.254.170.23/v1/credentials".to_owned(),
            String::new(),
        ];
        for other in others {
            assert_eq!(bound_of(&other), ANSWER_BOUND, "{other}");
        }
    }

    /// A body of so many pieces of one byte, without a length, and with trailers.
    fn in_single_bytes(count: usize) -> BoundedBody {
        let pieces = (0..count).map(|_| Frame::data(Bytes::from_static(b"x")));
        let trailers = Frame::trailers(http::HeaderMap::new());
        let frames = pieces.chain([trailers]).map(Ok::<_, std::convert::Infallible>);
        BoundedBody::new(SdkBody::from_body_1_x(StreamBody::new(stream::iter(frames))), 1000)
    }

    #[tokio::test]
    async fn a_body_of_many_small_pieces_comes_out_in_one() {
        let mut body = in_single_bytes(1000);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 1000);
        assert!(body.frame().await.is_none());
        assert!(in_single_bytes(0).frame().await.is_none());
        let error = in_single_bytes(1001).frame().await.unwrap().unwrap_err();
        assert!(error.is::<OversizedBody>());
        assert_eq!(error.to_string(), "the body of the answer is longer than 1000 bytes");
    }
}
