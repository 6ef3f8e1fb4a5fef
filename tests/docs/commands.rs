//! Commands of the pages that take no more than a control plane, or nothing. Those that take an operator at work are
//! in `tests/e2e/documented.rs`.

use crate::control_plane::ControlPlane;
use crate::markdown::{block, root};
use std::path::Path;
use std::process::{Command, Output};

/// Runs a block from the root of the repository, with programs of this folder first.
fn run(name: &str, folder: &Path, kubeconfig: &Path) -> Output {
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &block(name).text]).current_dir(root());
    command.env("PATH", path).env("KUBECONFIG", kubeconfig).output().unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_documented_check_of_a_configuration_says_ok() {
    let folder = Path::new(env!("CARGO_BIN_EXE_session-export-operator")).parent().unwrap();
    assert!(succeeded(&run("check-config", folder, Path::new("/nowhere"))).starts_with("ok\n"));
}

#[tokio::test]
async fn the_documented_installation_is_accepted() {
    let control = ControlPlane::shared().await;
    let said = succeeded(&run("install-manifests", control.bin(), &control.kubeconfig()));
    assert!(said.contains("deployment.apps/session-export-operator created"), "{said}");
}

#[tokio::test]
async fn the_documented_health_check_gets_into_argo_cds_configuration() {
    let control = ControlPlane::shared().await;
    control.namespace("argocd").await;
    succeeded(&control.kubectl(&["-n", "argocd", "create", "configmap", "argocd-cm"]));
    succeeded(&run("argocd-health", control.bin(), &control.kubeconfig()));
    let map = succeeded(&control.kubectl(&["-n", "argocd", "get", "configmap", "argocd-cm", "-o", "json"]));
    let map: serde_json::Value = serde_json::from_str(&map).unwrap();
    let lua = std::fs::read_to_string(root().join("gitops/argocd/sessionexport.dev/SessionExport/health.lua")).unwrap();
    assert_eq!(map["data"]["resource.customizations.health.sessionexport.dev_SessionExport"], lua);
}
