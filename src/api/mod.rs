//! The `SessionExport` API: what users write, and what they read back. No IO, no clock.
//!
//! The doc comments of [`SessionExportSpec`] and [`SessionExportStatus`] are the users' manual
//! (`kubectl explain sessionexport.spec --recursive`). What the schema and its CEL rules accept is what
//! `streams::identifiers` can parse, no more and no less; `tests/refusals.rs` holds the two together.
//!
//! Deserialising is at least as permissive as any schema that was ever served: one object that this version
//! could not read would break the list of all of them.

mod rules;
mod schema;
pub mod spec;
pub mod status;

pub use spec::{ReadyWhen, SessionExport, SessionExportSpec};
pub use status::{ExportStatus, SessionExportStatus, SessionStatusView};

use kube::CustomResourceExt;

/// API group. `#[kube(group)]` takes a literal only; a test ties the two.
pub const GROUP: &str = "sessionexport.dev";
/// API version.
pub const VERSION: &str = "v1alpha1";
/// Kind.
pub const KIND: &str = "SessionExport";
/// Field manager of every write, and default name of the Lease.
pub const FIELD_MANAGER: &str = "session-export-operator";
/// Longest `ttlSecondsAfterFinished`: a year.
pub const MAX_TTL_SECONDS: u32 = 31_536_000;

/// Types of `status.conditions`.
pub mod condition {
    /// AWS has promised the export. Once True it stays True.
    pub const ACCEPTED: &str = "Accepted";
    /// The summary of a one-shot object: Unknown until the end.
    pub const SUCCEEDED: &str = "Succeeded";
    /// True when `spec.readyWhen` is met.
    pub const READY: &str = "Ready";
    /// kstatus: under way. Present only while True.
    pub const RECONCILING: &str = "Reconciling";
    /// kstatus: needs a person, or failed. Present only while True.
    pub const STALLED: &str = "Stalled";
    /// All of them.
    pub const ALL: [&str; 5] = [ACCEPTED, SUCCEEDED, READY, RECONCILING, STALLED];
}

/// The CustomResourceDefinition as `session-export-operator crd` prints it.
///
/// # Errors
/// None that is known: only if YAML can't express the definition.
pub fn crd_yaml() -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&SessionExport::crd())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::Resource;

    #[test]
    fn the_constants_name_the_derived_resource() {
        assert_eq!(SessionExport::group(&()), GROUP);
        assert_eq!(SessionExport::version(&()), VERSION);
        assert_eq!(SessionExport::kind(&()), KIND);
    }

    fn read(spec: serde_json::Value, status: serde_json::Value) -> SessionExport {
        let mut object = serde_json::json!({"apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExport",
            "metadata": {"name": "a"}, "spec": {"streamGroupIdentifier": "a", "streamSessionIdentifier": "b",
            "outputUri": "s3://bucket/"}, "status": status});
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn words_and_fields_of_a_newer_version_can_be_read() {
        let object = read(
            serde_json::json!({"readyWhen": "Uploaded", "priority": 7}),
            serde_json::json!({"exportStatus": "PAUSED", "progress": 7, "session": {"client": "web"}}),
        );
        assert_eq!(object.spec.ready_when, ReadyWhen::Exported);
        assert_eq!(object.status.unwrap().export_status, Some(ExportStatus::Unrecognized));
    }

    #[test]
    fn what_was_stored_without_defaults_can_be_read() {
        let SessionExport { spec, status, .. } = read(serde_json::json!({}), serde_json::Value::Null);
        assert_eq!((spec.ready_when, spec.suspend, spec.region), (ReadyWhen::Exported, false, None));
        assert_eq!(status, None);
    }

    #[test]
    fn defaults_written_by_this_version_are_those_of_the_schema() {
        let written = serde_json::to_value(read(serde_json::json!({}), serde_json::json!({}))).unwrap();
        assert_eq!(written["spec"]["readyWhen"], "Exported");
        assert_eq!(written["spec"]["suspend"], false);
    }
}
