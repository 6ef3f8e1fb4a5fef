//! What Git holds, as an ExternalArtifact: a `.tar.gz` with its checksum, served on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NAME: &str = "platform";

/// One repository, of which one revision after the other is pushed.
pub(crate) struct Repository {
    artifacts: Api<DynamicObject>,
    folder: PathBuf,
    address: String,
    revision: AtomicU32,
}

impl Repository {
    /// An empty one for the Kustomizations of a namespace.
    pub(crate) async fn new(client: kube::Client, namespace: &str) -> Self {
        let kind = GroupVersionKind::gvk("source.toolkit.fluxcd.io", "v1", "ExternalArtifact");
        let artifacts = Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("flux").join(namespace);
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve(listener, folder.clone()));
        Self { artifacts, folder, address, revision: AtomicU32::new(0) }
    }

    /// How a Kustomization names it.
    pub(crate) fn source_ref() -> Value {
        json!({"kind": "ExternalArtifact", "name": NAME})
    }

    /// Commits these files, by path, in place of all others. Returns the revision.
    pub(crate) async fn push(&self, files: &[(&str, &[Value])]) -> String {
        let number = self.revision.fetch_add(1, Ordering::Relaxed) + 1;
        let tree = self.folder.join(format!("tree-{number}"));
        for (path, objects) in files {
            let file = tree.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let documents: Vec<_> = objects.iter().map(|object| serde_yaml::to_string(object).unwrap()).collect();
            std::fs::write(file, documents.join("---\n")).unwrap();
        }
        let archive = format!("{number}.tar.gz");
        run(Command::new("tar").arg("-czf").arg(self.folder.join(&archive)).arg("-C").arg(&tree).arg("."));
        self.announce(number, &archive).await
    }

    async fn announce(&self, number: u32, archive: &str) -> String {
        let revision = format!("main@sha1:{number:040x}");
        let sum = run(Command::new("sha256sum").arg(self.folder.join(archive)));
        let now = k8s_openapi::jiff::Timestamp::now().to_string();
        let status = json!({
            "artifact": {
                "url": format!("http://{}/{archive}", self.address),
                "digest": format!("sha256:{}", sum.split_whitespace().next().unwrap()),
                "path": archive, "revision": revision, "lastUpdateTime": now,
            },
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored", "lastTransitionTime": now,
            }],
        });
        let own = PatchParams::apply("tests");
        let object = |status: Value| {
            let kind = ("source.toolkit.fluxcd.io/v1", "ExternalArtifact");
            json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": NAME}, "status": status})
        };
        self.artifacts.patch(NAME, &own, &Patch::Apply(object(json!({})))).await.unwrap();
        self.artifacts.patch_status(NAME, &own, &Patch::Apply(object(status))).await.unwrap();
        revision
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn serve(listener: TcpListener, folder: PathBuf) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream, &folder).await.ok();
    }
}

/// One GET, by the name of a file.
async fn answer(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).await?;
    let head = String::from_utf8_lossy(&request[..length]).into_owned();
    let name = head.split_whitespace().nth(1).unwrap_or_default().trim_start_matches('/');
    let body = std::fs::read(folder.join(name))?;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await
}
