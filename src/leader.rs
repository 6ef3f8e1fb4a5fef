//! Leader election with a Lease: which replica acts.
//!
//! Owns: the Lease object and the leader term that follows from it.
//! Never: ends the process: a replica that loses the lease stands by and tries again. Times of other machines are not
//! compared with this one's: a lease is free when its record has not changed for its duration *as observed here*, on a
//! monotonic clock.
//!
//! `lease_record` decides (pure), `elector` reads and writes, `leadership` is the state it publishes, `fence` is what
//! every side effect checks.
//!
//! kube has no leader election (kube-rs/kube#485), and no crate for it is sound with kube 5, as their sources show.
//! `kube-lease-manager` 0.13 still reports leadership while the API server can't be reached, judges expiry by the wall
//! clock, and releases the lease by a patch without a resource version, which can undo the next holder's write.
//! `kube-leader-election` 0.44 needs kube 4 and acquires by such a patch, so that two candidates can both succeed.
//! `kubert` 0.25 needs kube 1. Here each write carries the resource version, and a leader that can't renew stops by its
//! own monotonic clock.

pub(crate) mod elector;
pub(crate) mod fence;
pub(crate) mod leadership;
pub(crate) mod lease_record;
pub(crate) mod lease_watch;
pub(crate) mod overlap;

pub(crate) use elector::LeaderElector;
pub(crate) use fence::Fence;
pub(crate) use leadership::Leadership;
pub(crate) use lease_record::LeaseDurations;
pub(crate) use overlap::{OverlapGuard, TieBreak};

#[cfg(test)]
mod tests {
    use crate::leader::{LeaderElector, Leadership};
    use tokio::sync::watch;

    #[test]
    fn an_elector_can_be_spawned() {
        fn spawnable<F: Future + Send>(_: fn(LeaderElector, watch::Sender<Leadership>) -> F) {}
        spawnable(|elector, leadership| elector.run(leadership, std::future::pending()));
    }
}
