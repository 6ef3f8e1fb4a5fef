//! ConfigMap as the watched kind in the tests of this module.

use crate::runtime::received::{Decode, Received};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;
use serde::Deserialize;
use std::collections::BTreeMap;

impl Decode for ConfigMap {
    fn decode(metadata: ObjectMeta, json: &str) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Content {
            data: Option<BTreeMap<String, String>>,
            immutable: Option<bool>,
        }
        let Content { data, immutable } = serde_json::from_str(json)?;
        Ok(Self { metadata, data, immutable, ..Self::default() })
    }
}

/// As the API server sends it.
pub(super) fn received(object: &ConfigMap) -> Received<ConfigMap> {
    serde_json::from_str(&serde_json::to_string(object).unwrap()).unwrap()
}
