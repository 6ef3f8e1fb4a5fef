//! The simulated service: sessions, their life cycle, their exports. It knows nothing of HTTP; the
//! time is always an argument.

pub mod agenda;
pub mod arrivals;
pub mod draw;
pub mod exports;
pub mod group;
pub mod history;
pub mod identifier;
pub mod lifecycle;
pub mod listing;
pub mod seed;
pub mod session;
pub mod status_reason;
pub mod world;

#[cfg(test)]
mod tests;
