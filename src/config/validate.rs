//! Validation of ranges, and of values that contradict each other.

use crate::authorization::patterns::GroupPattern;
use crate::aws::identifiers::{AccountId, Home, StreamGroupIdentifier};
use crate::config::{Config, QuotaConfig, Timing};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

/// AWS's default quota for each operation, requests per second for each account and Region.
const AWS_DEFAULT_QUOTA: f64 = 20.0;
const MIN_SHARE: f64 = 0.01;
const MAX_SHARE: f64 = 10_000.0;
/// Neither discovery scans nor the other lists must be without a share.
const DISCOVERY_SHARES: RangeInclusive<f64> = 0.05..=0.95;
const MAX_TRIES: u32 = 100;
const WAITING_EXPORTS: RangeInclusive<u32> = 1..=10_000;

/// A field with an invalid value.
pub(super) struct ValidationError {
    /// Path of the field, such as `rules[0].streamGroups[1]`.
    pub(super) field: String,
    /// What is wrong with it, and what is accepted.
    pub(super) message: String,
}

fn ensure(fine: bool, field: &str, message: impl FnOnce() -> String) -> Result<(), ValidationError> {
    if fine { Ok(()) } else { Err(ValidationError { field: field.to_owned(), message: message() }) }
}

pub(super) fn validate(config: &Config) -> Result<(), ValidationError> {
    validate_account(config)?;
    validate_regions(config)?;
    validate_policies(config)?;
    validate_quota(&config.quota)?;
    validate_namespaces(&config.watch.namespaces)?;
    validate_counts(&config.timing)?;
    validate_waits(&config.timing)?;
    validate_lease(&config.timing)
}

/// Rules are of one account: it is part of the limiter's key, and ARNs are compared with it.
fn validate_account(config: &Config) -> Result<(), ValidationError> {
    let rules = config.rules.as_slice();
    let account = match &config.aws.account_id {
        Some(account) => account,
        None if rules.is_empty() => return Ok(()),
        None => {
            return ensure(false, "aws.accountId", || {
                "is required when there are rules: the account of the operator's role, 12 digits".to_owned()
            });
        }
    };
    for (r, rule) in rules.iter().enumerate() {
        for (g, group) in rule.stream_groups.iter().enumerate() {
            ensure(is_of_account(group, account), &format!("rules[{r}].streamGroups[{g}]"), || {
                format!("is of another account than aws.accountId ({account}), so that the rule could never match")
            })?;
        }
    }
    Ok(())
}

/// `regions` beside ARNs alone would have no effect.
fn validate_regions(config: &Config) -> Result<(), ValidationError> {
    for (r, rule) in config.rules.as_slice().iter().enumerate() {
        let counts = rule.regions.is_empty() || !rule.stream_groups.iter().all(GroupPattern::is_arn);
        ensure(counts, &format!("rules[{r}].regions"), || {
            "is for stream groups by id or *, and this rule has ARNs only, which name their Regions themselves: \
             leave it out"
                .to_owned()
        })?;
    }
    Ok(())
}

/// A retired rule makes no exports, also not for policies.
fn validate_policies(config: &Config) -> Result<(), ValidationError> {
    for (r, rule) in config.rules.as_slice().iter().enumerate() {
        ensure(rule.exports || !rule.policies, &format!("rules[{r}].policies"), || {
            "must not be true in a rule with exports: false, under which nothing more is requested".to_owned()
        })?;
    }
    ensure(WAITING_EXPORTS.contains(&config.policies.max_waiting_exports), "policies.maxWaitingExports", || {
        format!("must be a number from {} to {}", WAITING_EXPORTS.start(), WAITING_EXPORTS.end())
    })
}

fn is_of_account(group: &GroupPattern, account: &AccountId) -> bool {
    match group {
        GroupPattern::Any | GroupPattern::Named(StreamGroupIdentifier { home: None, .. }) => true,
        GroupPattern::Named(StreamGroupIdentifier { home: Some(Home { account: named, .. }), .. }) => named == account,
    }
}

fn validate_quota(quota: &QuotaConfig) -> Result<(), ValidationError> {
    let QuotaConfig { export, get, list, discovery_share, allow_above_default } = *quota;
    let (most, advice) = if allow_above_default {
        (MAX_SHARE, "")
    } else {
        (AWS_DEFAULT_QUOTA, " (AWS's default; for an account with a raised quota set quota.allowAboveDefault: true)")
    };
    for (field, share) in [("quota.export", export), ("quota.get", get), ("quota.list", list)] {
        ensure((MIN_SHARE..=most).contains(&share), field, || {
            format!("must be a number of requests per second from {MIN_SHARE} to {most}{advice}")
        })?;
    }
    ensure(DISCOVERY_SHARES.contains(&discovery_share), "quota.discoveryShare", || {
        let (min, max) = (DISCOVERY_SHARES.start(), DISCOVERY_SHARES.end());
        format!("must be a part of quota.list from {min} to {max}")
    })
}

fn validate_namespaces(names: &[String]) -> Result<(), ValidationError> {
    let mut seen = HashSet::new();
    for (n, name) in names.iter().enumerate() {
        ensure(seen.insert(name), &format!("watch.namespaces[{n}]"), || {
            format!("{name} is there twice: name each namespace once")
        })?;
    }
    Ok(())
}

fn validate_counts(timing: &Timing) -> Result<(), ValidationError> {
    for (field, count) in
        [("timing.notFoundReads", timing.not_found_reads), ("timing.rejectedTries", timing.rejected_tries)]
    {
        ensure((1..=MAX_TRIES).contains(&count), field, || format!("must be a number from 1 to {MAX_TRIES}"))?;
    }
    Ok(())
}

fn validate_waits(timing: &Timing) -> Result<(), ValidationError> {
    let Timing { denied_retry_min, denied_retry_max, retry_min, retry_max, .. } = *timing;
    let Timing { pending_poll_interval_min, pending_poll_interval_max, consistency_window, call_timeout, .. } = *timing;
    let Timing { discovery_interval, reconnect_scan_interval, .. } = *timing;
    ensure(consistency_window > call_timeout, "timing.consistencyWindow", || {
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
        ("timing.reconnectScanInterval", reconnect_scan_interval, "timing.discoveryInterval", discovery_interval),
    ] {
        ensure(max >= min, field, || format!("must not be shorter than {min_field} ({min:?})"))?;
    }
    Ok(())
}

/// A leader stops before its lease expires, and no call that it began outlives the lease.
fn validate_lease(timing: &Timing) -> Result<(), ValidationError> {
    let Timing { lease_duration, lease_renew_deadline, lease_retry, call_timeout, .. } = *timing;
    ensure(lease_duration.subsec_nanos() == 0, "timing.leaseDuration", || {
        "must be whole seconds, at least 1s: a Lease has no smaller unit".to_owned()
    })?;
    ensure(lease_renew_deadline < lease_duration, "timing.leaseRenewDeadline", || {
        format!("must be shorter than timing.leaseDuration ({lease_duration:?})")
    })?;
    ensure(lease_retry < lease_renew_deadline, "timing.leaseRetry", || {
        format!("must be shorter than timing.leaseRenewDeadline ({lease_renew_deadline:?})")
    })?;
    let left: Duration = lease_duration.saturating_sub(lease_renew_deadline);
    ensure(call_timeout <= left, "timing.callTimeout", || {
        format!(
            "must not be longer than timing.leaseDuration less timing.leaseRenewDeadline ({left:?}), \
             so that no call to AWS outlives the lease"
        )
    })
}
