//! Objects at random over everything that the API server accepts, in batches; a victim's export beside each of them.
//!
//! `PROPTEST_RNG_SEED=SEED`, which a failing run shows, makes the same objects again.

use crate::cluster::{Cluster, HOSTILE_GROUP, prefix_of};
use crate::simulator::merge;
use futures::future::ready;
use futures::{StreamExt, stream};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Map, Value, json};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Objects that the API server has accepted.
const BATCH: usize = 50;
/// How many operators have narrowed down a failing batch.
static NARROWED: AtomicUsize = AtomicUsize::new(0);
/// Requests of ours at a time.
const AT_ONCE: usize = 8;

/// An object, and a status that a tenant writes into it.
#[derive(Debug, Clone)]
struct Hostile {
    metadata: Value,
    spec: Value,
    status: Value,
}

/// JSON of any shape, so far as the API server keeps it.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()).prop_map(Value::from),
        hostile_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z.]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter),
        1 => "[ -~]{0,600}",
        1 => select(vec!["", "null", "\u{202e}", "'; --", "{{.Values}}", "${HOME}", "\u{0}", "a\nb"]).prop_map(str::to_owned),
    ]
}

fn times() -> impl Strategy<Value = String> {
    select(vec![
        "2026-01-31T12:00:00Z",
        "1900-01-01T00:00:00Z",
        "2999-12-31T23:59:59.999999999Z",
        "9999-12-31T23:59:59Z",
        "2026-01-31T12:00:00+23:59",
        "2026-01-31T12:00:00-23:59",
        "2026-01-31T12:00:00+26:00",
        "2026-01-31T12:00:00+23:60",
        "0000-01-01T00:00:00Z",
        "2026-01-31t12:00:00z",
        "2016-12-31T23:59:60Z",
        "never",
    ])
    .prop_map(str::to_owned)
}

fn metadata() -> impl Strategy<Value = Value> {
    let key = "([a-z]{1,8}[.]example/)?[a-zA-Z0-9]{1,20}";
    let labels = prop::collection::btree_map(key, "[a-zA-Z0-9]{0,63}", 0..6);
    let annotations = prop::collection::btree_map(key, hostile_text(), 0..6);
    let finalizers = prop::collection::vec("[a-z]{1,8}[.]example/[a-z]{1,8}", 0..3);
    let owner =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "00000000-0000-0000-0000-000000000000"});
    let owners = prop::option::of(Just(json!([owner])));
    let managed = (times(), 0_usize..200).prop_map(|(time, depth)| {
        let nested = (0..depth).fold(json!({}), |inner, _| json!({ "f:a": inner }));
        json!([{"manager": "x", "operation": "Update", "apiVersion": "sessionexport.dev/v1alpha1", "time": time,
            "fieldsType": "FieldsV1", "fieldsV1": nested}])
    });
    (labels, annotations, finalizers, owners, prop::option::of(managed)).prop_map(
        |(labels, annotations, finalizers, owners, managed)| {
            json!({"labels": labels, "annotations": annotations, "finalizers": finalizers, "ownerReferences": owners,
                "managedFields": managed})
        },
    )
}

fn spec(namespace: &str) -> impl Strategy<Value = Value> + use<> {
    let prefix = prefix_of(namespace);
    let group = select(vec![
        HOSTILE_GROUP,
        HOSTILE_GROUP,
        "sg-unknown",
        "A",
        "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-5FG6H7Ij8",
    ]);
    let key = |odd: &str| {
        let letter = prop_oneof![6 => prop::char::range('a', 'z'), 1 => select(odd.chars().collect::<Vec<_>>())];
        prop::collection::vec(letter, 0..60).prop_map(String::from_iter)
    };
    // Only a lax definition takes the characters of the second.
    let key = prop_oneof![key("!-_.*'()/&$@=;:+ ,"), key("é😀\"%?#\\\u{202e}/.")];
    let uri = (any::<bool>(), key, select(vec![".zip", ".ZIP", "/"]))
        .prop_map(move |(own, key, end)| format!("{}{key}{end}", if own { &*prefix } else { "s3://elsewhere/" }));
    let more = (
        prop::option::of(select(vec!["us-west-2", "eu-central-1"])),
        prop::option::of("[a-z]{1,20}"),
        prop::option::of(select(vec!["Accepted", "Exported", "Later"])),
        prop::option::of(any::<bool>()),
        prop::option::of(-1_i64..40_000_000),
        prop::option::of(any_json()),
    );
    (group, "[A-Za-z0-9-]{1,20}", uri, more).prop_map(
        |(group, session, uri, (region, account, ready, suspend, ttl, unknown))| {
            let mut spec =
                json!({"streamGroupIdentifier": group, "streamSessionIdentifier": session, "outputUri": uri});
            let more = json!({"region": region, "serviceAccountName": account, "readyWhen": ready, "suspend": suspend,
            "ttlSecondsAfterFinished": ttl, "unknown": unknown});
            for (key, value) in more.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()) {
                spec[key] = value.clone();
            }
            spec
        },
    )
}

fn status() -> impl Strategy<Value = Value> {
    let condition = (select(vec!["Ready", "Accepted", "Stalled", "x.example/Y"]), select(vec!["True", "False", "Unknown", ""]), hostile_text(), times())
        .prop_map(|(type_, status, message, time)| {
            json!({"type": type_, "status": status, "reason": "ExportPending", "message": message, "lastTransitionTime": time})
        });
    let conditions = prop::collection::vec(condition, 0..6);
    let times =
        (prop::option::of(times()), prop::option::of(times()), prop::option::of(times()), prop::option::of(times()));
    let words = prop::option::of(select(vec!["PENDING", "SUCCEEDED", "FAILED", "DONE"]));
    (times, words, conditions, prop::option::of(any::<i64>()), any_json(), any_json()).prop_map(
        |((start, attempt, request, completion), word, conditions, generation, unknown, session)| {
            json!({"startTime": start, "requestAttemptTime": attempt, "requestTime": request, "completionTime": completion,
                "exportStatus": word, "conditions": conditions, "observedGeneration": generation, "unknown": unknown,
                "session": {"client": session}})
        },
    )
}

fn hostile(namespace: &str) -> impl Strategy<Value = Hostile> + use<> {
    // Some have a field of any shape, which only a lax definition takes.
    let fields = ["outputUri", "region", "readyWhen", "suspend", "ttlSecondsAfterFinished"];
    let odd_field = prop::option::weighted(0.3, (select(fields.to_vec()), any_json()));
    let status = prop::option::of(prop_oneof![4 => status(), 1 => any_json()]);
    (metadata(), spec(namespace), odd_field, status).prop_map(|(metadata, mut spec, odd_field, status)| {
        if let Some((field, value)) = odd_field {
            spec[field] = value;
        }
        Hostile { metadata, spec, status: status.unwrap_or(Value::Null) }
    })
}

/// A runner whose seed a failing test shows.
fn runner() -> TestRunner {
    let seed = match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(0),
    };
    println!("the same objects again: PROPTEST_RNG_SEED={seed}");
    TestRunner::new(Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() })
}

impl Cluster {
    /// Creates an object, with its status as far as the definition holds it. False if the API server refuses it.
    async fn create_hostile(&self, hostile: &Hostile, name: &str) -> bool {
        let mut object = self.object(&self.hostile, name, hostile.spec.clone());
        let own = object["metadata"]["labels"].clone();
        merge(&mut object["metadata"], hostile.metadata.clone());
        merge(&mut object["metadata"]["labels"], own);
        if self.create(&self.hostile, object.to_string()).await.is_err() {
            return false;
        }
        if !hostile.status.is_null() {
            self.write_status(&self.hostile, name, hostile.status.clone()).await.ok();
        }
        true
    }

    /// Draws objects until the API server has accepted a batch of them.
    async fn accepted_batch(&self, mut draw: impl FnMut() -> Hostile, number: usize) -> Vec<Hostile> {
        let mut accepted = vec![];
        for round in 0.. {
            assert!(round < 2 * BATCH, "the API server accepts next to nothing");
            let drawn: Vec<_> = (0..(BATCH - accepted.len()).min(AT_ONCE)).map(|_| draw()).collect();
            let taken = drawn.into_iter().enumerate().map(|(n, hostile)| async move {
                let name = format!("random-{number}-{round}-{n}");
                self.create_hostile(&hostile, &name).await.then_some(hostile)
            });
            accepted.extend(stream::iter(taken).buffered(AT_ONCE).filter_map(ready).collect::<Vec<_>>().await);
            if accepted.len() == BATCH {
                break;
            }
        }
        accepted
    }

    /// By a lax definition, which takes what any takes.
    async fn create_batch(&self, batch: &[Hostile]) {
        let lax = self.loosen_definition().await;
        for (n, hostile) in batch.iter().enumerate() {
            assert!(self.create_hostile(hostile, &format!("again-{n}")).await);
        }
        lax.restore(self).await;
    }

    /// Whether a victim beside these objects, and no others, is accepted in time, also after a restart.
    async fn is_harmless(&self, batch: &[Hostile], undisturbed: &mut Self) -> bool {
        let name = format!("narrow-{}", NARROWED.fetch_add(1, Ordering::Relaxed));
        let mut other = self.beside(&name, json!({})).await;
        other.create_batch(batch).await;
        other.victim_is_unharmed(undisturbed).await && other.victim_is_unharmed_after_restart(undisturbed).await
    }
}

#[tokio::test]
async fn nothing_that_the_api_server_accepts_stops_or_delays_a_victim() {
    let batches = if crate::all_cases() { 10 } else { 2 };
    let mut cluster = Cluster::start_alone("random", json!({})).await;
    let mut undisturbed = cluster.undisturbed().await;
    let mut runner = runner();
    let strategy = hostile(&cluster.hostile);
    let mut accepted: Vec<Vec<Hostile>> = vec![];
    for number in 0..batches {
        let draw = || strategy.new_tree(&mut runner).unwrap().current();
        // Every other batch is stored by a laxer definition.
        let lax = if number % 2 == 1 { Some(cluster.loosen_definition().await) } else { None };
        let batch = cluster.accepted_batch(draw, number).await;
        if let Some(lax) = lax {
            lax.restore(&cluster).await;
        }
        if !cluster.victim_is_unharmed(&undisturbed).await {
            let guilty = narrow_down(&cluster, batch, &mut undisturbed).await;
            panic!("a victim was late beside a batch; by itself this object does it: {guilty:#?}");
        }
        accepted.push(batch);
    }
    println!("{} objects", accepted.iter().map(Vec::len).sum::<usize>());
    if !cluster.victim_is_unharmed_after_restart(&mut undisturbed).await {
        let mut guilty = None;
        for batch in accepted {
            guilty = guilty.or(narrow_down(&cluster, batch, &mut undisturbed).await);
        }
        panic!("a victim was late after a restart; by itself this object does it: {guilty:#?}");
    }
}

/// Halves a failing batch to the one object that harms a victim by itself, if there is one.
async fn narrow_down(cluster: &Cluster, mut batch: Vec<Hostile>, undisturbed: &mut Cluster) -> Option<Hostile> {
    while batch.len() > 1 {
        let second = batch.split_off(batch.len() / 2);
        if cluster.is_harmless(&batch, undisturbed).await {
            batch = second;
        }
    }
    let harmless = cluster.is_harmless(&batch, undisturbed).await;
    batch.pop().filter(|_| !harmless)
}
