//! Every row of the condition table, reached through the real binary.

mod accepted;
mod ended;
mod identity;
mod lifecycle;
mod permissions;
mod refused;
mod rules;
mod secrets;
mod service;
mod waiting;
