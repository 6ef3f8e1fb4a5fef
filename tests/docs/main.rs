//! The documentation: links lead somewhere, YAML is what it claims to be, each block of commands says how it is checked,
//! and generated pages are what their sources say.
//!
//! `make docs` writes the generated pages again. CONTRIBUTING.md has the marks of the blocks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

mod blocks;
mod commands;
mod configuration;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod events;
#[path = "../chart/helm.rs"]
#[allow(dead_code, reason = "the chart's own tests use all of it")]
mod helm;
mod links;
mod markdown;
mod marks;
mod names;
mod picture;
mod releases;
#[path = "../e2e/simulator.rs"]
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
mod simulator;

/// A generated file is as committed. With `UPDATE_DOCS` it is written first.
fn assert_committed(file: &str, generated: &str) {
    let path = markdown::root().join(file);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "{file} is stale: run `make docs`");
}
