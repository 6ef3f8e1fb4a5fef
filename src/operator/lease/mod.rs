//! The leader lease: which replica acts.
//!
//! Owns the Lease object and the term of office that follows from it. It never ends the process: a replica that loses
//! the lease stands by and tries again. Times of other machines are never compared with ours: a lease is free when its
//! record has not changed for its duration *as observed here*, on a monotonic clock.
//!
//! `record` decides (pure), `elector` asks and writes, `leadership` is what it tells the others, `fence` what every
//! side effect checks.

mod elector;
mod fence;
mod leadership;
mod news;
mod others;
mod record;

pub use elector::Elector;
pub use fence::Fence;
pub use leadership::Leadership;
pub use others::{Others, Precedence};
pub use record::Timing;

#[cfg(test)]
mod tests {
    use super::{Elector, Leadership};
    use tokio::sync::watch;

    #[test]
    fn an_elector_can_be_spawned() {
        fn spawnable<F: Future + Send>(_: fn(Elector, watch::Sender<Leadership>) -> F) {}
        spawnable(|elector, leadership| elector.run(leadership, std::future::pending()));
    }
}
