//! All objects of a kind in pages, each bounded in bytes, and a watch from there on.
//!
//! For API servers that stream no lists. kube's `watcher` bounds pages by their number of objects alone, and keeps a
//! page whole: 500 objects of 1.5 MiB, etcd's limit, are more than this process may have.
//!
//! Owns: how many objects a page is requested with, and the bound on what is read of it.
//! Never: decodes an object.

#[cfg(test)]
mod tests;

use crate::runtime::received::Received;
use crate::runtime::watch::{EventStream, WatchTarget, WatchableResource, read_events};
use futures::StreamExt;
use futures::future::ready;
use futures::stream;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Bytes;
use kube::Client;
use kube::api::{ListParams, WatchParams};
use kube::client::Body;
use kube::core::{ObjectList, Request, Status};
use kube_runtime::watcher::{self, Event};

/// A page beyond this is given up and requested again with fewer objects.
const MAX_PAGE_BYTES: usize = 8 << 20;
/// A page of one object can't be made smaller. Far beyond what an API server stores (etcd: 1.5 MiB by default).
const MAX_OBJECT_BYTES: usize = 64 << 20;
/// Objects on a page, at most: client-go's page size.
const MAX_PAGE_OBJECTS: u32 = 500;

/// The position in a list.
#[derive(Debug, Clone)]
struct Cursor {
    continue_token: Option<String>,
    size: PageSize,
}

/// The `limit` of the next page, in objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PageSize(u32);

impl PageSize {
    /// The size after a page that was given up; `None` if it can't be smaller.
    fn shrink_page(self) -> Option<Self> {
        (self.0 > 1).then(|| Self((self.0 / 8).max(1)))
    }

    /// The size after a page of `objects` and `bytes`: it fills half of the bound if the next objects are as large,
    /// and has at most twice as many objects, because they may be larger.
    fn next_page(self, objects: usize, bytes: usize) -> Self {
        let fitting = (MAX_PAGE_BYTES / 2).saturating_mul(objects.max(1)) / bytes.max(1);
        let fitting = u32::try_from(fitting).unwrap_or(u32::MAX);
        Self(fitting.min(self.0.saturating_mul(2)).clamp(1, MAX_PAGE_OBJECTS))
    }

    fn max_bytes(self) -> usize {
        if self.0 == 1 { MAX_OBJECT_BYTES } else { MAX_PAGE_BYTES }
    }
}

/// The next request of a list with its watch.
enum ListStep {
    Page(Cursor),
    Watch(String),
    Nothing,
}

/// Ends when the server closes the watch, or after an error; a watch that did not start is tried again when polled.
pub(super) fn to_listed<K: WatchableResource>(target: WatchTarget, params: WatchParams) -> EventStream<K> {
    let start = ListStep::Page(Cursor { continue_token: None, size: PageSize(MAX_PAGE_OBJECTS) });
    let parts = stream::unfold(start, move |next| {
        let (target, params) = (target.clone(), params.clone());
        async move {
            match next {
                ListStep::Page(cursor) => Some(page_events(&target, cursor).await),
                ListStep::Watch(version) => Some(watch_events(&target, &params, version).await),
                ListStep::Nothing => None,
            }
        }
    });
    stream::once(ready(Ok(Event::Init))).chain(parts.flatten()).boxed()
}

async fn page_events<K: WatchableResource>(target: &WatchTarget, cursor: Cursor) -> (EventStream<K>, ListStep) {
    match get_page::<K>(target, cursor).await {
        Ok((page, size)) => {
            let objects = stream::iter(page.items).map(|object| Ok(Event::InitApply(object)));
            let continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            match (continue_token, page.metadata.resource_version) {
                (Some(token), _) => (objects.boxed(), ListStep::Page(Cursor { continue_token: Some(token), size })),
                (None, Some(version)) => {
                    (objects.chain(stream::once(ready(Ok(Event::InitDone)))).boxed(), ListStep::Watch(version))
                }
                (None, None) => (on_error(watcher::Error::NoResourceVersion), ListStep::Nothing),
            }
        }
        Err(error) => (on_error(watcher::Error::InitialListFailed(error)), ListStep::Nothing),
    }
}

async fn watch_events<K: WatchableResource>(
    target: &WatchTarget,
    params: &WatchParams,
    version: String,
) -> (EventStream<K>, ListStep) {
    match target.typed_api().watch(params, &version).await {
        Ok(events) => (read_events(events, true), ListStep::Nothing),
        Err(error) => (on_error(watcher::Error::WatchStartFailed(error)), ListStep::Watch(version)),
    }
}

fn on_error<K: WatchableResource>(error: watcher::Error) -> EventStream<K> {
    stream::once(ready(Err(error))).boxed()
}

/// Returns one page, and the size of the next.
async fn get_page<K: WatchableResource>(
    target: &WatchTarget,
    cursor: Cursor,
) -> kube::Result<(ObjectList<Received<K>>, PageSize)> {
    let Cursor { continue_token, mut size } = cursor;
    loop {
        let params = ListParams {
            label_selector: target.label_selector.clone(),
            limit: Some(size.0),
            continue_token: continue_token.clone(),
            ..ListParams::default()
        };
        let url = K::url_path(&(), target.namespace.as_deref());
        let request = Request::new(url).list(&params).map_err(kube::Error::BuildRequest)?;
        match (read_bounded(&target.client, request, size.max_bytes()).await?, size.shrink_page()) {
            (Some(body), _) => {
                let page: ObjectList<Received<K>> = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
                let next = size.next_page(page.items.len(), body.len());
                return Ok((page, next));
            }
            (None, Some(smaller)) => size = smaller,
            (None, None) => return Err(too_large(K::kind(&()).as_ref())),
        }
    }
}

/// Returns the body of the response; `None` if it is larger than `max_bytes`.
async fn read_bounded(
    client: &Client,
    request: http::Request<Vec<u8>>,
    max_bytes: usize,
) -> kube::Result<Option<Bytes>> {
    let response = client.send(request.map(Body::from)).await?;
    let code = response.status();
    let body = match Limited::new(response.into_body(), max_bytes).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(None),
        Err(error) => return Err(error.downcast::<kube::Error>().map_or_else(kube::Error::Service, |error| *error)),
    };
    if code.is_success() {
        return Ok(Some(body));
    }
    let unknown = || Status::failure("the answer is no Status", "Unknown").with_code(code.as_u16());
    Err(kube::Error::Api(serde_json::from_slice::<Status>(&body).unwrap_or_else(|_| unknown()).boxed()))
}

fn too_large(kind: &str) -> kube::Error {
    let why = format!("a single {kind} is larger than {MAX_OBJECT_BYTES} bytes");
    kube::Error::Api(Status::failure(&why, "RequestEntityTooLarge").with_code(413).boxed())
}
