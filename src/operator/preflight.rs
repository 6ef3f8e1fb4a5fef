//! What the operator needs from the cluster before it can work: permissions, and the CRD.
//!
//! Owns the list of permissions and the sentences that name a missing one. It never ends the process: it asks again
//! until everything is there.

use super::client::sentence;
use super::received::Received;
use crate::api::{GROUP, SessionExport};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use std::fmt;
use std::time::Duration;
use tokio::time::sleep;

/// Pause between two tries.
const AGAIN: Duration = Duration::from_secs(5);

/// One permission, as RBAC words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    /// `None`: in every namespace.
    namespace: Option<String>,
    /// `None`: any name.
    name: Option<String>,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        write!(f, ".{}", self.group)?;
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in all namespaces"),
        }
    }
}

/// Why the operator cannot work yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The operator's ServiceAccount may not do these.
    #[error("the operator's ServiceAccount may not: {}", list(.0))]
    Permissions(Vec<Permission>),
    /// The CRD is not installed, or not served in this version.
    #[error("the API server does not serve sessionexports.{GROUP}: install the CRD")]
    Crd,
    /// The API server did not answer, or not so that we could tell.
    #[error("the API server cannot be asked: {0}")]
    Unreachable(String),
}

fn list(permissions: &[Permission]) -> String {
    permissions.iter().map(Permission::to_string).collect::<Vec<_>>().join("; ")
}

/// What an operator needs that watches `namespaces` (empty: all) and keeps its lease at (namespace, name).
#[must_use]
pub fn needed(namespaces: &[String], lease: (&str, &str)) -> Vec<Permission> {
    const WORK: [(&str, &str, &str, &str); 6] = [
        ("get", GROUP, "sessionexports", ""),
        ("list", GROUP, "sessionexports", ""),
        ("watch", GROUP, "sessionexports", ""),
        ("delete", GROUP, "sessionexports", ""),
        ("patch", GROUP, "sessionexports", "status"),
        ("create", "events.k8s.io", "events", ""),
    ];
    let everywhere = if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    let work = everywhere.into_iter().flat_map(|namespace| {
        WORK.map(|(verb, group, resource, subresource)| {
            let namespace = namespace.clone();
            Permission { verb, group, resource, subresource, namespace, name: None }
        })
    });
    let lease = ["get", "update", "watch", "create", "list"].map(|verb| Permission {
        verb,
        group: "coordination.k8s.io",
        resource: "leases",
        subresource: "",
        namespace: Some(lease.0.to_owned()),
        // RBAC cannot bind a creation to a name, and a list is for the other operators' leases.
        name: (!matches!(verb, "create" | "list")).then(|| lease.1.to_owned()),
    });
    work.chain(lease).collect()
}

/// Whether everything is there.
///
/// # Errors
/// What is missing, all of it at once.
pub async fn check(client: &Client, namespaces: &[String], permissions: &[Permission]) -> Result<(), Missing> {
    let mut missing = Vec::new();
    for permission in permissions {
        if !granted(client, permission).await? {
            missing.push(permission.clone());
        }
    }
    if !missing.is_empty() {
        return Err(Missing::Permissions(missing));
    }
    served(client, namespaces).await
}

/// Asks until everything is there, every 5 s. `report` is told of each change of what is missing, and so is the log.
pub async fn passed(
    client: &Client,
    namespaces: &[String],
    permissions: &[Permission],
    mut report: impl FnMut(&Missing) + Send,
) {
    let mut told = None;
    while let Err(missing) = check(client, namespaces, permissions).await {
        if told.as_ref() != Some(&missing) {
            tracing::error!(%missing, "cannot work yet, asking again every {AGAIN:?}");
            report(&missing);
            told = Some(missing);
        }
        sleep(AGAIN).await;
    }
    tracing::info!("permissions and CRD are in place");
}

async fn granted(client: &Client, permission: &Permission) -> Result<bool, Missing> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let attributes = ResourceAttributes {
        verb: some(permission.verb),
        group: some(permission.group),
        resource: some(permission.resource),
        subresource: some(permission.subresource),
        namespace: permission.namespace.clone(),
        name: permission.name.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..Default::default() };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.map_err(unreachable)?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

async fn served(client: &Client, namespaces: &[String]) -> Result<(), Missing> {
    // Whatever the first object holds, it must not keep the operator from starting.
    let api: Api<Received<SessionExport>> = match namespaces.first() {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    match api.list(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(Missing::Crd),
        Err(error) => Err(unreachable(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreachable(error: kube::Error) -> Missing {
    Missing::Unreachable(sentence(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed_in(namespaces: &[&str]) -> Vec<String> {
        let namespaces: Vec<String> = namespaces.iter().map(ToString::to_string).collect();
        needed(&namespaces, ("ops", "session-export-operator")).iter().map(Permission::to_string).collect()
    }

    #[test]
    fn cluster_wide_needs_each_permission_once() {
        assert_eq!(
            needed_in(&[]),
            [
                "get sessionexports.sessionexport.dev in all namespaces",
                "list sessionexports.sessionexport.dev in all namespaces",
                "watch sessionexports.sessionexport.dev in all namespaces",
                "delete sessionexports.sessionexport.dev in all namespaces",
                "patch sessionexports/status.sessionexport.dev in all namespaces",
                "create events.events.k8s.io in all namespaces",
                "get leases.coordination.k8s.io \"session-export-operator\" in namespace ops",
                "update leases.coordination.k8s.io \"session-export-operator\" in namespace ops",
                "watch leases.coordination.k8s.io \"session-export-operator\" in namespace ops",
                "create leases.coordination.k8s.io in namespace ops",
                "list leases.coordination.k8s.io in namespace ops",
            ]
        );
    }

    #[test]
    fn listed_namespaces_need_them_in_each_and_nowhere_else() {
        let permissions = needed_in(&["a", "b"]);
        assert_eq!(permissions.len(), 2 * 6 + 5);
        assert!(permissions.iter().all(|p| !p.ends_with("in all namespaces")));
    }

    #[test]
    fn the_sentence_names_everything_that_is_missing() {
        let missing = Missing::Permissions(needed(&["a".to_owned()], ("a", "op")).drain(..2).collect());
        assert_eq!(
            missing.to_string(),
            "the operator's ServiceAccount may not: get sessionexports.sessionexport.dev in namespace a; \
             list sessionexports.sessionexport.dev in namespace a"
        );
    }
}
