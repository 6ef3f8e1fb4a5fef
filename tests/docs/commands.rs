//! Commands of the pages that take no more than a control plane, or nothing. Those that take an operator at work are
//! in `tests/e2e/documented.rs`.

use crate::control_plane::ControlPlane;
use crate::markdown::{block, root};
use crate::simulator::Simulator;
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
    succeeded(&run("argocd-ignore-updates", control.bin(), &control.kubeconfig()));
    let map = succeeded(&control.kubectl(&["-n", "argocd", "get", "configmap", "argocd-cm", "-o", "json"]));
    let map: serde_json::Value = serde_json::from_str(&map).unwrap();
    for kind in ["SessionExport", "SessionExportPolicy"] {
        let file = format!("gitops/argocd/sessionexport.dev/{kind}/health.lua");
        let lua = std::fs::read_to_string(root().join(file)).unwrap();
        assert_eq!(map["data"][format!("resource.customizations.health.sessionexport.dev_{kind}")], lua);
    }
    assert_eq!(map["data"].as_object().unwrap().len(), 3, "and what is ignored");
}

/// Runs a block of the simulator's page against one that listens elsewhere.
fn run_with(simulator: &Simulator, name: &str) -> String {
    let commands = block(name).text.replace("http://127.0.0.1:8474", &simulator.aws);
    succeeded(&Command::new("bash").args(["-euo", "pipefail", "-c", &commands]).output().unwrap())
}

#[tokio::test]
async fn the_documented_arrivals_arrive_are_shown_and_stop() {
    let simulator = Simulator::start(&[]);
    assert_eq!(run_with(&simulator, "simulator-arrivals"), r#"{"id":1}"#);
    simulator.ask("POST", "time", serde_json::json!({"seconds": 130})).await;
    let shown = run_with(&simulator, "simulator-arrivals-shown");
    let answers: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&shown).into_iter().collect::<Result<_, _>>().unwrap();
    let [all, one, stopped] = answers.as_slice() else { panic!("{shown}") };
    let arrived = one["arrived"].as_u64().unwrap();
    assert!(arrived >= 1300 && all["arrivals"][0]["arrived"].as_u64().unwrap() <= arrived, "{all}");
    assert!(one["live"].as_u64().unwrap() > 300 && one["ended"].as_u64().unwrap() > 300, "{all}");
    let reasons = one["sessions"].as_array().unwrap().iter().map(|session| &session["statusReason"]);
    assert!(reasons.filter(|reason| reason.is_string()).all(|reason| reason == "reconnectionTimeout"));
    assert_eq!(stopped["ok"], true);
    assert_eq!(simulator.ask("GET", "arrivals", serde_json::Value::Null).await["arrivals"][0]["running"], false);
}
