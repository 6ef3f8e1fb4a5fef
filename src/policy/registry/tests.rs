use super::*;
use crate::api::SessionExport;
use crate::authorization::Authorization;
use crate::aws::failure::FailureClass;
use crate::aws::model::{ExportFilesStatus, ExportView, SessionView};
use crate::export::fixtures::{arn, at, export, identity, timing, wall};
use crate::policy::fixtures::{GROUP, in_state, live, page, policy, policy_in, scan_end, stored};
use crate::property;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

const RULES: &str = r#"
  - {namespaces: ["*"], streamGroups: ["*"], outputPrefixes: ["s3://bucket/"], policies: true}"#;

fn registry() -> PolicyRegistry {
    let mut registry = PolicyRegistry::new(identity(RULES), "", timing(), 100);
    registry.mark_exports_listed();
    registry
}

fn registry_with(policies: &[Arc<Policy>]) -> PolicyRegistry {
    let mut registry = registry();
    policies.iter().for_each(|policy| registry.upsert_policy(policy, at(0).mono));
    registry
}

fn apply(registry: &mut PolicyRegistry, event: DiscoveryEvent, seconds: u64) -> FoundSessions {
    registry.apply_discovery(event, |_, _| false, at(seconds).mono)
}

fn next(registry: &mut PolicyRegistry, seconds: u64) -> Option<(String, String)> {
    let creation = registry.next_creation(|_, _| false, at(seconds).mono)?;
    Some((creation.policy.name.to_string(), creation.candidate.arn.session.to_string()))
}

/// Makes all candidates, and returns their sessions in order.
fn make_all(registry: &mut PolicyRegistry, seconds: u64) -> Vec<String> {
    let mut made = Vec::new();
    while let Some(creation) = registry.next_creation(|_, _| false, at(seconds).mono) {
        let uid = format!("export-{}-{}", creation.candidate.arn.session, made.len());
        let outcome = CreationOutcome::Made { uid: Some(uid.as_str().into()) };
        registry.end_creation(&creation, outcome, (at(seconds).mono, wall(seconds)));
        registry.upsert_export(&stored(creation.object(), &uid, json!({"requestTime": wall(seconds).to_string()})));
        made.push(creation.candidate.arn.session.to_string());
    }
    made
}

fn reason(registry: &mut PolicyRegistry, seconds: u64) -> Option<&'static str> {
    let changes = registry.status_changes(16, at(seconds).mono, wall(seconds));
    let uids: Vec<_> = changes.iter().map(|change| change.policy.uid.clone()).collect();
    uids.iter().for_each(|uid| registry.end_write(uid, at(seconds).mono));
    changes.into_iter().find_map(|change| change.entered).map(|row| row.reason().as_str())
}

#[test]
fn disconnected_sessions_go_first_then_the_oldest() {
    let mut registry = registry_with(&[policy("all", json!({}))]);
    let away = |created| in_state(SessionStatus::PendingClientReconnection, live(created));
    apply(&mut registry, page(vec![("c", live(30)), ("b", live(20)), ("z", away(60)), ("y", away(50))]), 1);
    assert_eq!(make_all(&mut registry, 1), ["y", "z", "b", "c"]);
    assert_eq!(next(&mut registry, 1), None);
}

#[test]
fn what_cannot_be_exported_is_left_alone() {
    let mut registry = registry_with(&[policy("all", json!({}))]);
    let states = [
        SessionStatus::Activating,
        SessionStatus::Terminating,
        SessionStatus::Terminated,
        SessionStatus::Error,
        SessionStatus::Unknown,
    ];
    for status in states {
        let found = apply(&mut registry, page(vec![("a", in_state(status, live(0)))]), 1);
        assert_eq!((found, next(&mut registry, 1)), (FoundSessions::default(), None), "{status:?}");
    }
}

#[test]
fn nothing_is_made_before_the_exports_are_listed_for_a_suspended_or_a_terminating_policy() {
    let mut early = PolicyRegistry::new(identity(RULES), "", timing(), 100);
    early.upsert_policy(&policy("all", json!({})), at(0).mono);
    apply(&mut early, page(vec![("a", live(0))]), 1);
    assert_eq!(next(&mut early, 1), None);
    early.mark_exports_listed();
    assert!(next(&mut early, 1).is_some());
    for changes in [json!({"spec": {"suspend": true}}), json!({"metadata": {"deletionTimestamp": wall(0).to_string()}})]
    {
        let mut registry = registry_with(&[policy("all", changes)]);
        let found = apply(&mut registry, page(vec![("a", live(0))]), 1);
        assert_eq!((found.discovered, next(&mut registry, 1)), (1, None));
    }
}

#[test]
fn a_session_is_made_once_until_a_scan_with_all_lists_no_longer_shows_it() {
    let mut registry = registry_with(&[policy("all", json!({}))]);
    let seen = || page(vec![("a", live(0))]);
    apply(&mut registry, seen(), 1);
    assert_eq!(make_all(&mut registry, 1), ["a"]);
    registry.forget_export(&"export-a-0".into());
    for (reconnecting, made) in [(false, 0), (true, 1)] {
        // As if it had been made by an earlier term and had finished: only `handled` keeps it from being made again.
        registry.entries.values_mut().for_each(|entry| {
            entry.handled.insert(registry.hasher.hash_one(crate::export::fixtures::arn("a")));
        });
        apply(&mut registry, seen(), 2);
        assert_eq!(make_all(&mut registry, 2).len(), 0);
        apply(&mut registry, scan_end(2, reconnecting, ScanOutcome::Complete), 3);
        apply(&mut registry, scan_end(3, reconnecting, ScanOutcome::Complete), 4);
        apply(&mut registry, seen(), 5);
        assert_eq!(make_all(&mut registry, 5).len(), made, "{reconnecting}");
    }
}

#[test]
fn a_page_that_shows_a_session_while_its_object_is_being_made_makes_no_second_request() {
    let mut registry = registry_with(&[policy("all", json!({}))]);
    let seen = || page(vec![("a", live(0))]);
    apply(&mut registry, seen(), 1);
    let creation = registry.next_creation(|_, _| false, at(1).mono).unwrap();
    apply(&mut registry, seen(), 2);
    assert_eq!(next(&mut registry, 2), None);
    registry.end_creation(&creation, CreationOutcome::Failed, (at(3).mono, wall(3)));
    apply(&mut registry, seen(), 4);
    assert!(next(&mut registry, 4).is_some(), "it was not made");
}

#[test]
fn one_that_somebody_else_deleted_unfinished_is_made_again_and_a_finished_one_is_not() {
    for (status, made) in [(json!({}), 1), (json!({"completionTime": wall(1).to_string()}), 0)] {
        let mut registry = registry_with(&[policy("all", json!({}))]);
        apply(&mut registry, page(vec![("a", live(0))]), 1);
        let creation = registry.next_creation(|_, _| false, at(1).mono).unwrap();
        let outcome = CreationOutcome::Made { uid: Some("export-a".into()) };
        registry.end_creation(&creation, outcome, (at(1).mono, wall(1)));
        registry.upsert_export(&stored(creation.object(), "export-a", status));
        registry.forget_export(&"export-a".into());
        apply(&mut registry, page(vec![("a", live(0))]), 2);
        assert_eq!(make_all(&mut registry, 2).len(), made);
    }
}

#[test]
fn an_unfinished_export_of_the_namespace_excludes_its_session_whoever_made_it() {
    let excluded = |other: crate::export::fixtures::ExportBuilder| {
        let other = other.build();
        // Known before a page shows the session, or after.
        let made = [true, false].map(|is_known_before| {
            let mut registry = registry_with(&[policy("all", json!({}))]);
            if is_known_before {
                registry.upsert_export(&other);
            }
            apply(&mut registry, page(vec![("a", live(0)), ("z", live(9))]), 1);
            registry.upsert_export(&other);
            make_all(&mut registry, 1)
        });
        assert_eq!(made[0], made[1]);
        made[0] == ["z"]
    };
    let mine = || export().of_session("a").named("mine");
    assert!(excluded(mine()) && excluded(mine().suspended()) && excluded(mine().to("s3://forbidden/x/")));
    assert!(!excluded(mine().in_namespace("other")) && !excluded(export().of_session("b")));
}

#[test]
fn a_claim_of_another_namespace_excludes_while_it_holds() {
    let mut registry = registry_with(&[policy("all", json!({}))]);
    let seen = || page(vec![("a", live(0))]);
    let is_claimed = |_: &SessionArn, namespace: &str| namespace == "team";
    registry.apply_discovery(seen(), is_claimed, at(1).mono);
    assert_eq!(next(&mut registry, 1), None);
    apply(&mut registry, seen(), 1);
    assert!(registry.next_creation(is_claimed, at(1).mono).is_none(), "claimed since the page was read");
    apply(&mut registry, seen(), 2);
    assert!(next(&mut registry, 2).is_some());
}

#[test]
fn of_two_policies_the_older_one_takes_a_session_unless_it_is_suspended_or_held() {
    let younger = || policy("younger", json!({"metadata": {"creationTimestamp": wall(9).to_string()}}));
    for (changes, taker) in [
        (json!({}), "older"),
        (json!({"spec": {"suspend": true}}), "younger"),
        (json!({"spec": {"serviceAccountName": "x"}}), "younger"),
        (json!({"spec": {"selector": {"locations": ["eu-west-1"]}}}), "younger"),
    ] {
        let mut registry = registry_with(&[younger(), policy("older", changes.clone())]);
        apply(&mut registry, page(vec![("a", live(0))]), 1);
        assert_eq!(next(&mut registry, 1).unwrap().0, taker, "{changes}");
        assert_eq!(next(&mut registry, 1), None, "{changes}");
    }
    let mut apart = registry_with(&[policy("a", json!({})), policy_in("other", "b", json!({}))]);
    apply(&mut apart, page(vec![("a", live(0))]), 1);
    assert!(next(&mut apart, 1).is_some() && next(&mut apart, 1).is_some(), "there is no order between namespaces");
}

#[test]
fn an_export_of_the_same_destination_is_adopted_and_any_other_is_left_alone_and_counted() {
    // The list names the URI, or only the Get does.
    for uri_in_list in [true, false] {
        for (uri, adopted) in
            [(Some("s3://bucket/team/a.zip"), true), (Some("s3://bucket/team/b.zip"), false), (None, false)]
        {
            let mut registry = registry_with(&[policy("all", json!({}))]);
            let listed = exported_to(uri.filter(|_| uri_in_list));
            apply(&mut registry, page(vec![("a", listed.clone())]), 1);
            let is_read = !uri_in_list || uri.is_none();
            assert_eq!(wanted(&mut registry), if is_read { vec!["a"] } else { vec![] }, "{uri:?}");
            assert_eq!(registry.entries.values().next().unwrap().counting.elsewhere, i64::from(!is_read && !adopted));
            apply(&mut registry, DiscoveryEvent::Read(arn("a"), exported_to(uri)), 1);
            apply(&mut registry, scan_end(1, false, ScanOutcome::Complete), 2);
            apply(&mut registry, page(vec![("a", listed)]), 3);
            assert_eq!(next(&mut registry, 3).is_some(), adopted, "{uri:?}");
            assert_eq!(wanted(&mut registry).len(), 0, "one Get");
            apply(&mut registry, scan_end(3, true, ScanOutcome::Complete), 4);
            let sessions = registry.entries.values().next().unwrap().sessions.unwrap();
            assert_eq!(sessions, SessionCounts { live: 1, selected: 1, elsewhere: i64::from(!adopted) });
        }
    }
}

fn exported_to(uri: Option<&str>) -> SessionView {
    let output_uri = uri.map(str::to_owned);
    let export = Some(ExportView { status: ExportFilesStatus::Pending, reason: None, output_uri });
    SessionView { export, ..live(0) }
}

/// The sessions that are to be read with a Get.
fn wanted(registry: &mut PolicyRegistry) -> Vec<String> {
    registry.take_wanted_reads().into_iter().map(|(arn, _)| arn.session.to_string()).collect()
}

#[test]
fn a_value_that_a_page_lacks_is_read_once_and_one_that_aws_does_not_show_is_refused() {
    let uri = |uri: &str| json!({"spec": {"template": {"spec": {"outputUri": uri}}}});
    let bare = || SessionView { location: None, created_at: None, application_arn: None, ..live(0) };
    for changes in [
        uri("s3://bucket/{location}/{sessionId}.zip"),
        uri("s3://bucket/{year}/{sessionId}.zip"),
        uri("s3://bucket/{applicationId}/{sessionId}.zip"),
        json!({"spec": {"selector": {"locations": ["us-east-1"]}}}),
        json!({"spec": {"selector": {"applicationIdentifiers": ["a-1"]}}}),
    ] {
        for told in [true, false] {
            let mut registry = registry_with(&[policy("all", changes.clone())]);
            let found = apply(&mut registry, page(vec![("a", bare())]), 1);
            assert_eq!((found.refused, wanted(&mut registry)), (0, vec!["a".to_owned()]), "{changes}");
            apply(&mut registry, page(vec![("a", bare())]), 2);
            assert_eq!((next(&mut registry, 2), wanted(&mut registry).len()), (None, 0), "it is being read");
            apply(&mut registry, scan_end(1, true, ScanOutcome::Complete), 2);
            apply(&mut registry, DiscoveryEvent::Read(arn("a"), if told { live(0) } else { bare() }), 3);
            let found = apply(&mut registry, page(vec![("a", bare())]), 4);
            assert_eq!((next(&mut registry, 4).is_some(), found.refused), (told, u64::from(!told)), "{changes}");
            assert_eq!(wanted(&mut registry).len(), 0, "{changes}");
        }
    }
}

#[test]
fn gets_for_policies_are_bounded_and_one_without_an_answer_is_made_again() {
    let mut registry = registry_with(&[policy("all", json!({})), policy_in("other", "too", json!({}))]);
    let names: Vec<String> = (0..150).map(|n| format!("s{n}")).collect();
    let all = || page(names.iter().map(|name| (name.as_str(), exported_to(None))).collect());
    apply(&mut registry, all(), 1);
    let first = wanted(&mut registry);
    assert_eq!(first.len(), 100, "one for both policies");
    first[..20].iter().for_each(|name| {
        apply(&mut registry, DiscoveryEvent::Read(arn(name), exported_to(None)), 2);
    });
    apply(&mut registry, all(), 60);
    assert_eq!(wanted(&mut registry).len(), 20);
    apply(&mut registry, all(), 61);
    let again = wanted(&mut registry);
    assert_eq!(again.len(), 80);
    assert!(again.iter().all(|name| !first[..20].contains(name)), "those are answered");
    for changes in [json!({"spec": {"suspend": true}}), json!({"spec": {"serviceAccountName": "x"}})] {
        let mut idle = registry_with(&[policy("all", changes.clone())]);
        apply(&mut idle, all(), 1);
        assert_eq!(wanted(&mut idle).len(), 0, "{changes}");
    }
}

#[test]
fn the_oldest_export_that_is_stalled_for_two_minutes_shows() {
    let all = policy("all", json!({}));
    let stalled = |since: u64, reason: &str| {
        let condition = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": wall(since).to_string(),
            })
        };
        json!({"conditions": [condition("Ready", "False"), condition("Stalled", "True")]})
    };
    for (statuses, row) in [
        ([stalled(0, "AccessDenied"), json!({})], "ExportsHeld"),
        ([stalled(1, "AccessDenied"), json!({})], "Watching"),
        ([json!({}), stalled(0, "AccessDenied")], "Watching"),
        ([stalled(0, "Invented"), json!({})], "Watching"),
    ] {
        let mut registry = registry_with(std::slice::from_ref(&all));
        for (n, status) in statuses.iter().enumerate() {
            let mut export = export_of(&all, &format!("s{n}"));
            export.metadata.owner_references.as_mut().unwrap()[0].uid = all.uid.to_string();
            registry.upsert_export(&stored(export, &format!("export-{n}"), status.clone()));
        }
        apply(&mut registry, scan_end(119, true, ScanOutcome::Complete), 120);
        let change = registry.status_changes(16, at(120).mono, wall(120)).remove(0);
        let ready = change.status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
        assert_eq!(ready.reason, row, "{statuses:?}");
        if row == "ExportsHeld" {
            let name = export_of(&all, "s0").metadata.name.unwrap();
            assert!(ready.message.contains(&name) && ready.message.contains("AccessDenied"), "{}", ready.message);
            // It is accepted.
            let accepted = json!({"requestTime": wall(120).to_string()});
            registry.upsert_export(&stored(export_of(&all, "s0"), "export-0", accepted));
            registry.end_write(&all.uid, at(121).mono);
            let change = registry.status_changes(16, at(121).mono, wall(121)).remove(0);
            assert_eq!(ready_reason(&change.status.conditions), Some("Watching"));
        }
    }
}

#[test]
fn a_groups_pages_take_the_turns_of_the_namespace_with_the_fewest_groups() {
    let crowd = (0..5)
        .map(|n| policy_in("crowd", &format!("c{n}"), json!({"spec": {"streamGroupIdentifier": format!("sg-{n}")}})));
    let shared = [policy_in("crowd", "shared", json!({})), policy_in("team", "all", json!({}))];
    let registry = registry_with(&crowd.chain(shared).collect::<Vec<_>>());
    let turns: BTreeMap<_, _> =
        registry.discovered_groups().into_iter().map(|(arn, group)| (arn.group.to_string(), group.namespace)).collect();
    assert_eq!(turns.len(), 6);
    assert!(turns.iter().all(|(group, namespace)| &**namespace == if group == GROUP { "team" } else { "crowd" }));
}

#[test]
fn at_most_so_many_wait_for_their_turn_and_namespaces_share_the_places() {
    let (a, b) = (policy_in("one", "a", json!({})), policy_in("two", "b", json!({})));
    let mut registry = PolicyRegistry::new(identity(RULES), "", timing(), 10);
    registry.mark_exports_listed();
    registry.upsert_policy(&a, at(0).mono);
    let names: Vec<String> = (0..40).map(|n| format!("s{n}")).collect();
    let all = || page(names.iter().map(|name| (name.as_str(), live(0))).collect());
    apply(&mut registry, all(), 1);
    for n in 0..4 {
        let creation = registry.next_creation(|_, _| false, at(1).mono).unwrap();
        let outcome = CreationOutcome::Made { uid: Some(format!("a{n}").as_str().into()) };
        registry.end_creation(&creation, outcome, (at(1).mono, wall(1)));
        // The watch shows it, or not yet.
        if n % 2 == 0 {
            registry.upsert_export(&stored(creation.object(), &format!("a{n}"), json!({})));
        }
    }
    registry.upsert_policy(&b, at(1).mono);
    apply(&mut registry, all(), 2);
    let mut made = BTreeMap::new();
    let mut last = None;
    while let Some(creation) = registry.next_creation(|_, _| false, at(2).mono) {
        *made.entry(creation.policy.name.to_string()).or_insert(0) += 1;
        last = Some(creation);
    }
    assert_eq!(made, BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 5)]), "4 were there, 10 are the most");
    registry.end_creation(&last.unwrap(), CreationOutcome::Failed, (at(2).mono, wall(2)));
    assert!(next(&mut registry, 2).is_some(), "a place is free again");
    registry.upsert_export(&stored(export_of(&a, "s0"), "a0", json!({"requestTime": wall(2).to_string()})));
    assert!(next(&mut registry, 2).is_some(), "one that AWS has accepted takes no place");
}

fn export_of(policy: &Arc<Policy>, session: &str) -> SessionExport {
    let request = policy.request.as_ref().unwrap();
    let uri = format!("s3://bucket/team/{session}.zip").parse().unwrap();
    policy.export_of(request, &crate::export::fixtures::arn(session), &uri)
}

#[test]
fn while_objects_are_refused_one_is_tried_after_ten_and_then_every_thirty_seconds() {
    let mut registry = registry_with(&[policy("all", json!({}))]);
    let all = || page(vec![("a", live(0)), ("b", live(1)), ("c", live(2))]);
    apply(&mut registry, scan_end(1, true, ScanOutcome::Complete), 1);
    let mut now = 1;
    for wait in [10, 30, 30] {
        apply(&mut registry, all(), now);
        let creation = registry.next_creation(|_, _| false, at(now).mono).unwrap();
        registry.end_creation(&creation, CreationOutcome::Refused("quota".to_owned()), (at(now).mono, wall(now)));
        assert_eq!(reason(&mut registry, now), Some("ExportsRefused"));
        assert_eq!(next(&mut registry, now + wait - 1), None);
        now += wait;
    }
    apply(&mut registry, all(), now);
    let probe = registry.next_creation(|_, _| false, at(now).mono).unwrap();
    assert_eq!(next(&mut registry, now), None, "one at a time");
    registry.end_creation(&probe, CreationOutcome::Made { uid: None }, (at(now).mono, wall(now)));
    apply(&mut registry, scan_end(now, true, ScanOutcome::Complete), now);
    assert_eq!(reason(&mut registry, now), Some("Watching"));
}

#[test]
fn rows_follow_the_spec_and_the_scans() {
    let first = |changes| reason(&mut registry_with(&[policy("all", changes)]), 0);
    assert_eq!(first(json!({})), Some("Discovering"));
    assert_eq!(first(json!({"spec": {"suspend": true}})), Some("Suspended"));
    assert_eq!(first(json!({"spec": {"serviceAccountName": "x"}})), Some("ServiceAccountNotSupported"));
    let forbidden = json!({"spec": {"template": {"spec": {"outputUri": "s3://other/{sessionId}.zip"}}}});
    assert_eq!(first(forbidden), Some("DestinationForbidden"));
    let foreign = format!("arn:aws:gameliftstreams:us-west-2:999988887777:streamgroup/{GROUP}");
    assert_eq!(first(json!({"spec": {"streamGroupIdentifier": foreign}})), Some("AccountMismatch"));
    let laxer = json!({"spec": {"template": {"spec": {"outputUri": "s3://bucket/{session}/"}}}});
    assert_eq!(first(laxer), Some("SpecRejected"));
    let mut shard = PolicyRegistry::new(identity(RULES), "shard=a", timing(), 100);
    shard.upsert_policy(&policy("all", json!({})), at(0).mono);
    assert_eq!(reason(&mut shard, 0), Some("OutOfScope"));

    let mut registry = registry_with(&[policy("all", json!({}))]);
    for (class, scans, lasts, row) in [
        (FailureClass::AccessDenied, 1, 119, None),
        (FailureClass::AccessDenied, 1, 120, Some("AccessDenied")),
        (FailureClass::Credentials, 2, 120, Some("CredentialsUnavailable")),
        (FailureClass::NotFound, 2, 600, None),
        (FailureClass::NotFound, 3, 59, None),
        (FailureClass::NotFound, 3, 60, Some("StreamGroupNotFound")),
        (FailureClass::Throttled, 9, 600, None),
    ] {
        let entry = registry.entries.values().next().unwrap();
        let mut group = GroupScans::default();
        group.failure = Some(GroupFailure { class, since: at(0).mono, scans });
        group.last_complete = Some(CompleteScan { began: at(lasts).mono, took: Duration::ZERO, pages: 2 });
        let shown = entry.row(Some(&group), None, &timing(), (at(lasts).mono, wall(lasts))).unwrap().reason().as_str();
        assert_eq!(shown, row.unwrap_or("Watching"), "{class:?} {lasts}");
    }
    apply(&mut registry, scan_end(1, true, ScanOutcome::Complete), 2);
    assert_eq!(reason(&mut registry, 2), Some("Watching"));
    // The last one began at 1 and took 1 s: at 17 it is too old, at 77 for a minute.
    assert_eq!(reason(&mut registry, 17), Some("Watching"));
    assert_eq!(reason(&mut registry, 76), Some("Watching"));
    assert_eq!(reason(&mut registry, 77), Some("Behind"));
}

#[test]
fn statuses_are_written_for_all_namespaces_in_turn() {
    let crowd = (0..20).map(|n| policy_in("crowd", &format!("c{n}"), json!({})));
    let mut registry = registry_with(&crowd.chain([policy_in("team", "z", json!({}))]).collect::<Vec<_>>());
    let namespaces =
        |changes: Vec<StatusChange>| changes.into_iter().map(|c| c.policy.namespace.to_string()).collect::<Vec<_>>();
    assert_eq!(namespaces(registry.status_changes(2, at(0).mono, wall(0))), ["crowd", "team"]);
    // The write of the first fails: the others go before it is tried again.
    registry.end_write("uid-c0", at(1).mono);
    let others = registry.status_changes(100, at(1).mono, wall(1));
    assert_eq!(others.len(), 20, "one is being written");
    assert_eq!(&*others[19].policy.uid, "uid-c0");
}

#[test]
fn a_new_leader_leaves_what_stands_until_it_knows() {
    let shown = json!({"status": {"observedGeneration": 1, "conditions": [{
        "type": "Ready", "status": "True", "reason": "Watching", "message": "", "lastTransitionTime": wall(0).to_string(),
    }]}});
    let mut registry = registry_with(&[policy("all", shown)]);
    assert_eq!(reason(&mut registry, 14), None);
    assert_eq!(reason(&mut registry, 15), Some("Discovering"));
}

#[test]
fn counts_alone_are_written_once_in_a_while_and_nothing_at_rest() {
    let mut registry = registry_with(&[policy("all", json!({}))]);
    apply(&mut registry, scan_end(1, true, ScanOutcome::Complete), 1);
    let written = registry.status_changes(16, at(1).mono, wall(1)).remove(0);
    assert_eq!(registry.status_changes(16, at(1).mono, wall(1)).len(), 0, "it is being written");
    registry.end_write(&written.policy.uid, at(1).mono);
    let recorded = Policy { status: written.status, ..Policy::clone(&written.policy) };
    registry.upsert_policy(&Arc::new(recorded), at(1).mono);
    assert_eq!(registry.status_changes(16, at(2).mono, wall(2)).len(), 0, "nothing new");
    apply(&mut registry, page(vec![("a", live(0))]), 2);
    apply(&mut registry, scan_end(2, true, ScanOutcome::Complete), 3);
    assert_eq!(registry.status_changes(16, at(30).mono, wall(30)).len(), 0, "too soon");
    let counts = registry.status_changes(16, at(31).mono, wall(31)).remove(0);
    assert_eq!(counts.status.sessions, Some(SessionCounts { live: 1, selected: 1, elsewhere: 0 }));
    assert_eq!(counts.entered, None);
}

#[test]
fn groups_are_discovered_for_covered_policies_only_and_less_often_for_suspended_ones() {
    let mut registry = registry();
    assert!(registry.discovered_groups().is_empty());
    registry.upsert_policy(&policy("a", json!({"spec": {"serviceAccountName": "x"}})), at(0).mono);
    assert!(registry.discovered_groups().is_empty());
    registry.upsert_policy(&policy("b", json!({"spec": {"suspend": true}})), at(0).mono);
    assert!(registry.discovered_groups().values().map(|group| group.pace).eq([DiscoveryPace::Counting]));
    registry.upsert_policy(&policy("c", json!({})), at(0).mono);
    assert!(registry.discovered_groups().values().map(|group| group.pace).eq([DiscoveryPace::Continuous]));
    ["uid-b", "uid-c"].into_iter().for_each(|uid| registry.forget_policy(uid));
    assert!(registry.discovered_groups().is_empty());
}

#[test]
fn finished_objects_beyond_the_limits_are_the_oldest() {
    let limits = json!({"spec": {"successfulExportsHistoryLimit": 1, "failedExportsHistoryLimit": 0}});
    let policy = policy("all", limits);
    let mut registry = registry_with(std::slice::from_ref(&policy));
    for (session, status, ended) in
        [("a", "SUCCEEDED", 3), ("b", "SUCCEEDED", 2), ("c", "SUCCEEDED", 9), ("d", "FAILED", 1)]
    {
        let status = json!({"exportStatus": status, "completionTime": wall(ended).to_string()});
        registry.upsert_export(&stored(export_of(&policy, session), session, status));
    }
    let beyond: Vec<_> = registry.beyond_limits(16).into_iter().map(|export| export.session.to_string()).collect();
    assert_eq!(beyond, ["b", "a", "d"]);
}

proptest! {
    #![proptest_config(property::config(256, 4096))]

    /// Whatever the rules and the template: what a policy makes, the rules cover as an export of its namespace.
    #[test]
    fn an_accepted_policy_never_makes_a_forbidden_export(
        prefix in select(vec!["s3://bucket/", "s3://bucket/team/", "s3://bucket/team/all/", "s3://other/"]),
        uri in select(vec![
            "s3://bucket/{sessionId}.zip", "s3://bucket/team/{year}/", "s3://bucket/{namespace}/{policy}/{sessionId}.zip",
            "s3://bucket/{namespace}{policy}/", "s3://bucket/tea{policy}/x/", "s3://bucket/{location}/{namespace}/",
        ]),
        policies in any::<bool>(),
        exports in any::<bool>(),
        namespace in select(vec!["team", "team-a", "*"]),
    ) {
        let rule = format!(
            "- {{namespaces: ['{namespace}'], streamGroups: ['*'], outputPrefixes: ['{prefix}'], policies: {policies}, exports: {exports}}}"
        );
        let mut registry = PolicyRegistry::new(identity(&rule), "", timing(), 100);
        registry.mark_exports_listed();
        let policy = policy("all", json!({"spec": {"template": {"spec": {"outputUri": uri}}}}));
        registry.upsert_policy(&policy, at(0).mono);
        apply(&mut registry, page(vec![("a", live(0)), ("b", live(1))]), 1);
        while let Some(creation) = registry.next_creation(|_, _| false, at(1).mono) {
            prop_assert!(policies && exports);
            let made = stored(creation.object(), "uid", json!({}));
            let authorized = identity(&rule).authorize(Arc::new(made), false);
            prop_assert!(matches!(authorized, Authorization::Covered(_)), "{authorized:?}");
        }
    }
}
