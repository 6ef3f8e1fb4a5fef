//! One operator for all namespaces, a tenant that tries everything, and a victim.

use crate::control_plane::ControlPlane;
use crate::operator::Operator;
use crate::simulator::{GROUP, merge};
use crate::world::World;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use session_export_operator::api::{ExportStatus, SessionExport, SessionExportStatus};
use session_export_operator::runtime::received::Received;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The stream group of the hostile tenant; [`GROUP`] is the victim's.
pub(crate) const HOSTILE_GROUP: &str = "sg-5FG6H7Ij8";
/// Where the sessions run for which a victim makes an object; those that a victim's policy is to export run elsewhere.
const VICTIM_LOCATION: &str = "us-east-1";
/// Longest that anything is waited for; never what is measured.
const PATIENCE: Duration = Duration::from_secs(60);
/// Tests that measure how late a victim is share the machine; one that keeps it busy has it alone.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// The part of the machine that a test has, until it is dropped.
enum Share {
    /// That of another cluster of the same test.
    _Others,
    _Shared(RwLockReadGuard<'static, ()>),
    _Alone(RwLockWriteGuard<'static, ()>),
}

/// For a test without a [`Cluster`].
pub(crate) async fn share_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}

/// Only objects with this label are the operator's, so that suites can run side by side.
const LABEL: &str = "suite";

pub(crate) struct Cluster {
    pub(crate) world: World,
    /// The namespace of the hostile tenant.
    pub(crate) hostile: String,
    /// The namespace of the victim.
    pub(crate) victim: String,
    name: String,
    operator: Option<Operator>,
    victims: AtomicUsize,
    _share: Share,
}

impl Cluster {
    pub(crate) async fn start(name: &str, changes: Value) -> Self {
        let share = Share::_Shared(share_machine().await);
        Self::on(ControlPlane::shared().await, name, changes, share).await
    }

    /// For a test that keeps the machine busy.
    pub(crate) async fn start_alone(name: &str, changes: Value) -> Self {
        let share = Share::_Alone(MACHINE.write().await);
        Self::on(ControlPlane::shared().await, name, changes, share).await
    }

    /// Another one on the same control plane, with an operator and tenants of its own.
    pub(crate) async fn beside(&self, name: &str, changes: Value) -> Self {
        Self::on(self.world.control(), name, changes, Share::_Others).await
    }

    /// Another one whose hostile tenant does nothing.
    pub(crate) async fn undisturbed(&self) -> Self {
        self.beside(&format!("{}-undisturbed", self.name), json!({})).await
    }

    /// The same on a control plane of its own, with further flags for the API server.
    pub(crate) async fn start_alone_with_flags(name: &str, flags: &str) -> Self {
        let share = Share::_Alone(MACHINE.write().await);
        let control = Box::leak(Box::new(ControlPlane::with_flags(flags).await));
        Self::on(control, name, json!({}), share).await
    }

    async fn on(control: &'static ControlPlane, name: &str, changes: Value, share: Share) -> Self {
        let (hostile, victim) = (format!("hostile-{name}"), format!("victim-{name}"));
        let rule = |namespace: &str, group: &str| json!({"namespaces": [namespace], "streamGroups": [group], "outputPrefixes": [prefix_of(namespace)]});
        let mut config = json!({
            "rules": [rule(&victim, GROUP), rule(&hostile, HOSTILE_GROUP)],
            "watch": {"namespaces": [], "labelSelector": format!("{LABEL}={name}")},
        });
        merge(&mut config, changes);
        let world = World::on(control, name, &["--group", GROUP, "--group", HOSTILE_GROUP], config).await;
        world.permit_everywhere().await;
        world.permit_policies_everywhere().await;
        for namespace in [&hostile, &victim] {
            control.namespace(namespace).await;
        }
        let operator = Some(world.operator().await);
        let cluster = Self {
            world,
            hostile,
            victim,
            name: name.to_owned(),
            operator,
            victims: AtomicUsize::new(0),
            _share: share,
        };
        // An API server's first creation of a kind takes it two seconds.
        cluster.victim_accepted_after().await;
        cluster
    }

    pub(crate) fn operator(&self) -> &Operator {
        self.operator.as_ref().unwrap()
    }

    /// Kills the operator and starts the next one.
    pub(crate) async fn restart(&mut self) {
        self.start_next().await;
        self.operator().ready("").await;
    }

    /// The same without waiting until it is ready.
    pub(crate) async fn start_next(&mut self) {
        self.world.crash(self.operator.take().unwrap()).await;
        self.operator = Some(self.world.start(json!({}), &[]).await);
    }

    /// Decoded as the operator does: an object's metadata may be beyond the ordinary types.
    pub(crate) fn exports(&self, namespace: &str) -> Api<Received<SessionExport>> {
        Api::namespaced(self.world.client.clone(), namespace)
    }

    /// An object of a tenant, with more metadata, as the API server takes it.
    pub(crate) fn object(&self, namespace: &str, name: &str, spec: Value) -> Value {
        json!({
            "apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExport",
            "metadata": {"name": name, "namespace": namespace, "labels": {LABEL: &self.name}},
            "spec": spec,
        })
    }

    /// Creates a policy of a tenant, whose exports this operator watches. The error is the server's.
    pub(crate) async fn create_policy(
        &self,
        namespace: &str,
        name: &str,
        changes: Value,
    ) -> Result<Value, kube::Error> {
        let mut policy = json!({
            "apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExportPolicy",
            "metadata": {"name": name, "namespace": namespace, "labels": {LABEL: &self.name}},
            "spec": {
                "streamGroupIdentifier": GROUP,
                "template": {
                    "metadata": {"labels": {LABEL: &self.name}},
                    "spec": {"outputUri": format!("{}{{sessionId}}.zip", prefix_of(namespace))},
                },
            },
        });
        merge(&mut policy, changes);
        self.create_in(namespace, "sessionexportpolicies", policy.to_string()).await
    }

    /// A request of the hostile tenant that its own rule covers.
    pub(crate) fn covered(&self, name: &str, session: &str) -> Value {
        self.below_own_prefix(HOSTILE_GROUP, name, session)
    }

    /// An object of the hostile tenant for a session of the victim's group.
    pub(crate) fn for_victims_session(&self, name: &str, session: &str) -> Value {
        self.below_own_prefix(GROUP, name, session)
    }

    fn below_own_prefix(&self, group: &str, name: &str, session: &str) -> Value {
        let uri = format!("{}{name}.zip", prefix_of(&self.hostile));
        let spec = json!({"streamGroupIdentifier": group, "streamSessionIdentifier": session, "outputUri": uri});
        self.object(&self.hostile, name, spec)
    }

    /// Creates an object from JSON text, which may hold what no type of this program can. The error is the server's.
    pub(crate) async fn create(&self, namespace: &str, text: String) -> Result<Value, kube::Error> {
        self.create_in(namespace, "sessionexports", text).await
    }

    async fn create_in(&self, namespace: &str, resource: &str, text: String) -> Result<Value, kube::Error> {
        let url = format!("/apis/sessionexport.dev/v1alpha1/namespaces/{namespace}/{resource}");
        let request = http::Request::post(url).header("content-type", "application/json").body(text.into_bytes());
        let answer = self.world.client.request_text(request.unwrap()).await?;
        Ok(serde_json::from_str(&answer).unwrap_or(Value::Null))
    }

    /// Writes a status with the right to `sessionexports/status`.
    pub(crate) async fn write_status(&self, namespace: &str, name: &str, status: Value) -> Result<(), kube::Error> {
        let url = format!("/apis/sessionexport.dev/v1alpha1/namespaces/{namespace}/sessionexports/{name}/status");
        let body = json!({"status": status}).to_string().into_bytes();
        let request = http::Request::patch(url).header("content-type", "application/merge-patch+json").body(body);
        self.world.client.request_text(request.unwrap()).await.map(drop)
    }

    /// An object as text: whatever is in it.
    pub(crate) async fn stored(&self, namespace: &str, name: &str) -> String {
        let url = format!("/apis/sessionexport.dev/v1alpha1/namespaces/{namespace}/sessionexports/{name}");
        self.world.client.request_text(http::Request::get(url).body(vec![]).unwrap()).await.unwrap()
    }

    /// The status of an object, as it is stored.
    pub(crate) async fn stored_status(&self, namespace: &str, name: &str) -> Value {
        let object: Value = serde_json::from_str(&self.stored(namespace, name).await).unwrap();
        object["status"].clone()
    }

    /// Waits until an object of the victim has finished, and returns its status.
    pub(crate) async fn until_finished(&self, name: &str) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.stored_status(&self.victim, name).await;
            if !status["completionTime"].is_null() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "{name} never finishes: {status}\n{}", self.world.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// One export of the victim, of a session of its own: how long it takes until AWS has accepted it.
    pub(crate) async fn victim_accepted_after(&self) -> Duration {
        let session = format!("Victim{}", self.victims.fetch_add(1, Ordering::Relaxed));
        self.world.simulator.session(&session, json!({"location": VICTIM_LOCATION})).await;
        self.accepted_after(&session).await
    }

    /// The same, if it takes no longer than `limit`.
    pub(crate) async fn victim_accepted_within(&self, limit: Duration) -> Option<Duration> {
        let accepted = tokio::time::timeout(limit, self.victim_accepted_after()).await.ok();
        accepted.filter(|took| *took <= limit)
    }

    /// The same of a session that is there.
    pub(crate) async fn accepted_after(&self, session: &str) -> Duration {
        let name = session.to_lowercase();
        let uri = prefix_of(&self.victim);
        let spec = json!({"streamGroupIdentifier": GROUP, "streamSessionIdentifier": session, "outputUri": uri});
        let object = self.object(&self.victim, &name, spec).to_string();
        let begun = Instant::now();
        self.create(&self.victim, object).await.unwrap();
        self.until_accepted(&name).await;
        begun.elapsed()
    }

    /// The status of an object that can be decoded.
    pub(crate) async fn status(&self, namespace: &str, name: &str) -> SessionExportStatus {
        let received = self.exports(namespace).get(name).await.unwrap();
        received.decode().unwrap().status.unwrap_or_default()
    }

    /// Waits until an object of the victim is accepted.
    pub(crate) async fn until_accepted(&self, name: &str) {
        let begun = Instant::now();
        loop {
            let status = self.status(&self.victim, name).await;
            if status.export_status == Some(ExportStatus::Pending) {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE && status.completion_time.is_none(),
                "the victim's export is not accepted: {status:?}\n{}",
                self.world.logs()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The value of one of the operator's metrics without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.operator().get("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Waits until one of the metrics has this value, as long as it moves at least once a minute.
    pub(crate) async fn until_metric(&self, name: &str, wanted: u32) {
        let (mut last, mut moved) = (f64::NAN, Instant::now());
        while last != f64::from(wanted) {
            let value = self.metric(name).await;
            if value != last {
                (last, moved) = (value, Instant::now());
            }
            assert!(moved.elapsed() < PATIENCE, "{name} stands still at {last} of {wanted}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the object shows this reason, and returns the message.
    pub(crate) async fn shows(&self, namespace: &str, name: &str, reason: &str) -> String {
        let begun = Instant::now();
        loop {
            let status = self.status(namespace, name).await;
            let ready = status.conditions.iter().find(|shown| shown.type_ == "Ready");
            if let Some(shown) = ready.filter(|shown| shown.reason == reason) {
                return shown.message.to_string();
            }
            assert!(begun.elapsed() < PATIENCE, "{name} never shows {reason}: {status:?}\n{}", self.world.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Edits an object's spec.
    pub(crate) async fn edit(&self, namespace: &str, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.exports(namespace).patch(name, &PatchParams::default(), &patch).await.unwrap();
    }
}

/// Where a namespace may export to.
pub(crate) fn prefix_of(namespace: &str) -> String {
    format!("s3://exports/{namespace}/")
}
