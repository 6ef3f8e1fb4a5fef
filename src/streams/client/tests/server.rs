//! A scripted server on loopback.

use crate::streams::observation::FailureClass;
use crate::streams::operation::{Observer, Operation};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(super) enum Reply {
    Text(String),
    Reset,
    Close,
    Silence,
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) requests: Mutex<Vec<String>>,
    pub(super) attempts: Mutex<Vec<Option<FailureClass>>>,
    pub(super) unknown_enum_values: AtomicUsize,
    pub(super) connections: AtomicUsize,
}

impl Observer for Seen {
    fn call(&self, _: Operation, class: Option<FailureClass>, _: Duration) {
        self.attempts.lock().unwrap().push(class);
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

pub(super) async fn converse(mut stream: TcpStream, seen: Arc<Seen>, reply: Reply) {
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

pub(super) async fn serve(reply: Reply) -> (String, Arc<Seen>) {
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
