//! What every disturbed run is judged by: the end state of an undisturbed one, one export for each session, and
//! histories in which nothing that is final ever changes.

use crate::world::World;
use futures::StreamExt;
use kube::api::ListParams;
use kube_runtime::watcher::{self, Event};
use serde_json::{Value, json};
use session_export_operator::api::{SessionExport, SessionExportStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A watch that is silent for so long is not waited for any more.
const SILENCE: Duration = Duration::from_secs(10);

/// The end of an undisturbed export to a prefix, without its times and generated names.
pub(crate) fn exported(prefix: &str) -> Value {
    json!({
        "exportStatus": "SUCCEEDED",
        "outputUri": prefix,
        "session": {"status": "TERMINATED", "statusReason": "applicationExit"},
        "Accepted": "True",
        "Ready": "True Exported",
        "Succeeded": "True Exported",
        "times": ["startTime", "requestAttemptTime", "requestTime", "completionTime"],
    })
}

/// The same of an export whose session ended before the request.
pub(crate) fn session_ended() -> Value {
    json!({
        "exportStatus": "FAILED",
        "session": {"status": "TERMINATED", "statusReason": "applicationExit"},
        "Accepted": "False",
        "Ready": "False SessionEnded",
        "Stalled": "True SessionEnded",
        "Succeeded": "False SessionEnded",
    })
}

/// What of a status must come out the same however a run was disturbed.
pub(crate) fn end_state(status: &SessionExportStatus) -> Value {
    let full = serde_json::to_value(status).unwrap();
    let mut end = json!({});
    end["exportStatus"] = full["exportStatus"].clone();
    if let Some(uri) = full["outputUri"].as_str() {
        let kept = uri.rfind('/').map_or(uri.len(), |slash| slash + 1);
        end["outputUri"] = json!(&uri[..kept]);
    }
    end["session"] = json!({"status": full["session"]["status"], "statusReason": full["session"]["statusReason"]});
    for condition in &status.conditions {
        // Why the promise holds tells whether it was seen before the end: it keeps its first reason.
        let reason = if condition.type_ == "Accepted" { "" } else { &*condition.reason };
        end[&*condition.type_] = json!(format!("{} {reason}", condition.status).trim_end());
    }
    let times = ["startTime", "requestAttemptTime", "requestTime", "completionTime"];
    if full["exportStatus"] == "SUCCEEDED" {
        let set: Vec<_> = times.into_iter().filter(|time| !full[*time].is_null()).collect();
        end["times"] = json!(set);
    }
    end
}

/// Every version of every SessionExport of a world, as a watch shows them.
pub(crate) struct History {
    seen: Arc<Mutex<BTreeMap<String, Vec<SessionExport>>>>,
    watch: JoinHandle<()>,
}

impl History {
    pub(crate) fn of(world: &World) -> Self {
        let seen: Arc<Mutex<BTreeMap<String, Vec<SessionExport>>>> = Arc::default();
        let into = seen.clone();
        let exports = world.exports();
        let watch = tokio::spawn(async move {
            // Listed again after an error or a long silence: kube's watcher may ask for a version that is gone
            // indefinitely.
            loop {
                let mut events = watcher::watcher(exports.clone(), watcher::Config::default()).boxed();
                while let Ok(Some(Ok(event))) = timeout(SILENCE, events.next()).await {
                    if let Event::Apply(object) | Event::InitApply(object) = event {
                        let uid = object.metadata.uid.clone().unwrap();
                        into.lock().unwrap().entry(uid).or_default().push(object);
                    }
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { seen, watch }
    }

    /// Checks all histories, once the watch shows everything that is stored.
    pub(crate) async fn check(&self, world: &World) {
        self.catch_up(world).await;
        for versions in self.seen.lock().unwrap().values() {
            for pair in versions.windows(2) {
                allowed(&pair[0], &pair[1]);
            }
        }
    }

    /// True if an object ever showed this reason.
    pub(crate) fn ever(&self, name: &str, reason: &str) -> bool {
        let seen = self.seen.lock().unwrap();
        let mut versions = seen.values().flatten().filter(|object| object.metadata.name.as_deref() == Some(name));
        versions.any(|object| object.status.iter().flat_map(|s| &s.conditions).any(|c| c.reason == reason))
    }

    /// How many status writes of an object it shows. After a broken watch it may show fewer than there were.
    pub(crate) async fn writes(&self, world: &World, name: &str) -> usize {
        self.catch_up(world).await;
        let seen = self.seen.lock().unwrap();
        let versions = seen.values().flatten().filter(|object| object.metadata.name.as_deref() == Some(name));
        let versions: BTreeSet<_> = versions.map(|object| object.metadata.resource_version.clone()).collect();
        versions.len() - 1
    }

    async fn catch_up(&self, world: &World) {
        let stored = world.exports().list(&ListParams::default()).await.unwrap().items;
        let shown = |object: &SessionExport| {
            let seen = self.seen.lock().unwrap();
            let versions = seen.get(object.metadata.uid.as_deref().unwrap());
            // That version, or a later one: a recorder that lists again skips what was overwritten meanwhile.
            versions.is_some_and(|all| all.iter().any(|one| version(one) >= version(object)))
        };
        world.eventually("the watch shows all that is stored", || async { stored.iter().all(shown) }).await;
    }
}

fn version(object: &SessionExport) -> u64 {
    object.metadata.resource_version.as_deref().unwrap().parse().unwrap()
}

impl Drop for History {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// A finished status never changes, but for the generation that was looked at; what was accepted stays accepted; the
/// intent is written once.
fn allowed(before: &SessionExport, after: &SessionExport) {
    let (Some(was), Some(is)) = (&before.status, &after.status) else { return };
    let steps = format!("from {was:#?}\nto {is:#?}");
    if was.completion_time.is_some() {
        assert_eq!(without_generations(was), without_generations(is), "a final state changed {steps}");
    }
    let accepted = |s: &SessionExportStatus| s.conditions.iter().any(|c| c.type_ == "Accepted" && c.status == "True");
    assert!(!accepted(was) || accepted(is), "a promise was taken back {steps}");
    let kept = [
        (was.start_time.as_ref(), is.start_time.as_ref()),
        (was.request_attempt_time.as_ref(), is.request_attempt_time.as_ref()),
        (was.request_time.as_ref(), is.request_time.as_ref()),
    ];
    assert!(kept.iter().all(|(was, is)| was.is_none() || was == is), "a time was rewritten {steps}");
}

fn without_generations(status: &SessionExportStatus) -> Value {
    let mut value = serde_json::to_value(status).unwrap();
    value["observedGeneration"] = Value::Null;
    for condition in value["conditions"].as_array_mut().into_iter().flatten() {
        condition["observedGeneration"] = Value::Null;
    }
    value
}
