//! Tests against a scripted server on loopback: the requests on the wire, and the result of every answer.

mod bounds;
mod environment;
mod failures;
mod network;
mod server;

use super::*;
use crate::aws::client::tests::server::{Reply, http, json, serve};
use crate::aws::model::ExportFilesStatus;
use crate::aws::operation::Operation;
use aws_credential_types::Credentials;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;

const CALL_TIMEOUT: Duration = Duration::from_millis(700);

fn client(url: &str, observer: Arc<dyn CallMetrics>) -> Client {
    client_with(CALL_TIMEOUT, url, observer)
}

fn client_with(call_timeout: Duration, url: &str, observer: Arc<dyn CallMetrics>) -> Client {
    let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .endpoint_url(url);
    Client::new(config.build(), call_timeout, observer, &TlsContext::default())
}

fn arn() -> SessionArn {
    SessionArn {
        region: "us-west-2".parse().unwrap(),
        account: "111122223333".parse().unwrap(),
        group: "sg-1AB2C3De4".parse().unwrap(),
        session: "ABC123def4567".parse().unwrap(),
    }
}

fn uri() -> OutputUri {
    "s3://amzn-s3-demo-bucket/a/".parse().unwrap()
}

/// Both operations fail alike, after one attempt each.
async fn both_fail(reply: Reply) -> CallFailure {
    let (url, seen) = serve(reply).await;
    let client = client(&url, seen.clone());
    let export = client.export(&arn(), &uri()).await.unwrap_err();
    assert_eq!(seen.requests.lock().len(), 1, "one attempt");
    let get = client.get(&arn()).await.unwrap_err();
    assert_eq!(get.class, export.class);
    assert_eq!(seen.requests.lock().len(), 2, "one attempt each");
    assert_eq!(*seen.attempts.lock(), vec![Some(get.class); 2]);
    export
}

const SESSION: &str = r#"{"Arn": "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1AB2C3De4/ABC123def4567",
  "Status": "CONNECTED", "StatusReason": "idleTimeout", "Location": "us-east-1", "SessionLengthSeconds": 3600,
  "CreatedAt": 1767323045.5, "ApplicationArn": "arn:aws:gameliftstreams:us-west-2:111122223333:application/a-9",
  "UserId": "secret-user", "SignalRequest": "secret-offer", "AdditionalEnvironmentVariables": {"KEY": "secret-value"},
  "ExportFilesMetadata": {"Status": "PENDING", "OutputUri": "s3://amzn-s3-demo-bucket/a/"}}"#;

#[tokio::test]
async fn a_read_has_the_permitted_fields_and_no_others() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let before = Instant::now();
    let reading = client(&url, seen.clone()).get(&arn()).await.unwrap();
    assert!(reading.begun >= before && reading.begun <= Instant::now());
    let session = reading.found.clone().unwrap();
    assert_eq!(session.status, crate::aws::model::SessionStatus::Connected);
    assert_eq!(session.session_length, Some(Duration::from_secs(3600)));
    assert_eq!(session.export.unwrap().output_uri.as_deref(), Some("s3://amzn-s3-demo-bucket/a/"));
    assert!(!format!("{reading:?}").contains("secret"));
    let requests = seen.requests.lock();
    assert!(requests[0].starts_with("GET /streamgroups/sg-1AB2C3De4/streamsessions/ABC123def4567 HTTP/1.1"));
    assert!(
        requests[0].contains(&format!("lib/session-export-operator/{}", env!("CARGO_PKG_VERSION"))),
        "{}",
        requests[0]
    );
    assert_eq!(*seen.attempts.lock(), [None]);
}

const LIST: &str = r#"{"NextToken": "opaque-42", "Items": [
  {"Arn": "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1AB2C3De4/one", "Status": "ACTIVE",
   "UserId": "secret-user", "CreatedAt": 1767323045.5, "ExportFilesMetadata": {"Status": "PENDING"}},
  {"Arn": "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/two", "Status": "DREAMING"},
  {"Arn": "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-other/three", "Status": "ACTIVE"},
  {"Arn": "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1AB2C3De4/four"}, {"Arn": "nonsense"}]}"#;

#[tokio::test]
async fn a_page_has_the_permitted_fields_of_each_session_and_skips_invalid_ones() {
    let (url, seen) = serve(json("200 OK", "", LIST)).await;
    let client = client(&url, seen.clone());
    let group = arn().stream_group();
    let page = client.list(&group, Filter::Export(ExportFilesStatus::Pending), None).await.unwrap();
    let names: Vec<&str> = page.sessions.iter().map(|(session, _)| session.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    let export = page.sessions[0].1.export.clone().unwrap();
    assert_eq!((export.status, export.output_uri), (ExportFilesStatus::Pending, None));
    assert_eq!(page.sessions[1].1.status, crate::aws::model::SessionStatus::Unknown);
    assert!(!format!("{page:?}").contains("secret") && !format!("{page:?}").contains("opaque"));
    let connected = Filter::Session(crate::aws::model::SessionStatus::Connected);
    client.list(&group, connected, page.next.as_ref()).await.unwrap();
    let requests = seen.requests.lock();
    let line = |n: usize| requests[n].lines().next().unwrap().to_owned();
    assert!(line(0).starts_with("GET /streamgroups/sg-1AB2C3De4/streamsessions?"), "{}", line(0));
    assert!(line(0).contains("ExportFilesStatus=PENDING") && line(0).contains("MaxResults=100"), "{}", line(0));
    assert!(line(1).contains("Status=CONNECTED") && line(1).contains("NextToken=opaque-42"), "{}", line(1));
    assert_eq!(*seen.attempts.lock(), [None, None]);
    assert_eq!(seen.unknown_enum_values.load(Ordering::SeqCst), 2, "one on each of the two pages");
}

#[tokio::test]
async fn an_empty_page_is_only_believed_of_aws_itself() {
    let group = arn().stream_group();
    let pending = Filter::Export(ExportFilesStatus::Pending);
    let (url, seen) = serve(json("200 OK", "", "{}")).await;
    assert_eq!(client(&url, seen).list(&group, pending, None).await.unwrap().sessions, []);
    for portal in [http("200 OK", "content-type: application/json\r\n", "{}"), http("200 OK", "", "<html>")] {
        let (url, seen) = serve(portal).await;
        let failure = client(&url, seen).list(&group, pending, None).await.unwrap_err();
        assert_eq!((failure.class, failure.operation), (FailureClass::Unavailable, Operation::List));
    }
}

#[tokio::test]
async fn an_export_is_one_put_of_plain_ids() {
    let (url, seen) = serve(json("200 OK", "", "{}")).await;
    let answer = client(&url, seen.clone()).export(&arn(), &uri()).await.unwrap();
    assert_eq!(answer.request_id, "req-1");
    let requests = seen.requests.lock();
    assert!(
        requests[0].starts_with("PUT /streamgroups/sg-1AB2C3De4/streamsessions/ABC123def4567/exportfiles HTTP/1.1")
    );
    assert!(requests[0].ends_with(r#"{"OutputUri":"s3://amzn-s3-demo-bucket/a/"}"#));
    assert!(requests[0].contains("/us-west-2/gameliftstreams/aws4_request"));
}

#[tokio::test]
async fn words_of_a_later_version_are_unknown() {
    let body = SESSION.replace("CONNECTED", "DREAMING").replace("PENDING", "ARCHIVED").replace("idleTimeout", "x\\ny");
    let (url, seen) = serve(json("200 OK", "", &body)).await;
    let session = client(&url, seen.clone()).get(&arn()).await.unwrap().found.unwrap();
    assert_eq!(seen.unknown_enum_values.load(Ordering::SeqCst), 2, "and counted");
    assert_eq!(session.status, crate::aws::model::SessionStatus::Unknown);
    assert_eq!(session.export.unwrap().status, crate::aws::model::ExportFilesStatus::Unknown);
    assert_eq!(session.status_reason, None);
}

#[tokio::test]
async fn no_such_session_is_an_answer_to_a_read_and_a_refusal_of_a_call() {
    let (url, seen) = serve(json("404 Not Found", "ResourceNotFoundException", r#"{"Message": "no"}"#)).await;
    let client = client(&url, seen.clone());
    assert_eq!(client.get(&arn()).await.unwrap().found, None);
    let refused = client.export(&arn(), &uri()).await.unwrap_err();
    assert_eq!((refused.class, refused.http), (FailureClass::NotFound, Some(404)));
    assert_eq!(refused.detail.code(), Some("ResourceNotFoundException"));
    assert_eq!(refused.request_id.as_deref(), Some("req-1"));
    assert_eq!(*seen.attempts.lock(), [None, Some(FailureClass::NotFound)]);
}

#[tokio::test]
async fn answers_of_aws() {
    let rows = [
        ("429 Too Many Requests", "ThrottlingException", FailureClass::Throttled),
        ("403 Forbidden", "AccessDeniedException", FailureClass::AccessDenied),
        ("403 Forbidden", "ExpiredTokenException:http://internal.amazon.com/coral/", FailureClass::Credentials),
        ("400 Bad Request", "ValidationException", FailureClass::Rejected),
        ("500 Internal Server Error", "InternalServerException", FailureClass::Unavailable),
    ];
    for (status, code, class) in rows {
        let failure = both_fail(json(status, code, r#"{"Message": "no"}"#)).await;
        assert_eq!(failure.class, class, "{code}");
        assert_eq!(failure.detail.code(), code.split(':').next());
    }
}

#[tokio::test]
async fn answers_that_are_not_from_aws_leave_the_outcome_open() {
    let html = "<html>Service Unavailable</html>";
    let rows = [
        http("503 Service Unavailable", "content-type: text/html\r\n", html),
        http("403 Forbidden", "content-type: text/html\r\n", html),
        http("404 Not Found", "content-type: text/html\r\n", html),
        http("302 Found", "location: http://portal.example/\r\n", ""),
        http("200 OK", "content-type: text/html\r\n", html),
        http("200 OK", "content-type: application/json\r\n", "{}"),
        Reply::Text("HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{".to_owned()),
        Reply::Text("nonsense\r\n\r\n".to_owned()),
        Reply::Reset,
        Reply::Close,
    ];
    for reply in rows {
        let shown = if let Reply::Text(text) = &reply { text.clone() } else { "reset or close".to_owned() };
        assert_eq!(both_fail(reply).await.class, FailureClass::Unavailable, "{shown}");
    }
}

#[tokio::test]
async fn a_signature_refused_for_its_time_is_soon_tried_again() {
    let body = r#"{"message": "Signature expired: 20120210T173031Z is now earlier than 20120210T175031Z"}"#;
    assert_eq!(
        both_fail(json("403 Forbidden", "InvalidSignatureException", body)).await.class,
        FailureClass::Unreachable
    );
}

#[tokio::test]
async fn a_description_of_something_else_is_no_answer() {
    let other = SESSION.replace("ABC123def4567", "XYZ");
    for body in ["{}", "", "{\"Arn\": 7", &other, &SESSION.replace("\"Status\": \"CONNECTED\", ", "")] {
        let (url, seen) = serve(json("200 OK", "", body)).await;
        assert_eq!(client(&url, seen).get(&arn()).await.unwrap_err().class, FailureClass::Unavailable, "{body}");
    }
}

#[tokio::test]
async fn refused_connections_and_unknown_hosts_are_unreachable() {
    // Bound, so that no other process gets the port, and not listening.
    let refusing = tokio::net::TcpSocket::new_v4().unwrap();
    refusing.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refused = refusing.local_addr().unwrap();
    let hanging_tls = serve(Reply::Silence).await.0.replace("http:", "https:");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broken_tls = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    for url in [format!("http://{refused}"), "http://nowhere.invalid".to_owned(), broken_tls, hanging_tls] {
        let failure = client(&url, Arc::new(())).export(&arn(), &uri()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unreachable, "{url}");
    }
}

#[tokio::test]
async fn a_black_hole_is_given_up_in_time_and_the_outcome_is_open() {
    let (url, seen) = serve(Reply::Silence).await;
    let begun = Instant::now();
    let failure = client(&url, seen.clone()).export(&arn(), &uri()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Unavailable);
    assert!(begun.elapsed() >= Duration::from_millis(600), "{:?}", begun.elapsed());
    assert_eq!(seen.requests.lock().len(), 1);
}

#[tokio::test]
async fn an_abandoned_call_is_counted() {
    let (url, seen) = serve(Reply::Silence).await;
    let client = client(&url, seen.clone());
    assert!(tokio::time::timeout(Duration::from_millis(100), client.export(&arn(), &uri())).await.is_err());
    assert_eq!(*seen.attempts.lock(), [Some(FailureClass::Unavailable)]);
}

#[tokio::test]
async fn unanswered_calls_of_an_identity_are_bounded() {
    let (url, seen) = serve(Reply::Silence).await;
    let client = client(&url, seen.clone());
    let arn = arn();
    let calls = futures::future::join_all((0..MAX_IN_FLIGHT + 3).map(|_| client.get(&arn))).await;
    let unsent = calls.iter().filter(|call| call.as_ref().unwrap_err().class == FailureClass::Unreachable).count();
    assert_eq!(unsent, 3);
    assert_eq!(seen.attempts.lock().len(), MAX_IN_FLIGHT);
}

#[tokio::test]
async fn connections_are_reused() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let client = client(&url, seen.clone());
    for _ in 0..5 {
        client.get(&arn()).await.unwrap();
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn invented_regions_do_not_pile_up() {
    let client = client("http://127.0.0.1:9", Arc::new(()));
    for number in 0..200 {
        let word: String = [number / 26, number % 26].map(|n: u8| char::from(b'a' + n)).iter().collect();
        client.regional_client(&format!("us-{word}-1").parse().unwrap());
    }
    assert!(client.inner.regions.lock().len() <= MAX_REGIONS);
}
