//! The picture of the README is what its script draws.

use crate::assert_committed;
use crate::markdown::root;
use session_export_operator::api::Reason;
use std::process::Command;

const SCRIPT: &str = "tools/export-life.py";

#[test]
fn the_committed_picture_is_the_scripts() {
    let output = Command::new("python3").arg(root().join(SCRIPT)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_committed("docs/images/export-life.svg", &String::from_utf8(output.stdout).unwrap());
}

/// Every reason has its place in it, and no other word looks like one.
#[test]
fn the_picture_has_every_reason() {
    let picture = std::fs::read_to_string(root().join("docs/images/export-life.svg")).unwrap();
    let missing: Vec<&str> = Reason::ALL.map(Reason::as_str).into_iter().filter(|r| !picture.contains(r)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
