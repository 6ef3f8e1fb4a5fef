//! One test's world: a namespace on the shared control plane, a simulator and operators of its own.

use crate::control_plane::ControlPlane;
use crate::operator::Operator;
use crate::simulator::{ACCESS_KEY_ID, ACCOUNT, GROUP, REGION, SECRET_ACCESS_KEY, Simulator, merge};
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenReview};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use session_export_operator::api::{SessionExport, SessionExportStatus};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const SERVICE_ACCOUNT: &str = "session-export-operator";
/// Which token a request came with, in the audit log and in reviews.
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";
const LEASE: &str = "session-export-operator";
/// Longest that a test waits for anything; never what it measures.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct World {
    pub(crate) namespace: String,
    pub(crate) client: kube::Client,
    pub(crate) simulator: Simulator,
    control: &'static ControlPlane,
    dir: PathBuf,
    config: Value,
    operators: AtomicU32,
}

impl World {
    /// A fresh namespace whose operator may export to `s3://exports/` and, as AWS refuses there, `s3://denied/`.
    pub(crate) async fn new(name: &str) -> Self {
        Self::with(name, &[], json!({})).await
    }

    /// The same with flags for the simulator and changes to the operator's configuration.
    pub(crate) async fn with(name: &str, flags: &[&str], changes: Value) -> Self {
        Self::on(ControlPlane::shared().await, name, flags, changes).await
    }

    /// The same on a control plane of the test's own.
    pub(crate) async fn on(control: &'static ControlPlane, name: &str, flags: &[&str], changes: Value) -> Self {
        let namespace = format!("e2e-{name}");
        let client = control.namespace(&namespace).await.into_client();
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("e2e").join(&namespace);
        std::fs::create_dir_all(&dir).unwrap();
        let mut config = default_config(&namespace);
        merge(&mut config, changes);
        let simulator = Simulator::start(flags);
        let world = Self { namespace, client, simulator, control, dir, config, operators: AtomicU32::new(0) };
        world.guard_statuses().await;
        world.permit().await;
        world
    }

    /// The policy of examples/install.yaml: operators write statuses under it, and people without a right of the
    /// cluster can't.
    async fn guard_statuses(&self) {
        self.create_once::<ValidatingAdmissionPolicy>("ValidatingAdmissionPolicy").await;
        self.create_once::<ValidatingAdmissionPolicyBinding>("ValidatingAdmissionPolicyBinding").await;
    }

    /// Creates the object of this kind in examples/install.yaml, unless another world has.
    async fn create_once<K>(&self, kind: &str)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let object = installed().into_iter().find(|object| object["kind"] == kind).unwrap();
        let object: K = serde_json::from_value(object).unwrap();
        match Api::all(self.client.clone()).create(&PostParams::default(), &object).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(other) => panic!("{kind}: {other}"),
        }
    }

    /// The very rules of examples/install.yaml, bound to this namespace; in all namespaces what has to be so.
    async fn permit(&self) {
        let accounts: Api<ServiceAccount> = self.namespaced();
        let account = json!({"metadata": {"name": SERVICE_ACCOUNT}});
        accounts.create(&PostParams::default(), &serde_json::from_value(account).unwrap()).await.unwrap();
        for (n, rules) in granted().into_iter().enumerate() {
            self.grant(&format!("{SERVICE_ACCOUNT}-{n}"), rules).await;
        }
        let mut record = granted()[0].clone();
        record.as_array_mut().unwrap().retain(|rule| rule["verbs"] == json!(["record"]));
        self.grant_everywhere(&format!("{}-record", self.namespace), record).await;
    }

    /// Lets this world's operators hold a lease of another name, as each release of the chart has its own.
    #[allow(dead_code, reason = "shards use it")]
    pub(crate) async fn permit_lease(&self, lease: &str) {
        let verbs = ["get", "update", "watch"];
        let rule = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [lease], "verbs": verbs});
        self.grant(lease, json!([rule])).await;
    }

    /// Another namespace, in which this world's operators have the same rights.
    #[allow(dead_code, reason = "a crowd and the bench use it")]
    pub(crate) async fn also_in(&self, namespace: &str) -> Api<SessionExport> {
        let exports = self.control.namespace(namespace).await;
        for (n, rules) in granted().into_iter().enumerate() {
            self.grant_in(namespace, &format!("{SERVICE_ACCOUNT}-{n}"), rules).await;
        }
        exports
    }

    /// The rights on exports in all namespaces, as the ClusterRole of examples/install.yaml has them.
    #[allow(dead_code, reason = "the tests with several tenants use it")]
    pub(crate) async fn permit_everywhere(&self) {
        self.grant_everywhere(&self.namespace, granted()[0].clone()).await;
    }

    /// The very rules of examples/install.yaml for policies.
    #[allow(dead_code, reason = "the tests of policies use it")]
    pub(crate) async fn permit_policies(&self) {
        self.grant("policies", granted_for_policies()).await;
    }

    /// The same in all namespaces.
    #[allow(dead_code, reason = "the tests with several tenants use it")]
    pub(crate) async fn permit_policies_everywhere(&self) {
        self.grant_everywhere(&format!("{}-policies", self.namespace), granted_for_policies()).await;
    }

    async fn grant_everywhere(&self, name: &str, rules: Value) {
        let role = json!({"metadata": {"name": name}, "rules": rules});
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": &self.namespace}],
        });
        let roles: Api<k8s_openapi::api::rbac::v1::ClusterRole> = Api::all(self.client.clone());
        roles.create(&PostParams::default(), &serde_json::from_value(role).unwrap()).await.unwrap();
        let bindings: Api<k8s_openapi::api::rbac::v1::ClusterRoleBinding> = Api::all(self.client.clone());
        bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
    }

    async fn grant(&self, name: &str, rules: Value) {
        self.grant_in(&self.namespace, name, rules).await;
    }

    async fn grant_in(&self, namespace: &str, name: &str, rules: Value) {
        let role = json!({"metadata": {"name": name}, "rules": rules});
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": &self.namespace}],
        });
        self.create::<k8s_openapi::api::rbac::v1::Role>(namespace, role).await;
        self.create::<k8s_openapi::api::rbac::v1::RoleBinding>(namespace, binding).await;
    }

    async fn create<K>(&self, namespace: &str, object: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    pub(crate) fn namespaced<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Starts an operator and waits until it is ready.
    pub(crate) async fn operator(&self) -> Operator {
        let operator = self.start(json!({}), &[]).await;
        operator.ready("").await;
        operator
    }

    /// Starts an operator with a changed configuration and environment, and does not wait.
    pub(crate) async fn start(&self, changes: Value, environment: &[(&'static str, &str)]) -> Operator {
        self.start_through(None, changes, environment).await
    }

    /// The same with another way to the API server, such as a proxy's.
    pub(crate) async fn start_through(
        &self,
        server: Option<&str>,
        changes: Value,
        environment: &[(&'static str, &str)],
    ) -> Operator {
        let number = self.operators.fetch_add(1, Ordering::Relaxed);
        let mut config = self.config.clone();
        merge(&mut config, changes);
        let config_file = self.dir.join(format!("config-{number}.yaml"));
        std::fs::write(&config_file, config.to_string()).unwrap();
        let kubeconfig = self.dir.join(format!("kubeconfig-{number}"));
        self.write_kubeconfig(&kubeconfig, server, &self.token(SERVICE_ACCOUNT).await);
        let mut env = BTreeMap::from([
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("AWS_ENDPOINT_URL_GAMELIFTSTREAMS", self.simulator.aws.clone()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("POD_UUID", format!("operator-{number}")),
        ]);
        env.extend(environment.iter().map(|(key, value)| (*key, (*value).to_owned())));
        let config_path = config_file.display().to_string();
        let arguments = ["run", "--config", &config_path, "--log-format", "json"];
        let arguments = [&arguments[..], &["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"]].concat();
        Operator::start(&self.dir.join(format!("operator-{number}.log")), &arguments, &env)
    }

    /// The administrator's kubeconfig with the ServiceAccount's token in place of the administrator's.
    fn write_kubeconfig(&self, path: &std::path::Path, server: Option<&str>, token: &str) {
        let mut kubeconfig = self.kubeconfig();
        if let Some(server) = server {
            kubeconfig["clusters"][0]["cluster"]["server"] = json!(server);
        }
        kubeconfig["users"][0]["user"] = json!({"token": token});
        kubeconfig["contexts"][0]["context"]["namespace"] = json!(&self.namespace);
        std::fs::write(path, kubeconfig.to_string()).unwrap();
    }

    fn kubeconfig(&self) -> Value {
        serde_yaml::from_str(&std::fs::read_to_string(self.control.kubeconfig()).unwrap()).unwrap()
    }

    /// `HOST:PORT` of the API server.
    pub(crate) fn api_server(&self) -> String {
        let kubeconfig = self.kubeconfig();
        let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
        server.trim_start_matches("https://").to_owned()
    }

    /// kill -9, and the lease is free at once, as it would be a lease's duration later.
    pub(crate) async fn crash(&self, operator: Operator) {
        operator.crash();
        self.free_lease().await;
    }

    /// Deletes the lease, if the one that is dead had come so far. Its holder must be dead.
    pub(crate) async fn free_lease(&self) {
        let leases: Api<Lease> = self.namespaced();
        match leases.delete(LEASE, &DeleteParams::default()).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(other) => panic!("the lease can't be deleted: {other}"),
        }
    }

    /// The lease as it stands.
    pub(crate) async fn lease(&self) -> LeaseSpec {
        let leases: Api<Lease> = self.namespaced();
        leases.get(LEASE).await.unwrap().spec.unwrap_or_default()
    }

    /// An annotation of a lease.
    #[allow(dead_code, reason = "shards use it")]
    pub(crate) async fn lease_annotation(&self, lease: &str, key: &str) -> String {
        let leases: Api<Lease> = self.namespaced();
        leases.get(lease).await.unwrap().metadata.annotations.unwrap_or_default()[key].clone()
    }

    /// Waits until something outside of the objects is so.
    pub(crate) async fn eventually<F: Future<Output = bool>>(&self, what: &str, mut is_so: impl FnMut() -> F) {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        while !is_so().await {
            assert!(tokio::time::Instant::now() < give_up, "never: {what}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The kubeconfig of a ServiceAccount of this namespace.
    #[allow(dead_code, reason = "tests/integrations logs in as the example backend")]
    pub(crate) async fn kubeconfig_of(&self, account: &str) -> PathBuf {
        let path = self.dir.join(format!("kubeconfig-{account}"));
        self.write_kubeconfig(&path, None, &self.token(account).await);
        path
    }

    async fn token(&self, account: &str) -> String {
        let accounts: Api<ServiceAccount> = self.namespaced();
        let request: TokenRequest = serde_json::from_value(json!({"spec": {"audiences": []}, "metadata": {}})).unwrap();
        let answer = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
        answer.status.unwrap().token
    }

    pub(crate) fn exports(&self) -> Api<SessionExport> {
        self.namespaced()
    }

    /// Creates a SessionExport of a session to a URI.
    pub(crate) async fn export(&self, name: &str, session: &str, uri: &str) -> SessionExport {
        self.export_with(name, session, uri, json!({})).await
    }

    /// The same with more in its spec.
    pub(crate) async fn export_with(&self, name: &str, session: &str, uri: &str, more: Value) -> SessionExport {
        let mut spec = json!({
            "streamGroupIdentifier": GROUP,
            "streamSessionIdentifier": session,
            "outputUri": uri,
        });
        merge(&mut spec, more);
        let object = json!({
            "apiVersion": "sessionexport.dev/v1alpha1",
            "kind": "SessionExport",
            "metadata": {"name": name},
            "spec": spec,
        });
        self.exports().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
    }

    /// Changes a SessionExport by merge patch.
    #[allow(dead_code, reason = "the condition rows use it")]
    pub(crate) async fn patch(&self, name: &str, patch: Value) {
        self.exports().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Changes its status by merge patch, as a person with the right to might.
    /// Returns the object as it was right after, before the operator could mend it.
    pub(crate) async fn patch_status(&self, name: &str, status: Value) -> SessionExport {
        let patch = Patch::Merge(json!({"status": status}));
        self.exports().patch_status(name, &PatchParams::default(), &patch).await.unwrap()
    }

    /// As if the operator had never written any of it.
    pub(crate) async fn clear_status(&self, name: &str) -> SessionExport {
        let nothing = json!({
            "conditions": null, "exportStatus": null, "outputUri": null, "session": null, "startTime": null,
            "requestAttemptTime": null, "requestTime": null, "completionTime": null, "observedGeneration": null,
        });
        self.patch_status(name, nothing).await
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.exports().delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub(crate) async fn status(&self, name: &str) -> SessionExportStatus {
        self.exports().get(name).await.unwrap().status.unwrap_or_default()
    }

    /// Waits until the status is as wanted, and returns the object.
    pub(crate) async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&SessionExportStatus) -> bool,
    ) -> SessionExport {
        let give_up = tokio::time::Instant::now() + PATIENCE;
        loop {
            let object = self.exports().get(name).await.unwrap();
            if object.status.as_ref().is_some_and(&wanted) {
                return object;
            }
            if tokio::time::Instant::now() > give_up {
                let status = serde_json::to_string_pretty(&object.status).unwrap();
                panic!("{name} never became {what}: {status}\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the reason of the condition Ready.
    pub(crate) async fn reason(&self, name: &str, reason: &str) -> SessionExport {
        self.until(name, reason, |status| condition(status, "Ready").is_some_and(|(_, is)| is == reason)).await
    }

    /// Waits until it has finished.
    pub(crate) async fn finished(&self, name: &str) -> SessionExportStatus {
        self.until(name, "finished", |status| status.completion_time.is_some()).await.status.unwrap()
    }

    /// What the operators have logged, for a failing test's message.
    pub(crate) fn logs(&self) -> String {
        let count = self.operators.load(Ordering::Relaxed);
        let read = |n: u32| std::fs::read_to_string(self.dir.join(format!("operator-{n}.log"))).unwrap_or_default();
        (0..count).map(|n| format!("--- operator {n}\n{}", read(n))).collect()
    }

    /// The requests of this world's operators that the API server has answered, from its audit log.
    pub(crate) fn audited(&self) -> Vec<Value> {
        let user = format!("system:serviceaccount:{}:{SERVICE_ACCOUNT}", self.namespace);
        let text = std::fs::read_to_string(self.control.audit_log()).unwrap();
        // Most lines are of other tests: no need to parse those.
        let own = text.lines().filter(|line| line.contains(&user));
        let lines = own.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["user"]["username"] == user.as_str()).collect()
    }

    /// The audit log's name for the token of the operator that was started as number `n`.
    async fn credential(&self, n: u32) -> Value {
        let text = std::fs::read_to_string(self.dir.join(format!("kubeconfig-{n}"))).unwrap();
        let kubeconfig: Value = serde_json::from_str(&text).unwrap();
        let review = json!({"metadata": {}, "spec": {"token": kubeconfig["users"][0]["user"]["token"]}});
        let reviews: Api<TokenReview> = Api::all(self.client.clone());
        let review = reviews.create(&PostParams::default(), &serde_json::from_value(review).unwrap()).await.unwrap();
        let user = review.status.unwrap().user.unwrap();
        json!(user.extra.unwrap()[CREDENTIAL])
    }

    /// The requests of one operator, from the audit log.
    pub(crate) async fn requests_by(&self, n: u32) -> Vec<Value> {
        let credential = self.credential(n).await;
        let lines = self.audited().into_iter();
        lines.filter(|line| line["user"]["extra"][CREDENTIAL] == credential).collect()
    }

    /// What one operator has asked the API server to change, in order: verb, resource and name.
    pub(crate) async fn changes_by(&self, n: u32) -> Vec<String> {
        let lines = self.requests_by(n).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let words =
            |line: &Value| [&line["verb"], &line["objectRef"]["resource"], &line["objectRef"]["name"]].map(text);
        let reads = ["get", "list", "watch"];
        let changes = lines
            .iter()
            .map(words)
            .filter(|[verb, resource, _]| !reads.contains(&verb.as_str()) && resource != "selfsubjectaccessreviews");
        changes.map(|words| words.join(" ")).collect()
    }

    /// How many status writes of one object the API server has accepted from this world's operators.
    pub(crate) fn status_writes(&self, name: &str) -> usize {
        self.status_writes_by_name().get(name).copied().unwrap_or_default()
    }

    /// The same of all objects. The API server answers a moment before it audits: counted is what stays the same for
    /// a while.
    pub(crate) fn status_writes_by_name(&self) -> BTreeMap<String, usize> {
        let mut last = self.audited_writes();
        loop {
            std::thread::sleep(Duration::from_millis(200));
            match self.audited_writes() {
                same if same == last => return same,
                more => last = more,
            }
        }
    }

    fn audited_writes(&self) -> BTreeMap<String, usize> {
        let mut writes = BTreeMap::new();
        for line in self.audited() {
            let object = &line["objectRef"];
            let is_one = line["verb"] == "patch"
                && object["resource"] == "sessionexports"
                && object["subresource"] == "status"
                && line["responseStatus"]["code"] == 200;
            if is_one {
                *writes.entry(object["name"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        writes
    }

    #[allow(dead_code, reason = "tests/outage kills and stops it")]
    pub(crate) fn control(&self) -> &'static ControlPlane {
        self.control
    }
}

/// Waits are shorter than by default, in the same proportions; a call's time-out stays below the consistency window. But
/// the leader keeps its lease though the API server stands still for seconds, as it may on a busy machine: a new term
/// would begin with an empty memory, and read everything again.
fn default_config(namespace: &str) -> Value {
    json!({
        "aws": {"region": REGION, "accountId": ACCOUNT},
        "rules": [{
            "namespaces": [namespace],
            "streamGroups": ["*"],
            "outputPrefixes": ["s3://exports/", "s3://denied/"],
        }],
        "watch": {"namespaces": [namespace]},
        "policies": {"enabled": false},
        "lease": {"namespace": namespace},
        "timing": {
            "callTimeout": "1500ms",
            "consistencyWindow": "2s",
            "heldStatusDelay": "1500ms",
            "denialStalledAfter": "4s",
            "deniedRetryMin": "500ms",
            "deniedRetryMax": "2s",
            "notFoundWindow": "2s",
            "rejectedWindow": "2s",
            "rejectedRetry": "4s",
            "retryMin": "300ms",
            "retryMax": "2s",
            "activatingPollInterval": "200ms",
            "pendingPollIntervalMin": "300ms",
            "pendingPollIntervalMax": "3s",
            "leaseDuration": "150s",
            "leaseRenewDeadline": "2m",
        },
    })
}

/// The rules of examples/install.yaml: what a test may do is what an installed operator without policies may do.
pub(crate) fn granted() -> Vec<Value> {
    let mut roles = roles();
    roles.iter_mut().for_each(|rules| rules.retain(|rule| !is_for_policies(rule)));
    roles.into_iter().map(Value::Array).collect()
}

/// What it may do besides for policies.
fn granted_for_policies() -> Value {
    roles().into_iter().flatten().filter(is_for_policies).collect()
}

fn is_for_policies(rule: &Value) -> bool {
    let resource = rule["resources"][0].as_str().unwrap();
    resource.starts_with("sessionexportpolicies")
        || (resource == "sessionexports" && rule["verbs"] == json!(["create"]))
}

fn roles() -> Vec<Vec<Value>> {
    installed().into_iter().filter_map(|mut object| Some(object["rules"].as_array_mut()?.split_off(0))).collect()
}

/// The objects of examples/install.yaml.
fn installed() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/install.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| <Value as serde::Deserialize>::deserialize(document).unwrap()).collect()
}

/// Status and reason of one condition.
pub(crate) fn condition(status: &SessionExportStatus, type_: &str) -> Option<(String, String)> {
    let found = status.conditions.iter().find(|condition| condition.type_ == type_)?;
    Some((found.status.to_string(), found.reason.to_string()))
}

/// The conditions in short, such as `Accepted=True Ready=False`, sorted.
pub(crate) fn conditions(status: &SessionExportStatus) -> String {
    let mut all: Vec<_> = status.conditions.iter().map(|c| format!("{}={}", c.type_, c.status)).collect();
    all.sort();
    all.join(" ")
}
