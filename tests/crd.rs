//! The committed CRDs are what the binary prints.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

use serde_json::Value;
use session_export_operator::api::crd_yaml;
use session_export_operator::api::policy::policy_crd_yaml;

/// Each definition as it is printed, by its plural name.
fn printed() -> [(&'static str, String); 2] {
    [("sessionexports", crd_yaml().unwrap()), ("sessionexportpolicies", policy_crd_yaml().unwrap())]
}

/// The schema of each definition's root, by the plural name.
fn schemas() -> [(&'static str, Value); 2] {
    printed().map(|(plural, text)| {
        let mut definition: Value = serde_yaml::from_str(&text).unwrap();
        (plural, definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take())
    })
}

#[test]
fn the_committed_definitions_are_the_printed_ones() {
    for (plural, text) in printed() {
        let file = format!("{}/crds/sessionexport.dev_{plural}.yaml", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == text, "{file} is not what `session-export-operator crd {plural}` prints: run `make crds`");
    }
}

#[test]
fn every_field_is_described() {
    for (plural, root) in schemas() {
        let mut bare = Vec::new();
        for (name, schema) in fields(&root) {
            if schema["description"].as_str().unwrap_or_default().len() < 10 {
                bare.push(name);
            }
        }
        assert!(bare.is_empty(), "{plural}: without a description: {bare:?}");
    }
    let [exports, policies] = schemas().map(|(_, root)| root["description"].as_str().unwrap().to_owned());
    assert!(exports.contains("kubectl wait"));
    assert!(policies.contains("AWS must be asked while a session lives"));
}

#[test]
fn nothing_in_the_spec_may_be_null_or_unbounded() {
    for (plural, root) in schemas() {
        for (name, schema) in fields(&root["properties"]["spec"]) {
            assert!(schema.get("nullable").is_none(), "{plural}: {name}");
            for text in [schema, &schema["items"], &schema["additionalProperties"]] {
                let bounded = text.get("maxLength").is_some() || text.get("enum").is_some();
                assert!(text["type"] != "string" || bounded, "{plural}: {name}");
            }
            assert!(schema.get("items").is_none() || schema.get("maxItems").is_some(), "{plural}: {name}");
            let is_map = schema.get("additionalProperties").is_some();
            assert!(!is_map || schema.get("maxProperties").is_some(), "{plural}: {name}");
        }
    }
}

/// All fields below a schema, by path.
fn fields(schema: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        found.push((name.clone(), field));
        let below = if field.get("items").is_some() { &field["items"] } else { field };
        found.extend(fields(below).into_iter().map(|(inner, field)| (format!("{name}.{inner}"), field)));
    }
    found
}
