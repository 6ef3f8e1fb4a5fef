//! What the schema says beyond what the Rust types do.

use schemars::Schema;
use schemars::transform::transform_subschemas;
use serde_json::{Value, json};

/// RFC 3339 within the years that every client can read. The server's own `date-time` format takes more than
/// that, and one timestamp that this operator couldn't parse would break the list of all objects.
const RFC_3339: &str =
    "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$";
/// The greatest integer that survives a client with doubles only, and is printed without an exponent.
const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// Narrows times and integers to what every client of every version can read back.
pub(super) fn readable(schema: &mut Schema) {
    transform_subschemas(&mut readable, schema);
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("format") == Some(&json!("date-time")) {
        object.insert("pattern".into(), json!(RFC_3339));
    }
    if object.get("type") == Some(&json!("integer")) {
        object.insert("maximum".into(), json!(MAX_SAFE_INTEGER));
    }
}

/// Joins the lines of a description, which end where the source's lines do: `kubectl explain` wraps them again.
pub(super) fn flowing(schema: &mut Schema) {
    transform_subschemas(&mut flowing, schema);
    let Some(Value::String(text)) = schema.get("description") else { return };
    let text = text.replace('\n', " ");
    schema.insert("description".into(), Value::String(text));
}

/// Says "nothing was judged yet" of an object that no operator has seen.
pub(super) fn unseen() -> Value {
    json!({"observedGeneration": -1})
}
