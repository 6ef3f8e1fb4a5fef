//! JSON merge patches of statuses. Pure.

use serde::Serialize;
use serde_json::{Map, Value};

/// The JSON merge patch that turns one status into the other. It is empty if nothing changed, and never names fields
/// that this version doesn't know, so that they stay.
///
/// # Errors
/// If a status can't be written as JSON.
pub(crate) fn merge_patch<Status: Serialize>(
    before: &Status,
    after: &Status,
) -> serde_json::Result<Map<String, Value>> {
    Ok(match (serde_json::to_value(before)?, serde_json::to_value(after)?) {
        (Value::Object(before), Value::Object(after)) => changed_fields(&before, after),
        _ => Map::new(),
    })
}

fn changed_fields(before: &Map<String, Value>, after: Map<String, Value>) -> Map<String, Value> {
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let mut patch: Map<String, Value> = gone.collect();
    for (key, value) in after {
        match (before.get(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let inner = changed_fields(old, new);
                if !inner.is_empty() {
                    patch.insert(key, Value::Object(inner));
                }
            }
            (old, new) if old == Some(&new) => {}
            (_, new) => {
                patch.insert(key, new);
            }
        }
    }
    patch
}
