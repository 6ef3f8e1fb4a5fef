//! Edits: those that make an object one of the operator's are judged as creations are, and no other.

use super::{ACCOUNT, create, install, nothing_in_a_policy_is_doubtful, nowhere, object};
use crate::control_plane::ControlPlane;
use crate::helm::{named, objects};
use futures::{StreamExt, stream};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;
use std::collections::{BTreeMap, BTreeSet};

const PAUSED: &str = "example.com/paused.by";
const SELECTORS: &[&str] =
    &["shard=a", "shard notin (a)", "!example.com/paused.by", "shard in (a, b),example.com/paused.by!=yes,stage"];

fn values(name: &str, namespace: &str, selector: &str) -> Value {
    json!({
        "fullnameOverride": name,
        "aws": {"accountId": ACCOUNT},
        "watch": {"namespaces": [namespace], "labelSelector": selector},
    })
}

/// Labels as they may be: all of these, by all of their values and absent.
fn states() -> Vec<BTreeMap<&'static str, &'static str>> {
    let labels: [(&str, &[&str]); 3] = [("shard", &["a", "b", "c"]), (PAUSED, &["yes"]), ("stage", &["prod"])];
    labels.iter().fold(vec![BTreeMap::new()], |states, (key, values)| {
        let with = |state: &BTreeMap<_, _>, value| state.clone().into_iter().chain([(*key, value)]).collect();
        states.iter().flat_map(|state| values.iter().map(|value| with(state, *value)).chain([state.clone()])).collect()
    })
}

/// A merge patch from one state of the labels to another, which changes a label of no selector, too.
fn change(old: &BTreeMap<&str, &str>, new: &BTreeMap<&str, &str>) -> Value {
    let mut labels = json!({"team": "changed"});
    old.keys().for_each(|key| labels[*key] = Value::Null);
    new.iter().for_each(|(key, value)| labels[*key] = json!(value));
    json!({"metadata": {"labels": labels}})
}

/// One policy that allows nothing, with the objects of all states, which were there before it.
async fn nothing_allowed(control: &ControlPlane, n: usize, selector: &str) -> Api<SessionExport> {
    let (name, namespace) = (format!("labelled-{n}"), format!("labelled-{n}"));
    let exports = control.namespace(&namespace).await;
    let client = control.client().await;
    for (n, state) in states().iter().enumerate() {
        let mut before = object(&namespace, &nowhere(), &json!(state));
        before.metadata.name = Some(format!("state-{n}"));
        create(&client, &before, false).await.unwrap();
    }
    let selected = exports.list(&ListParams::default().labels(selector)).await.unwrap().items;
    let mut probe = object(&namespace, &nowhere(), &json!({}));
    probe.metadata.labels = selected[0].metadata.labels.clone();
    install(control, &name, &objects(&values(&name, &namespace, selector)), &[probe]).await;
    nothing_in_a_policy_is_doubtful(&client, &format!("{name}-destinations")).await;
    exports
}

#[tokio::test]
async fn an_edit_is_judged_if_it_changes_a_label_of_the_selector_and_the_object_is_selected_after_it() {
    let control = ControlPlane::shared().await;
    let states = &states();
    let (mut refused, mut passed) = (0, 0);
    for (n, selector) in SELECTORS.iter().enumerate() {
        let exports = &nothing_allowed(control, n, selector).await;
        // The API server's own reading of the selector.
        let selected = exports.list(&ListParams::default().labels(selector)).await.unwrap().items;
        let selected: BTreeSet<_> = selected.into_iter().filter_map(|export| export.metadata.name).collect();
        let named = |state: &BTreeMap<&'static str, &'static str>| {
            state.iter().filter(|(key, _)| selector.contains(*key)).map(|(k, v)| (*k, *v)).collect::<BTreeMap<_, _>>()
        };
        let pairs = (0..states.len()).flat_map(|old| (0..states.len()).map(move |new| (old, new)));
        let judged = stream::iter(pairs).map(async |(old, new)| {
            let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
            let patch = Patch::Merge(change(&states[old], &states[new]));
            let edited = exports.patch(&format!("state-{old}"), &dry_run, &patch).await;
            (old, new, edited.err().map(|error| error.to_string()))
        });
        for (old, new, error) in judged.buffer_unordered(8).collect::<Vec<_>>().await {
            let expected = named(&states[old]) != named(&states[new]) && selected.contains(&format!("state-{new}"));
            assert_eq!(error.is_some(), expected, "{selector}: {:?} to {:?}: {error:?}", states[old], states[new]);
            assert!(error.is_none_or(|error| error.contains("Nothing is allowed in namespace labelled-")));
            if expected { refused += 1 } else { passed += 1 }
        }
    }
    println!("{refused} refused, {passed} passed");
    assert!(refused >= 200 && passed >= 200, "the comparison is empty");
}

/// The ways to give a label to an object.
fn label(name: &str, labels: Value) -> Vec<(&'static str, Patch<Value>)> {
    let apply = json!({
        "apiVersion": "sessionexport.dev/v1alpha1", "kind": "SessionExport",
        "metadata": {"name": name, "labels": labels},
    });
    let replaced = json!([{"op": "add", "path": "/metadata/labels", "value": labels}]);
    vec![
        ("merge", Patch::Merge(json!({"metadata": {"labels": labels}}))),
        ("json", Patch::Json(serde_json::from_value(replaced).unwrap())),
        ("apply", Patch::Apply(apply)),
    ]
}

/// One operator with the label `shard=a`, which allows nothing any more; objects from before.
struct Tightened {
    control: &'static ControlPlane,
    namespace: String,
    exports: Api<SessionExport>,
}

impl Tightened {
    async fn new(name: &str) -> Self {
        let control = ControlPlane::shared().await;
        let exports = control.namespace(name).await;
        let client = control.client().await;
        let mut with_role = nowhere();
        with_role["serviceAccountName"] = json!("mine");
        for (object_name, spec, labels) in [
            ("ours", nowhere(), json!({"shard": "a"})),
            ("others", nowhere(), json!({"shard": "b"})),
            ("bare", nowhere(), json!({})),
            ("with-role", with_role, json!({})),
        ] {
            let mut before = object(name, &spec, &labels);
            before.metadata.name = Some(object_name.to_owned());
            create(&client, &before, false).await.unwrap();
        }
        let probe = object(name, &nowhere(), &json!({"shard": "a"}));
        install(control, name, &objects(&values(name, name, "shard in (a, c)")), &[probe]).await;
        Self { control, namespace: name.to_owned(), exports }
    }

    async fn patched(&self, name: &str, patch: &Patch<Value>) -> Result<SessionExport, String> {
        let force = matches!(patch, Patch::Apply(_));
        let field_manager = Some("kustomize-controller".to_owned());
        let parameters = PatchParams { field_manager, force, ..PatchParams::default() };
        self.exports.patch(name, &parameters, patch).await.map_err(|error| error.to_string())
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<(), String> {
        let output = self.control.kubectl(&[arguments, &["--namespace", &self.namespace]].concat());
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

#[tokio::test]
async fn a_label_that_comes_later_is_judged_as_a_creation_is() {
    let tightened = Tightened::new("label-later").await;
    let expected = "With these labels this operator would work on the object. No rule of the operator's configuration \
                    covers this namespace, stream group (sg-1) and destination. Nothing is allowed in namespace \
                    label-later yet";
    for name in ["bare", "others"] {
        for (way, patch) in label(name, json!({"shard": "a", "team": "x"})) {
            let refused = tightened.patched(name, &patch).await.unwrap_err();
            assert!(refused.contains(expected), "{name} by {way}: {refused}");
        }
        let refused = tightened.kubectl(&["label", "sessionexport", name, "shard=a", "--overwrite"]).unwrap_err();
        assert!(refused.contains(expected), "{name}: {refused}");
        let mut replaced = tightened.exports.get(name).await.unwrap();
        replaced.metadata.labels.get_or_insert_default().insert("shard".to_owned(), "c".to_owned());
        let refused = tightened.exports.replace(name, &PostParams::default(), &replaced).await.unwrap_err();
        assert!(refused.to_string().contains(expected), "{name}: {refused}");
        // Other labels, and those of another operator.
        for (way, patch) in label(name, json!({"shard": "b", "team": "x"})) {
            tightened.patched(name, &patch).await.unwrap_or_else(|why| panic!("{name} by {way}: {why}"));
        }
    }
    // One that brings a role of its own is judged by IAM.
    for (way, patch) in label("with-role", json!({"shard": "a"})) {
        tightened.patched("with-role", &patch).await.unwrap_or_else(|why| panic!("{way}: {why}"));
    }
}

#[tokio::test]
async fn an_object_from_before_the_rules_were_tightened_can_be_edited_given_away_and_deleted() {
    let tightened = Tightened::new("edits-after").await;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "1-2"}]);
    let tools = json!({"app.kubernetes.io/instance": "exports", "kustomize.toolkit.fluxcd.io/name": "exports"});
    for edit in [
        json!({"spec": {"suspend": true}}),
        json!({"spec": {"ttlSecondsAfterFinished": 60}}),
        json!({"metadata": {"annotations": {"shard": "a", "argocd.argoproj.io/tracking-id": "x"}}}),
        json!({"metadata": {"labels": tools}}),
        json!({"metadata": {"finalizers": ["example.com/hold"]}}),
        json!({"metadata": {"ownerReferences": owner}}),
        // The same value again is no change.
        json!({"metadata": {"labels": {"shard": "a"}}}),
    ] {
        tightened.patched("ours", &Patch::Merge(edit.clone())).await.unwrap_or_else(|why| panic!("{edit}: {why}"));
    }
    for (way, patch) in label("ours", json!({"shard": "a", "app.kubernetes.io/instance": "again"})) {
        tightened.patched("ours", &patch).await.unwrap_or_else(|why| panic!("{way}: {why}"));
    }
    // Within the selector it would be judged again.
    let moved = Patch::Merge(json!({"metadata": {"labels": {"shard": "c"}}}));
    assert!(tightened.patched("ours", &moved).await.unwrap_err().contains("No rule"));

    // Deletion waits for the finalizer, which goes by an edit.
    let deleted = tightened.exports.delete("ours", &DeleteParams::default()).await.unwrap();
    assert!(deleted.left().is_some_and(|export| export.metadata.deletion_timestamp.is_some()));
    tightened.patched("ours", &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await.unwrap();
    assert!(tightened.exports.get_opt("ours").await.unwrap().is_none());
}

#[tokio::test]
async fn a_label_that_takes_an_object_out_of_the_selector_is_not_refused() {
    let tightened = Tightened::new("label-away").await;
    tightened.kubectl(&["label", "sessionexport", "ours", "shard=b", "--overwrite"]).unwrap();
    tightened.kubectl(&["label", "sessionexport", "ours", "shard-"]).unwrap();
    assert!(tightened.kubectl(&["label", "sessionexport", "ours", "shard=a"]).is_err());
}

#[test]
fn without_a_label_selector_no_edit_is_judged() {
    let operations = |selector: &str| {
        let rendered = objects(&json!({"watch": {"labelSelector": selector}}));
        let policy = named(&rendered, "ValidatingAdmissionPolicy", "-destinations");
        policy["spec"]["matchConstraints"]["resourceRules"][0]["operations"].clone()
    };
    assert_eq!(operations(""), json!(["CREATE"]));
    assert_eq!(operations("shard=a"), json!(["CREATE", "UPDATE"]));
}
