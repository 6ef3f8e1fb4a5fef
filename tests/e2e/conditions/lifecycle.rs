//! What people and tools do to an object: edit it, label it, clear it, delete it, make it again.

use crate::status::{DONE, HELD, PENDING, row};
use crate::world::World;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

async fn gone(world: &World, name: &str) {
    for _ in 0..1200 {
        if world.exports().get_opt(name).await.unwrap().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{name} is still there\n{}", world.logs());
}

#[tokio::test]
async fn a_time_to_live_deletes_the_object_and_not_the_zip() {
    let s3 = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("e2e/ttl-s3");
    std::fs::remove_dir_all(&s3).ok();
    std::fs::create_dir_all(&s3).unwrap();
    let world = World::with("row-ttl", &["--s3-folder", s3.to_str().unwrap()], json!({})).await;
    let _operator = world.operator().await;
    let ttl = json!({"ttlSecondsAfterFinished": 1});
    world.simulator.session("live", json!({})).await;
    world.simulator.session("over", json!({"status": "TERMINATED"})).await;
    world.export_with("good", "live", "s3://exports/it.zip", ttl.clone()).await;
    world.export_with("bad", "over", "s3://exports/a/", ttl).await;
    world.shows("good", PENDING, "ExportPending").await;
    world.simulator.end("live").await;
    gone(&world, "good").await;
    gone(&world, "bad").await;
    assert!(s3.join("exports/it.zip").metadata().unwrap().len() > 0);
    assert_eq!((world.status_writes("good"), world.simulator.exports("live").await), (3, 1));
    assert!(world.simulator.calls("TerminateStreamSession", "").await.is_empty());
}

#[tokio::test]
async fn a_finished_object_that_is_made_again_adopts_with_one_read_and_no_call() {
    let world = World::new("row-again").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.simulator.session("pending", json!({})).await;
    let first = world.export("one", "live", "s3://exports/a/").await;
    world.export("two", "pending", "s3://exports/a/").await;
    world.shows("one", PENDING, "ExportPending").await;
    world.shows("two", PENDING, "ExportPending").await;
    world.simulator.end("live").await;
    let done = world.shows("one", DONE, "Exported").await.status.unwrap();

    let reads = world.simulator.calls("GetStreamSession", "live").await.len();
    world.delete("one").await;
    let second = world.export("one", "live", "s3://exports/a/").await;
    assert_ne!(first.metadata.uid, second.metadata.uid);
    let adopted = world.shows("one", DONE, "Exported").await;
    world.tells(&adopted, &["Normal Exported"]).await;
    let adopted = adopted.status.unwrap();
    assert_eq!(adopted.output_uri, done.output_uri);
    assert_eq!(adopted.request_attempt_time, None, "this one never asked");
    assert_eq!(world.simulator.calls("GetStreamSession", "live").await.len(), reads + 1);
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (1, 4));

    // The same while AWS still owes the result.
    world.delete("two").await;
    world.export("two", "pending", "s3://exports/a/").await;
    world.shows("two", PENDING, "ExportPending").await;
    world.simulator.end("pending").await;
    world.shows("two", DONE, "Exported").await;
    assert_eq!(world.simulator.exports("pending").await, 1);
}

#[tokio::test]
async fn a_status_cleared_by_hand_is_rebuilt_from_aws() {
    let world = World::new("row-cleared").await;
    let _operator = world.operator().await;
    for session in ["pending", "done"] {
        world.simulator.session(session, json!({})).await;
        world.export(session, session, "s3://exports/a/").await;
        world.shows(session, PENDING, "ExportPending").await;
    }
    world.simulator.end("done").await;
    let before = world.shows("done", DONE, "Exported").await.status.unwrap();
    for name in ["pending", "done"] {
        let cleared = world.clear_status(name).await;
        assert_ne!(row(&cleared.status.unwrap_or_default()), DONE);
    }
    world.shows("pending", PENDING, "ExportPending").await;
    let after = world.shows("done", DONE, "Exported").await.status.unwrap();
    assert_eq!(after.output_uri, before.output_uri);
    for session in ["pending", "done"] {
        assert_eq!(world.simulator.exports(session).await, 1, "{session}");
    }
    world.simulator.end("pending").await;
    world.shows("pending", DONE, "Exported").await;
}

#[tokio::test]
async fn what_others_write_survives_and_an_edit_costs_one_write() {
    let world = World::new("row-edits").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.export_with("one", "live", "s3://exports/a/", json!({"suspend": true})).await;
    world.shows("one", HELD, "Suspended").await;
    let theirs = json!({"metadata": {"labels": {"team": "blue"}, "annotations": {"note": "theirs"}}});
    world.patch("one", theirs).await;
    let foreign = json!({
        "type": "Audited", "status": "True", "reason": "Seen", "message": "by a person",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let mut conditions = serde_json::to_value(world.status("one").await.conditions).unwrap();
    conditions.as_array_mut().unwrap().push(foreign.clone());
    world.patch_status("one", json!({"conditions": conditions})).await;
    let pending = format!("{PENDING} Audited=True");
    let sorted = |row: &str| {
        let mut words: Vec<_> = row.split(' ').collect();
        words[1..].sort_unstable();
        words.join(" ")
    };
    let is = |wanted: &str| {
        let wanted = sorted(wanted);
        move |status: &session_export_operator::api::SessionExportStatus| row(status) == wanted
    };
    world.patch("one", json!({"spec": {"suspend": false}})).await;
    world.until("one", "pending", is(&pending)).await;
    assert_eq!(world.status_writes("one"), 3, "suspended, intent, accepted");

    // While pending, each edit of what may be edited costs one write: of the generation that was looked at.
    for (edit, writes) in [(json!({"ttlSecondsAfterFinished": 9000}), 4), (json!({"suspend": true}), 5)] {
        world.patch("one", json!({"spec": edit})).await;
        let generation = world.exports().get("one").await.unwrap().metadata.generation;
        world.until("one", "observed", |status| status.observed_generation == generation).await;
        world.reads("live", 2).await;
        assert_eq!(world.status_writes("one"), writes);
    }
    world.simulator.end("live").await;
    world.until("one", "done", is(&format!("{DONE} Audited=True"))).await;

    // So it is at the end, without a call to AWS.
    let calls = world.simulator.all_calls_of("").await;
    world.patch("one", json!({"spec": {"suspend": false}})).await;
    let generation = world.exports().get("one").await.unwrap().metadata.generation;
    let done = world.until("one", "observed", |status| status.observed_generation == generation).await;
    assert_eq!((world.status_writes("one"), world.simulator.all_calls_of("").await), (7, calls));
    assert_eq!(world.simulator.exports("live").await, 1);
    let labels = done.metadata.labels.unwrap();
    let annotations = done.metadata.annotations.unwrap();
    assert_eq!((labels["team"].as_str(), annotations["note"].as_str()), ("blue", "theirs"));
    let kept: Vec<Value> =
        serde_json::from_value(serde_json::to_value(done.status.unwrap().conditions).unwrap()).unwrap();
    assert!(kept.contains(&foreign), "{kept:?}");
}
