//! The names of a release: pages, examples and the chart agree on them, so that a role that is given to the ServiceAccount
//! of one of them reaches the Pods of all.

use crate::control_plane::ControlPlane;
use crate::helm::{CHART, helm, only, parse, template_release, text};
use crate::markdown::{block, pages, root};
use serde_json::{Value, json};
use std::process::Command;

/// Release and namespace.
type Release = (String, String);

/// What stands behind a flag.
fn flag(command: &str, flag: &str) -> Option<String> {
    let mut words = command.split_whitespace().skip_while(|word| *word != flag);
    words.nth(1).map(str::to_owned)
}

/// Of the pages: each `helm upgrade --install`.
fn documented_releases() -> Vec<Release> {
    let commands = pages()
        .into_iter()
        .flat_map(|page| page.blocks())
        .flat_map(|block| block.text.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>());
    let installs = commands.filter(|command| command.contains("helm upgrade --install"));
    installs.map(|line| (flag(&line, "--install").unwrap(), flag(&line, "--namespace").unwrap())).collect()
}

fn documents(file: &str) -> Vec<Value> {
    parse(&std::fs::read_to_string(root().join(file)).unwrap())
}

/// Of the examples for Flux and Argo CD, as these tools name the release.
fn releases_of_gitops() -> Vec<Release> {
    let name = |value: &Value| value.as_str().map(str::to_owned);
    let flux = documents("gitops/flux/operator.yaml");
    let flux = only(&flux, "HelmRelease");
    let (namespace, own) = (name(&flux["spec"]["targetNamespace"]).unwrap(), name(&flux["metadata"]["name"]).unwrap());
    let release = name(&flux["spec"]["releaseName"]).unwrap_or_else(|| format!("{namespace}-{own}"));
    let argo = documents("gitops/argocd/application.yaml");
    let argo = only(&argo, "Application");
    let of_argo = name(&argo["spec"]["source"]["helm"]["releaseName"]).or_else(|| name(&argo["metadata"]["name"]));
    vec![(release, namespace), (of_argo.unwrap(), name(&argo["spec"]["destination"]["namespace"]).unwrap())]
}

/// Name and namespace of the ServiceAccount that a release has by default.
fn account_of((release, namespace): &Release) -> Release {
    let objects = parse(&template_release((release, namespace), &json!({}), &[]).unwrap());
    account_among(&objects)
}

fn account_among(objects: &[Value]) -> Release {
    let metadata = &only(objects, "ServiceAccount")["metadata"];
    (metadata["name"].as_str().unwrap().to_owned(), metadata["namespace"].as_str().unwrap().to_owned())
}

#[test]
fn pages_and_examples_agree_on_the_service_account_and_its_namespace() {
    let expected = ("session-export-operator".to_owned(), "session-export-operator".to_owned());
    let releases: Vec<Release> = documented_releases().into_iter().chain(releases_of_gitops()).collect();
    assert!(releases.len() >= 5, "{releases:?}");
    for release in releases {
        assert_eq!(account_of(&release), expected, "{release:?}");
    }
    assert_eq!(account_among(&documents("examples/install.yaml")), expected);
    let install = pages().into_iter().find(|page| page.path == "docs/install.md").unwrap();
    assert!(install.text.contains("Give it to the ServiceAccount `session-export-operator`"));
}

/// The block of the chart's README, for another release.
fn hand_over(control: &ControlPlane, name: &str) {
    let own = "release=session-export-operator namespace=session-export-operator";
    let script = block("hand-over-the-definition").text;
    assert!(script.contains(own), "{script}");
    let script = script.replace(own, &format!("release={name} namespace={name}"));
    let path = format!("{}:{}", control.bin().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &script]).env("PATH", path).env("KUBECONFIG", control.kubeconfig());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn install(control: &ControlPlane, name: &str) -> Result<(), String> {
    let kubeconfig = control.kubeconfig().display().to_string();
    let arguments = ["install", name, CHART, "--namespace", name, "--create-namespace", "--kubeconfig", &kubeconfig];
    let output = helm(&arguments, &json!({}));
    if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn a_definition_from_before_is_handed_over_as_documented() {
    let control = ControlPlane::with_flags("").await;
    // The first ones were installed without Helm, the second ones are left by a release that is gone.
    for name in ["first", "second"] {
        let refused = install(&control, name).unwrap_err();
        assert!(refused.contains("invalid ownership metadata") && refused.contains("sessionexport"), "{refused}");
        hand_over(&control, name);
        install(&control, name).unwrap();
        let kubeconfig = control.kubeconfig().display().to_string();
        let gone = helm_without_values(&["uninstall", name, "--namespace", name, "--kubeconfig", &kubeconfig]);
        assert!(gone.contains("kept due to the resource policy"), "{gone}");
    }
}

fn helm_without_values(arguments: &[&str]) -> String {
    let output = crate::helm::command(arguments).output().unwrap();
    text(&output.stdout) + &text(&output.stderr)
}
