//! Kind 2: neighbours that hold connections to the operator's ports.

use crate::cluster::share_machine;
use crate::world::World;
use serde_json::json;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

/// Of each port.
const CONNECTIONS: usize = 300;
/// As in the chart.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than a head may take to arrive (5 s), so that all are closed and renewed.
const LASTS: Duration = Duration::from_secs(8);

/// Connects, sends nothing, and connects again when it is closed.
async fn hold_connection(address: SocketAddr, opened: Arc<AtomicU32>) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            opened.fetch_add(1, Ordering::Relaxed);
            // Nothing is ever sent: it ends when the connection is closed.
            stream.read_u8().await.ok();
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The answer to a probe as the kubelet sends it: on a connection of its own, with a time-out.
fn probe(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = std::net::TcpStream::connect_timeout(&address, PROBE_TIMEOUT)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Probes as long as [`LASTS`] says. Returns how often, and the longest that an answer took.
fn keep_probing(targets: [(SocketAddr, &str); 3]) -> (u32, Duration) {
    let (begun, mut count, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while begun.elapsed() < LASTS {
        for (address, path) in targets {
            let sent = Instant::now();
            let answer = probe(address, path).unwrap_or_else(|e| panic!("{path}, answered {count} times before: {e}"));
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {answer}");
            (count, slowest) = (count + 1, slowest.max(sent.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    (count, slowest)
}

#[tokio::test]
async fn kind_2_silent_connections_fail_no_probe_and_delay_no_export() {
    let _share = share_machine().await;
    let world = World::new("probes").await;
    let operator = world.operator().await;
    operator.ready("leading").await;
    world.simulator.session("live", json!({})).await;
    let health: SocketAddr = operator.health_address().await.parse().unwrap();
    let metrics: SocketAddr = operator.metrics_address().await.parse().unwrap();
    let opened = Arc::new(AtomicU32::new(0));
    let mut held = JoinSet::new();
    for address in [health, metrics] {
        (0..CONNECTIONS).for_each(|_| drop(held.spawn(hold_connection(address, Arc::clone(&opened)))));
    }
    let probing =
        spawn_blocking(move || keep_probing([(health, "/readyz"), (health, "/healthz"), (metrics, "/metrics")]));
    world.export("one", "live", "s3://exports/a/").await;
    world.reason("one", "ExportPending").await;
    let (probes, slowest) = probing.await.unwrap();
    let opened = opened.load(Ordering::Relaxed) as usize;
    println!("{opened} silent connections, {probes} probes, the slowest answer after {slowest:?}");
    assert!(opened > 4 * CONNECTIONS, "only {opened} connections: they weren't renewed");
}
