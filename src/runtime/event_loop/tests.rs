use super::*;
use crate::runtime::fixtures::received;
use crate::runtime::received::Received;
use crate::runtime::watchdog::Watchdog;
use futures::channel::mpsc as script;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

fn object(name: &str, version: &str) -> ConfigMap {
    let some = |text: &str| Some(text.to_owned());
    let metadata = ObjectMeta {
        namespace: some("n"),
        name: some(name),
        uid: some(name),
        resource_version: some(version),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, ..ConfigMap::default() }
}

fn name(object: &ConfigMap) -> String {
    object.metadata.name.clone().unwrap()
}

/// Records its callbacks. Objects named `poison` panic, `slow` ones take 10 s, `often` ones are requeued every 5 s.
struct Recorder {
    story: Mutex<Vec<String>>,
    started: Instant,
}

impl Recorder {
    fn note(&self, what: &str) {
        let at = self.started.elapsed().as_secs();
        self.story.lock().push(format!("{at}s {what}"));
    }

    fn take(&self) -> Vec<String> {
        let mut story = std::mem::take(&mut *self.story.lock());
        story.sort();
        story
    }
}

impl Reconciler<ConfigMap> for Recorder {
    type Stored = ConfigMap;

    fn parse(object: ConfigMap) -> Result<ParsedObject<ConfigMap>, DecodeError> {
        Ok(ParsedObject::Active(Arc::new(object)))
    }

    fn on_listed(&self) {
        self.note("listed");
    }

    fn on_applied(&self, object: &Arc<ConfigMap>) {
        self.note(&format!("applied {}", name(object)));
        assert_ne!(name(object), "poison");
    }

    fn on_stalled(&self, kind: Option<&'static str>) {
        self.note(&format!("stalled {kind:?}"));
    }

    fn on_deleted(&self, object: &ObjectRef<ConfigMap>) {
        self.note(&format!("deleted {}", object.name));
    }

    async fn reconcile(&self, object: Arc<ConfigMap>) -> Option<Duration> {
        let name = name(&object);
        self.note(&format!("begins {name}"));
        match name.as_str() {
            "poison" => panic!("poison"),
            "slow" => {
                sleep(Duration::from_secs(10)).await;
                self.note("ends slow");
            }
            many if many.starts_with("stuck") => sleep(Duration::from_secs(10)).await,
            "often" => return Some(Duration::from_secs(5)),
            _ => {}
        }
        None
    }
}

struct World {
    events: script::UnboundedSender<StreamItem<ConfigMap>>,
    triggers: mpsc::UnboundedSender<ObjectRef<ConfigMap>>,
    stop: oneshot::Sender<Duration>,
    recorder: Arc<Recorder>,
    metrics: Metrics,
    running: JoinHandle<()>,
}

impl World {
    fn start() -> Self {
        let (events, feed) = script::unbounded();
        let (triggers, asked) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let metrics = Metrics::new();
        let heartbeat = Watchdog::default().register("the event loop", Duration::from_secs(60));
        let client = crate::runtime::client::watch_client(kube::Config::new("http://127.0.0.1:9".parse().unwrap()));
        let setup =
            EventLoopConfig { client: client.unwrap(), scope: Scope::default(), metrics: metrics.clone(), heartbeat };
        let recorder = Arc::new(Recorder { story: Mutex::default(), started: Instant::now() });
        let handler = Arc::clone(&recorder);
        let running = tokio::spawn(async move {
            run_streams(vec![feed.boxed()], setup, handler, asked, async { stopped.await.unwrap_or_default() }).await;
        });
        Self { events, triggers, stop, recorder, metrics, running }
    }

    fn tell(&self, events: impl IntoIterator<Item = Event<ConfigMap>>) {
        for event in events {
            let event = match event {
                Event::Init => Event::Init,
                Event::InitApply(object) => Event::InitApply(received(&object)),
                Event::InitDone => Event::InitDone,
                Event::Apply(object) => Event::Apply(received(&object)),
                Event::Delete(object) => Event::Delete(received(&object)),
            };
            self.signal(StreamItem::Event(event));
        }
    }

    fn signal(&self, signal: StreamItem<ConfigMap>) {
        self.events.unbounded_send(signal).unwrap();
    }

    fn list(&self, names: &[&str]) {
        self.tell([Event::Init]);
        self.tell(names.iter().map(|name| Event::InitApply(object(name, "1"))));
        self.tell([Event::InitDone]);
    }

    fn ask(&self, name: &str) {
        self.triggers.send(ObjectRef::new(name).within("n")).unwrap();
    }

    /// Returns what was recorded within this many seconds.
    async fn after(&self, seconds: u64) -> Vec<String> {
        sleep(Duration::from_millis(seconds * 1000 + 500)).await;
        self.recorder.take()
    }

    async fn stop(self, grace_period: Duration) -> Vec<String> {
        self.stop.send(grace_period).unwrap();
        self.running.await.unwrap();
        self.recorder.take()
    }
}

#[tokio::test(start_paused = true)]
async fn reconciles_begin_only_after_the_complete_list() {
    let world = World::start();
    world.tell([Event::Init, Event::InitApply(object("a", "1"))]);
    world.ask("a");
    assert_eq!(world.after(1).await, ["0s applied a"]);
    world.tell([Event::InitDone]);
    assert_eq!(world.after(0).await, ["1s begins a", "1s listed"]);
}

#[tokio::test(start_paused = true)]
async fn changes_triggers_and_timers_cause_reconciles_and_deletions_are_passed_on() {
    let world = World::start();
    world.list(&["a", "often"]);
    let first = ["0s applied a", "0s applied often", "0s begins a", "0s begins often", "0s listed", "5s begins often"];
    assert_eq!(world.after(6).await, first);
    world.tell([Event::Apply(object("a", "2")), Event::Delete(object("often", "3"))]);
    world.ask("often");
    world.ask("nobody");
    assert_eq!(world.after(6).await, ["6s applied a", "6s begins a", "6s deleted often"]);
    world.ask("a");
    assert_eq!(world.after(0).await, ["13s begins a"]);
    assert!(world.metrics.encode().unwrap().contains("sessionexport_reconciles_total 5"));
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_object_in_a_later_list_costs_nothing() {
    let world = World::start();
    world.list(&["a", "b"]);
    world.after(0).await;
    world.list(&["a", "b"]);
    world.list(&["a"]);
    assert_eq!(world.after(0).await, ["0s deleted b"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_stays_with_its_object_and_is_tried_again() {
    let world = World::start();
    world.list(&["poison", "a"]);
    assert_eq!(
        world.after(29).await,
        ["0s applied a", "0s applied poison", "0s begins a", "0s begins poison", "0s listed"]
    );
    world.tell([Event::Apply(object("a", "2"))]);
    assert_eq!(world.after(1).await, ["29s applied a", "29s begins a", "30s begins poison"]);
    world.tell([Event::Apply(object("poison", "2")), Event::Apply(object("b", "2"))]);
    let story = world.after(0).await;
    assert_eq!(story, ["31s applied b", "31s applied poison", "31s begins b", "31s begins poison"]);
    let text = world.metrics.encode().unwrap();
    assert!(text.contains("sessionexport_reconcile_panics_total 5"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn one_object_is_never_in_two_reconciles_and_a_change_meanwhile_causes_another() {
    let world = World::start();
    world.list(&["slow"]);
    world.after(4).await;
    world.tell([Event::Apply(object("slow", "2")), Event::Apply(object("slow", "3"))]);
    world.ask("slow");
    let story = world.after(30).await;
    assert_eq!(story, ["10s begins slow", "10s ends slow", "20s ends slow", "4s applied slow", "4s applied slow"]);
}

/// Each due object counts once, however often it is requested; a deleted one doesn't count.
#[tokio::test(start_paused = true)]
async fn the_depth_of_the_queue_is_measured() {
    let world = World::start();
    let depth = || {
        let text = world.metrics.encode().unwrap();
        text.lines().find_map(|line| line.strip_prefix("sessionexport_queue_depth ")).unwrap().to_owned()
    };
    world.list(&["slow", "a"]);
    world.after(0).await;
    assert_eq!(depth(), "0");
    world.tell([Event::Apply(object("slow", "2")), Event::Apply(object("slow", "3"))]);
    world.ask("slow");
    world.ask("nobody");
    world.after(0).await;
    assert_eq!(depth(), "1");
    world.after(20).await;
    assert_eq!(depth(), "0");
}

#[tokio::test(start_paused = true)]
async fn objects_of_the_first_list_count_until_their_reconciles_begin() {
    let world = World::start();
    let names: Vec<_> = (0..400).map(|n| format!("stuck{n}")).collect();
    world.list(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (after, depth) in [(0, 16), (11, 0)] {
        world.after(after).await;
        let text = world.metrics.encode().unwrap();
        assert!(text.contains(&format!("sessionexport_queue_depth {depth}\n")), "{depth}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_reconciles_end_but_begins_none() {
    let world = World::start();
    world.list(&["slow"]);
    world.after(5).await;
    world.tell([Event::Apply(object("slow", "2"))]);
    world.after(0).await;
    let started = Instant::now();
    assert_eq!(world.stop(Duration::from_secs(20)).await, ["10s ends slow"]);
    assert!(started.elapsed() <= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_stop_aborts_what_does_not_end_in_time() {
    let world = World::start();
    world.list(&["slow"]);
    world.after(1).await;
    let started = Instant::now();
    let recorder = Arc::clone(&world.recorder);
    assert_eq!(world.stop(Duration::from_secs(2)).await, [""; 0]);
    assert_eq!(started.elapsed().as_secs(), 2);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(recorder.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn every_object_of_the_first_list_is_reconciled_however_many_there_are() {
    let world = World::start();
    let names: Vec<_> = (0..2000).map(|n| format!("o{n:04}")).collect();
    world.list(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let story = world.after(1).await;
    let begun = story.iter().filter(|line| line.contains("begins")).count();
    assert_eq!((begun, story.len()), (2000, 4001));
}

/// An object with a number where a text belongs.
fn unreadable(name: &str, version: &str) -> Received<ConfigMap> {
    let mut object = serde_json::to_value(object(name, version)).unwrap();
    object["data"] = serde_json::json!({"a": 7});
    serde_json::from_str(&object.to_string()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_object_is_not_reconciled_until_it_changes_and_stops_no_other() {
    let world = World::start();
    world.signal(StreamItem::Event(Event::Init));
    world.signal(StreamItem::Event(Event::InitApply(unreadable("bad", "1"))));
    world.tell([Event::InitApply(object("good", "1")), Event::InitDone]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.recorder.take(), ["0s applied good", "0s begins good", "0s listed"]);
    assert!(world.metrics.encode().unwrap().contains("sessionexport_unreadable_objects 1\n"));
    world.triggers.send(ObjectRef::new("bad").within("n")).unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.recorder.take(), [""; 0]);

    world.tell([Event::Apply(object("bad", "2"))]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.recorder.take(), ["2s applied bad", "2s begins bad"]);
    assert!(world.metrics.encode().unwrap().contains("sessionexport_unreadable_objects 0\n"));

    // Its entry stays: no deletion is reported until the object is deleted.
    world.signal(StreamItem::Event(Event::Apply(unreadable("bad", "3"))));
    world.triggers.send(ObjectRef::new("bad").within("n")).unwrap();
    world.signal(StreamItem::Event(Event::Delete(unreadable("bad", "4"))));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.recorder.take(), ["3s deleted bad"]);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_stream_is_reported_until_a_list_is_complete() {
    let world = World::start();
    world.list(&[]);
    world.signal(StreamItem::Stalled("decode"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.recorder.take(), ["0s listed", "0s stalled Some(\"decode\")"]);
    let series = |value: u8| format!("sessionexport_watch_stalled{{kind=\"decode\"}} {value}\n");
    assert!(world.metrics.encode().unwrap().contains(&series(1)));
    world.list(&[]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.recorder.take(), ["1s stalled None"]);
    assert!(world.metrics.encode().unwrap().contains(&series(0)));
}
