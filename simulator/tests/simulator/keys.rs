//! A key or a bucket's name leads to no file outside the bucket's folder, neither to read nor to write.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::process::{Answer, Simulator, send};
use crate::signed::{Signed, form};

const SECRET: &str = "not to be read";

/// A simulator with files outside the bucket `exports`: beside its folder, in another bucket, in a denied one.
fn start() -> Simulator {
    let simulator = Simulator::start(&[]);
    for file in ["outside.txt", "s3/beside.txt", "s3/other/secret.txt", "s3/denied/secret.txt", "s3/exports/own.txt"] {
        let content = if file.ends_with("own.txt") { "own" } else { SECRET };
        std::fs::write(simulator.folder().join(file), content).unwrap();
    }
    simulator
}

/// Every file and folder below a folder, with its content.
fn tree(folder: &Path) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = path.is_file().then(|| std::fs::read_to_string(&path).unwrap());
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.insert(path.display().to_string(), content);
    }
    found
}

fn request(simulator: &Simulator, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let host = format!("localhost:{}", simulator.s3);
    Signed { service: "s3", port: simulator.s3, host: &host, method, target, headers, body }.send()
}

/// Ways to another file, and to another name for the same one, as they go over the wire.
fn unsafe_keys(simulator: &Simulator) -> Vec<String> {
    let absolute = simulator.folder().canonicalize().unwrap().join("s3/other/secret.txt");
    let mut keys: Vec<String> = [
        "../other/secret.txt",
        "%2e%2e/other/secret.txt",
        "%2E%2E%2Fother%2Fsecret.txt",
        "..%2fother/secret.txt",
        "a/../../other/secret.txt",
        "../denied/secret.txt",
        "../beside.txt",
        "../../outside.txt",
        "%2e%2e%2f%2e%2e%2foutside.txt",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "./own.txt",
        "%2e/own.txt",
        "a/./own.txt",
        "a//own.txt",
        "own.txt/.",
        "own.txt/..",
        "..",
        ".",
        "own.txt//",
        "own.txt%00",
        "..%00/other/secret.txt",
        "..%5cother%5csecret.txt",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push(absolute.display().to_string());
    keys
}

#[test]
fn a_key_in_the_path_leads_to_no_other_file() {
    let simulator = start();
    let before = tree(&simulator.folder());
    for key in unsafe_keys(&simulator) {
        for (method, query, body) in
            [("GET", "", ""), ("HEAD", "", ""), ("PUT", "", "evil"), ("DELETE", "", ""), ("POST", "?uploads=", "")]
        {
            let target = format!("/exports/{key}{query}");
            let answer = request(&simulator, method, &target, &[], body.as_bytes());
            assert_eq!(answer.status, 400, "{method} {target}: {}", answer.body);
            assert!(method == "HEAD" || answer.body.contains("InvalidArgument"), "{method} {target}: {}", answer.body);
            assert!(!answer.body.contains(SECRET), "{method} {target}: {}", answer.body);
        }
    }
    assert_eq!(tree(&simulator.folder()), before);
}

#[test]
fn a_key_in_a_header_or_a_body_leads_to_no_other_file() {
    let simulator = start();
    let before = tree(&simulator.folder());
    for source in [
        "exports/../other/secret.txt",
        "/exports/%2e%2e/other/secret.txt",
        "exports/../../outside.txt",
        "exports//etc/passwd",
        "denied/secret.txt",
    ] {
        for query in ["", "?partNumber=1&uploadId=00000000-0000-4000-8000-000000000000"] {
            let target = format!("/exports/copy.txt{query}");
            let answer = request(&simulator, "PUT", &target, &[("x-amz-copy-source", source)], b"");
            let code = if source.starts_with("denied") { "AccessDenied" } else { "InvalidArgument" };
            assert!(answer.body.contains(code), "{source}{query}: {answer:?}");
        }
    }
    for key in ["../other/secret.txt", "../../outside.txt", "/etc/x", "./own.txt"] {
        let body = format!("<Delete><Object><Key>own.txt</Key></Object><Object><Key>{key}</Key></Object></Delete>");
        let answer = request(&simulator, "POST", "/exports?delete=", &[], body.as_bytes());
        assert!(answer.body.contains("InvalidArgument"), "{key}: {answer:?}");

        let headers = ["Host: localhost", "Content-Type: multipart/form-data; boundary=edge"];
        let body = form(key, "evil", "edge");
        let answer = send(simulator.s3, "POST /exports HTTP/1.1", &headers, body.as_bytes());
        assert!(answer.body.contains("InvalidArgument"), "{key}: {answer:?}");
    }
    assert_eq!(tree(&simulator.folder()), before);
}

#[test]
fn a_buckets_name_leads_to_no_other_folder() {
    let simulator = start();
    let before = tree(&simulator.folder());
    for bucket in
        ["..", "%2e%2e", ".", "%2e", "%2e%2e%2fs3", "exports%2f..%2fother", ".tmp", "exports%00", "exports%5c"]
    {
        for target in [format!("/{bucket}"), format!("/{bucket}/"), format!("/{bucket}/outside.txt")] {
            for method in ["GET", "PUT", "DELETE"] {
                let answer = request(&simulator, method, &target, &[], b"");
                assert_eq!(answer.status, 400, "{method} {target}: {}", answer.body);
            }
        }
    }
    assert_eq!(tree(&simulator.folder()), before);
}

#[test]
fn an_export_to_such_a_key_fails_and_stores_nothing() {
    let simulator = start();
    let before = tree(&simulator.folder());
    let uris = ["s3://exports/../other/x.zip", "s3://exports/../../x.zip", "s3://exports//etc/x.zip", "s3://../x/"];
    for (number, uri) in uris.iter().enumerate() {
        let session = format!("s-{number}");
        simulator.control("POST", "sessions", &format!(r#"{{"ids": ["{session}"]}}"#));
        let target = format!("/streamgroups/sg-1AB2C3De4/streamsessions/{session}/exportfiles");
        let body = format!(r#"{{"OutputUri": "{uri}"}}"#);
        let (port, host) = (simulator.aws, "localhost");
        let call = Signed {
            service: "gameliftstreams",
            port,
            host,
            method: "PUT",
            target: &target,
            headers: &[],
            body: body.as_bytes(),
        };
        let answer = call.send();
        assert_eq!(answer.status, 200, "{answer:?}");
        simulator.control("POST", &format!("sessions/{session}/end"), "{}");
        let give_up = Instant::now() + Duration::from_secs(20);
        let export = loop {
            let export = simulator.control("GET", &format!("sessions/{session}"), "")["export"].clone();
            if export["status"] != "PENDING" {
                break export;
            }
            assert!(Instant::now() < give_up, "{export}");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(export["status"], "FAILED", "{export}");
        let reason = export["statusReason"].as_str().unwrap();
        assert!(reason.starts_with("InvalidArgument") || reason.starts_with("InvalidBucketName"), "{export}");
    }
    assert_eq!(tree(&simulator.folder()), before);
}

#[test]
fn other_keys_are_stored_and_read() {
    let simulator = start();
    for key in ["plain.txt", "a/b/c.txt", "..a/b...txt", "%252e%252e/x", "a%20b/%C3%A4"] {
        let target = format!("/exports/{key}");
        assert_eq!(request(&simulator, "PUT", &target, &[], b"content").status, 200, "{key}");
        let read = request(&simulator, "GET", &target, &[], b"");
        assert_eq!((read.status, read.body.contains("content")), (200, true), "{key}: {}", read.body);
    }
    let copied = request(&simulator, "PUT", "/exports/copy.txt", &[("x-amz-copy-source", "/other/secret.txt")], b"");
    assert_eq!(copied.status, 200, "{copied:?}");
}
