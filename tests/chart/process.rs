//! The real binary, started as the rendered Pod starts it, with the token of the rendered ServiceAccount.

use crate::control_plane::ControlPlane;
use crate::helm::{NAMESPACE, config_text, objects, only, parse, template_release, tmp};
use crate::rights::{install, kubeconfig_in};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const POD: &str = "11111111-2222-3333-4444-555555555555";

/// The container's variables; POD_UUID as the kubelet would fill it in.
fn environment(container: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let entries = container["env"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let filled_in = || (entry["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.uid").then(|| POD.to_owned());
            (text(&entry["name"]).unwrap(), text(&entry["value"]).or_else(filled_in).unwrap())
        })
        .collect()
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The operator of a release whose full name is `name`, and what it logs. Its rights are installed first.
async fn start_operator(control: &ControlPlane, name: &str, rendered: &[Value]) -> (Ended, PathBuf) {
    install(control, name, rendered);
    let account = &only(rendered, "ServiceAccount")["metadata"];
    let (account, namespace) = (account["name"].as_str().unwrap(), account["namespace"].as_str().unwrap());
    let [config, kubeconfig_file, log] =
        ["config.yaml", "kubeconfig", "operator.log"].map(|file| tmp(&format!("{name}-{file}")));
    std::fs::write(&config, config_text(rendered)).unwrap();
    std::fs::write(&kubeconfig_file, kubeconfig_in(control, namespace, account).await.to_string()).unwrap();

    let container = &only(rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let mounted = container["volumeMounts"][0]["mountPath"].as_str().unwrap().to_owned() + "/config.yaml";
    let arguments = container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    let arguments = arguments.map(|argument| argument.replace(&mounted, &config.display().to_string()));
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_session-export-operator")]).args(arguments);
    command.env_clear().env("PATH", std::env::var("PATH").unwrap()).envs(environment(container));
    command.env("KUBECONFIG", &kubeconfig_file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
    (Ended(command.spawn().unwrap()), log)
}

/// Waits until the Lease is held.
async fn wait_for_leader(leases: &Api<Lease>, name: &str, log: &Path) {
    let begun = Instant::now();
    loop {
        let lease = leases.get_opt(name).await.unwrap();
        let holder = lease.and_then(|lease| lease.spec?.holder_identity);
        if holder.as_deref() == Some(POD) {
            return;
        }
        let said = std::fs::read_to_string(log).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(60), "it never led; it said:\n{said}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Loopback and free ports: other tests of the machine listen on 8080 and 8081 too.
fn values_of(name: &str) -> Value {
    json!({
        "fullnameOverride": name,
        "aws": {"region": "us-west-2"},
        "extraArgs": ["--listen=127.0.0.1:0", "--health-listen=127.0.0.1:0"],
    })
}

#[tokio::test]
async fn the_rendered_command_line_leads_with_the_rendered_rights() {
    let control = ControlPlane::shared().await;
    let client = control.namespace(NAMESPACE).await.into_client();
    let (_operator, log) = start_operator(control, "process", &objects(&values_of("process"))).await;
    wait_for_leader(&Api::namespaced(client, NAMESPACE), "process", &log).await;
}

#[tokio::test]
async fn releases_of_two_namespaces_with_one_scope_find_each_other_by_leases_of_one_namespace() {
    let control = ControlPlane::shared().await;
    for namespace in ["rivals", "rival-a", "rival-b", "rival-leases"] {
        control.namespace(namespace).await;
    }
    let rendered = |name: &str| {
        let mut values = values_of(name);
        values["watch"] = json!({"namespaces": ["rivals"]});
        values["config"] = json!({"lease": {"namespace": "rival-leases"}});
        parse(&template_release((name, name), &values, &[]).unwrap())
    };
    let (_first, log) = start_operator(control, "rival-a", &rendered("rival-a")).await;
    let leases: Api<Lease> = Api::namespaced(control.client().await, "rival-leases");
    wait_for_leader(&leases, "rival-a", &log).await;
    let (_second, log) = start_operator(control, "rival-b", &rendered("rival-b")).await;
    let begun = Instant::now();
    loop {
        let said = std::fs::read_to_string(&log).unwrap();
        if said.contains("the operator of the lease rival-a works on namespaces rivals") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it noticed nothing; it said:\n{said}");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(leases.get_opt("rival-b").await.unwrap().is_none());
}
