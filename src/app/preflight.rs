//! Preflight checks: the permissions and the CRD that the operator needs before it can work.
//!
//! Owns: the list of permissions and the sentences that name a missing one.
//! Never: ends the process: the checks are repeated until all pass.

use crate::api::policy::SessionExportPolicy;
use crate::api::{GROUP, SessionExport};
use crate::runtime::client::describe_error;
use crate::runtime::received::Received;
use crate::runtime::watch::WatchableResource;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;
use tokio::time::sleep;

/// Pause between two tries.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Pause between two checks of what only policies need, once the API server has answered.
const POLICY_RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// One permission, in the terms of RBAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Verb, such as `get`.
    verb: &'static str,
    /// API group.
    group: &'static str,
    /// Resource, in the plural.
    resource: &'static str,
    /// Subresource; empty for the resource itself.
    subresource: &'static str,
    /// Namespace; `None` for all.
    namespace: Option<String>,
    /// Object name; `None` for any.
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

/// Why the operator is not ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreflightError {
    /// The permissions that the operator's ServiceAccount lacks.
    #[error("the operator's ServiceAccount may not: {}", join_permissions(.0))]
    Permissions(Vec<Permission>),
    /// The CRD of this plural is not installed, or not served in this version.
    #[error("the API server does not serve {0}.{GROUP}: install the CRD")]
    Crd(Cow<'static, str>),
    /// The API server did not answer, or with another error.
    #[error("the API server cannot be asked: {0}")]
    Unreachable(String),
}

fn join_permissions(permissions: &[Permission]) -> String {
    permissions.iter().map(Permission::to_string).collect::<Vec<_>>().join("; ")
}

/// The permissions of an operator that watches `namespaces` (all if empty) and has its lease at (namespace, name).
#[must_use]
pub fn required_permissions(namespaces: &[String], lease: (&str, &str)) -> Vec<Permission> {
    const WORK: [(&str, &str, &str, &str); 6] = [
        ("get", GROUP, "sessionexports", ""),
        ("list", GROUP, "sessionexports", ""),
        ("watch", GROUP, "sessionexports", ""),
        ("delete", GROUP, "sessionexports", ""),
        ("patch", GROUP, "sessionexports", "status"),
        ("create", "events.k8s.io", "events", ""),
    ];
    let work = in_each_namespace(namespaces, &WORK);
    // The chart's policy checks for it without a namespace, and covers the statuses of all namespaces, whichever are
    // watched and whichever release has installed it.
    let record = Permission {
        verb: "record",
        group: GROUP,
        resource: "sessionexports",
        subresource: "status",
        namespace: None,
        name: None,
    };
    let lease = ["get", "update", "watch", "create", "list"].map(|verb| Permission {
        verb,
        group: "coordination.k8s.io",
        resource: "leases",
        subresource: "",
        namespace: Some(lease.0.to_owned()),
        // RBAC cannot bind a creation to a name, and a list is for the other operators' leases.
        name: (!matches!(verb, "create" | "list")).then(|| lease.1.to_owned()),
    });
    work.into_iter().chain([record]).chain(lease).collect()
}

/// The permissions that only policies need.
#[must_use]
pub fn permissions_of_policies(namespaces: &[String]) -> Vec<Permission> {
    const WORK: [(&str, &str, &str, &str); 4] = [
        ("create", GROUP, "sessionexports", ""),
        ("list", GROUP, "sessionexportpolicies", ""),
        ("watch", GROUP, "sessionexportpolicies", ""),
        ("patch", GROUP, "sessionexportpolicies", "status"),
    ];
    in_each_namespace(namespaces, &WORK)
}

/// These permissions (verb, group, resource, subresource) in each namespace, or in all if none is named.
fn in_each_namespace(
    namespaces: &[String],
    work: &[(&'static str, &'static str, &'static str, &'static str)],
) -> Vec<Permission> {
    let everywhere = if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    let permissions = everywhere.into_iter().flat_map(|namespace: Option<String>| {
        work.iter().map(move |&(verb, group, resource, subresource)| {
            let namespace = namespace.clone();
            Permission { verb, group, resource, subresource, namespace, name: None }
        })
    });
    permissions.collect()
}

/// Checks all permissions, then the CRD of SessionExport.
///
/// # Errors
/// All missing permissions at once, or else the missing CRD.
pub async fn check_permissions(
    client: &Client,
    namespaces: &[String],
    permissions: &[Permission],
) -> Result<(), PreflightError> {
    check_kind::<SessionExport>(client, namespaces, permissions).await
}

async fn check_kind<K: WatchableResource>(
    client: &Client,
    namespaces: &[String],
    permissions: &[Permission],
) -> Result<(), PreflightError> {
    check_allowed(client, permissions).await?;
    check_crd::<K>(client, namespaces).await
}

async fn check_allowed(client: &Client, permissions: &[Permission]) -> Result<(), PreflightError> {
    let mut missing = Vec::new();
    for permission in permissions {
        if !is_allowed(client, permission).await? {
            missing.push(permission.clone());
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(PreflightError::Permissions(missing)) }
}

/// Repeats the check of what only policies need until it succeeds. Logs each change of the result: until then policies
/// are held, and nothing else is.
pub async fn wait_for_policies(client: &Client, namespaces: &[String]) {
    let permissions = permissions_of_policies(namespaces);
    let mut reported = None;
    while let Err(missing) = check_kind::<SessionExportPolicy>(client, namespaces, &permissions).await {
        if reported.as_ref() != Some(&missing) {
            tracing::warn!(%missing, "policies are held, checking again");
            reported = Some(missing.clone());
        }
        sleep(match missing {
            PreflightError::Unreachable(_) => RETRY_INTERVAL,
            PreflightError::Permissions(_) | PreflightError::Crd(_) => POLICY_RETRY_INTERVAL,
        })
        .await;
    }
}

/// Repeats the checks every 5 s until all succeed. Logs each change of the result, and calls `report` with it.
pub async fn wait_until_ready(
    client: &Client,
    namespaces: &[String],
    permissions: &[Permission],
    mut report: impl FnMut(&PreflightError) + Send,
) {
    let mut reported = None;
    while let Err(missing) = check_permissions(client, namespaces, permissions).await {
        if reported.as_ref() != Some(&missing) {
            tracing::error!(%missing, "not ready, checking again every {RETRY_INTERVAL:?}");
            report(&missing);
            reported = Some(missing);
        }
        sleep(RETRY_INTERVAL).await;
    }
    tracing::info!("permissions and CRD are in place");
}

async fn is_allowed(client: &Client, permission: &Permission) -> Result<bool, PreflightError> {
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
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.map_err(to_unreachable)?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

async fn check_crd<K: WatchableResource>(client: &Client, namespaces: &[String]) -> Result<(), PreflightError> {
    // `Received` accepts any content, so that the first object can't keep the operator from starting.
    let api: Api<Received<K>> = match namespaces.first() {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    match api.list(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(PreflightError::Crd(K::plural(&()))),
        Err(error) => Err(to_unreachable(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn to_unreachable(error: kube::Error) -> PreflightError {
    PreflightError::Unreachable(describe_error(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed_in(namespaces: &[&str]) -> Vec<String> {
        let namespaces: Vec<String> = namespaces.iter().map(ToString::to_string).collect();
        required_permissions(&namespaces, ("ops", "session-export-operator"))
            .iter()
            .map(Permission::to_string)
            .collect()
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
                "record sessionexports/status.sessionexport.dev in all namespaces",
                "get leases.coordination.k8s.io \"session-export-operator\" in namespace ops",
                "update leases.coordination.k8s.io \"session-export-operator\" in namespace ops",
                "watch leases.coordination.k8s.io \"session-export-operator\" in namespace ops",
                "create leases.coordination.k8s.io in namespace ops",
                "list leases.coordination.k8s.io in namespace ops",
            ]
        );
    }

    #[test]
    fn listed_namespaces_need_them_in_each_and_nowhere_else_but_for_what_the_status_policy_asks_for() {
        let permissions = needed_in(&["a", "b"]);
        assert_eq!(permissions.len(), 2 * 6 + 1 + 5);
        let everywhere: Vec<_> = permissions.iter().filter(|p| p.ends_with("in all namespaces")).collect();
        assert_eq!(everywhere, ["record sessionexports/status.sessionexport.dev in all namespaces"]);
    }

    #[test]
    fn the_sentence_names_everything_that_is_missing() {
        let missing =
            PreflightError::Permissions(required_permissions(&["a".to_owned()], ("a", "op")).drain(..2).collect());
        assert_eq!(
            missing.to_string(),
            "the operator's ServiceAccount may not: get sessionexports.sessionexport.dev in namespace a; \
             list sessionexports.sessionexport.dev in namespace a"
        );
    }
}
