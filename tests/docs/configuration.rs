//! docs/configuration.md, written from the types of the configuration and from the program's own help.

use crate::assert_committed;
use schemars::schema_for;
use serde_json::{Map, Value};
use session_export_operator::config::Config;
use std::process::Command;

const HEAD: &str = "# Configuration reference

Written by `make docs` from the types of `src/config.rs`. One YAML file (`--config`, or the variable
`SESSION_EXPORT_CONFIG`). Every section and every key may be left out. An unknown key or a wrong value is an error with
its file, line and field. [`examples/config.yaml`](../examples/config.yaml) is a file with every key.

With the chart, `aws` and `watch` are at the top of the values, and `rules`, `quota`, `lease` and `timing` are below
`config`. The operator reads the file when it starts; the chart restarts the Pods when it changes.

A duration is a text with its unit, such as `30s`, `2m` or `25h`, from `1ms` to `744h`. A number alone is an error.
";

/// The sections in their order in a file.
const SECTIONS: [&str; 7] = ["aws", "rules", "quota", "watch", "policies", "lease", "timing"];

/// Variables whose values the help would show.
const VARIABLES: [&str; 5] =
    ["SESSION_EXPORT_CONFIG", "SESSION_EXPORT_LISTEN", "SESSION_EXPORT_HEALTH_LISTEN", "LOG_FORMAT", "RUST_LOG"];

#[test]
fn the_committed_reference_is_that_of_the_types() {
    let schema = schema_for!(Config).to_value();
    let sections: String = SECTIONS.iter().map(|name| section(&schema, name)).collect();
    assert_committed("docs/configuration.md", &format!("{HEAD}{sections}{}", command_line()));
}

#[test]
fn every_key_is_described() {
    let schema = schema_for!(Config).to_value();
    let keys = schema["properties"].as_object().unwrap().keys();
    assert!(keys.clone().all(|key| SECTIONS.contains(&key.as_str())), "a section is missing in this page");
    for key in keys {
        for (field, of_it) in fields(&schema, key) {
            assert!(of_it["description"].as_str().unwrap_or_default().len() > 10, "{key}.{field}");
        }
    }
}

/// Follows a reference, and from a list to its entries.
fn resolve<'a>(schema: &'a Value, found: &'a Value) -> &'a Value {
    if let Some(name) = found["$ref"].as_str() {
        return resolve(schema, schema.pointer(name.trim_start_matches('#')).unwrap());
    }
    if found["items"]["$ref"].is_string() { resolve(schema, &found["items"]) } else { found }
}

fn fields<'a>(schema: &'a Value, section: &str) -> &'a Map<String, Value> {
    resolve(schema, &schema["properties"][section])["properties"].as_object().unwrap()
}

fn section(schema: &Value, name: &str) -> String {
    let found = resolve(schema, &schema["properties"][name]);
    let required: Vec<&Value> = found["required"].as_array().into_iter().flatten().collect();
    let rows = fields(schema, name).iter().map(|(key, field)| {
        let default =
            if required.contains(&&Value::from(key.as_str())) { "required".to_owned() } else { default_of(field) };
        format!("| `{key}` | {} | {default} | {} |\n", type_of(field), sentence(field))
    });
    let rows: String = rows.collect();
    let intro = if name == "rules" { "A list of rules. " } else { "" };
    format!(
        "\n## {name}\n\n{intro}{}\n\n| key | type | default | |\n|---|---|---|---|\n{rows}",
        wrapped(&sentence(found), intro.len())
    )
}

/// A description on one line.
fn sentence(schema: &Value) -> String {
    schema["description"]
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// Wrapped at 120 columns, behind `before` columns.
fn wrapped(text: &str, before: usize) -> String {
    let mut column = before;
    let mut page = String::new();
    for word in text.split(' ') {
        if column > 0 && column + 1 + word.len() > 120 {
            page.push('\n');
            column = 0;
        } else if !page.is_empty() {
            page.push(' ');
            column += 1;
        }
        page += word;
        column += word.len();
    }
    page
}

fn type_of(field: &Value) -> &str {
    match (field["type"].as_str().unwrap(), field["format"].as_str()) {
        ("string", Some("duration")) => "duration",
        ("string", _) => "text",
        ("array", _) => "list of texts",
        ("boolean", _) => "true or false",
        ("integer" | "number", _) => "number",
        (other, _) => panic!("{other}"),
    }
}

fn default_of(field: &Value) -> String {
    match &field["default"] {
        Value::Null => String::new(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::Array(list) if list.is_empty() => "empty".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Number(number) => format!("`{}`", number.as_f64().unwrap()),
        other @ (Value::Bool(_) | Value::Array(_) | Value::Object(_)) => format!("`{other}`"),
    }
}

/// The help of the program and of `run`, as the program prints it.
fn command_line() -> String {
    let help = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_session-export-operator"));
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        let output = command.args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>()
    };
    let parts: String = [["--help"].as_slice(), &["run", "--help"], &["check-config", "--help"]]
        .into_iter()
        .map(|arguments| {
            format!("\n```text\n$ session-export-operator {}\n{}```\n", arguments.join(" "), help(arguments))
        })
        .collect();
    format!(
        "\n## Command line\n\nExit codes: 0 done, 1 failed at work or ended by a second signal, 2 wrong flags or configuration.\n{parts}"
    )
}
