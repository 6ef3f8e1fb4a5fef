//! Blocks of YAML and JSON are what they look like.

use crate::helm;
use crate::markdown::{Block, pages};
use serde::Deserialize;
use serde_json::Value;
use session_export_operator::api::request::ExportRequest;
use session_export_operator::api::{GROUP, KIND, SessionExport, VERSION};
use session_export_operator::config::Config;
use std::path::Path;

/// Keys of the operator's configuration.
const SECTIONS: [&str; 6] = ["aws", "rules", "quota", "watch", "lease", "timing"];
/// Files whose YAML is neither an object, nor a configuration, nor values of the chart: parts of larger files that
/// their own tests judge, and the simulator's configuration.
const PARTS: [&str; 2] = ["docs/gitops.md", "simulator/README.md"];

fn blocks(language: &str) -> Vec<Block> {
    pages().into_iter().flat_map(|page| page.blocks()).filter(|block| block.language == language).collect()
}

fn documents(block: &Block) -> Vec<Value> {
    let parse = |document| Value::deserialize(document).unwrap_or_else(|e| panic!("{}: {e}", block.place));
    serde_yaml::Deserializer::from_str(&block.text).map(parse).collect()
}

/// A SessionExport that the API server would take, without fields that the API doesn't know.
fn judge_export(block: &Block, object: &Value) {
    let export: SessionExport =
        serde_json::from_value(object.clone()).unwrap_or_else(|e| panic!("{}: {e}", block.place));
    assert_eq!(object["apiVersion"], format!("{GROUP}/{VERSION}"), "{}", block.place);
    ExportRequest::parse(&export.spec).unwrap_or_else(|e| panic!("{}: {e}", block.place));
    let known = serde_json::to_value(&export.spec).unwrap();
    for (key, value) in object["spec"].as_object().unwrap() {
        assert_eq!(known.get(key), Some(value), "{}: spec.{key}", block.place);
    }
}

fn judge(block: &Block, document: &Value) {
    let keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    if document["kind"] == KIND {
        judge_export(block, document);
    } else if keys.contains(&"kind") {
        assert!(document["apiVersion"].is_string() && document["metadata"]["name"].is_string(), "{}", block.place);
    } else if block.place.starts_with("charts/") || keys.contains(&"config") || keys.contains(&"image") {
        helm::template(document, &[]).unwrap_or_else(|why| panic!("{}: {why}", block.place));
    } else if keys.iter().all(|key| SECTIONS.contains(key)) {
        Config::parse(&block.text, Path::new(&block.place)).unwrap_or_else(|e| panic!("{e}"));
    } else {
        assert!(PARTS.iter().any(|file| block.place.starts_with(file)), "{}: what is this?", block.place);
    }
}

#[test]
fn all_yaml_is_an_object_a_configuration_or_values_of_the_chart() {
    let blocks = blocks("yaml");
    assert!(blocks.len() > 10);
    for block in blocks {
        for document in documents(&block) {
            judge(&block, &document);
        }
    }
}

#[test]
fn all_json_parses() {
    for block in blocks("json") {
        serde_json::from_str::<Value>(&block.text).unwrap_or_else(|e| panic!("{}: {e}", block.place));
    }
}
