//! What a run is judged by: pure functions over what the simulator and the API server have written down.
//!
//! All times are milliseconds on the simulator's clock.

pub(crate) mod ideal;
pub(crate) mod order;
pub(crate) mod quantile;
pub(crate) mod rate;
pub(crate) mod sweep;
