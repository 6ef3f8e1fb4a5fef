//! Values that are fine alone and contradict each other.

use super::{Config, Quota, Timing};
use crate::authority::patterns::GroupPattern;
use crate::streams::identifiers::{AccountId, Home, StreamGroupIdentifier};
use std::collections::HashSet;
use std::time::Duration;

/// AWS's default quota for each operation, requests per second for each account and Region.
const AWS_DEFAULT: f64 = 20.0;
const LEAST_SHARE: f64 = 0.01;
const GREATEST_SHARE: f64 = 10_000.0;
const MOST_TRIES: u32 = 100;

/// What contradicts what.
pub(super) struct Contradiction {
    /// Path of the field, such as `rules[0].streamGroups[1]`.
    pub(super) field: String,
    /// What is wrong with it, and what is accepted.
    pub(super) message: String,
}

fn refuse_unless(fine: bool, field: &str, message: impl FnOnce() -> String) -> Result<(), Contradiction> {
    if fine { Ok(()) } else { Err(Contradiction { field: field.to_owned(), message: message() }) }
}

pub(super) fn contradictions(config: &Config) -> Result<(), Contradiction> {
    account(config)?;
    quota(&config.quota)?;
    namespaces(&config.watch.namespaces)?;
    counts(&config.timing)?;
    waits(&config.timing)?;
    lease(&config.timing)
}

/// Rules are of one account: the limiter's key, and what an ARN is compared with.
fn account(config: &Config) -> Result<(), Contradiction> {
    let rules = config.rules.as_slice();
    let account = match &config.aws.account_id {
        Some(account) => account,
        None if rules.is_empty() => return Ok(()),
        None => {
            return refuse_unless(false, "aws.accountId", || {
                "is required when there are rules: the account of the operator's role, 12 digits".to_owned()
            });
        }
    };
    for (r, rule) in rules.iter().enumerate() {
        for (g, group) in rule.stream_groups.iter().enumerate() {
            refuse_unless(is_of(group, account), &format!("rules[{r}].streamGroups[{g}]"), || {
                format!("is of another account than aws.accountId ({account}), so that the rule could never match")
            })?;
        }
    }
    Ok(())
}

fn is_of(group: &GroupPattern, account: &AccountId) -> bool {
    match group {
        GroupPattern::Any | GroupPattern::Named(StreamGroupIdentifier { home: None, .. }) => true,
        GroupPattern::Named(StreamGroupIdentifier { home: Some(Home { account: named, .. }), .. }) => named == account,
    }
}

fn quota(quota: &Quota) -> Result<(), Contradiction> {
    let Quota { export, get, list, allow_above_default } = *quota;
    let (most, advice) = if allow_above_default {
        (GREATEST_SHARE, "")
    } else {
        (AWS_DEFAULT, " (AWS's default; for an account with a raised quota set quota.allowAboveDefault: true)")
    };
    for (field, share) in [("quota.export", export), ("quota.get", get), ("quota.list", list)] {
        refuse_unless((LEAST_SHARE..=most).contains(&share), field, || {
            format!("must be a number of requests per second from {LEAST_SHARE} to {most}{advice}")
        })?;
    }
    Ok(())
}

fn namespaces(names: &[String]) -> Result<(), Contradiction> {
    let mut seen = HashSet::new();
    for (n, name) in names.iter().enumerate() {
        refuse_unless(seen.insert(name), &format!("watch.namespaces[{n}]"), || {
            format!("{name} is there twice: name each namespace once")
        })?;
    }
    Ok(())
}

fn counts(timing: &Timing) -> Result<(), Contradiction> {
    for (field, count) in
        [("timing.notFoundReads", timing.not_found_reads), ("timing.rejectedTries", timing.rejected_tries)]
    {
        refuse_unless((1..=MOST_TRIES).contains(&count), field, || format!("must be a number from 1 to {MOST_TRIES}"))?;
    }
    Ok(())
}

fn waits(timing: &Timing) -> Result<(), Contradiction> {
    let Timing { denied_retry_min, denied_retry_max, retry_min, retry_max, .. } = *timing;
    let Timing { pending_poll_interval_min, pending_poll_interval_max, consistency_window, call_timeout, .. } = *timing;
    refuse_unless(consistency_window > call_timeout, "timing.consistencyWindow", || {
        format!("must be longer than timing.callTimeout ({call_timeout:?}): a call may take effect as late as that")
    })?;
    for (field, max, min_field, min) in [
        ("timing.deniedRetryMax", denied_retry_max, "timing.deniedRetryMin", denied_retry_min),
        ("timing.retryMax", retry_max, "timing.retryMin", retry_min),
        (
            "timing.pendingPollIntervalMax",
            pending_poll_interval_max,
            "timing.pendingPollIntervalMin",
            pending_poll_interval_min,
        ),
    ] {
        refuse_unless(max >= min, field, || format!("must not be shorter than {min_field} ({min:?})"))?;
    }
    Ok(())
}

/// A leader stops before its lease runs out, and no call that it began outlives it.
fn lease(timing: &Timing) -> Result<(), Contradiction> {
    let Timing { lease_duration, lease_renew_deadline, lease_retry, call_timeout, .. } = *timing;
    refuse_unless(lease_duration.subsec_nanos() == 0, "timing.leaseDuration", || {
        "must be whole seconds, at least 1s: a Lease has no smaller unit".to_owned()
    })?;
    refuse_unless(lease_renew_deadline < lease_duration, "timing.leaseRenewDeadline", || {
        format!("must be shorter than timing.leaseDuration ({lease_duration:?})")
    })?;
    refuse_unless(lease_retry < lease_renew_deadline, "timing.leaseRetry", || {
        format!("must be shorter than timing.leaseRenewDeadline ({lease_renew_deadline:?})")
    })?;
    let left: Duration = lease_duration.saturating_sub(lease_renew_deadline);
    refuse_unless(call_timeout <= left, "timing.callTimeout", || {
        format!(
            "must not be longer than timing.leaseDuration less timing.leaseRenewDeadline ({left:?}), \
             so that no call to AWS outlives the lease"
        )
    })
}
