//! One SessionExport, from spec to result.
