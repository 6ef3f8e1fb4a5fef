//! Additions to the schema that the Rust types can't express.

use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Value, json};

/// RFC 3339 within the years and offsets that every client can read. The server's own `date-time` format takes more
/// than that, such as the offset `+26:00`, and an object with a time that this operator can't parse is ignored.
const RFC_3339: &str = "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?\
    (Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";
/// Conditions of an object: five are the operator's.
const MAX_CONDITIONS: usize = 32;
/// Longest texts of a condition, in characters. The type's is that of metav1.Condition, the others are narrower: the
/// operator keeps all conditions of an object that has not finished.
const MAX_CONDITION_TEXTS: [(&str, usize); 4] = [("type", 316), ("status", 16), ("reason", 256), ("message", 1024)];
/// The greatest integer that survives a client with doubles only, and is printed without an exponent.
const MAX_SAFE_INTEGER: i64 = 9_007_199_254_740_991;

/// Narrows times and integers to what every client of every version can read back.
pub(super) fn restrict_to_portable_formats(schema: &mut Schema) {
    transform_subschemas(&mut restrict_to_portable_formats, schema);
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("format") == Some(&json!("date-time")) {
        object.insert("pattern".into(), json!(RFC_3339));
    }
    if object.get("type") == Some(&json!("integer")) {
        object.insert("maximum".into(), json!(MAX_SAFE_INTEGER));
    }
}

/// Bounds the list of conditions and their texts.
pub(super) fn bounded_conditions(schema: &mut Schema) {
    schema.insert("maxItems".into(), json!(MAX_CONDITIONS));
    for (field, max) in MAX_CONDITION_TEXTS {
        if let Some(Value::Object(text)) = schema.pointer_mut(&format!("/items/properties/{field}")) {
            text.insert("maxLength".into(), json!(max));
        }
    }
}

/// Bounds a map from texts to texts.
pub(super) struct BoundedMap {
    /// The most entries.
    pub(super) entries: usize,
    /// Longest value, in characters.
    pub(super) value: usize,
}

impl Transform for BoundedMap {
    fn transform(&mut self, schema: &mut Schema) {
        schema.insert("maxProperties".into(), json!(self.entries));
        if let Some(Value::Object(value)) = schema.pointer_mut("/additionalProperties") {
            value.insert("maxLength".into(), json!(self.value));
        }
    }
}

/// Joins the lines of a description, which end where the source's lines do: `kubectl explain` wraps them again.
pub(super) fn unwrap_descriptions(schema: &mut Schema) {
    transform_subschemas(&mut unwrap_descriptions, schema);
    let Some(Value::String(text)) = schema.get("description") else { return };
    let text = text.replace('\n', " ");
    schema.insert("description".into(), Value::String(text));
}

/// The status of an object that no operator has seen.
pub(super) fn default_status() -> Value {
    json!({"observedGeneration": -1})
}
