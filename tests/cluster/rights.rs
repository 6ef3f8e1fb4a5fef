//! What the release's ServiceAccount may do, and what it has done.

use crate::cluster::Cluster;
use crate::release::{NAME, NAMESPACE};
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject};
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;
use std::collections::BTreeSet;

impl Cluster {
    /// Whether the operator has made such a request, such as `get sessionexports.sessionexport.dev`.
    pub(crate) fn has_requested(&self, right: &str) -> bool {
        self.requests().iter().any(|line| used(line) == right)
    }

    fn requests(&self) -> Vec<Value> {
        self.node.audited(&format!("system:serviceaccount:{NAMESPACE}:{NAME}"))
    }

    /// Every right that was given was used, and no request was denied, but for this: Helm takes away rights before the
    /// Pods that have them, so that a Pod may find its last requests denied, such as that which gives back the lease.
    /// `without` are the times from the moment that Helm began until the Pods were gone.
    pub(crate) async fn rights_are_what_was_needed(&self, without: &[(Timestamp, Timestamp)]) {
        assert_eq!(self.denied(without), Vec::<Value>::new());
        let asked = self.requests();
        // What any user may ask: whether it has its rights.
        let used: BTreeSet<String> =
            asked.iter().filter(|line| line["objectRef"]["resource"] != "selfsubjectaccessreviews").map(used).collect();
        let mut given = self.given().await;
        // The API server asks for this one when the policy judges a write of a status; the audit log shows the write.
        assert!(given.remove("record sessionexports/status.sessionexport.dev"));
        assert_eq!(used, given, "used, and given");
    }

    /// The requests that were denied outside of these times.
    pub(crate) fn denied(&self, without: &[(Timestamp, Timestamp)]) -> Vec<Value> {
        let mut denied = self.requests();
        denied.retain(|line| {
            let at: Timestamp = line["requestReceivedTimestamp"].as_str().unwrap().parse().unwrap();
            line["responseStatus"]["code"] == 403 && without.iter().all(|(from, to)| at < *from || *to < at)
        });
        denied
    }

    async fn given(&self) -> BTreeSet<String> {
        let mut rules = Vec::new();
        for binding in self.cluster_wide::<ClusterRoleBinding>().await {
            if is_ours(binding.subjects.as_deref()) {
                let role: ClusterRole = Api::all(self.client.clone()).get(&binding.role_ref.name).await.unwrap();
                rules.extend(role.rules.unwrap());
            }
        }
        for binding in self.cluster_wide::<RoleBinding>().await {
            if is_ours(binding.subjects.as_deref()) {
                let roles: Api<Role> = Api::namespaced(self.client.clone(), &binding.metadata.namespace.unwrap());
                rules.extend(roles.get(&binding.role_ref.name).await.unwrap().rules.unwrap());
            }
        }
        rules.iter().flat_map(given_by).collect()
    }

    async fn cluster_wide<K>(&self) -> Vec<K>
    where
        K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        Api::all(self.client.clone()).list(&ListParams::default()).await.unwrap().items
    }
}

fn is_ours(subjects: Option<&[Subject]>) -> bool {
    let is_one = |subject: &Subject| subject.name == NAME && subject.namespace.as_deref() == Some(NAMESPACE);
    subjects.is_some_and(|subjects| subjects.iter().any(is_one))
}

/// Such as `patch sessionexports/status.sessionexport.dev`.
fn given_by(rule: &PolicyRule) -> Vec<String> {
    let mut given = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            given.extend(rule.verbs.iter().map(|verb| format!("{verb} {resource}.{group}")));
        }
    }
    given
}

/// The same of a request.
fn used(line: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &line["objectRef"];
    let below = object["subresource"].as_str().map(|name| format!("/{name}")).unwrap_or_default();
    format!("{} {}{below}.{}", text(&line["verb"]), text(&object["resource"]), text(&object["apiGroup"]))
}
