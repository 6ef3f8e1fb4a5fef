//! `status.conditions`: the types that the operator writes, and one entry.

use crate::api::Reason;
use crate::api::policy::PolicyReason;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// AWS has accepted the export. Once True it stays True.
pub const ACCEPTED: &str = "Accepted";
/// The summary of a one-shot object: Unknown until the end.
pub const SUCCEEDED: &str = "Succeeded";
/// True when `spec.readyWhen` is met.
pub const READY: &str = "Ready";
/// kstatus: under way. Present only while True.
pub const RECONCILING: &str = "Reconciling";
/// kstatus: failed, or a person must act. Present only while True.
pub const STALLED: &str = "Stalled";
/// All of them.
pub const ALL: [&str; 5] = [ACCEPTED, SUCCEEDED, READY, RECONCILING, STALLED];
/// The values of a condition's status.
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];

/// One condition, as metav1.Condition has it. Texts that most objects share are borrowed: four conditions of each of
/// 100,000 objects take no memory for them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// When `status` changed last. The epoch if absent.
    #[serde(default = "epoch", deserialize_with = "time_or_epoch")]
    pub last_transition_time: Time,
    /// For people.
    #[serde(default, deserialize_with = "shared_text")]
    pub message: Cow<'static, str>,
    /// The `metadata.generation` that the condition is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The reason in CamelCase.
    #[serde(default, deserialize_with = "shared_text")]
    pub reason: Cow<'static, str>,
    /// `True`, `False` or `Unknown`.
    #[serde(default, deserialize_with = "shared_text")]
    pub status: Cow<'static, str>,
    /// The key of the list.
    #[serde(rename = "type", default, deserialize_with = "shared_text")]
    pub type_: Cow<'static, str>,
}

/// The reason of the Ready condition; `None` without one.
pub fn ready_reason(conditions: &[Condition]) -> Option<&str> {
    conditions.iter().find(|condition| condition.type_ == READY).map(|condition| &*condition.reason)
}

fn epoch() -> Time {
    Time(jiff::Timestamp::UNIX_EPOCH)
}

/// A null is the same as an absent field, as in k8s-openapi's type.
fn time_or_epoch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(epoch))
}

/// Borrows a text that this program writes itself; any other is owned. A null is empty.
fn shared_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'static, str>, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?.unwrap_or_default();
    let reasons = Reason::ALL.into_iter().map(Reason::as_str);
    let of_policies = PolicyReason::ALL.into_iter().map(PolicyReason::as_str);
    let shared = ALL.into_iter().chain(STATUSES).chain(reasons).chain(of_policies).find(|shared| *shared == text);
    Ok(shared.map_or_else(|| Cow::Owned(text.into_owned()), Cow::Borrowed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn own_words_are_borrowed_and_all_others_survive() {
        let read = |value: serde_json::Value| serde_json::from_str::<Condition>(&value.to_string()).unwrap();
        let own = json!({"lastTransitionTime": "2026-01-31T12:00:00Z", "message": "Some.", "observedGeneration": 3,
            "reason": "ExportPending", "status": "False", "type": "Ready"});
        let condition = read(own.clone());
        let texts = [&condition.reason, &condition.status, &condition.type_];
        assert!(texts.into_iter().all(|text| matches!(text, Cow::Borrowed(_))), "{condition:?}");
        assert_eq!(serde_json::to_value(&condition).unwrap(), own);
        let other = json!({"lastTransitionTime": "2026-01-31T12:00:00Z", "message": "", "reason": "Copied\u{e9}",
            "status": "Perhaps", "type": "example.com/Copied"});
        assert_eq!(serde_json::to_value(read(other.clone())).unwrap(), other);
        let nulls = json!({"lastTransitionTime": null, "message": null, "reason": null, "status": null, "type": null});
        assert_eq!(read(nulls), read(json!({})));
    }
}
