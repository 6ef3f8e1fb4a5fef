//! Where the report goes: a table on the terminal; JSON and plots in `target/bench/`; with `SAVE=1` also into `docs/`.

use crate::mode::Mode;
use crate::plot::{Words, bars, lines};
use crate::report::{Report, Series};
use crate::scenarios::{Plot, Point};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What this run is: machine, time, and how it was built.
pub(crate) fn about(mode: Mode) -> Vec<(&'static str, String)> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let memory = read("/proc/meminfo");
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or("0 kB").trim();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned();
    let profile = if cfg!(debug_assertions) { "dev" } else { "measured (release without LTO)" };
    vec![
        ("mode", format!("{mode:?}")),
        ("date", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
        ("commit", git(&["rev-parse", "--short", "HEAD"])),
        ("machine", format!("{cores} cores, {}, {total}", model.trim_start_matches([' ', '\t', ':']))),
        ("load at the end", load),
        ("build profile", profile.to_owned()),
    ]
}

fn git(arguments: &[&str]) -> String {
    let answer = Command::new("git").args(arguments).output();
    answer.map_or("unknown".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// The points by plot and line.
pub(crate) fn series(points: Vec<Point>) -> Vec<(String, Vec<Series>)> {
    let mut plots: BTreeMap<Plot, Vec<Series>> = BTreeMap::new();
    for Point { plot, series, name, x, y } in points {
        let lines = plots.entry(plot).or_default();
        let full = if name.is_empty() { series.to_owned() } else { format!("{series}|{name}") };
        match lines.iter_mut().find(|line| line.name == full) {
            Some(line) => line.points.push((x, y)),
            None => lines.push(Series { name: full, points: vec![(x, y)] }),
        }
    }
    let sorted = |mut line: Series| {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        line
    };
    plots.into_iter().map(|(plot, all)| (file(plot).to_owned(), all.into_iter().map(sorted).collect())).collect()
}

fn file(plot: Plot) -> &'static str {
    match plot {
        Plot::Requests => "bench-requests",
        Plot::Detection => "bench-detection",
        Plot::Waits => "bench-waits",
        Plot::Memory => "bench-memory",
        Plot::Discovery => "bench-discovery",
        Plot::Arrivals => "bench-arrivals",
    }
}

/// Writes the table, `report.json` and the plots.
pub(crate) fn write(report: &Report) {
    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("report.json"), serde_json::to_string_pretty(report).unwrap()).unwrap();
    for (name, series) in &report.series {
        std::fs::write(folder.join(name).with_extension("svg"), drawn(name, series)).unwrap();
    }
    if std::env::var_os("SAVE").is_some_and(|save| save == "1") {
        keep(report);
    }
    std::fs::write(folder.join("report.txt"), report.table()).unwrap();
}

pub(crate) fn print(report: &Report) {
    println!("\n{}\n{}; {}", report.table(), report.summary(), folder().display());
}

/// `target/bench`
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench")
}

/// `SAVE=1`: these are the results that docs/performance.md speaks of from now on.
fn keep(report: &Report) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::fs::create_dir_all(docs.join("images")).unwrap();
    let head = "# Results of `make bench`\n\nWritten by `SAVE=1 make bench`; what they mean is in [performance.md](performance.md).\n\n";
    std::fs::write(docs.join("performance-results.md"), format!("{head}{}", report.markdown())).unwrap();
    for (name, series) in &report.series {
        std::fs::write(docs.join("images").join(name).with_extension("svg"), drawn(name, series)).unwrap();
    }
}

fn drawn(name: &str, series: &[Series]) -> String {
    let words = |title, y| Words { title, x: "SessionExport objects", y };
    match name {
        "bench-requests" => {
            lines(words("Requests to AWS while all sessions end in 2 minutes", "requests"), series, true)
        }
        "bench-detection" => lines(words("From the ZIP to the status", "seconds"), series, true),
        "bench-memory" => lines(words("Memory of the operator", "MiB, resident set"), series, true),
        "bench-discovery" => {
            let title = "From ACTIVE to the accepted export, of sessions that nobody names";
            lines(Words { title, x: "stream groups with a policy", y: "seconds" }, series, false)
        }
        "bench-arrivals" => {
            let title = "Memory of the operator while sessions come and go";
            lines(Words { title, x: "minutes", y: "MiB, resident set" }, series, false)
        }
        _ => waits(series),
    }
}

/// Bars: the names of the namespaces are in those of the series.
fn waits(series: &[Series]) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut lines: Vec<Series> = Vec::new();
    for one in series {
        let (line, name) = one.name.split_once('|').unwrap_or((&one.name, ""));
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        match lines.iter_mut().find(|known| known.name == line) {
            Some(known) => known.points.extend(&one.points),
            None => lines.push(Series { name: line.to_owned(), points: one.points.clone() }),
        }
    }
    let title = "From the ZIP to the status by namespace, one Get each";
    bars(Words { title, x: "namespace (its exports)", y: "seconds" }, &names, &lines)
}
