//! Tests of statuses: every row of the condition table as a snapshot, fields that stay, and patches.
//!
//! The snapshots are in `src/export/snapshots/`. After an intended change:
//! `UPDATE_SNAPSHOTS=1 cargo test --lib export::status::tests`, then read the diff.

use crate::api::condition::Condition;
use crate::api::condition::{ACCEPTED, STALLED};
use crate::api::request::Export;
use crate::api::{ExportStatus, Reason, SessionExportStatus};
use crate::aws::failure::{ConnectionFailure, FailureDetail};
use crate::aws::model::SessionStatus;
use crate::aws::operation::Operation;
use crate::export::fixtures::{KEY, arn, aws_answer, export, secs, session, wall};
use crate::export::status::build_status;
use crate::export::status::row::{Held, Outcome, Row};
use crate::property;
use crate::runtime::patch::merge_patch;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Map, Value, json};

fn held(held: Held) -> Row {
    Row::Held(held)
}

fn failed(reason: &str) -> Row {
    Row::Final(Outcome::ExportFailed { reason: Some(reason.to_owned()), output_uri: Some(KEY.to_owned()) })
}

fn exported() -> Row {
    Row::Final(Outcome::Exported { output_uri: Some(KEY.to_owned()) })
}

fn conflict(shown: Option<ExportStatus>, rival: Option<&str>) -> Row {
    Row::Final(Outcome::ExportConflict { shown, rival: rival.map(str::to_owned) })
}

fn denied(stalled: bool) -> Row {
    let detail = aws_answer("AccessDeniedException", "User: the operator's role is not authorized");
    held(Held::AccessDenied { stalled, operation: Operation::Export, detail })
}

fn no_credentials(stalled: bool) -> Row {
    let detail = aws_answer("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    held(Held::CredentialsUnavailable { stalled, detail })
}

fn unavailable(detail: FailureDetail) -> Row {
    held(Held::ServiceUnavailable { detail })
}

/// Every row of the condition table, by the name of its snapshot, on top of what is usually recorded before it.
fn table() -> Vec<(&'static str, Export, Row)> {
    let new = || export().build();
    let asked = || export().showing(Row::Requesting).build();
    let accepted = || export().showing(Row::Requesting).showing(Row::Pending).build();
    let early = || export().ready_when_accepted().showing(Row::Requesting).showing(Row::Pending);
    vec![
        ("waiting-for-session", new(), held(Held::WaitingForSession)),
        ("suspended", export().suspended().build(), held(Held::Suspended)),
        ("waiting-for-other-export", new(), held(Held::WaitingForOtherExport { rival: Some("y".to_owned()) })),
        ("destination-unknown", new(), held(Held::DestinationUnknown)),
        ("rate-limited", new(), held(Held::RateLimited)),
        ("requesting", new(), Row::Requesting),
        ("service-unavailable", new(), unavailable(FailureDetail::Connection(ConnectionFailure::NameResolution))),
        ("service-unavailable-after-intent", asked(), unavailable(aws_answer("ThrottlingException", "Rate exceeded."))),
        ("credentials-unavailable", new(), no_credentials(false)),
        ("credentials-unavailable-longer", new(), no_credentials(true)),
        ("access-denied", asked(), denied(false)),
        ("access-denied-longer", asked(), denied(true)),
        (
            "destination-forbidden",
            new(),
            held(Held::DestinationForbidden { missing_rule: Some("{namespaces: [team]}".to_owned()) }),
        ),
        ("account-mismatch", new(), held(Held::AccountMismatch { named: "999988887777".to_owned() })),
        ("service-account-not-supported", new(), held(Held::ServiceAccountNotSupported)),
        (
            "request-rejected",
            asked(),
            held(Held::RequestRejected { detail: aws_answer("ValidationException", "The bucket does not exist") }),
        ),
        ("request-malformed", new(), held(Held::SpecRejected { problem: "region must be real".to_owned() })),
        ("confirming-session-end", new(), held(Held::ConfirmingSessionEnd)),
        ("export-pending", asked(), Row::Pending),
        ("export-pending-ready-when-accepted", early().build(), Row::Pending),
        ("upload-overdue", accepted(), Row::Overdue),
        ("upload-overdue-ready-when-accepted", early().build(), Row::Overdue),
        ("exported", accepted(), exported()),
        ("exported-without-uri", accepted(), Row::Final(Outcome::Exported { output_uri: None })),
        ("export-failed", accepted(), failed("The bucket\nrefuses.")),
        ("export-failed-ready-when-accepted", early().build(), failed("The bucket refuses.")),
        ("session-ended", new(), Row::Final(Outcome::SessionEnded)),
        ("session-not-found", new(), Row::Final(Outcome::SessionNotFound)),
        ("session-not-found-after-acceptance", accepted(), Row::Final(Outcome::Unknown)),
        ("export-conflict", new(), conflict(None, Some("y"))),
        ("export-conflict-after-acceptance", accepted(), conflict(Some(ExportStatus::Succeeded), None)),
        (
            "gave-up",
            new(),
            Row::Final(Outcome::GaveUp { held: Box::new(Held::WaitingForSession), bound: secs(25 * 3600) }),
        ),
    ]
}

fn composed(export: &Export, row: &Row) -> SessionExportStatus {
    if is_of_the_uncovered(row) {
        return build_status(export, row, None, None, wall(60));
    }
    build_status(export, row, Some(&arn("sess1")), Some(&session()), wall(60))
}

/// True for the rows of objects that no rule covers, of which no session is known.
fn is_of_the_uncovered(row: &Row) -> bool {
    matches!(
        row,
        Row::Held(
            Held::DestinationForbidden { .. }
                | Held::AccountMismatch { .. }
                | Held::ServiceAccountNotSupported
                | Held::SpecRejected { .. }
        )
    )
}

fn snapshot(name: &str) -> String {
    format!("{}/src/export/snapshots/{name}.yaml", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_row_of_the_condition_table_is_as_committed() {
    for (name, export, row) in table() {
        let text = serde_yaml::to_string(&composed(&export, &row)).unwrap();
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(snapshot(name), &text).unwrap();
        }
        let committed = std::fs::read_to_string(snapshot(name)).unwrap_or_default();
        assert_eq!(text, committed, "{name}: see the head of this file for how to regenerate");
    }
}

#[test]
fn every_reason_has_a_snapshot_and_no_snapshot_is_left_over() {
    for reason in Reason::ALL {
        assert!(table().iter().any(|(_, _, row)| row.reason() == Some(reason)), "{reason:?}");
    }
    let mut files: Vec<String> = std::fs::read_dir(snapshot("x").replace("/x.yaml", ""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".yaml", ""))
        .collect();
    let mut names: Vec<String> = table().iter().map(|(name, _, _)| (*name).to_owned()).collect();
    files.sort();
    names.sort();
    assert_eq!(files, names);
}

/// The columns of the condition table, specified a second time in short form.
#[test]
fn the_columns_are_those_of_the_design() {
    let lines = [
        ("waiting-for-session", "- False Unknown False Reconciling"),
        ("suspended", "- False Unknown False Reconciling"),
        ("waiting-for-other-export", "- False Unknown False Reconciling"),
        ("destination-unknown", "- False Unknown False Reconciling"),
        ("rate-limited", "- False Unknown False Reconciling"),
        ("requesting", "- Unknown Unknown False Reconciling"),
        ("service-unavailable", "- False Unknown False Reconciling"),
        ("service-unavailable-after-intent", "- Unknown Unknown False Reconciling"),
        ("credentials-unavailable", "- False Unknown False Reconciling"),
        ("credentials-unavailable-longer", "- False Unknown False Stalled"),
        ("access-denied", "- False Unknown False Reconciling"),
        ("access-denied-longer", "- False Unknown False Stalled"),
        ("destination-forbidden", "- False Unknown False Stalled"),
        ("account-mismatch", "- False Unknown False Stalled"),
        ("service-account-not-supported", "- False Unknown False Stalled"),
        ("request-rejected", "- False Unknown False Stalled"),
        ("request-malformed", "- False Unknown False Stalled"),
        ("confirming-session-end", "- False Unknown False Reconciling"),
        ("export-pending", "PENDING True Unknown False Reconciling"),
        ("export-pending-ready-when-accepted", "PENDING True Unknown True"),
        ("upload-overdue", "PENDING True Unknown False Stalled"),
        ("upload-overdue-ready-when-accepted", "PENDING True Unknown True"),
        ("exported", "SUCCEEDED True True True"),
        ("exported-without-uri", "SUCCEEDED True True True"),
        ("export-failed", "FAILED True False False Stalled"),
        ("export-failed-ready-when-accepted", "FAILED True False False Stalled"),
        ("session-ended", "FAILED False False False Stalled"),
        ("session-not-found", "FAILED False False False Stalled"),
        ("session-not-found-after-acceptance", "PENDING True False False Stalled"),
        ("export-conflict", "FAILED False False False Stalled"),
        ("export-conflict-after-acceptance", "SUCCEEDED True False False Stalled"),
        ("gave-up", "FAILED False False False Stalled"),
    ];
    let shown: Vec<(&str, String)> =
        table().iter().map(|(name, export, row)| (*name, columns(&composed(export, row)))).collect();
    let expected: Vec<(&str, String)> = lines.iter().map(|(name, line)| (*name, (*line).to_owned())).collect();
    assert_eq!(shown, expected);
}

fn columns(status: &SessionExportStatus) -> String {
    let word = status.export_status.map_or_else(|| "-".to_owned(), |s| json!(s).as_str().unwrap().to_owned());
    let of = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_).map(|c| c.status.to_string());
    let fixed = ["Accepted", "Succeeded", "Ready"].map(|type_| of(type_).unwrap());
    let moving = ["Reconciling", "Stalled"].into_iter().filter(|type_| of(type_).is_some_and(|s| s == "True"));
    let mut words = vec![word];
    words.extend(fixed);
    words.extend(moving.map(str::to_owned));
    words.join(" ")
}

#[test]
fn finished_is_completion_time_and_nothing_else() {
    for (name, export, row) in table() {
        let finished = composed(&export, &row).completion_time.is_some();
        assert_eq!(finished, matches!(row, Row::Final(_)), "{name}");
    }
}

#[test]
fn what_is_set_once_is_never_rewritten() {
    let status = |row: &Row, export: &Export| build_status(export, row, None, None, wall(500));
    let accepted = export().showing(Row::Requesting).showing(Row::Pending).build();
    let before = &accepted.status;
    for row in [Row::Requesting, Row::Pending, Row::Overdue, exported()] {
        let after = status(&row, &accepted);
        assert_eq!(after.request_attempt_time, before.request_attempt_time);
        assert_eq!(after.request_time, before.request_time);
        assert_eq!(after.start_time, before.start_time);
    }
}

#[test]
fn a_stalled_reason_does_not_go_back_to_reconciling_by_itself() {
    let stalled = export().showing(denied(true)).build();
    assert_eq!(merge_patch(&stalled.status, &composed_bare(&stalled, &denied(false))).unwrap(), Map::new());
    let other = composed_bare(&stalled, &held(Held::WaitingForSession));
    assert!(!other.conditions.iter().any(|c| c.type_ == STALLED));
}

fn composed_bare(export: &Export, row: &Row) -> SessionExportStatus {
    build_status(export, row, None, None, wall(999))
}

#[test]
fn overdue_stays_overdue_until_the_end() {
    let overdue = export().accepted().showing(Row::Overdue).build();
    assert_eq!(merge_patch(&overdue.status, &composed_bare(&overdue, &Row::Pending)).unwrap(), Map::new());
    assert!(composed_bare(&overdue, &exported()).completion_time.is_some());
}

#[test]
fn a_conflict_after_an_acceptance_that_was_cleared_by_hand_shows_it_again() {
    let status = composed_bare(&export().build(), &conflict(Some(ExportStatus::Pending), None));
    assert!(status.conditions.iter().any(|c| c.type_ == ACCEPTED && c.status == "True"));
    assert!(status.request_time.is_some());
}

#[test]
fn accepted_stays_true_where_the_table_says_as_before() {
    let mut half = export().showing(Row::Pending).build();
    (half.status.request_time, half.status.export_status) = (None, None);
    for row in [conflict(None, None), unavailable(FailureDetail::Unknown)] {
        let status = composed_bare(&half, &row);
        assert!(status.conditions.iter().any(|c| c.type_ == ACCEPTED && c.status == "True"), "{row:?}");
    }
}

#[test]
fn leftovers_of_a_half_cleared_status_go() {
    let mut half = export().finished(ExportStatus::Failed).build();
    half.status.completion_time = None;
    assert_eq!(composed_bare(&half, &held(Held::WaitingForSession)).export_status, None);
}

#[test]
fn an_unchanged_row_moves_only_the_generation() {
    let mut done = export().showing(Row::Pending).showing(exported()).build();
    done.status.conditions.push(foreign());
    done.generation = 7;
    let after = composed_bare(&done, &Row::Unchanged);
    let mut expected = done.status.clone();
    expected.observed_generation = Some(7);
    for condition in expected.conditions.iter_mut().filter(|c| c.type_ != "their.example/Audited") {
        condition.observed_generation = Some(7);
    }
    assert_eq!(after, expected);
}

#[test]
fn of_a_session_only_what_changed_is_written_and_never_alone() {
    let waiting = export().build();
    let mut shown = waiting.clone();
    shown.status = composed(&waiting, &held(Held::WaitingForSession));
    let moved = session().in_state(SessionStatus::Connected);
    let again = build_status(&shown, &held(Held::WaitingForSession), Some(&arn("sess1")), Some(&moved), wall(90));
    assert_eq!(again, shown.status);
    let asked = build_status(&shown, &Row::Requesting, Some(&arn("sess1")), Some(&moved), wall(90));
    let patch = merge_patch(&shown.status, &asked).unwrap();
    assert_eq!(patch["session"], json!({"status": "CONNECTED"}));
}

#[test]
fn where_the_applications_logs_go_is_shown_and_stays_though_lists_omit_it() {
    let logs = "s3://logs/a-1/sess1/";
    let mut view = session();
    view.log_file_location_uri = Some(logs.to_owned());
    let mut shown = export().build();
    shown.status = build_status(&shown, &Row::Requesting, Some(&arn("sess1")), Some(&view), wall(0));
    let pending = build_status(&shown, &Row::Pending, Some(&arn("sess1")), Some(&session()), wall(1));
    for status in [shown.status, pending] {
        assert_eq!(status.session.unwrap().log_file_location_uri.as_deref(), Some(logs));
    }
}

#[test]
fn hostile_words_of_aws_are_made_safe() {
    let nasty = "arn:aws:sts::444455556666:assumed-role/x\u{1b}\u{202e}".repeat(400);
    let mut view = session();
    (view.status_reason, view.location) = (Some(nasty.clone()), Some(nasty.clone()));
    view.log_file_location_uri = Some(nasty.clone());
    let status = build_status(&export().build(), &failed(&nasty), Some(&arn("sess1")), Some(&view), wall(0));
    let text = serde_json::to_string(&status).unwrap();
    assert!(!text.contains("\\u001b") && !text.contains('\u{202e}'));
    assert!(!text.contains("444455556666") && text.contains("AWS says FAILED: the operator's role"), "{text}");
    assert!(status.export_status_reason.unwrap().chars().count() <= 256);
}

// ---- patches ----

fn foreign() -> Condition {
    Condition {
        type_: "their.example/Audited".into(),
        status: "True".into(),
        reason: "Theirs".into(),
        message: "theirs".into(),
        observed_generation: None,
        last_transition_time: crate::export::fixtures::time(3),
    }
}

fn any_row() -> impl Strategy<Value = Row> {
    let rows: Vec<Row> = table().into_iter().map(|(_, _, row)| row).chain([Row::Unchanged]).collect();
    proptest::sample::select(rows)
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(target.as_object_mut().unwrap().entry(key).or_insert(Value::Null), value);
        }
    }
}

proptest! {
    #![proptest_config(property::config(property::DEFAULT, property::DEFAULT))]
    /// From any recorded status, the patch produces exactly the built status, names no field that this version doesn't
    /// know, keeps other controllers' conditions, and building again changes nothing.
    #[test]
    fn a_patch_leads_from_before_to_after(
        rows in proptest::collection::vec(any_row(), 0..5),
        early in any::<bool>(),
        row in any_row(),
        theirs in prop_oneof![Just(None), Just(Some(foreign()))],
        viewed in any::<bool>(),
    ) {
        let builder = if early { export().ready_when_accepted() } else { export() };
        let mut export = rows.into_iter().fold(builder, crate::export::fixtures::ExportBuilder::showing).build();
        export.status.conditions.extend(theirs.clone());
        let view = viewed.then(session);
        let after = build_status(&export, &row, Some(&arn("sess1")), view.as_ref(), wall(777));
        let patch = Value::Object(merge_patch(&export.status, &after).unwrap());

        let mut stored = json!(export.status);
        stored.as_object_mut().unwrap().insert("newer".to_owned(), json!({"kept": true}));
        let mut expected = json!(after);
        expected.as_object_mut().unwrap().insert("newer".to_owned(), json!({"kept": true}));
        merge(&mut stored, &patch);
        prop_assert_eq!(&stored, &expected);
        prop_assert!(theirs.iter().all(|condition| after.conditions.contains(condition)));
        prop_assert!(after.conditions.iter().filter(|c| c.type_ == "Stalled" || c.type_ == "Reconciling").count() <= 1);

        export.status = after;
        let again = build_status(&export, &row, Some(&arn("sess1")), view.as_ref(), wall(888));
        prop_assert_eq!(merge_patch(&export.status, &again).unwrap(), Map::new());
    }
}
