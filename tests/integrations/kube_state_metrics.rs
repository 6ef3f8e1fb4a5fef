//! The committed configuration of kube-state-metrics, by the real one, over objects that the operator has left.

use crate::simulator::tied;
use crate::status::{DONE, HELD, LOST, PENDING};
use crate::world::World;
use http_body_util::BodyExt;
use serde_json::json;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct KubeStateMetrics {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Drop for KubeStateMetrics {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn program() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/kube-state-metrics.sh");
    let output = Command::new(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// It takes no port 0: this one was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl KubeStateMetrics {
    fn start(world: &World) -> Self {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kube-state-metrics.yaml");
        let (port, telemetry) = (free_port(), free_port());
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e").join("kube-state-metrics.log");
        let out = File::create(&log).unwrap();
        let child = tied(&program())
            .arg("--custom-resource-state-only")
            .arg(format!("--custom-resource-state-config-file={}", config.display()))
            .arg(format!("--kubeconfig={}", world.control().kubeconfig().display()))
            .args(["--host=127.0.0.1", "--telemetry-host=127.0.0.1"])
            .args([format!("--port={port}"), format!("--telemetry-port={telemetry}")])
            .arg(format!("--namespaces={}", world.namespace))
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, port, log }
    }

    async fn scraped(&self) -> Option<String> {
        let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let uri = format!("http://127.0.0.1:{}/metrics", self.port);
        let request = hyper::Request::get(uri).body(http_body_util::Empty::<hyper::body::Bytes>::new()).unwrap();
        let body = http.request(request).await.ok()?.into_body();
        Some(String::from_utf8(body.collect().await.ok()?.to_bytes().to_vec()).unwrap())
    }

    /// Its series as soon as all objects show.
    async fn series(&self, objects: usize) -> Vec<String> {
        for _ in 0..600 {
            let text = self.scraped().await.unwrap_or_default();
            let created = text.lines().filter(|line| line.starts_with("kube_sessionexport_created{")).count();
            if created == objects {
                return text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{}", self.said());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// What was scraped.
struct Series(Vec<String>);

impl Series {
    /// The values of a metric's series of one object that hold these labels.
    fn values(&self, metric: &str, name: &str, labels: &[&str]) -> Vec<&str> {
        let (metric, name) = (format!("kube_sessionexport_{metric}{{"), format!("name=\"{name}\""));
        let of_it = |line: &&String| {
            line.starts_with(&metric) && line.contains(&name) && labels.iter().all(|label| line.contains(label))
        };
        self.0.iter().filter(of_it).map(|line| line.rsplit_once(' ').unwrap().1).collect()
    }

    /// Status, reason and value of a condition.
    fn condition(&self, name: &str, type_: &str, status: &str, reason: &str) -> Vec<&str> {
        let labels = [format!("type=\"{type_}\""), format!("status=\"{status}\""), format!("reason=\"{reason}\"")];
        self.values("condition", name, &labels.each_ref().map(String::as_str))
    }

    fn export_status(&self, name: &str) -> [Vec<&str>; 3] {
        ["PENDING", "SUCCEEDED", "FAILED"]
            .map(|word| self.values("export_status", name, &[&format!("export_status=\"{word}\"")]))
    }
}

/// Objects in several rows; returns where the ZIP of `done` is.
async fn left_behind(world: &World) -> String {
    for session in ["done", "pending"] {
        world.simulator.session(session, json!({})).await;
    }
    world.simulator.session("early", json!({"status": "ACTIVATING"})).await;
    world.simulator.session("over", json!({"status": "TERMINATED"})).await;
    for name in ["done", "pending", "early", "over"] {
        world.export(name, name, "s3://exports/a/").await;
    }
    world.shows("done", PENDING, "ExportPending").await;
    world.shows("pending", PENDING, "ExportPending").await;
    world.shows("early", HELD, "WaitingForSession").await;
    world.shows("over", LOST, "SessionEnded").await;
    world.simulator.end("done").await;
    world.shows("done", DONE, "Exported").await.status.unwrap().output_uri.unwrap()
}

#[tokio::test]
async fn kube_state_metrics_has_series_of_each_object() {
    let world = World::new("kube-state-metrics").await;
    let _operator = world.operator().await;
    let uri = left_behind(&world).await;
    let tool = KubeStateMetrics::start(&world);
    let series = Series(tool.series(4).await);

    assert_eq!(series.export_status("done"), [["0"], ["1"], ["0"]]);
    assert_eq!(series.export_status("pending"), [["1"], ["0"], ["0"]]);
    assert_eq!(series.export_status("over"), [["0"], ["0"], ["1"]]);
    assert_eq!(series.export_status("early"), [[""; 0], [], []]);
    assert_eq!(series.condition("done", "Ready", "True", "Exported"), ["1"]);
    assert_eq!(series.condition("pending", "Succeeded", "Unknown", "ExportPending"), ["0"]);
    assert_eq!(series.condition("pending", "Reconciling", "True", "ExportPending"), ["1"]);
    assert_eq!(series.condition("early", "Accepted", "False", "WaitingForSession"), ["0"]);
    assert_eq!(series.condition("over", "Stalled", "True", "SessionEnded"), ["1"]);
    let asked = [r#"stream_session="done""#, r#"requested_uri="s3://exports/a/""#, &format!("output_uri=\"{uri}\"")];
    assert_eq!(series.values("info", "done", &asked), ["1"]);
    for (name, accepted, completed) in [("done", 1, 1), ("pending", 1, 0), ("over", 0, 1), ("early", 0, 0)] {
        assert_eq!(series.values("accepted", name, &[]).len(), accepted, "{name}");
        assert_eq!(series.values("completed", name, &[]).len(), completed, "{name}");
        let created: f64 = series.values("created", name, &[])[0].parse().unwrap();
        assert!(created > 1.7e9, "{created}");
    }
    // What is absent is no error.
    assert!(!tool.said().contains("got nil"), "{}", tool.said());
}
