//! The Session Export Operator.

pub mod api;
pub mod authority;
pub mod cli;
pub mod config;
pub mod export;
pub mod operator;
pub mod run;
pub mod streams;
mod term;
mod typed;

pub use run::{RunError, RunOptions, run};
