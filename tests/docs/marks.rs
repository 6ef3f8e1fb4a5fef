//! Each block of shell commands says how it is checked.

use crate::markdown::{Block, files, pages, root};
use std::collections::BTreeMap;

/// Marks of blocks that no test runs. CONTRIBUTING.md explains them.
const NOT_RUN: [&str; 4] = ["aws", "checkout", "cluster", "registry"];

fn shell_blocks() -> Vec<Block> {
    pages().into_iter().flat_map(|page| page.blocks()).filter(Block::is_shell).collect()
}

/// The first words of a command, without variables and a comment.
fn words(command: &str) -> Vec<&str> {
    let words = command.split(" #").next().unwrap().split_whitespace();
    words.skip_while(|word| word.contains('=') && !word.starts_with('-')).collect()
}

fn is_make_only(block: &Block) -> bool {
    block.commands().into_iter().all(|command| words(command).first() == Some(&"make"))
}

#[test]
fn every_block_of_commands_has_a_mark() {
    let has_mark = |block: &Block| {
        NOT_RUN.contains(&block.mark.as_str()) || block.mark.starts_with("test=") || is_make_only(block)
    };
    let bare: Vec<String> = shell_blocks().into_iter().filter(|block| !has_mark(block)).map(|b| b.place).collect();
    assert!(bare.is_empty(), "no test runs these, and they have no mark of CONTRIBUTING.md: {bare:#?}");
}

#[test]
fn every_named_block_is_run_by_a_test() {
    let tests: Vec<String> =
        files(&root().join("tests"), "rs").iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for block in shell_blocks() {
        if let Some(name) = block.mark.strip_prefix("test=") {
            names.entry(name.to_owned()).or_default().push(block.place);
        }
    }
    for (name, places) in names {
        assert_eq!(places.len(), 1, "{name}: {places:?}");
        let literal = format!("\"{name}\"");
        assert!(tests.iter().any(|test| test.contains(&literal)), "{places:?}: no test names {literal}");
    }
}

/// The file or target that a command of a checkout names is there.
fn is_there(command: &str) -> bool {
    let words = words(command);
    let after = |flag: &str| words.iter().skip_while(|word| **word != flag).nth(1).copied();
    match words.first().copied() {
        Some("make") => {
            let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
            words[1..].iter().all(|target| makefile.contains(&format!("\n{target}: ")))
        }
        Some("cargo") => {
            let test = after("--test").is_none_or(|name| {
                root().join(format!("tests/{name}.rs")).exists()
                    || root().join(format!("tests/{name}/main.rs")).exists()
            });
            let manifests =
                ["Cargo.toml", "simulator/Cargo.toml"].map(|m| std::fs::read_to_string(root().join(m)).unwrap());
            let package = after("-p").is_none_or(|p| manifests.iter().any(|m| m.contains(&format!("name = \"{p}\""))));
            test && package
        }
        Some(script) => root().join(script).is_file(),
        None => true,
    }
}

#[test]
fn commands_of_a_checkout_name_what_is_there() {
    let blocks = shell_blocks().into_iter().filter(|block| block.mark == "checkout" || is_make_only(block));
    let missing: Vec<String> = blocks
        .flat_map(|block| {
            let lost = block.commands().into_iter().filter(|command| !is_there(command));
            lost.map(|command| format!("{}: {command}", block.place)).collect::<Vec<_>>()
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
