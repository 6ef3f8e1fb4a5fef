//! The command line, as the process that users start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

use serde_json::json;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn operator(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-export-operator"));
    for variable in [
        "SESSION_EXPORT_CONFIG",
        "SESSION_EXPORT_LISTEN",
        "SESSION_EXPORT_HEALTH_LISTEN",
        "LOG_FORMAT",
        "RUST_LOG",
        "POD_UUID",
    ] {
        command.env_remove(variable);
    }
    // A command that connected to a cluster before it has parsed the arguments would fail otherwise, and later.
    command.env("KUBECONFIG", "/nowhere/kubeconfig").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn file(name: &str, content: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[track_caller]
fn refused(output: &Output, fragments: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(output.stdout.is_empty());
    for fragment in fragments {
        assert!(message.contains(fragment), "lacks {fragment:?}:\n{message}");
    }
}

#[test]
fn crd_prints_the_committed_definitions() {
    let printed = |arguments: &[&str]| {
        let output = operator(arguments);
        assert!(output.status.success(), "{arguments:?}");
        text(&output.stdout)
    };
    let exports = include_str!("../crds/sessionexport.dev_sessionexports.yaml");
    let policies = include_str!("../crds/sessionexport.dev_sessionexportpolicies.yaml");
    assert!(printed(&["crd", "sessionexports"]) == exports, "run `make crds`");
    assert!(printed(&["crd", "sessionexportpolicies"]) == policies, "run `make crds`");
    // As `kubectl apply -f -` takes them.
    assert!(printed(&["crd"]) == format!("{exports}---\n{policies}"));
    refused(&operator(&["crd", "pods"]), &["sessionexports", "sessionexportpolicies"]);
}

#[test]
fn check_config_says_ok_and_what_it_read() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config.yaml");
    let output = operator(&["check-config", "--config", example]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary = text(&output.stdout);
    assert!(summary.starts_with("ok\n"));
    for fragment in ["111122223333", "us-west-2", "rules        3", "export 18/s", "namespaces   all"] {
        assert!(summary.contains(fragment), "lacks {fragment:?}:\n{summary}");
    }
}

#[test]
fn check_config_reads_the_path_from_the_environment_too() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config.yaml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_session-export-operator"));
    let output = command.arg("check-config").env("SESSION_EXPORT_CONFIG", example).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_bad_file_is_refused_with_its_place_by_both_commands() {
    let bad = file("bad.yaml", "timing:\n  consistencyWindow: 30\n");
    for command in ["check-config", "run"] {
        let output = operator(&[command, "--config", &bad]);
        refused(&output, &[&format!("{bad}:2:22: timing.consistencyWindow"), "30s, 2m or 25h", "no unit"]);
    }
}

/// The Region of the environment is known only at the start.
#[test]
fn a_region_of_another_partition_is_refused_by_check_config_and_at_the_start() {
    let configured = file("partition.yaml", "aws:\n  region: us-gov-west-1\n");
    for command in ["check-config", "run"] {
        let output = operator(&[command, "--config", &configured]);
        refused(&output, &[&format!("{configured}:2:11: aws.region"), "must be in AWS's partition aws", "us-gov-"]);
    }
    let empty = file("no-region.yaml", "{}");
    let cluster = json!({"name": "c", "cluster": {"server": "http://127.0.0.1:1"}});
    let context = json!({"name": "c", "context": {"cluster": "c", "user": "u"}});
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster], "contexts": [context],
        "users": [{"name": "u", "user": {}}],
    });
    let kubeconfig = file("kubeconfig.json", &kubeconfig.to_string());
    for region in ["us-gov-west-1", "cn-north-1", "us-isob-east-1", "eusc-de-east-1"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_session-export-operator"));
        command.args(["run", "--config", &empty, "--listen=127.0.0.1:0", "--health-listen=127.0.0.1:0"]);
        command.env("KUBECONFIG", &kubeconfig).env("AWS_REGION", region).env("AWS_EC2_METADATA_DISABLED", "true");
        let output = command.output().unwrap();
        let said = text(&output.stderr) + &text(&output.stdout);
        assert!(!output.status.success() && said.contains("aws.region is not set"), "{region}: {said}");
        assert!(said.contains("must be in AWS's partition aws"), "{region}: {said}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_those_that_exist() {
    let bad = file("unknown.yaml", "aws: {regoin: us-west-2}\n");
    refused(&operator(&["run", "--config", &bad]), &[":1:7: aws", "`regoin`", "`region` or `accountId`"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    refused(&operator(&["run", "--config", "/nowhere/x.yaml"]), &["/nowhere/x.yaml", "No such file"]);
}

#[test]
fn bad_flags_are_refused_with_what_is_accepted() {
    refused(&operator(&["run", "--log-format", "xml"]), &["--log-format", "xml", "json, text"]);
    refused(&operator(&["run", "--log-level", "loud"]), &["--log-level", "loud", "error, warn, info"]);
    refused(&operator(&["run", "--listen", "8080"]), &["--listen", "8080", "such as 0.0.0.0:8080"]);
    refused(&operator(&["run", "--health-listen", "8081"]), &["--health-listen", "8081", "such as 0.0.0.0:8080"]);
    refused(&operator(&["run", "--rules", "x"]), &["--rules"]);
    refused(&operator(&["check-config"]), &["--config <PATH>"]);
    refused(&operator(&["walk"]), &["walk"]);
    refused(&operator(&[]), &["Usage", "check-config"]);
}

#[test]
fn help_names_flags_and_their_environment() {
    let help = text(&operator(&["run", "--help"]).stdout);
    let flags = ["--config", "SESSION_EXPORT_CONFIG", "--log-format", "--log-level", "RUST_LOG"];
    let listeners = ["SESSION_EXPORT_LISTEN", "[::]:8080", "SESSION_EXPORT_HEALTH_LISTEN", "[::]:8081"];
    for fragment in flags.into_iter().chain(listeners) {
        assert!(help.contains(fragment), "lacks {fragment:?}:\n{help}");
    }
}

/// A kubeconfig whose API server has this address.
fn kubeconfig(name: &str, server: &str) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {"token": "secret"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    file(name, &config.to_string())
}

/// The first line that a proxy reads when the operator starts in this environment; `None` if it is not called.
fn asked_of_a_proxy(name: &str, exceptions: &str) -> Option<String> {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let config = file(&format!("{name}.yaml"), "aws: {region: us-west-2}\n");
    let mut operator = Command::new(env!("CARGO_BIN_EXE_session-export-operator"))
        .args(["run", "--config", &config, "--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"])
        .env("KUBECONFIG", kubeconfig(name, "https://api.invalid:6443"))
        .env("HTTPS_PROXY", &address)
        .env("NO_PROXY", exceptions)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The log says that the API server can't be reached, whether the proxy was asked or not.
    let mut log = BufReader::new(operator.stderr.take().unwrap()).lines().map_while(Result::ok);
    proxy.set_nonblocking(true).unwrap();
    let mut asked = None;
    while asked.is_none() && log.next().is_some_and(|line| !line.contains("dns error")) {
        asked = proxy.accept().ok().map(|(stream, _)| {
            stream.set_nonblocking(false).unwrap();
            BufReader::new(stream).lines().next().unwrap().unwrap()
        });
    }
    operator.kill().unwrap();
    operator.wait().unwrap();
    asked
}

#[test]
fn outside_of_a_pod_the_api_server_is_reached_through_the_environments_proxy() {
    let asked = asked_of_a_proxy("proxied", "proxy.invalid,10.0.0.0/8").expect("the proxy is called");
    assert_eq!(asked, "CONNECT api.invalid:6443 HTTP/1.1");
    assert_eq!(asked_of_a_proxy("unproxied", "api.invalid"), None);
}
