//! The creation of one object for a policy.

use crate::api::SessionExport;
use crate::api::policy::export_identity::export_name;
use crate::api::request::Uid;
use crate::authorization::policies::CoveredPolicy;
use crate::policy::candidates::SelectedSession;

/// An object to be made.
#[derive(Debug, Clone)]
pub(crate) struct Creation {
    /// The policy.
    pub policy: CoveredPolicy,
    /// The session's key.
    pub key: u64,
    /// The session and its destination.
    pub candidate: SelectedSession,
}

impl Creation {
    /// The object's name.
    pub(crate) fn name(&self) -> String {
        export_name(&self.policy.name, &self.candidate.arn)
    }

    /// The object.
    pub(crate) fn object(&self) -> SessionExport {
        self.policy.export_of(self.policy.request(), &self.candidate.arn, &self.candidate.uri)
    }
}

/// How the creation of an object ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CreationOutcome {
    /// The object exists: made now, or by this policy earlier (`uid` is `None`).
    Made {
        /// The uid of an object made now.
        uid: Option<Uid>,
    },
    /// The name is taken by an object that is no policy's, or by one that is controlled by something else.
    NameTaken,
    /// The name is taken by an object of a deleted policy of this name, or one that is being deleted: the next scan tries
    /// again.
    NotYet,
    /// The API server refuses it, in these words.
    Refused(String),
    /// The request failed: the next scan tries again.
    Failed,
}
