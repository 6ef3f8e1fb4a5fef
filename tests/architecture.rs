//! The rooms of `src/`: each depends on those below it only, so that each can be read without those above.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, helpers included")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each room with those that it may use, from the bottom up. A room may only use rooms above its own line here, so that
/// there are no circles.
const ROOMS: [(&str, &[&str]); 16] = [
    ("de", &[]),
    ("aws", &[]),
    ("api", &["aws"]),
    ("metrics", &["api", "aws"]),
    ("runtime", &["metrics"]),
    ("authorization", &["api", "aws", "de"]),
    ("config", &["authorization", "aws", "de", "runtime"]),
    ("quota", &["aws", "config", "runtime"]),
    ("state", &["api", "authorization", "aws", "config", "runtime"]),
    ("leader", &["runtime"]),
    ("polling", &["api", "aws", "config", "metrics", "quota", "runtime", "state"]),
    ("export", &["api", "authorization", "aws", "config", "leader", "metrics", "polling", "quota", "runtime", "state"]),
    (
        "policy",
        &["api", "authorization", "aws", "config", "export", "leader", "metrics", "polling", "runtime", "state"],
    ),
    ("server", &["metrics", "runtime"]),
    (
        "app",
        &[
            "api",
            "authorization",
            "aws",
            "config",
            "export",
            "leader",
            "metrics",
            "policy",
            "polling",
            "quota",
            "runtime",
            "server",
            "state",
        ],
    ),
    ("cli", &["api", "app", "config"]),
];

/// No room holds more of the lines than this.
const MOST: f64 = 0.3;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            all.extend(files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            all.push(entry);
        }
    }
    all.sort();
    all
}

fn room_of(file: &Path) -> String {
    let inside = file.strip_prefix(source()).unwrap();
    inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Modules that exist in tests only, by their files' names.
fn is_for_tests(file: &Path) -> bool {
    let inside = file.strip_prefix(source()).unwrap();
    let only = ["fixtures", "forgery", "model", "property", "world", "world_aws"];
    inside.iter().map(|part| part.to_str().unwrap().trim_end_matches(".rs")).any(|part| {
        part == "tests" || part.ends_with("_tests") || (only.contains(&part) && inside != Path::new("aws/model.rs"))
    })
}

/// The lines of a file that are built for users: without comments, and without what follows `#[cfg(test)] mod tests {`.
fn lines(file: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let numbered = shipped.lines().enumerate().map(|(n, line)| (n + 1, line.trim().to_owned()));
    numbered.filter(|(_, line)| !line.starts_with("//")).collect()
}

/// The rooms that a line names, as `crate::ROOM`.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        rest.get(..end).filter(|name| ROOMS.iter().any(|(room, _)| room == name))
    })
}

fn shipped() -> Vec<PathBuf> {
    let beside = ["lib", "main"];
    files(&source()).into_iter().filter(|file| !is_for_tests(file) && !beside.contains(&&*room_of(file))).collect()
}

#[test]
fn a_room_uses_only_rooms_that_it_may() {
    let mut broken = Vec::new();
    let mut used = BTreeSet::new();
    for file in shipped() {
        let room = room_of(&file);
        let Some((_, may)) = ROOMS.iter().find(|(name, _)| *name == room) else { panic!("{room} is no room") };
        for (number, line) in lines(&file) {
            if line.contains("crate::{") {
                broken.push(format!("{}:{number}: name each room in a `use` of its own", file.display()));
            }
            for other in named(&line).filter(|other| *other != room) {
                used.insert((room.clone(), other.to_owned()));
                if !may.contains(&other) {
                    broken.push(format!("{}:{number}: {room} may not use {other}", file.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let allowed =
        ROOMS.iter().flat_map(|(room, may)| may.iter().map(move |other| ((*room).to_owned(), (*other).to_owned())));
    let unused: Vec<_> = allowed.filter(|edge| !used.contains(edge)).collect();
    assert!(unused.is_empty(), "these edges are allowed and not there: {unused:?}");
}

#[test]
fn the_rooms_have_no_circles() {
    for (n, (room, may)) in ROOMS.iter().enumerate() {
        for other in *may {
            assert!(ROOMS[..n].iter().any(|(below, _)| below == other), "{room} uses {other}, which is not below it");
        }
    }
}

#[test]
fn no_room_outgrows_the_others() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in shipped() {
        *counts.entry(room_of(&file)).or_default() += std::fs::read_to_string(&file).unwrap().lines().count();
    }
    let all: usize = counts.values().sum();
    for (room, count) in &counts {
        println!("{count:6} {room}");
        assert!((*count as f64) < MOST * all as f64, "{room} has {count} of {all} lines");
    }
}
