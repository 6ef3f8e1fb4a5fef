//! Who may send what where.

pub mod rules;
