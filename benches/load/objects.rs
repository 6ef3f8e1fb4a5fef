//! Sessions and SessionExports by the ten thousand: seeded, created, and adopted as if they had been accepted long ago.

use crate::setup::Setup;
use futures::{StreamExt, stream};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use session_export_operator::api::policy::SessionExportPolicy;
use session_export_operator::api::{ExportStatus, SessionExport};
use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::time::Duration;
use tokio::time::sleep;

/// Requests of ours that the API server has to deal with at a time.
const AT_ONCE: usize = 48;
const PREFIX: &str = "s3://exports/bench/";
const LIST_LIMIT: u32 = 1000;

/// One export. Its object is called like its session.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) namespace: String,
    pub(crate) session: String,
    pub(crate) group: String,
    pub(crate) uri: String,
}

/// Where the exports go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// AWS names the object.
    Prefix,
    /// The object is named.
    Zip,
}

/// Plans so many, spread evenly over the groups, and over namespaces as `namespace` says for each.
pub(crate) fn plan(setup: &Setup, count: usize, to: Destination, namespace: impl Fn(usize) -> usize) -> Vec<Planned> {
    let one = |n: usize| {
        let session = format!("s{n:06}");
        let uri = match to {
            Destination::Prefix => PREFIX.to_owned(),
            Destination::Zip => format!("{PREFIX}{session}.zip"),
        };
        let group = setup.groups[n % setup.groups.len()].clone();
        Planned { namespace: setup.namespaces[namespace(n)].clone(), session, group, uri }
    };
    (0..count).map(one).collect()
}

/// Makes their sessions; `seed` is what they have in common.
pub(crate) async fn seed(setup: &Setup, planned: &[Planned], seed: Value) {
    let mut alike: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for one in planned {
        let uri = if seed["export"].is_object() { one.uri.as_str() } else { "" };
        alike.entry((&one.group, uri)).or_default().push(&one.session);
    }
    for ((group, uri), ids) in alike {
        let mut body = seed.clone();
        body["group"] = json!(group);
        body["ids"] = json!(ids);
        if !uri.is_empty() {
            body["export"]["outputUri"] = json!(uri);
        }
        setup.world.simulator.ask("POST", "sessions", body).await;
    }
}

/// Makes live sessions whose export has been accepted.
pub(crate) async fn seed_pending(setup: &Setup, planned: &[Planned]) {
    seed(setup, planned, json!({"status": "CONNECTED", "export": {"status": "PENDING"}})).await;
}

fn api(setup: &Setup, namespace: &str) -> Api<SessionExport> {
    Api::namespaced(setup.world.client.clone(), namespace)
}

/// When an object was created, in milliseconds of the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Created {
    /// Its request was sent.
    pub(crate) sent: f64,
    /// And answered.
    pub(crate) answered: f64,
}

/// Creates one object.
pub(crate) async fn create(setup: &Setup, one: &Planned) -> Created {
    create_with(setup, one, Value::Null).await
}

async fn create_with(setup: &Setup, one: &Planned, status: Value) -> Created {
    let with_status = status.is_object();
    let object = json!({
        "apiVersion": "sessionexport.dev/v1alpha1",
        "kind": "SessionExport",
        "metadata": {"name": one.session},
        "spec": {"streamGroupIdentifier": one.group, "streamSessionIdentifier": one.session, "outputUri": one.uri},
        "status": status,
    });
    let object = serde_json::from_value(object).unwrap();
    let sent = wall();
    let created = api(setup, &one.namespace).create(&PostParams::default(), &object).await.unwrap();
    // Without one of its own it has the default.
    let has_status = created.status.is_some_and(|status| status.export_status.is_some());
    assert_eq!(has_status, with_status, "{}", one.session);
    Created { sent, answered: wall() }
}

/// Creates and deletes one: the API server may take 2 s for the first object of a type that is new to it.
pub(crate) async fn warm_up(setup: &Setup, one: &Planned) {
    create(setup, one).await;
    api(setup, &one.namespace).delete(&one.session, &DeleteParams::default()).await.unwrap();
}

/// Creates them as fast as the API server takes them; when each was, by session.
pub(crate) async fn create_all(setup: &Setup, planned: &[Planned]) -> HashMap<String, Created> {
    let each = stream::iter(planned).map(|one| async { (one.session.clone(), create(setup, one).await) });
    each.buffer_unordered(AT_ONCE).collect().await
}

/// Creates them with the status of an accepted export.
pub(crate) async fn adopt(setup: &Setup, planned: &[Planned]) {
    let Some((first, rest)) = planned.split_first() else { return };
    let status = first_adopted(setup, first).await;
    let each = stream::iter(rest).map(|one| async {
        create(setup, one).await;
        let patch = json!({"status": status.of(one)});
        let of = api(setup, &one.namespace);
        of.patch_status(&one.session, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    });
    each.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// The same with one request for each. No operator of any stand may run meanwhile: it could write no status.
pub(crate) async fn adopt_alone(setup: &Setup, planned: &[Planned]) {
    let Some((first, rest)) = planned.split_first() else { return };
    let status = first_adopted(setup, first).await;
    with_statuses(setup, rest.iter().map(|one| create_with(setup, one, status.of(one)))).await;
}

/// Carries out creations of objects that have a status already.
async fn with_statuses<T>(setup: &Setup, creations: impl Iterator<Item = impl Future<Output = T>>) {
    let control = setup.world.control();
    control.status_is_apart(false).await;
    stream::iter(creations).buffer_unordered(AT_ONCE).for_each(async |_| ()).await;
    control.status_is_apart(true).await;
    // Which keeps the API server busy for a while, unless it is restarted.
    control.restart_api_server().await;
    while !is_watched(&api(setup, &setup.namespaces[0])).await {
        sleep(Duration::from_millis(100)).await;
    }
}

/// Creates objects like this one, as these policies would have made them for other sessions of their groups. No operator
/// of any stand may run meanwhile.
pub(crate) async fn create_like<'a>(
    setup: &Setup,
    first: &SessionExport,
    owners: impl Iterator<Item = &'a SessionExportPolicy>,
) {
    let (session, group) = (&first.spec.stream_session_identifier, group_of(&first.spec.stream_group_identifier));
    let text = serde_json::to_string(&json!({"spec": first.spec, "status": first.status})).unwrap();
    let creations = owners.enumerate().map(|(n, owner)| {
        let own = format!("k{n:06}");
        let text = text.replace(session.as_str(), &own).replace(group, group_of(&owner.spec.stream_group_identifier));
        let mut object: Value = serde_json::from_str(&text).unwrap();
        let name = owner.name_any();
        object["metadata"] = json!({
            "name": format!("{name}-{own}"),
            "labels": {"sessionexport.dev/policy": name},
            "ownerReferences": [{
                "apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExportPolicy", "controller": true,
                "name": name, "uid": owner.uid(),
            }],
        });
        let object: SessionExport = serde_json::from_value(object).unwrap();
        async move { api(setup, &setup.namespaces[0]).create(&PostParams::default(), &object).await.unwrap() }
    });
    with_statuses(setup, creations).await;
}

/// The id of a group, of its id or ARN.
fn group_of(identifier: &str) -> &str {
    identifier.rsplit('/').next().unwrap_or(identifier)
}

/// Whether the API server serves watches of them: not before it has read them all.
async fn is_watched(exports: &Api<SessionExport>) -> bool {
    let Ok(events) = exports.watch(&WatchParams::default().initial_events(), "0").await else { return false };
    matches!(pin!(events).next().await, Some(Ok(WatchEvent::Added(_))))
}

/// The status that an operator has written for the first of them.
struct Adopted<'a> {
    first: &'a Planned,
    status: String,
}

impl Adopted<'_> {
    fn of(&self, one: &Planned) -> Value {
        let own = self.status.replace(&self.first.session, &one.session).replace(&self.first.group, &one.group);
        serde_json::from_str(&own).unwrap()
    }
}

async fn first_adopted<'a>(setup: &Setup, first: &'a Planned) -> Adopted<'a> {
    create(setup, first).await;
    let operator = setup.operator().await;
    let status = accepted(setup, first).await;
    operator.stop().await;
    Adopted { first, status }
}

/// Waits until it is PENDING, and returns the status as text.
async fn accepted(setup: &Setup, one: &Planned) -> String {
    for _ in 0..1200 {
        let status = api(setup, &one.namespace).get(&one.session).await.unwrap().status.unwrap_or_default();
        if status.export_status == Some(ExportStatus::Pending) {
            return serde_json::to_string(&status).unwrap();
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{} was never adopted: {}", one.session, setup.world.logs());
}

/// How many objects have the status SUCCEEDED, PENDING, FAILED, and none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) succeeded: usize,
    pub(crate) pending: usize,
    pub(crate) failed: usize,
    pub(crate) none: usize,
}

/// How the objects stand, as the API server tells it.
pub(crate) async fn outcomes(setup: &Setup) -> Outcomes {
    let mut found = Outcomes::default();
    for namespace in &setup.namespaces {
        let mut page = ListParams::default().limit(LIST_LIMIT);
        loop {
            let list = api(setup, namespace).list(&page).await.unwrap();
            list.items.iter().for_each(|object| found.add(object));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
    }
    found
}

impl Outcomes {
    /// All of them.
    pub(crate) const fn sum(self) -> usize {
        self.succeeded + self.pending + self.failed + self.none
    }

    fn add(&mut self, object: &SessionExport) {
        let count = match object.status.as_ref().and_then(|status| status.export_status) {
            Some(ExportStatus::Succeeded) => &mut self.succeeded,
            Some(ExportStatus::Pending) => &mut self.pending,
            Some(ExportStatus::Failed) => &mut self.failed,
            Some(ExportStatus::Unrecognized) | None => &mut self.none,
        };
        *count += 1;
    }
}

/// Milliseconds of the wall clock.
pub(crate) fn wall() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 / 1000.0
}
