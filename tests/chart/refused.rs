//! Wrong values: each is refused by its path.

use crate::helm::template;
use serde_json::{Value, json};

fn rule(change: &Value) -> Value {
    let mut rule = json!({"namespaces": ["a"], "streamGroups": ["sg-1"], "outputPrefixes": ["s3://bucket/a/"]});
    for (key, value) in change.as_object().unwrap() {
        rule[key] = value.clone();
    }
    json!({"aws": {"accountId": "111122223333"}, "config": {"rules": [rule]}})
}

fn metrics_from(peer: &Value) -> Value {
    json!({"networkPolicy": {"metricsFrom": [peer]}})
}

fn alert(options: &Value) -> Value {
    json!({"prometheusRule": {"enabled": true, "alerts": {"SessionExportHeld": options}}})
}

/// Values, and what Helm has to say of them.
fn table() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (json!({"replicas": 2}), &["'replicas' not allowed"]),
        (json!({"replicaCount": "two"}), &["/replicaCount", "want integer"]),
        (json!({"replicaCount": -1}), &["/replicaCount", "minimum"]),
        (json!({"image": {"pullPolicy": "Sometimes"}}), &["/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"]),
        (json!({"image": {"digest": "sha256:12"}}), &["/image/digest", "sha256:"]),
        (json!({"image": {"name": "x"}}), &["/image", "'name' not allowed"]),
        (json!({"aws": {"accountId": 111_122_223_333_u64}}), &["/aws/accountId", "got number, want string"]),
        (json!({"aws": {"accountId": "1234"}}), &["/aws/accountId", "[0-9]{12}"]),
        (json!({"aws": {"region": "US-West-2"}}), &["/aws/region"]),
        (json!({"aws": {"endpointUrl": "simulator:8474"}}), &["/aws/endpointUrl", "https?://"]),
        (json!({"aws": {"endpointUrl": "HTTP://localhost"}}), &["/aws/endpointUrl", "https?://"]),
        (json!({"aws": {"endpointUrl": "https://a b"}}), &["/aws/endpointUrl", "https?://"]),
        (json!({"aws": {"endpointUrl": "http://localhost\n"}}), &["/aws/endpointUrl", "https?://"]),
        (json!({"aws": {"allowInsecureEndpoint": "true"}}), &["/aws/allowInsecureEndpoint", "want boolean"]),
        (json!({"aws": {"endpoint": "x"}}), &["/aws", "'endpoint' not allowed"]),
        (json!({"watch": {"namespaces": "team-a"}}), &["/watch/namespaces", "want array"]),
        (json!({"watch": {"namespaces": ["team-*"]}}), &["/watch/namespaces/0"]),
        (json!({"watch": {"namespaces": ["a", "a"]}}), &["/watch/namespaces", "equal"]),
        (json!({"watch": {"labelSelector": "a in prod"}}), &["/watch/labelSelector"]),
        (json!({"watch": {"labelSelector": "a,,b"}}), &["/watch/labelSelector"]),
        (json!({"config": {"rule": []}}), &["/config", "'rule' not allowed"]),
        (json!({"config": {"aws": {"region": "us-west-2"}}}), &["/config", "'aws' not allowed"]),
        (rule(&json!({"namespaces": []})), &["/config/rules/0/namespaces", "minItems"]),
        (rule(&json!({"namespaces": ["Team"]})), &["/config/rules/0/namespaces/0"]),
        (rule(&json!({"namespaces": ["team-*-x"]})), &["/config/rules/0/namespaces/0"]),
        (rule(&json!({"streamGroups": ["sg_1"]})), &["/config/rules/0/streamGroups/0"]),
        (rule(&json!({"outputPrefixes": ["s3://bucket/a"]})), &["/config/rules/0/outputPrefixes/0", "s3://"]),
        (rule(&json!({"outputPrefixes": ["s3://bucket/*/"]})), &["/config/rules/0/outputPrefixes/0"]),
        (rule(&json!({"prefixes": []})), &["/config/rules/0", "'prefixes' not allowed"]),
        (rule(&json!({"regions": []})), &["/config/rules/0/regions", "minItems"]),
        (rule(&json!({"regions": "us-west-2"})), &["/config/rules/0/regions", "want array"]),
        (rule(&json!({"regions": ["US-West-2"]})), &["/config/rules/0/regions/0"]),
        (rule(&json!({"region": ["us-west-2"]})), &["/config/rules/0", "'region' not allowed"]),
        (rule(&json!({"exports": "false"})), &["/config/rules/0/exports", "want boolean"]),
        (json!({"config": {"rules": [{"namespaces": ["a"]}]}}), &["/config/rules/0", "'streamGroups'"]),
        (json!({"config": {"quota": {"export": "fast"}}}), &["/config/quota/export", "want number"]),
        (
            json!({"config": {"timing": {"consistencywindow": "3s"}}}),
            &["/config/timing", "'consistencywindow' not allowed"],
        ),
        (
            json!({"config": {"timing": {"shutdownGracePeriod": 2}}}),
            &["/config/timing/shutdownGracePeriod", "want string"],
        ),
        (json!({"admissionPolicy": {"enabled": "yes"}}), &["/admissionPolicy/enabled", "want boolean"]),
        (json!({"statusPolicy": {"enabled": "yes"}}), &["/statusPolicy/enabled", "want boolean"]),
        (json!({"statusPolicy": {"enable": true}}), &["/statusPolicy", "'enable' not allowed"]),
        (json!({"serviceAccount": {"annotations": {"a": true}}}), &["/serviceAccount/annotations/a", "want string"]),
        (json!({"rbac": {"aggregate": true}}), &["/rbac", "'aggregate' not allowed"]),
        (json!({"crds": {"keep": "true"}}), &["/crds/keep", "want boolean"]),
        (json!({"resources": {"limit": {}}}), &["/resources", "'limit' not allowed"]),
        (json!({"resources": {"limits": {"memory": "lots"}}}), &["/resources/limits/memory"]),
        (json!({"probes": {"liveness": {"path": "/"}}}), &["/probes/liveness", "'path' not allowed"]),
        (json!({"podDisruptionBudget": {"maxUnavailable": "half"}}), &["/podDisruptionBudget/maxUnavailable"]),
        (json!({"topologySpreadConstraints": [{"maxSkew": 1}]}), &["/topologySpreadConstraints/0", "'topologyKey'"]),
        (json!({"tolerations": [{"effect": "Never"}]}), &["/tolerations/0/effect"]),
        (json!({"podSecurityContext": {"runAsUser": "root"}}), &["/podSecurityContext/runAsUser", "integer"]),
        (json!({"podSecurityContext": {"privileged": true}}), &["/podSecurityContext", "'privileged' not allowed"]),
        (json!({"securityContext": {"fsGroup": 1}}), &["/securityContext", "'fsGroup' not allowed"]),
        (json!({"securityContext": {"capabilities": ["ALL"]}}), &["/securityContext/capabilities", "object"]),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Default"}}}),
            &["/securityContext/seccompProfile/type"],
        ),
        (json!({"networkPolicy": {"dnsPorts": []}}), &["/networkPolicy/dnsPorts", "minItems"]),
        (json!({"affinity": {"podAffinty": {}}}), &["/affinity", "'podAffinty' not allowed"]),
        (json!({"networkPolicy": {"apiServerPorts": [70000]}}), &["/networkPolicy/apiServerPorts/0", "maximum"]),
        (json!({"networkPolicy": {"metricsFrom": {}}}), &["/networkPolicy/metricsFrom", "want array"]),
        (metrics_from(&json!({})), &["/networkPolicy/metricsFrom/0", "minProperties"]),
        (metrics_from(&json!({"podSelektor": {}})), &["/networkPolicy/metricsFrom/0", "'podSelektor' not allowed"]),
        (metrics_from(&json!({"ipBlock": {}})), &["/networkPolicy/metricsFrom/0/ipBlock", "'cidr'"]),
        (json!({"serviceMonitor": {"interval": "often"}}), &["/serviceMonitor/interval"]),
        (json!({"prometheusRule": {"selector": "{job=\"a\"}"}}), &["/prometheusRule/selector"]),
        (json!({"prometheusRule": {"selector": "job=a"}}), &["/prometheusRule/selector"]),
        (json!({"prometheusRule": {"runbookUrl": "https://a/#b"}}), &["/prometheusRule/runbookUrl"]),
        (json!({"prometheusRule": {"interval": "30s"}}), &["/prometheusRule", "'interval' not allowed"]),
        (
            json!({"grafanaDashboard": {"labels": {"grafana_dashboard": 1}}}),
            &["/grafanaDashboard/labels", "want string"],
        ),
        (json!({"global": {"imageRegistry": 5000}}), &["/global/imageRegistry", "want string"]),
        (json!({"global": {"imagePullSecrets": "a"}}), &["/global/imagePullSecrets", "want array"]),
        (json!({"global": {"imagePullSecrets": [{"secret": "a"}]}}), &["/global/imagePullSecrets/0", "'name'"]),
        (json!({"enabled": "yes"}), &["/enabled", "want boolean"]),
        (json!({"namespaceOverride": "a.b"}), &["/namespaceOverride"]),
        (json!({"commonAnnotations": {"a": 1}}), &["/commonAnnotations/a", "want string"]),
        (json!({"deploymentAnnotations": {"a b": "c"}}), &["/deploymentAnnotations", "a b"]),
        (json!({"crds": {"annotations": {"a": true}}}), &["/crds/annotations/a", "want string"]),
        (json!({"dnsPolicy": "default"}), &["/dnsPolicy", "'ClusterFirst', 'ClusterFirstWithHostNet', 'Default'"]),
        (json!({"dnsConfig": {"servers": []}}), &["/dnsConfig", "'servers' not allowed"]),
        (json!({"dnsConfig": {"options": [{"value": "1"}]}}), &["/dnsConfig/options/0", "'name'"]),
        (json!({"dnsConfig": {"options": [{"name": "ndots", "value": 1}]}}), &["/dnsConfig/options/0/value", "string"]),
        (json!({"hostAliases": [{"ip": "10.0.0.7"}]}), &["/hostAliases/0", "'hostnames'"]),
        (json!({"hostNetwork": "true"}), &["/hostNetwork", "want boolean"]),
        (json!({"serviceMonitor": {"relabelings": [{"source_labels": ["a"]}]}}), &["/serviceMonitor/relabelings/0"]),
        (
            json!({"podMonitor": {"metricRelabelings": [{"action": "remove"}]}}),
            &["/podMonitor/metricRelabelings/0/action"],
        ),
        (json!({"podMonitor": {"namespace": "*"}}), &["/podMonitor/namespace"]),
        (json!({"prometheusRule": {"alerts": {"SessionExportLost": {}}}}), &["/prometheusRule/alerts", "not allowed"]),
        (alert(&json!({"for": "5 minutes"})), &["/prometheusRule/alerts/SessionExportHeld/for"]),
        (alert(&json!({"severity": ""})), &["/prometheusRule/alerts/SessionExportHeld/severity"]),
        (alert(&json!({"labels": {"a-b": "c"}})), &["/prometheusRule/alerts/SessionExportHeld/labels", "a-b"]),
        (alert(&json!({"enable": false})), &["/prometheusRule/alerts/SessionExportHeld", "'enable' not allowed"]),
        (json!({"extraEnv": {"A": "b"}}), &["/extraEnv", "want array"]),
        (json!({"extraEnv": [{"name": "A", "value": 1}]}), &["/extraEnv/0/value", "want string"]),
        (json!({"extraVolumeMounts": [{"name": "a", "mountPath": "etc"}]}), &["/extraVolumeMounts/0/mountPath"]),
        (json!({"extraObjects": [{"kind": "ConfigMap"}]}), &["/extraObjects/0", "'apiVersion'"]),
        (json!({"commonLabels": {"team": "a b"}}), &["/commonLabels/team"]),
        (json!({"podLabels": {"a b": "c"}}), &["/podLabels", "'a b' not allowed"]),
        (json!({"fullnameOverride": "Exports"}), &["/fullnameOverride"]),
    ]
}

fn complaints(table: Vec<(Value, &[&str])>) -> Vec<String> {
    let complaint = |(values, fragments): (Value, &[&str])| match template(&values, &[]) {
        Ok(_) => Some(format!("{values}: accepted")),
        Err(why) => {
            let lacking: Vec<_> = fragments.iter().filter(|fragment| !why.contains(**fragment)).collect();
            (!lacking.is_empty()).then(|| format!("{values}: lacks {lacking:?}: {why}"))
        }
    };
    table.into_iter().filter_map(complaint).collect()
}

#[test]
fn a_wrong_value_is_refused_by_its_path() {
    assert!(table().len() >= 40);
    let wrong = complaints(table());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn values_that_contradict_each_other_are_refused_by_their_path() {
    let with_account = |account: &str, group: &str, region: &str| {
        let mut values = rule(&json!({"streamGroups": [group]}));
        values["aws"] = json!({"accountId": account, "region": region});
        values
    };
    const OTHER_PARTITION: &str = "is not in AWS's partition aws";
    let arn = "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1";
    let gov = "arn:aws:gameliftstreams:us-gov-west-1:111122223333:streamgroup/sg-1";
    let china = "arn:aws-cn:gameliftstreams:cn-north-1:111122223333:streamgroup/sg-1";
    let with_regions = |groups: Value| rule(&json!({"streamGroups": groups, "regions": ["us-west-2"]}));
    let wrong = complaints(vec![
        (with_account("", "sg-1", ""), &["aws.accountId: is required when there are config.rules"]),
        (with_account("999999999999", arn, "us-west-2"), &["config.rules[0].streamGroups[0]: is of another account"]),
        (with_regions(json!([arn])), &["config.rules[0].regions: is for stream groups by id or *", "leave it out"]),
        (json!({"serviceAccount": {"create": false}}), &["serviceAccount.name: is required"]),
        (with_account("111122223333", "sg-1", "us-gov-west-1"), &["aws.region: \"us-gov-west-1\"", OTHER_PARTITION]),
        (with_account("111122223333", "sg-1", "eusc-de-east-1"), &["aws.region: \"eusc-de-east-1\"", OTHER_PARTITION]),
        (with_account("111122223333", gov, ""), &["config.rules[0].streamGroups[0]: ", OTHER_PARTITION]),
        (with_account("111122223333", china, ""), &["config.rules[0].streamGroups[0]: ", OTHER_PARTITION]),
        (rule(&json!({"regions": ["us-west-2", "cn-north-1"]})), &["config.rules[0].regions[1]: ", OTHER_PARTITION]),
        (json!({"dnsPolicy": "None"}), &["dnsPolicy: None needs at least one entry of dnsConfig.nameservers"]),
        (
            alert(&json!({"labels": {"severity": "page"}})),
            &["prometheusRule.alerts.SessionExportHeld.labels.severity: the severity of an alert is", "Held.severity"],
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for fine in [with_regions(json!([arn, "sg-1"])), with_regions(json!(["*"])), with_account("111122223333", arn, "")]
    {
        assert_eq!(template(&fine, &[]).err(), None, "{fine}");
    }
}

/// Plain HTTP to a host that is not loopback, or that one program or another takes for another host.
const INSECURE: [&str; 30] = [
    "http://simulator.testing:8474",
    "http://10.0.0.1",
    "http://0.0.0.0",
    "http://[::]",
    "http://[::2]",
    "http://[::1].evil.example",
    "http://[::1",
    "http://[::ffff:127.0.0.1]",
    "http://::1",
    "http://localhost.evil.example",
    "http://localhost.",
    "http://localhost:",
    "http://localhost:8474.evil.example",
    "http://localhost:80@evil.example",
    "http://localhost@evil.example",
    "http://localhost\\@evil.example",
    "http://localhost?@evil.example",
    "http://localhost#@evil.example",
    "http://xlocalhost",
    "http://evil.example/localhost",
    "http://evil.example/http://localhost",
    "http://127x0x0x1",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1@evil.example",
    "http://user@127.0.0.1@evil",
    "http://user@127.0.0.1",
    "http://127.0.0",
    "http://127.0.0.256",
    "http://127.0.0.01",
    "http://128.0.0.1",
];

#[test]
fn an_endpoint_over_plain_http_is_refused_with_the_way_out() {
    let with = |url: &str, allow: bool| json!({"aws": {"endpointUrl": url, "allowInsecureEndpoint": allow}});
    let words: &[&str] =
        &["aws.endpointUrl:", "Accepted are https://", "http://localhost", "aws.allowInsecureEndpoint=true"];
    let wrong = complaints(INSECURE.iter().map(|url| (with(url, false), words)).collect());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let allowed = INSECURE.iter().map(|url| with(url, true));
    let fine = [
        "",
        "https://vpce-0abc.gameliftstreams.us-west-2.vpce.amazonaws.com",
        "https://127.0.0.1.example:8443/path?query",
        "http://localhost",
        "http://localhost:8474/",
        "http://127.0.0.1:8474",
        "http://127.255.30.249",
        "http://[::1]:8474/a/b",
    ];
    for values in allowed.chain(fine.map(|url| with(url, false))) {
        assert_eq!(template(&values, &[]).err(), None, "{values}");
    }
}

#[test]
fn values_that_are_unusual_and_fine_are_accepted() {
    for values in [
        json!({"global": {"anything": 1}}),
        json!({"replicaCount": 0, "topologySpreadConstraints": [], "tolerations": [{"operator": "Exists"}]}),
        json!({"podDisruptionBudget": {"minAvailable": 0}}),
        json!({"watch": {"labelSelector": " example.com/team = a , stage notin (dev,) ,!x"}}),
        json!({"image": {"repository": "localhost:5000/a/b", "tag": "sha-12"}}),
        json!({"serviceAccount": {"create": false, "name": "mine"}, "rbac": {"create": false}}),
        rule(&json!({"namespaces": ["*", "0", "team-*"], "streamGroups": ["*"], "outputPrefixes": ["s3://b.c/"]})),
    ] {
        assert_eq!(template(&values, &[]).err(), None, "{values}");
    }
}
