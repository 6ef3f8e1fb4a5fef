//! The Markdown files of the repository: blocks of code, headings, links, inline code.

#![allow(dead_code, reason = "every test binary uses another part of it")]

use std::path::{Path, PathBuf};

/// A Markdown file.
pub(crate) struct Page {
    /// Relative to the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A fenced block of code.
#[derive(Clone)]
pub(crate) struct Block {
    /// `FILE:LINE` of its fence.
    pub(crate) place: String,
    /// The first word behind the fence.
    pub(crate) language: String,
    /// What follows it.
    pub(crate) mark: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder, without what is built or hidden.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in folder.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if entry.is_dir() && !name.starts_with('.') && name != "target" {
            all.extend(files(&entry, extension));
        } else if entry.extension().is_some_and(|found| found == extension) {
            all.push(entry);
        }
    }
    all.sort();
    all
}

pub(crate) fn pages() -> Vec<Page> {
    let read = |path: PathBuf| Page {
        path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
        text: std::fs::read_to_string(&path).unwrap(),
    };
    files(root(), "md").into_iter().map(read).collect()
}

/// The block with the mark `test=NAME`.
pub(crate) fn block(name: &str) -> Block {
    let mark = format!("test={name}");
    let all = pages().into_iter().flat_map(|page| page.blocks());
    all.into_iter().find(|block| block.mark == mark).unwrap_or_else(|| panic!("no block has the mark {mark}"))
}

impl Block {
    pub(crate) fn is_shell(&self) -> bool {
        ["sh", "shell", "bash", "console"].contains(&self.language.as_str())
    }

    /// The commands: of a transcript the lines behind a prompt.
    pub(crate) fn commands(&self) -> Vec<&str> {
        let lines = self.text.lines().filter(|line| !line.trim().is_empty());
        match self.language.as_str() {
            "console" => lines.filter_map(|line| line.strip_prefix("$ ")).collect(),
            _ => lines.collect(),
        }
    }
}

impl Page {
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut all: Vec<Block> = Vec::new();
        let mut indent = None;
        for (number, line) in self.text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), indent) {
                (Some(info), None) => {
                    let (language, mark) = info.split_once(' ').unwrap_or((info, ""));
                    let place = format!("{}:{}", self.path, number + 1);
                    let (language, mark) = (language.to_owned(), mark.trim().to_owned());
                    all.push(Block { place, language, mark, text: String::new() });
                    indent = Some(line.len() - line.trim_start().len());
                }
                (Some(_), Some(_)) => indent = None,
                (None, Some(width)) => {
                    all.last_mut().unwrap().text += &format!("{}\n", line.get(width..).unwrap_or(""))
                }
                (None, None) => {}
            }
        }
        assert!(indent.is_none(), "{}: a block without an end", self.path);
        all
    }

    /// The lines outside of blocks, with a space for each line break, so that links may span lines.
    fn prose(&self) -> String {
        let mut inside = false;
        let outside = self.text.lines().filter(|line| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        });
        outside.collect::<Vec<_>>().join(" ")
    }

    /// The targets of links and pictures.
    pub(crate) fn links(&self) -> Vec<String> {
        let without_code: String = self.prose().split('`').step_by(2).collect();
        let targets = without_code.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
        targets.collect()
    }

    /// What stands between backticks.
    pub(crate) fn inline_code(&self) -> Vec<String> {
        self.prose().split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// The anchors of the headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut inside = false;
        let mut all: Vec<String> = Vec::new();
        for line in self.text.lines() {
            inside ^= line.starts_with("```");
            let Some(title) = line.strip_prefix('#').filter(|_| !inside) else { continue };
            let anchor = anchor_of(title.trim_start_matches('#').trim());
            let count = all.iter().filter(|other| **other == anchor).count();
            all.push(if count == 0 { anchor } else { format!("{anchor}-{count}") });
        }
        all
    }
}

fn anchor_of(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}
