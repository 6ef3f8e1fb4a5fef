use super::*;
use crate::runtime::client::watch_client;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ConfigMap;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;

/// An API server with one object of each size. Records the limit and the bytes of each page requested.
#[derive(Clone)]
struct Server {
    sizes: Arc<Vec<usize>>,
    pages: Arc<Mutex<Vec<(usize, usize)>>>,
}

impl Server {
    /// Serves until the test ends.
    async fn start(sizes: Vec<usize>) -> (Self, WatchTarget) {
        let server = Self { sizes: Arc::new(sizes), pages: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = serving.clone();
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let body = server.answer(request.uri().query().unwrap_or_default());
                    std::future::ready(Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from(body)))))
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        });
        let client = watch_client(kube::Config::new(url.parse().unwrap())).unwrap();
        (server, WatchTarget { client, namespace: None, label_selector: None })
    }

    fn answer(&self, query: &str) -> String {
        let value = |key: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(name, _)| *name == key).map(|(_, value)| value.parse::<usize>().unwrap()).next()
        };
        let (from, limit) = (value("continue").unwrap_or(0), value("limit").unwrap());
        let to = (from + limit).min(self.sizes.len());
        // Not by serde_json: a debug build takes seconds for tens of megabytes, and a client waits for ten.
        let item = |n: usize| {
            let label = "x".repeat(self.sizes[n]);
            format!(r#"{{"metadata": {{"name": "o{n}", "labels": {{"a": "{label}"}}}}}}"#)
        };
        let items = (from..to).map(item).collect::<Vec<_>>().join(",");
        let more = if to < self.sizes.len() { to.to_string() } else { String::new() };
        let page = format!(r#"{{"metadata": {{"resourceVersion": "9", "continue": "{more}"}}, "items": [{items}]}}"#);
        self.pages.lock().push((limit, page.len()));
        page
    }

    /// The number of objects that a list shows before its watch begins.
    async fn to_listed(&self, target: &WatchTarget) -> usize {
        let mut events = to_listed::<ConfigMap>(target.clone(), WatchParams::default());
        let mut objects = 0;
        loop {
            match events.next().await.unwrap().unwrap() {
                Event::InitApply(_) => objects += 1,
                Event::InitDone => return objects,
                Event::Init | Event::Apply(_) | Event::Delete(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn small_objects_take_full_pages() {
    let (server, target) = Server::start(vec![100; 1200]).await;
    assert_eq!(server.to_listed(&target).await, 1200);
    let limits: Vec<_> = server.pages.lock().iter().map(|(limit, _)| *limit).collect();
    assert_eq!(limits, [500, 500, 500]);
}

#[tokio::test]
async fn large_objects_wherever_they_stand_are_read_in_pages_within_the_bound() {
    let large = 900_000;
    for sizes in [vec![large; 40], [vec![100; 700], vec![large; 40], vec![100; 700]].concat()] {
        let (server, target) = Server::start(sizes.clone()).await;
        assert_eq!(server.to_listed(&target).await, sizes.len());
        let pages = server.pages.lock();
        let read = pages.iter().filter(|(_, bytes)| *bytes <= MAX_PAGE_BYTES).count();
        // A page that is given up is read up to the bound only, and requested again with an eighth of the objects.
        assert!(pages.len() - read <= 3, "{pages:?}");
        assert!(read <= 40 / 4 + 1400 / 50, "{pages:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_an_error_of_its_own_class() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let client = watch_client(kube::Config::new(url.parse().unwrap())).unwrap();
    let target = WatchTarget { client, namespace: None, label_selector: None };
    let events: Vec<_> = to_listed::<ConfigMap>(target, WatchParams::default()).collect().await;
    assert!(matches!(events[..], [Ok(Event::Init), Err(watcher::Error::InitialListFailed(_))]));
}

#[test]
fn pages_grow_and_shrink_with_what_they_held() {
    let size = |objects, bytes| PageSize(100).next_page(objects, bytes).0;
    assert_eq!(size(100, 100_000), 200, "at most twice as many");
    assert_eq!(size(100, 4 << 20), 100);
    assert_eq!(size(100, 8 << 20), 50);
    assert_eq!(size(1, 5 << 20), 1);
    assert_eq!(size(0, 0), 200);
    assert_eq!(PageSize(500).next_page(500, 1000), PageSize(500));
    let shrinking = std::iter::successors(Some(PageSize(500)), |size| size.shrink_page());
    assert_eq!(shrinking.map(|size| size.0).collect::<Vec<_>>(), [500, 62, 7, 1]);
}
