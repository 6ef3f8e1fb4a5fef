//! promtool as a process.

use crate::catalogue::exposition;
use crate::helm::text;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// A Prometheus of one's own comes first, as in `tools/promtool.sh`, which gets one where there is none.
static PROMTOOL: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/promtool.sh");
    let output = Command::new(script).output().unwrap();
    assert!(output.status.success(), "there is no promtool to judge alerts with: {}", text(&output.stderr));
    PathBuf::from(text(&output.stdout).trim())
});

/// Runs it; the error is what it said.
pub(crate) fn promtool(arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(&*PROMTOOL);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// promtool reads the older text format, in which a counter's and an info's name has its ending everywhere.
fn in_the_older_format(text: &str) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let kind = |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")));
        match words[..] {
            ["#", what @ ("HELP" | "TYPE"), name, rest] => match kind(name).unwrap() {
                "counter" => format!("# {what} {name}_total {rest}\n"),
                "info" => format!("# {what} {name}_info {}\n", rest.replace("info", "gauge")),
                _ => format!("{line}\n"),
            },
            _ => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

#[test]
fn the_metrics_are_named_as_prometheus_wants_it() {
    let said =
        promtool(&["check", "metrics"], &in_the_older_format(&exposition())).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(said, "");
    // It does look.
    let bare = promtool(&["check", "metrics"], "# TYPE a_milliseconds counter\na_milliseconds 1\n").unwrap_err();
    assert!(bare.contains("_total"), "{bare}");
}
