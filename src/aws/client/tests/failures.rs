//! What is known of a failed call: AWS's words, or why there is no answer, and from which host.

use crate::aws::client::tests::environment::{TIMEOUT_VARIABLE, child, web_identity_token};
use crate::aws::client::tests::server::{Reply, endless, http, json, serve};
use crate::aws::client::tests::{CALL_TIMEOUT, arn, client_with, uri};
use crate::aws::client::*;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// The time-out of a call that fails before.
const LONG: Duration = Duration::from_secs(20);

async fn failure_of(call_timeout: Duration, url: &str) -> CallFailure {
    client_with(call_timeout, url, Arc::new(())).export(&arn(), &uri()).await.unwrap_err()
}

/// The failure of a call that is answered so, and whether it names the server.
async fn answered_with(reply: Reply) -> (CallFailure, bool) {
    let (url, _) = serve(reply).await;
    let failure = failure_of(LONG, &url).await;
    let names_host = failure.host.as_deref() == url.strip_prefix("http://");
    (failure, names_host)
}

/// An address at which nothing listens.
async fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn aws_own_words_are_passed_on_and_the_log_has_the_principal() {
    let text = "User: arn:aws:sts::111122223333:assumed-role/exporter/pod-1 is not authorized to perform: s3:PutObject";
    let body = serde_json::json!({ "Message": text }).to_string();
    let (failure, _) = answered_with(json("403 Forbidden", "AccessDeniedException", &body)).await;
    let shown = "User: the operator's role is not authorized to perform: s3:PutObject";
    let FailureDetail::Answer(answer) = &failure.detail else { panic!("{failure:?}") };
    assert_eq!((&*answer.code, &*answer.text), ("AccessDeniedException", shown));
    assert!(failure.to_string().contains(text), "{failure}");
    assert_eq!(failure.host, None);
}

#[tokio::test]
async fn two_pods_and_two_requests_show_the_same_words() {
    let answer = |pod: &str, id: &str| {
        let text = format!("arn:aws:sts::111122223333:assumed-role/r/{pod} may not (Request ID: {id})");
        json("403 Forbidden", "AccessDeniedException", &serde_json::json!({ "message": text }).to_string())
    };
    let (one, _) = answered_with(answer("pod-1", "0b2d7f4e-5e0f-4f7c-9d5c-2c7a1c0e9f11")).await;
    let (other, _) = answered_with(answer("pod-2", "4442587FB7D0A2F9")).await;
    assert_eq!(one.detail, other.detail);
    assert_ne!(one.original, other.original);
}

#[tokio::test]
async fn a_hostile_text_is_cut_and_has_no_control_characters_in_the_log() {
    let text = format!("\u{1b}[31mred\n\u{202e}{}", "x".repeat(4096));
    let body = serde_json::json!({ "message": text }).to_string();
    let (failure, _) = answered_with(json("400 Bad Request", "ValidationException", &body)).await;
    let original = failure.original.clone().unwrap();
    assert!(original.len() <= 1024 && original.starts_with("\\u{1b}[31mred\\n\\u{202e}xxx"), "{original}");
    let FailureDetail::Answer(answer) = &failure.detail else { panic!("{failure:?}") };
    assert!(answer.text.len() <= 1024);
}

#[tokio::test]
async fn why_there_is_no_answer_is_known_and_the_host_is_named() {
    let connection = FailureDetail::Connection;
    let (broken, named) = answered_with(Reply::Close).await;
    assert_eq!((broken.detail, named), (connection(ConnectionFailure::Broken), true));
    let (broken, named) = answered_with(Reply::Reset).await;
    assert_eq!((broken.detail, named), (connection(ConnectionFailure::Broken), true));
    let (silent, _) = serve(Reply::Silence).await;
    assert_eq!(failure_of(CALL_TIMEOUT, &silent).await.detail, connection(ConnectionFailure::Timeout));
    let cut = Reply::Text("HTTP/1.1 500 x\r\ncontent-length: 100\r\n\r\n{".to_owned());
    let (cut, _) = serve(cut).await;
    assert_eq!(failure_of(CALL_TIMEOUT, &cut).await.detail, connection(ConnectionFailure::Timeout));
    let cut_off = "HTTP/1.1 500 x\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    let (broken, _) = answered_with(Reply::Text(cut_off.to_owned())).await;
    assert_eq!(broken.detail, connection(ConnectionFailure::Broken));
    let (oversized, _) = answered_with(endless("500 x", "")).await;
    assert_eq!(oversized.detail, connection(ConnectionFailure::Oversized));
    let (foreign, _) = answered_with(http("503 Service Unavailable", "", "<html>")).await;
    assert_eq!(foreign.detail, FailureDetail::ForeignAnswer(503));
    let (portal, _) = answered_with(http("200 OK", "", "{}")).await;
    assert_eq!(portal.detail, FailureDetail::ForeignAnswer(200));

    let address = free_address().await;
    let refused = failure_of(LONG, &format!("http://{address}")).await;
    assert_eq!(refused.detail, connection(ConnectionFailure::Refused));
    assert_eq!(refused.host, Some(address));
    let unknown = failure_of(LONG, "https://nowhere.invalid").await;
    assert_eq!(unknown.detail, connection(ConnectionFailure::NameResolution));
    assert_eq!(unknown.host.as_deref(), Some("nowhere.invalid"));
}

/// Connections beyond the backlog of a listener that accepts none are never established.
#[tokio::test]
async fn a_connection_that_is_never_established_is_told_from_a_late_answer() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let failure = failure_of(CALL_TIMEOUT, &format!("http://{address}")).await;
    assert_eq!(failure.detail, FailureDetail::Connection(ConnectionFailure::ConnectTimeout));
    assert_eq!(failure.class, FailureClass::Unreachable);
    assert_eq!(failure.host, Some(address.to_string()));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

/// What a child prints of its failed call with this environment, its service being at an address that nothing may call.
async fn child_with(environment: &[(&'static str, &str)]) -> String {
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let running = tokio::task::spawn_blocking(move || {
        let mut all = vec![
            ("AWS_REGION", "us-west-2"),
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", "https://nowhere.invalid"),
            (TIMEOUT_VARIABLE, "20"),
        ];
        all.extend(environment.iter().map(|(name, value)| (*name, value.as_str())));
        child(&all)
    });
    running.await.unwrap()
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_from_aws() {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")];
    let (proxy, _) = serve(http("403 Forbidden", "", "no")).await;
    let printed = child_with(&[keys[0], keys[1], ("HTTPS_PROXY", &proxy)]).await;
    assert!(printed.contains("detail Connection(Proxy) host Some(\"nowhere.invalid\")"), "{printed}");
    let absent = format!("http://{}", free_address().await);
    let printed = child_with(&[keys[0], keys[1], ("HTTPS_PROXY", &absent)]).await;
    assert!(printed.contains("detail Connection(Refused)"), "{printed}");
}

#[tokio::test]
async fn a_source_of_credentials_that_fails_says_why() {
    let address = free_address().await;
    let absent = format!("http://{address}/creds");
    let printed = child_with(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &absent)]).await;
    let expected = format!("detail CredentialsSource(Refused) host Some({address:?})");
    assert!(printed.contains(&expected) && printed.contains("outcome Err(Unreachable)"), "{printed}");

    let refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not authorized to perform \
                   sts:AssumeRoleWithWebIdentity</Message></Error><RequestId>1</RequestId></ErrorResponse>";
    let (sts, _) = serve(http("403 Forbidden", "content-type: text/xml\r\n", refusal)).await;
    let token = web_identity_token();
    let printed = child_with(&[
        ("AWS_ENDPOINT_URL_STS", &sts),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().to_str().unwrap()),
    ])
    .await;
    let words = r#"code: "AccessDenied", text: "Not authorized to perform sts:AssumeRoleWithWebIdentity""#;
    assert!(printed.contains(words) && printed.contains("outcome Err(Credentials)"), "{printed}");
    assert!(printed.contains("host None"), "{printed}");
}
