//! The committed CRD is what the binary prints.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

use session_export_operator::api::crd_yaml;

#[test]
fn the_committed_definition_is_the_printed_one() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/sessionexport.dev_sessionexports.yaml");
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        committed == crd_yaml().unwrap(),
        "{file} is not what `session-export-operator crd` prints: run `make crds`"
    );
}

#[test]
fn every_field_is_described() {
    let definition: serde_json::Value = serde_yaml::from_str(&crd_yaml().unwrap()).unwrap();
    let root = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut bare = Vec::new();
    for (name, schema) in fields(root) {
        if schema["description"].as_str().unwrap_or_default().len() < 10 {
            bare.push(name);
        }
    }
    assert!(bare.is_empty(), "without a description: {bare:?}");
    assert!(root["description"].as_str().unwrap().contains("kubectl wait"));
}

#[test]
fn nothing_in_the_spec_may_be_null_or_unbounded() {
    let definition: serde_json::Value = serde_yaml::from_str(&crd_yaml().unwrap()).unwrap();
    let root = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for (name, schema) in fields(&root["properties"]["spec"]) {
        assert!(schema.get("nullable").is_none(), "{name}");
        let bounded = schema.get("maxLength").is_some() || schema.get("enum").is_some();
        assert!(schema["type"] != "string" || bounded, "{name}");
    }
}

/// All fields below a schema, by path.
fn fields(schema: &serde_json::Value) -> Vec<(String, &serde_json::Value)> {
    let mut found = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        found.push((name.clone(), field));
        let below = if field.get("items").is_some() { &field["items"] } else { field };
        found.extend(fields(below).into_iter().map(|(inner, field)| (format!("{name}.{inner}"), field)));
    }
    found
}
