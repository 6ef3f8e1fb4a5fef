//! The commands of the documentation that take an operator at work, run as they stand there.

use crate::markdown::{Block, Page, block, pages};
use crate::world::World;
use serde_json::json;
use std::process::{Command, Output};

/// Runs a block's commands as the administrator, in this world's namespace, with `names` for the page's placeholders.
fn run(world: &World, name: &str, names: &[(&str, &str)]) -> Output {
    let control = world.control();
    let commands = block(name).commands().join("\n").replace("-n team-a", &format!("-n {}", world.namespace));
    let commands = names.iter().fold(commands, |text, (placeholder, own)| text.replace(placeholder, own));
    let path = format!("{}:{}", control.bin().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &commands]).env("PATH", path).env("KUBECONFIG", control.kubeconfig());
    command.output().unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The manifest of the README, in this world's namespace.
fn manifest(world: &World) -> serde_json::Value {
    let is_readme = |page: &Page| page.path == "README.md";
    let blocks = pages().into_iter().find(is_readme).unwrap().blocks();
    let is_manifest = |block: &Block| block.language == "yaml" && block.text.contains("kind: SessionExport");
    let mut manifest: serde_json::Value =
        serde_yaml::from_str(&blocks.into_iter().find(is_manifest).unwrap().text).unwrap();
    manifest["metadata"]["namespace"] = json!(&world.namespace);
    manifest
}

/// The columns of a table: of a printed one, or of the transcript in a page.
fn columns(text: &str) -> Vec<&str> {
    text.lines().find(|line| line.starts_with("NAME")).unwrap().split_whitespace().collect()
}

#[tokio::test]
async fn the_readme_works_as_it_stands() {
    let world = World::new("documented-readme").await;
    let _operator = world.operator().await;
    world.simulator.session("ABC123def4567", json!({})).await;
    let manifest = serde_json::from_value(manifest(&world)).unwrap();
    world.exports().create(&kube::api::PostParams::default(), &manifest).await.unwrap();
    world.reason("abc123def4567", "ExportPending").await;
    world.simulator.end("ABC123def4567").await;
    assert!(said(&run(&world, "readme-wait", &[])).contains("SUCCEEDED s3://exports/team-a/"));
    for transcript in ["readme-get", "why-get"] {
        assert_eq!(columns(&said(&run(&world, transcript, &[]))), columns(&block(transcript).text));
    }
}

#[tokio::test]
async fn the_recipes_for_waiting_work_as_they_stand() {
    let world = World::new("documented-waiting").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.export_with("my-export", "live", "s3://exports/a/", json!({"suspend": true})).await;
    world.reason("my-export", "Suspended").await;
    said(&run(&world, "release-suspended", &[]));
    said(&run(&world, "wait-accepted", &[]));
    world.simulator.end("live").await;
    said(&run(&world, "wait-outcome", &[]));
    assert!(said(&run(&world, "wait-poll", &[])).starts_with("SUCCEEDED s3://exports/a/"));
}

#[tokio::test]
async fn the_recipes_tell_a_failure_from_a_success() {
    let world = World::new("documented-failure").await;
    let _operator = world.operator().await;
    world.simulator.session("over", json!({})).await;
    world.simulator.end("over").await;
    world.export("my-export", "over", "s3://exports/a/").await;
    world.finished("my-export").await;
    assert!(!run(&world, "wait-outcome", &[]).status.success());
    assert!(said(&run(&world, "wait-poll", &[])).starts_with("FAILED"));
    assert!(said(&run(&world, "wait-why", &[])).contains("ended before"));
    let names = [("TEAM", world.namespace.as_str()), ("NAME", "my-export")];
    let failed = said(&run(&world, "runbook-failed", &names));
    assert!(failed.contains("FAILED") && failed.contains("ended before"), "{failed}");
}

#[tokio::test]
async fn the_runbook_finds_what_is_not_accepted() {
    let world = World::new("documented-runbook").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.export_with("held", "live", "s3://exports/a/", json!({"suspend": true})).await;
    world.reason("held", "Suspended").await;
    for name in ["runbook-unaccepted", "runbook-may-be-lost"] {
        let found = said(&run(&world, name, &[]));
        let own = found.lines().find(|line| line.starts_with(&world.namespace)).unwrap_or_else(|| panic!("{found}"));
        assert!(own.contains("held") && own.contains("Suspended"), "{name}: {own}");
    }
}

#[tokio::test]
async fn the_simulator_takes_the_fault_of_its_page() {
    let world = World::new("documented-fault").await;
    said(&run(&world, "simulator-fault", &[("http://127.0.0.1:8474", world.simulator.aws.as_str())]));
    let faults = world.simulator.ask("GET", "faults", serde_json::Value::Null).await.to_string();
    assert!(faults.contains("resetAfter"), "{faults}");
}
