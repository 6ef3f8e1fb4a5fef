//! What the JSON of nearly all SessionExports that wait for their ZIP has in common: three quarters of it.

/// Longer ones first where one contains another. Nothing depends on them but the room that objects take.
pub const PHRASES: [&str; 27] = [
    r#"{"apiVersion":"sessionexport.dev/v1alpha1","kind":"SessionExport","metadata":{"creationTimestamp":""#,
    r#"Z","generation":1,"name":""#,
    r#"","namespace":""#,
    r#"","resourceVersion":""#,
    r#"","uid":""#,
    r#""},"spec":{"streamGroupIdentifier":""#,
    r#"","streamSessionIdentifier":""#,
    r#"","outputUri":"s3://"#,
    r#"","readyWhen":"Exported","suspend":false},"status":{"#,
    r#""exportStatus":"PENDING","session":{"arn":"arn:aws:gameliftstreams:"#,
    r#":streamsession/"#,
    r#"","status":"ACTIVE","applicationArn":"arn:aws:gameliftstreams:"#,
    r#"","status":"CONNECTED","applicationArn":"arn:aws:gameliftstreams:"#,
    r#":application/"#,
    r#"","location":""#,
    r#""},"startTime":""#,
    r#"Z","requestAttemptTime":""#,
    r#"Z","requestTime":""#,
    r#"Z","observedGeneration":1,"conditions":[{"lastTransitionTime":""#,
    PROMISED,
    r#"True","type":"Accepted"},{"lastTransitionTime":""#,
    r#"Unknown","type":"Succeeded"},{"lastTransitionTime":""#,
    r#"False","type":"Ready"},{"lastTransitionTime":""#,
    r#"True","type":"Reconciling"}]}}"#,
    r#""message":""#,
    r#"","observedGeneration":1,"reason":""#,
    r#"","status":""#,
];

const PROMISED: &str = concat!(
    r#"Z","message":"AWS has promised the export. It uploads the ZIP after the session ends.","#,
    r#""observedGeneration":1,"reason":"ExportPending","status":""#,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::SessionExport;
    use serde_json::{Value, json};

    fn pending() -> SessionExport {
        let mut status: Value = serde_yaml::from_str(include_str!("snapshots/export-pending.yaml")).unwrap();
        status["session"]["status"] = json!("CONNECTED");
        let object = json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 1,
                "creationTimestamp": "2026-01-31T11:00:00Z"},
            "spec": {"streamGroupIdentifier": "sg-1", "streamSessionIdentifier": "s-1", "outputUri": "s3://b/p/"},
            "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    /// What is left is what no two objects share: names, times, places.
    #[test]
    fn a_pending_object_takes_a_quarter_of_its_json() {
        let json = serde_json::to_string(&pending()).unwrap();
        let left = PHRASES.iter().fold(json.clone(), |text, phrase| text.replace(phrase, "\u{1}"));
        assert!(left.len() * 4 < json.len(), "{} of {}: {left}", left.len(), json.len());
    }
}
