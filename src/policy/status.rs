//! Conversion of a row and counts to a policy's status, and of two statuses to a patch. Pure.

use crate::api::condition::{Condition, READY, RECONCILING, STALLED};
use crate::api::policy::SessionExportPolicyStatus;
use crate::api::policy::request::Policy;
use crate::export::status::whole_seconds;
use crate::policy::row::{PolicyProgress, PolicyRow};
use jiff::Timestamp;
use std::borrow::Cow;

/// The conditions that show `row`, made from the recorded ones: those of other controllers stay.
pub(crate) fn build_conditions(policy: &Policy, row: &PolicyRow, now: Timestamp) -> Vec<Condition> {
    let progress = row.progress();
    let wanted = [
        (READY, Some(progress == PolicyProgress::Ready)),
        (RECONCILING, (progress == PolicyProgress::Reconciling).then_some(true)),
        (STALLED, (progress == PolicyProgress::Stalled).then_some(true)),
    ];
    let now = whole_seconds(now);
    let mut conditions = policy.status.conditions.clone();
    for (type_, value) in wanted {
        let before = conditions.iter().position(|condition| condition.type_ == type_);
        let Some(value) = value else {
            conditions.retain(|condition| condition.type_ != type_);
            continue;
        };
        let status = if value { "True" } else { "False" };
        let kept = before.and_then(|at| conditions.get(at)).filter(|condition| condition.status == status);
        let condition = Condition {
            last_transition_time: kept.map_or_else(|| now.clone(), |kept| kept.last_transition_time.clone()),
            message: Cow::Owned(row.message()),
            observed_generation: Some(policy.generation),
            reason: row.reason().as_str().into(),
            status: status.into(),
            type_: type_.into(),
        };
        match before.and_then(|at| conditions.get_mut(at)) {
            Some(shown) => *shown = condition,
            None => conditions.push(condition),
        }
    }
    conditions
}

/// True if the two statuses say the same but for counts.
pub(crate) fn has_same_conditions(one: &SessionExportPolicyStatus, other: &SessionExportPolicyStatus) -> bool {
    let of = |status: &SessionExportPolicyStatus| {
        (status.observed_generation, status.conditions.clone(), status.stream_group_arn.clone())
    };
    of(one) == of(other)
}
