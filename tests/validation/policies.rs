//! SessionExportPolicy at a real API server: what it refuses, and with which words, and what it makes of the rest.

use super::agreement::texts;
use super::control_plane::ControlPlane;
use super::{answer, complaint, dry_run, policy_rows as rows};
use futures::{StreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, CustomResourceExt};
use proptest::prelude::{Strategy, prop};
use serde_json::{Value, json};
use session_export_operator::api::policy::request::PolicyRequest;
use session_export_operator::api::policy::{SessionExportPolicy, SessionExportPolicySpec};

fn with(changes: &Value) -> Value {
    let mut spec = json!({
        "streamGroupIdentifier": "sg-1AB2C3De4",
        "template": {"spec": {"outputUri": "s3://exports/team-a/{sessionId}.zip"}},
    });
    merge(&mut spec, changes);
    spec
}

/// As a merge patch, but that a null stays.
fn merge(target: &mut Value, changes: &Value) {
    match changes.as_object() {
        Some(fields) if target.is_object() => {
            fields.iter().for_each(|(key, value)| merge(&mut target[key], value));
        }
        Some(_) | None => *target = changes.clone(),
    }
}

fn resource() -> ApiResource {
    SessionExportPolicy::api_resource()
}

fn policy(name: &str, spec: &Value) -> DynamicObject {
    let mut object = DynamicObject::new(name, &resource());
    object.data = json!({ "spec": spec });
    object
}

async fn policies(namespace: &str) -> Api<DynamicObject> {
    let client = ControlPlane::shared().await.namespace(namespace).await.into_client();
    Api::namespaced_with(client, namespace, &resource())
}

/// Whether the operator can parse the spec, once the API server has dropped its nulls.
fn parses(spec: &Value) -> bool {
    let mut spec = spec.clone();
    drop_nulls(&mut spec);
    serde_json::from_value::<SessionExportPolicySpec>(spec).is_ok_and(|spec| PolicyRequest::parse(&spec).is_ok())
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

#[tokio::test]
async fn a_policy_that_is_created_is_judged_in_words_a_person_can_act_on() {
    let policies = policies("policy-refusals").await;
    let rows: Vec<_> =
        [rows::sources(), rows::amounts(), rows::metadata(), rows::templates()].into_iter().flatten().collect();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for (changes, expected) in &rows {
        let spec = with(changes);
        let said = answer(policies.create(&dry_run(), &policy("row", &spec)).await);
        wrong.extend(complaint(changes, expected, said.as_deref(), parses(&spec)));
    }
    println!("{} rows", rows.len());
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_mistake_in_a_destination_has_one_message() {
    let policies = policies("policy-reasons").await;
    for uri in [
        "s3://{namespace}/{sessionId}.zip",
        "s3://exports/{days}/{sessionId}.zip",
        "s3://exports/{{sessionId}}.zip",
        "s3://exports/all.zip",
        "s3://exports/{sessionId}",
        "s3://exports/é/{sessionId}.zip",
        &format!("s3://exports/{}{{sessionId}}.zip", "a".repeat(940)),
    ] {
        let spec = with(&json!({"template": {"spec": {"outputUri": uri}}}));
        let said = answer(policies.create(&dry_run(), &policy("row", &spec)).await).unwrap();
        assert_eq!(said.matches("spec.template.spec.outputUri").count(), 1, "{uri}: {said}");
    }
}

#[tokio::test]
async fn a_policy_that_is_changed_is_judged_too() {
    let policies = policies("policy-changes").await;
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    let mut wrong = Vec::new();
    for (n, (base, change, fragments)) in rows::changes().into_iter().enumerate() {
        let name = format!("row-{n}");
        policies.create(&PostParams::default(), &policy(&name, &with(&base))).await.unwrap();
        let said = answer(policies.patch(&name, &dry_run, &Patch::Merge(json!({ "spec": change }))).await);
        let fine = match &said {
            None => fragments.is_empty(),
            Some(message) => !fragments.is_empty() && fragments.iter().all(|fragment| message.contains(fragment)),
        };
        if !fine {
            wrong.push(format!("{base} then {change}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_name_of_a_policy_is_a_dns_label() {
    let policies = policies("policy-names").await;
    let judge = async |name: &str| answer(policies.create(&dry_run(), &policy(name, &with(&json!({})))).await);
    let longest = "a".repeat(63);
    for fine in ["a", "every-session", &longest, "0"] {
        assert_eq!(judge(fine).await, None, "{fine}");
    }
    for bad in ["every.session", &"a".repeat(64), &"a".repeat(253)] {
        let said = judge(bad).await.unwrap();
        assert!(said.contains("metadata.name must have at most 63 characters and no dot"), "{bad}: {said}");
    }
    // What no object may be called.
    for bad in ["Every", "a_b", "-a"] {
        assert!(judge(bad).await.unwrap().contains("metadata.name"), "{bad}");
    }
    let mut generated = policy("", &with(&json!({})));
    generated.metadata.name = None;
    generated.metadata.generate_name = Some("a".repeat(63));
    assert_eq!(answer(policies.create(&dry_run(), &generated).await), None);
}

#[tokio::test]
async fn defaults_are_applied_to_a_policy_and_what_it_does_not_know_is_dropped() {
    let policies = policies("policy-defaults").await;
    let spec = with(&json!({"template": {"metadata": {
        "finalizers": ["example.com/held"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}],
        "name": "other",
        "namespace": "elsewhere",
    }}}));
    let created = policies.create(&PostParams::default(), &policy("plain", &spec)).await.unwrap();
    let expected = json!({
        "streamGroupIdentifier": "sg-1AB2C3De4",
        "suspend": false,
        "samplePercent": 100,
        "successfulExportsHistoryLimit": 1000,
        "failedExportsHistoryLimit": 1000,
        "template": {
            "metadata": {},
            "spec": {
                "outputUri": "s3://exports/team-a/{sessionId}.zip",
                "readyWhen": "Exported",
                "ttlSecondsAfterFinished": 3600,
            },
        },
    });
    assert_eq!(created.data["spec"], expected);
    assert_eq!(created.data["status"], json!({"observedGeneration": -1}));
    let cleared = Patch::Merge(json!({"status": null}));
    let cleared = policies.patch_status("plain", &PatchParams::default(), &cleared).await.unwrap();
    assert_eq!(cleared.data["status"], json!({"observedGeneration": -1}));
    let written = Patch::Merge(json!({"status": {"sessions": {"live": 7}}}));
    let patched = policies.patch("plain", &PatchParams::default(), &written).await.unwrap();
    assert_eq!(patched.data["status"], json!({"observedGeneration": -1}), "only the subresource writes status");
}

/// The operator leaves a policy alone whose status it can't read.
#[tokio::test]
async fn a_policys_status_that_no_version_could_read_is_refused() {
    let policies = policies("policy-readable").await;
    policies.create(&PostParams::default(), &policy("poison", &with(&json!({})))).await.unwrap();
    let write = async |status: Value| {
        let patch = Patch::Merge(json!({ "status": status }));
        answer(policies.patch_status("poison", &PatchParams::default(), &patch).await)
    };
    for poison in [
        json!({"sessions": {"live": "many"}}),
        json!({"sessions": {"live": 1e30}}),
        json!({"sessions": {"selected": 1.5}}),
        json!({"exports": 7}),
        json!({"exports": {"failed": null}, "sessions": []}),
        json!({"lastExport": {"time": "yesterday"}}),
        json!({"lastFailure": {"time": "2026-01-31T12:00:00+26:00"}}),
        json!({"lastFailure": {"name": "x".repeat(254)}}),
        json!({"lastExport": {"session": "x".repeat(129)}}),
        json!({"streamGroupArn": "x".repeat(513)}),
        json!({"observedGeneration": 1e30}),
        json!({"conditions": [{"type": "Ready"}]}),
    ] {
        assert!(write(poison.clone()).await.is_some(), "{poison} was accepted");
    }
    let fine = json!({"observedGeneration": 1, "sessions": {"live": 7, "idle": 1}, "exports": {"waiting": 1},
        "streamGroupArn": "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4",
        "lastFailure": {"session": "ABC", "name": "x".repeat(253), "time": "2026-01-31T12:00:00Z"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Watching", "message": "",
                        "lastTransitionTime": "2026-01-31T12:00:00Z"}]});
    assert_eq!(write(fine).await, None);
    let typed: Api<SessionExportPolicy> = Api::namespaced(policies.into_client(), "policy-readable");
    let status = typed.get("poison").await.unwrap().status.unwrap();
    assert_eq!((status.sessions.unwrap().live, status.exports.unwrap().waiting), (7, 1));
}

#[tokio::test]
async fn kubectl_explains_every_field_of_a_policy_and_shows_the_columns() {
    let control_plane = ControlPlane::shared().await;
    let policies = policies("policy-explain").await;
    let kubectl = |arguments: &[&str]| {
        let output = control_plane.kubectl(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (path, fragments) in [
        ("sessionexportpolicy", &["AWS must be asked while a session lives", "S3 lifecycle rule", "spec.suspend"][..]),
        (
            "sxp.spec",
            &[
                "streamGroupIdentifier",
                "region",
                "serviceAccountName",
                "suspend",
                "selector",
                "samplePercent",
                "successfulExportsHistoryLimit",
                "failedExportsHistoryLimit",
                "template",
                "-required-",
            ],
        ),
        ("sxp.spec.selector", &["applicationIdentifiers", "locations", "1 to 32 ids"]),
        ("sxp.spec.template.metadata", &["labels", "annotations", "At most 8", "managed-by"]),
        (
            "sxp.spec.template.spec",
            &["outputUri", "readyWhen", "ttlSecondsAfterFinished", "enum: Accepted, Exported", "{applicationId}"],
        ),
        (
            "sxp.status",
            &["observedGeneration", "streamGroupArn", "conditions", "sessions", "exports", "lastExport", "lastFailure"],
        ),
        ("sxp.status.sessions", &["live", "selected", "elsewhere", "AWS exports a session once"]),
        ("sxp.status.exports", &["waiting", "pending", "succeeded", "failed"]),
        ("sxp.status.lastFailure", &["session", "name", "time"]),
    ] {
        let text = kubectl(&["explain", path]);
        for fragment in fragments {
            assert!(text.contains(fragment), "{path} lacks {fragment:?}:\n{text}");
        }
        assert!(!text.contains("<no description>"), "{path}:\n{text}");
    }
    policies.create(&PostParams::default(), &policy("shown", &with(&json!({})))).await.unwrap();
    let status = json!({"status": {
        "sessions": {"live": 12, "selected": 11, "elsewhere": 1},
        "exports": {"waiting": 2, "pending": 9, "succeeded": 700, "failed": 3},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Watching", "message": "",
                        "lastTransitionTime": "2026-01-31T12:00:00Z"}],
    }});
    policies.patch_status("shown", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let shown = kubectl(&["get", "sxp", "-n", "policy-explain"]);
    let expected = "NAME GROUP LIVE PENDING SUCCEEDED FAILED READY REASON AGE \
                    shown sg-1AB2C3De4 12 9 700 3 True Watching ";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(
        kubectl(&["get", "gameliftstreams", "-n", "policy-explain"])
            .contains("sessionexportpolicy.sessionexport.dev/shown")
    );
}

#[tokio::test]
async fn the_definition_of_policies_is_structural_and_its_names_are_accepted() {
    let definitions: Api<CustomResourceDefinition> = Api::all(policies("policy-definition").await.into_client());
    let definition = definitions.get("sessionexportpolicies.sessionexport.dev").await.unwrap();
    let conditions = definition.status.unwrap().conditions.unwrap();
    let words: Vec<_> = conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect();
    assert!(words.contains(&("Established", "True")) && words.contains(&("NamesAccepted", "True")), "{words:?}");
    assert!(!words.contains(&("NonStructuralSchema", "True")), "{words:?}");
}

/// Texts of a template that look almost right.
fn near_templates() -> impl Strategy<Value = String> {
    let pieces = &[
        "{sessionId}",
        "{sessionId}",
        "{streamGroupId}",
        "{applicationId}",
        "{location}",
        "{year}",
        "{month}",
        "{day}",
        "{hour}",
        "{namespace}",
        "{policy}",
        "{Day}",
        "{}",
        "{",
        "}",
        "{{",
        "}}",
        "/",
        "/",
        ".",
        "..",
        ".zip",
        "a",
        "é",
        "\n",
        "%",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ][..];
    let start = prop::sample::select(&["s3://exports/", "s3://exports/", "s3://exports/a", "s3://", ""][..]);
    let end = prop::sample::select(&["/", "{sessionId}.zip", ".ZIP", ""][..]);
    (start, prop::collection::vec(prop::sample::select(pieces), 0..20), end)
        .prop_map(|(start, pieces, end)| format!("{start}{}{end}", pieces.concat()))
}

/// Texts of at most a few pieces, so that about a third is accepted.
fn short_templates() -> impl Strategy<Value = String> {
    let pieces = &["{sessionId}", "{year}", "{policy}", "{location}", "{x}", "{", "}", "/", "a", "."][..];
    (
        prop::collection::vec(prop::sample::select(pieces), 0..4),
        prop::sample::select(&["/", "{sessionId}.zip", ".zip"][..]),
    )
        .prop_map(|(pieces, end)| format!("s3://exports/{}{end}", pieces.concat()))
}

/// Keys that look almost right.
fn near_keys() -> impl Strategy<Value = String> {
    let pieces = &[
        "app.",
        "kubernetes.io",
        "k8s.io",
        "/",
        "/",
        "instance",
        "name",
        "argocd.argoproj.io/",
        "ignore-resource-updates",
        "meta.helm.sh/",
        "kustomize.toolkit.fluxcd.io/",
        "toolkit.fluxcd.io",
        "sessionexport.dev",
        ".",
        "-",
        "a",
        "A",
        "_",
        "é",
        "x.",
    ][..];
    prop::collection::vec(prop::sample::select(pieces), 1..5).prop_map(|pieces| pieces.concat())
}

const IDENTIFIERS: &[&str] = &[
    "a",
    "-",
    "a-9ZY8X7Wv6",
    "arn:aws:gameliftstreams:us-west-2:111122223333:application/",
    "arn:aws:gameliftstreams:",
    "us-east-1",
    ":",
    "111122223333",
    "application/",
    "streamgroup/",
    "/",
    "..",
    "\n",
    "é",
    "arn:aws-cn:",
    "aaaaaaaaaaaaaaaaaaaa",
];

fn near_identifiers() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(IDENTIFIERS), 1..4).prop_map(|pieces| pieces.concat())
}

#[tokio::test]
async fn the_schema_of_policies_accepts_what_the_operator_can_parse() {
    let policies = &policies("policy-agreement").await;
    let uri = |text: String| ("outputUri", json!({"template": {"spec": {"outputUri": text}}}));
    let label = |key: String| ("labels", json!({"template": {"metadata": {"labels": {key: "x"}}}}));
    let application = |text: String| ("applications", json!({"selector": {"applicationIdentifiers": [text]}}));
    let location = |text: String| ("locations", json!({"selector": {"locations": [text]}}));
    let candidates = (texts(near_templates(), 600).into_iter().map(uri))
        .chain(texts(short_templates(), 400).into_iter().map(uri))
        .chain(texts(near_keys(), 400).into_iter().map(label))
        .chain(texts(near_identifiers(), 300).into_iter().map(application))
        .chain(texts(near_identifiers(), 100).into_iter().map(location));
    let judged = stream::iter(candidates).map(|(field, change)| async move {
        let spec = with(&change);
        let accepted = answer(policies.create(&dry_run(), &policy("row", &spec)).await).is_none();
        (field, change, accepted, parses(&spec))
    });
    let judged: Vec<_> = judged.buffer_unordered(16).collect().await;
    let wrong: Vec<_> = judged.iter().filter(|(_, _, accepted, parsed)| accepted != parsed).collect();
    assert!(wrong.is_empty(), "(field, text, accepted by the server, by the parsers):\n{wrong:#?}");
    for field in ["outputUri", "labels", "applications", "locations"] {
        let accepted = judged.iter().filter(|(of, _, accepted, _)| *of == field && *accepted).count();
        assert!(accepted >= 20, "only {accepted} texts for {field} were accepted: the comparison is empty");
    }
}
