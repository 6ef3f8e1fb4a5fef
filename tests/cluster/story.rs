//! The story, chapter by chapter.

use crate::cluster::Cluster;
use crate::helm::CHART;
use crate::newer::NEWER;
use crate::node::diagnosis;
use crate::pods::{Process, container, container_id, uid};
use crate::policies::{switched_off, uninstalled_with_a_policy, upgraded_to_policies, with_policies};
use crate::release::{Release, VERSION, image, values};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

#[tokio::test]
#[ignore = "needs a node, and root: make cluster-test"]
async fn an_installation_from_its_first_day_to_its_last() {
    let cluster = Cluster::start().await;
    let release = Release { kubeconfig: cluster.node.kubeconfig() };
    let values = values(&cluster.simulator);
    chapter("installed from nothing, it exports to a ZIP");
    installed(&cluster, &release, &values).await;
    the_process_has_no_powers(&cluster).await;
    chapter("somebody edits an object in the middle of its call; a finished one is deleted after its time");
    edited_meanwhile(&cluster).await;
    deleted_after_its_time(&cluster).await;
    chapter("the leader's container is killed until the other leads");
    killed(&cluster).await;
    chapter("the API server stands still");
    the_api_server_stands_still(&cluster).await;
    chapter("upgraded to a newer version, and rolled back");
    upgraded_and_rolled_back(&cluster, &release, &values).await;
    chapter("uninstalled, and installed again");
    let uninstalled = uninstalled_and_installed_again(&cluster, &release, &values).await;
    chapter("a changed value restarts the Pods");
    changed(&cluster, &release, &values).await;
    chapter("a thousand exports at once fit into the limit of memory");
    cluster.carries(1000).await;
    chapter("no right was given that was not used, and none was missing");
    cluster.rights_are_what_was_needed(&[uninstalled]).await;
    let values = with_policies(&values);
    chapter("an upgrade brings policies, and one exports sessions that nobody names");
    upgraded_to_policies(&cluster, &release, &values).await;
    chapter("uninstalled with a policy's exports under way, and installed again");
    let again = uninstalled_with_a_policy(&cluster, &release, &values).await;
    chapter("with policies, too, every right was used, and none was missing");
    cluster.rights_are_what_was_needed(&[uninstalled, again]).await;
    chapter("policies are switched off");
    let going = switched_off(&cluster, &release, &values).await;
    assert_eq!(cluster.denied(&[uninstalled, again, going]), Vec::<Value>::new());
}

fn chapter(title: &str) {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    println!("--- {:3} s  {title}", BEGUN.elapsed().as_secs());
}

async fn installed(cluster: &Cluster, release: &Release, values: &Value) {
    let begun = Instant::now();
    release.install(values);
    println!("helm install --wait: {:.1} s", begun.elapsed().as_secs_f64());
    cluster.is_at_work(&image(VERSION)).await;
    let first = ["first".to_owned()];
    cluster.export("first", json!({})).await;
    cluster.accepted(&first).await;
    println!("from helm install to the first accepted export: {:.1} s", begun.elapsed().as_secs_f64());
    cluster.report_memory("idle").await;
    cluster.come_to_their_zips(&first).await;
}

/// As the kernel sees it, which is what the security context was for.
async fn the_process_has_no_powers(cluster: &Cluster) {
    for pod in cluster.pods().await {
        let process = Process::of(&pod);
        let has = |key: &str| process.status(key);
        assert_eq!((has("Uid"), has("Gid")), ("65532 65532 65532 65532".into(), "65532 65532 65532 65532".into()));
        for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(has(capabilities), "0000000000000000");
        }
        assert_eq!((has("NoNewPrivs"), has("Seccomp")), ("1".into(), "2".into()), "filtered");
    }
}

/// A write of the operator meets a conflict, and it reads the newest copy. Edits follow each other without a pause for
/// that: the operator writes from the newest version that its watch has shown.
async fn edited_meanwhile(cluster: &Cluster) {
    for attempt in 0..20 {
        let name = format!("edited-{attempt}");
        cluster.export(&name, json!({})).await;
        let names = [name.clone()];
        tokio::select! {
            () = cluster.come_to_their_zips(&names) => {}
            () = edit_forever(cluster, &name) => {}
        }
        if cluster.has_requested("get sessionexports.sessionexport.dev") {
            println!("a conflict at export {}", attempt + 1);
            return;
        }
    }
    panic!("{}\nno write of a status met a conflict", diagnosis());
}

async fn edit_forever(cluster: &Cluster, name: &str) {
    for edit in 0_u64.. {
        label(cluster, name, &edit.to_string()).await;
    }
}

async fn label(cluster: &Cluster, name: &str, value: &str) {
    let patch = Patch::Merge(json!({"metadata": {"labels": {"edited": value}}}));
    cluster.exports().patch(name, &PatchParams::default(), &patch).await.unwrap();
}

async fn deleted_after_its_time(cluster: &Cluster) {
    cluster.export("short-lived", json!({"ttlSecondsAfterFinished": 1})).await;
    cluster.accepted(&["short-lived".to_owned()]).await;
    cluster.simulator.end("short-lived").await;
    let gone = || async { cluster.exports().get_opt("short-lived").await.unwrap().is_none() };
    cluster.eventually("it is deleted", gone).await;
}

/// A restarted container goes on with its Pod's lease at once; killed again and again, it is held back by the kubelet
/// for longer than the lease lasts.
async fn killed(cluster: &Cluster) {
    let mut names = cluster.exports_of("before", 3).await;
    cluster.accepted(&names).await;
    let first = cluster.running_leader().await;
    let (mut leader, mut kills) = (first.clone(), 0);
    while uid(&leader) == uid(&first) {
        kills += 1;
        assert!(kills < 6, "{}\nthe other never leads", diagnosis());
        cluster.node.kill_container(&container_id(&leader));
        names.extend(cluster.exports_of(&format!("kill-{kills}"), 2).await);
        cluster.is_down(&leader).await;
        leader = cluster.running_leader().await;
    }
    println!("{kills} kills until the other led");
    cluster.come_to_their_zips(&names).await;
    let ready = || async { cluster.pods().await.iter().all(|pod| container(pod).ready) };
    cluster.eventually("both are ready again", ready).await;
}

/// The Pods say that they can't work, and are not restarted for it.
async fn the_api_server_stands_still(cluster: &Cluster) {
    let names = cluster.exports_of("still", 2).await;
    cluster.accepted(&names).await;
    let pods = cluster.pods().await;
    let restarts = |pods: &[Pod]| pods.iter().map(|pod| container(pod).restart_count).sum::<i32>();
    cluster.node.signal("kube-apiserver", "STOP");
    let all_say = |status: u16| pods.iter().all(|pod| cluster.get(pod, "/readyz") == status);
    cluster.eventually("none is ready", || async { all_say(503) }).await;
    assert!(pods.iter().all(|pod| cluster.get(pod, "/healthz") == 200), "alive all the same");
    cluster.node.signal("kube-apiserver", "CONT");
    cluster.eventually("all are ready again", || async { all_say(200) }).await;
    cluster.come_to_their_zips(&names).await;
    assert_eq!(restarts(&cluster.pods().await), restarts(&pods), "{}", diagnosis());
}

/// Exports while something changes.
pub(crate) async fn exports_during(
    cluster: &Cluster,
    prefix: &str,
    change: impl FnOnce() + Send + 'static,
) -> Vec<String> {
    let change = spawn_blocking(change);
    let mut names = Vec::new();
    while !change.is_finished() {
        let name = format!("{prefix}-{}", names.len());
        cluster.export(&name, json!({})).await;
        names.push(name);
        sleep(Duration::from_millis(200)).await;
    }
    change.await.unwrap();
    names
}

async fn upgraded_and_rolled_back(cluster: &Cluster, release: &Release, values: &Value) {
    let mut names = cluster.exports_of("old", 3).await;
    cluster.accepted(&names).await;
    let (newer, values, helm) = (cluster.newer_chart(), values.clone(), release.clone());
    names.extend(exports_during(cluster, "upgrade", move || helm.upgrade(&newer, &values)).await);
    cluster.is_at_work(&image(NEWER)).await;
    cluster.accepted(&names).await;

    cluster.write_as_newer("first", Some("EXPIRED")).await;
    cluster.write_as_newer("old-0", None).await;
    let finished = cluster.whole_status("first").await;
    let helm = release.clone();
    names.extend(exports_during(cluster, "rollback", move || helm.rollback()).await);
    cluster.is_at_work(&image(VERSION)).await;
    println!("{} exports in flight over both", names.len());
    cluster.come_to_their_zips(&names).await;

    label(cluster, "first", "by-a-user").await;
    assert_eq!(cluster.whole_status("first").await, finished, "what is finished stays as the newer version wrote it");
    let status = cluster.whole_status("old-0").await;
    let retained = finished["conditions"].as_array().unwrap().last().unwrap();
    assert_eq!(status["retention"], json!({"days": 30}), "{status:#}");
    assert!(status["conditions"].as_array().unwrap().contains(retained), "{status:#}");
}

/// Returns when nothing was installed.
async fn uninstalled_and_installed_again(
    cluster: &Cluster,
    release: &Release,
    values: &Value,
) -> (Timestamp, Timestamp) {
    let names = cluster.exports_of("orphan", 3).await;
    cluster.accepted(&names).await;
    let objects = || async { cluster.exports().list(&ListParams::default()).await.unwrap().items };
    let before = objects().await;
    let gone = Timestamp::now();
    release.uninstall();
    cluster.without_pods().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    assert!(definitions.get_opt("sessionexports.sessionexport.dev").await.unwrap().is_some());
    assert_eq!(objects().await, before, "every object is there, and as it was");
    cluster.simulator.end("orphan-0").await;
    let without = (gone, Timestamp::now());
    release.install(values);
    cluster.is_at_work(&image(VERSION)).await;
    cluster.came_to_their_zips(&names[..1]).await;
    cluster.come_to_their_zips(&names[1..]).await;
    without
}

/// To quotas and looks that would otherwise stretch a thousand exports over minutes.
async fn changed(cluster: &Cluster, release: &Release, values: &Value) {
    let before = cluster.uids().await;
    release.upgrade(CHART, values);
    assert_eq!(cluster.uids().await, before, "nothing changed, and nothing restarted");
    let mut values = values.clone();
    values["config"]["quota"] = json!({"export": 500, "get": 500, "allowAboveDefault": true});
    values["config"]["timing"] = json!({"pendingPollIntervalMax": "4s"});
    release.upgrade(CHART, &values);
    cluster.is_at_work(&image(VERSION)).await;
    assert!(cluster.uids().await.is_disjoint(&before), "other Pods");
}
