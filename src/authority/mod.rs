//! Who may send what where.
//!
//! Owns: the administrator's rules for the operator's own identity. Pure: no IO, no clock.

pub mod patterns;
pub mod rules;

use crate::export::decide::Authority;
use crate::export::memory::Target;
use crate::export::request::Export;
use crate::streams::identifiers::{AccountId, Region};
use rules::{Rules, Verdict, print_missing_rule};

/// The operator's own identity, and what it may be used for.
#[derive(Debug, Clone)]
pub struct OperatorIdentity {
    /// Region for objects that name none.
    pub region: Region,
    /// The identity's account. `None` if the administrator gave none, which only goes without rules.
    pub account: Option<AccountId>,
    /// What is allowed.
    pub rules: Rules,
}

impl OperatorIdentity {
    /// Judges one object. The target is absent where the identity can't be used at all.
    pub fn judge(&self, export: &Export) -> (Authority, Option<Target>) {
        let request = match &export.request {
            Ok(request) => request,
            Err(malformed) => return (Authority::Malformed { detail: malformed.to_string() }, None),
        };
        if request.as_service_account {
            return (Authority::ServiceAccount, None);
        }
        let named = request.named_account();
        if let (Some(named), Some(ours)) = (named, &self.account)
            && named != ours
        {
            return (Authority::OtherAccount { named: named.clone(), ours: ours.clone() }, None);
        }
        let Some(account) = self.account.as_ref() else {
            let missing_rule = print_missing_rule(&export.namespace, &request.group.id, &request.uri);
            return (Authority::Forbidden { missing_rule }, None);
        };
        let target = Target { arn: request.session_arn(&self.region, account), uri: request.uri.clone() };
        match self.rules.judge(&export.namespace, &target.arn, &target.uri) {
            Verdict::Allowed => (Authority::Allowed, Some(target)),
            Verdict::Forbidden { missing_rule } => (Authority::Forbidden { missing_rule }, Some(target)),
        }
    }
}
