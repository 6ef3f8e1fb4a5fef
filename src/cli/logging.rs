//! Logging: one line per event on standard error, JSON or text, without control characters for a terminal.

use clap::ValueEnum;
use std::io::{self, Write};
use std::str::FromStr;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{Directive, FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Directives of tracing's filter, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLevel(String);

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let level = |word: &str| matches!(word, "off" | "error" | "warn" | "info" | "debug" | "trace");
        let fine = text.split(',').all(|directive| {
            level(directive.rsplit('=').next().unwrap_or_default()) && directive.parse::<Directive>().is_ok()
        });
        if fine {
            return Ok(Self(text.to_owned()));
        }
        Err("accepted are error, warn, info, debug, trace and off, \
             or directives such as info,session_export_operator=debug"
            .to_owned())
    }
}

/// Drops the kube client's lines for each try; this program logs each kind of failure once. `kube_client=debug`
/// restores them.
const QUIET_TARGETS: &str = "kube_client=off,kube_runtime=error";

/// Starts logging. A second call does nothing.
pub(super) fn start(format: LogFormat, level: &LogLevel) {
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| OneLine(io::stderr()));
    let layer = match format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
        LogFormat::Text => layer.boxed(),
    };
    let filter = EnvFilter::new(format!("{QUIET_TARGETS},{}", level.0)).and(filter_fn(drop_aws_trace_logs));
    // Fails only if logging has been started already.
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().ok();
}

/// Drops the AWS SDK's lines at `trace`: they contain whole answers, with user ids and signals of sessions.
fn drop_aws_trace_logs(metadata: &Metadata<'_>) -> bool {
    *metadata.level() < Level::TRACE || !metadata.target().starts_with("aws_")
}

/// Writes each event, which arrives whole, as one line.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut safe = String::with_capacity(event.len());
        line.chars().for_each(|c| push_escaped(&mut safe, c));
        safe.push('\n');
        self.0.write_all(safe.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escapes control characters, and those that change the writing direction, as `\u001b`: inside a JSON string that is
/// still the same text.
fn push_escaped(line: &mut String, c: char) {
    let turns_text =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    if c.is_control() || turns_text || breaks {
        line.push_str(&format!("\\u{:04x}", u32::from(c)));
    } else {
        line.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &str) -> String {
        let mut line = Vec::new();
        OneLine(&mut line).write_all(event.as_bytes()).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn an_event_is_one_line_that_no_terminal_obeys() {
        let line = written("a\nb\x1b[31m\u{9b}2J\u{202e}\r\n");
        assert_eq!(line, "a\\u000ab\\u001b[31m\\u009b2J\\u202e\\u000d\n");
    }

    #[test]
    fn json_stays_the_same_json() {
        let event = serde_json::json!({"reason": "\u{202e}\u{9b}é😀"});
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written(&format!("{event}\n"))).unwrap(), event);
    }

    #[test]
    fn levels_are_words_or_directives() {
        for fine in ["info", "off", "info,session_export_operator=debug", "warn,kube::client=trace"] {
            assert!(fine.parse::<LogLevel>().is_ok(), "{fine}");
        }
        for bad in ["", "loud", "info,=", "a=b", "info,,warn", "5"] {
            assert!(bad.parse::<LogLevel>().is_err(), "{bad}");
        }
    }
}
