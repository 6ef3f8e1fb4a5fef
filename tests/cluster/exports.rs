//! SessionExports and what comes of them, in Kubernetes, at AWS and in S3.

use crate::cluster::{Cluster, PATIENCE};
use crate::node::diagnosis;
use crate::release::TENANT;
use crate::simulator::{GROUP, merge};
use futures::StreamExt;
use futures::stream::iter;
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use session_export_operator::api::{ExportStatus, SessionExport, SessionExportStatus};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const URI: &str = "s3://exports/team-a/";

impl Cluster {
    pub(crate) fn exports(&self) -> Api<SessionExport> {
        Api::namespaced(self.client.clone(), TENANT)
    }

    /// A live session, and an export of it by the same name, with more in its spec.
    pub(crate) async fn export(&self, name: &str, more: Value) {
        self.simulator.session(name, json!({})).await;
        self.create(name, more).await;
    }

    async fn create(&self, name: &str, more: Value) {
        let mut spec = json!({"streamGroupIdentifier": GROUP, "streamSessionIdentifier": name, "outputUri": URI});
        merge(&mut spec, more);
        let object = json!({
            "apiVersion": "sessionexport.dev/v1alpha1",
            "kind": "SessionExport",
            "metadata": {"name": name},
            "spec": spec,
        });
        self.exports().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    /// Exports `PREFIX-0` and so on.
    pub(crate) async fn exports_of(&self, prefix: &str, count: usize) -> Vec<String> {
        let names: Vec<String> = (0..count).map(|n| format!("{prefix}-{n}")).collect();
        self.simulator.ask("POST", "sessions", json!({"ids": names})).await;
        iter(&names).for_each_concurrent(16, |name| self.create(name, json!({}))).await;
        names
    }

    /// Waits until AWS has accepted all of them.
    pub(crate) async fn accepted(&self, names: &[String]) {
        self.all(names, "accepted", |status| status.export_status == Some(ExportStatus::Pending)).await;
    }

    /// Ends the sessions; each comes to one ZIP, and AWS was asked for one export of it.
    pub(crate) async fn come_to_their_zips(&self, names: &[String]) {
        for name in names {
            self.simulator.end(name).await;
        }
        self.came_to_their_zips(names).await;
    }

    /// The same of sessions that have ended already.
    pub(crate) async fn came_to_their_zips(&self, names: &[String]) {
        let done = self.all(names, "finished", |status| status.completion_time.is_some()).await;
        for status in &done {
            assert_eq!(status.export_status, Some(ExportStatus::Succeeded), "{status:#?}\n{}", diagnosis());
        }
        self.were_asked_for_once(names).await;
        are_zips(done.iter().map(|status| self.file(status.output_uri.as_deref().unwrap())));
    }

    /// Waits until all of them are so.
    async fn all(
        &self,
        names: &[String],
        what: &str,
        is_so: impl Fn(&SessionExportStatus) -> bool,
    ) -> Vec<SessionExportStatus> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let listed = self.exports().list(&ListParams::default()).await.unwrap().items;
            let mut statuses: BTreeMap<String, SessionExportStatus> =
                listed.into_iter().map(|object| (object.name_any(), object.status.unwrap_or_default())).collect();
            let other = names.iter().find(|name| !is_so(&statuses[*name]));
            let Some(other) = other else { return names.iter().map(|name| statuses.remove(name).unwrap()).collect() };
            assert!(Instant::now() < give_up, "{other} is never {what}: {:#?}\n{}", statuses[other], diagnosis());
            // A long list is long to read.
            sleep(Duration::from_millis(50 + names.len() as u64)).await;
        }
    }

    /// AWS has made one export of each session, however often it was asked, and was never asked for another
    /// destination.
    async fn were_asked_for_once(&self, names: &[String]) {
        let of = async |kind: &str| {
            let records = self.simulator.ask("GET", &format!("journal?kind={kind}"), Value::Null).await;
            records["records"].as_array().unwrap().clone()
        };
        let (exports, calls) = (of("export").await, of("call&operation=ExportStreamSessionFiles").await);
        for name in names {
            let made = exports.iter().filter(|record| record["session"] == *name && record["to"] == "PENDING");
            assert_eq!(made.count(), 1, "exports of {name}");
            assert!(
                calls.iter().filter(|call| call["session"] == *name).all(|call| call["outputUri"] == URI),
                "{name}"
            );
        }
    }

    fn file(&self, uri: &str) -> PathBuf {
        self.buckets.join(uri.strip_prefix("s3://").unwrap())
    }
}

/// What lies in S3 are ZIPs without a flaw, with the application's files in them.
fn are_zips(files: impl Iterator<Item = PathBuf>) {
    let judge = "import sys, zipfile
for name in sys.argv[1:]:
    zip = zipfile.ZipFile(name)
    assert zip.testzip() is None and any(n.startswith('application/') for n in zip.namelist()), name";
    let output = Command::new("python3").args(["-c", judge]).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
