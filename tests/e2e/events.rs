//! What a person reads: `kubectl describe` tells the story of an export, in order.

use crate::status::{DONE, HELD, PENDING};
use crate::world::World;
use serde_json::json;

/// The rows below `Events:`, from type to message, as kubectl prints them.
fn described(world: &World, name: &str) -> (String, Vec<String>) {
    let output = world.control().kubectl(&["--namespace", &world.namespace, "describe", "sx", name]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, events) = text.split_once("\nEvents:").unwrap_or_else(|| panic!("no Events in\n{text}"));
    // The heading and its rule come first, or `<none>`.
    let rows = events.lines().skip(3).map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    (text, rows)
}

/// A row without its age.
fn without_age(row: &str) -> String {
    let words: Vec<&str> = row.split(' ').collect();
    [&words[..2], &words[3..]].concat().join(" ")
}

/// Without AWS's request id, which differs each time.
fn without_id(row: &str) -> String {
    row.split(" (AWS request ").next().unwrap().to_owned()
}

fn story(world: &World, name: &str) -> Vec<String> {
    described(world, name).1.iter().map(|row| without_id(&without_age(row))).collect()
}

const ACCEPTED: &str = "Normal ExportPending sessionexport.dev/operator AWS has accepted the export. It uploads the ZIP after the \
                        session ends.";
const EXPORTED: &str = "Normal Exported sessionexport.dev/operator The ZIP is in S3. Its URI is in status.outputUri.";
const REFUSED: &str = "Warning AccessDenied sessionexport.dev/operator IAM denies the operator's role \
                       gameliftstreams:ExportStreamSessionFiles, or s3:PutObject on the destination. The operator retries \
                       every minute. Allow both in the role's policy.";

#[tokio::test]
async fn describe_shows_an_export_that_waits_is_pending_and_done() {
    let world = World::new("told-done").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({"status": "ACTIVATING"})).await;
    world.export("one", "live", "s3://exports/a/").await;
    world.shows("one", HELD, "WaitingForSession").await;
    let (text, events) = described(&world, "one");
    assert_eq!(events, [""; 0]);
    assert!(
        text.contains("The session is ACTIVATING. The export is requested as soon as the session is live."),
        "{text}"
    );

    world.simulator.change("live", json!({"status": "ACTIVE"})).await;
    let pending = world.shows("one", PENDING, "ExportPending").await;
    world.tells(&pending, &["Normal ExportPending"]).await;
    world.simulator.end("live").await;
    let done = world.shows("one", DONE, "Exported").await;
    world.tells(&done, &["Normal ExportPending", "Normal Exported"]).await;
    assert_eq!(story(&world, "one"), [ACCEPTED, EXPORTED]);
    let call = &world.simulator.calls("ExportStreamSessionFiles", "live").await[0];
    let id = format!("(AWS request {})", call["requestId"].as_str().unwrap());
    assert!(described(&world, "one").1[0].contains(&id), "AWS's own id: {id}");
    assert_eq!(world.entered("one"), ["WaitingForSession", "Requesting", "ExportPending", "Exported"]);
}

/// kubectl sorts Events by a time stamp that those of events.k8s.io/v1 don't have: what it shows is the order of their
/// names. Several objects, so that none is in order by chance.
#[tokio::test]
async fn describe_shows_exports_that_are_denied_and_recover() {
    let world = World::new("told-denied").await;
    let _operator = world.operator().await;
    world.simulator.fault(json!({"operation": "ExportStreamSessionFiles", "action": {"type": "accessDenied"}})).await;
    let names: Vec<String> = (0..6).map(|n| format!("s{n}")).collect();
    for name in &names {
        world.simulator.session(name, json!({})).await;
        world.export(name, name, "s3://exports/a/").await;
    }
    for name in &names {
        let held = world.reason(name, "AccessDenied").await;
        world.tells(&held, &["Warning AccessDenied"]).await;
    }
    world.simulator.no_faults().await;
    for name in &names {
        world.shows(name, PENDING, "ExportPending").await;
        world.simulator.end(name).await;
    }
    for name in &names {
        let done = world.shows(name, DONE, "Exported").await;
        world.tells(&done, &["Warning AccessDenied", "Normal ExportPending", "Normal Exported"]).await;
        let story = story(&world, name);
        // AWS's text is that of an object's own call; one that waits for the probe of another has the code only.
        let (refused, words) = story[0].split_once(" AWS says AccessDeniedException").unwrap();
        assert_eq!((refused, &*story[1], &*story[2]), (REFUSED, ACCEPTED, EXPORTED), "{name}");
        assert!(words == "." || words.starts_with(": User: the operator's role is not authorized"), "{words}");
        let (text, _) = described(&world, name);
        let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words:?} is not in\n{text}"));
        // The spec, then how it ended, then how it came to that.
        assert!(
            place("Output Uri:") < place("Export Status:") && place("Export Status:") < place("\nEvents:"),
            "{text}"
        );
    }
}
