//! The whole job against the real thing: a real kube-apiserver, the operator and the simulator as processes, real HTTP.

#[path = "../control_plane/mod.rs"]
mod control_plane;
mod crash;
mod denial;
mod happy;
mod operator;
mod oracle;
mod rivals;
mod simulator;
mod world;
