//! What a page of another site can't have a browser do: by DNS rebinding, and by cross-site requests.

use serde_json::{Value, json};

use crate::process::{Simulator, send};
use crate::signed::{Signed, form};

/// Every kind of control request, with a body that would have an effect.
const CONTROL: [(&str, &str, &str); 26] = [
    ("GET", "healthz", ""),
    ("GET", "journal", ""),
    ("GET", "counts", ""),
    ("DELETE", "counts", ""),
    ("GET", "time", ""),
    ("POST", "time", r#"{"seconds": 3600}"#),
    ("GET", "quota", ""),
    ("PUT", "quota", r#"{"enabled": false}"#),
    ("GET", "behaviour", ""),
    ("PUT", "behaviour", r#"{"defaults": {"endDelayMs": 7}}"#),
    ("PATCH", "behaviour", r#"{"defaults": {"endDelayMs": 7}}"#),
    ("GET", "faults", ""),
    ("POST", "faults", r#"{"action": {"type": "throttle"}}"#),
    ("DELETE", "faults", ""),
    ("GET", "keys", ""),
    ("POST", "keys", r#"{"accessKeyId": "AKIAEVIL", "secretAccessKey": "s"}"#),
    ("POST", "groups", r#"{"id": "sg-evil"}"#),
    ("GET", "sessions", ""),
    ("POST", "sessions", r#"{"ids": ["evil"]}"#),
    ("POST", "sessions/seeded/end", "{}"),
    ("POST", "sessions/seeded/disconnect", ""),
    ("GET", "arrivals", ""),
    ("POST", "arrivals", r#"{"perSecond": 10}"#),
    ("DELETE", "arrivals", ""),
    ("DELETE", "arrivals/1", ""),
    ("GET", "nonsense", ""),
];

/// All that the endpoints show, but for what passes by itself.
fn state(simulator: &Simulator) -> Vec<Value> {
    let mut state: Vec<Value> = ["quota", "behaviour", "faults", "keys", "groups", "sessions", "arrivals", "journal"]
        .map(|path| simulator.control("GET", path, ""))
        .to_vec();
    state.push(simulator.control("GET", "time", "")["aheadMs"].clone());
    state
}

/// The hosts and origins of requests that a page of another site can cause, `PORT` being the listener's.
const FOREIGN: [&[&str]; 8] = [
    &["Host: evil.example:PORT", "Origin: http://evil.example:PORT"],
    &["Host: evil.example:PORT"],
    &["Host: 127.0.0.1.evil.example:PORT"],
    &["Host: localhost.evil.example"],
    &["Host: 127.0.0.1:PORT", "Origin: https://evil.example"],
    &["Host: localhost:PORT", "Origin: null"],
    &["Host: localhost:PORT", "Origin: http://localhost:3000"],
    &["Host: [::1]:PORT", "Origin: http://evil.example:PORT"],
];

fn lines(headers: &[&str], port: u16) -> Vec<String> {
    headers.iter().map(|line| line.replace("PORT", &port.to_string())).collect()
}

#[test]
fn a_page_of_another_site_reaches_no_control_endpoint() {
    let simulator = Simulator::start(&[]);
    simulator.control("POST", "sessions", r#"{"ids": ["seeded"]}"#);
    let before = state(&simulator);
    for headers in FOREIGN.map(|headers| lines(headers, simulator.aws)) {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        for (method, path, body) in CONTROL {
            let answer =
                send(simulator.aws, &format!("{method} /_simulator/{path} HTTP/1.1"), &headers, body.as_bytes());
            assert_eq!(answer.status, 403, "{method} {path} with {headers:?}: {}", answer.body);
            let error: Value = serde_json::from_str(&answer.body).unwrap();
            assert!(error["error"].as_str().unwrap().contains("accepted are"), "{error}");
        }
    }
    assert_eq!(state(&simulator), before);
}

#[test]
fn requests_of_this_machine_are_answered() {
    let simulator = Simulator::start(&[]);
    let port = simulator.aws;
    for headers in [
        &["Host: 127.0.0.1:PORT"][..],
        &["host: LOCALHOST:PORT"],
        &["Host: localhost"],
        &["Host: 127.0.0.1:9999"],
        &["Host: [::1]:PORT"],
        &["Host: localhost:PORT", "Origin: http://localhost:PORT"],
    ] {
        let headers = lines(headers, port);
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_eq!(send(port, "GET /_simulator/healthz HTTP/1.1", &headers, b"").status, 200, "{headers:?}");
    }
}

#[test]
fn a_host_that_is_missing_repeated_or_malformed_is_refused() {
    let simulator = Simulator::start(&[]);
    for headers in [
        &[][..],
        &["Host: localhost", "Host: localhost"],
        &["Host: localhost", "Host: evil.example"],
        &["Host:"],
        &["Host: user@localhost"],
        &["Host: localhost:x"],
        &["Host: localhost."],
        &["Host: l\u{f6}calhost"],
    ] {
        for port in [simulator.aws, simulator.s3] {
            for line in ["GET /_simulator/healthz HTTP/1.1", "GET /_simulator/healthz HTTP/1.0"] {
                let answer = send(port, line, headers, b"");
                assert_eq!(answer.status, 403, "{line} with {headers:?}: {}", answer.body);
            }
        }
    }
    let absolute = "GET http://evil.example/_simulator/healthz HTTP/1.1";
    assert_eq!(send(simulator.aws, absolute, &["Host: localhost"], b"").status, 403);
}

/// The key is published, so a signature says nothing of who signs.
#[test]
fn a_signature_of_the_example_key_does_not_help_a_page_of_another_site() {
    let simulator = Simulator::start(&[]);
    simulator.control("POST", "sessions", r#"{"ids": ["seeded"]}"#);
    let before = state(&simulator);
    let terminate = |host: &str, headers: &[(&str, &str)]| {
        let target = "/streamgroups/sg-1AB2C3De4/streamsessions/seeded";
        let port = simulator.aws;
        Signed { service: "gameliftstreams", port, host, method: "DELETE", target, headers, body: b"" }.send()
    };
    let put = |host: &str, headers: &[(&str, &str)]| {
        let (port, target) = (simulator.s3, "/exports/evil.txt");
        Signed { service: "s3", port, host, method: "PUT", target, headers, body: b"evil" }.send()
    };
    let own = "127.0.0.1:8474";
    for (host, headers) in [("evil.example:8474", &[][..]), (own, &[("origin", "https://evil.example")])] {
        for answer in [terminate(host, headers), put(host, headers)] {
            assert_eq!(answer.status, 403);
            assert!(answer.body.contains("was refused; accepted are"), "{}", answer.body);
        }
    }
    assert_eq!(state(&simulator), before);
    let object = simulator.folder().join("s3/exports/evil.txt");
    assert!(!object.exists());

    let (terminated, stored) = (terminate(own, &[]), put(own, &[]));
    assert_eq!((terminated.status, stored.status), (204, 200), "{terminated:?} {stored:?}");
    assert!(object.exists());
}

#[test]
fn a_form_of_another_site_stores_no_object() {
    let simulator = Simulator::start(&[]);
    let post = |headers: &[&str]| {
        let body = form("form.txt", "content", "edge");
        let headers = [&["Content-Type: multipart/form-data; boundary=edge"], headers].concat();
        send(simulator.s3, "POST /exports HTTP/1.1", &headers, body.as_bytes())
    };
    let object = simulator.folder().join("s3/exports/form.txt");
    assert_eq!(post(&["Host: localhost", "Origin: https://evil.example"]).status, 403);
    assert!(!object.exists());
    let answer = post(&["Host: localhost"]);
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(std::fs::read_to_string(object).unwrap(), "content");
}

#[test]
fn a_remote_listener_takes_the_names_that_it_is_given() {
    let flags = ["--host", "0.0.0.0", "--allow-remote", "--allow-host", "simulator.testing,10.96.0.5"];
    let simulator = Simulator::start(&flags);
    for port in [simulator.aws, simulator.s3] {
        let refused = |host: &str| {
            let answer = send(port, "GET /_simulator/healthz HTTP/1.1", &[&format!("Host: {host}:{port}")], b"");
            answer.body.contains("was refused; accepted are")
        };
        for host in ["localhost", "0.0.0.0", "127.0.0.1", "simulator.testing", "10.96.0.5"] {
            assert!(!refused(host), "{host}");
        }
        for host in ["evil.example", "simulator.testing.evil.example", "10.96.0.6"] {
            assert!(refused(host), "{host}");
        }
    }
    assert_eq!(simulator.control("GET", "healthz", "")["ok"], json!(true));
}

#[test]
fn an_allowed_host_with_a_port_is_refused_at_the_start() {
    let program = env!("CARGO_BIN_EXE_gameliftstreams-simulator");
    let output = std::process::Command::new(program).args(["--allow-host", "simulator:8474"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("without scheme and port"), "{output:?}");
}
