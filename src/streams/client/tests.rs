//! Against a scripted server on loopback: what arrives on the wire, and what is made of every answer.

use super::*;
use aws_credential_types::Credentials;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
enum Reply {
    Text(String),
    Reset,
    Close,
    Silence,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<String>>,
    attempts: Mutex<Vec<Option<FailureClass>>>,
    connections: AtomicUsize,
}

impl Observer for Seen {
    fn call(&self, _: Operation, class: Option<FailureClass>, _: Duration) {
        self.attempts.lock().unwrap().push(class);
    }
}

fn http(status: &str, headers: &str, body: &str) -> Reply {
    Reply::Text(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()))
}

fn json(status: &str, code: &str, body: &str) -> Reply {
    let code = if code.is_empty() { String::new() } else { format!("x-amzn-errortype: {code}\r\n") };
    http(status, &format!("content-type: application/json\r\nx-amzn-requestid: req-1\r\n{code}"), body)
}

async fn converse(mut stream: TcpStream, seen: Arc<Seen>, reply: Reply) {
    loop {
        let mut request = Vec::new();
        let complete = |text: &str| {
            let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.split("\r\n").next().and_then(|n| n.parse::<usize>().ok()).unwrap_or(0));
            body.len() >= length
        };
        while !complete(&String::from_utf8_lossy(&request)) {
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
        seen.requests.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
        match &reply {
            Reply::Text(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Reply::Close => return,
            Reply::Reset => return stream.set_zero_linger().unwrap(),
            Reply::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
        }
    }
}

async fn serve(reply: Reply) -> (String, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Seen::default());
    let server = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            server.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(converse(stream, server.clone(), reply.clone()));
        }
    });
    (url, seen)
}

fn timing() -> Timing {
    Timing { call_timeout: Duration::from_millis(700), ..Timing::default() }
}

fn client(url: &str, observer: Arc<dyn Observer>) -> Client {
    let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .endpoint_url(url);
    Client::new(config.build(), &timing(), observer)
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
    assert_eq!(seen.requests.lock().unwrap().len(), 1, "one attempt");
    let get = client.get(&arn()).await.unwrap_err();
    assert_eq!(get.class, export.class);
    assert_eq!(seen.requests.lock().unwrap().len(), 2, "one attempt each");
    assert_eq!(*seen.attempts.lock().unwrap(), vec![Some(get.class); 2]);
    export
}

const SESSION: &str = r#"{"Arn": "arn:aws:gameliftstreams:us-west-2:111122223333:streamsession/sg-1AB2C3De4/ABC123def4567",
  "Status": "CONNECTED", "StatusReason": "idleTimeout", "Location": "us-east-1", "SessionLengthSeconds": 3600,
  "CreatedAt": 1767323045.5, "ApplicationArn": "arn:aws:gameliftstreams:us-west-2:111122223333:application/a-9",
  "UserId": "secret-user", "SignalRequest": "secret-offer", "AdditionalEnvironmentVariables": {"KEY": "secret-value"},
  "ExportFilesMetadata": {"Status": "PENDING", "OutputUri": "s3://amzn-s3-demo-bucket/a/"}}"#;

#[tokio::test]
async fn a_read_tells_what_may_be_known_and_nothing_else() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let before = Instant::now();
    let reading = client(&url, seen.clone()).get(&arn()).await.unwrap();
    assert!(reading.begun >= before && reading.begun <= Instant::now());
    let session = reading.found.clone().unwrap();
    assert_eq!(session.status, crate::streams::observation::SessionStatus::Connected);
    assert_eq!(session.session_length, Some(Duration::from_secs(3600)));
    assert_eq!(session.export.unwrap().output_uri.as_deref(), Some("s3://amzn-s3-demo-bucket/a/"));
    assert!(!format!("{reading:?}").contains("secret"));
    let requests = seen.requests.lock().unwrap();
    assert!(requests[0].starts_with("GET /streamgroups/sg-1AB2C3De4/streamsessions/ABC123def4567 HTTP/1.1"));
    assert!(
        requests[0].contains(&format!("lib/session-export-operator/{}", env!("CARGO_PKG_VERSION"))),
        "{}",
        requests[0]
    );
    assert_eq!(*seen.attempts.lock().unwrap(), [None]);
}

#[tokio::test]
async fn an_export_is_one_put_of_plain_ids() {
    let (url, seen) = serve(json("200 OK", "", "{}")).await;
    let answer = client(&url, seen.clone()).export(&arn(), &uri()).await.unwrap();
    assert_eq!(answer.request_id, "req-1");
    let requests = seen.requests.lock().unwrap();
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
    let session = client(&url, seen).get(&arn()).await.unwrap().found.unwrap();
    assert_eq!(session.status, crate::streams::observation::SessionStatus::Unknown);
    assert_eq!(session.export.unwrap().status, crate::streams::observation::ExportFilesStatus::Unknown);
    assert_eq!(session.status_reason, None);
}

#[tokio::test]
async fn no_such_session_is_an_answer_to_a_read_and_a_refusal_of_a_call() {
    let (url, seen) = serve(json("404 Not Found", "ResourceNotFoundException", r#"{"Message": "no"}"#)).await;
    let client = client(&url, seen.clone());
    assert_eq!(client.get(&arn()).await.unwrap().found, None);
    let refused = client.export(&arn(), &uri()).await.unwrap_err();
    assert_eq!((refused.class, refused.http), (FailureClass::NotFound, Some(404)));
    assert_eq!(refused.code.as_deref(), Some("ResourceNotFoundException"));
    assert_eq!(refused.request_id.as_deref(), Some("req-1"));
    assert_eq!(*seen.attempts.lock().unwrap(), [None, Some(FailureClass::NotFound)]);
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
        assert_eq!(failure.code.as_deref(), code.split(':').next());
    }
}

#[tokio::test]
async fn answers_that_are_not_the_word_of_aws_leave_the_outcome_open() {
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
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hanging_tls = serve(Reply::Silence).await.0.replace("http:", "https:");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let broken_tls = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    for url in [format!("http://{free}"), "http://nowhere.invalid".to_owned(), broken_tls, hanging_tls] {
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
    assert!((600..1500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(seen.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_abandoned_call_is_counted() {
    let (url, seen) = serve(Reply::Silence).await;
    let client = client(&url, seen.clone());
    assert!(tokio::time::timeout(Duration::from_millis(100), client.export(&arn(), &uri())).await.is_err());
    assert_eq!(*seen.attempts.lock().unwrap(), [Some(FailureClass::Unavailable)]);
}

#[tokio::test]
async fn unanswered_calls_of_an_identity_are_bounded() {
    let (url, seen) = serve(Reply::Silence).await;
    let client = client(&url, seen.clone());
    let arn = arn();
    let calls = futures::future::join_all((0..MAX_IN_FLIGHT + 3).map(|_| client.get(&arn))).await;
    let unsent = calls.iter().filter(|call| call.as_ref().unwrap_err().class == FailureClass::Unreachable).count();
    assert_eq!(unsent, 3);
    assert_eq!(seen.attempts.lock().unwrap().len(), MAX_IN_FLIGHT);
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
        client.region(&format!("us-{word}-1").parse().unwrap());
    }
    assert!(client.inner.regions.lock().unwrap().len() <= MAX_REGIONS);
}

/// Runs [`as_the_environment_says`] in a process with this environment alone.
fn child(environment: &[(&str, &str)]) -> String {
    let name = "streams::client::tests::as_the_environment_says";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
#[ignore = "run by the tests below, in a process of its own"]
async fn as_the_environment_says() {
    let client = Client::load(None, &timing(), Arc::new(())).await;
    let outcome = client.get(&arn()).await.map_err(|failure| failure.class);
    println!("region {:?} outcome {:?}", client.resolved_region(), outcome.map(|reading| reading.found.is_some()));
}

#[tokio::test]
async fn the_environment_gives_region_keys_and_endpoint() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let told = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ])
    });
    let told = told.await.unwrap();
    assert!(told.contains("region Some(Region(\"eu-central-1\")) outcome Ok(true)"), "{told}");
    assert_eq!(seen.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn missing_credentials_come_out_as_such_and_send_nothing() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let told = tokio::task::spawn_blocking(move || child(&[("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url)])).await.unwrap();
    assert!(told.contains("region None outcome Err(Credentials)"), "{told}");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_sts_that_hangs_is_credentials_trouble_too() {
    let (sts, _) = serve(Reply::Silence).await;
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let token = std::env::temp_dir().join(format!("streams-test-token-{}", std::process::id()));
    std::fs::write(&token, "token").unwrap();
    let path = token.to_str().unwrap().to_owned();
    let told = tokio::task::spawn_blocking(move || {
        child(&[
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", &url),
            ("AWS_ENDPOINT_URL_STS", &sts),
            ("AWS_REGION", "us-west-2"),
            ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/r"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &path),
        ])
    });
    let told = told.await.unwrap();
    std::fs::remove_file(&token).unwrap();
    assert!(told.contains("outcome Err(Credentials)"), "{told}");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

#[derive(Debug)]
struct Hanging;

impl aws_credential_types::provider::ProvideCredentials for Hanging {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        aws_credential_types::provider::future::ProvideCredentials::new(std::future::pending())
    }
}

#[tokio::test]
async fn all_who_wait_for_the_same_credentials_learn_that_they_failed() {
    let (url, seen) = serve(json("200 OK", "", SESSION)).await;
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).endpoint_url(url);
    let config = config.credentials_provider(SharedCredentialsProvider::new(Hanging)).build();
    let (client, arn) = (Client::new(config, &timing(), seen.clone()), arn());
    for call in futures::future::join_all((0..20).map(|_| client.get(&arn))).await {
        assert_eq!(call.unwrap_err().class, FailureClass::Credentials);
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}
