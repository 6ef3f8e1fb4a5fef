//! What the project takes from others, and what its examples have users take: pinned, and by whom it may be written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder with this extension and their texts, by path from the root, in order.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == extension) {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn documents(text: &str) -> impl Iterator<Item = Value> {
    serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap())
}

/// The objects of a kind in the manifests that users copy, with their files.
fn examples_of(kind: &str) -> Vec<(String, Value)> {
    let manifests = ["gitops/flux", "gitops/argocd", "examples"].map(|folder| files(folder, "yaml")).concat();
    let objects = manifests.iter().flat_map(|(file, text)| documents(text).map(|object| (file.clone(), object)));
    objects.filter(|(_, object)| object["kind"] == kind).collect()
}

#[test]
fn examples_follow_the_tag_of_this_version_and_no_branch() {
    let tag = format!("v{}", env!("CARGO_PKG_VERSION"));
    let repositories = examples_of("GitRepository");
    for (file, object) in &repositories {
        assert_eq!(object["spec"]["ref"], serde_json::json!({"tag": tag}), "{file}");
    }
    let mut sources = Vec::new();
    for (file, object) in examples_of("Application") {
        let several = object["spec"]["sources"].as_array().into_iter().flatten();
        sources.extend(object["spec"].get("source").into_iter().chain(several).cloned().map(|one| (file.clone(), one)));
    }
    // Others are the user's own.
    sources.retain(|(_, source)| source["repoURL"].as_str().unwrap().ends_with("/session-export-operator.git"));
    for (file, source) in &sources {
        assert_eq!(source["targetRevision"], tag.as_str(), "{file}");
    }
    assert_eq!((repositories.len(), sources.len()), (1, 1));
}

/// Lines, with those that end in a backslash joined to the next.
fn logical_lines(text: &str) -> Vec<String> {
    text.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

#[test]
fn python_packages_are_installed_by_hash_and_never_built() {
    let scripts = ["tools", "simulator/tests"].map(|folder| files(folder, "sh")).concat();
    let mut installs = 0;
    for (file, text) in &scripts {
        let lines = logical_lines(text).into_iter().filter(|line| line.contains("pip") && line.contains(" install "));
        for line in lines {
            installs += 1;
            for wanted in ["--require-hashes", "--only-binary :all:", "--requirement"] {
                assert!(line.contains(wanted), "{file}: without {wanted}: {line}");
            }
        }
    }
    assert_eq!(installs, 5);
}

#[test]
fn every_python_package_has_its_version_and_its_hashes() {
    let texts = ["tools", "simulator/tests", "examples"].map(|folder| files(folder, "txt")).concat();
    let required: Vec<_> = texts.iter().filter(|(_, text)| text.contains("==")).collect();
    for (file, text) in &required {
        assert!(text.contains("\n# Renewed by: printf "), "{file} doesn't say what renews it");
        for line in logical_lines(text).iter().filter(|line| !line.starts_with('#')) {
            let is_pinned = line.contains("==") && line.contains(" --hash=sha256:") && !line.contains("://");
            assert!(is_pinned && !line.starts_with('-'), "{file}: {line}");
        }
    }
    assert_eq!(required.len(), 5);
}

/// The workflows by the names of their files, and the jobs of each.
fn workflows() -> Vec<(String, Value)> {
    let files = files(".github/workflows", "yml").into_iter();
    files.map(|(file, text)| (file, documents(&text).next().unwrap())).collect()
}

fn writes(permissions: &Value) -> Vec<String> {
    let Some(permissions) = permissions.as_object() else { panic!("permissions are {permissions}, not a list") };
    permissions.iter().filter(|(_, right)| *right == "write").map(|(name, _)| name.clone()).collect()
}

/// Each job that may write or sign, with its rights and the commands that it runs.
fn jobs_with_rights() -> Vec<(String, Vec<String>, Vec<String>)> {
    let mut found = Vec::new();
    for (file, workflow) in workflows() {
        assert_eq!(writes(&workflow["permissions"]), [""; 0], "{file}: rights of all its jobs");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let rights = job.get("permissions").map(writes).unwrap_or_default();
            let steps = job["steps"].as_array().into_iter().flatten();
            let runs = steps.filter_map(|step| step["run"].as_str().map(str::to_owned)).collect();
            if !rights.is_empty() {
                found.push((format!("{file}: {name}"), rights, runs));
            }
        }
    }
    found
}

#[test]
fn jobs_that_may_write_or_sign_are_few_and_run_what_is_known() {
    let login = r#"docker login "$REGISTRY" --username "$GITHUB_ACTOR" --password-stdin <<<"$TOKEN""#;
    let release = r#"gh release create "$GITHUB_REF_NAME" --verify-tag --notes-file dist/notes.md dist/*.tgz dist/*.cdx.json dist/*.sigstore.json"#;
    let jobs = jobs_with_rights();
    let [image, publish] = jobs.as_slice() else { panic!("{jobs:?}") };
    assert_eq!(image.0, ".github/workflows/release.yml: image");
    assert_eq!(image.1, ["packages"]);
    assert_eq!(image.2, [login, r#"tools/release/publish.sh image "$ARCHITECTURE""#]);
    assert_eq!(publish.0, ".github/workflows/release.yml: publish");
    assert_eq!(publish.1, ["attestations", "contents", "id-token", "packages"]);
    // tools/release/check.sh publish: that script builds no tool.
    assert_eq!(publish.2, [login, "tools/release/publish.sh index_and_chart", release]);
}

#[test]
fn the_published_sbom_is_that_of_the_job_without_rights() {
    let (_, release) = workflows().into_iter().find(|(file, _)| file.ends_with("/release.yml")).unwrap();
    let artifact = |job: &str, action: &str| {
        let steps = release["jobs"][job]["steps"].as_array().unwrap();
        let uses = |step: &&Value| step["uses"].as_str().is_some_and(|uses| uses.starts_with(action));
        steps.iter().find(uses).unwrap_or_else(|| panic!("{job} has no {action}"))["with"]["name"].clone()
    };
    assert_eq!(release["jobs"]["sbom"]["permissions"], serde_json::json!({"contents": "read"}));
    assert_eq!(artifact("sbom", "actions/upload-artifact@"), "sbom");
    assert_eq!(artifact("publish", "actions/download-artifact@"), "sbom");
    assert!(release["jobs"]["publish"]["needs"].as_array().unwrap().contains(&"sbom".into()));
}

#[test]
fn advisories_are_checked_by_the_clock() {
    let (_, workflow) = workflows().into_iter().find(|(file, _)| file.ends_with("/advisories.yml")).unwrap();
    assert!(workflow["on"]["schedule"][0]["cron"].is_string() && workflow["on"].get("workflow_dispatch").is_some());
    assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}));
    let jobs = workflow["jobs"].as_object().unwrap();
    let steps = jobs.values().flat_map(|job| job["steps"].as_array().unwrap());
    let runs: Vec<_> = steps.filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(runs, ["tools/cargo-deny.sh advisories"]);
}
