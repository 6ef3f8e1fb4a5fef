//! The ways into the rows.

use super::{KINDS, Left, as_committed};
use crate::status::{DONE, FAILED, HELD, INTENT, LOST, OVERDUE, PENDING, STALLED, UNKNOWN};
use crate::world::World;
use serde_json::{Value, json};

const GET: &str = "GetStreamSession";
const EXPORT: &str = "ExportStreamSessionFiles";

/// Not yet looked at: since it was made, and since it was edited.
const UNSEEN: [&str; 2] = ["unseen", "edited"];
const HELD_BACK: [Left; 13] = [
    ("confirming-session-end", "session-ended", HELD, "ConfirmingSessionEnd"),
    ("waiting-for-session", "waiting-for-session", HELD, "WaitingForSession"),
    ("suspended", "suspended", HELD, "Suspended"),
    ("destination-unknown", "destination-unknown", HELD, "DestinationUnknown"),
    ("service-unavailable", "service-unavailable", HELD, "ServiceUnavailable"),
    ("service-unavailable-after-intent", "service-unavailable-after-intent", INTENT, "ServiceUnavailable"),
    ("destination-forbidden", "destination-forbidden", STALLED, "DestinationForbidden"),
    ("account-mismatch", "account-mismatch", STALLED, "AccountMismatch"),
    ("service-account-not-supported", "service-account-not-supported", STALLED, "ServiceAccountNotSupported"),
    ("request-rejected", "request-rejected", STALLED, "RequestRejected"),
    ("export-conflict", "export-conflict", LOST, "ExportConflict"),
    ("session-not-found", "session-not-found", LOST, "SessionNotFound"),
    ("session-ended", "session-ended", LOST, "SessionEnded"),
];
const DENIED: [Left; 2] = [
    ("access-denied", "access-denied", HELD, "AccessDenied"),
    ("access-denied-longer", "access-denied", STALLED, "AccessDenied"),
];
const WITHOUT_CREDENTIALS: [Left; 2] = [
    ("credentials-unavailable", "credentials-unavailable", HELD, "CredentialsUnavailable"),
    ("credentials-unavailable-longer", "credentials-unavailable", STALLED, "CredentialsUnavailable"),
];
const ASKING: [Left; 2] = [
    ("requesting", "requesting", INTENT, "Requesting"),
    ("waiting-for-other-export", "waiting-for-other-export", HELD, "WaitingForOtherExport"),
];
const WITHOUT_A_TURN: [Left; 1] = [("rate-limited", "rate-limited", HELD, "RateLimited")];
const ACCEPTED: [Left; 8] = [
    ("export-pending", "export-pending", PENDING, "ExportPending"),
    ("upload-overdue", "upload-overdue", OVERDUE, "UploadOverdue"),
    ("exported", "exported", DONE, "Exported"),
    ("exported-without-uri", "exported-without-uri", DONE, "Exported"),
    ("export-failed", "export-failed", FAILED, "ExportFailed"),
    ("export-conflict-after-acceptance", "export-conflict-after-acceptance", STOLEN, "ExportConflict"),
    ("export-conflict-failed", "export-conflict-failed", FAILED, "ExportConflict"),
    ("session-not-found-after-acceptance", "session-not-found-after-acceptance", UNKNOWN, "SessionNotFound"),
];
/// Accepted, and exported to another destination.
const STOLEN: &str = "SUCCEEDED Accepted=True Ready=False Stalled=True Succeeded=False";
const GIVEN_UP: [Left; 2] = [
    ("gave-up", "gave-up", LOST, "WaitingForSession"),
    ("gave-up-forbidden", "gave-up-forbidden", LOST, "DestinationForbidden"),
];

/// The files' names.
pub(super) fn all() -> Vec<&'static str> {
    let rows: [&[Left]; 7] =
        [&HELD_BACK, &DENIED, &WITHOUT_CREDENTIALS, &ASKING, &WITHOUT_A_TURN, &ACCEPTED, &GIVEN_UP];
    UNSEEN.into_iter().chain(rows.concat().into_iter().map(|(name, ..)| name)).collect()
}

#[tokio::test]
async fn rows_that_were_not_checked_are_left_as_committed() {
    let world = World::new("left-unseen").await;
    world.both("unseen", json!({}), json!({})).await;
    for (suffix, _) in KINDS {
        let name = format!("unseen{suffix}");
        as_committed(&name, &world.exports().get(&name).await.unwrap());
    }
    let operator = world.operator().await;
    world.both("edited", json!({}), json!({"suspend": true})).await;
    for (suffix, _) in KINDS {
        world.shows(&format!("edited{suffix}"), HELD, "Suspended").await;
    }
    operator.stop().await;
    for (suffix, _) in KINDS {
        let name = format!("edited{suffix}");
        world.patch(&name, json!({"spec": {"suspend": false}})).await;
        as_committed(&name, &world.exports().get(&name).await.unwrap());
    }
}

#[tokio::test]
async fn what_is_held_refused_or_lost_is_left_as_committed() {
    let timing = json!({"timing": {"heldStatusDelay": "500ms", "consistencyWindow": "8s", "notFoundWindow": "1s"}});
    let world = World::with("left-held", &[], timing).await;
    let _operator = world.operator().await;
    let broken = json!({"type": "error5xx"});
    // Lists would serve so many first reads of one group.
    world.simulator.fault(json!({"operation": "ListStreamSessions", "action": broken.clone()})).await;
    world.answers("service-unavailable", GET, broken.clone()).await;
    world.answers("service-unavailable-after-intent", EXPORT, broken).await;
    world.answers("request-rejected", EXPORT, json!({"type": "validation", "message": "no"})).await;
    world.answers("session-not-found", GET, json!({"type": "notFound"})).await;
    let group = "arn:aws:gameliftstreams:us-west-2:999988887777:streamgroup/sg-1AB2C3De4";
    let theirs = json!({"export": {"status": "PENDING", "outputUri": "s3://exports/theirs/"}});
    for (name, session, spec) in [
        ("session-ended", json!({"status": "TERMINATED"}), json!({})),
        ("waiting-for-session", json!({"status": "ACTIVATING"}), json!({})),
        ("suspended", json!({}), json!({"suspend": true})),
        ("destination-unknown", json!({"export": {"status": "PENDING"}}), json!({})),
        ("service-unavailable", json!({}), json!({})),
        ("service-unavailable-after-intent", json!({}), json!({})),
        ("destination-forbidden", json!({}), json!({"outputUri": "s3://elsewhere/a/it.zip"})),
        ("account-mismatch", json!({}), json!({"streamGroupIdentifier": group})),
        ("service-account-not-supported", json!({}), json!({"serviceAccountName": "tenant"})),
        ("request-rejected", json!({}), json!({})),
        ("export-conflict", theirs, json!({})),
        ("session-not-found", json!({}), json!({})),
    ] {
        world.both(name, session, spec).await;
    }
    world.left(&HELD_BACK).await;
}

#[tokio::test]
async fn a_denied_export_is_left_as_committed() {
    // Denials are shared by a group: one is probed at a time.
    let groups = ["--group", "sg-1AB2C3De4", "--group", "sg-Early"];
    let world = World::with("left-denied", &groups, json!({"timing": {"denialStalledAfter": "8s"}})).await;
    let _operator = world.operator().await;
    world.answers("access-denied", EXPORT, json!({"type": "accessDenied"})).await;
    for ((suffix, ready_when), group) in KINDS.into_iter().zip(["sg-1AB2C3De4", "sg-Early"]) {
        let name = format!("access-denied{suffix}");
        world.simulator.session(&name, json!({"group": group})).await;
        let spec = json!({"readyWhen": ready_when, "streamGroupIdentifier": group});
        world.export_with(&name, &name, &format!("s3://exports/{group}/"), spec).await;
    }
    world.left(&DENIED).await;
}

#[tokio::test]
async fn an_export_without_credentials_is_left_as_committed() {
    let world = World::with("left-anonymous", &[], json!({"timing": {"denialStalledAfter": "8s"}})).await;
    let operator = world.start(json!({}), &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]).await;
    operator.ready("").await;
    world.both("credentials-unavailable", json!({}), json!({})).await;
    world.left(&WITHOUT_CREDENTIALS).await;
}

#[tokio::test]
async fn a_requested_export_and_its_rival_leave_the_committed_status() {
    let timing = json!({"timing": {"callTimeout": "5s", "consistencyWindow": "6s", "heldStatusDelay": "200ms"}});
    let world = World::with("left-asking", &[], timing).await;
    let _operator = world.operator().await;
    world.answers("requesting", EXPORT, json!({"type": "latency", "ms": 4500})).await;
    world.both("requesting", json!({}), json!({})).await;
    world.left(&ASKING[..1]).await;
    for (suffix, ready_when) in KINDS {
        let (rival, session) = (format!("waiting-for-other-export{suffix}"), format!("requesting{suffix}"));
        world.export_with(&rival, &session, "s3://exports/b/", json!({"readyWhen": ready_when})).await;
    }
    world.left(&ASKING[1..]).await;
}

#[tokio::test]
async fn an_export_without_quota_leaves_the_committed_status() {
    let changes = json!({"quota": {"export": 0.05}, "timing": {"heldStatusDelay": "200ms"}});
    let world = World::with("left-turns", &[], changes).await;
    let _operator = world.operator().await;
    world.simulator.session("first", json!({})).await;
    world.export("first", "first", "s3://exports/first/").await;
    world.shows("first", PENDING, "ExportPending").await;
    world.both("rate-limited", json!({}), json!({})).await;
    world.left(&WITHOUT_A_TURN).await;
}

/// The end of a session and of its export, at once: whichever comes first would show in the status.
fn ended(status: &str, uri: Value) -> Value {
    json!({"status": "TERMINATED", "export": {"status": status, "outputUri": uri, "statusReason": reason(status)}})
}

fn reason(status: &str) -> Value {
    if status == "FAILED" { json!("AccessDenied: Access Denied (bucket: exports)") } else { Value::Null }
}

#[tokio::test]
async fn a_pending_export_leaves_the_committed_status() {
    let timing = json!({"timing": {"overdueAfter": "3s", "overduePollInterval": "300ms"}});
    let world = World::with("left-accepted", &[], timing).await;
    let _operator = world.operator().await;
    let stuck = json!({
        "status": "TERMINATED", "ageSeconds": 60, "sessionLengthSeconds": 60,
        "export": {"status": "PENDING", "outputUri": "s3://exports/upload-overdue/", "frozen": true},
    });
    for (name, ..) in ACCEPTED {
        let session = if name == "upload-overdue" { stuck.clone() } else { json!({}) };
        world.both(name, session, json!({})).await;
    }
    for (name, ..) in ACCEPTED.iter().filter(|(name, ..)| *name != "upload-overdue") {
        for (suffix, _) in KINDS {
            world.reason(&format!("{name}{suffix}"), "ExportPending").await;
        }
    }
    world.answers("session-not-found-after-acceptance", GET, json!({"type": "notFound"})).await;
    world.answers("exported-without-uri", GET, json!({"type": "omitOutputUri"})).await;
    world.turn_into("exported", ended("SUCCEEDED", json!("s3://exports/exported/it.zip"))).await;
    let unnamed = json!("s3://exports/exported-without-uri/it.zip");
    world.turn_into("exported-without-uri", ended("SUCCEEDED", unnamed)).await;
    world.turn_into("export-failed", ended("FAILED", json!("s3://exports/export-failed/it.zip"))).await;
    let theirs = json!("s3://exports/theirs/it.zip");
    world.turn_into("export-conflict-after-acceptance", ended("SUCCEEDED", theirs.clone())).await;
    world.turn_into("export-conflict-failed", ended("FAILED", theirs)).await;
    world.left(&ACCEPTED).await;
}

#[tokio::test]
async fn what_was_given_up_is_left_as_committed() {
    let timing = json!({"timing": {"acceptanceBound": "4s"}});
    let world = World::with("left-given-up", &[], timing).await;
    let _operator = world.operator().await;
    world.both("gave-up", json!({"status": "ACTIVATING"}), json!({})).await;
    world.both("gave-up-forbidden", json!({}), json!({"outputUri": "s3://elsewhere/a/it.zip"})).await;
    world.left(&GIVEN_UP).await;
}
