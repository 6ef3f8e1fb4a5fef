//! Policies, pages and objects for tests.

use crate::api::SessionExport;
use crate::api::policy::SessionExportPolicy;
use crate::api::policy::request::Policy;
use crate::api::request::Export;
use crate::aws::identifiers::StreamGroupArn;
use crate::aws::model::{SessionStatus, SessionView};
use crate::export::fixtures::{account, at, session, wall};
use crate::polling::discovery::{DiscoveryEvent, DiscoveryScan, ScanOutcome, ShownSessions};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) const GROUP: &str = "sg-1AB2C3De4";

pub(super) fn group() -> Arc<StreamGroupArn> {
    let (region, group) = ("us-west-2".parse().unwrap(), GROUP.parse().unwrap());
    Arc::new(StreamGroupArn { region, account: account(), group })
}

/// A policy of namespace `team`, created at the beginning, with the uid `uid-NAME`.
pub(crate) fn policy(name: &str, changes: Value) -> Arc<Policy> {
    policy_in("team", name, changes)
}

pub(super) fn policy_in(namespace: &str, name: &str, changes: Value) -> Arc<Policy> {
    let mut object = json!({
        "apiVersion": "sessionexport.dev/v1alpha1",
        "kind": "SessionExportPolicy",
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("uid-{name}"), "resourceVersion": "1", "generation": 1,
            "creationTimestamp": wall(0).to_string(),
        },
        "spec": {
            "streamGroupIdentifier": GROUP,
            "template": {"spec": {"outputUri": "s3://bucket/team/{sessionId}.zip"}},
        },
    });
    merge(&mut object, changes);
    let object: SessionExportPolicy = serde_json::from_value(object).unwrap();
    Arc::new(Policy::read(object).unwrap())
}

fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, changes) => *into = changes,
    }
}

/// A live session that AWS created so many seconds after the beginning.
pub(super) fn live(created: u64) -> SessionView {
    SessionView { created_at: Some(wall(created).into()), ..session() }
}

pub(super) fn in_state(status: SessionStatus, view: SessionView) -> SessionView {
    SessionView { status, ..view }
}

/// A page that shows these sessions.
pub(super) fn page(sessions: Vec<(&str, SessionView)>) -> DiscoveryEvent {
    let sessions = sessions.into_iter().map(|(id, view)| (id.parse().unwrap(), view)).collect();
    DiscoveryEvent::Shown(ShownSessions { group: group(), begun: at(0).mono, sessions })
}

/// The end of a scan that began at this second.
pub(super) fn scan_end(began: u64, reconnecting: bool, outcome: ScanOutcome) -> DiscoveryEvent {
    let took = Duration::from_secs(1);
    DiscoveryEvent::Ended(DiscoveryScan {
        group: group(),
        began: at(began).mono,
        took,
        pages: 2,
        reconnecting,
        outcome,
    })
}

/// An object as it is stored after its creation.
pub(super) fn stored(mut object: SessionExport, uid: &str, status: Value) -> Export {
    object.metadata.uid = Some(uid.to_owned());
    object.metadata.creation_timestamp = Some(Time(wall(0)));
    object.status = serde_json::from_value(status).unwrap();
    Export::read(object).unwrap()
}
