use super::*;

fn event(name: &str, note: &str) -> ExportEvent {
    ExportEvent {
        regarding: ObjectReference {
            name: Some(name.into()),
            namespace: Some("games".into()),
            uid: Some("u-1".into()),
            ..ObjectReference::default()
        },
        kind: EventKind::Normal,
        chapter: EventOrder::End,
        reason: "Exported",
        note: note.into(),
    }
}

#[test]
fn has_what_the_api_server_demands() {
    let event = event("run-7", "done");
    let built = build_event(event.content_key(), &event, "pod_1", Timestamp::UNIX_EPOCH);
    assert_eq!(built.metadata.namespace.as_deref(), Some("games"));
    assert!(built.metadata.name.unwrap().starts_with("run-7."));
    assert_eq!(built.action.as_deref(), Some("Export"));
    assert_eq!(built.type_.as_deref(), Some("Normal"));
    assert_eq!(built.reporting_controller.as_deref(), Some("sessionexport.dev/operator"));
    assert_eq!(built.reporting_instance.as_deref(), Some("pod_1"));
    assert!(built.event_time.is_some());
}

#[test]
fn names_and_notes_stay_within_bounds_at_character_boundaries() {
    let long = event(&("x".repeat(235) + "-.yyyyyyyyyyyyyyyy"), &"ä".repeat(1000));
    let built = build_event(long.content_key(), &long, "pod_1", Timestamp::UNIX_EPOCH);
    let name = built.metadata.name.unwrap();
    assert!(name.len() <= 253 && !name.contains("-."), "{name}");
    assert_eq!(built.note.unwrap().len(), 1024);
    let odd = event("x", &("a".to_owned() + &"ä".repeat(1000)));
    assert_eq!(build_event(1, &odd, "p", Timestamp::UNIX_EPOCH).note.unwrap().len(), 1023);
}

#[test]
fn the_same_event_has_the_same_name_and_any_other_another() {
    let key = event("a", "done").content_key();
    assert_eq!(key, event("a", "done").content_key());
    assert_ne!(key, event("a", "done!").content_key());
    assert_ne!(key, ExportEvent { reason: "ExportFailed", ..event("a", "done") }.content_key());
    let mut reborn = event("a", "done");
    reborn.regarding.uid = Some("u-2".into());
    assert_ne!(key, reborn.content_key());
}

/// Holds for any hashes: `kubectl describe` shows Events by name.
#[test]
fn the_names_of_an_objects_events_are_in_the_order_of_its_story() {
    for n in 0..20 {
        let name = |chapter| {
            let event = ExportEvent { chapter, ..event("a", &format!("{chapter:?} {n}")) };
            build_event(event.content_key(), &event, "p", Timestamp::UNIX_EPOCH).metadata.name.unwrap()
        };
        let names = [EventOrder::Trouble, EventOrder::Acceptance, EventOrder::End].map(name);
        assert!(names.is_sorted(), "{names:?}");
    }
}

#[test]
fn a_repeated_event_is_suppressed_for_a_while_and_memory_is_bounded() {
    let start = Instant::now();
    let mut sent = RecentlySent::default();
    assert!(sent.is_new(1, start));
    assert!(!sent.is_new(1, start + REPEAT_INTERVAL / 2));
    assert!(sent.is_new(1, start + REPEAT_INTERVAL));
    for key in 0..20_000 {
        sent.is_new(key, start + REPEAT_INTERVAL);
        assert!(sent.0.len() <= MAX_RECENTLY_SENT);
    }
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_without_waiting() {
    let client =
        crate::runtime::client::events_client(kube::Config::new("http://127.0.0.1:9/".parse().unwrap())).unwrap();
    let metrics = Metrics::new();
    let (sink, worker) = EventRecorder::new(client, "pod_1", metrics.clone());
    for n in 0..QUEUE_CAPACITY + 5 {
        sink.publish(event("a", &n.to_string()));
    }
    assert!(metrics.encode().unwrap().contains("sessionexport_events_dropped_total 5"));
    drop(worker);
    sink.publish(event("a", "nobody listens"));
    assert!(metrics.encode().unwrap().contains("sessionexport_events_dropped_total 6"));
}
