use super::*;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn health() -> Health {
    Health::new(Metrics::new())
}

async fn get(health: &Health, path: &str) -> (u16, String) {
    let answer = health.answer(&Method::GET, path);
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_says_why() {
    let health = health();
    let table = [
        (ReadyState::Starting, 503, "starting\n"),
        (ReadyState::Blocked("no answer".into()), 503, "blocked: no answer\n"),
        (ReadyState::MissingPermission("may not list".into()), 503, "missing permission: may not list\n"),
        (ReadyState::ListIncomplete, 503, "leading, the list of objects is not complete yet\n"),
        (ReadyState::Leading, 200, "leading\n"),
        (ReadyState::Standby, 200, "standing by\n"),
        (ReadyState::ShuttingDown, 503, "shutting down\n"),
    ];
    for (state, status, body) in table {
        health.set_ready(state);
        assert_eq!(get(&health, "/readyz").await, (status, body.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn liveness_is_progress_of_every_loop() {
    let health = health();
    assert_eq!(get(&health, "/healthz").await, (200, "alive\n".to_owned()));
    let pulse = health.pulse("the event loop", Duration::from_secs(60));
    tokio::time::advance(Duration::from_secs(50)).await;
    pulse.tick();
    tokio::time::advance(Duration::from_secs(50)).await;
    assert_eq!(get(&health, "/healthz").await.0, 200);
    tokio::time::advance(Duration::from_secs(11)).await;
    let stuck = (503, "the event loop made no progress for 61s\n".to_owned());
    assert_eq!(get(&health, "/healthz").await, stuck);
    // A successor does not excuse it, and its own end does.
    let successor = health.pulse("the event loop", Duration::from_secs(60));
    assert_eq!(get(&health, "/healthz").await, stuck);
    drop(pulse);
    assert_eq!(get(&health, "/healthz").await.0, 200);
    drop(successor);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let health = health();
    assert_eq!(get(&health, "/").await.0, 404);
    assert_eq!(get(&health, "/metrics/x").await.0, 404);
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(health.answer(&method, "/metrics").status(), 405, "{method}");
    }
    assert_eq!(health.answer(&Method::HEAD, "/metrics").status(), 200);
    assert!(get(&health, "/metrics").await.1.ends_with("# EOF\n"));
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn speaks_http_on_a_free_port_and_survives_nonsense() {
    let server = Server::bind(([127, 0, 0, 1], 0).into(), health()).await.unwrap();
    let address = server.address().unwrap();
    let serving = tokio::spawn(server.serve());
    assert!(exchange(address, "\x16\x03\x01 nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    let answer = exchange(address, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/openmetrics-text"), "{answer}");
    let head = exchange(address, "HEAD /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    serving.abort();
}
