//! The program as a process, over HTTP as it is on the wire: what no well-behaved client sends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests, helpers included")]

mod arrivals;
mod hosts;
mod keys;
mod process;
mod signed;
