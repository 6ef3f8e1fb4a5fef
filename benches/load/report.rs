//! The report: typed rows, as a table for people and as JSON for machines.

use serde::Serialize;

/// What a figure has to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Bar {
    /// The figure itself.
    AtMost(f64),
    /// The figure divided by its limit.
    RatioAtMost(f64),
    /// The same, the other way round.
    RatioAtLeast(f64),
    /// Told for its own sake.
    None,
}

/// Counts come out the same on any machine; times do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// Of requests, writes, exports.
    Count,
    /// Or a rate, or an amount of memory.
    Time,
}

/// One figure of one scenario.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) figure: String,
    /// Absent: it could not be measured, and `note` says why.
    pub(crate) value: Option<f64>,
    pub(crate) unit: &'static str,
    /// What is possible at all, measured or computed from the same run.
    pub(crate) limit: Option<f64>,
    pub(crate) bar: Bar,
    pub(crate) kind: Kind,
    /// What explains the figure.
    pub(crate) note: String,
}

/// What became of the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// There is none, or times are not judged in this mode.
    NotJudged,
}

impl Row {
    pub(crate) fn new(scenario: &str, figure: &str, value: Option<f64>, unit: &'static str) -> Self {
        let (scenario, figure) = (scenario.to_owned(), figure.to_owned());
        Self { scenario, figure, value, unit, limit: None, bar: Bar::None, kind: Kind::Time, note: String::new() }
    }

    /// A count that must not be above `most`.
    pub(crate) fn count(scenario: &str, figure: &str, value: usize, most: f64) -> Self {
        Self { bar: Bar::AtMost(most), kind: Kind::Count, ..Self::new(scenario, figure, Some(value as f64), "") }
    }

    pub(crate) fn bar(self, bar: Bar) -> Self {
        Self { bar, ..self }
    }

    pub(crate) fn limit(self, limit: f64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    pub(crate) fn counted(self) -> Self {
        Self { kind: Kind::Count, ..self }
    }

    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.value? / self.limit?)
    }

    fn measured(&self) -> String {
        self.value.map_or("not measured".to_owned(), |value| format!("{} {}", number(value), self.unit))
    }

    /// What could not be measured has missed its bar.
    pub(crate) fn verdict(&self, judge_times: bool) -> Verdict {
        if self.bar == Bar::None || (self.kind == Kind::Time && !judge_times) {
            return Verdict::NotJudged;
        }
        let met = match self.bar {
            Bar::AtMost(most) => self.value.is_some_and(|value| value <= most),
            Bar::RatioAtMost(most) => self.ratio().is_some_and(|ratio| ratio <= most),
            Bar::RatioAtLeast(least) => self.ratio().is_some_and(|ratio| ratio >= least),
            Bar::None => true,
        };
        if met { Verdict::Met } else { Verdict::Missed }
    }
}

/// A line of a plot.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Everything that a run has found out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Where and when; words as they are to be printed.
    pub(crate) about: Vec<(&'static str, String)>,
    pub(crate) judge_times: bool,
    pub(crate) rows: Vec<Row>,
    /// What the plots show, by the name of the plot.
    pub(crate) series: Vec<(String, Vec<Series>)>,
}

impl Report {
    pub(crate) fn missed(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.verdict(self.judge_times) == Verdict::Missed).collect()
    }

    /// What stands at the end, where a log that is cut off still has it.
    pub(crate) fn summary(&self) -> String {
        let missed = self.missed();
        let one = |row: &&Row| {
            let limit = row.limit.map(|limit| format!(" of {}", number(limit))).unwrap_or_default();
            format!(
                "MISSED: {}, {}: {}{limit}; bar {}\n",
                row.scenario,
                row.figure,
                row.measured().trim_end(),
                bar(row.bar)
            )
        };
        format!("{}{} missed", missed.iter().map(one).collect::<String>(), missed.len())
    }

    /// The table and the notes, for a terminal.
    pub(crate) fn table(&self) -> String {
        let about: String = self.about.iter().map(|(what, is)| format!("{what}: {is}\n")).collect();
        format!("{about}\n{}\n{}", aligned(&self.cells()), self.notes())
    }

    /// The same for docs/.
    pub(crate) fn markdown(&self) -> String {
        let about: String = self.about.iter().map(|(what, is)| format!("| {what} | {is} |\n")).collect();
        let mut lines: Vec<_> = self.cells().iter().map(|cells| format!("| {} |\n", cells.join(" | "))).collect();
        lines.insert(1, "|---|---|---:|---:|---:|---|---|\n".to_owned());
        format!("| | |\n|---|---|\n{about}\n{}\nNotes:\n\n{}", lines.concat(), self.notes())
    }

    fn notes(&self) -> String {
        let noted = self.rows.iter().filter(|row| !row.note.is_empty());
        noted.map(|row| format!("- {}, {}: {}\n", row.scenario, row.figure, row.note)).collect()
    }

    fn cells(&self) -> Vec<[String; 7]> {
        let head = ["scenario", "figure", "value", "limit", "ratio", "bar", "verdict"].map(str::to_owned);
        let mut lines = vec![head];
        let mut last = "";
        for row in &self.rows {
            let scenario = if row.scenario == last { String::new() } else { row.scenario.clone() };
            last = &row.scenario;
            let limit = row.limit.map(number).unwrap_or_default();
            let ratio = row.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            let verdict = match row.verdict(self.judge_times) {
                Verdict::Met => "met",
                Verdict::Missed => "MISSED",
                Verdict::NotJudged => "",
            };
            lines.push([scenario, row.figure.clone(), row.measured(), limit, ratio, bar(row.bar), verdict.to_owned()]);
        }
        lines
    }
}

fn bar(bar: Bar) -> String {
    match bar {
        Bar::AtMost(most) => format!("<= {}", number(most)),
        Bar::RatioAtMost(most) => format!("ratio <= {}", number(most)),
        Bar::RatioAtLeast(least) => format!("ratio >= {}", number(least)),
        Bar::None => String::new(),
    }
}

/// With commas, as in texts: 10,000.
pub(crate) fn thousands(count: usize) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", thousands(count / 1000), count % 1000) }
}

/// Whole numbers whole, others with what matters of them.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn aligned(lines: &[[String; 7]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let cell = |(n, text): (usize, &String)| match n {
        2..=4 => format!("{text:>width$}", width = widths[n]),
        _ => format!("{text:<width$}", width = widths[n]),
    };
    let line = |line: &[String; 7]| line.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ");
    lines.iter().map(|cells| line(cells).trim_end().to_owned() + "\n").collect()
}
