//! What is kept of objects in memory: of finished ones almost nothing. Pure.

use crate::api::request::Export;
use crate::api::{SessionExport, SessionExportStatus, condition};
use crate::export::status::message::share_message;
use std::sync::Arc;

/// Parses an object, with messages that most objects show in memory only once. Returns `None` if it lacks metadata that
/// every stored object has.
pub(crate) fn read_export(mut object: SessionExport) -> Option<Arc<Export>> {
    for condition in object.status.iter_mut().flat_map(|status| &mut status.conditions) {
        condition.message = share_message(std::mem::take(&mut condition.message).into_owned());
    }
    Export::read(object).map(Arc::new)
}

/// Removes the fields of a finished object that no code reads any more. Returns false if the object needs no
/// reconcile until it changes: its status covers its present generation, and it has no TTL.
pub(crate) fn prune_finished(object: &mut SessionExport) -> bool {
    let generation = object.metadata.generation.unwrap_or_default();
    let Some(status) = object.status.as_mut().filter(|status| is_fully_recorded(status, generation)) else {
        return true;
    };
    let mut conditions = std::mem::take(&mut status.conditions);
    conditions.retain(|shown| shown.type_ == condition::READY);
    conditions.iter_mut().for_each(|ready| ready.message = "".into());
    // Kept: the fields that claims are derived from, the start of its TTL, and the reason that it is counted under.
    *status = SessionExportStatus {
        export_status: status.export_status,
        start_time: status.start_time.take(),
        request_attempt_time: status.request_attempt_time.take(),
        request_time: status.request_time.take(),
        completion_time: status.completion_time.take(),
        observed_generation: status.observed_generation,
        conditions,
        ..SessionExportStatus::default()
    };
    object.spec.ttl_seconds_after_finished.is_some()
}

/// True if the object has finished and no status write is outstanding.
fn is_fully_recorded(status: &SessionExportStatus, generation: i64) -> bool {
    let mut ours = status.conditions.iter().filter(|shown| condition::ALL.contains(&&*shown.type_));
    status.completion_time.is_some()
        && status.observed_generation == Some(generation)
        && ours.all(|shown| shown.observed_generation == Some(generation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn finished(changes: Value) -> SessionExport {
        let condition = |type_, generation| {
            json!({"type": type_, "status": "True", "reason": "Exported", "message": "The ZIP is in S3.",
                "observedGeneration": generation, "lastTransitionTime": "2026-01-31T12:00:00Z"})
        };
        let mut object = json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 2,
                "creationTimestamp": "2026-01-31T11:00:00Z"},
            "spec": {"streamGroupIdentifier": "sg-1", "streamSessionIdentifier": "s-1", "outputUri": "s3://b/p/"},
            "status": {
                "exportStatus": "SUCCEEDED", "outputUri": "s3://b/p/a.zip", "session": {"status": "TERMINATED"},
                "startTime": "2026-01-31T11:00:00Z", "requestAttemptTime": "2026-01-31T11:00:01Z",
                "requestTime": "2026-01-31T11:00:02Z", "completionTime": "2026-01-31T12:00:00Z", "observedGeneration": 2,
                "conditions": [condition("Ready", 2), condition("example.com/Copied", 1)],
            },
        });
        for (path, value) in changes.as_object().unwrap() {
            *object.pointer_mut(path).unwrap() = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_finished_object_is_pruned_to_what_claims_need() {
        let mut object = finished(json!({}));
        assert!(!prune_finished(&mut object));
        let export = Export::read(object.clone()).unwrap();
        assert!(export.finished() && export.accepted() && export.intended());
        let status = object.status.unwrap();
        let kept: Vec<_> = status.conditions.iter().map(|shown| (&*shown.type_, &*shown.reason)).collect();
        assert_eq!((kept, status.session, status.output_uri), (vec![("Ready", "Exported")], None, None));
    }

    #[test]
    fn one_whose_time_to_live_runs_is_kept_without_unused_fields() {
        let mut object = finished(json!({}));
        object.spec.ttl_seconds_after_finished = Some(60);
        assert!(prune_finished(&mut object));
        assert_eq!(object.status.unwrap().conditions.len(), 1);
    }

    #[test]
    fn whatever_is_left_to_be_written_is_kept_as_a_whole() {
        for changes in [
            json!({"/metadata/generation": 3}),
            json!({"/status/observedGeneration": 1}),
            json!({"/status/conditions/0/observedGeneration": 1}),
            json!({"/status/completionTime": null}),
            json!({"/status": null}),
        ] {
            let mut object = finished(changes.clone());
            let before = object.clone();
            assert!(prune_finished(&mut object), "{changes}");
            assert_eq!(object, before, "{changes}");
        }
    }
}
