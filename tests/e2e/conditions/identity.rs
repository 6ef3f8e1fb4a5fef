//! Credentials and permissions that are missing, and come.

use crate::status::{DONE, HELD, PENDING, STALLED, message, row};
use crate::world::World;
use serde_json::{Value, json};
use session_export_operator::api::SessionExportStatus;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const NONE: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];

#[tokio::test]
async fn without_credentials_an_export_waits_and_nothing_is_called() {
    let world = World::with("row-no-credentials", &[], json!({"timing": {"denialStalledAfter": "2s"}})).await;
    let operator = world.start(json!({}), &NONE).await;
    operator.ready("").await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    world.shows("one", HELD, "CredentialsUnavailable").await;
    let stalled = world.shows("one", STALLED, "CredentialsUnavailable").await;
    world.tells(&stalled, &["Warning CredentialsUnavailable"]).await;
    assert_eq!(world.simulator.all_calls_of("").await, 0);
    assert_eq!(operator.get("/readyz").await.0, 200, "it goes on serving");
    operator.stop().await;

    let _operator = world.operator().await;
    let pending = world.shows("one", PENDING, "ExportPending").await;
    world.tells(&pending, &["Warning CredentialsUnavailable", "Normal ExportPending"]).await;
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (1, 4));
}

#[tokio::test]
async fn a_source_of_credentials_that_is_down_is_waited_for() {
    let world = World::new("row-agent").await;
    world.simulator.ask("POST", "keys", temporary()).await;
    // As EKS Pod Identity has it: an agent on the node, which is not there yet.
    let agent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = agent.local_addr().unwrap();
    drop(agent);
    let url = format!("http://{address}/v1/credentials");
    let environment = [NONE[0], NONE[1], ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url)];
    let operator = world.start(json!({}), &environment).await;
    operator.ready("").await;
    world.simulator.session("live", json!({})).await;
    world.export("one", "live", "s3://exports/a/").await;
    let held = world.shows("one", HELD, "ServiceUnavailable").await;
    world.tells(&held, &[]).await;

    let agent = TcpListener::bind(address).await.unwrap();
    tokio::spawn(serve_credentials(agent));
    world.shows("one", PENDING, "ExportPending").await;
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (1, 3));
}

/// A session's credentials, as STS gives them.
fn temporary() -> Value {
    json!({"accessKeyId": "ASIAIOSFODNN7EXAMPLE", "secretAccessKey": "secret", "sessionToken": "token"})
}

/// Answers every request with them.
async fn serve_credentials(agent: TcpListener) {
    let Value::Object(key) = temporary() else { return };
    let body = json!({
        "AccessKeyId": key["accessKeyId"],
        "SecretAccessKey": key["secretAccessKey"],
        "Token": key["sessionToken"],
        "Expiration": "2099-01-01T00:00:00Z",
    });
    let body = body.to_string();
    loop {
        let (mut stream, _) = agent.accept().await.unwrap();
        let mut request = [0; 4096];
        let _received = stream.read(&mut request).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let answer = format!("{head}connection: close\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn expired_credentials_stall_an_export_until_they_are_renewed() {
    let world = World::with("row-expired", &[], json!({"timing": {"denialStalledAfter": "2s"}})).await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.simulator.fault(json!({"action": {"type": "expiredToken"}})).await;
    world.export("one", "live", "s3://exports/a/").await;
    world.shows("one", HELD, "CredentialsUnavailable").await;
    world.shows("one", STALLED, "CredentialsUnavailable").await;
    world.reads("live", 2).await;
    assert_eq!(world.status_writes("one"), 2);
    world.simulator.no_faults().await;
    world.shows("one", PENDING, "ExportPending").await;
    world.simulator.end("live").await;
    let done = world.shows("one", DONE, "Exported").await;
    let described = ["Warning CredentialsUnavailable", "Normal ExportPending", "Normal Exported"];
    world.tells(&done, &described).await;
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (1, 5));
}

#[tokio::test]
async fn a_denied_call_warns_at_once_stalls_later_and_is_made_again() {
    let world = World::with("row-denied-call", &[], json!({"timing": {"denialStalledAfter": "2s"}})).await;
    let operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    let fault = json!({"operation": "ExportStreamSessionFiles", "action": {"type": "accessDenied"}});
    world.simulator.fault(fault).await;
    world.export("one", "live", "s3://exports/a/").await;
    let first = world.shows("one", HELD, "AccessDenied").await;
    assert!(message(&first).contains("gameliftstreams:ExportStreamSessionFiles"), "{}", message(&first));
    world.tells(&first, &["Warning AccessDenied"]).await;
    let metrics = operator.get("/metrics").await.1;
    assert!(metrics.contains("sessionexport_denials_total{"), "{metrics}");
    world.shows("one", STALLED, "AccessDenied").await;
    assert_eq!(world.entered("one"), ["Requesting", "AccessDenied", "AccessDenied"]);
    world.simulator.no_faults().await;
    world.shows("one", PENDING, "ExportPending").await;
    world.simulator.end("live").await;
    let done = world.shows("one", DONE, "Exported").await;
    world.tells(&done, &["Warning AccessDenied", "Normal ExportPending", "Normal Exported"]).await;
    assert_eq!(world.status_writes("one"), 5);
    assert_eq!(world.simulator.destinations("live").await, ["s3://exports/a/"]);
}

#[tokio::test]
async fn a_denied_read_names_the_read_and_nothing_is_requested() {
    let world = World::with("row-denied-read", &[], json!({"timing": {"denialStalledAfter": "2s"}})).await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    world.simulator.fault(json!({"operation": "GetStreamSession", "action": {"type": "accessDenied"}})).await;
    world.export("one", "live", "s3://exports/a/").await;
    let first = world.shows("one", HELD, "AccessDenied").await;
    assert!(message(&first).contains("gameliftstreams:GetStreamSession"), "{}", message(&first));
    let stalled = world.shows("one", STALLED, "AccessDenied").await;
    world.tells(&stalled, &["Warning AccessDenied"]).await;
    assert_eq!(world.simulator.exports("live").await, 0);
    world.simulator.no_faults().await;
    world.shows("one", PENDING, "ExportPending").await;
    assert_eq!((world.simulator.exports("live").await, world.status_writes("one")), (1, 4));
}

#[tokio::test]
async fn the_missing_part_is_logged_once_whatever_is_missing_next() {
    let world = World::new("row-denied-twice").await;
    let _operator = world.operator().await;
    world.simulator.session("live", json!({})).await;
    let denied = |operation| json!({"operation": operation, "action": {"type": "accessDenied"}});
    let read = world.simulator.fault(denied("GetStreamSession")).await;
    world.simulator.fault(denied("ExportStreamSessionFiles")).await;
    world.export_with("one", "live", "s3://exports/a/", json!({})).await;
    world.shows("one", HELD, "AccessDenied").await;
    world.simulator.ask("DELETE", &format!("faults/{}", read["id"]), Value::Null).await;
    let call = |status: &SessionExportStatus| row(status) == HELD && status.request_attempt_time.is_some();
    world.until("one", "denied the call", call).await;
    world.simulator.no_faults().await;
    world.shows("one", PENDING, "ExportPending").await;
    world.simulator.end("live").await;
    let done = world.shows("one", DONE, "Exported").await;
    world.tells(&done, &["Warning AccessDenied", "Normal ExportPending", "Normal Exported"]).await;
}
