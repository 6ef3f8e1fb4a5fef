//! Admission of calls to AWS: the request quota, shared fairly and by priority, and circuit breakers for denied calls.
//!
//! Owns: the limiter, the fair queue, reservations and permits, and the gateway that every call passes.
//! Never: names the AWS SDK or a Kubernetes type beyond opaque ids.
//!
//! The limiter is not `governor`, which implements GCRA too, because, by its documentation and open issues:
//! - A limiter keeps the rate that it was built with (boinkor-net/governor#273). Here it is halved when AWS throttles,
//!   and then grows with each instant.
//! - A keyed limiter has one quota for all keys (#193). Here each operation has its own share.
//! - It returns when the next request may be sent, but not when the one behind n granted reservations may, by which the
//!   scheduler grants reservations ahead of time.
//!
//! Nor was a crate found with a queue that is fair between namespaces and orders each by priority; API Priority and
//! Fairness has one in Go. The circuit breakers of `failsafe` don't choose who probes: here each probe is made by
//! another holder, and all queued holders are requeued once the breaker closes.

pub(crate) mod breaker;
pub(crate) mod bucket;
pub(crate) mod connection_warnings;
pub(crate) mod fair_queue;
pub(crate) mod gateway;
pub(crate) mod limiter;
pub(crate) mod permit;
pub(crate) mod priority;
pub(crate) mod scheduler;
