//! A scripted server on loopback.

use crate::aws::failure::FailureClass;
use crate::aws::operation::{CallMetrics, Operation};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(super) enum Reply {
    Text(String),
    /// A beginning, then the same piece without an end, with a pause before each.
    Endless {
        head: String,
        piece: Vec<u8>,
        pause: Duration,
    },
    /// One reply to the first request, another to all others.
    Then(Box<Reply>, Box<Reply>),
    Reset,
    Close,
    Silence,
}

impl Reply {
    fn to_request(&self, number: usize) -> &Self {
        match self {
            Self::Then(first, _) if number == 1 => first,
            Self::Then(_, others) => others,
            Self::Text(_) | Self::Endless { .. } | Self::Reset | Self::Close | Self::Silence => self,
        }
    }
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) requests: Mutex<Vec<String>>,
    pub(super) attempts: Mutex<Vec<Option<FailureClass>>>,
    pub(super) unknown_enum_values: AtomicUsize,
    pub(super) connections: AtomicUsize,
    /// Endless replies that ended because the client closed the connection.
    pub(super) cut_off: AtomicUsize,
}

impl Seen {
    /// Waits until the client has closed the connection of an endless reply.
    pub(super) async fn until_cut_off(&self) {
        let cut_off = async {
            while self.cut_off.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), cut_off).await.expect("the connection is closed");
    }
}

impl CallMetrics for Seen {
    fn record_call(&self, _: Operation, class: Option<FailureClass>, _: Duration) {
        self.attempts.lock().push(class);
    }

    fn unknown_enum_values(&self, _: Operation, count: usize) {
        self.unknown_enum_values.fetch_add(count, Ordering::SeqCst);
    }
}

pub(super) fn http(status: &str, headers: &str, body: &str) -> Reply {
    Reply::Text(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()))
}

pub(super) fn json(status: &str, code: &str, body: &str) -> Reply {
    let code = if code.is_empty() { String::new() } else { format!("x-amzn-errortype: {code}\r\n") };
    http(status, &format!("content-type: application/json\r\nx-amzn-requestid: req-1\r\n{code}"), body)
}

/// A status and headers, then chunks that never end. The pause keeps a client without a bound from taking all memory of
/// the machine.
pub(super) fn endless(status: &str, headers: &str) -> Reply {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-amzn-requestid: req-1\r\n{headers}\
         transfer-encoding: chunked\r\n\r\n"
    );
    let piece = [b"10000\r\n", &*vec![b' '; 0x10000], b"\r\n"].concat();
    Reply::Endless { head, piece, pause: Duration::from_millis(1) }
}

async fn send_endlessly(stream: &mut TcpStream, head: &str, piece: &[u8], pause: Duration) {
    let mut sent = stream.write_all(head.as_bytes()).await;
    while sent.is_ok() {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        sent = stream.write_all(piece).await;
    }
}

pub(super) async fn converse(mut stream: TcpStream, seen: Arc<Seen>, reply: Arc<Reply>) {
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
        let number = {
            let mut requests = seen.requests.lock();
            requests.push(String::from_utf8_lossy(&request).into_owned());
            requests.len()
        };
        match reply.to_request(number) {
            Reply::Text(text) => {
                // A client closes the connection once it has read enough.
                if stream.write_all(text.as_bytes()).await.is_err() || text.contains("connection: close\r\n") {
                    return;
                }
            }
            Reply::Then(..) => {}
            Reply::Endless { head, piece, pause } => {
                send_endlessly(&mut stream, head, piece, *pause).await;
                seen.cut_off.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Reply::Close => return,
            Reply::Reset => return stream.set_zero_linger().unwrap(),
            Reply::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
        }
    }
}

pub(super) async fn serve(reply: Reply) -> (String, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Seen::default());
    let (server, reply) = (seen.clone(), Arc::new(reply));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            server.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(converse(stream, server.clone(), reply.clone()));
        }
    });
    (url, seen)
}
