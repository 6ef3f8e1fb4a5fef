//! Watches that lose events without breaking: what is not told must be found within a minute or so. And lists that take
//! long: what is created meanwhile must not wait for their end.

use crate::proxy::Proxy;
use crate::simulator::tied;
use crate::world::World;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// The API server without TLS, so that a proxy can tell one event from another.
struct Plain {
    child: Child,
    address: String,
}

impl Plain {
    fn of(world: &World) -> Self {
        let (kubectl, kubeconfig) = (world.control().bin().join("kubectl"), world.control().kubeconfig());
        let mut command = tied(&kubectl);
        command.arg("--kubeconfig").arg(kubeconfig).args(["proxy", "--port=0"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("Starting to serve on ").to_owned();
        Self { child, address }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn found(world: &World, name: &str) {
    let is_seen = || async { world.status(name).await.start_time.is_some() };
    world.eventually(&format!("{name} is seen"), is_seen).await;
    world.reason(name, "ExportPending").await;
}

#[tokio::test]
async fn a_swallowed_event_is_made_up_for_by_the_next_watch_however_long_its_list_takes() {
    let world = World::new("watch-swallowed").await;
    let plain = Plain::of(&world);
    let proxy = Proxy::to(plain.address.clone()).await;
    let server = proxy.server.replace("https", "http");
    let operator = world.start_through(Some(&server), json!({}), &[]).await;
    operator.ready("leading").await;
    for name in ["swallowed", "told", "meanwhile"] {
        world.simulator.session(name, json!({})).await;
    }
    proxy.swallow("swallowed");
    world.export("swallowed", "swallowed", "s3://exports/a/").await;
    world.eventually("the event is swallowed", || async { proxy.swallowed() == 1 }).await;
    // The watch goes on, and nothing shows that something is missing.
    world.export("told", "told", "s3://exports/a/").await;
    world.reason("told", "ExportPending").await;
    assert_eq!(world.status("swallowed").await.start_time, None);
    // The next watch lists everything, and until it has done so the one before goes on.
    proxy.hold_lists(true);
    world.eventually("everything is listed again", || async { proxy.held() > 0 }).await;
    world.export("meanwhile", "meanwhile", "s3://exports/a/").await;
    world.reason("meanwhile", "ExportPending").await;
    assert_eq!(proxy.held(), 1, "the list is not complete yet");
    proxy.hold_lists(false);
    found(&world, "swallowed").await;
    assert_eq!(proxy.swallowed(), 1);
    assert!(!operator.log().contains("list or watch failed"), "nothing failed\n{}", operator.log());
}

#[tokio::test]
async fn a_silent_connection_is_made_up_for_by_the_next_watch() {
    let world = World::new("watch-silent").await;
    let proxy = Proxy::to(world.api_server()).await;
    let operator = world.start_through(Some(&proxy.server), json!({}), &[]).await;
    operator.ready("leading").await;
    world.simulator.session("unheard", json!({})).await;
    // Whatever is open now stays open indefinitely, and says nothing any more.
    proxy.silence();
    world.export("unheard", "unheard", "s3://exports/a/").await;
    found(&world, "unheard").await;
    let lines = world.audited();
    let lists = lines.iter().filter(|line| line["verb"] == "list" && line["objectRef"]["resource"] == "sessionexports");
    let whole = lists.filter(|line| !line["requestURI"].as_str().unwrap().contains("limit=1")).count();
    assert_eq!(whole, 0, "it never lists: each watch begins with everything");
}
