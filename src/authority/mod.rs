//! Who may send what where.
//!
//! Owns: the administrator's rules for the operator's own identity. Pure: no IO, no clock.

pub mod patterns;
pub mod rules;
