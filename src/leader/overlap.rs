//! The overlap check against the Leases of other operators in the same namespace: no two may work on the same objects.
//!
//! The scope of a Lease's holder is in an annotation of the Lease.
//! Owns: what follows from that, and for how long the holder of an unchanged record counts as alive.
//! Never: writes.

use crate::leader::lease_record::{LeaseDurations, ObservedLease, SCOPE, expires_at};
use crate::runtime::client::describe_error;
use crate::runtime::scope::Scope;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Pause between two checks while another operator conflicts.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Which of two overlapping operators has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TieBreak {
    /// This one, for any other: the later one waits.
    Theirs,
    /// Of two that started at the same moment, the one whose Lease name sorts later.
    ByName,
}

/// The Leases of other operators, as this process has seen them.
pub(crate) struct OverlapGuard {
    /// Leases of the operator's namespace.
    leases: Api<Lease>,
    /// The name of the own Lease.
    own: String,
    /// The own scope.
    scope: Scope,
    /// The lease duration for records that declare none.
    timing: LeaseDurations,
    /// The other Leases, by name.
    observed: HashMap<String, ObservedLease>,
}

impl OverlapGuard {
    /// A guard for the operator with the Lease `namespace`/`name` and the scope `scope`.
    #[must_use]
    pub(crate) fn new(client: Client, (namespace, name): (&str, &str), scope: Scope, timing: LeaseDurations) -> Self {
        let leases = Api::namespaced(client, namespace);
        Self { leases, own: name.to_owned(), scope, timing, observed: HashMap::new() }
    }

    /// Resolves when no other operator's scope overlaps. Until then `report` is called with each new reason.
    pub(crate) async fn wait_until_exclusive(&mut self, precedence: TieBreak, mut report: impl FnMut(String) + Send) {
        let mut reported = None;
        loop {
            let reason = match self.find_conflicting_holder().await {
                Ok(()) => self.conflicting_holder(precedence, Instant::now()),
                Err(error) => {
                    Some(format!("the leases of other operators cannot be listed: {}", describe_error(&error)))
                }
            };
            let Some(reason) = reason else { return };
            if reported.as_ref() != Some(&reason) {
                tracing::error!(reason, "not ready, checking again every {RETRY_INTERVAL:?}");
                report(reason.clone());
                reported = Some(reason);
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    async fn find_conflicting_holder(&mut self) -> kube::Result<()> {
        let found = self.leases.list(&ListParams::default()).await?.items;
        let now = Instant::now();
        self.observed.retain(|name, _| found.iter().any(|lease| lease.name_any() == *name));
        for lease in found.into_iter().filter(|lease| lease.name_any() != self.own) {
            match self.observed.get_mut(&lease.name_any()) {
                Some(observed) => observed.updated_lease(Some(lease), now),
                None => drop(self.observed.insert(lease.name_any(), ObservedLease::new(Some(lease), now))),
            }
        }
        Ok(())
    }

    fn conflicting_holder(&self, precedence: TieBreak, now: Instant) -> Option<String> {
        let mut names: Vec<&String> = self.observed.keys().collect();
        names.sort();
        names.into_iter().find_map(|name| {
            let observed = self.observed.get(name)?;
            let scope = Scope::from_annotation(observed.lease_for()?.annotations().get(SCOPE)?)?;
            let lives = expires_at(observed, self.timing).is_some_and(|until| now < until);
            let first = precedence == TieBreak::Theirs || *name < self.own;
            (lives && first && scope.overlaps(&self.scope)).then(|| {
                format!(
                    "the operator of the lease {name} works on {scope}, and this one is to work on {}: give them \
                     different namespaces, or labels of which no object can match both, or stop one of them",
                    self.scope
                )
            })
        })
    }
}
