//! A running operator, seen from outside: its endpoints and /proc.

use crate::operator::Operator;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Running {
    operator: Operator,
    health_address: String,
    metrics_address: String,
    http: Client<HttpConnector, Empty<Bytes>>,
    /// From its start until it was ready to lead, in seconds.
    pub(crate) ready_after: f64,
}

/// What its memory takes, in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: f64,
    /// The most that it ever was.
    pub(crate) peak: f64,
}

impl Running {
    /// Takes over an operator that has just been started, and waits until it leads.
    pub(crate) async fn lead(operator: Operator, started: Instant) -> Self {
        let (health_address, metrics_address) = (operator.health_address().await, operator.metrics_address().await);
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let mut running = Self { operator, health_address, metrics_address, http, ready_after: 0.0 };
        loop {
            let (status, said) = running.get(&running.health_address, "/readyz").await;
            if status == 200 && said.starts_with("leading") {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "never ready, but {said:?}: {}", running.operator.log());
            sleep(Duration::from_millis(10)).await;
        }
        running.ready_after = started.elapsed().as_secs_f64();
        running
    }

    async fn get(&self, address: &str, path: &str) -> (u16, String) {
        let request = hyper::Request::get(format!("http://{address}{path}")).body(Empty::new()).unwrap();
        match self.http.request(request).await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let bytes = answer.into_body().collect().await.unwrap().to_bytes();
                (status, String::from_utf8_lossy(&bytes).into_owned())
            }
            Err(error) => (0, error.to_string()),
        }
    }

    /// The sum of all samples of a metric, such as `sessionexport_reconciles_total`.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let (status, text) = self.get(&self.metrics_address, "/metrics").await;
        assert_eq!(status, 200, "{text}");
        let named = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let samples = text.lines().filter(named).map(|line| line.rsplit(' ').next().unwrap());
        let values: Vec<f64> = samples.map(|value| value.parse().unwrap()).collect();
        assert!(!values.is_empty(), "there is no metric {name}");
        values.iter().sum()
    }

    pub(crate) fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.operator.pid())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
        };
        Memory { resident: field("VmRSS:"), peak: field("VmHWM:") }
    }

    /// Processor time that it has used so far, in seconds. Linux counts in hundredths (proc(5), `USER_HZ`).
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.operator.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }

    /// kill -9: nothing is given back.
    pub(crate) fn kill(self) {
        self.operator.crash();
    }

    /// Ends it in good order.
    pub(crate) async fn stop(self) {
        self.operator.stop().await;
    }
}
