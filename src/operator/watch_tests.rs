use super::*;
use futures::future::pending;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::{ObjectMeta, Status};
use std::sync::{Arc, Mutex};

type Item = watcher::Result<Event<ConfigMap>>;

fn object(name: &str) -> ConfigMap {
    ConfigMap { metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() }, ..ConfigMap::default() }
}

/// A list of one object that is complete.
fn listed() -> Vec<Item> {
    vec![Ok(Event::Init), Ok(Event::InitApply(object("a"))), Ok(Event::InitDone)]
}

fn status(code: u16) -> Box<Status> {
    Box::new(Status { code, ..Status::failure("test", "Test") })
}

/// Opens one script after the other, then silence; each script is followed by silence too. Counts the openings.
fn scripted(scripts: Vec<Vec<Item>>) -> (impl Fn() -> Source<ConfigMap> + Send, Arc<Mutex<usize>>) {
    let opened = Arc::new(Mutex::new(0));
    let count = Arc::clone(&opened);
    let scripts = Mutex::new(scripts.into_iter());
    let open = move || {
        *count.lock().unwrap() += 1;
        let script = scripts.lock().unwrap().next().unwrap_or_default();
        stream::iter(script).chain(stream::once(pending())).boxed()
    };
    (open, opened)
}

fn words(signal: &Signal<ConfigMap>) -> String {
    match signal {
        Signal::Event(event) => event.to_string(),
        Signal::Broke(class, _) => format!("broke: {class}"),
    }
}

async fn first(scripts: Vec<Vec<Item>>, count: usize) -> Vec<String> {
    let (open, _) = scripted(scripts);
    feed(open).take(count).map(|signal| words(&signal)).collect().await
}

#[tokio::test(start_paused = true)]
async fn lists_afresh_a_minute_after_the_last_list() {
    let started = Instant::now();
    let seen = first(vec![listed(), listed()], 4).await;
    assert_eq!(seen, ["Init", "InitApply(a)", "InitDone", "Init"]);
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn events_do_not_put_off_the_fresh_list() {
    let (open, opened) = scripted(vec![]);
    let chatty = move || {
        let again = open();
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
    let inits = feed(chatty).filter(|s| std::future::ready(words(s) == "Init")).take(3).count().await;
    assert_eq!((inits, *opened.lock().unwrap()), (3, 3));
    assert_eq!(started.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_stalls_is_given_up() {
    let started = Instant::now();
    let stalled = vec![Ok(Event::Init), Ok(Event::InitApply(object("a")))];
    assert_eq!(first(vec![vec![], stalled, listed()], 3).await, ["Init", "InitApply(a)", "Init"]);
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn what_may_have_lost_an_event_is_listed_again() {
    let gone = || Err(watcher::Error::WatchStartFailed(kube::Error::Api(status(410))));
    let broken = || Err(watcher::Error::WatchFailed(kube::Error::Api(status(500))));
    let cases = [("not_found", gone as fn() -> Item, "refused"), ("", broken, "server")];
    for (_, error, class) in cases {
        let started = Instant::now();
        let script = listed().into_iter().chain([error()]).collect();
        let seen = first(vec![script, listed()], 5).await;
        assert_eq!(seen[3..], [format!("broke: {class}"), "Init".to_owned()]);
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_does_not_start_is_left_to_resume() {
    let (open, opened) = scripted(vec![
        listed()
            .into_iter()
            .chain([Err(watcher::Error::WatchStartFailed(kube::Error::Api(status(503))))])
            .chain([Ok(Event::Apply(object("b")))])
            .collect(),
    ]);
    let seen: Vec<_> = feed(open).take(5).map(|signal| words(&signal)).collect().await;
    assert_eq!(seen[3..], ["broke: server", "Apply(b)"]);
    assert_eq!(*opened.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn waits_grow_to_five_seconds_and_an_error_is_told_before_its_wait() {
    let error = || Err(watcher::Error::InitialListFailed(kube::Error::Api(status(403))));
    let (open, _) = scripted(vec![(0..12).map(|_| error()).collect()]);
    let mut feed = Box::pin(feed(open));
    let started = Instant::now();
    assert_eq!(words(&feed.next().await.unwrap()), "broke: forbidden");
    assert_eq!(started.elapsed(), Duration::ZERO);
    for n in 1..12 {
        let before = Instant::now();
        feed.next().await;
        let (waited, full) = (before.elapsed(), BACKOFF_MIN.saturating_mul(1 << (n - 1)).min(BACKOFF_MAX));
        let about = full / 2 - Duration::from_millis(2)..=full + Duration::from_millis(2);
        assert!(about.contains(&waited), "wait {n}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_is_dropped() {
    let mut fat = object("a");
    fat.metadata.managed_fields = Some(vec![]);
    let applied = ("kubectl.kubernetes.io/last-applied-configuration".to_owned(), "{}".to_owned());
    fat.metadata.annotations = Some([applied, ("mine".to_owned(), "kept".to_owned())].into());
    let (open, _) = scripted(vec![vec![Ok(Event::Apply(fat))]]);
    let Some(Signal::Event(Event::Apply(thin))) = Box::pin(feed(open)).next().await else { panic!("no event") };
    assert_eq!(thin.metadata.managed_fields, None);
    assert_eq!(thin.metadata.annotations, Some([("mine".to_owned(), "kept".to_owned())].into()));
}

#[test]
fn many_objects_are_listed_less_often() {
    assert_eq!(relist_after(0), Duration::from_secs(60));
    assert_eq!(relist_after(10_000), Duration::from_secs(60));
    assert_eq!(relist_after(100_000), Duration::from_secs(600));
}
