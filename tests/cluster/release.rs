//! The release, as Helm installs, changes and removes it.

use crate::helm::{CHART, command, text};
use crate::node::{ADDRESS, diagnosis};
use crate::simulator::{ACCESS_KEY_ID, ACCOUNT, REGION, SECRET_ACCESS_KEY, Simulator};
use serde_json::{Value, json};
use std::io::Write;

pub(crate) const NAME: &str = "session-export-operator";
pub(crate) const NAMESPACE: &str = "session-export-operator";
/// Where the exports are.
pub(crate) const TENANT: &str = "team-a";
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The image's name with a tag.
pub(crate) fn image(tag: &str) -> String {
    format!("{REPOSITORY}:{tag}")
}

const REPOSITORY: &str = "localhost/session-export-operator";

/// What an administrator sets who wants no policies, and not one thing more. The keys stand for the role, the address
/// for AWS.
pub(crate) fn values(simulator: &Simulator) -> Value {
    let rule = json!({"namespaces": [TENANT], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/team-a/"]});
    json!({
        "image": {"repository": REPOSITORY},
        "aws": {
            "region": REGION,
            "accountId": ACCOUNT,
            "endpointUrl": simulator.aws.replace("0.0.0.0", ADDRESS),
            "allowInsecureEndpoint": true,
        },
        "config": {"rules": [rule]},
        "policies": {"enabled": false},
        "extraEnv": [
            {"name": "AWS_ACCESS_KEY_ID", "value": ACCESS_KEY_ID},
            {"name": "AWS_SECRET_ACCESS_KEY", "value": SECRET_ACCESS_KEY},
        ],
    })
}

#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) kubeconfig: String,
}

impl Release {
    pub(crate) fn install(&self, values: &Value) {
        self.helm(&["install", NAME, CHART, "--values", "-"], values);
    }

    pub(crate) fn upgrade(&self, chart: &str, values: &Value) {
        self.helm(&["upgrade", NAME, chart, "--values", "-"], values);
    }

    /// To the revision before.
    pub(crate) fn rollback(&self) {
        self.helm(&["rollback", NAME], &Value::Null);
    }

    pub(crate) fn uninstall(&self) {
        self.helm(&["uninstall", NAME], &Value::Null);
    }

    /// Waits for what it does.
    fn helm(&self, arguments: &[&str], values: &Value) {
        let place = ["--namespace", NAMESPACE, "--kubeconfig", &self.kubeconfig, "--wait", "--timeout", "2m"];
        let mut child = command(&[arguments, &place].concat()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(values.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}\nhelm {arguments:?}: {}", diagnosis(), text(&output.stderr));
    }
}
