//! Values with nothing under them: each has its default.

use crate::helm::{CHART, NAMESPACE, helm, template, text, tmp, values};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn default_values() -> Value {
    values("charts/session-export-operator/values.yaml")
}

/// Every section, subsection and value of the chart, as JSON pointers.
fn pointers(values: &Value, path: &str, found: &mut Vec<String>) {
    for (key, below) in values.as_object().into_iter().flatten() {
        let path = format!("{path}/{}", key.replace('/', "~1"));
        pointers(below, &path, found);
        found.push(path);
    }
}

/// The value as a user writes it: `{a: {b: null}}` for `/a/b`.
fn null_at(pointer: &str) -> Value {
    pointer
        .rsplit('/')
        .filter(|key| !key.is_empty())
        .fold(Value::Null, |below, key| json!({ key.replace("~1", "/"): below }))
}

/// Null removes these: they are maps as Kubernetes has them.
fn is_removed(pointer: &str) -> bool {
    const MAPS: [&str; 5] =
        ["/resources/", "/grafanaDashboard/labels/", "/nodeSelector/", "/podSecurityContext/", "/securityContext/"];
    MAPS.iter().any(|map| pointer.starts_with(map))
}

fn all_pointers() -> Vec<String> {
    let mut found = Vec::new();
    pointers(&default_values(), "", &mut found);
    assert!(found.len() > 90, "{found:?}");
    found
}

/// The values that are not their defaults when they are null. Those of one depth are null at once; only if that makes a
/// difference is each tried alone. `on` is what the values are merged with, and its own are left out.
fn values_without_default(on: &Value, render: impl Fn(&Value) -> Result<String, String>) -> Vec<String> {
    let rendered = render(on).unwrap();
    let differs = |pointers: &[String]| {
        let mut values = on.clone();
        pointers.iter().for_each(|pointer| merge(&mut values, &null_at(pointer)));
        render(&values) != Ok(rendered.clone())
    };
    let mut by_depth = BTreeMap::<usize, Vec<String>>::new();
    for pointer in all_pointers().into_iter().filter(|pointer| !is_removed(pointer) && on.pointer(pointer).is_none()) {
        by_depth.entry(pointer.matches('/').count()).or_default().push(pointer);
    }
    let differing = by_depth.into_values().filter(|pointers| differs(pointers));
    differing.flatten().filter(|pointer| differs(std::slice::from_ref(pointer))).collect()
}

#[test]
fn null_is_the_default_for_each_value_and_section() {
    let on = json!({
        "serviceMonitor": {"enabled": true}, "podMonitor": {"enabled": true}, "prometheusRule": {"enabled": true},
        "grafanaDashboard": {"enabled": true},
    });
    assert_eq!(values_without_default(&on, |values| template(values, &[])), [""; 0]);
    let rendered = template(&on, &[]).unwrap();
    for pointer in all_pointers().iter().filter(|pointer| is_removed(pointer)) {
        let mut without = on.clone();
        merge(&mut without, &null_at(pointer));
        // A profile without its type is refused.
        let refused = |why: &String| why.contains("missing property 'type'");
        assert!(template(&without, &[]).map_or_else(|why| refused(&why), |text| text != rendered), "{pointer}");
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into.as_object_mut(), from.as_object()) {
        (Some(map), Some(more)) => {
            more.iter().for_each(|(key, value)| merge(map.entry(key).or_insert(Value::Null), value));
        }
        _ => *into = from.clone(),
    }
}

#[test]
fn a_limit_is_removed_by_null() {
    let rendered = template(&json!({"resources": {"limits": null}}), &[]).unwrap();
    assert!(!rendered.contains("limits:"), "{rendered}");
}

/// A template that doesn't begin so may be the first that is rendered.
#[test]
fn every_template_restores_the_defaults_first() {
    for entry in fs::read_dir(Path::new(CHART).join("templates")).unwrap() {
        let path = entry.unwrap().path();
        let first = fs::read_to_string(&path).unwrap().lines().next().unwrap_or_default().to_owned();
        let expected = r#"{{- include "seo.restoreDefaults" . }}"#;
        assert!(first == expected || path.ends_with("_helpers.tpl"), "{}: {first}", path.display());
    }
}

/// A chart that depends on this one, with a condition.
fn umbrella() -> PathBuf {
    let folder = tmp("umbrella");
    let inside = folder.join("charts/session-export-operator");
    drop(fs::remove_dir_all(&folder));
    copy_folder(Path::new(CHART), &inside);
    let chart = json!({
        "apiVersion": "v2", "name": "umbrella", "version": "0.1.0",
        "dependencies": [{
            "name": "session-export-operator", "version": "0.1.0", "alias": "exporter",
            "condition": "exporter.enabled", "tags": ["exports"],
        }],
    });
    fs::write(folder.join("Chart.yaml"), chart.to_string()).unwrap();
    fs::write(folder.join("values.yaml"), "tags: {exports: false}\n").unwrap();
    folder
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &target),
            false => assert!(fs::copy(&path, &target).is_ok()),
        }
    }
}

#[test]
fn it_is_a_dependency_with_a_condition_globals_and_empty_sections() {
    let folder = umbrella();
    let chart = folder.to_str().unwrap();
    let render = |values: &Value| {
        let output =
            helm(&["template", "umbrella", chart, "--namespace", NAMESPACE, "--kube-version", "1.33.0"], values);
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    };
    let globals = json!({"storageClass": "gp3", "anything": {"below": [1]}});
    let with = |own: Value| render(&json!({"exporter": own, "global": globals}));
    let rendered = with(json!({"enabled": true})).unwrap();
    assert!(rendered.contains("kind: Deployment"));
    assert!(!with(json!({"enabled": false})).unwrap().contains("kind: Deployment"));
    let refused = with(json!({"enabled": true, "replicas": 3})).unwrap_err();
    assert!(refused.contains("'replicas' not allowed"), "{refused}");
    let own_values = |own: &Value| with(own.clone());
    assert_eq!(values_without_default(&json!({"enabled": true}), own_values), [""; 0]);
    let global = |global: Value| render(&json!({"exporter": {"enabled": true}, "global": global})).unwrap();
    for nothing in [json!(null), json!({"imageRegistry": null, "imagePullSecrets": null})] {
        assert!(global(nothing.clone()) == rendered, "{nothing}");
    }
    let mirrored = global(json!({"imageRegistry": "mirror.example.com"}));
    assert!(mirrored.contains("image: \"mirror.example.com/session-export-operator:"), "{mirrored}");
}
