//! What AWS has accepted: waiting, finishing, failing.

use crate::status::{ACCEPTED, DONE, FAILED, OVERDUE, PENDING, message};
use crate::world::World;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use session_export_operator::api::SessionExport;

#[tokio::test]
async fn a_pending_export_is_polled_and_never_written() {
    let world = World::new("row-pending").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    let pending = world.shows("one", PENDING, "ExportPending").await;
    world.reads("live", 8).await;
    let later = world.exports().get("one").await.unwrap();
    assert_eq!(later.metadata.resource_version, pending.metadata.resource_version);
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (1, 2));
    let gets =
        world.audited().iter().filter(|line| line["verb"] == "get" && line["objectRef"]["name"] == "one").count();
    assert_eq!(gets, 0, "nor read from the API server");
    world.tells(&later, &["Normal ExportPending"]).await;
}

#[tokio::test]
async fn an_exported_zip_is_named_as_aws_names_it() {
    let world = World::new("row-exported").await;
    let _operator = world.operator().await;
    let silent = json!({"session": "silent*", "action": {"type": "omitOutputUri"}});
    world.simulator.fault(silent).await;
    let wanted = [
        ("prefix", "s3://exports/a/"),
        ("key", "s3://exports/b/it.zip"),
        ("silent-prefix", "s3://exports/c/"),
        ("silent-key", "s3://exports/d/it.zip"),
    ];
    for (session, uri) in wanted {
        world.simulator.session(session, json!({})).await;
        world.export(session, session, uri).await;
    }
    for (name, _) in wanted {
        world.shows(name, PENDING, "ExportPending").await;
        world.simulator.end(name).await;
    }
    let mut found = Vec::new();
    for (name, _) in wanted {
        let done = world.shows(name, DONE, "Exported").await;
        world.tells(&done, &["Normal ExportPending", "Normal Exported"]).await;
        assert_eq!((world.simulator.exports(name).await, world.status_writes(name)), (1, 3), "{name}");
        let status = done.status.clone().unwrap();
        let view = status.session.unwrap();
        assert!(["TERMINATING", "TERMINATED"].contains(&view.status.as_deref().unwrap()), "{view:?}");
        assert_eq!(status.export_status_reason, None);
        found.push((status.output_uri, message(&done)));
    }
    let truth = world.simulator.ask("GET", "sessions/prefix", Value::Null).await["export"]["objectUri"].clone();
    assert_eq!(found[0].0.as_deref(), truth.as_str());
    assert_eq!(found[1].0.as_deref(), Some("s3://exports/b/it.zip"));
    assert_eq!(found[2].0, None);
    assert!(found[2].1.contains("AWS reported no"), "{}", found[2].1);
    assert_eq!(found[3].0.as_deref(), Some("s3://exports/d/it.zip"), "a .zip finishes with its own URI");
}

#[tokio::test]
async fn a_failed_export_shows_why_and_a_hostile_reason_does_no_harm() {
    let rules = json!({"rules": [{"namespaces": ["*"], "streamGroups": ["*"],
        "outputPrefixes": ["s3://exports/", "s3://denied/", "s3://missing/"]}]});
    let world = World::with("row-failed", &[], rules).await;
    let operator = world.operator().await;
    world.simulator.fault(json!({"session": "hostile", "action": {"type": "statusReason"}})).await;
    let wanted = [
        ("denied", "s3://denied/a/", "AccessDenied: Access Denied (bucket: denied)"),
        ("missing", "s3://missing/a/", "NoSuchBucket: The specified bucket does not exist (bucket: missing)"),
        ("hostile", "s3://denied/b/", ""),
    ];
    for (session, uri, _) in wanted {
        world.simulator.session(session, json!({})).await;
        world.export(session, session, uri).await;
        world.shows(session, PENDING, "ExportPending").await;
        world.simulator.end(session).await;
    }
    for (name, _, reason) in wanted {
        let failed = world.shows(name, FAILED, "ExportFailed").await;
        world.tells(&failed, &["Normal ExportPending", "Warning ExportFailed"]).await;
        assert_eq!((world.simulator.exports(name).await, world.status_writes(name)), (1, 3), "{name}");
        let said = failed.status.unwrap().export_status_reason.unwrap();
        assert!(name == "hostile" || said == reason, "{said}");
        assert!(said.chars().count() <= 256 && said.chars().all(is_harmless), "{said:?}");
    }
    let log = operator.log();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    assert!(log.chars().all(|c| c == '\n' || is_harmless(c)));
    let of_hostile = |line: &Value| line["name"] == "hostile" && line["reason"] == "ExportFailed";
    let described: Vec<Value> = operator.lines().into_iter().filter(of_hostile).collect();
    assert_eq!(described.len(), 1, "one line a transition");
    assert_eq!(described[0]["exportStatus"], "FAILED", "as AWS and the status have it");
}

#[tokio::test]
async fn only_the_log_names_the_role_in_awss_reason() {
    let world = World::new("row-principal").await;
    let operator = world.operator().await;
    let original = "User: arn:aws:sts::444455556666:assumed-role/exports/pod-1 is not authorized to perform: s3:PutObject (AROAEXAMPLE:pod-1)";
    let shown = "User: the operator's role is not authorized to perform: s3:PutObject (the operator's role)";
    world.simulator.fault(json!({"session": "one", "action": {"type": "statusReason", "value": original}})).await;
    world.simulator.session("one", json!({})).await;
    world.export("one", "one", "s3://denied/a/").await;
    world.shows("one", PENDING, "ExportPending").await;
    world.simulator.end("one").await;
    let failed = world.shows("one", FAILED, "ExportFailed").await;
    world.tells(&failed, &["Normal ExportPending", "Warning ExportFailed"]).await;
    let events: Api<Event> = world.namespaced();
    let events = events.list(&ListParams::default()).await.unwrap().items;
    assert!(events.iter().any(|event| event.note.as_deref().is_some_and(|note| note.contains(shown))), "{events:?}");
    for text in [serde_json::to_string(&failed).unwrap(), serde_json::to_string(&events).unwrap()] {
        for part in ["444455556666", "exports/pod-1", "AROA", "pod-1"] {
            assert!(!text.contains(part), "{part} in {text}");
        }
    }
    assert_eq!(failed.status.unwrap().export_status_reason.as_deref(), Some(shown));
    assert!(operator.lines().iter().any(|line| line["awsReason"] == original), "{}", operator.log());
}

fn is_harmless(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[tokio::test]
async fn ready_at_acceptance_stays_until_a_final_failure() {
    let world = World::new("row-ready-when").await;
    let _operator = world.operator().await;
    let early = json!({"readyWhen": "Accepted"});
    for (session, uri) in [("good", "s3://exports/a/"), ("bad", "s3://denied/a/")] {
        world.simulator.session(session, json!({})).await;
        world.export_with(session, session, uri, early.clone()).await;
        world.shows(session, ACCEPTED, "ExportPending").await;
    }
    // Failures to read do not take it back.
    world.simulator.fault(json!({"operation": "GetStreamSession", "action": {"type": "throttle"}})).await;
    world.reads("good", 2).await;
    world.shows("good", ACCEPTED, "ExportPending").await;
    world.simulator.no_faults().await;
    world.simulator.end("good").await;
    world.simulator.end("bad").await;
    world.shows("good", DONE, "Exported").await;
    world.shows("bad", FAILED, "ExportFailed").await;
    assert_eq!((world.status_writes("good"), world.status_writes("bad")), (3, 3));
}

#[tokio::test]
async fn a_pending_export_without_a_result_is_overdue_and_may_still_succeed() {
    let changes = json!({"timing": {"overdueAfter": "3s", "overduePollInterval": "300ms"}});
    let world = World::with("row-overdue", &[], changes).await;
    let _operator = world.operator().await;
    let stuck = |uri| {
        json!({
            "status": "TERMINATED", "ageSeconds": 60, "sessionLengthSeconds": 60,
            "export": {"status": "PENDING", "outputUri": uri, "frozen": true},
        })
    };
    for (session, ready_when) in [("late", "Exported"), ("early", "Accepted")] {
        world.simulator.session(session, stuck("s3://exports/a/")).await;
        world.export_with(session, session, "s3://exports/a/", json!({"readyWhen": ready_when})).await;
    }
    let overdue = world.shows("late", OVERDUE, "UploadOverdue").await;
    world.shows("early", ACCEPTED, "UploadOverdue").await;
    let writes = world.status_writes("late");
    world.reads("late", 3).await;
    assert_eq!(world.status_writes("late"), writes, "looked at without a write");
    world.tells(&overdue, &["Normal ExportPending"]).await;
    for session in ["late", "early"] {
        let uri = "s3://exports/a/it.zip";
        world.simulator.change(session, json!({"export": {"status": "SUCCEEDED", "outputUri": uri}})).await;
        let done = world.shows(session, DONE, "Exported").await;
        assert_eq!(done.status.unwrap().output_uri.as_deref(), Some(uri));
    }
    assert_eq!(world.simulator.all_calls_of("Export").await, 0);
}

#[tokio::test]
async fn whatever_uri_aws_shows_while_pending_the_export_is_ours() {
    let world = World::new("row-pending-uri").await;
    let _operator = world.operator().await;
    let answers = ["given", "final-key", "absent"];
    let overrides = answers
        .map(|answer| json!({"session": answer, "set": {"pendingOutputUri": answer.replace("final-key", "finalKey")}}));
    world.simulator.behave(json!({"overrides": overrides})).await;
    for session in answers {
        world.simulator.session(session, json!({})).await;
        world.export(session, session, "s3://exports/a/").await;
    }
    for name in answers {
        world.shows(name, PENDING, "ExportPending").await;
        world.reads(name, 2).await;
        world.simulator.end(name).await;
        let done = world.shows(name, DONE, "Exported").await;
        assert!(done.status.unwrap().output_uri.unwrap().starts_with("s3://exports/a/"));
        assert_eq!((world.simulator.exports(name).await, world.status_writes(name)), (1, 3), "{name}");
    }
}

#[tokio::test]
async fn the_status_says_where_the_applications_logs_go() {
    let world = World::new("row-logs").await;
    let _operator = world.operator().await;
    let logs = "s3://logs/of/live/";
    world.simulator.session("live", json!({"logFileLocationUri": logs})).await;
    world.export("one", "live", "s3://exports/a/").await;
    let pending = world.shows("one", PENDING, "ExportPending").await;
    let shown = |object: SessionExport| object.status.unwrap().session.unwrap().log_file_location_uri;
    assert_eq!(shown(pending).as_deref(), Some(logs));
    world.simulator.end("live").await;
    assert_eq!(shown(world.shows("one", DONE, "Exported").await).as_deref(), Some(logs));
}
