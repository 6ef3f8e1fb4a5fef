//! What the operator leaves behind in every row of the condition table, for either `readyWhen`, as the files that the
//! tests of GitOps tools judge (`gitops/`).
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test e2e -- status_fixtures` writes them again; then read the diff.

mod policies;
mod rows;

use crate::simulator::merge;
use crate::status::{ACCEPTED, OVERDUE, PENDING};
use crate::world::World;
use kube::Resource;
use serde::Serialize;
use serde_json::{Value, json};
use session_export_operator::api::policy::PolicyReason;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// In Argo CD's layout of a kind's tests.
const FOLDER: &str = "gitops/argocd/sessionexport.dev";
/// What the name of an object ends in, by its `readyWhen`.
const KINDS: [(&str, &str); 2] = [("", "Exported"), ("-ready-when-accepted", "Accepted")];
/// Stands for every time of the objects: the API server gives them others each time.
const TIME: &str = "2026-01-01T00:00:00Z";

/// One row: the file's name, the object that shows it, exportStatus and conditions, and the reason.
type Left = (&'static str, &'static str, &'static str, &'static str);

fn folder(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join(kind).join("testdata")
}

/// The names of the files of one kind, without their ending.
fn files(kind: &str) -> BTreeSet<String> {
    let found = folder(kind).read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    found.map(|name| name.strip_suffix(".yaml").unwrap_or(&name).to_owned()).collect()
}

/// As the API server shows it, but for what differs from run to run.
fn settled(object: &impl Serialize) -> Value {
    let mut object = serde_json::to_value(object).unwrap();
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.remove("managedFields");
    metadata.insert("uid".to_owned(), json!("00000000-0000-0000-0000-000000000000"));
    metadata.insert("resourceVersion".to_owned(), json!("1"));
    stop_the_clock(&mut object);
    object
}

fn stop_the_clock(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let is_time = name.ends_with("Time") || ["time", "creationTimestamp"].contains(&name.as_str());
                if field.is_string() && is_time {
                    *field = json!(TIME);
                }
                stop_the_clock(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(stop_the_clock),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Compares an object with the committed one, or writes that.
fn as_committed<K: Resource<DynamicType = ()> + Serialize>(name: &str, object: &K) {
    let text = serde_yaml::to_string(&settled(object)).unwrap();
    let path = folder(&K::kind(&())).join(format!("{name}.yaml"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(folder(&K::kind(&()))).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, committed, "{name}: see the head of tests/e2e/status_fixtures.rs for how to regenerate");
}

impl World {
    /// Makes a session and its export for each `readyWhen`, all of the same name.
    async fn both(&self, name: &str, session: Value, spec: Value) {
        for (suffix, ready_when) in KINDS {
            let both = format!("{name}{suffix}");
            self.simulator.session(&both, session.clone()).await;
            let mut spec = spec.clone();
            merge(&mut spec, json!({"readyWhen": ready_when}));
            self.export_with(&both, &both, &format!("s3://exports/{name}/"), spec).await;
        }
    }

    /// The simulator's answer to an operation for the sessions that `both` will make.
    async fn answers(&self, name: &str, operation: &str, action: Value) {
        for (suffix, _) in KINDS {
            let session = format!("{name}{suffix}");
            self.simulator.fault(json!({"operation": operation, "session": session, "action": action})).await;
        }
    }

    /// Changes the sessions that `both` has made.
    async fn turn_into(&self, name: &str, change: Value) {
        for (suffix, _) in KINDS {
            self.simulator.change(&format!("{name}{suffix}"), change.clone()).await;
        }
    }

    /// Waits until both objects show these rows, and compares each with the committed one.
    async fn left(&self, rows: &[Left]) {
        for (name, object, row, reason) in rows {
            for (suffix, ready_when) in KINDS {
                let accepted = ready_when == "Accepted" && [PENDING, OVERDUE].contains(row);
                let row = if accepted { ACCEPTED } else { row };
                let shown = self.shows(&format!("{object}{suffix}"), row, reason).await;
                as_committed(&format!("{name}{suffix}"), &shown);
            }
        }
    }
}

/// So that the judges miss no row, and no file is left over that no test proves.
#[test]
fn every_row_has_its_files_and_no_file_is_left_over() {
    let wanted: BTreeSet<_> =
        rows::all().iter().flat_map(|name| KINDS.map(|(suffix, _)| format!("{name}{suffix}"))).collect();
    let found = files("SessionExport");
    assert_eq!(found, wanted);
    let table = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/export/snapshots").read_dir().unwrap();
    for row in table.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        // The API server refuses what is malformed.
        assert!(found.contains(row.trim_end_matches(".yaml")) || row == "request-malformed.yaml", "{row}");
    }
    // One file for each reason, and that of a policy that no operator has seen.
    let shown: BTreeSet<_> = files("SessionExportPolicy").iter().map(|name| policies::reason_of(name)).collect();
    let reasons = PolicyReason::ALL.into_iter().map(PolicyReason::as_str);
    // The API server refuses what this version doesn't accept.
    let reasons = reasons.filter(|reason| *reason != "SpecRejected").chain(["Unseen"]);
    assert_eq!(shown, reasons.map(str::to_owned).collect());
}
