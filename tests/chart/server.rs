//! What the real API server says of the rendered objects.

use crate::control_plane::ControlPlane;
use crate::helm::{NAMESPACE, full, objects, only, text, tmp};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// `kubectl apply --server-side`. The error is what the server said.
pub(crate) fn apply(control: &ControlPlane, file: &str, objects: &[Value], more: &[&str]) -> Result<(), String> {
    let path = tmp(file);
    std::fs::write(&path, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()).unwrap();
    let path = path.display().to_string();
    // The CRD was installed by another hand.
    let arguments = ["apply", "--server-side", "--force-conflicts", "-f", &path];
    let output = control.kubectl(&[&arguments[..], more].concat());
    if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn every_rendered_object_is_accepted() {
    let control = ControlPlane::shared().await;
    for namespace in [NAMESPACE, "exports", "leases", "team-a", "team-b"] {
        control.namespace(namespace).await;
    }
    let cluster_wide = json!({"replicaCount": 1, "podDisruptionBudget": {"minAvailable": 1}});
    for (n, values) in [json!({}), full(), cluster_wide].into_iter().enumerate() {
        let mut objects = objects(&values);
        // Those of kinds that the API server doesn't have are judged in tests/integrations.
        objects.retain(|object| object["apiVersion"] != "monitoring.coreos.com/v1");
        assert!(objects.len() >= 13, "{} objects", objects.len());
        apply(control, &format!("accepted-{n}.yaml"), &objects, &["--dry-run=server"]).unwrap();
    }
}

fn pod(objects: &[Value]) -> Pod {
    let template = &only(objects, "Deployment")["spec"]["template"];
    let mut pod = json!({"metadata": template["metadata"], "spec": template["spec"]});
    pod["metadata"]["generateName"] = json!("pod-");
    serde_json::from_value(pod).unwrap()
}

#[tokio::test]
async fn the_pods_are_admitted_under_the_restricted_standard() {
    let control = ControlPlane::shared().await;
    let client = control.namespace("restricted").await.into_client();
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    namespaces.patch("restricted", &PatchParams::default(), &Patch::Merge(label)).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "restricted");
    let pods: Api<Pod> = Api::namespaced(client, "restricted");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let mut all = full();
    all["hostNetwork"] = json!(false);
    for values in [json!({}), all] {
        let mut pod = pod(&objects(&values));
        let account = json!({"metadata": {"name": pod.spec.as_ref().unwrap().service_account_name}});
        accounts.create(&PostParams::default(), &serde_json::from_value(account).unwrap()).await.unwrap();
        pods.create(&dry_run, &pod).await.unwrap();
        // The standard is at work: it refuses the same Pod when one line is missing.
        pod.spec.as_mut().unwrap().containers[0].security_context = None;
        let refused = pods.create(&dry_run, &pod).await.unwrap_err().to_string();
        assert!(refused.contains("violates PodSecurity \"restricted:latest\""), "{refused}");
    }
}

#[test]
fn the_container_is_as_closed_as_can_be() {
    let objects = objects(&json!({}));
    let pod = &only(&objects, "Deployment")["spec"]["template"]["spec"];
    let context = &pod["containers"][0]["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["privileged"], false);
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
    assert_eq!(
        (&pod["securityContext"]["runAsUser"], &pod["securityContext"]["runAsNonRoot"]),
        (&json!(65532), &json!(true))
    );
    assert_eq!(only(&objects, "ServiceAccount")["automountServiceAccountToken"], false);
    let env = pod["containers"][0]["env"].to_string();
    assert!(env.contains(r#"{"name":"AWS_EC2_METADATA_DISABLED","value":"true"}"#), "{env}");
    for absent in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
        assert!(pod.get(absent).is_none(), "{absent}");
    }
}

/// Longer than config.timing.shutdownGracePeriod plus one attempt to give up the lease.
#[test]
fn the_pods_have_time_to_end_in_good_order() {
    let objects = objects(&json!({}));
    let grace = only(&objects, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64();
    let grace_period = session_export_operator::config::Timing::default().shutdown_grace_period.as_secs();
    assert!(grace.unwrap() >= grace_period + 4 + 4);
}
