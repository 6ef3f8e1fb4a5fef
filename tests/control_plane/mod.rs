//! A real control plane (etcd, kube-apiserver, kube-controller-manager) for the tests of one binary.
//!
//! It is started by the first test that asks for it and dies with the test process, whatever that dies of: its
//! supervisor ends when its standard input does. Tests share it, each in a namespace of its own.

#![allow(dead_code, reason = "every test binary uses another part of it")]

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource};
use kube_runtime::wait::{await_condition, conditions::is_crd_established};
use serde::de::DeserializeOwned;
use serde_json::json;
use session_export_operator::api::SessionExport;
use session_export_operator::api::policy::SessionExportPolicy;
use std::fmt::Debug;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

/// The committed definitions, which are what gets installed.
pub(crate) const CRD: &str = include_str!("../../crds/sessionexport.dev_sessionexports.yaml");
pub(crate) const POLICY_CRD: &str = include_str!("../../crds/sessionexport.dev_sessionexportpolicies.yaml");
const CRD_NAME: &str = "sessionexports.sessionexport.dev";
const POLICY_CRD_NAME: &str = "sessionexportpolicies.sessionexport.dev";
const START: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

/// A running control plane with the CRD installed.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    dir: PathBuf,
    bin: PathBuf,
    supervisor: Child,
}

impl Drop for ControlPlane {
    /// The supervisor ends all of it when its standard input ends. The shared one ends with the process.
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().ok();
    }
}

static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();

impl ControlPlane {
    /// The one of this test binary. Panics with what to do when there is none to be had.
    pub(crate) async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start_shared).await.as_ref().unwrap_or_else(|why| panic!("{why}"))
    }

    /// One of its own for a test, with further flags for the API server. It ends when this is dropped.
    pub(crate) async fn with_flags(flags: &str) -> Self {
        Self::start(&format!("{}.flags", std::process::id()), flags).await.unwrap_or_else(|why| panic!("{why}"))
    }

    /// Its folder: `kubeconfig`, `audit.log`, `NAME.log` and `NAME.pid` of the three.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// One JSON line for each answered request.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    /// Process id of `etcd`, `kube-apiserver` or `kube-controller-manager`.
    pub(crate) fn pid(&self, name: &str) -> u32 {
        let file = self.dir.join(format!("{name}.pid"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        text.trim().parse().unwrap()
    }

    /// A client of the administrator. Each test needs its own: connections belong to the runtime that opened them.
    pub(crate) async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    }

    /// Makes a namespace, unless it is there, and hands out the SessionExports in it.
    pub(crate) async fn namespace(&self, name: &str) -> Api<SessionExport> {
        let client = self.client().await;
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        match Api::all(client.clone()).create(&PostParams::default(), &namespace).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(other) => panic!("namespace {name}: {other}"),
        }
        Api::namespaced(client, name)
    }

    /// Where kubectl and the others lie.
    pub(crate) fn bin(&self) -> &Path {
        &self.bin
    }

    /// Runs kubectl as the administrator.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Output {
        let cache = self.dir.join("kubectl-cache");
        let mut command = Command::new(self.bin.join("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig()).arg("--cache-dir").arg(cache);
        command.args(arguments).output().unwrap()
    }

    /// Kills the API server with -9 and waits until it is back, on the same port.
    pub(crate) async fn restart_api_server(&self) {
        let times_ready = || std::fs::read_to_string(beside(&self.dir, "out")).unwrap().matches("ready").count();
        let before = times_ready();
        let told = Command::new("kill").args(["-USR1", &self.supervisor.id().to_string()]).status().unwrap();
        assert!(told.success());
        let back = async {
            while times_ready() == before {
                sleep(PAUSE).await;
            }
        };
        timeout(START, back).await.expect("the API server came back");
    }

    /// Removes the CRD, and with it every object, and waits until it is served no more.
    pub(crate) async fn remove_crd(&self) {
        let client = self.client().await;
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        definitions.delete(CRD_NAME, &DeleteParams::default()).await.unwrap();
        let exports: Api<SessionExport> = Api::all(client);
        let gone = async {
            while exports.list(&ListParams::default()).await.is_ok()
                || definitions.get_opt(CRD_NAME).await.unwrap().is_some()
            {
                sleep(PAUSE).await;
            }
        };
        timeout(START, gone).await.expect("the CRD went away");
    }

    /// Makes the status a subresource, as the committed CRD has it; or no more, so that an object can be created with
    /// one.
    pub(crate) async fn status_is_apart(&self, apart: bool) {
        let client = self.client().await;
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        let subresources = if apart { json!({"status": {}}) } else { json!(null) };
        let change = json!([{"op": "replace", "path": "/spec/versions/0/subresources", "value": subresources}]);
        let patch = serde_json::from_value(change).unwrap();
        definitions.patch(CRD_NAME, &PatchParams::default(), &Patch::<()>::Json(patch)).await.unwrap();
        let serves = async || {
            let kinds = client.list_api_group_resources("sessionexport.dev/v1alpha1").await.unwrap();
            kinds.resources.iter().any(|kind| kind.name == "sessionexports/status")
        };
        let served = async {
            while serves().await != apart {
                sleep(PAUSE).await;
            }
        };
        timeout(START, served).await.expect("the changed CRD is served");
        // What the API server tells of itself may be a moment ahead of what it does.
        sleep(Duration::from_secs(1)).await;
    }

    async fn start_shared() -> Result<Self, String> {
        Self::start(&std::process::id().to_string(), "").await
    }

    async fn start(name: &str, flags: &str) -> Result<Self, String> {
        let bin = binaries()?;
        let dir = fresh_folder(name);
        let mut supervisor = supervise(&bin, &dir, flags)?;
        let begun = Instant::now();
        while !dir.join("kubeconfig").exists() {
            let ended = supervisor.try_wait().map_err(|e| e.to_string())?;
            if ended.is_some() || begun.elapsed() > START {
                let log = std::fs::read_to_string(beside(&dir, "err")).unwrap_or_default();
                return Err(format!("the control plane did not start; it said:\n{log}"));
            }
            sleep(PAUSE).await;
        }
        let started = Self { dir, bin, supervisor };
        let refused = |e| format!("the CRD was not accepted: {e}");
        started.install_crd().await.map_err(refused)?;
        started.install_policy_crd().await.map_err(refused)?;
        Ok(started)
    }

    /// Installs the committed CRD of SessionExport and waits until it is served.
    pub(crate) async fn install_crd(&self) -> Result<(), String> {
        install::<SessionExport>(self.client().await, CRD, CRD_NAME).await
    }

    /// Installs the committed CRD of SessionExportPolicy and waits until it is served.
    pub(crate) async fn install_policy_crd(&self) -> Result<(), String> {
        install::<SessionExportPolicy>(self.client().await, POLICY_CRD, POLICY_CRD_NAME).await
    }
}

async fn install<K>(client: Client, definition: &str, name: &str) -> Result<(), String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition = serde_yaml::from_str(definition).map_err(|e| e.to_string())?;
    definitions.create(&PostParams::default(), &definition).await.map_err(|e| e.to_string())?;
    let established = await_condition(definitions, name, is_crd_established());
    timeout(START, established).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let objects: Api<K> = Api::all(client);
    let served = async {
        while objects.list(&ListParams::default()).await.is_err() {
            sleep(PAUSE).await;
        }
    };
    timeout(START, served).await.map_err(|e| e.to_string())
}

/// The supervisor holds the other end of a pipe that only this process has: no child of ours inherits it.
fn supervise(bin: &Path, dir: &Path, flags: &str) -> Result<Child, String> {
    let script = tools().join("run.sh");
    let open = |end| File::create(beside(dir, end)).map_err(|e| e.to_string());
    let mut command = Command::new(&script);
    command.arg(dir).env("CONTROL_PLANE_BIN", bin).env("API_SERVER_FLAGS", flags);
    command.stdin(Stdio::piped()).stdout(open("out")?).stderr(open("err")?);
    command.spawn().map_err(|e| format!("{}: {e}", script.display()))
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/control-plane")
}

/// Where the binaries are. They are not built from here: that takes minutes, and a test should say so instead.
fn binaries() -> Result<PathBuf, String> {
    let named = ["CONTROL_PLANE_BIN", "KUBEBUILDER_ASSETS"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let complete = |folder: &PathBuf| {
        ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"].iter().all(|name| folder.join(name).is_file())
    };
    named.chain(cached()).find(complete).ok_or_else(|| {
        "there is no control plane to test against: run `make control-plane` \
         (downloads it, or builds it once from source in about 12 minutes)"
            .to_owned()
    })
}

/// The cache of `tools/control-plane/install.sh`, for the versions that its go.mod requires.
fn cached() -> Option<PathBuf> {
    let go_mod = std::fs::read_to_string(tools().join("go.mod")).ok()?;
    let version = |module: &str| {
        let lines = go_mod.lines().map(|line| line.trim().trim_start_matches("require "));
        lines.filter_map(|line| line.strip_prefix(module)?.split_whitespace().next()).find(|v| v.starts_with('v'))
    };
    let (kubernetes, etcd) = (version("k8s.io/kubernetes ")?, version("go.etcd.io/etcd/server/v3 ")?);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    Some(cache.join(format!("session-export-operator/control-plane/kubernetes-{kubernetes}-etcd-{etcd}")))
}

/// An unused folder of that name, after removing those of processes that are gone.
fn fresh_folder(name: &str) -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("control-planes");
    std::fs::create_dir_all(&all).unwrap();
    for entry in std::fs::read_dir(&all).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let pid = name.split('.').next().unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() {
            let path = entry.path();
            let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            // Another test process may be at it too.
            removed.ok();
        }
    }
    all.join(name)
}

/// A file beside a control plane's folder, which must be empty when it starts.
fn beside(dir: &Path, end: &str) -> PathBuf {
    dir.with_extension(end)
}
