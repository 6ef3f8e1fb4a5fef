//! The text formats of the metrics, and which of them a scraper has asked for.
//!
//! Owns: the choice by the header `Accept`, and the conversion of OpenMetrics to the older format.
//! Never: formats a value.

use std::collections::HashMap;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Prometheus,
}

impl TextFormat {
    /// The format for a request with this `Accept`, several of which are joined by commas. OpenMetrics only where it is
    /// named, and preferred no less than the other; anything else gets the older format, which every scraper reads.
    #[must_use]
    pub fn negotiate(accept: &str) -> Self {
        let ranges: Vec<MediaRange> = accept.split(',').filter_map(MediaRange::parse).collect();
        let (open, older) = (
            best_quality(&ranges, |range| range.is_open_metrics()),
            best_quality(&ranges, |range| range.is_plain_text()),
        );
        if open > 0 && open >= older { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The header `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// One entry of `Accept` (RFC 9110, 12.5.1).
struct MediaRange<'a> {
    media_type: &'a str,
    version: Option<&'a str>,
    /// In thousandths.
    quality: u16,
}

impl<'a> MediaRange<'a> {
    /// `None` for an entry whose quality is no number from 0 to 1.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self { media_type: parts.next()?, version: None, quality: 1000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "version" => range.version = Some(value.trim().trim_matches('"')),
                "q" => range.quality = parse_quality(value.trim())?,
                _ => {}
            }
        }
        Some(range)
    }

    fn is_open_metrics(&self) -> bool {
        self.media_type.eq_ignore_ascii_case("application/openmetrics-text")
            && matches!(self.version, None | Some("1.0.0" | "0.0.1"))
    }

    fn is_plain_text(&self) -> bool {
        ["text/plain", "text/*", "*/*"].iter().any(|known| self.media_type.eq_ignore_ascii_case(known))
    }
}

/// Of the entries for a format; 0 if there is none.
fn best_quality(ranges: &[MediaRange<'_>], is_for: impl Fn(&MediaRange<'_>) -> bool) -> u16 {
    ranges.iter().filter(|range| is_for(range)).map(|range| range.quality).max().unwrap_or(0)
}

fn parse_quality(text: &str) -> Option<u16> {
    let (whole, thousandths) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().ok()?;
    let thousandths: u16 = format!("{thousandths:0<3}").parse().ok()?;
    let quality = whole.checked_mul(1000)?.checked_add(thousandths)?;
    (quality <= 1000).then_some(quality)
}

/// OpenMetrics text in Prometheus' text format 0.0.4. There the metadata of a counter and of an info has the ending of
/// their series, an info is a gauge, and there is neither a unit nor an end.
pub(super) fn convert_to_prometheus(open_metrics: &str) -> String {
    let kinds: HashMap<&str, &str> =
        open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    open_metrics
        .lines()
        .filter_map(|line| convert_line(line, &kinds))
        .flat_map(|line| [line, "\n".to_owned()])
        .collect()
}

/// `None` for a line that the older format does not have.
fn convert_line(line: &str, kinds: &HashMap<&str, &str>) -> Option<String> {
    let Some(metadata) = line.strip_prefix("# ") else { return Some(line.to_owned()) };
    let (keyword, rest) = metadata.split_once(' ')?;
    let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let (ending, kind) = match kinds.get(name).copied() {
        Some("counter") => ("_total", "counter"),
        Some("info") => ("_info", "gauge"),
        Some("unknown") | None => ("", "untyped"),
        Some(other) => ("", other),
    };
    match keyword {
        "HELP" => Some(format!("# HELP {name}{ending} {text}")),
        "TYPE" => Some(format!("# TYPE {name}{ending} {kind}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TextFormat::{OpenMetrics, Prometheus};

    #[test]
    fn open_metrics_is_for_those_that_name_it_and_prefer_nothing_else() {
        for (accept, expected) in [
            ("", Prometheus),
            ("*/*", Prometheus),
            ("text/plain;version=0.0.4", Prometheus),
            ("text/plain", Prometheus),
            ("application/json", Prometheus),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", OpenMetrics),
            ("application/openmetrics-text;version=\"0.0.1\"", OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Prometheus),
            ("application/openmetrics-text;version=1.0.0;q=0", Prometheus),
            ("application/openmetrics-text;q=0.5,text/plain;q=0.6", Prometheus),
            ("application/openmetrics-text;q=0.6,text/plain;q=0.5", OpenMetrics),
            ("application/openmetrics-text;q=1.0,text/plain", OpenMetrics),
            ("application/openmetrics-text;q=2,text/plain;q=0.1", Prometheus),
            ("application/openmetrics-text;q=x", Prometheus),
            ("application/openmetrics-text;q=0.25, text/*;q=0.251", Prometheus),
            ("APPLICATION/OpenMetrics-Text", OpenMetrics),
            // Prometheus 2.53 and 3.5, as they ask by default, and when they are told to use the older format.
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            ("text/plain;version=0.0.4;q=0.6,*/*;q=0.5", Prometheus),
        ] {
            assert_eq!(TextFormat::negotiate(accept), expected, "{accept}");
        }
    }

    #[test]
    fn the_older_format_has_the_same_series_and_the_names_that_it_wants() {
        let open = "# HELP a Things.\n# TYPE a counter\n# UNIT a seconds\na_total{x=\"# EOF\"} 1\n# HELP b B.\n# TYPE b info\n\
                    b_info{v=\"1\"} 1\n# HELP c C.\n# TYPE c gauge\nc 2\n# HELP d D.\n# TYPE d unknown\nd 3\n# EOF\n";
        let older = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"# EOF\"} 1\n# HELP b_info B.\n\
                     # TYPE b_info gauge\nb_info{v=\"1\"} 1\n# HELP c C.\n# TYPE c gauge\nc 2\n# HELP d D.\n\
                     # TYPE d untyped\nd 3\n";
        assert_eq!(convert_to_prometheus(open), older);
    }
}
