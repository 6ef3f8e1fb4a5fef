//! Controller runtime: the API-server client, watch, cache, event loop, workers, Events, shutdown.
//!
//! Owns: when to reconcile which object, and how failures of the API server are survived.
//! Never: depends on SessionExport, or talks to AWS.
//!
//! Of kube-runtime, the scheduler and the types of events and references are used, but not `Controller`, `reflector`
//! and `watcher`. What each of them loses was seen in kube 5.0.0, in its source and with test programs against a small
//! API server:
//! - `Controller` requests reconciles during a relist, before the store holds the new list: a new object is not found
//!   and dropped without a retry, a changed one is reconciled in its old version. All watches share one backoff: a
//!   forbidden one delayed events of another by up to 10 s. A panic in a reconcile ends the whole stream. The depth of
//!   its queue is not exposed.
//! - `reflector` keeps each object decoded: about 560 MiB for 100,000 objects of 2.3 KB without their managed fields,
//!   and 1,050 MiB after a relist, which fills a second map before it drops the first. The operator with this cache
//!   takes 342 MiB, relists included (docs/performance.md). Of several tasks that await `wait_until_ready`, only one is
//!   notified.
//! - `watcher` lists again only when the server reports that its version is gone, so an event that was never sent stays
//!   unseen; it does not fall back to pages if the server streams no lists; it bounds pages by objects, not by bytes.

pub(crate) mod backoff;
pub(crate) mod cache;
pub(crate) mod client;
pub(crate) mod event_loop;
pub(crate) mod events;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod kubeconfig;
pub(crate) mod list;
pub(crate) mod patch;
pub(crate) mod queue_depth;
pub mod received;
pub(crate) mod scope;
pub(crate) mod selector;
pub(crate) mod shutdown;
pub(crate) mod store;
pub(crate) mod warnings;
pub(crate) mod watch;
pub(crate) mod watchdog;
pub(crate) mod workers;
