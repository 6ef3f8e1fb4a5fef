//! Every row of the condition table, reached through the real binary.

mod ended;
mod identity;
mod lifecycle;
mod permissions;
mod promised;
mod refused;
mod rules;
mod secrets;
mod service;
mod waiting;
