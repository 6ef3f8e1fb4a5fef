//! The operator's Pods, from outside and from the node.

use crate::cluster::Cluster;
use crate::node::diagnosis;
use crate::release::{NAME, NAMESPACE};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::api::ListParams;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

impl Cluster {
    /// The Pods that are not about to go.
    pub(crate) async fn pods(&self) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let mut all = pods.list(&ListParams::default()).await.unwrap().items;
        all.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        all
    }

    /// Two Pods, ready, with this image and without a restart.
    pub(crate) async fn is_at_work(&self, image: &str) {
        let pods = self.pods().await;
        assert_eq!(pods.len(), 2, "{}", diagnosis());
        for pod in &pods {
            let container = container(pod);
            assert!(container.ready && container.restart_count == 0, "{}", diagnosis());
            assert_eq!(pod.spec.as_ref().unwrap().containers[0].image.as_deref(), Some(image));
        }
    }

    pub(crate) async fn uids(&self) -> BTreeSet<String> {
        self.pods().await.iter().map(uid).collect()
    }

    /// No Pod of the release is left, not even one that is about to go.
    pub(crate) async fn without_pods(&self) {
        self.until_gone(|_| true).await;
    }

    /// None of these Pods is left, not even one that is about to go: Helm does not wait for their end.
    pub(crate) async fn without_pods_of(&self, before: &BTreeSet<String>) {
        self.until_gone(|pod| before.contains(&uid(pod))).await;
    }

    async fn until_gone(&self, is_meant: impl Fn(&Pod) -> bool) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let gone = || async { !pods.list(&ListParams::default()).await.unwrap().items.iter().any(&is_meant) };
        self.eventually("the Pods are gone", gone).await;
    }

    /// The leader, as the Lease names it, and whether its container runs.
    pub(crate) async fn leader(&self) -> Option<Pod> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), NAMESPACE);
        let holder = leases.get_opt(NAME).await.unwrap()?.spec?.holder_identity?;
        self.pods().await.into_iter().find(|pod| uid(pod) == holder)
    }

    /// Waits for a leader whose container runs.
    pub(crate) async fn running_leader(&self) -> Pod {
        let is_there = || async { self.leader().await.is_some_and(|pod| is_running(&pod)) };
        self.eventually("one leads", is_there).await;
        self.leader().await.unwrap()
    }

    /// Waits until the kubelet shows that a Pod's container has ended; another one may run already.
    pub(crate) async fn is_down(&self, before: &Pod) {
        let ended =
            |pod: &Pod| uid(pod) == uid(before) && (!is_running(pod) || container_id(pod) != container_id(before));
        let is_so = || async { self.pods().await.iter().any(ended) };
        self.eventually("the container has ended", is_so).await;
    }

    /// Status code of a GET to a Pod's health port: 0 when it doesn't answer.
    pub(crate) fn get(&self, pod: &Pod, path: &str) -> u16 {
        let address = pod.status.as_ref().unwrap().pod_ip.clone().unwrap();
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--noproxy",
            "*",
            "--max-time",
            "2",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
        ]);
        let output = curl.arg(format!("http://{address}:8081{path}")).output().unwrap();
        String::from_utf8(output.stdout).unwrap().parse().unwrap()
    }
}

pub(crate) fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap()
}

pub(crate) fn container(pod: &Pod) -> &ContainerStatus {
    &pod.status.as_ref().unwrap().container_statuses.as_ref().unwrap()[0]
}

pub(crate) fn is_running(pod: &Pod) -> bool {
    container(pod).state.as_ref().is_some_and(|state| state.running.is_some())
}

/// The container's id, as containerd knows it.
pub(crate) fn container_id(pod: &Pod) -> String {
    container(pod).container_id.as_deref().unwrap().trim_start_matches("containerd://").to_owned()
}

/// The operator's process, as the machine sees it.
#[derive(Debug)]
pub(crate) struct Process(PathBuf);

impl Process {
    pub(crate) fn of(pod: &Pod) -> Self {
        let id = container_id(pod);
        let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let belongs =
            |path: &PathBuf| std::fs::read_to_string(path.join("cgroup")).is_ok_and(|text| text.contains(&id));
        let mut own = processes.filter(belongs);
        Self(own.next().unwrap_or_else(|| panic!("no process of container {id}")))
    }

    /// A line of /proc/PID/status, without its blanks.
    pub(crate) fn status(&self, key: &str) -> String {
        let text = std::fs::read_to_string(self.0.join("status")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {key}")).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The most memory that the container ever took, in MiB, as its limit counts it.
    pub(crate) fn peak_memory(&self) -> u64 {
        let cgroups = std::fs::read_to_string(self.0.join("cgroup")).unwrap();
        let find = |mark: &str| cgroups.lines().find_map(|line| Some(line.split_once(mark)?.1.to_owned()));
        let bytes = match find(":memory:") {
            Some(path) => read(&format!("/sys/fs/cgroup/memory{path}/memory.max_usage_in_bytes")),
            None => read(&format!("/sys/fs/cgroup{}/memory.peak", find("0::").unwrap())),
        };
        bytes >> 20
    }
}

fn read(file: &str) -> u64 {
    std::fs::read_to_string(Path::new(file)).unwrap_or_else(|e| panic!("{file}: {e}")).trim().parse().unwrap()
}
