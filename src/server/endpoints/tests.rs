use super::*;
use crate::server::health::ReadyState;
use http_body_util::BodyExt;
use std::time::Duration;

fn health() -> Health {
    Health::new(Metrics::new())
}

async fn get(endpoints: &Endpoints, path: &str) -> (u16, String) {
    let answer = endpoints.respond_to(&Method::GET, path, &HeaderMap::new());
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_says_why() {
    let health = health();
    let probes = Endpoints::Probes(health.clone());
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
        assert_eq!(get(&probes, "/readyz").await, (status, body.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn liveness_is_progress_of_every_loop() {
    let health = health();
    let probes = Endpoints::Probes(health.clone());
    assert_eq!(get(&probes, "/healthz").await, (200, "alive\n".to_owned()));
    let heartbeat = health.watchdog().register("the event loop", Duration::from_secs(60));
    tokio::time::advance(Duration::from_secs(50)).await;
    heartbeat.tick();
    tokio::time::advance(Duration::from_secs(50)).await;
    assert_eq!(get(&probes, "/healthz").await.0, 200);
    tokio::time::advance(Duration::from_secs(11)).await;
    let stuck = (503, "the event loop made no progress for 61s\n".to_owned());
    assert_eq!(get(&probes, "/healthz").await, stuck);
    // A second heartbeat doesn't clear the stall; dropping the stalled one does.
    let successor = health.watchdog().register("the event loop", Duration::from_secs(60));
    assert_eq!(get(&probes, "/healthz").await, stuck);
    drop(heartbeat);
    assert_eq!(get(&probes, "/healthz").await.0, 200);
    drop(successor);
}

#[tokio::test]
async fn each_listener_answers_its_own_paths_only() {
    let (probes, metrics) = (Endpoints::Probes(health()), Endpoints::Metrics(Metrics::new()));
    for path in ["/", "/metrics", "/healthz/", "/readyz/x"] {
        assert_eq!(get(&probes, path).await, (404, "/healthz or /readyz\n".to_owned()), "{path}");
    }
    for path in ["/", "/healthz", "/readyz", "/metrics/x"] {
        assert_eq!(get(&metrics, path).await, (404, "/metrics\n".to_owned()), "{path}");
    }
    assert!(get(&metrics, "/metrics").await.1.contains("\nsessionexport_leader 0\n"));
}

#[tokio::test]
async fn other_methods_are_refused() {
    let own = [
        (Endpoints::Probes(health()), "/healthz"),
        (Endpoints::Probes(health()), "/readyz"),
        (Endpoints::Metrics(Metrics::new()), "/metrics"),
    ];
    for (endpoints, path) in own {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(endpoints.respond_to(&method, path, &HeaderMap::new()).status(), 405, "{method} {path}");
        }
        assert_ne!(endpoints.respond_to(&Method::HEAD, path, &HeaderMap::new()).status(), 405, "{path}");
    }
}
