//! A newer version, as far as an older one can tell: another chart and image, a definition with one more field and
//! word, and statuses that carry them.

use crate::cluster::Cluster;
use crate::helm::CHART;
use crate::release::{TENANT, VERSION, image};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;
use std::path::Path;
use std::process::Command;

pub(crate) const NEWER: &str = "99.0.0";
const DEFINITION: &str = "files/sessionexport.dev_sessionexports.yaml";

impl Cluster {
    /// The newer chart, and its image: the same binary.
    pub(crate) fn newer_chart(&self) -> String {
        self.node.tag(&image(VERSION), &image(NEWER));
        let chart = self.node.folder("newer").join("session-export-operator");
        let copied = Command::new("cp").arg("-r").arg(CHART).arg(&chart).status().unwrap();
        assert!(copied.success());
        rewrite(&chart.join("Chart.yaml"), |text| text.replace(VERSION, NEWER));
        rewrite(&chart.join(DEFINITION), |text| {
            let mut definition: Value = serde_yaml::from_str(text).unwrap();
            let status = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
            status["retention"] = json!({"type": "object", "properties": {"days": {"type": "integer"}}});
            status["exportStatus"]["enum"].as_array_mut().unwrap().push(json!("EXPIRED"));
            serde_yaml::to_string(&definition).unwrap()
        });
        chart.display().to_string()
    }

    /// The status as it is stored, with what this version knows nothing of.
    pub(crate) async fn whole_status(&self, name: &str) -> Value {
        self.dynamic().get(name).await.unwrap().data["status"].clone()
    }

    /// Writes into a status what a newer version might: a field, a condition, a reason and, if given, a word for the
    /// export.
    pub(crate) async fn write_as_newer(&self, name: &str, word: Option<&str>) {
        let mut status = self.whole_status(name).await;
        status["retention"] = json!({"days": 30});
        if let Some(word) = word {
            status["exportStatus"] = json!(word);
        }
        let conditions = status["conditions"].as_array_mut().unwrap();
        let accepted = conditions.iter_mut().find(|condition| condition["type"] == "Accepted").unwrap();
        accepted["reason"] = json!("AcceptedInBatch");
        conditions.push(json!({
            "type": "Retained", "status": "True", "reason": "LifecycleRule", "message": "Kept for 30 days.",
            "lastTransitionTime": "2026-01-31T12:00:00Z",
        }));
        let patch = Patch::Merge(json!({"status": status}));
        self.dynamic().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    fn dynamic(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), TENANT, &ApiResource::erase::<SessionExport>(&()))
    }
}

fn rewrite(file: &Path, change: impl FnOnce(&str) -> String) {
    let before = std::fs::read_to_string(file).unwrap();
    let after = change(&before);
    assert!(before != after, "{} is as before", file.display());
    std::fs::write(file, after).unwrap();
}
