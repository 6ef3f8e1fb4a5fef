//! The operations of Amazon GameLift Streams that the operator uses, and who counts them.
//!
//! Owns: their names. Never: keeps counts itself.

use super::observation::FailureClass;
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

/// Is told of every attempt, lost and abandoned ones included.
pub trait Observer: Send + Sync {
    /// One attempt is over. `class` is `None` for success (also when AWS knows no such session). A call whose
    /// future was dropped before its end counts as [`FailureClass::Unavailable`].
    fn call(&self, operation: Operation, class: Option<FailureClass>, took: Duration);

    /// A description of a session has come, in which so many statuses are words that this version doesn't know.
    fn unknown_enum_values(&self, operation: Operation, count: usize);
}

/// Counts nothing.
impl Observer for () {
    fn call(&self, _: Operation, _: Option<FailureClass>, _: Duration) {}

    fn unknown_enum_values(&self, _: Operation, _: usize) {}
}
