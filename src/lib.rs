//! The Session Export Operator.

pub mod api;
pub mod authority;
pub mod config;
pub mod export;
pub mod operator;
pub mod streams;
