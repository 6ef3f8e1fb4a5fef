//! What becomes of an export at the session's end: a real ZIP, put into a real bucket.

pub mod archive;
pub mod destination;
pub mod perf_stats;
pub mod upload;
