//! The node that `tools/node/run.sh` runs beside this process.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// Where Pods reach what this process serves.
pub(crate) const ADDRESS: &str = "10.77.0.1";

pub(crate) struct Node {
    dir: PathBuf,
}

impl Node {
    pub(crate) fn beside() -> Self {
        let dir = std::env::var_os("NODE_DIR").expect("these tests run beside a node: make cluster-test");
        Self { dir: PathBuf::from(dir) }
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> String {
        self.dir.join("kubeconfig").display().to_string()
    }

    pub(crate) async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.dir.join("kubeconfig")).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    }

    /// A folder that ends with the node.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// The requests of a user that the API server has answered.
    pub(crate) fn audited(&self, user: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.join("audit.log")).unwrap();
        let own = text.lines().filter(|line| line.contains(user));
        let lines = own.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["user"]["username"] == user).collect()
    }

    /// Loads an OCI archive, for there is no registry.
    pub(crate) fn import(&self, archive: &str) {
        self.ctr(&["images", "import", archive]);
    }

    /// Gives an image a second name.
    pub(crate) fn tag(&self, image: &str, name: &str) {
        self.ctr(&["images", "tag", image, name]);
    }

    /// kill -9 of a container, by the id that the kubelet shows.
    pub(crate) fn kill_container(&self, id: &str) {
        self.ctr(&["tasks", "kill", "--signal", "SIGKILL", id]);
    }

    /// Sends a signal to one of the node's own processes, such as `kube-apiserver`.
    pub(crate) fn signal(&self, process: &str, signal: &str) {
        self.within(&["sh", "-c", &format!("kill -s {signal} \"$(cat /run/node/{process}.pid)\"")]);
    }

    fn ctr(&self, arguments: &[&str]) {
        self.within(&[&["ctr", "--namespace", "k8s.io"], arguments].concat());
    }

    /// Runs a command among the node's mounts and processes.
    fn within(&self, command: &[&str]) {
        let pid = std::fs::read_to_string(self.dir.join("pid")).unwrap();
        let mut nsenter = Command::new("nsenter");
        let output = nsenter.args(["--target", pid.trim(), "--mount", "--pid", "--"]).args(command).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// For the beginning of a failing test's message: what failed is to stand last.
pub(crate) fn diagnosis() -> String {
    let asked = [
        "get events --all-namespaces",
        "get sessionexports,pods,leases --all-namespaces --output wide",
        "logs --namespace session-export-operator --selector app.kubernetes.io/name=session-export-operator --prefix --tail 40",
    ];
    asked.map(|words| kubectl(&words.split(' ').collect::<Vec<_>>())).join("\n")
}

fn kubectl(arguments: &[&str]) -> String {
    let output = Command::new("kubectl").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
