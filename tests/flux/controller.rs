//! Flux's kustomize-controller, one for each test's namespace, and its Kustomizations.

use crate::control_plane::ControlPlane;
use crate::repository::Repository;
use crate::simulator::{merge, tied};
use crate::world::World;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube_runtime::wait::{await_condition, conditions::is_crd_established};
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tokio::sync::OnceCell;

/// The folder that `tools/flux.sh` prints. It is not built from here: that takes minutes.
fn binaries() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/flux.sh");
    let output = Command::new(script).arg("--cached").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// One of `gitops/flux`.
pub(crate) fn example(name: &str) -> Value {
    let file = format!("{}/gitops/flux/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

static DEFINITIONS: OnceCell<()> = OnceCell::const_new();

/// Flux's own definitions, on the control plane of all tests.
pub(crate) async fn define(control: &ControlPlane) {
    DEFINITIONS.get_or_init(async || install(control).await).await;
}

async fn install(control: &ControlPlane) {
    let definitions: Api<CustomResourceDefinition> = Api::all(control.client().await);
    for file in binaries().join("crds").read_dir().unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let definition: CustomResourceDefinition = serde_yaml::from_str(&text).unwrap();
        let name = definition.metadata.name.clone().unwrap();
        definitions.create(&PostParams::default(), &definition).await.unwrap();
        await_condition(definitions.clone(), &name, is_crd_established()).await.unwrap();
    }
}

/// A running controller that sees one namespace, and that namespace's repository.
pub(crate) struct Flux<'world> {
    child: Child,
    log: PathBuf,
    world: &'world World,
    kustomizations: Api<DynamicObject>,
    pub(crate) repository: Repository,
}

impl<'world> Flux<'world> {
    pub(crate) async fn of(world: &'world World) -> Self {
        define(world.control()).await;
        let (namespace, client) = (&world.namespace, world.client.clone());
        let kind = GroupVersionKind::gvk("kustomize.toolkit.fluxcd.io", "v1", "Kustomization");
        let kustomizations = Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind));
        let repository = Repository::new(client, namespace).await;
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("flux").join(format!("{namespace}.log"));
        let child = started(world, &log);
        Self { child, log, world, kustomizations, repository }
    }

    /// Makes a Kustomization of a folder of the repository; `more` of its spec.
    pub(crate) async fn kustomization(&self, name: &str, more: Value) {
        let mut spec = json!({
            "interval": "1h", "retryInterval": "1h", "timeout": "30m", "prune": true,
            "path": name, "sourceRef": Repository::source_ref(),
        });
        merge(&mut spec, more);
        let object = json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": name}, "spec": spec,
        });
        self.kustomizations.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    /// Status, reason and message of its condition Ready.
    pub(crate) async fn ready(&self, name: &str) -> [String; 3] {
        let object = self.kustomizations.get(name).await.unwrap();
        let none = vec![];
        let conditions = object.data["status"]["conditions"].as_array().unwrap_or(&none);
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
        let word = |key: &str| ready.and_then(|ready| ready[key].as_str()).unwrap_or_default().to_owned();
        [word("status"), word("reason"), word("message")]
    }

    /// Waits until it has applied this revision and found all of it ready.
    pub(crate) async fn applied(&self, name: &str, revision: &str) {
        let is_so = async || {
            let object = self.kustomizations.get(name).await.unwrap();
            object.data["status"]["lastAppliedRevision"] == revision && self.ready(name).await[0] == "True"
        };
        self.eventually(&format!("{name} at {revision}"), is_so).await;
    }

    /// As the harness waits, with this controller's log.
    pub(crate) async fn eventually(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        for _ in 0..1200 {
            if is_so().await {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        panic!("never: {what}\n--- kustomize-controller\n{log}\n{}", self.world.logs());
    }

    /// `flux reconcile`: lets it apply once more what is in Git.
    pub(crate) async fn reconcile(&self, name: &str) {
        let now = k8s_openapi::jiff::Timestamp::now().to_string();
        let asked = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": &now}}});
        self.kustomizations.patch(name, &PatchParams::default(), &Patch::Merge(asked)).await.unwrap();
        let handled = async || {
            self.kustomizations.get(name).await.unwrap().data["status"]["lastHandledReconcileAt"] == now.as_str()
        };
        self.eventually("reconciled", handled).await;
    }

    /// Deletes a Kustomization, and waits until it has pruned what it had applied and is gone.
    pub(crate) async fn delete(&self, name: &str) {
        self.kustomizations.delete(name, &DeleteParams::default()).await.unwrap();
        self.eventually("gone", async || self.kustomizations.get_opt(name).await.unwrap().is_none()).await;
    }
}

impl Drop for Flux<'_> {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn started(world: &World, log: &std::path::Path) -> Child {
    let out = File::create(log).unwrap();
    // It removes what others of its kind have left in a shared one.
    let scratch = log.with_extension("tmp");
    std::fs::create_dir_all(&scratch).unwrap();
    tied(&binaries().join("kustomize-controller"))
        .args([
            "--watch-all-namespaces=false",
            "--feature-gates=ExternalArtifact=true",
            "--interval-jitter-percentage=0",
        ])
        .args(["--metrics-addr=0", "--health-addr=127.0.0.1:0", "--requeue-dependency=500ms"])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("TMPDIR", &scratch)
        .env("HOME", &scratch)
        .env("KUBECONFIG", world.control().kubeconfig())
        .env("RUNTIME_NAMESPACE", &world.namespace)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap()
}
