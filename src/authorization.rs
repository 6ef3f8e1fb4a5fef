//! Authorization: which namespace may export what to where.
//!
//! Owns: the administrator's rules for the operator's own identity, and [`Covered`], the proof that they allow
//! something for an object.
//! Never: IO, or a clock.

pub mod patterns;
pub mod policies;
pub mod rules;
#[cfg(test)]
mod tests;

use crate::api::request::Export;
use crate::aws::identifiers::{AccountId, OutputUri, Region, SessionArn};
use patterns::OutputPrefix;
use rules::{RequestedExport, Rules, print_missing_rule};
use std::ops::Deref;
use std::sync::Arc;

/// The operator's own identity, with the rules for its use.
#[derive(Debug, Clone)]
pub struct OperatorIdentity {
    /// Region for objects that name none.
    pub region: Region,
    /// The identity's account; `None` if the administrator gave none, which is valid only without rules.
    pub account: Option<AccountId>,
    /// The administrator's rules.
    pub rules: Rules,
}

/// The session and destination that an object requests, named in full.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The session.
    pub arn: SessionArn,
    /// The destination.
    pub uri: OutputUri,
}

/// An object that the rules cover. Only for such an object state is kept, its session read, and its status believed;
/// only [`OperatorIdentity::authorize`] makes one.
#[derive(Debug, Clone)]
pub struct Covered {
    export: Arc<Export>,
    target: Arc<Target>,
    prefix: OutputPrefix,
    may_request: bool,
}

impl Covered {
    /// The session and destination that it requests.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The prefix of the rule that covers its destination: as wide as an IAM policy written for that rule.
    pub fn prefix(&self) -> &OutputPrefix {
        &self.prefix
    }

    /// Whether the export may be requested; if not, only a request made earlier is followed to its end.
    pub fn may_request(&self) -> bool {
        self.may_request
    }
}

impl Deref for Covered {
    type Target = Export;

    fn deref(&self) -> &Export {
        &self.export
    }
}

/// Why nothing may be done for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uncovered {
    /// This version doesn't accept the spec (the cluster's CRD is laxer).
    Malformed {
        /// Field, and what it accepts.
        detail: String,
    },
    /// `spec.serviceAccountName`: not supported, and never replaced by the operator's own identity.
    ServiceAccount,
    /// An ARN of another account than the operator's.
    OtherAccount {
        /// The account that the ARN names.
        named: AccountId,
    },
    /// No rule covers the request.
    Forbidden {
        /// A rule that would cover it, as YAML.
        missing_rule: String,
    },
    /// Only a rule with `exports: false` covers it, and nothing has been requested.
    Retired,
}

/// The result of [`OperatorIdentity::authorize`].
#[derive(Debug, Clone)]
pub enum Authorization {
    /// Something may be done for the object.
    Covered(Covered),
    /// Nothing may be done for it, whatever its status says.
    Uncovered(Arc<Export>, Uncovered),
}

impl Authorization {
    /// The object, as it is stored.
    pub fn export(&self) -> &Arc<Export> {
        match self {
            Self::Covered(covered) => &covered.export,
            Self::Uncovered(export, _) => export,
        }
    }

    /// Whether the object is unfinished, its status says that the export was requested, and no rule covers it: it is
    /// left unchanged.
    pub fn is_left_as_it_stands(&self) -> bool {
        match self {
            Self::Covered(_) => false,
            Self::Uncovered(export, _) => export.requested() && !export.finished(),
        }
    }
}

impl OperatorIdentity {
    /// Authorizes one object, before anything in its status is believed. `requested` is true if this process knows that
    /// its export has been requested, even if its status no longer shows it.
    pub fn authorize(&self, export: Arc<Export>, requested: bool) -> Authorization {
        match self.find_coverage(&export, requested) {
            Ok((target, prefix, may_request)) => {
                Authorization::Covered(Covered { export, target: Arc::new(target), prefix, may_request })
            }
            Err(why) => Authorization::Uncovered(export, why),
        }
    }

    /// Refuses an ARN of another account.
    fn check_account(&self, named: Option<&AccountId>) -> Result<(), Uncovered> {
        match (named, &self.account) {
            (Some(named), Some(ours)) if named != ours => Err(Uncovered::OtherAccount { named: named.clone() }),
            _ => Ok(()),
        }
    }

    fn find_coverage(&self, export: &Export, requested: bool) -> Result<(Target, OutputPrefix, bool), Uncovered> {
        let request = match &export.request {
            Ok(request) => request,
            Err(malformed) => return Err(Uncovered::Malformed { detail: malformed.to_string() }),
        };
        if request.as_service_account {
            return Err(Uncovered::ServiceAccount);
        }
        self.check_account(request.named_account())?;
        let region = request.region_or(&self.region);
        let wanted =
            RequestedExport { namespace: &export.namespace, region, group: &request.group.id, uri: &request.uri };
        let forbidden = || Uncovered::Forbidden { missing_rule: print_missing_rule(wanted, &self.region) };
        let account = self.account.as_ref().ok_or_else(forbidden)?;
        let coverage = self.rules.coverage_of(wanted, &self.region).ok_or_else(forbidden)?;
        if !coverage.exports && !requested && !export.requested() {
            return Err(Uncovered::Retired);
        }
        let target = Target { arn: request.session_arn(region, account), uri: request.uri.clone() };
        Ok((target, coverage.prefix.clone(), coverage.exports))
    }
}
