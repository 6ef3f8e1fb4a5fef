//! One scenario's stand: namespaces on the shared control plane, a simulator and an operator of its own.

use crate::audit::Audit;
use crate::journal::Journal;
use crate::operator::Operator;
use crate::run::Running;
use crate::simulator::{ACCESS_KEY_ID, merge};
use crate::world::World;
use serde_json::{Value, json};
use std::path::PathBuf;
use tokio::time::Instant;

/// The operator's share, requests per second: its defaults, in which every bar is expressed.
pub(crate) const EXPORT_SHARE: f64 = 18.0;
pub(crate) const GET_SHARE: f64 = 10.0;
pub(crate) const LIST_SHARE: f64 = 10.0;
/// Sessions on a page of a list, at most.
pub(crate) const PAGE: usize = 100;

pub(crate) struct Setup {
    pub(crate) world: World,
    pub(crate) namespaces: Vec<String>,
    pub(crate) groups: Vec<String>,
    journal: PathBuf,
    /// What to add to the simulator's milliseconds for those of the wall clock.
    pub(crate) wall: f64,
}

impl Setup {
    /// Nothing is different from an installation's defaults but the quick ends and small ZIPs of the simulated service.
    pub(crate) async fn new(name: &str, namespaces: usize, groups: usize, behaviour: Value) -> Self {
        Self::with(name, (namespaces, groups), behaviour, json!({})).await
    }

    /// One namespace, in which policies may be.
    pub(crate) async fn with_policies(name: &str, groups: usize) -> Self {
        let rule = json!({
            "namespaces": ["*"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"], "policies": true,
        });
        let setup =
            Self::with(name, (1, groups), Value::Null, json!({"policies": {"enabled": true}, "rules": [rule]})).await;
        setup.world.permit_policies().await;
        setup
    }

    async fn with(name: &str, (namespaces, groups): (usize, usize), behaviour: Value, more: Value) -> Self {
        let own = format!("e2e-bench-{name}");
        let namespaces: Vec<_> = (0..namespaces).map(|n| numbered(&own, n)).collect();
        let groups: Vec<_> = (0..groups).map(|n| format!("sg-{n:02}")).collect();
        let journal = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{own}.journal"));
        std::fs::remove_file(&journal).ok();
        let (named, written) = (groups.join(","), journal.display().to_string());
        let flags = ["--group", &named, "--journal", &written, "--files-per-folder", "1", "--file-bytes", "64"];
        let mut changes = json!({
            "timing": null,
            "rules": [{"namespaces": ["*"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"]}],
            "watch": {"namespaces": &namespaces},
        });
        merge(&mut changes, more);
        let world = World::with(&format!("bench-{name}"), &flags, changes).await;
        let mut setup = Self { world, namespaces, groups, journal, wall: 0.0 };
        for namespace in &setup.namespaces[1..] {
            setup.world.also_in(namespace).await;
        }
        if behaviour.is_object() {
            setup.world.simulator.behave(json!({"defaults": behaviour})).await;
        }
        let time = setup.time().await;
        setup.wall = time["nowMs"].as_f64().unwrap() - time["sinceStartMs"].as_f64().unwrap();
        setup
    }

    async fn time(&self) -> Value {
        self.world.simulator.ask("GET", "time", Value::Null).await
    }

    /// The simulator's clock.
    pub(crate) async fn now(&self) -> f64 {
        self.time().await["sinceStartMs"].as_f64().unwrap()
    }

    /// Starts an operator with the default waits and shares, and waits until it leads.
    pub(crate) async fn operator(&self) -> Running {
        let started = Instant::now();
        let operator: Operator = self.world.start(json!({}), &[]).await;
        Running::lead(operator, started).await
    }

    /// What the operator asks of the API server from now on.
    pub(crate) fn audit(&self) -> Audit {
        let user = format!("system:serviceaccount:{}:session-export-operator", self.world.namespace);
        Audit::mark(self.world.control().audit_log(), user)
    }

    /// What the simulator has written down since a moment of its clock.
    pub(crate) fn journal(&self, since: f64) -> Journal {
        Journal::read(&self.journal, since)
    }

    /// The key that the operator calls with.
    pub(crate) fn key(&self) -> &'static str {
        ACCESS_KEY_ID
    }
}

/// The first has the ServiceAccount and the lease, and so no number.
fn numbered(own: &str, n: usize) -> String {
    if n == 0 { own.to_owned() } else { format!("{own}-{n}") }
}
