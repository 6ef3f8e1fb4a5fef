//! What a SessionExport shows to the outside: its row of the condition table, its Events, and its calls to AWS.

use crate::simulator::Simulator;
use crate::world::{World, condition, conditions};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;
use session_export_operator::api::{SessionExport, SessionExportStatus};
use std::time::Duration;

/// exportStatus and conditions of the table's rows. Those that say the same in all columns share a name.
pub(crate) const HELD: &str = "- Accepted=False Ready=False Reconciling=True Succeeded=Unknown";
pub(crate) const STALLED: &str = "- Accepted=False Ready=False Stalled=True Succeeded=Unknown";
pub(crate) const INTENT: &str = "- Accepted=Unknown Ready=False Reconciling=True Succeeded=Unknown";
pub(crate) const PENDING: &str = "PENDING Accepted=True Ready=False Reconciling=True Succeeded=Unknown";
pub(crate) const OVERDUE: &str = "PENDING Accepted=True Ready=False Stalled=True Succeeded=Unknown";
/// Pending or overdue with `readyWhen: Accepted`.
pub(crate) const ACCEPTED: &str = "PENDING Accepted=True Ready=True Succeeded=Unknown";
pub(crate) const DONE: &str = "SUCCEEDED Accepted=True Ready=True Succeeded=True";
/// Failed after AWS had accepted it.
pub(crate) const FAILED: &str = "FAILED Accepted=True Ready=False Stalled=True Succeeded=False";
/// Never accepted.
pub(crate) const LOST: &str = "FAILED Accepted=False Ready=False Stalled=True Succeeded=False";
/// Accepted, with a result that can't be learned any more.
pub(crate) const UNKNOWN: &str = "PENDING Accepted=True Ready=False Stalled=True Succeeded=False";

/// exportStatus and conditions, as the constants above have them.
pub(crate) fn row(status: &SessionExportStatus) -> String {
    let word = serde_json::to_value(status.export_status).unwrap();
    format!("{} {}", word.as_str().unwrap_or("-"), conditions(status))
}

/// The message of the condition Ready.
pub(crate) fn message(object: &SessionExport) -> String {
    let status = object.status.as_ref().unwrap();
    status.conditions.iter().find(|c| c.type_ == "Ready").unwrap().message.to_string()
}

impl World {
    /// Waits until the object shows this row for this reason, and checks what holds for every row.
    pub(crate) async fn shows(&self, name: &str, wanted: &str, reason: &str) -> SessionExport {
        let is_it = |status: &SessionExportStatus| {
            row(status) == wanted && condition(status, "Ready").is_some_and(|(_, is)| is == reason)
        };
        let object = self.until(name, &format!("{wanted} {reason}"), is_it).await;
        holds_for_every_row(&object, reason);
        object
    }

    /// Waits until the Events of an object are exactly these, such as `Warning AccessDenied`, in this order.
    pub(crate) async fn tells(&self, object: &SessionExport, wanted: &[&str]) {
        assert!(wanted.len() <= 3, "an export has at most three Events");
        let mut described = Vec::new();
        for _ in 0..200 {
            described = self.events(object).await;
            if described == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("told {described:?} and not {wanted:?}\n{}", self.logs());
    }

    async fn events(&self, object: &SessionExport) -> Vec<String> {
        let api: Api<Event> = self.namespaced();
        let mut all = api.list(&ListParams::default()).await.unwrap().items;
        let uid = object.metadata.uid.as_deref();
        all.retain(|event| event.regarding.as_ref().and_then(|regarding| regarding.uid.as_deref()) == uid);
        all.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
        all.iter().map(described).collect()
    }

    /// The reasons of the rows that the object has entered, in order, from the log: as many as status writes so far.
    /// What depends on the machine's pace is left out: a short wait for a turn.
    pub(crate) fn entered(&self, name: &str) -> Vec<String> {
        let writes = self.status_writes(name);
        let log = self.logs();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_it = lines.filter(|line| line["name"] == name && line["reason"].is_string());
        let mut reasons: Vec<_> = of_it.map(|line| line["reason"].as_str().unwrap().to_owned()).collect();
        assert_eq!(writes, reasons.len(), "{name}: {reasons:?}");
        reasons.retain(|reason| reason != "RateLimited");
        reasons
    }

    /// Waits until AWS has been asked for the session `more` further times.
    pub(crate) async fn reads(&self, session: &str, more: usize) {
        let before = self.simulator.calls("GetStreamSession", session).await.len();
        for _ in 0..1200 {
            if self.simulator.calls("GetStreamSession", session).await.len() >= before + more {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{session} is not looked at\n{}", self.logs());
    }
}

/// Type and reason, after checks of what all Events have in common.
fn described(event: &Event) -> String {
    assert_eq!(event.action.as_deref(), Some("Export"));
    assert_eq!(event.reporting_controller.as_deref(), Some("sessionexport.dev/operator"));
    let regarding = event.regarding.as_ref().unwrap();
    assert_eq!(regarding.kind.as_deref(), Some("SessionExport"));
    assert_eq!(regarding.api_version.as_deref(), Some("sessionexport.dev/v1alpha1"));
    assert!(event.note.as_ref().is_some_and(|note| !note.is_empty()));
    format!("{} {}", event.type_.as_deref().unwrap(), event.reason.as_deref().unwrap())
}

/// One reason and message for all conditions (a promise keeps its own), of the generation that was looked at; the
/// times that go with the row.
fn holds_for_every_row(object: &SessionExport, reason: &str) {
    let status = object.status.as_ref().unwrap();
    assert_eq!(status.observed_generation, object.metadata.generation);
    let said = message(object);
    assert!(!said.is_empty() && said.len() < 1024, "{said:?}");
    for condition in &status.conditions {
        assert_eq!(condition.observed_generation, object.metadata.generation, "{condition:?}");
        if (&*condition.type_, &*condition.status) != ("Accepted", "True") {
            assert_eq!((&*condition.reason, &*condition.message), (reason, &*said), "{condition:?}");
        }
    }
    let accepted = condition(status, "Accepted").unwrap().0 == "True";
    let finished = condition(status, "Succeeded").unwrap().0 != "Unknown";
    assert!(status.start_time.is_some());
    assert_eq!(status.request_time.is_some(), accepted, "requestTime <=> accepted");
    assert_eq!(status.completion_time.is_some(), finished, "completionTime <=> finished");
    assert!(status.output_uri.is_none() || finished);
}

impl Simulator {
    /// How many exports AWS has accepted for a session.
    pub(crate) async fn promises(&self, session: &str) -> usize {
        let all = self.ask("GET", &format!("journal?kind=export&session={session}"), Value::Null).await;
        all["records"].as_array().unwrap().iter().filter(|record| record["to"] == "PENDING").count()
    }

    /// How many calls of an operation (by the first word of its name) there were, for whichever session.
    pub(crate) async fn all_calls_of(&self, operation: &str) -> usize {
        let calls = self.ask("GET", "journal?kind=call", Value::Null).await;
        let names = calls["records"].as_array().unwrap().iter().map(|call| call["operation"].as_str().unwrap());
        names.filter(|name| name.starts_with(operation)).count()
    }
}
