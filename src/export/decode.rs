//! Decoding of a SessionExport from the API server's JSON: spec and status here, the metadata is the runtime's.

use crate::api::SessionExport;
use crate::runtime::received::{Decode, decode_content};
use kube::core::ObjectMeta;

impl Decode for SessionExport {
    fn decode(metadata: ObjectMeta, json: &str) -> serde_json::Result<Self> {
        decode_content(json).map(|(spec, status)| Self { metadata, spec, status })
    }
}
