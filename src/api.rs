//! The `SessionExport` API: what users write, and what they read back. No IO, no clock. [`policy`] has the API of
//! `SessionExportPolicy`.
//!
//! The doc comments of [`SessionExportSpec`] and [`SessionExportStatus`] are the users' manual
//! (`kubectl explain sessionexport.spec`, and of each field). `aws::identifiers` parses everything that the schema and its CEL
//! rules accept, and for an `outputUri` more; `tests/validation` checks that the two agree.
//!
//! Deserialising is at least as permissive as any schema that was ever served: an object that this version can't
//! decode is ignored until it changes.

pub mod condition;
pub mod policy;
mod reason;
pub mod request;
pub(crate) mod schema;
pub mod spec;
pub mod status;
pub(crate) mod validation;

pub use reason::Reason;
pub use spec::{ReadyWhen, SessionExport, SessionExportSpec};
pub use status::{ExportStatus, SessionExportStatus, SessionStatusView};

/// API group. `#[kube(group)]` takes a literal only; a test compares the two.
pub const GROUP: &str = "sessionexport.dev";
/// API version.
pub const VERSION: &str = "v1alpha1";
/// Kind.
pub const KIND: &str = "SessionExport";

use kube::CustomResourceExt;

/// Longest `ttlSecondsAfterFinished`: a year.
pub const MAX_TTL_SECONDS: u32 = 31_536_000;

/// The CustomResourceDefinition as `session-export-operator crd sessionexports` prints it.
///
/// # Errors
/// None known: only if YAML can't express the definition.
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
