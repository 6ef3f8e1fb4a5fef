//! Arrivals in the running program, whose clock goes on by itself and can be pushed.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Simulator;
use crate::signed::Signed;

/// The arrivals, once they are as wanted.
fn wait_for(simulator: &Simulator, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let shown = simulator.control("GET", path, "");
        if is_so(&shown) {
            return shown;
        }
        assert!(Instant::now() < give_up, "{shown}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ms(session: &Value, key: &str) -> i64 {
    session[key].as_i64().unwrap_or_else(|| panic!("{key} of {session}"))
}

#[test]
fn what_arrives_can_be_exported_and_shows_when() {
    let simulator = Simulator::start(&["--activation-delay-ms", "50"]);
    let plan = r#"{"perSecond": 20, "count": 10, "lifetimeSeconds": [600, 900], "connectSeconds": [0, 0.1]}"#;
    assert_eq!(simulator.control("POST", "arrivals", plan)["id"], 1);
    let connected = |shown: &Value| shown["sessions"].as_array().unwrap().iter().all(|s| s["status"] == "CONNECTED");
    let shown = wait_for(&simulator, "arrivals/1", |shown| shown["arrived"] == 10 && connected(shown));
    let session = shown["sessions"][3]["id"].as_str().unwrap();
    let target = format!("/streamgroups/sg-1AB2C3De4/streamsessions/{session}/exportfiles");
    let body = br#"{"OutputUri": "s3://exports/"}"#;
    let (port, host) = (simulator.aws, "localhost");
    let call = Signed { service: "gameliftstreams", port, host, method: "PUT", target: &target, headers: &[], body };
    assert_eq!(call.send().status, 200);
    simulator.control("POST", "time", r#"{"seconds": 1000}"#);

    let shown = wait_for(&simulator, "arrivals/1", |shown| shown["sessions"][3]["exportStatus"] == "SUCCEEDED");
    let counts = ["running", "arrived", "live", "ended", "exportsAccepted"].map(|key| shown[key].clone());
    assert_eq!(counts, [Value::from(false), 10.into(), 0.into(), 10.into(), 1.into()]);
    for (number, session) in shown["sessions"].as_array().unwrap().iter().enumerate() {
        let active = ms(session, "activeAtMs");
        assert_eq!(active - ms(session, "createdAtMs"), 50);
        assert!((600_000..=900_000).contains(&(ms(session, "endedAtMs") - active)), "{session}");
        assert!((0..=100).contains(&(ms(session, "connectedAtMs") - active)), "{session}");
        let accepted = session["exportAcceptedAtMs"].as_i64();
        assert_eq!(accepted.is_some(), number == 3);
        assert_eq!(session["acceptedAfterMs"].as_i64(), accepted.map(|at| at - active));
        assert_eq!(session["statusReason"], "applicationExit");
    }
    assert_eq!(simulator.control("GET", "arrivals", "")["arrivals"][0]["plan"]["perSecond"], 20.0);
}

#[test]
fn the_flag_starts_arrivals_and_an_endpoint_stops_them() {
    let simulator = Simulator::start(&["--arrivals", "50", "--activation-delay-ms", "0"]);
    wait_for(&simulator, "arrivals", |shown| shown["arrivals"][0]["live"].as_u64() > Some(5));
    simulator.control("DELETE", "arrivals", "");
    let stopped = simulator.control("GET", "arrivals/1", "");
    assert_eq!(stopped["running"], false);
    simulator.control("POST", "time", r#"{"seconds": 60}"#);
    assert_eq!(simulator.control("GET", "arrivals/1", "")["arrived"], stopped["arrived"]);
}

#[test]
fn a_push_of_the_clock_brings_its_arrivals_unless_they_skip_it() {
    let simulator = Simulator::start(&[]);
    for (skips, most) in [("false", 200), ("true", 20)] {
        let plan = format!(r#"{{"perSecond": 1, "lifetimeSeconds": [5, 5], "skipPushedTime": {skips}}}"#);
        let id = simulator.control("POST", "arrivals", &plan)["id"].clone();
        simulator.control("POST", "time", r#"{"seconds": 100}"#);
        let shown = wait_for(&simulator, &format!("arrivals/{id}"), |shown| {
            shown["arrived"].as_u64() > Some(if skips == "true" { 0 } else { 100 })
        });
        assert!(shown["arrived"].as_u64() < Some(most), "{}", shown["arrived"]);
        simulator.control("DELETE", &format!("arrivals/{id}"), "");
    }
}
