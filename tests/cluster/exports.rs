//! SessionExports and what comes of them, in Kubernetes, at AWS and in S3.

use crate::cluster::{Cluster, PATIENCE};
use crate::node::diagnosis;
use crate::release::TENANT;
use crate::simulator::{GROUP, merge};
use futures::StreamExt;
use futures::stream::iter;
use kube::Api;
use kube::api::{ListParams, PostParams};
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

    /// Waits until AWS has accepted the export of each of these sessions, whoever has made it.
    pub(crate) async fn accepted(&self, sessions: &[String]) {
        self.all(sessions, "accepted", |status| status.export_status == Some(ExportStatus::Pending)).await;
    }

    /// Ends the sessions once the export of each is accepted; each comes to one ZIP, and AWS was asked for one export of
    /// it.
    pub(crate) async fn come_to_their_zips(&self, sessions: &[String]) {
        self.accepted(sessions).await;
        for session in sessions {
            self.simulator.end(session).await;
        }
        self.came_to_their_zips(sessions).await;
    }

    /// The same of sessions that have ended already.
    pub(crate) async fn came_to_their_zips(&self, sessions: &[String]) {
        let done = self.all(sessions, "finished", |status| status.completion_time.is_some()).await;
        let statuses = || done.iter().map(|export| export.status.as_ref().unwrap());
        for status in statuses() {
            assert_eq!(status.export_status, Some(ExportStatus::Succeeded), "{}\n{status:#?}", diagnosis());
        }
        self.were_asked_for_once(&done).await;
        are_zips(statuses().map(|status| self.file(status.output_uri.as_deref().unwrap())));
    }

    /// Waits until the exports of all of these sessions are so.
    async fn all(
        &self,
        sessions: &[String],
        what: &str,
        is_so: impl Fn(&SessionExportStatus) -> bool,
    ) -> Vec<SessionExport> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let listed = self.exports().list(&ListParams::default()).await.unwrap().items;
            let mut exports: BTreeMap<String, SessionExport> =
                listed.into_iter().map(|export| (export.spec.stream_session_identifier.clone(), export)).collect();
            let status = |session: &String| exports.get(session).and_then(|export| export.status.as_ref());
            let other = sessions.iter().find(|session| !status(session).is_some_and(&is_so));
            let Some(other) = other else { return sessions.iter().map(|one| exports.remove(one).unwrap()).collect() };
            assert!(Instant::now() < give_up, "{}\n{other} is never {what}: {:#?}", diagnosis(), status(other));
            // A long list is long to read.
            sleep(Duration::from_millis(50 + sessions.len() as u64)).await;
        }
    }

    /// AWS has made one export for each of these objects, however often it was asked, and was never asked for another
    /// destination.
    async fn were_asked_for_once(&self, exports: &[SessionExport]) {
        let of = async |kind: &str| {
            let records = self.simulator.ask("GET", &format!("journal?kind={kind}"), Value::Null).await;
            records["records"].as_array().unwrap().clone()
        };
        let (made, calls) = (of("export").await, of("call&operation=ExportStreamSessionFiles").await);
        for SessionExport { spec, .. } in exports {
            let session = &spec.stream_session_identifier;
            let begun = made.iter().filter(|record| record["session"] == **session && record["to"] == "PENDING");
            assert_eq!(begun.count(), 1, "exports of {session}");
            let mut of_session = calls.iter().filter(|call| call["session"] == **session);
            assert!(of_session.all(|call| call["outputUri"] == *spec.output_uri), "{session}");
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
