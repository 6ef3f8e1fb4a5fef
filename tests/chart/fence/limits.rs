//! How many rules an admission policy can hold.

use super::{ACCOUNT, NOWHERE, Verdict, install, judged_by_server, nowhere, object};
use crate::control_plane::ControlPlane;
use crate::helm::{objects, template};
use serde_json::{Value, json};

/// `count` rules with short entries, which is what costs most to evaluate for each character.
fn many_rules(count: usize) -> Value {
    let all: Vec<Value> = (0..count)
        .map(|n| json!({"namespaces": ["many", "x*"], "streamGroups": ["a", "b"], "outputPrefixes": [format!("s3://b{n:04}/")]}))
        .collect();
    json!({
        "fullnameOverride": "many",
        "aws": {"accountId": ACCOUNT},
        "watch": {"labelSelector": "fence=many"},
        "config": {"rules": all},
    })
}

#[test]
fn too_many_rules_for_the_api_server_are_refused_with_the_reason() {
    let refused = template(&many_rules(1200), &[]).unwrap_err();
    for words in ["config.rules: are", "shorten them below 90000", "set admissionPolicy.enabled=false"] {
        assert!(refused.contains(words), "{refused}");
    }
    let mut without = many_rules(1200);
    without["admissionPolicy"] = json!({"enabled": false});
    assert!(template(&without, &[]).is_ok());
}

/// By bisection.
fn most_rules() -> usize {
    let (mut fine, mut refused) = (1, 2000);
    while refused - fine > 1 {
        let middle = usize::midpoint(fine, refused);
        if template(&many_rules(middle), &[]).is_ok() { fine = middle } else { refused = middle }
    }
    fine
}

#[tokio::test]
async fn the_most_rules_that_the_chart_takes_are_enforced() {
    let control = ControlPlane::shared().await;
    let client = control.namespace("many").await.into_client();
    let most = most_rules();
    let rendered = objects(&many_rules(most));
    let labels = json!({"fence": "many"});
    install(control, "many", &rendered, &[object("many", &nowhere(), &labels)]).await;
    let last = format!("s3://b{:04}/", most - 1);
    for (group, uri, expected) in [
        ("b", last.as_str(), Verdict::Admitted),
        ("c", last.as_str(), Verdict::Forbidden),
        ("b", NOWHERE, Verdict::Forbidden),
    ] {
        let spec = json!({"streamGroupIdentifier": group, "streamSessionIdentifier": "s", "outputUri": uri});
        assert_eq!(judged_by_server(&client, &object("many", &spec, &labels)).await, expected, "{group} {uri}");
    }
    println!("{} rules", most);
}
