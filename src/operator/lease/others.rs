//! The leases of other operators in the same namespace: nobody else may work on our objects.
//!
//! Each Lease says on itself which objects its holder works on. Owns what is judged from that, and for how long a
//! record that stands still counts as a living one's. It only reads.

use super::record::{SCOPE, Seen, Timing, held_until};
use crate::operator::client::sentence;
use crate::operator::scope::Scope;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Pause between two looks while somebody is in the way.
const AGAIN: Duration = Duration::from_secs(2);

/// Who has to give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// We, to everybody: whoever comes later waits.
    Theirs,
    /// Of two that have started at the same moment, the one whose Lease's name comes later.
    ByName,
}

/// The other operators' leases, as this process has seen them.
pub struct Others {
    leases: Api<Lease>,
    own: String,
    scope: Scope,
    timing: Timing,
    seen: HashMap<String, Seen>,
}

impl Others {
    /// Beside our own Lease `namespace`/`name`, for an operator that works on `scope`.
    #[must_use]
    pub fn new(client: Client, (namespace, name): (&str, &str), scope: Scope, timing: Timing) -> Self {
        let leases = Api::namespaced(client, namespace);
        Self { leases, own: name.to_owned(), scope, timing, seen: HashMap::new() }
    }

    /// Resolves when nobody else works on our objects. `report` is told, once for each reason, why it has not yet.
    pub async fn gone(&mut self, precedence: Precedence, mut report: impl FnMut(String) + Send) {
        let mut told = None;
        loop {
            let reason = match self.look().await {
                Ok(()) => self.in_the_way(precedence, Instant::now()),
                Err(error) => Some(format!("the leases of other operators cannot be listed: {}", sentence(&error))),
            };
            let Some(reason) = reason else { return };
            if told.as_ref() != Some(&reason) {
                tracing::error!(reason, "cannot work yet, looking again every {AGAIN:?}");
                report(reason.clone());
                told = Some(reason);
            }
            sleep(AGAIN).await;
        }
    }

    async fn look(&mut self) -> kube::Result<()> {
        let found = self.leases.list(&ListParams::default()).await?.items;
        let now = Instant::now();
        self.seen.retain(|name, _| found.iter().any(|lease| lease.name_any() == *name));
        for lease in found.into_iter().filter(|lease| lease.name_any() != self.own) {
            match self.seen.get_mut(&lease.name_any()) {
                Some(seen) => seen.update(Some(lease), now),
                None => drop(self.seen.insert(lease.name_any(), Seen::new(Some(lease), now))),
            }
        }
        Ok(())
    }

    fn in_the_way(&self, precedence: Precedence, now: Instant) -> Option<String> {
        let mut names: Vec<&String> = self.seen.keys().collect();
        names.sort();
        names.into_iter().find_map(|name| {
            let seen = self.seen.get(name)?;
            let scope = Scope::from_annotation(seen.lease()?.annotations().get(SCOPE)?)?;
            let lives = held_until(seen, self.timing).is_some_and(|until| now < until);
            let first = precedence == Precedence::Theirs || *name < self.own;
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
