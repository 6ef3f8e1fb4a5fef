//! The examples of programs that create exports (`examples/backend/`, `examples/pipelines/`), as processes, with
//! nothing but the rights of the example.

use crate::world::World;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Output;
use tokio::process::Command;

const ACCOUNT: &str = "backend";

/// The folder that `tools/backend-examples.sh` prints. It is not made from here: that takes a minute.
fn made() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/backend-examples.sh");
    let output = std::process::Command::new(script).arg("--cached").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// The two of them, without their arguments.
fn examples() -> [(&'static str, Vec<PathBuf>); 2] {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/backend");
    let made = made().join("bin");
    [("Python", vec![made.join("python"), here.join("python/export.py")]), ("Go", vec![made.join("export")])]
}

/// Binds the example's Role to a ServiceAccount. Returns the file to log in with.
async fn bound(world: &World) -> PathBuf {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/backend/role.yaml")).unwrap();
    let mut role: Role = serde_yaml::from_str(&text).unwrap();
    role.metadata.namespace = Some(world.namespace.clone());
    let binding = json!({
        "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": &role.metadata.name},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": &world.namespace}],
    });
    let account = serde_json::from_value(json!({"metadata": {"name": ACCOUNT}})).unwrap();
    let new = PostParams::default();
    world.namespaced::<ServiceAccount>().create(&new, &account).await.unwrap();
    let roles: Api<Role> = world.namespaced();
    roles.create(&new, &role).await.unwrap();
    let bindings: Api<RoleBinding> = world.namespaced();
    bindings.create(&new, &serde_json::from_value(binding).unwrap()).await.unwrap();
    world.kubeconfig_of(ACCOUNT).await
}

async fn run(world: &World, example: &[PathBuf], login: &Path, session: &str, uri: &str) -> Output {
    let (program, first) = example.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(first).args([&world.namespace, "sg-1AB2C3De4", session, uri]);
    command.env_clear().env("KUBECONFIG", login).env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    command.output().await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_backend_sees_that_aws_accepted_the_export_on_every_retry() {
    let world = World::new("backend").await;
    let _operator = world.operator().await;
    let login = bound(&world).await;
    for (language, example) in examples() {
        let session = format!("Live{language}");
        world.simulator.session(&session, json!({})).await;
        for _ in 0..2 {
            let output = run(&world, &example, &login, &session, "s3://exports/a/").await;
            assert!(output.status.success(), "{language}: {}", said(&output));
            assert!(world.status(&session.to_lowercase()).await.request_time.is_some(), "{language}");
        }
        assert_eq!(world.simulator.exports(&session).await, 1, "{language}");
    }
}

#[tokio::test]
async fn a_backend_is_given_the_action_that_is_needed() {
    let world = World::new("backend-refused").await;
    let _operator = world.operator().await;
    let login = bound(&world).await;
    for (language, example) in examples() {
        let session = format!("Live{language}");
        world.simulator.session(&session, json!({})).await;
        let output = run(&world, &example, &login, &session, "s3://elsewhere/a/").await;
        let said = said(&output);
        assert!(!output.status.success() && said.contains("may add to rules"), "{language}: {said}");
        let output = run(&world, &example, &login, &format!("X{session}"), "https://elsewhere/").await;
        let said = self::said(&output);
        assert!(!output.status.success() && said.contains("must begin with s3://BUCKET/"), "{language}: {said}");
    }
}

/// The step of a pipeline: its script, and the variable that holds each parameter.
fn step(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipelines").join(file);
    let object: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let container = object.pointer("/spec/template/spec/containers/0").or(object.pointer("/spec/steps/0")).unwrap();
    let names: Vec<_> = container["env"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["NAME", "GROUP", "SESSION", "OUTPUT_URI"]);
    let script = container.get("script").or(container.pointer("/command/2")).unwrap();
    script.as_str().unwrap().to_owned()
}

/// There is no node to run a Pod: the step's script runs here, where kubectl is the same.
#[tokio::test]
async fn the_step_of_a_pipeline_ends_when_aws_has_accepted_the_export_also_on_a_retry() {
    let world = World::new("pipelines").await;
    let _operator = world.operator().await;
    let login = bound(&world).await;
    for (session, file) in [("job", "job.yaml"), ("tekton", "tekton-task.yaml")] {
        world.simulator.session(session, json!({})).await;
        let path = format!("{}:{}", world.control().bin().display(), std::env::var("PATH").unwrap());
        for _ in 0..2 {
            let mut command = Command::new("sh");
            command.args(["-euc", &step(file)]).env_clear().env("PATH", &path).env("KUBECONFIG", &login);
            command.env("HOME", login.parent().unwrap()).kill_on_drop(true);
            command.env("NAME", session).env("GROUP", "sg-1AB2C3De4").env("SESSION", session);
            let output = command.env("OUTPUT_URI", "s3://exports/a/").output().await.unwrap();
            assert!(output.status.success(), "{file}: {}", said(&output));
            assert!(world.status(session).await.request_time.is_some(), "{file}");
        }
        assert_eq!(world.simulator.exports(session).await, 1, "{file}");
    }
}

#[tokio::test]
async fn the_api_server_takes_the_example_of_a_job() {
    let world = World::new("pipelines-job").await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/pipelines/job.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let mut job: Value = serde_yaml::from_str(&text).unwrap();
    job["metadata"]["namespace"] = json!(&world.namespace);
    let path =
        std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("e2e").join(&world.namespace).join("job.json");
    std::fs::write(&path, job.to_string()).unwrap();
    let arguments = ["create", "--dry-run=server", "--validate=strict", "-f", path.to_str().unwrap()];
    let output = world.control().kubectl(&arguments);
    assert!(output.status.success(), "{}", said(&output));
}
