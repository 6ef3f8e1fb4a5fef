//! Strings that YAML reads as something else, wherever a value reaches a name, label, annotation or namespace.

use crate::control_plane::ControlPlane;
use crate::helm::{config_text, full, named, only, parse_strictly, template_release, tmp};
use serde_json::{Value, json};
use session_export_operator::config::Config;
use std::path::Path;

/// Valid as the name of anything. YAML 1.1 or 1.2 reads each of them as a number, a bool, a date or null.
const NAMES: [&str; 30] = [
    "0",
    "7",
    "007",
    "08",
    "123",
    "2024",
    "0x1f",
    "0xff",
    "0o17",
    "0b101",
    "1e3",
    "12e03",
    "1e1000",
    "0e0",
    "true",
    "false",
    "on",
    "off",
    "yes",
    "no",
    "y",
    "n",
    "null",
    "nan",
    "inf",
    "2024-01-01",
    "2024-01",
    "0-0",
    "0x",
    "99999999999999999999999999999999999999999999999999",
];
/// Further values of labels, which may also hold capitals, underscores and dots, or be empty.
const LABELS: [&str; 14] =
    ["", "True", "Yes", "NULL", "N", "1E3", "0X1F", "1_000", "0x_1", "1.5", "1.0", "1.2.3", "0.0", "1e3.0"];
/// Further values of annotations, which may hold anything.
const ANNOTATIONS: [&str; 34] = [
    "~",
    ".inf",
    "-.INF",
    ".nan",
    "-1",
    "+1",
    "12:30",
    "190:20:30",
    "<<",
    "=",
    "- a",
    "a: b",
    "a:",
    "# a",
    "a # b",
    "!a",
    "&a",
    "*a",
    "%a",
    "@a",
    "`a`",
    "{",
    "{a: b}",
    "[a]",
    "\"",
    "'",
    "? a",
    "| a",
    "> a",
    "a\nb: c\n",
    "\t",
    " a ",
    "\u{e9}\u{2028}\u{1f600}",
    "\\n\u{7}\u{1b}",
];
/// Keys of labels and annotations.
const KEYS: [&str; 8] = ["123", "1e3", "0o17", "on", "y", "null", "true", "1.5"];

/// Every value that reaches a name, a label, an annotation or a namespace.
fn values_with(name: &str, label: &str, annotation: &str) -> Value {
    let mut values = full();
    let labels: Value =
        KEYS.iter().map(|key| ((*key).to_owned(), json!(label))).collect::<serde_json::Map<_, _>>().into();
    let annotations: Value =
        KEYS.iter().map(|key| ((*key).to_owned(), json!(annotation))).collect::<serde_json::Map<_, _>>().into();
    for pointer in LABEL_MAPS {
        *values.pointer_mut(pointer).unwrap() = labels.clone();
    }
    for pointer in ANNOTATION_MAPS {
        *values.pointer_mut(pointer).unwrap() = annotations.clone();
    }
    let alert = json!({"on": label, "null": label});
    *values.pointer_mut("/prometheusRule/alerts/SessionExportHeld/labels").unwrap() = alert;
    for pointer in NAME_VALUES {
        *values.pointer_mut(pointer).unwrap() = json!(name);
    }
    values
}

const LABEL_MAPS: [&str; 7] = [
    "/commonLabels",
    "/podLabels",
    "/nodeSelector",
    "/serviceMonitor/labels",
    "/podMonitor/labels",
    "/prometheusRule/labels",
    "/grafanaDashboard/labels",
];
const ANNOTATION_MAPS: [&str; 6] = [
    "/commonAnnotations",
    "/deploymentAnnotations",
    "/crds/annotations",
    "/podAnnotations",
    "/serviceAccount/annotations",
    "/grafanaDashboard/annotations",
];
const NAME_VALUES: [&str; 14] = [
    "/config/lease/namespace",
    "/namespaceOverride",
    "/global/imagePullSecrets/0",
    "/serviceMonitor/namespace",
    "/podMonitor/namespace",
    "/nameOverride",
    "/fullnameOverride",
    "/imagePullSecrets/0/name",
    "/serviceAccount/name",
    "/config/lease/name",
    "/priorityClassName",
    "/watch/namespaces/0",
    "/config/rules/0/namespaces/0",
    "/config/rules/0/streamGroups/0",
];

/// Where the objects have something else than a string though Kubernetes wants one.
fn find_other_than_strings(value: &Value, path: &str, found: &mut Vec<String>) {
    const STRINGS: [&str; 6] =
        ["name", "namespace", "policyName", "serviceAccountName", "priorityClassName", "topologyKey"];
    const MAPS: [&str; 4] = ["labels", "annotations", "matchLabels", "nodeSelector"];
    const LISTS: [&str; 2] = ["resourceNames", "values"];
    match value {
        Value::Object(map) => {
            for (key, below) in map {
                let path = format!("{path}/{key}");
                let wrong = match key.as_str() {
                    key if STRINGS.contains(&key) => !below.is_string(),
                    key if MAPS.contains(&key) => {
                        !below.as_object().is_some_and(|map| map.values().all(Value::is_string))
                    }
                    key if LISTS.contains(&key) => {
                        !below.as_array().is_some_and(|list| list.iter().all(Value::is_string))
                    }
                    _ => false,
                };
                if wrong {
                    found.push(format!("{path}: {below}"));
                }
                find_other_than_strings(below, &path, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|below| find_other_than_strings(below, path, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The rendered objects without the CRD, whose schemas have properties of such names.
fn read_strictly(release: (&str, &str), values: &Value) -> Vec<Value> {
    let manifests = template_release(release, values, &[]).unwrap_or_else(|why| panic!("{release:?}: {why}"));
    let mut objects = parse_strictly(&manifests).unwrap_or_else(|why| panic!("{release:?}: {why}"));
    objects.retain(|object| object["kind"] != "CustomResourceDefinition");
    objects
}

fn assert_strings(release: (&str, &str), objects: &[Value]) {
    let mut found = Vec::new();
    objects.iter().for_each(|object| find_other_than_strings(object, object["kind"].as_str().unwrap(), &mut found));
    assert!(found.is_empty(), "{release:?}: {found:#?}");
}

/// The values arrive as they were given: in the objects, and in the configuration as the operator reads it.
fn assert_arrived(objects: &[Value], name: &str, label: &str, annotation: &str) {
    for object in objects {
        let metadata = &object["metadata"];
        assert!(metadata["name"].as_str().unwrap().contains(name), "{name}: {metadata}");
        // The list of more objects is the user's own.
        if metadata["name"] != format!("{name}-dashboard") || object["metadata"]["labels"].is_object() {
            assert_eq!(metadata["labels"]["on"], label, "{metadata}");
            assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], name, "{metadata}");
        }
    }
    let deployment = only(objects, "Deployment");
    let pod = &deployment["spec"]["template"];
    assert_eq!(deployment["metadata"]["namespace"], name);
    assert_eq!(pod["metadata"]["annotations"]["null"], annotation);
    assert_eq!(pod["spec"]["nodeSelector"]["1e3"], label);
    let texts = ["serviceAccountName", "priorityClassName"].map(|key| &pod["spec"][key]);
    assert_eq!(texts, [name; 2]);
    let config = Config::parse(&config_text(objects), Path::new("config.yaml")).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!((config.lease.namespace.as_deref(), config.lease.name.as_str()), (Some(name), name));
    assert_eq!(config.watch.namespaces[0], name);
    let rule = config.rules.as_slice()[0].to_string();
    assert!(rule.starts_with(&format!("{{namespaces: [\"{name}\"], streamGroups: [\"{name}\"]")), "{rule}");
}

/// Each name with a label and an annotation; each label and each annotation with some name.
fn all_strings() -> Vec<(&'static str, &'static str, &'static str)> {
    let labels: Vec<&str> = NAMES.iter().chain(&LABELS).copied().collect();
    let annotations: Vec<&str> = labels.iter().chain(&ANNOTATIONS).copied().collect();
    (0..annotations.len()).map(|n| (NAMES[n % NAMES.len()], labels[n % labels.len()], annotations[n])).collect()
}

#[test]
fn a_string_stays_a_string_wherever_it_is_written() {
    for (name, label, annotation) in all_strings() {
        let release = (name, name);
        let objects = read_strictly(release, &values_with(name, label, annotation));
        assert_strings(release, &objects);
        assert_arrived(&objects, name, label, annotation);
    }
}

#[test]
fn names_that_follow_from_the_release_alone_stay_strings() {
    for name in NAMES {
        let values = json!({"watch": {"namespaces": [name]}, "serviceMonitor": {"enabled": true}});
        let objects = read_strictly((name, name), &values);
        assert_strings((name, name), &objects);
        let lease = &only(&objects, "Deployment")["metadata"]["name"];
        assert_eq!(named(&objects, "Role", "-lease")["rules"][1]["resourceNames"], json!([lease]));
    }
}

#[test]
fn a_template_in_an_object_of_the_user_gives_a_string() {
    let object = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "20{{ .Release.Name }}", "labels": {"{{ .Release.Name }}": "{{ .Values.nameOverride }}"}},
        "data": {"text": "it's \"{{ .Release.Name }}\"\n{{ .Values.nameOverride }}: x", "list": [1, true, null, "{{ 1 }}"]},
    });
    for name in NAMES {
        let values = json!({"nameOverride": name, "extraObjects": [object]});
        let objects = read_strictly((name, "ops"), &values);
        let metadata = json!({"name": format!("20{name}"), "labels": {name: name}});
        let data = json!({"text": format!("it's \"{name}\"\n{name}: x"), "list": [1, true, null, "1"]});
        let made = only(&objects, "Secret");
        assert_eq!((&made["metadata"], &made["data"]), (&metadata, &data));
    }
}

/// A reader of YAML 1.1 and one of 1.2 disagree on what needs quotes, so that everything has them.
#[test]
fn what_a_user_gives_is_written_between_quotes() {
    const MARK: &str = "zq7mark";
    let mut values = values_with(MARK, MARK, MARK);
    // These are copied, with the quotes that they need.
    values["extraObjects"] = json!([]);
    let manifests = template_release((MARK, MARK), &values, &[]).unwrap();
    let mut block = None;
    let mut bare = Vec::new();
    for line in manifests.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let depth = line.len() - line.trim_start().len();
        if block.is_some_and(|outer| depth > outer || line.is_empty()) {
            continue;
        }
        block = [": |", ": |-", ": >-"].iter().any(|end| line.ends_with(end)).then_some(depth);
        let quotes_before = |at: usize| line[..at].matches(['"', '\'']).count();
        bare.extend(line.match_indices(MARK).filter(|(at, _)| quotes_before(*at) % 2 == 0).map(|_| line));
    }
    assert!(bare.is_empty(), "{}", bare.join("\n"));
    assert!(manifests.matches(MARK).count() > 200, "the comparison is empty");
}

#[test]
fn a_name_that_is_cut_ends_as_a_name_may() {
    let longest = |end: &str| format!("{}{end}", "a".repeat(53 - end.len()));
    for release in ["------b", ".b.b", "b", ".b"].map(longest).into_iter().chain(["a.b".to_owned()]) {
        let values = json!({"nameOverride": "a", "serviceMonitor": {"enabled": true}});
        let objects = read_strictly((&release, "ops"), &values);
        let name = only(&objects, "Deployment")["metadata"]["name"].as_str().unwrap();
        assert!(name.len() <= 50 && name.ends_with(|last: char| last.is_ascii_alphanumeric()), "{name}");
        assert!(!only(&objects, "Service")["metadata"]["name"].as_str().unwrap().contains('.'));
    }
}

#[tokio::test]
async fn the_api_server_takes_odd_strings() {
    let control = ControlPlane::shared().await;
    for (n, name) in ["2024", "0x1f", "0o17", "1e3", "on", "null"].into_iter().enumerate() {
        control.namespace(name).await;
        control.namespace("team-b").await;
        let manifests =
            template_release((name, name), &values_with(name, LABELS[n], ANNOTATIONS[n + 20]), &[]).unwrap();
        apply_text(control, &format!("odd-{n}.yaml"), &manifests);
        let alone = json!({"serviceMonitor": {"enabled": true}, "watch": {"namespaces": [name]}});
        apply_text(control, &format!("odd-{n}.yaml"), &template_release((name, name), &alone, &[]).unwrap());
    }
}

/// As Helm sends it: the API server's own reading of the text, not ours.
fn apply_text(control: &ControlPlane, file: &str, manifests: &str) {
    let documents = manifests.split("\n---\n");
    let known: Vec<&str> =
        documents.filter(|document| !document.contains("apiVersion: monitoring.coreos.com")).collect();
    let path = tmp(file);
    std::fs::write(&path, known.join("\n---\n")).unwrap();
    let path = path.display().to_string();
    let arguments =
        ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", &path];
    let output = control.kubectl(&arguments);
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
}
