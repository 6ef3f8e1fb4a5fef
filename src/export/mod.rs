//! One SessionExport, from spec to result.

pub mod decide;
pub mod evidence;
pub mod memory;
pub mod message;
pub mod request;
pub mod row;
pub mod status;
