use super::*;
use crate::runtime::fixtures::received;
use futures::future::pending;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::{ObjectMeta, Status};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::time::sleep;

type Item = watcher::Result<Event<Received<ConfigMap>>>;
type Ways = Arc<Mutex<Vec<ListStrategy>>>;

fn object(name: &str) -> Received<ConfigMap> {
    let metadata = ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
    received(&ConfigMap { metadata, ..ConfigMap::default() })
}

/// A complete list of one object.
fn listed() -> Vec<Item> {
    vec![Ok(Event::Init), Ok(Event::InitApply(object("a"))), Ok(Event::InitDone)]
}

fn status(code: u16) -> Box<Status> {
    Box::new(Status { code, ..Status::failure("test", "Test") })
}

/// Opens one script after the other, then silence; each script is followed by silence too. Returns the strategies used.
fn scripted(scripts: Vec<Vec<Item>>) -> (impl Fn(ListStrategy, Duration) -> EventStream<ConfigMap> + Send, Ways) {
    let opened = Ways::default();
    let ways = Arc::clone(&opened);
    let scripts = Mutex::new(scripts.into_iter());
    let open = move |way, _| {
        ways.lock().push(way);
        let script = scripts.lock().next().unwrap_or_default();
        stream::iter(script).chain(stream::once(pending())).boxed()
    };
    (open, opened)
}

fn words(signal: &StreamItem<ConfigMap>) -> String {
    match signal {
        StreamItem::Event(event) => event.to_string(),
        StreamItem::Broke(class, _) => format!("broke: {class}"),
        StreamItem::Stalled(kind) => format!("stalled: {kind}"),
    }
}

async fn first(scripts: Vec<Vec<Item>>, count: usize) -> Vec<String> {
    let (open, _) = scripted(scripts);
    watch_stream(open).take(count).map(|signal| words(&signal)).collect().await
}

/// The answer of a server that streams no lists.
fn no_streams() -> Vec<Item> {
    vec![Err(watcher::Error::WatchStartFailed(kube::Error::Api(status(422))))]
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_given_up_a_minute_after_everything_was_known() {
    let started = Instant::now();
    let seen = first(vec![listed(), listed()], 4).await;
    assert_eq!(seen, ["Init", "InitApply(a)", "InitDone", "Init"]);
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streaming_lists_is_listed_each_minute() {
    let (open, opened) = scripted(vec![no_streams(), listed(), listed()]);
    let started = Instant::now();
    let seen: Vec<_> = watch_stream(open).take(4).map(|signal| words(&signal)).collect().await;
    assert_eq!(seen, ["Init", "InitApply(a)", "InitDone", "Init"], "and that is no trouble");
    assert_eq!(*opened.lock(), [ListStrategy::Streaming, ListStrategy::ListWatch, ListStrategy::ListWatch]);
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_streamed_list_without_an_end_mark_falls_back_to_a_plain_list() {
    let unmarked = vec![Ok(Event::Init), Ok(Event::InitApply(object("a")))];
    let (open, opened) = scripted(vec![unmarked, listed()]);
    let started = Instant::now();
    let seen: Vec<_> = watch_stream(open).take(3).map(|signal| words(&signal)).collect().await;
    assert_eq!(seen, ["Init", "InitApply(a)", "Init"]);
    assert_eq!(*opened.lock(), [ListStrategy::Streaming, ListStrategy::ListWatch]);
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn events_do_not_put_off_the_next_list() {
    for way in [ListStrategy::Streaming, ListStrategy::ListWatch] {
        let (open, opened) = scripted(vec![]);
        let chatty = move |now, lasts| {
            let again = open(now, lasts);
            if now != way {
                return stream::iter(no_streams()).chain(again).boxed();
            }
            let events = stream::unfold(0, |n| async move {
                if n > 2 {
                    sleep(Duration::from_secs(7)).await;
                }
                let event = match n {
                    0 => Event::Init,
                    1 => Event::InitApply(object("a")),
                    2 => Event::InitDone,
                    _ => Event::Apply(object("a")),
                };
                Some((Ok(event), n + 1))
            });
            stream::select(again, events).boxed()
        };
        let started = Instant::now();
        let inits = watch_stream(chatty).filter(|s| ready(words(s) == "Init")).take(3).count().await;
        let openings = opened.lock().iter().filter(|opened| **opened == way).count();
        assert_eq!((inits, openings, started.elapsed().as_secs()), (3, 3, 120), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_everything_is_listed_again_the_watch_before_goes_on() {
    let events = |script: Vec<(u64, Event<Received<ConfigMap>>)>| {
        stream::iter(script).then(|(seconds, event)| async move {
            sleep(Duration::from_secs(seconds)).await;
            Ok(event)
        })
    };
    let first = || {
        let listed = [(0, Event::Init), (0, Event::InitDone)];
        let later = [(65, Event::Apply(object("meanwhile"))), (10, Event::Apply(object("too late")))];
        events(listed.into_iter().chain(later).collect()).chain(stream::once(pending())).boxed()
    };
    let second = || events(vec![(0, Event::Init), (6, Event::InitApply(object("a"))), (6, Event::InitDone)]).boxed();
    let broken = || {
        let error = Err(watcher::Error::InitialListFailed(kube::Error::Api(status(500))));
        stream::iter([Ok(Event::Init), error]).boxed()
    };
    let all_open = |mut sources: Vec<EventStream<ConfigMap>>| {
        sources.reverse();
        let sources = Mutex::new(sources);
        watch_stream(move |_, _| sources.lock().pop().unwrap_or_else(|| stream::pending().boxed()))
    };
    let seen: Vec<_> = all_open(vec![first(), second()]).take(6).map(|signal| words(&signal)).collect().await;
    assert_eq!(seen, ["Init", "InitDone", "Init", "Apply(meanwhile)", "InitApply(a)", "InitDone"]);
    // Also while the list fails.
    let scripts = vec![first(), broken(), second()];
    let seen: Vec<_> = all_open(scripts).take(8).map(|signal| words(&signal)).collect().await;
    let end = ["Init", "broke: server", "Init", "Apply(meanwhile)", "InitApply(a)", "InitDone"];
    assert_eq!(seen[2..], end);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_the_server_closes_is_followed_by_the_next_at_once() {
    let closes = |after: u64| {
        move |_, _| {
            let end = stream::once(async move { sleep(Duration::from_secs(after)).await });
            stream::iter(listed()).chain(end.filter_map(|()| ready(None))).boxed()
        }
    };
    let started = Instant::now();
    let inits = |open| watch_stream(open).filter(|s| ready(words(s) == "Init")).take(3).count();
    inits(closes(60)).await;
    assert_eq!(started.elapsed(), Duration::from_secs(120));
    // A watch that is closed at once is reopened with a wait.
    let started = Instant::now();
    watch_stream(closes(0)).filter(|s| ready(words(s) == "Init")).take(20).count().await;
    assert!(started.elapsed() > Duration::from_secs(40), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_stalls_is_given_up() {
    let started = Instant::now();
    let stalled = vec![Ok(Event::Init), Ok(Event::InitApply(object("a")))];
    assert_eq!(first(vec![no_streams(), vec![], stalled, listed()], 3).await, ["Init", "InitApply(a)", "Init"]);
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_may_have_lost_an_event_is_relisted() {
    let gone = || Err(watcher::Error::WatchStartFailed(kube::Error::Api(status(410))));
    let broken = || Err(watcher::Error::WatchFailed(kube::Error::Api(status(500))));
    let told = || Err(watcher::Error::WatchError(status(410)));
    let cases = [(gone as fn() -> Item, "refused"), (broken, "server"), (told, "server")];
    for (error, class) in cases {
        let started = Instant::now();
        let script = listed().into_iter().chain([error()]).collect();
        let seen = first(vec![script, listed()], 5).await;
        assert_eq!(seen[3..], [format!("broke: {class}"), "Init".to_owned()]);
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_list_a_watch_that_does_not_start_is_left_to_resume() {
    let (open, opened) = scripted(vec![
        no_streams(),
        listed()
            .into_iter()
            .chain([Err(watcher::Error::WatchStartFailed(kube::Error::Api(status(503))))])
            .chain([Ok(Event::Apply(object("b")))])
            .collect(),
    ]);
    let seen: Vec<_> = watch_stream(open).take(5).map(|signal| words(&signal)).collect().await;
    assert_eq!(seen[3..], ["broke: server", "Apply(b)"]);
    assert_eq!(opened.lock().len(), 2);
}

#[test]
fn a_streamed_list_ends_with_its_mark_and_goes_on_as_a_watch() {
    // The API server writes `type` first; serde would buffer an object that came before it, which raw JSON can't be.
    let event = |type_: &str, object: serde_json::Value| {
        let text = format!(r#"{{"type":"{type_}","object":{object}}}"#);
        Ok(serde_json::from_str::<WatchEvent<Received<ConfigMap>>>(&text).unwrap())
    };
    let object = |type_: &str| event(type_, serde_json::json!({"metadata": {"name": "a"}}));
    let bookmark = |annotations: serde_json::Value| {
        let metadata = serde_json::json!({"resourceVersion": "7", "annotations": annotations});
        event("BOOKMARK", serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}))
    };
    let end = || bookmark(serde_json::json!({"k8s.io/initial-events-end": "true"}));
    let mut complete = false;
    let events =
        [object("ADDED"), bookmark(serde_json::json!({})), end(), object("MODIFIED"), end(), object("DELETED")];
    let seen: Vec<_> =
        events.into_iter().filter_map(|event| read_event(event, &mut complete)).map(Result::unwrap).collect();
    let seen: Vec<_> = seen.iter().map(ToString::to_string).collect();
    assert_eq!(seen, ["InitApply(a)", "InitDone", "Apply(a)", "Delete(a)"]);
}

#[tokio::test(start_paused = true)]
async fn delays_grow_to_five_seconds_and_an_error_is_reported_before_its_delay() {
    let error = || Err(watcher::Error::InitialListFailed(kube::Error::Api(status(403))));
    let scripts = [no_streams()].into_iter().chain((0..12).map(|_| vec![error()]));
    let (open, _) = scripted(scripts.collect());
    let mut feed = Box::pin(watch_stream(open));
    let started = Instant::now();
    assert_eq!(words(&feed.next().await.unwrap()), "broke: forbidden");
    assert_eq!(started.elapsed(), Duration::ZERO);
    for n in 1..12 {
        let before = Instant::now();
        feed.next().await;
        let (waited, full) = (before.elapsed(), BACKOFF.first.saturating_mul(1 << (n - 1)).min(BACKOFF.longest));
        let about = full / 2 - Duration::from_millis(2)..=full + Duration::from_millis(2);
        assert!(about.contains(&waited), "wait {n}: {waited:?}");
    }
}

/// A source that ends with the same error each time it is opened.
fn failing(
    error: impl Fn() -> Item + Send + 'static,
) -> impl Fn(ListStrategy, Duration) -> EventStream<ConfigMap> + Send {
    move |_, _| stream::iter([Ok(Event::Init), error()]).boxed()
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_complete_list_for_two_periods_is_reported_once_with_its_reason() {
    let broken = || Err(watcher::Error::WatchFailed(kube::Error::Api(status(500))));
    let started = Instant::now();
    let stalls = watch_stream(failing(broken)).filter(|s| ready(matches!(s, StreamItem::Stalled(_))));
    let mut stalls = Box::pin(stalls);
    assert_eq!(words(&stalls.next().await.unwrap()), "stalled: server");
    assert!((120..130).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert!(tokio::time::timeout(Duration::from_secs(3600), stalls.next()).await.is_err(), "told twice");
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_stalls_too_and_a_complete_list_ends_it() {
    let unmarked = || vec![Ok(Event::Init)];
    let (open, _) = scripted((0..5).map(|_| unmarked()).chain([listed()]).collect());
    let seen: Vec<_> =
        watch_stream(open).filter(|s| ready(words(s) != "Init")).take(3).map(|s| words(&s)).collect().await;
    assert_eq!(seen, ["stalled: silent", "InitApply(a)", "InitDone"]);
}

#[test]
fn many_objects_are_read_less_often() {
    assert_eq!(relist_period(0), Duration::from_secs(60));
    assert_eq!(relist_period(10_000), Duration::from_secs(60));
    assert_eq!(relist_period(100_000), Duration::from_secs(600));
}
