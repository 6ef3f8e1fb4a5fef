//! The operations of Amazon GameLift Streams that the operator uses, and the trait that counts them.
//!
//! Owns: their names. Never: counts.

use crate::aws::failure::FailureClass;
use std::fmt;
use std::time::Duration;

/// An operation with a rate limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// ExportStreamSessionFiles.
    Export,
    /// GetStreamSession.
    Get,
    /// ListStreamSessions.
    List,
}

impl Operation {
    /// All of them, for metrics that show zeros.
    pub const ALL: [Self; 3] = [Self::Export, Self::Get, Self::List];

    /// AWS's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Export => "ExportStreamSessionFiles",
            Self::Get => "GetStreamSession",
            Self::List => "ListStreamSessions",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Receives every attempt, lost and abandoned ones included.
pub trait CallMetrics: Send + Sync {
    /// One attempt is over. `class` is `None` for success (also of a read that finds no such session). A call whose
    /// future was dropped before its end counts as [`FailureClass::Unavailable`].
    fn record_call(&self, operation: Operation, class: Option<FailureClass>, took: Duration);

    /// A session or a page was read, with `count` status values unknown to this version.
    fn unknown_enum_values(&self, operation: Operation, count: usize);
}

/// Counts nothing.
impl CallMetrics for () {
    fn record_call(&self, _: Operation, _: Option<FailureClass>, _: Duration) {}

    fn unknown_enum_values(&self, _: Operation, _: usize) {}
}
