//! Decoding of a SessionExport from the API server's JSON: spec and status here, the metadata is the runtime's.

use crate::api::{SessionExport, SessionExportSpec, SessionExportStatus};
use crate::runtime::received::Decode;
use kube::core::ObjectMeta;
use serde::Deserialize;

impl Decode for SessionExport {
    fn decode(metadata: ObjectMeta, json: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Content {
            spec: SessionExportSpec,
            #[serde(default)]
            status: Option<SessionExportStatus>,
        }
        let Content { spec, status } = serde_json::from_str(json)?;
        Ok(Self { metadata, spec, status })
    }
}
