//! Endless and oversized answers, of AWS or of a proxy.

use crate::aws::client::bounded_body::{ANSWER_BOUND, PAGE_BOUND};
use crate::aws::client::tests::server::{Reply, endless, http, json, serve};
use crate::aws::client::tests::{LIST, SESSION, arn, client, client_with, uri};
use crate::aws::client::*;
use crate::aws::model::ExportFilesStatus;
use std::sync::atomic::Ordering;

/// Far longer than an answer on loopback takes, so no failure is a time-out.
const NO_TIMEOUT: Duration = Duration::from_secs(20);

async fn call(client: &Client, operation: Operation) -> Result<(), CallFailure> {
    match operation {
        Operation::Get => client.get(&arn()).await.map(drop),
        Operation::Export => client.export(&arn(), &uri()).await.map(drop),
        Operation::List => {
            let pending = Filter::Export(ExportFilesStatus::Pending);
            client.list(&arn().stream_group(), pending, None).await.map(drop)
        }
    }
}

/// AWS's answer, and the bound of its body in bytes.
fn answer(operation: Operation) -> (&'static str, usize) {
    match operation {
        Operation::Get => (SESSION, ANSWER_BOUND),
        Operation::Export => ("{}", ANSWER_BOUND),
        Operation::List => (LIST, PAGE_BOUND),
    }
}

async fn outcome(reply: Reply, operation: Operation) -> Result<(), CallFailure> {
    let (url, seen) = serve(reply).await;
    let outcome = call(&client_with(NO_TIMEOUT, &url, seen.clone()), operation).await;
    assert_eq!(seen.requests.lock().len(), 1, "one attempt");
    let class = outcome.as_ref().err().map(|failure| failure.class);
    assert_eq!(*seen.attempts.lock(), [class]);
    outcome
}

/// Pads with blanks at the end, which JSON allows.
fn padded(body: &str, length: usize) -> String {
    body.to_owned() + &" ".repeat(length - body.len())
}

fn in_chunks(body: &str) -> Reply {
    let headers = "content-type: application/json\r\nx-amzn-requestid: req-1\r\ntransfer-encoding: chunked\r\n";
    let chunks: String = body
        .as_bytes()
        .chunks(50_000)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()))
        .collect();
    Reply::Text(format!("HTTP/1.1 200 OK\r\n{headers}\r\n{chunks}0\r\n\r\n"))
}

#[tokio::test]
async fn an_answer_as_long_as_the_bound_is_read_and_a_longer_one_is_unusable() {
    for operation in Operation::ALL {
        let (body, bound) = answer(operation);
        for (length, is_usable) in [(bound - 1, true), (bound, true), (bound + 1, false), (2 * bound, false)] {
            let padded = padded(body, length);
            for reply in [json("200 OK", "", &padded), in_chunks(&padded)] {
                let failure = outcome(reply, operation).await.err().map(|failure| (failure.class, failure.http));
                let expected = (!is_usable).then_some((FailureClass::Unavailable, Some(200)));
                assert_eq!(failure, expected, "{operation:?} {length}");
            }
        }
    }
}

#[tokio::test]
async fn an_endless_answer_decides_nothing_and_its_connection_is_closed() {
    let rows = [
        ("200 OK", ""),
        ("403 Forbidden", "x-amzn-errortype: AccessDeniedException\r\n"),
        ("404 Not Found", "x-amzn-errortype: ResourceNotFoundException\r\n"),
        ("429 Too Many Requests", "x-amzn-errortype: ThrottlingException\r\n"),
        ("503 Service Unavailable", ""),
    ];
    for operation in Operation::ALL {
        for (status, headers) in rows {
            let (url, seen) = serve(endless(status, headers)).await;
            let failure = call(&client_with(NO_TIMEOUT, &url, seen.clone()), operation).await.unwrap_err();
            assert_eq!(failure.class, FailureClass::Unavailable, "{operation:?} {status}");
            assert!(failure.http.is_some(), "an answer, and no time-out: {operation:?} {status}");
            seen.until_cut_off().await;
        }
    }
}

#[tokio::test]
async fn an_announced_length_beyond_the_bound_is_refused_before_it_comes() {
    for operation in Operation::ALL {
        let (_, bound) = answer(operation);
        for length in [bound as u64 + 1, 1 << 40] {
            // The announced body never comes, so only the announcement can fail.
            let head = format!("HTTP/1.1 200 OK\r\nx-amzn-requestid: req-1\r\ncontent-length: {length}\r\n\r\n");
            let failure = outcome(Reply::Text(head), operation).await.unwrap_err();
            assert_eq!((failure.class, failure.http), (FailureClass::Unavailable, Some(200)), "{operation:?} {length}");
        }
    }
}

#[tokio::test]
async fn what_has_no_end_before_the_body_or_after_it_is_given_up() {
    let piece = |text: &str| text.repeat(1 + 0x10000 / text.len()).into_bytes();
    let chunked = "HTTP/1.1 200 OK\r\nx-amzn-requestid: req-1\r\ntransfer-encoding: chunked\r\n\r\n";
    let rows = [
        ("headers", "HTTP/1.1 200 OK\r\n".to_owned(), piece("x-header: value\r\n")),
        ("one header", "HTTP/1.1 200 OK\r\nx-header: ".to_owned(), piece("x")),
        ("a reason phrase", "HTTP/1.1 200 ".to_owned(), piece("x")),
        ("interim answers", String::new(), piece("HTTP/1.1 100 Continue\r\n\r\n")),
        ("a chunk's extension", format!("{chunked}2;x="), piece("x")),
        ("a chunk's length", chunked.to_owned(), piece("0")),
        ("trailers", format!("{chunked}2\r\n{{}}\r\n0\r\n"), piece("x-header: value\r\n")),
    ];
    for (what, head, piece) in rows {
        let (url, seen) = serve(Reply::Endless { head, piece, pause: Duration::ZERO }).await;
        let failure = call(&client(&url, seen.clone()), Operation::Get).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Unavailable, "{what}");
        seen.until_cut_off().await;
    }
}

#[tokio::test]
async fn five_megabytes_of_headers_are_no_answer() {
    for headers in [format!("x-header: {}\r\n", "x".repeat(5_000_000)), "x-header: value\r\n".repeat(300_000)] {
        for operation in Operation::ALL {
            let failure = outcome(http("200 OK", &headers, answer(operation).0), operation).await.unwrap_err();
            assert_eq!(failure.class, FailureClass::Unavailable);
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_drop_by_drop_is_given_up_and_its_connection_is_closed() {
    for operation in Operation::ALL {
        let head = "HTTP/1.1 200 OK\r\nx-amzn-requestid: req-1\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        let (url, seen) =
            serve(Reply::Endless { head, piece: b"1\r\n \r\n".to_vec(), pause: Duration::from_millis(20) }).await;
        let failure = call(&client(&url, seen.clone()), operation).await.unwrap_err();
        assert_eq!((failure.class, failure.http), (FailureClass::Unavailable, None), "{operation:?}");
        seen.until_cut_off().await;
    }
}

/// Deeper than a stack holds, if each bracket were a call. The answer to an export is empty: only its 200 counts.
#[tokio::test]
async fn deeply_nested_brackets_end_nothing() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let (unknown, known) = (format!(r#"{{"Unknown": {nested}}}"#), format!(r#"{{"Items": {nested}}}"#));
        for body in [open.repeat(200_000), nested, unknown, known] {
            for operation in Operation::ALL {
                let failure = outcome(json("200 OK", "", &body), operation).await.err();
                assert_eq!(failure.is_none(), operation == Operation::Export, "{}", &body[..20]);
                let failure = outcome(json("400 Bad Request", "", &body), operation).await.unwrap_err();
                assert_eq!(failure.class, FailureClass::Unavailable, "{}", &body[..20]);
            }
        }
    }
}

/// A gzip bomb takes no more than the bound either, because nothing unpacks it.
#[tokio::test]
async fn a_content_encoding_is_neither_requested_nor_decoded() {
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let headers =
            format!("content-type: application/json\r\nx-amzn-requestid: req-1\r\ncontent-encoding: {encoding}\r\n");
        let (url, seen) = serve(http("200 OK", &headers, SESSION)).await;
        let reading = client(&url, seen.clone()).get(&arn()).await.unwrap();
        assert!(reading.found.is_some(), "what is called {encoding} is read as it stands");
        assert!(!seen.requests.lock()[0].to_lowercase().contains("accept-encoding"));
    }
}

#[tokio::test]
async fn the_client_says_which_http_client_it_has_and_keeps_its_connections() {
    let (url, seen) = serve(json("200 OK", "", &padded(SESSION, ANSWER_BOUND))).await;
    let client = client(&url, seen.clone());
    for _ in 0..3 {
        client.get(&arn()).await.unwrap();
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
    let requests = seen.requests.lock();
    assert!(requests[0].contains("md/http#hyper"), "{}", requests[0]);
}
