//! The rows of a policy's condition table, with their messages.

use crate::api::Reason;
use crate::api::policy::PolicyReason;
use crate::authorization::Uncovered;
use crate::aws::identifiers::StreamGroupArn;
use std::sync::Arc;
use std::time::Duration;

/// Longest message, in bytes.
const MAX_MESSAGE: usize = 512;

/// One row of the condition table, with what its message needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PolicyRow {
    /// The first complete scan has not ended.
    Discovering,
    /// Nothing is in the way.
    Watching,
    /// `spec.suspend`.
    Suspended,
    /// The last complete scan is too old.
    Behind {
        /// It began longer ago than this.
        older_than: Duration,
        /// What it cost, in requests.
        pages: usize,
    },
    /// The most urgent export is Stalled.
    ExportsHeld {
        /// Its name.
        name: Arc<str>,
        /// The reason in its status.
        reason: Reason,
    },
    /// This version doesn't accept the spec.
    SpecRejected {
        /// Field, and what it accepts.
        problem: String,
    },
    /// No rule allows it.
    DestinationForbidden {
        /// A rule that would.
        missing_rule: String,
    },
    /// `spec.serviceAccountName`.
    ServiceAccountNotSupported,
    /// An ARN of another account.
    AccountMismatch {
        /// That account.
        named: String,
    },
    /// AWS denies ListStreamSessions.
    AccessDenied {
        /// The group.
        group: StreamGroupArn,
    },
    /// AWS does not accept the operator's credentials, or there are none.
    CredentialsUnavailable,
    /// AWS doesn't know the stream group.
    StreamGroupNotFound {
        /// The group.
        group: StreamGroupArn,
    },
    /// What the template makes would not match the operator's selector.
    OutOfScope {
        /// The selector.
        selector: String,
    },
    /// The API server refuses to create the objects.
    ExportsRefused {
        /// Its words, made safe.
        words: String,
    },
}

/// What kstatus makes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyProgress {
    /// Ready.
    Ready,
    /// Goes on by itself.
    Reconciling,
    /// A person must act.
    Stalled,
}

impl PolicyRow {
    /// Why no rule covers the policy.
    pub(crate) fn of_uncovered(why: Uncovered) -> Self {
        match why {
            Uncovered::Malformed { detail } => Self::SpecRejected { problem: detail },
            Uncovered::ServiceAccount => Self::ServiceAccountNotSupported,
            Uncovered::OtherAccount { named } => Self::AccountMismatch { named: named.to_string() },
            Uncovered::Forbidden { missing_rule } => Self::DestinationForbidden { missing_rule },
            Uncovered::Retired => Self::DestinationForbidden { missing_rule: "one with policies: true".to_owned() },
        }
    }

    /// The reason that names this row.
    pub(crate) const fn reason(&self) -> PolicyReason {
        match self {
            Self::Discovering => PolicyReason::Discovering,
            Self::Watching => PolicyReason::Watching,
            Self::Suspended => PolicyReason::Suspended,
            Self::Behind { .. } => PolicyReason::Behind,
            Self::ExportsHeld { .. } => PolicyReason::ExportsHeld,
            Self::SpecRejected { .. } => PolicyReason::SpecRejected,
            Self::DestinationForbidden { .. } => PolicyReason::DestinationForbidden,
            Self::ServiceAccountNotSupported => PolicyReason::ServiceAccountNotSupported,
            Self::AccountMismatch { .. } => PolicyReason::AccountMismatch,
            Self::AccessDenied { .. } => PolicyReason::AccessDenied,
            Self::CredentialsUnavailable => PolicyReason::CredentialsUnavailable,
            Self::StreamGroupNotFound { .. } => PolicyReason::StreamGroupNotFound,
            Self::OutOfScope { .. } => PolicyReason::OutOfScope,
            Self::ExportsRefused { .. } => PolicyReason::ExportsRefused,
        }
    }

    /// What kstatus makes of it.
    pub(crate) const fn progress(&self) -> PolicyProgress {
        match self {
            Self::Watching | Self::Suspended => PolicyProgress::Ready,
            Self::Discovering | Self::Behind { .. } => PolicyProgress::Reconciling,
            Self::ExportsHeld { .. }
            | Self::SpecRejected { .. }
            | Self::DestinationForbidden { .. }
            | Self::ServiceAccountNotSupported
            | Self::AccountMismatch { .. }
            | Self::AccessDenied { .. }
            | Self::CredentialsUnavailable
            | Self::StreamGroupNotFound { .. }
            | Self::OutOfScope { .. }
            | Self::ExportsRefused { .. } => PolicyProgress::Stalled,
        }
    }

    /// The message of the row's conditions: the same row always has the same text. At most 512 bytes.
    pub(crate) fn message(&self) -> String {
        let mut text = match self {
            Self::Discovering => "The first scan of the stream group has not ended yet.".to_owned(),
            Self::Watching => "The sessions of the stream group are listed again and again. Those that the policy \
                               selects are exported."
                .to_owned(),
            Self::Suspended => "spec.suspend is true: no new exports are made. Existing ones go on.".to_owned(),
            Self::Behind { older_than, pages } => format!(
                "The last complete scan of the stream group began more than {} s ago. A scan takes {pages} requests to \
                 ListStreamSessions. Sessions that end before they are listed are missed. Raise quota.list or \
                 quota.discoveryShare, or use fewer stream groups.",
                older_than.as_secs()
            ),
            Self::ExportsHeld { name, reason } => format!(
                "AWS has not accepted SessionExport {name}, the oldest that waits. A person must act: {}. The message in \
                 its status says what to do.",
                reason.as_str()
            ),
            Self::SpecRejected { problem } => format!(
                "This version of the operator does not accept the spec: {problem}. The definition in the cluster is \
                 another version's."
            ),
            Self::DestinationForbidden { missing_rule } => format!(
                "No rule of the operator's configuration that allows policies covers this namespace, stream group and \
                 destination. An administrator may add to rules: {missing_rule}"
            ),
            Self::ServiceAccountNotSupported => {
                "This version does not support spec.serviceAccountName. It does not use \
                                                 the operator's own identity instead."
                    .to_owned()
            }
            Self::AccountMismatch { named } => {
                format!("The ARN names account {named}, which this operator does not serve.")
            }
            Self::AccessDenied { group } => format!(
                "IAM denies the operator's role gameliftstreams:ListStreamSessions. The operator retries every minute. \
                 Allow it in the role's policy, with the resource {group}."
            ),
            Self::CredentialsUnavailable => {
                "The operator has no credentials that AWS accepts. It retries every minute. \
                                             Check the IAM role of its Pods."
                    .to_owned()
            }
            Self::StreamGroupNotFound { group } => {
                format!("AWS does not know the stream group {group}. The operator looks again every minute.")
            }
            Self::OutOfScope { selector } => format!(
                "This operator watches objects with the labels {selector} only. The SessionExports of the policy would \
                 not have them: add them to spec.template.metadata.labels."
            ),
            Self::ExportsRefused { words } => {
                format!("The API server refuses to create the SessionExports: {words}. The operator tries again.")
            }
        };
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        text
    }
}
