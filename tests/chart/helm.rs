//! Helm as a process, and what it answers.

use serde::Deserialize;
use serde_json::Value;
use std::env::{split_paths, var_os};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/session-export-operator");
/// Of the release that is rendered.
pub(crate) const NAMESPACE: &str = "ops";

static HELM: LazyLock<PathBuf> = LazyLock::new(|| {
    let on_path = || split_paths(&var_os("PATH").unwrap_or_default()).map(|folder| folder.join("helm")).collect();
    let candidates: Vec<PathBuf> = var_os("HELM").map_or_else(
        || cached().into_iter().chain::<Vec<PathBuf>>(on_path()).collect(),
        |named| vec![PathBuf::from(named)],
    );
    candidates.into_iter().find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("there is no helm to render the chart with: run `make helm` (builds it once, in about 4 minutes)")
    })
});

/// The cache of `tools/helm.sh`, for the version that its go.mod requires.
fn cached() -> Option<PathBuf> {
    let go_mod = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tools/helm/go.mod")).ok()?;
    let line = go_mod.lines().find_map(|line| line.trim().strip_prefix("helm.sh/helm/v4 "))?;
    let home = || var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    Some(cache.join("session-export-operator/helm").join(line.split_whitespace().next()?).join("helm"))
}

/// Helm with pipes, and nothing of the machine's own cluster or Helm.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(&*HELM);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("KUBECONFIG").env("HELM_CACHE_HOME", tmp("helm")).env("HELM_CONFIG_HOME", tmp("helm"));
    command
}

/// Runs Helm with values on its standard input (`-f -`).
pub(crate) fn helm(arguments: &[&str], values: &Value) -> Output {
    let mut child = command(&[arguments, &["-f", "-"]].concat()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(values.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The manifests as text, or what Helm complains of. For the oldest cluster that is supported, unless said otherwise.
pub(crate) fn template(values: &Value, more: &[&str]) -> Result<String, String> {
    template_release(("exports", NAMESPACE), values, more)
}

/// The manifests of a release, given by its name and namespace.
pub(crate) fn template_release(release: (&str, &str), values: &Value, more: &[&str]) -> Result<String, String> {
    let (name, namespace) = release;
    let arguments = ["template", name, CHART, "--namespace", namespace, "--kube-version", "1.33.0"];
    let arguments = [&arguments, more].concat();
    let output = helm(&arguments, values);
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The rendered objects.
pub(crate) fn objects(values: &Value) -> Vec<Value> {
    parse(&template(values, &[]).unwrap_or_else(|why| panic!("{why}\nwith {values}")))
}

/// All documents of a YAML stream that say something.
pub(crate) fn parse(manifests: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(manifests).map(|d| Value::deserialize(d).unwrap());
    documents.filter(|document| !document.is_null()).collect()
}

/// The same, by a reader that refuses a key which is there twice, and keys that are not strings.
pub(crate) fn parse_strictly(manifests: &str) -> Result<Vec<Value>, String> {
    let read = |document: serde_yaml::Deserializer<'_>| {
        let strict = serde_yaml::Value::deserialize(document).map_err(|error| error.to_string())?;
        serde_json::to_value(strict).map_err(|error| error.to_string())
    };
    let documents: Result<Vec<Value>, String> = serde_yaml::Deserializer::from_str(manifests).map(read).collect();
    Ok(documents?.into_iter().filter(|document| !document.is_null()).collect())
}

/// The only object of a kind.
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    first
}

/// The object of a kind whose name ends so.
pub(crate) fn named<'a>(objects: &'a [Value], kind: &str, ending: &str) -> &'a Value {
    let is_it = |object: &&Value| {
        object["kind"] == kind && object["metadata"]["name"].as_str().is_some_and(|name| name.ends_with(ending))
    };
    objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} that ends in {ending}"))
}

/// The operator's configuration file.
pub(crate) fn config_text(objects: &[Value]) -> String {
    let maps = objects.iter().filter(|object| object["kind"] == "ConfigMap");
    let mut texts = maps.filter_map(|map| map["data"]["config.yaml"].as_str());
    texts.next().unwrap().to_owned()
}

/// The values of a committed file.
pub(crate) fn values(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_yaml::from_str(&text).unwrap()
}

pub(crate) fn full() -> Value {
    values("tests/chart/values/full.yaml")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A path for this process's own files.
pub(crate) fn tmp(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chart");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}
