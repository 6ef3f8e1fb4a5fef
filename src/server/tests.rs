use super::*;
use crate::metrics::Metrics;
use crate::server::health::{Health, ReadyState};
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::Instant;

/// More than a listener holds.
const SILENT: usize = 300;
const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const READYZ: &str = "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n";
const METRICS: &str = "GET /metrics HTTP/1.1\r\nhost: x\r\naccept: application/openmetrics-text\r\n\r\n";

fn probes() -> Endpoints {
    let health = Health::new(Metrics::new());
    health.set_ready(ReadyState::Leading);
    Endpoints::Probes(health)
}

fn metrics() -> Endpoints {
    Endpoints::Metrics(Metrics::new())
}

/// Serves on a free port until the test's runtime ends.
async fn serve(endpoints: Endpoints) -> SocketAddr {
    let server = Server::bind_listener((LOCALHOST, 0).into(), endpoints).unwrap();
    let address = server.local_address().unwrap();
    tokio::spawn(server.serve());
    address
}

async fn connect_from(peer: Ipv4Addr, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((peer, 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

async fn connect_silently(peer: Ipv4Addr, address: SocketAddr) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(connect_from(peer, address).await);
    }
    silent
}

async fn read_answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = connect_from(LOCALHOST, address).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await
}

#[tokio::test]
async fn the_unspecified_address_takes_connections_of_both_ip_versions() {
    let server = Server::bind_listener((Ipv6Addr::UNSPECIFIED, 0).into(), probes()).unwrap();
    let bound = server.local_address().unwrap();
    tokio::spawn(server.serve());
    let loopbacks = [IpAddr::from(LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    // On a machine without IPv6 the listener has an IPv4 address.
    for loopback in loopbacks.into_iter().filter(|loopback| loopback.is_ipv4() || bound.is_ipv6()) {
        let mut stream = TcpStream::connect((loopback, bound.port())).await.unwrap();
        stream.write_all(READYZ.as_bytes()).await.unwrap();
        assert!(read_answer(stream).await.starts_with("HTTP/1.1 200"), "{loopback}");
    }
}

#[test]
fn only_the_unspecified_address_gives_way_to_ipv4_and_only_where_there_is_no_ipv6() {
    let any: SocketAddr = "[::]:8080".parse().unwrap();
    let no_family = io::Error::from_raw_os_error(EAFNOSUPPORT);
    let no_address = io::Error::from(io::ErrorKind::AddrNotAvailable);
    assert_eq!(ipv4_instead_of(any, &no_family), Some("0.0.0.0:8080".parse().unwrap()));
    assert_eq!(ipv4_instead_of(any, &no_address), Some("0.0.0.0:8080".parse().unwrap()));
    assert_eq!(ipv4_instead_of(any, &io::ErrorKind::AddrInUse.into()), None);
    assert_eq!(ipv4_instead_of("[::1]:8080".parse().unwrap(), &no_family), None);
    assert_eq!(ipv4_instead_of("0.0.0.0:8080".parse().unwrap(), &no_address), None);
}

/// Asserts that a request from 127.0.0.1 is answered well within a probe's time-out, which is 2 s in the chart.
async fn assert_answered(address: SocketAddr, request: &str) {
    let begun = Instant::now();
    let answer = timeout(Duration::from_secs(1), exchange(address, request)).await.expect("no answer within 1 s");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    println!("answered in {:?}", begun.elapsed());
}

/// Waits until the server has closed the connection.
async fn assert_closed(stream: &mut TcpStream) {
    let read = timeout(Duration::from_secs(2), stream.read(&mut [0; 1])).await.expect("still open after 2 s");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

/// Whether the server has not closed the connection.
fn is_open(stream: &TcpStream) -> bool {
    stream.try_read(&mut [0; 1]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[tokio::test]
async fn speaks_http_on_a_free_port_and_survives_nonsense() {
    let address = serve(metrics()).await;
    assert!(exchange(address, "\x16\x03\x01 nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    let answer = exchange(address, METRICS).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/openmetrics-text"), "{answer}");
    let head = exchange(address, "HEAD /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn the_metrics_come_in_the_format_that_was_asked_for() {
    let address = serve(metrics()).await;
    for (accept, content_type, counter) in [
        ("", "text/plain; version=0.0.4; charset=utf-8", "# TYPE sessionexport_reconciles_total counter\n"),
        (
            "accept: text/plain;version=0.0.4\r\n",
            "text/plain; version=0.0.4; charset=utf-8",
            "# TYPE sessionexport_reconciles_total counter\n",
        ),
        (
            "accept: application/openmetrics-text;version=1.0.0\r\naccept: text/plain;q=0.5\r\n",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# TYPE sessionexport_reconciles counter\n",
        ),
    ] {
        let answer = exchange(address, &format!("GET /metrics HTTP/1.1\r\nhost: x\r\n{accept}\r\n")).await;
        assert!(answer.contains(&format!("content-type: {content_type}\r\n")), "{accept}: {answer}");
        assert!(
            answer.contains(counter) && answer.contains("\nsessionexport_reconciles_total 0\n"),
            "{accept}: {answer}"
        );
        assert_eq!(answer.ends_with("# EOF\n"), content_type.starts_with("application"), "{accept}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused_before_it_fills_the_memory() {
    let address = serve(probes()).await;
    let begin = "GET /readyz HTTP/1.1\r\nx: ";
    let request = begin.to_owned() + &"x".repeat(MAX_HEAD_BYTES - begin.len());
    assert!(exchange(address, &request).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_of_a_neighbour_keep_no_probe_from_its_answer() {
    let address = serve(probes()).await;
    let _silent = connect_silently(NEIGHBOUR, address).await;
    assert_answered(address, READYZ).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_of_the_probers_own_address_keep_no_probe_from_its_answer() {
    for (endpoints, request) in [(probes(), READYZ), (metrics(), METRICS)] {
        let address = serve(endpoints).await;
        let mut silent = connect_silently(LOCALHOST, address).await;
        assert_answered(address, request).await;
        assert_closed(&mut silent[SILENT - 1 - LIMITS.per_peer]).await;
        assert!(is_open(&silent[SILENT - 1]), "the newest stays");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_has_arrived_is_answered_before_its_connection_gives_way() {
    let limits = ConnectionLimits { per_peer: 1, total: 1 };
    let server = Server { limits, ..Server::bind_listener((LOCALHOST, 0).into(), probes()).unwrap() };
    let address = server.local_address().unwrap();
    let mut probe = connect_from(LOCALHOST, address).await;
    probe.write_all(READYZ.as_bytes()).await.unwrap();
    let _silent = connect_silently(LOCALHOST, address).await;
    // All connections are queued before the first is accepted.
    tokio::spawn(server.serve());
    assert!(read_answer(probe).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_connection_that_has_ended_takes_no_place() {
    let address = serve(probes()).await;
    let silent = connect_from(LOCALHOST, address).await;
    for _ in 0..SILENT {
        assert_answered(address, READYZ).await;
    }
    assert!(is_open(&silent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_peer_keeps_its_connections() {
    let address = serve(probes()).await;
    let mut other = connect_from(LOCALHOST, address).await;
    other.write_all(b"GET /readyz HTTP/1.1\r\n").await.unwrap();
    let mut silent = connect_silently(NEIGHBOUR, address).await;
    assert_closed(&mut silent[0]).await;
    other.write_all(b"host: x\r\n\r\n").await.unwrap();
    assert!(read_answer(other).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

/// A request for the metrics whose answer doesn't fit into the buffers between, once it is in progress.
async fn request_and_read_nothing(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(address).await.unwrap();
    slow.write_all(METRICS.as_bytes()).await.unwrap();
    slow.readable().await.unwrap();
    slow
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_request_in_progress_outlasts_newer_silent_connections_of_its_peer() {
    let socket = TcpSocket::new_v4().unwrap();
    // Accepted connections inherit the buffer size.
    socket.set_send_buffer_size(4096).unwrap();
    socket.bind((LOCALHOST, 0).into()).unwrap();
    let server = Server { listener: socket.listen(1024).unwrap(), endpoints: metrics(), limits: LIMITS };
    let address = server.local_address().unwrap();
    tokio::spawn(server.serve());
    let slow = request_and_read_nothing(address).await;
    let mut silent = connect_silently(LOCALHOST, address).await;
    assert_closed(&mut silent[0]).await;
    assert!(read_answer(slow).await.ends_with("# EOF\n"), "cut off");
}
