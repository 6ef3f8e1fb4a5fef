//! The whole world of the story: the node, the operator's release on it, and an AWS beside it.

use crate::node::{Node, diagnosis};
use crate::release::{NAMESPACE, TENANT};
use crate::simulator::Simulator;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Longest that anything is waited for; never what is measured.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Cluster {
    pub(crate) node: Node,
    pub(crate) client: Client,
    pub(crate) simulator: Simulator,
    /// Where its S3 keeps the buckets.
    pub(crate) buckets: PathBuf,
}

impl Cluster {
    /// With the namespaces, the first under the restricted Pod Security standard, and the image; nothing is installed
    /// yet.
    pub(crate) async fn start() -> Self {
        let node = Node::beside();
        let client = node.client().await;
        let buckets = node.folder("s3");
        let flags = ["--host", "0.0.0.0", "--allow-remote", "--s3-folder", buckets.to_str().unwrap()];
        let simulator = Simulator::start(&flags);
        node.import(&std::env::var("IMAGE").expect("IMAGE is the archive of the image"));
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        for (name, labels) in [(NAMESPACE, restricted), (TENANT, json!({}))] {
            let namespace = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap();
            namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        }
        Self { node, client, simulator, buckets }
    }

    /// Waits until something is so.
    pub(crate) async fn eventually<F: Future<Output = bool>>(&self, what: &str, mut is_so: impl FnMut() -> F) {
        let give_up = Instant::now() + PATIENCE;
        while !is_so().await {
            assert!(Instant::now() < give_up, "{}\nnever: {what}", diagnosis());
            sleep(Duration::from_millis(50)).await;
        }
    }
}
