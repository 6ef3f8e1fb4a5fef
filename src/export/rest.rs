//! What is kept of an object that has finished: next to nothing. Pure.

use crate::api::{SessionExport, SessionExportStatus, condition};

/// Takes away what nobody reads of a finished object any more. False if there is nothing to do for it until it changes:
/// its status is about its present generation, and no time to live runs.
pub fn prune(object: &mut SessionExport) -> bool {
    let generation = object.metadata.generation.unwrap_or_default();
    let Some(status) = object.status.as_mut().filter(|status| has_settled(status, generation)) else { return true };
    let mut conditions = std::mem::take(&mut status.conditions);
    conditions.retain(|shown| shown.type_ == condition::READY);
    conditions.iter_mut().for_each(|ready| ready.message = String::new());
    // What claims are made of, when its time to live began, and the reason that it is counted under.
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

/// Finished, and nothing of it is left to be written.
fn has_settled(status: &SessionExportStatus, generation: i64) -> bool {
    let mut ours = status.conditions.iter().filter(|shown| condition::ALL.contains(&shown.type_.as_str()));
    status.completion_time.is_some()
        && status.observed_generation == Some(generation)
        && ours.all(|shown| shown.observed_generation == Some(generation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::request::Export;
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
    fn a_finished_object_rests_and_what_claims_are_made_of_is_kept() {
        let mut object = finished(json!({}));
        assert!(!prune(&mut object));
        let export = Export::read(&object).unwrap();
        assert!(export.finished() && export.accepted() && export.intended());
        let status = object.status.unwrap();
        let kept: Vec<_> = status.conditions.iter().map(|shown| (&*shown.type_, &*shown.reason)).collect();
        assert_eq!((kept, status.session, status.output_uri), (vec![("Ready", "Exported")], None, None));
    }

    #[test]
    fn one_whose_time_to_live_runs_is_kept_without_what_nobody_reads() {
        let mut object = finished(json!({}));
        object.spec.ttl_seconds_after_finished = Some(60);
        assert!(prune(&mut object));
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
            assert!(prune(&mut object), "{changes}");
            assert_eq!(object, before, "{changes}");
        }
    }
}
