//! Which policies the rules cover, and which destination a policy may use for a session.

#[cfg(test)]
mod tests;

use crate::api::policy::output_template::ExpandError;
use crate::api::policy::request::{Policy, PolicyRequest, SessionFacts};
use crate::authorization::rules::{MAX_PRINTED_RULE, RequestedPolicy, Rule};
use crate::authorization::{OperatorIdentity, Uncovered};
use crate::aws::identifiers::{OutputUri, StreamGroupArn};
use std::ops::Deref;
use std::sync::Arc;

/// A policy that the rules cover. Only for such a policy a stream group is listed, or an export made; only
/// [`OperatorIdentity::authorize_policy`] makes one.
#[derive(Debug, Clone)]
pub struct CoveredPolicy {
    policy: Arc<Policy>,
    request: Arc<PolicyRequest>,
    group: Arc<StreamGroupArn>,
}

impl CoveredPolicy {
    /// The parsed spec.
    pub fn request(&self) -> &PolicyRequest {
        &self.request
    }

    /// The stream group, named in full.
    pub fn group(&self) -> &Arc<StreamGroupArn> {
        &self.group
    }
}

/// Why a policy can't export a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDestination {
    /// AWS's answer lacks a value of the destination.
    MissingValue,
    /// The destination is too long, or no rule covers it.
    Refused,
}

impl Deref for CoveredPolicy {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.policy
    }
}

impl OperatorIdentity {
    /// Authorizes a policy, by what its destinations begin with.
    ///
    /// # Errors
    /// Why nothing may be done for it. There is no [`Uncovered::Retired`]: a retired rule allows no policies.
    pub fn authorize_policy(&self, policy: &Arc<Policy>) -> Result<CoveredPolicy, Uncovered> {
        let request = match &policy.request {
            Ok(request) => request,
            Err(malformed) => return Err(Uncovered::Malformed { detail: malformed.to_string() }),
        };
        if request.service_account.is_some() {
            return Err(Uncovered::ServiceAccount);
        }
        self.check_account(request.named_account())?;
        let region = request.region_or(&self.region);
        let destinations = policy.static_prefix(request);
        let (namespace, group) = (&*policy.namespace, &request.group.id);
        let wanted = RequestedPolicy { namespace, region, group, destinations: &destinations };
        let forbidden = || Uncovered::Forbidden { missing_rule: self.print_missing_policy_rule(wanted) };
        let account = self.account.as_ref().ok_or_else(forbidden)?;
        if !self.rules.allow_policy(wanted, &self.region) {
            return Err(forbidden());
        }
        let group = Arc::new(request.group_arn(region, account));
        if let Some(other) = request.application_of_other_account_or_region(&group) {
            let detail = format!(
                "selector.applicationIdentifiers must be of the group's Region and account, {} is not",
                other.id
            );
            return Err(Uncovered::Malformed { detail });
        }
        Ok(CoveredPolicy { policy: policy.clone(), request: Arc::new(request.clone()), group })
    }

    /// The destination of one session.
    ///
    /// # Errors
    /// Why it has none.
    pub fn authorize_destination(
        &self,
        policy: &CoveredPolicy,
        facts: &SessionFacts,
    ) -> Result<OutputUri, NoDestination> {
        let uri = policy.destination_of(&policy.request.template, facts).map_err(|error| match error {
            ExpandError::MissingValue(_) => NoDestination::MissingValue,
            ExpandError::TooLong => NoDestination::Refused,
        })?;
        let (region, group) = (&facts.arn.region, &facts.arn.group);
        let wanted = RequestedPolicy { namespace: &policy.namespace, region, group, destinations: uri.as_str() };
        if self.rules.allow_policy(wanted, &self.region) { Ok(uri) } else { Err(NoDestination::Refused) }
    }

    fn print_missing_policy_rule(&self, wanted: RequestedPolicy<'_>) -> String {
        let rule = Rule::narrowest_rule_for_policy(wanted, &self.region).map(|rule| rule.to_string());
        rule.filter(|text| text.len() <= MAX_PRINTED_RULE)
            .unwrap_or_else(|| "a rule with policies: true (it is too long to be shown here)".to_owned())
    }
}
