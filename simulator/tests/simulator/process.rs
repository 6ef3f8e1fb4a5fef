//! A simulator as a process on free ports, and requests to it, byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// The example pair that AWS publishes, which the simulator accepts.
pub(crate) const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

pub(crate) struct Simulator {
    child: Child,
    /// The port of AWS and of the control endpoints.
    pub(crate) aws: u16,
    /// The port of the embedded S3.
    pub(crate) s3: u16,
    folder: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Simulator {
    /// With the buckets `exports`, `other` and `denied`. `flags` beside the usual ones.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_gameliftstreams-simulator"))
            .args(["--port", "0", "--s3-port", "0", "--end-delay-ms", "0", "--upload-delay-ms", "0"])
            .args(["--bucket", "exports,other", "--s3-folder"])
            .arg(folder.path().join("s3"))
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        let port = |key: &str| started[key].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
        Self { aws: port("aws"), s3: port("s3"), child, folder }
    }

    /// The folder in which `s3/` has the buckets.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// A control endpoint, as curl asks it. Panics unless it is answered with 200.
    pub(crate) fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let host = format!("Host: 127.0.0.1:{}", self.aws);
        let answer = send(self.aws, &format!("{method} /_simulator/{path} HTTP/1.1"), &[&host], body.as_bytes());
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a request with exactly these header lines, and those of its length and connection.
pub(crate) fn send(port: u16, request_line: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut head = format!("{request_line}\r\n");
    for header in headers {
        head = format!("{head}{header}\r\n");
    }
    head = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // At once: a refusal doesn't wait for the body, and what arrives after it would reset the connection.
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.unwrap_or_else(|| panic!("{request_line}: {answer}")), body: body.to_owned() }
}
