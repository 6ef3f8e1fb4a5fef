//! The operator as a process of its own, with the token of its own ServiceAccount.

use crate::simulator::tied;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

pub(crate) struct Operator {
    child: Child,
    log: PathBuf,
}

impl Operator {
    /// Starts one. Nothing of this process's environment reaches it but what `env` holds.
    pub(crate) fn start(log: &Path, arguments: &[&str], env: &BTreeMap<&str, String>) -> Self {
        let out = File::create(log).unwrap();
        let child = tied(Path::new(env!("CARGO_BIN_EXE_session-export-operator")))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .envs(env)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, log: log.to_owned() }
    }

    /// Everything that it has logged, one JSON object a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The raw log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where the probes are served, once it is logged.
    pub(crate) async fn health_address(&self) -> String {
        self.logged_address("serving probes").await
    }

    /// Where the metrics are served, once it is logged.
    pub(crate) async fn metrics_address(&self) -> String {
        self.logged_address("serving metrics").await
    }

    async fn logged_address(&self, message: &str) -> String {
        for _ in 0..200 {
            let line = self.lines().into_iter().find(|line| line["message"] == message);
            if let Some(address) = line.and_then(|line| line["address"].as_str().map(str::to_owned)) {
                return address;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the operator never logged {message:?}: {}", self.log());
    }

    /// Status code and body of one of its endpoints.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        use http_body_util::BodyExt;
        let address = if path == "/metrics" { self.metrics_address().await } else { self.health_address().await };
        let uri = format!("http://{address}{path}");
        let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let request = hyper::Request::get(uri).body(http_body_util::Empty::<hyper::body::Bytes>::new()).unwrap();
        match http.request(request).await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let bytes = answer.into_body().collect().await.unwrap().to_bytes();
                (status, String::from_utf8_lossy(&bytes).into_owned())
            }
            Err(error) => (0, error.to_string()),
        }
    }

    /// Requests a second that it allows itself at present for one of AWS's operations; none before the first leader has
    /// told.
    pub(crate) async fn share_in_force(&self, operation: &str) -> Option<f64> {
        self.of_operation("sessionexport_quota_share", operation).await
    }

    /// How many wait for their turn to call one of AWS's operations, as of the last second.
    #[allow(dead_code, reason = "the tests with a thousand objects use it")]
    pub(crate) async fn queue_length(&self, operation: &str) -> Option<f64> {
        self.of_operation("sessionexport_aws_quota_queue_length", operation).await
    }

    async fn of_operation(&self, metric: &str, operation: &str) -> Option<f64> {
        let metrics = self.get("/metrics").await.1;
        let line = format!("{metric}{{operation=\"{operation}\"}} ");
        metrics.lines().find_map(|found| found.strip_prefix(&line)).map(|value| value.parse().unwrap())
    }

    /// Waits until /readyz says what is wanted, such as `leading`.
    pub(crate) async fn ready(&self, wanted: &str) {
        let mut last = (0, String::new());
        for _ in 0..600 {
            last = self.get("/readyz").await;
            if last.0 == 200 && last.1.contains(wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never ready as {wanted:?}, but {last:?}: {}", self.log());
    }

    /// Waits until /readyz refuses for a reason that names `wanted`, while /healthz and the log show that it lives on.
    pub(crate) async fn unready(&self, wanted: &str) {
        let mut said = (0, String::new());
        for _ in 0..1200 {
            said = self.get("/readyz").await;
            if said.1.contains(wanted) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(said.0 == 503 && said.1.contains(wanted), "{said:?}\n{}", self.log());
        assert_eq!(self.get("/healthz").await.0, 200, "alive, and not restarted for it");
        assert!(self.log().contains(wanted));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most that it has ever had in memory, in MiB.
    #[allow(dead_code, reason = "the tests with several tenants use it")]
    pub(crate) fn peak_memory(&self) -> u64 {
        self.memory_kib("VmHWM:") / 1024
    }

    /// What it has in memory now, in KiB.
    #[allow(dead_code, reason = "the tests with several tenants use it")]
    pub(crate) fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    #[allow(dead_code, reason = "the tests with several tenants use it")]
    fn memory_kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends a signal by name, such as TERM or STOP.
    pub(crate) fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let until = tokio::time::Instant::now() + within;
        while tokio::time::Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Ends it in good order, so that the next one leads at once.
    pub(crate) async fn stop(mut self) {
        self.signal("TERM");
        let status = self.ended(Duration::from_secs(30)).await;
        assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", self.log());
    }

    /// kill -9, as a crash.
    pub(crate) fn crash(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
